"""One spoiled cell, one problem, at that cell; in both formats."""

from pathlib import Path
from unicodedata import normalize

import pytest

from engage_sync.spacedata.columns import TEMPLATE_COLUMNS, Column
from engage_sync.spacedata.problems import Severity
from tests.unit.spacedata.books import (
    GOOD,
    WRITERS,
    Broken,
    Computed,
    Day,
    Padded,
    Record,
    Value,
    at,
    check,
    found,
    grid,
    xlsx,
)

formats = pytest.mark.parametrize("format", sorted(WRITERS))
SECOND: Record = {**GOOD, Column.ROOM: "302"}


def test_a_good_row_is_clean_and_read_as_it_is(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid(GOOD)))

    assert data.problems == ()
    (room,) = data.rooms
    assert (room.name, room.capacity, str(room.square_feet), room.reservable) == ("301", 2, "120.5", False)
    assert (room.floor.name, room.floor.building.name, room.floor.building.state) == ("3", "Tower", "TX")
    assert data.place(room, Column.CAPACITY).cell == "L5"


SPOILED: list[tuple[Column, Value, str]] = [
    (Column.FLOOR, "", "NoFloor"),
    (Column.SPACE_TYPE, "", "NoSpaceType"),
    (Column.ROOM, "", "WithoutRooms"),
    (Column.STATE_CODE, "", "NoState"),
    (Column.STATE_CODE, "ZZ", "UnknownState"),
    (Column.STATE_CODE, "Texas", "UnknownState"),
    (Column.STATE_CODE, 48, "UnknownState"),
    (Column.STATE_CODE, "Bayern", "ForeignState"),
    (Column.CAPACITY, "many", "NotANumber"),
    (Column.CAPACITY, "NaN", "NotANumber"),
    (Column.CAPACITY, "8 people", "NotANumber"),
    (Column.CAPACITY, 2.5, "NotANumber"),
    (Column.CAPACITY, True, "NotANumber"),
    (Column.CAPACITY, -3, "OutOfRange"),
    (Column.CAPACITY, "-3", "OutOfRange"),
    (Column.CAPACITY, 1e12, "OutOfRange"),
    (Column.CAPACITY, 1e300, "OutOfRange"),
    (Column.CAPACITY, 0, "ZeroCapacity"),
    (Column.SQUARE_FEET, "1,200", "NotANumber"),
    (Column.SQUARE_FEET, -1, "OutOfRange"),
    (Column.RENTABLE_SQUARE_FEET, "12 sqft", "NotANumber"),
    (Column.OCCUPIABLE, "perhaps", "NotYesNo"),
    (Column.RESERVABLE, 2, "NotYesNo"),
    (Column.ZIP, 2108, "LeadingZeros"),
    (Column.ZIP, "2108", "LeadingZeros"),
    (Column.ROOM, "301 ", "Blanks"),
    (Column.ROOM, "3\xa001", "Blanks"),
    (Column.ADDRESS, "1 Main\nStreet", "Blanks"),
    (Column.ROOM, "=301", "FormulaLike"),
    (Column.ROOM, "+49", "FormulaLike"),
    (Column.ROOM, "@home", "FormulaLike"),
    (Column.ROOM, "3\x0701", "ControlCharacter"),
    (Column.ROOM, "3\u202e01", "InvisibleCharacter"),
    (Column.ROOM, "3\u200b01", "InvisibleCharacter"),
    (Column.ROOM, "x" * 256, "TooLong"),
    (Column.ROOM, "x" * 32_767, "TooLong"),
    (Column.DESCRIPTION, "x" * 32_767, "TooLong"),
    (Column.ROOM, 12345678901234567, "DigitsLost"),
    *((column, Computed("1+1"), "Formula") for column in TEMPLATE_COLUMNS),
    *((column, Broken(), "ErrorValue") for column in TEMPLATE_COLUMNS),
    *((column, Day(46_024), "DateValue") for column in TEMPLATE_COLUMNS),
]


@formats
@pytest.mark.parametrize(("column", "value", "reason"), SPOILED)
def test_one_spoiled_cell_is_one_problem_there(
    tmp_path: Path, column: Column, value: Value, reason: str, format: str
) -> None:
    data = check(tmp_path, WRITERS[format](grid({**GOOD, column: value})))

    assert found(data) == [(reason, at(column))]
    (problem,) = data.problems
    assert (problem.place.sheet, problem.place.header) == ("Data", column)
    assert problem.message
    assert problem.cure


