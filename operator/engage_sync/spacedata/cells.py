"""Reads the cells of one sheet as their columns mean them; every doubt becomes a problem at its cell.

A value is None where its cell is spoiled: the problem is noted, and nothing may be concluded from it.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from unicodedata import category

from engage_sync.spacedata.columns import Column, letter
from engage_sync.spacedata.grid import Area, Cell, DateValue, ErrorValue, Formula, Sheet
from engage_sync.spacedata.headers import Headers
from engage_sync.spacedata.problems import Place, Problems, Reason, text_of
from reconcilers.text import clean

MAX_NAME, MAX_DESCRIPTION = 255, 32_766
"""Characters. Workplace's own limits are not public; a cell that is full (32,767) was cut off."""
MAX_CAPACITY, MAX_AREA = 100_000, 10**9

_DECIMAL = re.compile(r"[-+]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_YES, _NO = {"yes", "y", "true", "1"}, {"no", "n", "false", "0"}
_JOINERS = "\u200c\u200d\u200e\u200f"  # Persian, Indic scripts and right-to-left text need them
_DIGITS_KEPT = 1e15


class CellReader:
    """The cells below the headers."""

    def __init__(self, sheet: Sheet, headers: Headers, problems: Problems) -> None:
        self._sheet = sheet
        self._columns = headers.columns
        self._problems = problems
        self._plain: set[str] = set()
        self._merged = _note_merged(sheet, headers, problems)

    def place(self, row: int, column: Column) -> Place:
        """The cell of a known column."""
        return Place(self._sheet.name, row, self._columns.get(column, 0), column)

    def raw(self, row: int, column: Column) -> Cell:
        """What the file holds there."""
        cells = self._sheet.rows[row]
        number = self._columns.get(column, 0)
        return cells[number - 1] if 0 < number <= len(cells) else None

    def is_blank(self, row: int) -> bool:
        """Whether no known column of a row holds anything."""
        cells = self._sheet.rows[row]
        return not any(
            cell is not None and not (isinstance(cell, str) and cell.isspace())
            for cell in (cells[number - 1] for number in self._columns.values() if number <= len(cells))
        )

    def texts(self, row: int, columns: Sequence[Column]) -> tuple[str | None, ...]:
        """The texts of several columns; the hot path, so what was plain before is taken as it is."""
        cells = self._sheet.rows[row]
        size = len(cells)
        plain = self._plain
        numbers = self._columns
        found: list[str | None] = []
        for column in columns:
            number = numbers.get(column, 0)
            cell = cells[number - 1] if 0 < number <= size else None
            if isinstance(cell, str) and cell in plain and not self._merged:
                found.append(cell)
            else:
                found.append(self.text(row, column))
        return tuple(found)

    def text(self, row: int, column: Column) -> str | None:
        """A text, tidied; empty when blank."""
        if column not in self._columns:  # said with the headers; Country alone may be missing
            return "" if column is Column.COUNTRY else None
        if self._is_merged(row, column):
            return None
        cell = self.raw(row, column)
        if cell is None:
            return ""
        if isinstance(cell, str):
            if cell in self._plain:
                return cell
            if _is_plain(cell):
                self._plain.add(cell)
                return cell
            return self._odd_text(row, column, cell)
        return self._no_text(row, column, cell)

    def yes_no(self, row: int, column: Column) -> bool | None:
        """Yes or no; None when blank, or spoiled."""
        cell = self._value(row, column)
        if cell is None or isinstance(cell, bool):
            return cell
        word = clean(text_of(cell)).casefold()
        if word in _YES or word in _NO:
            return word in _YES
        self._note(Reason.NOT_YES_NO, row, column, "it is neither Yes nor No", "write Yes or No")
        return None

    def capacity(self, row: int) -> int | None:
        """People; None when blank, or spoiled."""
        column = Column.CAPACITY
        number = self._number(row, column, "a whole number such as 8")
        if number is None:
            return None
        if number != int(number):
            self._note(
                Reason.NOT_A_NUMBER, row, column, "it is not a whole number", "write a whole number such as 8"
            )
            return None
        if not self._in_range(row, column, number, MAX_CAPACITY):
            return None
        if number == 0:
            self._note(
                Reason.ZERO_CAPACITY, row, column, "nobody fits in, and bookable spaces are taken as for 1",
                "write how many people fit in, or leave it blank for 1",
            )  # fmt: skip
        return int(number)

    def area(self, row: int, column: Column) -> Decimal | None:
        """Square feet; None when blank, or spoiled."""
        number = self._number(row, column, "a number such as 250.5")
        return number if number is not None and self._in_range(row, column, number, MAX_AREA) else None

    def _value(self, row: int, column: Column) -> Cell:
        """What a cell holds that is no text by its column; None when blank, or spoiled."""
        cell = None if self._is_merged(row, column) else self.raw(row, column)
        if isinstance(cell, Formula | ErrorValue | DateValue):
            self._spoiled(row, column, cell)
            return None
        return (cell if clean(cell) else None) if isinstance(cell, str) else cell

    def _number(self, row: int, column: Column, what: str) -> Decimal | None:
        cell = self._value(row, column)
        if cell is None:
            return None
        if isinstance(cell, float):
            return Decimal(text_of(cell))
        if isinstance(cell, str) and _DECIMAL.fullmatch(clean(cell)):
            return Decimal(clean(cell))
        self._note(Reason.NOT_A_NUMBER, row, column, "it is not a number", f"write {what}, without a unit")
        return None

    def _in_range(self, row: int, column: Column, number: Decimal, most: int) -> bool:
        if 0 <= number <= most:
            return True
        message = "it is less than nothing" if number < 0 else f"it is more than {most:,}"
        self._note(Reason.OUT_OF_RANGE, row, column, message, f"write a number from 0 to {most:,}")
        return False

    def _no_text(self, row: int, column: Column, cell: Cell) -> str | None:
        if isinstance(cell, Formula | ErrorValue | DateValue):
            self._spoiled(row, column, cell)
            return None
        if isinstance(cell, float) and abs(cell) >= _DIGITS_KEPT:
            self._note(
                Reason.DIGITS_LOST, row, column, "numbers keep 15 digits, so its end is lost",
                "format the cell as Text and type it again",
            )  # fmt: skip
            return None
        return text_of(cell)

    def _spoiled(self, row: int, column: Column, cell: Formula | ErrorValue | DateValue) -> None:
        reason, message, cure = _SPOILED[type(cell)]
        self._note(reason, row, column, message, cure)

    def _odd_text(self, row: int, column: Column, text: str) -> str | None:
        tidy = clean(text)
        most = MAX_DESCRIPTION if column is Column.DESCRIPTION else MAX_NAME
        if any(map(_is_control, text)):
            self._note(
                Reason.CONTROL_CHARACTER, row, column, "it holds a character that is none to be read",
                "delete the cell and type it again",
            )  # fmt: skip
            return None
        if len(tidy) > most:
            self._note(
                Reason.TOO_LONG, row, column, f"it has {len(tidy):,} characters, and {most:,} are the most",
                "shorten it",
            )  # fmt: skip
            return None
        if tidy and all(category(character) in ("Cf", "Zs") for character in tidy):
            self._note(
                Reason.INVISIBLE_CHARACTER, row, column, "it holds nothing that can be seen, so it is blank",
                "clear the cell, or type it again",
            )  # fmt: skip
            return ""
        if tidy and tidy != text:
            self._note(
                Reason.BLANKS, row, column, "it has blanks or line breaks that do not count",
                "nothing is needed, they are left out",
            )  # fmt: skip
        if any(category(character) == "Cf" and character not in _JOINERS for character in tidy):
            self._note(
                Reason.INVISIBLE_CHARACTER, row, column, "it holds a character that cannot be seen",
                "delete the cell and type it again if it is not meant",
            )  # fmt: skip
        if tidy.startswith(("=", "+", "@")):
            self._note(
                Reason.FORMULA_LIKE, row, column, f'the text begins with "{tidy[0]}", as formulas do',
                "leave it if it is meant; it is taken as text",
            )  # fmt: skip
        return tidy

    def _is_merged(self, row: int, column: Column) -> bool:
        if not self._merged:
            return False
        starts, ends = self._merged.get(column, ((), ()))
        index = bisect_right(starts, row) - 1
        return index >= 0 and row <= ends[index]

    def _note(self, reason: Reason, row: int, column: Column, message: str, cure: str) -> None:
        self._problems.add(reason, self.place(row, column), self.raw(row, column), message, cure)


_SPOILED: Mapping[type[Cell], tuple[Reason, str, str]] = {
    Formula: (Reason.FORMULA, "it is a formula", "copy it and paste it as a value"),
    ErrorValue: (Reason.ERROR_VALUE, "it is an error, not a value", "type the value"),
    DateValue: (
        Reason.DATE_VALUE,
        "it is a date, which spreadsheets make of what looks like one",
        "format the cell as Text and type it again",
    ),
}


def _is_plain(text: str) -> bool:
    """Whether nothing can be said against a text; most are, so this comes first."""
    return (
        text.isprintable()
        and len(text) <= MAX_NAME
        and text[:1] not in ("=", "+", "@")
        and text == " ".join(text.split())
    )


def _is_control(character: str) -> bool:
    """Whether a character stands for none: a control, half of one, or what Unicode keeps free of meaning."""
    if character in "\t\n\r":
        return False
    return category(character) in ("Cc", "Cs") or ord(character) & 0xFFFE == 0xFFFE


_Spans = tuple[Sequence[int], Sequence[int]]


def _note_merged(sheet: Sheet, headers: Headers, problems: Problems) -> dict[Column, _Spans]:
    """Problems of merged cells, and by column the first and last rows of those areas, in order."""
    last_row = max(sheet.rows)
    spans: dict[Column, list[tuple[int, int]]] = {}
    for area in sheet.merged:
        hit = [column for column, number in headers.columns.items() if area.left <= number <= area.right]
        if not hit or area.bottom < headers.row or area.top > last_row:
            continue
        first = min(hit, key=lambda column: headers.columns[column])
        cells = sheet.rows.get(area.top, ())
        problems.add(
            Reason.MERGED_CELLS, Place(sheet.name, area.top, area.left, first),
            cells[area.left - 1] if area.left <= len(cells) else None,
            f"the cells {_name(area)} are merged, so all but the first are empty",
            "unmerge them and fill in every cell",
        )  # fmt: skip
        for column in hit:
            spans.setdefault(column, []).append((area.top, area.bottom))
    return {column: _joined(rows) for column, rows in spans.items()}


def _name(area: Area) -> str:
    return f"{letter(area.left)}{area.top}:{letter(area.right)}{area.bottom}"


def _joined(spans: list[tuple[int, int]]) -> _Spans:
    """Spans in order, overlapping ones as one."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends
