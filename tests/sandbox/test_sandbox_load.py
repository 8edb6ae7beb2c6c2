"""Loading: the five real files, each of their traps, and what is said about a wrong file."""

import csv
import gzip
import time
from pathlib import Path
from typing import Any

import pytest

from engage_sync.sandbox import Sandbox, load_csv
from engage_sync.sandbox.load import COLUMNS, DEFAULT_FLOOR, NO_COUNTRY_CENTER

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not part of the project")


def row(**values: str) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, ""), **values}


def load(tmp_path: Path, *rows: dict[str, str]) -> Sandbox:
    path = tmp_path / "rooms.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    sandbox = Sandbox()
    load_csv(sandbox.workplace.data, path)
    return sandbox


def load_real(name: str) -> Sandbox:
    sandbox = Sandbox()
    load_csv(sandbox.workplace.data, DATA / name)
    return sandbox


def names(sandbox: Sandbox, kind: str) -> list[str]:
    return [item["name"] for item in sandbox.workplace.items(kind)]


@real_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("epa_cincinnati.csv", {"buildings": 3, "floors": 3, "rooms": 23, "types": 4, "centers": 1}),
        ("tum_munich.csv.gz", {"buildings": 436, "rooms": 7_610, "types": 1_030, "centers": 1}),
        ("lmu_munich_2015.csv.gz", {"buildings": 81, "rooms": 20_714, "types": 1, "centers": 1}),
        ("gsa_us_buildings.csv.gz", {"buildings": 8_645, "floors": 0, "rooms": 0, "centers": 1}),
        ("world_missions_2020.csv.gz", {"buildings": 5_992, "floors": 0, "rooms": 0, "centers": 207}),
    ],
)
def test_the_real_files_load_whole_and_fast(name: str, expected: dict[str, int]) -> None:
    began = time.process_time()
    tables = load_real(name).workplace.data.tables

    assert {kind: len(tables[kind]) for kind in expected} == expected
    assert time.process_time() - began < 5


@real_data
def test_lmu_rooms_of_no_building_are_orphans() -> None:
    sandbox = load_real("lmu_munich_2015.csv.gz")
    orphans = [room for room in sandbox.workplace.items("rooms") if "building" not in room["floor"]]

    assert len(orphans) == 46


@real_data
def test_epa_rooms_are_we_and_have_a_floor() -> None:
    sandbox = load_real("epa_cincinnati.csv")

    assert names(sandbox, "floors") == [DEFAULT_FLOOR] * 3
    assert {t["spaceTypeGroup"]["name"] for t in sandbox.workplace.items("types")} == {"We Spaces"}
    assert max(room["capacity"] for room in sandbox.workplace.items("rooms")) == 316


@real_data
def test_countries_without_a_code_show_none_and_still_have_a_center() -> None:
    sandbox = load_real("world_missions_2020.csv.gz")
    buildings = sandbox.workplace.items("buildings")
    codeless = [b for b in buildings if "alpha2Code" not in b["address"]["country"]]

    assert len(codeless) == 9
    assert all(len(building["centers"]) == 1 for building in buildings)
    zones = {center["name"]: center["timeZone"]["ID"] for center in sandbox.workplace.items("centers")}
    assert zones["Germany Reservation Center"] == "Europe/Berlin"
    assert zones["United States of America Reservation Center"] == "America/New_York"
    assert zones["Kosovo Reservation Center"] == "Europe/Belgrade"


def test_a_row_becomes_a_room_with_all_above_it(tmp_path: Path) -> None:
    values = {"state": "TX", "city": "Houston", "postal_code": "01234", "street": "1 Main St"}
    place = row(country_code="US", country="United States", **values, building_code="B1", building_name="HQ")
    sandbox = load(
        tmp_path, place | {"floor_label": "3", "room_code": "r1", "room_name": "Oak", "area_sqm": "10"}
    )
    room, building = sandbox.workplace.item("rooms", 1), sandbox.workplace.item("buildings", 1)

    assert (room["name"], room["description"], room["reservable"], room["area"]) == (
        "Oak",
        "r1",
        True,
        107.64,
    )
    assert (room["floor"]["name"], room["floor"]["building"]["code"]) == ("3", "B1")
    assert building["address"]["postalCode"] == "01234"
    assert building["address"]["state"]["code"] == "TX"
    assert building["centers"][0]["name"] == "United States Reservation Center"
    assert "dateUpdated" not in building


def test_ids_follow_the_order_of_the_file(tmp_path: Path) -> None:
    sandbox = load(tmp_path, *(row(building_code=code) for code in "zay"))

    assert [(b["id"], b["name"]) for b in sandbox.workplace.items("buildings")] == [
        (1, "z"),
        (2, "a"),
        (3, "y"),
    ]


