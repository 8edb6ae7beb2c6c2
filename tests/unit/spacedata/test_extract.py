"""Engage's holdings as rows: what is written, and what is said where a row cannot tell."""

import csv
import gzip
from pathlib import Path

import pytest

from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.columns import EXTRA_COLUMNS, Column
from engage_sync.spacedata.engage_ids import read_engage_ids
from engage_sync.spacedata.extract import NO_FLOOR, Extract, csv_lines, extract
from engage_sync.spacedata.findings import Ground
from engage_sync.spacedata.problems import Severity
from engage_sync.spacedata.template import write_template
from engage_sync.spacedata.type_groups import read_type_groups
from engage_sync.spacedata.zip_codes import state_of_zip
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Current, Holdings, Kind, Value

GSA = Path(__file__).parents[4] / "shared" / "data" / "gsa_us_buildings.csv.gz"
LAB, DESK = 11, 12


def current(kind: Kind, id: int, *values: Value) -> Current:
    return Current(kind, id, None, values)


def location(id: int, name: str, region: int, *, zip: str = "", city: str = "", address: str = "") -> Current:
    values = (name, region, address, zip, city, "", "W. Europe Standard Time", 1, 0, None)
    return current(Kind.LOCATION, id, *values)


def room(id: int, name: str, floor: int | None, *, at: int = 30, type: int = LAB, people: int = 4) -> Current:
    return current(Kind.RESOURCE, id, name, at, MEETING, floor, type, people)


def desk(id: int, name: str, floor: int | None, *, at: int = 30, type: int = DESK) -> Current:
    return current(Kind.RESOURCE, id, name, at, PERSONAL, floor, type, 1)


BASE = (
    current(Kind.COUNTRY, 1, "Deutschland", None, "DE"),
    current(Kind.COUNTRY, 2, "United States", None, "USA"),
    current(Kind.REGION, 20, "München", 1),
    current(Kind.REGION, 21, "Texas", 2),
    current(Kind.REGION, 22, "Boston", 2),
    current(Kind.WORKSPACE_TYPE, LAB, "Lab", None, "Hourly"),
    current(Kind.WORKSPACE_TYPE, DESK, "Desk", None, "AllDay"),
)


def extracted(*items: Current) -> Extract:
    return extract(Holdings((*BASE, *items)))


def read_back(folder: Path, found: Extract) -> tuple[int, int, int]:
    path = folder / "out.xlsx"
    write_template(path, records=found.records, extra=EXTRA_COLUMNS)
    data = check_file(path)
    assert data.count(Severity.ERROR) == 0
    return len(data.buildings), len(data.floors), len(data.rooms)


def test_a_resource_is_a_row_with_all_that_engage_tells(tmp_path: Path) -> None:
    found = extracted(
        location(30, "Büro  Mitte", 20, zip="01067", address="Main Street 1, Wing B"),
        current(Kind.FLOOR, 40, "EG", 30, "0"),
        room(50, "=Aquarium", 40, people=6),
    )
    assert found.records == [
        {
            Column.BUILDING_NAME: "Büro Mitte", Column.BUILDING_CODE: "engage-30", Column.CITY: "München",
            Column.ADDRESS: "Main Street 1, Wing B", Column.ZIP: "01067", Column.COUNTRY: "DE",
            Column.ENGAGE_LOCATION_ID: 30, Column.FLOOR: "EG", Column.ROOM: "=Aquarium",
            Column.SPACE_TYPE: "Lab", Column.CAPACITY: 6, Column.RESERVABLE: "Yes",
            Column.ENGAGE_RESOURCE_ID: 50,
        }
    ]  # fmt: skip
    assert found.findings == []
    assert read_back(tmp_path, found) == (1, 1, 1)
    path = tmp_path / "out.xlsx"
    assert read_engage_ids(path, check_file(path)) == ({5: 50}, [])


def test_places_without_resources_are_rows_too(tmp_path: Path) -> None:
    found = extracted(location(30, "A", 20), location(31, "A", 20), current(Kind.FLOOR, 40, "", 31, "-1"))
    assert [record.get(Column.FLOOR, "") for record in found.records] == ["", "-1"]
    assert read_back(tmp_path, found) == (2, 1, 0)


def test_resources_of_one_name_on_a_floor_are_one_row_without_an_id(tmp_path: Path) -> None:
    found = extracted(
        location(30, "A", 20), current(Kind.FLOOR, 40, "1", 30, "1"), room(50, " R", 40), desk(51, " R ", 40),
        room(52, "r", 40),
    )  # fmt: skip
    assert [(one[Column.ROOM], one.get(Column.ENGAGE_RESOURCE_ID)) for one in found.records] == [
        ("R", None), ("r", 52),
    ]  # fmt: skip
    assert [(finding.ground, finding.place.row) for finding in found.findings] == [(Ground.LEFT_OUT, 5)]
    assert "id 50, 51" in found.findings[0].message
    assert read_back(tmp_path, found) == (1, 1, 2)


def test_floors_of_one_name_are_one(tmp_path: Path) -> None:
    floors = [current(Kind.FLOOR, id, name, 30, str(id)) for id, name in ((40, "Lobby"), (41, "LOBBY"))]
    found = extracted(location(30, "A", 20), *floors, room(50, "R", 40), room(51, "S", 41))
    assert {finding.ground for finding in found.findings} == {Ground.LEFT_OUT}
    assert read_back(tmp_path, found) == (1, 1, 2)


