"""The columns of the space data template, in the documented order, and the rows that headers are in."""

from enum import StrEnum

RENAME_ROW, HEADER_ROW, FIRST_ROW = 3, 4, 5
"""Where customers' own names of the columns are, the headers, and the first row of data (1-based)."""


_LAST_COLUMN = 16_384
"""Of a sheet in Excel."""


class Column(StrEnum):
    """A column by its header.

    The last three are ours: the template has no country, which a building needs, and an extract of Engage
    carries its ids.
    """

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
    ENGAGE_LOCATION_ID = "Engage Location Id"
    ENGAGE_RESOURCE_ID = "Engage Resource Id"


EXTRA_COLUMNS = (Column.COUNTRY, Column.ENGAGE_LOCATION_ID, Column.ENGAGE_RESOURCE_ID)
TEMPLATE_COLUMNS = tuple(column for column in Column if column not in EXTRA_COLUMNS)
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


def number_of(letters: str) -> int:
    """The number of a column by its letters, from 1; 0 when they name none.

    >>> number_of("A"), number_of("AA"), number_of("XFD"), number_of("XFE"), number_of("a1")
    (1, 27, 16384, 0, 0)
    """
    number = 0
    for character in letters:
        if not "A" <= character <= "Z":
            return 0
        number = number * 26 + ord(character) - ord("A") + 1
    return number if number <= _LAST_COLUMN else 0
