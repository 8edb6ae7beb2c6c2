"""The words of the template: the worked example, the lists and the instructions."""

from collections.abc import Mapping

from engage_sync.spacedata.columns import FIRST_ROW, HEADER_ROW, RENAME_ROW, Column
from engage_sync.spacedata.geography import US_STATES

Record = Mapping[Column, str | int | float]

_HQ = {
    Column.BUILDING_NAME: "Riverside Tower", Column.BUILDING_CODE: "0042", Column.STATE_CODE: "MA",
    Column.ADDRESS: "1 Main Street", Column.ADDRESS2: "Suite 100", Column.CITY: "Boston", Column.ZIP: "02108",
}  # fmt: skip
EXAMPLE: tuple[Record, ...] = (
    {**_HQ, Column.FLOOR: "1", Column.ROOM: "101", Column.SPACE_TYPE: "Meeting Room",
     Column.OCCUPIABLE: "No", Column.CAPACITY: 8, Column.DESCRIPTION: "Meeting room by the lobby",
     Column.SQUARE_FEET: 250.5, Column.RESERVABLE: "Yes", Column.RENTABLE_SQUARE_FEET: 280},
    {**_HQ, Column.FLOOR: "1", Column.ROOM: "102", Column.SPACE_TYPE: "Desk",
     Column.OCCUPIABLE: "Yes", Column.CAPACITY: 1, Column.RESERVABLE: "Yes"},
    {**_HQ, Column.FLOOR: "-1", Column.ROOM: "B01", Column.SPACE_TYPE: "Storage", Column.OCCUPIABLE: "No"},
    {**_HQ, Column.FLOOR: "2"},
    {Column.BUILDING_NAME: "Harbor House", Column.BUILDING_CODE: "0043", Column.STATE_CODE: "ME",
     Column.ADDRESS: "5 Quay Road", Column.CITY: "Portland", Column.ZIP: "04101"},
)  # fmt: skip
"""Two rooms and a store on two floors, a floor whose rooms come later, a building likewise."""

YES_NO = ("Yes", "No")
STATES = tuple(sorted(US_STATES))
SPACE_TYPES = ("Meeting Room", "Conference Room", "Desk", "Office", "Storage")
"""Only to begin with: the customer writes those of Workplace over them."""

NOTES: Mapping[Column, str] = {
    Column.BUILDING_NAME: "Required, unless there is a Building Code. Must equal Workplace's name to match.",
    Column.BUILDING_CODE: "Optional. Needed where two buildings have one name. Keep leading zeros.",
    Column.STATE_CODE: "Required. Two letters, such as TX. In other countries: that country's code or name.",
    Column.ADDRESS: "Optional. The same in all rows of a building, like State Code, City and Zip.",
    Column.ADDRESS2: "Optional.",
    Column.CITY: "Optional, but it becomes the region in Engage.",
    Column.ZIP: "Optional. Keep leading zeros.",
    Column.FLOOR: "Required for a room. A name or a number; -1 is a basement.",
    Column.ROOM: "Required. Once on each floor. Leave it blank only where rooms come later.",
    Column.SPACE_TYPE: "Required for a room. Must exist in Workplace.",
    Column.OCCUPIABLE: "Optional. Yes or No; blank is Yes.",
    Column.CAPACITY: "Optional. A whole number; blank is 1.",
    Column.DESCRIPTION: "Optional.",
    Column.SQUARE_FEET: "Optional. A number, without a unit.",
    Column.RESERVABLE: "Optional. Yes or No; blank is No. Only reservable spaces come to Engage.",
    Column.RENTABLE_SQUARE_FEET: "Optional. A number, without a unit.",
}

INSTRUCTIONS = (
    f'One row of "Space Data" is one room, from row {FIRST_ROW} on. See "Example".',
    f"Do not change the headers in row {HEADER_ROW}, and leave them in that row.",
    f"Names of your own for the columns go above them, in row {RENAME_ROW}. They change no value.",
    "Repeat building and floor in every row; all rows of a building have the same address.",
    "A row without a room describes a building or a floor whose rooms come later.",
    "Paste values only: no formulas, no merged cells, no dates.",
    "The cells of text columns are formatted as Text, so that 0042 stays 0042.",
    'For buildings outside the US add a column "Country" after the last one, with codes such as DE.',
    'Write the space types that you have in Workplace over those in "Lists".',
    "Check the file: engage-sync spacedata check FILE",
)
