"""What the cells of an .xlsx hold, by the type and the style that they name."""

import re
from collections.abc import Mapping, Sequence
from math import isfinite

from engage_sync.spacedata.formats import is_plain, shown
from engage_sync.spacedata.grid import Cell, DateValue, ErrorValue
from engage_sync.spacedata.limits import Budget

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Values:
    """Reads values with one workbook's shared strings and number formats."""

    def __init__(
        self, strings: Sequence[str], formats: Sequence[str], date1904: bool, budget: Budget
    ) -> None:
        self._strings = strings
        self._formats = {str(style): code for style, code in enumerate(formats) if not is_plain(code)}
        self._date1904 = date1904
        self._budget = budget

    def value(self, attributes: Mapping[str, str], text: str) -> Cell:
        """The value of a cell that is no formula. Raises ValueError or IndexError for one that cannot be."""
        type = attributes.get("t", "n")
        if type == "s":
            if (index := int(text)) < 0:
                raise IndexError(text)
            return self._strings[index] or None
        if type == "n":
            return self._number(text, attributes.get("s", ""))
        if type == "b":
            return text.strip() in ("1", "true")
        if type == "e":
            return ErrorValue(text)
        if type == "d":
            return DateValue(text) if text else None
        self._budget.take_text(len(text))
        return unescape(text) or None

    def _number(self, text: str, style: str) -> Cell:
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            return ErrorValue(text)
        if not isfinite(number):
            return ErrorValue(text)
        code = self._formats.get(style)
        return number if code is None else shown(number, code, self._date1904)


def unescape(text: str) -> str:
    """A text without the escapes that Excel writes for characters XML has not, such as _x000D_."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
