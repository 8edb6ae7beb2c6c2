"""What a number is shown as: spreadsheets keep dates and leading zeros in the format alone."""

import re
from datetime import datetime, timedelta
from functools import lru_cache

from engage_sync.spacedata.grid import Cell, DateValue

GENERAL = "General"
_BUILT_IN_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
# Brackets hold no brackets: else a format of a million "[" is read a million times to its end.
_LITERALS = re.compile(r'"[^"]*"|\\.|[_*].|\[(?!h+\]|m+\]|s+\])[^\[\]]*\]', re.IGNORECASE)
_ZEROS = re.compile(r"0{2,32}")
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)


def built_in(number: int) -> str:
    """A format code that stands for a built-in format; of these only the dates matter."""
    return "yyyy-mm-dd" if number in _BUILT_IN_DATES else GENERAL


@lru_cache(maxsize=4096)
def is_plain(code: str) -> bool:
    """Whether a number in this format is just a number."""
    return not _is_date(code) and not _ZEROS.fullmatch(code)


def shown(value: float, code: str, date1904: bool) -> Cell:
    """The cell that a number of this format is: a date, a text with its leading zeros, or the number."""
    if _is_date(code):
        return DateValue(_date(value, _EPOCH_1904 if date1904 else _EPOCH))
    if _ZEROS.fullmatch(code) and value.is_integer() and 0 <= value < 1e15:
        return str(int(value)).zfill(len(code))
    return value


@lru_cache(maxsize=4096)
def _is_date(code: str) -> bool:
    return bool(re.search("[dmyhs]", _LITERALS.sub("", code.partition(";")[0]), re.IGNORECASE))


def _date(value: float, epoch: datetime) -> str:
    try:
        moment = epoch + timedelta(days=value)
    except (OverflowError, ValueError):
        return f"{value:.15g}"
    return moment.isoformat(sep=" ", timespec="minutes").removesuffix(" 00:00")
