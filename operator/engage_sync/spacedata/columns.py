"""The columns of the space data template, in the documented order, and the rows that headers are in."""

from enum import StrEnum

RENAME_ROW, HEADER_ROW, FIRST_ROW = 3, 4, 5
"""Where customers' own names of the columns are, the headers, and the first row of data (1-based)."""


class Column(StrEnum):
    """A column by its header. Country is ours: the template has none, and a building needs one."""

    BUILDING_NAME = "Building Name"
    BUILDING_CODE = "Building Code"
    STATE_CODE = "State Code"
    ADDRESS = "Address"
    ADDRESS2 = "Address2"
    CITY = "City"
    ZIP = "Zip"
    FLOOR = "Floor"
    ROOM = "Room"
    SPACE_TYPE = "Space Type"
    OCCUPIABLE = "Occupiable"
    CAPACITY = "Capacity"
    DESCRIPTION = "Description"
    SQUARE_FEET = "Square Feet"
    RESERVABLE = "Reservable"
    RENTABLE_SQUARE_FEET = "Rentable Square Feet"
    COUNTRY = "Country"


TEMPLATE_COLUMNS = tuple(column for column in Column if column is not Column.COUNTRY)
REQUIRED_COLUMNS = frozenset(
    {Column.BUILDING_NAME, Column.STATE_CODE, Column.FLOOR, Column.ROOM, Column.SPACE_TYPE}
)
BUILDING_COLUMNS = (
    Column.STATE_CODE, Column.ADDRESS, Column.ADDRESS2, Column.CITY, Column.ZIP, Column.COUNTRY
)  # fmt: skip
"""What belongs to a building beside its name and code, and so must be the same in all of its rows."""


def header_key(text: str) -> str:
    """The form in which two spellings of a header are one: neither case nor any blank counts."""
    return "".join(text.split()).casefold()


COLUMN_BY_KEY = {header_key(column): column for column in Column}


def letter(number: int) -> str:
    """The letters of a column by its number.

    >>> letter(1), letter(26), letter(27)
    ('A', 'Z', 'AA')
    """
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