def test_a_resource_whose_floor_is_not_listed_is_kept(tmp_path: Path) -> None:
    found = extracted(location(30, "A", 20), room(50, "R", None))
    assert found.records[0][Column.FLOOR] == NO_FLOOR
    assert [(finding.ground, finding.place.row) for finding in found.findings] == [(Ground.NOT_TOLD, 5)]
    assert read_back(tmp_path, found) == (1, 1, 1)


def test_the_state_is_told_by_region_or_postal_code(tmp_path: Path) -> None:
    found = extracted(location(30, "A", 21), location(31, "B", 22, zip="02108-1234"), location(32, "C", 22))
    assert [one[Column.STATE_CODE] for one in found.records] == ["MA", "", "TX"]
    assert [(one.ground, one.place.cell) for one in found.findings] == [(Ground.NOT_TOLD, "C6")]
    assert found.findings[0].value == "C"


def test_the_city_is_the_region_so_that_the_merge_finds_it() -> None:
    found = extracted(location(30, "A", 20, city="Garching"), location(31, "B", 20, city="Munchen"))
    assert [one[Column.CITY] for one in found.records] == ["München", "München"]
    assert [(one.ground, one.value) for one in found.findings] == [(Ground.NOT_CARRIED, "Garching")]


def test_a_type_is_either_we_or_me(tmp_path: Path) -> None:
    found = extracted(
        location(30, "A", 20), current(Kind.FLOOR, 40, "1", 30, "1"), desk(50, "D", 40, type=LAB),
        room(51, "R", 40, type=LAB), desk(52, "E", 40), room(53, "S", 40, type=999),
    )  # fmt: skip
    assert found.type_groups == {
        "Desk": "Me Spaces", "Lab": "We Spaces", "Lab (personal)": "Me Spaces", "Type 999": "We Spaces",
    }  # fmt: skip
    path = tmp_path / "types.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(csv_lines(found.type_groups))
    assert read_type_groups(path) == found.type_groups


def test_what_stands_for_no_character_is_left_out(tmp_path: Path) -> None:
    found = extracted(
        location(30, "A\x00\x1f B", 20), current(Kind.FLOOR, 40, "1\ud800", 30, "1"), room(50, "R\tS\r\n", 40)
    )
    assert found.records[0][Column.BUILDING_NAME] == "A B"
    assert found.records[0][Column.ROOM] == "R S"
    assert read_back(tmp_path, found) == (1, 1, 1)


def test_an_engage_that_holds_nothing_makes_no_rows() -> None:
    assert extract(Holdings()) == Extract()


@pytest.mark.parametrize("text", ["abc", "-1", "0", "1.5"])
def test_what_is_no_id_is_named_with_its_cell(tmp_path: Path, text: str) -> None:
    found = extracted(location(30, "A", 20), current(Kind.FLOOR, 40, "1", 30, "1"), room(50, "R", 40))
    path = tmp_path / "out.xlsx"
    records = [{**record, Column.ENGAGE_RESOURCE_ID: text} for record in found.records]
    write_template(path, records=records, extra=EXTRA_COLUMNS)
    ids, findings = read_engage_ids(path, check_file(path))
    assert ids == {}
    assert [(one.ground, one.place.cell, one.value) for one in findings] == [
        (Ground.NOT_AN_ENGAGE_ID, "S5", text)
    ]


@pytest.mark.skipif(not GSA.exists(), reason="the shared data are not here")
def test_the_states_of_all_federal_buildings_are_told_by_their_codes() -> None:
    with gzip.open(GSA, "rt", encoding="utf-8") as file:
        wrong = [one for one in csv.DictReader(file) if state_of_zip(one["postal_code"]) != one["state"]]
    assert [(one["postal_code"], one["state"]) for one in wrong] == [("12553", "NJ")]  # a mistake of theirs


def test_of_two_that_are_tidied_to_one_name_the_row_is_the_one_that_is_written_so() -> None:
    found = extracted(
        location(30, "HQ", 20),
        current(Kind.FLOOR, 40, "EG", 30, "0"),
        room(50, "Twin  A", 40, people=6),
        room(51, "Twin A", 40, people=12),
    )
    (record,) = found.records
    assert (record[Column.ROOM], record[Column.CAPACITY]) == ("Twin A", 12)
    assert record[Column.ENGAGE_RESOURCE_ID] == 51
    (finding,) = found.findings
    assert finding.ground is Ground.LEFT_OUT
    assert "id 50, 51" in finding.message
    assert "so the row is 51, whose name is written like this" in finding.message


def test_names_that_differ_by_nothing_to_be_seen_are_one(tmp_path: Path) -> None:
    found = extracted(
        location(30, "HQ", 20),
        current(Kind.FLOOR, 40, "EG", 30, "0"),
        room(50, "Caf\u00e9", 40),
        room(51, "Cafe\u0301", 40),
    )
    assert [record[Column.ROOM] for record in found.records] == ["Caf\u00e9"]
    assert read_back(tmp_path, found) == (1, 1, 1)


@pytest.mark.parametrize("name", ["\u200b", "\u200f \ufeff"])
def test_a_name_of_which_nothing_can_be_seen_is_none(tmp_path: Path, name: str) -> None:
    found = extracted(location(30, "HQ", 20), current(Kind.FLOOR, 40, name, 30, "7"), room(50, name, 40))
    assert [(one[Column.FLOOR], one[Column.ROOM]) for one in found.records] == [("7", "Resource 50")]
    assert read_back(tmp_path, found) == (1, 1, 1)
