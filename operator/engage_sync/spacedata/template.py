"""Writes the space data workbook, blank or filled."""

import io
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from engage_sync.spacedata.columns import FIRST_ROW, HEADER_ROW, REQUIRED_COLUMNS, TEMPLATE_COLUMNS, Column
from engage_sync.spacedata.example import (
    EXAMPLE,
    INSTRUCTIONS,
    NOTES,
    SPACE_TYPES,
    STATES,
    YES_NO,
    Record,
)
from engage_sync.store.durable import replace_file
from reconcilers.errors import ConfigError

DATA_SHEET, EXAMPLE_SHEET, INSTRUCTIONS_SHEET, LISTS_SHEET = "Space Data", "Example", "Instructions", "Lists"
_LAST_ROW = 200_000
"""Lists to choose from reach down to here."""
_SPACE_TYPES_ROOM = 500
_TEXT = 49
"""The built-in number format that keeps what is typed as it is."""
_NUMBERS = {Column.CAPACITY, Column.SQUARE_FEET, Column.RENTABLE_SQUARE_FEET}
_WIDTHS = {Column.BUILDING_NAME: 28, Column.ADDRESS: 28, Column.DESCRIPTION: 32, Column.ROOM: 16}


def write_template(
    path: Path, *, force: bool = False, records: Iterable[Record] = (), extra: Sequence[Column] = ()
) -> None:
    """Write the workbook to `path`.

    Args:
        path: The .xlsx to make.
        force: Whether a file of that name may be overwritten.
        records: Rows to fill in, by column; blank without.
        extra: Columns after the sixteen, such as Country.

    Raises:
        ConfigError: The name is of another format, or there is such a file already.
        OSError: It cannot be written.
    """
    check_name(path)
    write_out(path, _workbook(records, (*TEMPLATE_COLUMNS, *extra)), force=force)


def check_name(path: Path) -> None:
    """Refuse a name of another format, with a ConfigError."""
    if path.suffix.lower() != ".xlsx":
        raise ConfigError(f"{path}: the template is written as .xlsx; give it a name that ends so")


