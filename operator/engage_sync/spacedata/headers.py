"""Finds the sheet and the row that the headers are in, and which column is which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from engage_sync.spacedata.columns import (
    COLUMN_BY_KEY,
    FIRST_ROW,
    HEADER_ROW,
    RENAME_ROW,
    TEMPLATE_COLUMNS,
    Column,
    header_key,
    letter,
)
from engage_sync.spacedata.grid import Cell, ErrorValue, Formula, Sheet, Workbook
from engage_sync.spacedata.problems import Place, Problems, Reason, text_of
from reconcilers.text import clean

TOP = 100
"""Rows of each sheet that are searched for headers."""
_ENOUGH = 4
"""Known headers that make a row the header row."""
HELP_SHEETS = frozenset({"example", "instructions", "lists"})
"""Of the template itself; they look like data and are none."""


@dataclass(frozen=True, slots=True)
class Headers:
    """Where the headers are: their row, the known columns by number, and the renames of row 3."""

    row: int
    columns: Mapping[Column, int]
    renames: Mapping[Column, str]


def find_sheet(book: Workbook, problems: Problems) -> tuple[int, int] | None:
    """The sheet with the space data and its header row, or None; what is doubtful becomes a problem."""
    tops = [book.read(index, TOP) for index in range(len(book.sheet_names))]
    found = [(index, row) for index, top in enumerate(tops) if (row := _header_row(top))]
    others = [(index, row) for index, row in found if clean(tops[index].name).casefold() not in HELP_SHEETS]
    candidates = others or found
    if not candidates:
        name = book.sheet_names[0] if book.sheet_names else ""
        problems.add(
            Reason.NO_DATA_SHEET, Place(name), None, "no sheet has the template's headers",
            f"put the headers of `engage-sync spacedata template` in row {HEADER_ROW}",
        )  # fmt: skip
        return None
    chosen = next((pair for pair in candidates if not tops[pair[0]].hidden), candidates[0])
    name = tops[chosen[0]].name
    for index, row in candidates:
        if index != chosen[0] and any(number > row for number in tops[index].rows):
            problems.add(
                Reason.SEVERAL_DATA_SHEETS, Place(tops[index].name, row), None,
                f"the sheet{' is hidden and' * tops[index].hidden} holds space data beside the sheet {name}",
                f"move its rows to {name}, or delete the sheet",
            )  # fmt: skip
    return chosen


def _header_row(top: Sheet) -> int:
    """The row with the most known headers; the documented one where several have as many; 0 for none."""
    known = {
        row: len({header_key(cell) for cell in cells if isinstance(cell, str)} & COLUMN_BY_KEY.keys())
        for row, cells in top.rows.items()
        if row <= TOP
    }
    best = max(known, key=lambda row: (known[row], row == HEADER_ROW, -row), default=0)
    return best if known.get(best, 0) >= _ENOUGH else 0


def read_headers(sheet: Sheet, row: int, problems: Problems) -> Headers:
    """Which column is which; whatever differs from the template becomes a problem."""
    cells = sheet.rows[row]
    columns: dict[Column, int] = {}
    unknown: dict[int, str] = {}
    for number, cell in enumerate(cells, 1):
        text = text_of(cell)
        if not clean(text):
            continue
        place = Place(sheet.name, row, number, clean(text))
        if isinstance(cell, Formula):
            problems.add(Reason.FORMULA, place, cell, "the header is a formula", "type the header as text")
            continue
        column = COLUMN_BY_KEY.get(header_key(text))
        if column is None:
            unknown[number] = clean(text)
        elif column in columns:
            problems.add(
                Reason.DUPLICATE_HEADER, place, cell,
                f'the header "{column}" is in {letter(columns[column])}{row} already',
                "delete one of the two columns",
            )  # fmt: skip
        else:
            columns[column] = number
            _warn_of_spelling(problems, place, column, text)
    if row != HEADER_ROW:
        first = min(columns.values())
        problems.add(
            Reason.HEADER_ROW, Place(sheet.name, row, first), cells[first - 1],
            f"the headers are in row {row}, where the template has them in row {HEADER_ROW}",
            f"move them to row {HEADER_ROW}, and the data to row {FIRST_ROW} and below",
        )  # fmt: skip
    _judge_missing(sheet, row, columns, unknown, problems)
    return Headers(row, columns, _renames(sheet, row, columns, problems))


def _warn_of_spelling(problems: Problems, place: Place, column: Column, text: str) -> None:
    if text != column:
        problems.add(
            Reason.HEADER_SPELLING, place, text, f'the header is not written "{column}"', f'write "{column}"'
        )


def _judge_missing(
    sheet: Sheet, row: int, columns: Mapping[Column, int], unknown: dict[int, str], problems: Problems
) -> None:
    """Every missing header at the cell of its renamed one, as far as that can be told."""
    missing = [column for column in TEMPLATE_COLUMNS if column not in columns]
    renamed = {column: _renamed(column, columns, unknown) for column in missing}
    for column in missing:
        number = renamed[column]
        found = unknown.pop(number, "") if number else ""
        place = Place(sheet.name, row, number or TEMPLATE_COLUMNS.index(column) + 1, column)
        if found:
            cure = f'write "{column}" there, and "{found}" above it in row {RENAME_ROW} if you like'
            message = f'the header "{column}" is missing; "{found}" stands in its place'
        else:
            cure = f'add a column "{column}" in row {row}; its cells may stay blank where it is optional'
            message = f'the header "{column}" is missing'
        problems.add(Reason.MISSING_HEADER, place, found, message, cure)
    for number, text in unknown.items():
        problems.add(
            Reason.UNKNOWN_COLUMN, Place(sheet.name, row, number, text), text,
            "the template has no such column, so it is not read", "delete it if you expected otherwise",
        )  # fmt: skip


def _renamed(column: Column, columns: Mapping[Column, int], unknown: Mapping[int, str]) -> int:
    """The column whose header was once this one: at its place in the order, else by likeness; 0 if none."""
    index = TEMPLATE_COLUMNS.index(column)
    before = columns.get(TEMPLATE_COLUMNS[index - 1], 0) if index else 0
    if before and before + 1 in unknown:
        return before + 1
    if index + 1 in unknown:
        return index + 1
    close = get_close_matches(str(column), unknown.values(), 1, 0.7)
    return next((number for number, text in unknown.items() if close and text == close[0]), 0)


def _renames(sheet: Sheet, row: int, columns: Mapping[Column, int], problems: Problems) -> dict[Column, str]:
    above: Sequence[Cell] = sheet.rows.get(RENAME_ROW, ()) if row == HEADER_ROW else ()
    renames = {}
    for column, number in columns.items():
        cell = above[number - 1] if number <= len(above) else None
        if isinstance(cell, Formula | ErrorValue):
            reason = Reason.FORMULA if isinstance(cell, Formula) else Reason.ERROR_VALUE
            place = Place(sheet.name, RENAME_ROW, number, column)
            problems.add(reason, place, cell, "the name of a column is no text", "type it as text")
        elif clean(text_of(cell)):
            renames[column] = clean(text_of(cell))
    return renames
