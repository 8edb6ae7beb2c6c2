"""Rows as read, before buildings and floors are told apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from engage_sync.spacedata.cells import CellReader
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.grid import Sheet

TEXT_COLUMNS = (
    Column.BUILDING_NAME, Column.BUILDING_CODE, Column.STATE_CODE, Column.ADDRESS, Column.ADDRESS2,
    Column.CITY, Column.ZIP, Column.FLOOR, Column.ROOM, Column.SPACE_TYPE, Column.DESCRIPTION, Column.COUNTRY,
)  # fmt: skip
NUMBERED_COLUMNS = (Column.BUILDING_CODE, Column.ZIP, Column.FLOOR, Column.ROOM)
"""Where a number may have been a text with leading zeros."""
_INDEX = {column: index for index, column in enumerate(TEXT_COLUMNS)}


@dataclass(frozen=True, slots=True)
class Row:
    """One row that is not blank. A text is None where its cell is spoiled."""

    number: int
    texts: tuple[str | None, ...]
    occupiable: bool | None
    capacity: int | None
    square_feet: Decimal | None
    reservable: bool | None
    rentable_square_feet: Decimal | None
    numbers: tuple[Column, ...]
    """Columns of NUMBERED_COLUMNS whose cell is a number, not a text."""

    def __getitem__(self, column: Column) -> str | None:
        return self.texts[_INDEX[column]]


def read_rows(sheet: Sheet, header_row: int, cells: CellReader) -> Iterator[Row]:
    """All rows below the headers that are not blank."""
    for number in sheet.rows:
        if number <= header_row or cells.is_blank(number):
            continue
        yield Row(
            number,
            cells.texts(number, TEXT_COLUMNS),
            cells.yes_no(number, Column.OCCUPIABLE),
            cells.capacity(number),
            cells.area(number, Column.SQUARE_FEET),
            cells.yes_no(number, Column.RESERVABLE),
            cells.area(number, Column.RENTABLE_SQUARE_FEET),
            tuple(column for column in NUMBERED_COLUMNS if isinstance(cells.raw(number, column), float)),
        )