FINE: list[tuple[Column, Value]] = [
    (Column.FLOOR, "-1"),
    (Column.FLOOR, -1),
    (Column.FLOOR, 3.0),
    (Column.ROOM, "-3.01"),
    (Column.ROOM, 1.25),
    (Column.ROOM, "\u0645\u0643\u062a\u0628"),
    (Column.ROOM, "\u0646\u06cc\u0645\u200c\u0641"),
    (Column.ROOM, "Zoë & <Söhne> \U0001f600"),
    (Column.CAPACITY, "12"),
    (Column.CAPACITY, 3.0),
    (Column.CAPACITY, "3.0"),
    (Column.CAPACITY, ""),
    (Column.STATE_CODE, "tx"),
    (Column.ZIP, Padded(501)),
    (Column.ZIP, 78701),
    (Column.OCCUPIABLE, True),
    (Column.RESERVABLE, False),
    (Column.RESERVABLE, "YES"),
    (Column.OCCUPIABLE, 1),
    (Column.SQUARE_FEET, 0),
    (Column.BUILDING_NAME, ""),
    (Column.BUILDING_CODE, ""),
    (Column.DESCRIPTION, "x" * 3_000),
]


@formats
@pytest.mark.parametrize(("column", "value"), FINE)
def test_what_only_looks_odd_is_no_problem(tmp_path: Path, column: Column, value: Value, format: str) -> None:
    assert found(check(tmp_path, WRITERS[format](grid({**GOOD, column: value})))) == []


def test_numbers_become_the_texts_that_people_see(tmp_path: Path) -> None:
    data = check(
        tmp_path, xlsx(grid({**GOOD, Column.FLOOR: 3.0, Column.ROOM: 1.25, Column.ZIP: Padded(501)}))
    )

    (room,) = data.rooms
    assert (room.floor.name, room.name, room.floor.building.zip) == ("3", "1.25", "00501")


@formats
def test_merged_cells_are_one_problem_and_nothing_is_concluded_from_them(tmp_path: Path, format: str) -> None:
    cells = grid(GOOD, SECOND)
    del cells[at(Column.FLOOR, 6)]

    data = check(tmp_path, WRITERS[format](cells, merged=["H5:H6"]))

    assert found(data) == [("MergedCells", "H5")]
    assert "H5:H6" in data.problems[0].message


def test_a_merged_title_above_the_headers_is_nobodys_business(tmp_path: Path) -> None:
    assert found(check(tmp_path, xlsx(grid(GOOD) | {"A1": "Our buildings"}, merged=["A1:P1"]))) == []


def test_neither_name_nor_code(tmp_path: Path) -> None:
    nameless = {**SECOND, Column.BUILDING_NAME: "", Column.BUILDING_CODE: ""}
    assert found(check(tmp_path, xlsx(grid(GOOD, nameless)))) == [("NoBuilding", "A6")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column.BUILDING_NAME, "Towers"),
        (Column.ADDRESS, "2 Main Street"),
        (Column.ADDRESS2, "Suite 3"),
        (Column.CITY, "Dallas"),
        (Column.ZIP, "78702"),
        (Column.STATE_CODE, "OK"),
    ],
)
def test_the_same_building_with_two_addresses(tmp_path: Path, column: Column, value: str) -> None:
    data = check(tmp_path, xlsx(grid(GOOD, {**SECOND, column: value})))

    assert found(data) == [("BuildingDiffers", at(column, 6))]
    assert at(column) in data.problems[0].message


@pytest.mark.parametrize("value", ["", "1 MAIN STREET"])
def test_a_blank_or_another_case_is_no_other_address(tmp_path: Path, value: str) -> None:
    data = check(tmp_path, xlsx(grid({**GOOD, Column.ADDRESS: ""}, {**GOOD, Column.ROOM: "a"},
                                     {**SECOND, Column.ADDRESS: value})))  # fmt: skip

    assert found(data) == []
    (building,) = data.buildings
    assert building.address == "1 Main Street"
    assert data.place(building, Column.ADDRESS).cell == "D6"


def test_a_name_of_several_codes_is_ambiguous_and_one_of_a_single_code_is_that(tmp_path: Path) -> None:
    other = {**GOOD, Column.BUILDING_CODE: "T2"}
    nameless = {**SECOND, Column.BUILDING_CODE: ""}

    assert found(check(tmp_path, xlsx(grid(nameless, GOOD, other)))) == [("AmbiguousBuilding", "A5")]
    data = check(tmp_path, xlsx(grid(nameless, GOOD)))
    assert found(data) == []
    assert len(data.buildings) == 1
    assert data.buildings[0].code == "T1"


def test_duplicate_rooms_and_rooms_that_differ_by_case_alone(tmp_path: Path) -> None:
    upper, lower = {**GOOD, Column.ROOM: "3A"}, {**GOOD, Column.ROOM: "3a", Column.FLOOR: " 3"}
    elsewhere = {**upper, Column.FLOOR: "4"}

    data = check(tmp_path, xlsx(grid(upper, lower, elsewhere, upper)))

    assert found(data) == [("DuplicateRoom", "I8"), ("Blanks", "H6"), ("SimilarRoom", "I6")]
    assert "I5" in data.problems[0].message
    assert [floor.name for floor in data.floors] == ["3", "4"]