def test_buildings_are_told_apart_by_code_else_by_name_country_and_city(tmp_path: Path) -> None:
    sandbox = load(
        tmp_path,
        row(building_code="1", building_name="Embassy"),
        row(building_code="2", building_name="Embassy"),
        row(building_code="1", building_name="Embassy", floor_label="EG"),
        row(building_name="Embassy", country="France", city="Paris"),
        row(building_name="Embassy", country="France", city="Lyon"),
        row(building_name="Embassy", country="France", city="Paris", floor_label="1"),
    )

    assert len(sandbox.workplace.items("buildings")) == 4
    assert [floor["building"]["id"] for floor in sandbox.workplace.items("floors")] == [1, 3]


def test_what_is_empty_stays_empty(tmp_path: Path) -> None:
    sandbox = load(tmp_path, row(building_code="1", building_name="Somewhere"))
    address = sandbox.workplace.item("buildings", 1)["address"]

    assert (address["city"], address["postalCode"]) == ("", "")
    assert "country" not in address
    assert names(sandbox, "centers") == [NO_COUNTRY_CENTER]


def test_blanks_are_kept_for_the_product_to_trim(tmp_path: Path) -> None:
    sandbox = load(tmp_path, row(building_code="1", building_name=" Tower ", floor_label="EG   (3. Flur)"))

    assert names(sandbox, "buildings") == [" Tower "]
    assert names(sandbox, "floors") == ["EG   (3. Flur)"]


def test_a_room_without_a_building_is_on_a_floor_of_none(tmp_path: Path) -> None:
    sandbox = load(tmp_path, row(country_code="DE", floor_label="EG", room_code="r"), row(room_name="s"))

    assert [room["floor"]["name"] for room in sandbox.workplace.items("rooms")] == ["EG", DEFAULT_FLOOR]
    assert all("building" not in floor for floor in sandbox.workplace.items("floors"))
    assert sandbox.workplace.items("buildings") == []


@pytest.mark.parametrize(
    ("values", "name", "group"),
    [
        ({}, "Room", "Me Spaces"),
        ({"space_type": "  "}, "Room", "Me Spaces"),
        ({"space_type": "Büro"}, "Büro", "Me Spaces"),
        ({"space_type": "Büro", "capacity": "2"}, "Büro", "We Spaces"),
        ({"space_type": "Büro", "capacity": "1"}, "Büro", "Me Spaces"),
        ({"space_type": "Großer Hörsaal"}, "Großer Hörsaal", "We Spaces"),
        ({"space_type": "BESPRECHUNGSRAUM"}, "BESPRECHUNGSRAUM", "We Spaces"),
        ({"space_type": "Conference Room"}, "Conference Room", "We Spaces"),
    ],
)
def test_the_group_of_a_type_comes_from_name_or_capacity(
    tmp_path: Path, values: dict[str, str], name: str, group: str
) -> None:
    sandbox = load(tmp_path, row(building_code="1", room_code="r", **values))
    (kind,) = sandbox.workplace.items("types")

    assert (kind["name"], kind["spaceTypeGroup"]["name"]) == (name, group)


def test_types_that_differ_in_case_only_are_two_and_one_big_room_makes_a_we_type(tmp_path: Path) -> None:
    room: dict[str, Any] = {"building_code": "1", "room_code": "r"}
    kinds = [("Büro", ""), ("BÜRO", ""), ("Büro", "6")]
    rows = (row(**room, space_type=name, capacity=capacity) for name, capacity in kinds)
    types = load(tmp_path, *rows).workplace.items("types")

    assert [(t["name"], t["spaceTypeGroup"]["name"]) for t in types] == [
        ("Büro", "We Spaces"),
        ("BÜRO", "Me Spaces"),
    ]


def test_a_row_of_a_floor_or_building_makes_no_room(tmp_path: Path) -> None:
    sandbox = load(tmp_path, row(building_code="1", floor_label="EG"), row(building_code="2", area_sqm="0"))

    assert (len(sandbox.workplace.items("floors")), sandbox.workplace.items("rooms")) == (1, [])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"building_code": "1", "capacity": "many"}, "row 2: capacity is 'many', not a whole number."),
        ({"building_code": "1", "area_sqm": "-1"}, "row 2: area_sqm is '-1', not a number."),
        ({"country": "Germany"}, "row 2: there is no building_code, floor or room."),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, values: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match="row 2") as caught:
        load(tmp_path, row(**values))

    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"name,city\nx,y\n", "the column country_code is missing."),
        ("a.csv", b"", "the column country_code is missing."),
        ("a.csv", b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
        ("a.csv.gz", b"no gzip", "is not a CSV file in UTF-8"),
        ("a.csv.gz", gzip.compress(b"x" * 99, mtime=0)[:-9], "is not a CSV file in UTF-8"),
        ("missing.csv", None, "cannot be read: No such file or directory."),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=name) as caught:
        load_csv(Sandbox().workplace.data, path)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