def write_out(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file that a person asked for; ConfigError where `check_out` refuses it, else OSError."""
    check_out(path, force=force)
    there = Path(os.path.realpath(path))  # a link stays one
    replace_file(there, data, mode=stat.S_IMODE(there.stat().st_mode) if there.exists() else None)


def check_out(path: Path, *, force: bool) -> None:
    """Refuse a file that cannot be made or is there already, with a ConfigError."""
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is no folder; make it, or name a file in another")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is there and is no file; name another")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; name another file, or overwrite it with --force")


def _workbook(records: Iterable[Record], columns: Sequence[Column]) -> bytes:
    file = io.BytesIO()
    # Not interpreted: text stays text, whatever it begins with.
    book = xlsxwriter.Workbook(
        file, {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    styles = _Styles(book)
    _write_sheet(book.add_worksheet(DATA_SHEET), styles, columns, records)
    _write_sheet(book.add_worksheet(EXAMPLE_SHEET), styles, TEMPLATE_COLUMNS, EXAMPLE)
    _write_instructions(book.add_worksheet(INSTRUCTIONS_SHEET), styles)
    _write_lists(book.add_worksheet(LISTS_SHEET), styles)
    book.close()
    return file.getvalue()


class _Styles:
    def __init__(self, book: Any) -> None:
        header = {"bold": True, "border": 1, "text_wrap": True, "valign": "top"}
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.bold = book.add_format({"bold": True})
        self.note = book.add_format({"italic": True, "font_color": "#666666"})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self.text = book.add_format({"num_format": _TEXT})
        self.required = book.add_format({**header, "bg_color": "#FFC000"})
        self.optional = book.add_format({**header, "bg_color": "#DDEBF7"})


def _write_sheet(sheet: Any, styles: _Styles, columns: Sequence[Column], records: Iterable[Record]) -> None:
    """Title, marks, room for names, headers, rows. Below the headers only what is filled in is a cell."""
    sheet.write_string(0, 0, f"Space data: {sheet.get_name()}", styles.title)
    for index, column in enumerate(columns):
        sheet.set_column(index, index, _WIDTHS.get(column, 14), None if column in _NUMBERS else styles.text)
        sheet.write_string(1, index, _mark(column), styles.note)
        style = styles.required if column in REQUIRED_COLUMNS else styles.optional
        sheet.write_string(HEADER_ROW - 1, index, column, style)
    sheet.freeze_panes(HEADER_ROW, 1)
    _add_validations(sheet, columns)
    for row, record in enumerate(records, FIRST_ROW - 1):
        for index, column in enumerate(columns):
            _write_value(sheet, row, index, record.get(column, ""))


def _mark(column: Column) -> str:
    if column is Column.BUILDING_NAME:
        return "required, or code"
    return "required" if column in REQUIRED_COLUMNS else "optional"


def _write_value(sheet: Any, row: int, column: int, value: str | float) -> None:
    if isinstance(value, str):
        if value:
            sheet.write_string(row, column, value)
    else:
        sheet.write_number(row, column, value)


def _add_validations(sheet: Any, columns: Sequence[Column]) -> None:
    for index, column in enumerate(columns):
        rule = _VALIDATIONS.get(column)
        if rule:
            options = {"input_title": str(column), "input_message": NOTES[column], **rule}
            sheet.data_validation(FIRST_ROW - 1, index, _LAST_ROW - 1, index, options)


def _list(column: str, count: int) -> dict[str, Any]:
    return {"validate": "list", "source": f"={LISTS_SHEET}!${column}$2:${column}${count + 1}"}


_AREA = {
    "validate": "decimal", "criteria": ">=", "value": 0,
    "error_title": "Not a number", "error_message": "Write a number of square feet, without a unit.",
}  # fmt: skip
_HINT = {"error_type": "information", "error_title": "Not in the list"}
_VALIDATIONS: dict[Column, dict[str, Any]] = {
    Column.OCCUPIABLE: _list("A", len(YES_NO)),
    Column.RESERVABLE: _list("A", len(YES_NO)),
    Column.STATE_CODE: {
        **_list("B", len(STATES)), **_HINT,
        "error_message": "This is no state of the US. For another country add a column Country.",
    },
    Column.SPACE_TYPE: {
        **_list("C", _SPACE_TYPES_ROOM), **_HINT,
        "error_message": "Make sure that Workplace has this space type, and add it to the sheet Lists.",
    },
    Column.CAPACITY: {
        "validate": "integer", "criteria": ">=", "value": 0,
        "error_title": "Not a number", "error_message": "Write a whole number of people.",
    },
    Column.SQUARE_FEET: _AREA,
    Column.RENTABLE_SQUARE_FEET: _AREA,
}  # fmt: skip


def _write_instructions(sheet: Any, styles: _Styles) -> None:
    sheet.set_column(0, 0, 24, styles.wrap)
    sheet.set_column(1, 1, 90, styles.wrap)
    sheet.write_string(0, 0, "How to fill in the space data", styles.title)
    for row, text in enumerate(INSTRUCTIONS, 2):
        sheet.write_number(row, 0, row - 1)
        sheet.write_string(row, 1, text)
    for row, (column, note) in enumerate(NOTES.items(), len(INSTRUCTIONS) + 3):
        sheet.write_string(row, 0, column, styles.bold)
        sheet.write_string(row, 1, note)


def _write_lists(sheet: Any, styles: _Styles) -> None:
    for index, (title, values) in enumerate(
        (("Yes or no", YES_NO), (Column.STATE_CODE, STATES), (Column.SPACE_TYPE, SPACE_TYPES))
    ):
        sheet.set_column(index, index, 22, styles.text)
        sheet.write_string(0, index, title, styles.bold)
        for row, value in enumerate(values, 1):
            sheet.write_string(row, index, value)