def test_numbers_among_texts_with_leading_zeros(tmp_path: Path) -> None:
    def row(code: Value, room: Value) -> Record:
        return {**GOOD, Column.BUILDING_CODE: code, Column.ROOM: room}

    data = check(tmp_path, xlsx(grid(row("0042", "7"), row(43, 7), row(1044, 12))))

    assert found(data) == [("LeadingZeros", "B6")]
    assert "0043" in data.problems[0].cure


def test_rows_without_rooms_are_buildings_and_floors(tmp_path: Path) -> None:
    floor = {**GOOD, Column.ROOM: "", Column.SPACE_TYPE: ""}
    building = {**floor, Column.FLOOR: "", Column.BUILDING_CODE: "T2"}

    data = check(tmp_path, xlsx(grid(floor, building)))

    assert found(data) == [("WithoutRooms", "I5"), ("WithoutRooms", "I6")]
    assert (len(data.buildings), len(data.floors), len(data.rooms)) == (2, 1, 0)


def test_blank_rows_are_skipped_wherever_they_are(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid(GOOD, {Column.FLOOR: "  "}, {}, SECOND)))

    assert found(data) == []
    assert [room.row for room in data.rooms] == [5, 8]


@pytest.mark.parametrize(
    ("state", "country", "reason"),
    [
        ("Bayern", "DE", "ForeignState"),
        ("BY", "DE", None),
        ("DE-BY", "Germany", None),
        ("", "DE", None),
        ("", "Atlantis", "UnrecognisedCountry"),
        ("ZZ", "USA", "UnknownState"),
        ("Bayern", "United States of America (the)", "UnknownState"),
        ("ON", "CA", None),
        ("TX", "XX", "UnknownCountry"),
    ],
)
def test_states_are_judged_by_the_country(
    tmp_path: Path, state: str, country: str, reason: str | None
) -> None:
    row = {**GOOD, Column.STATE_CODE: state, Column.COUNTRY: country}
    columns = (*TEMPLATE_COLUMNS, Column.COUNTRY)
    data = check(tmp_path, xlsx(grid(row, columns=columns)))

    assert [reason for reason, _ in found(data)] == ([] if reason is None else [reason])


def test_the_country_option_is_for_buildings_that_name_none(tmp_path: Path) -> None:
    columns = (*TEMPLATE_COLUMNS, Column.COUNTRY)
    cells = grid(
        {**GOOD, Column.STATE_CODE: "ZZ"},
        {**GOOD, Column.BUILDING_CODE: "T2", Column.COUNTRY: "us", Column.STATE_CODE: "ZZ"},
        columns=columns,
    )  # fmt: skip

    data = check(tmp_path, xlsx(cells), country="DE")

    assert found(data) == [("UnknownState", "C6")]
    assert [building.country_code for building in data.buildings] == ["DE", "US"]


def test_a_four_digit_postal_code_is_fine_where_it_is_usual(tmp_path: Path) -> None:
    row = {**GOOD, Column.STATE_CODE: "", Column.ZIP: 1010}
    assert found(check(tmp_path, xlsx(grid(row)), country="AT")) == []


def test_hidden_rows_are_read_and_said(tmp_path: Path) -> None:
    for format, write in WRITERS.items():
        data = check(tmp_path, write(grid(GOOD, SECOND), hidden_rows=[6]))
        assert found(data) == [("HiddenRows", "A6")], format
        assert len(data.rooms) == 2


def test_errors_come_before_warnings(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid({**GOOD, Column.ROOM: "301 "}, {**SECOND, Column.FLOOR: ""})))

    assert [problem.severity for problem in data.problems] == [Severity.ERROR, Severity.WARNING]


@formats
@pytest.mark.parametrize(
    ("column", "reason"),
    [(Column.FLOOR, "NoFloor"), (Column.SPACE_TYPE, "NoSpaceType"), (Column.ROOM, "WithoutRooms")],
)
@pytest.mark.parametrize("text", ["\u200b", "\ufeff ", "\u200f\u200e"])
def test_a_cell_of_which_nothing_can_be_seen_is_blank(
    tmp_path: Path, column: Column, reason: str, text: str, format: str
) -> None:
    data = check(tmp_path, WRITERS[format](grid({**GOOD, column: text})))
    assert sorted(found(data)) == sorted([(reason, at(column)), ("InvisibleCharacter", at(column))])


@formats
def test_a_letter_and_its_mark_are_one_character_or_two(tmp_path: Path, format: str) -> None:
    one, two = (
        {**GOOD, Column.CITY: normalize(form, "München"), Column.FLOOR: normalize(form, "Café")}
        for form in ("NFC", "NFD")
    )
    data = check(tmp_path, WRITERS[format](grid(one, {**two, Column.ROOM: "302"}, two)))
    assert found(data) == [("DuplicateRoom", "I7")]
    assert (len(data.buildings), len(data.floors)) == (1, 1)
