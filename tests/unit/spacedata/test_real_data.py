"""Real rooms and buildings, pasted into the template as a customer would."""

import csv
import gzip
import time
from collections import Counter
from pathlib import Path

import pytest

from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.example import Record
from engage_sync.spacedata.model import SpaceData
from engage_sync.spacedata.problems import Reason, Severity
from engage_sync.spacedata.template import write_template

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not part of the project")

PASTED = {
    Column.BUILDING_NAME: "building_name", Column.BUILDING_CODE: "building_code", Column.STATE_CODE: "state",
    Column.ADDRESS: "street", Column.CITY: "city", Column.ZIP: "postal_code", Column.FLOOR: "floor_label",
    Column.ROOM: "room_name", Column.SPACE_TYPE: "space_type", Column.DESCRIPTION: "room_code",
    Column.CAPACITY: "capacity", Column.COUNTRY: "country_code",
}  # fmt: skip


def paste(tmp_path: Path, name: str, *, space_type: str = "", country: bool = False) -> SpaceData:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        records = [_record(row, space_type) for row in csv.DictReader(file)]
    path = tmp_path / "spaces.xlsx"
    write_template(path, records=records, extra=(Column.COUNTRY,) if country else ())
    began = time.process_time()
    data = check_file(path)
    assert time.process_time() - began < 10
    return data


def _record(row: dict[str, str], space_type: str) -> Record:
    values = {column: row[name] for column, name in PASTED.items()}
    if not values[Column.SPACE_TYPE].strip():
        values[Column.SPACE_TYPE] = space_type
    area = {Column.SQUARE_FEET: float(row["area_sqm"]) / 0.09290304} if row["area_sqm"] else {}
    return {**values, **area}


@real_data
def test_munich_with_a_type_for_every_room_has_warnings_alone(tmp_path: Path) -> None:
    data = paste(tmp_path, "tum_munich.csv.gz", space_type="Room", country=True)

    assert data.count(Severity.ERROR) == 0
    assert data.counts[Reason.FOREIGN_STATE] == 7_984
    assert data.counts[Reason.WITHOUT_ROOMS] == 374
    assert data.counts[Reason.SIMILAR_ROOM] == 2
    assert set(data.counts) <= {
        Reason.FOREIGN_STATE, Reason.WITHOUT_ROOMS, Reason.SIMILAR_ROOM, Reason.BLANKS
    }  # fmt: skip
    assert (data.rows, len(data.buildings), len(data.rooms)) == (7_984, 436, 7_610)


@real_data
def test_munich_as_it_is_names_every_room_without_a_type(tmp_path: Path) -> None:
    data = paste(tmp_path, "tum_munich.csv.gz")

    errors = Counter(problem.reason for problem in data.problems if problem.severity is Severity.ERROR)
    assert set(errors) == {Reason.NO_SPACE_TYPE}
    assert len(data.rooms) == 7_610


@real_data
def test_federal_buildings_have_no_rooms_and_keep_their_zeros(tmp_path: Path) -> None:
    data = paste(tmp_path, "gsa_us_buildings.csv.gz")

    assert data.count(Severity.ERROR) == 0
    assert data.counts[Reason.WITHOUT_ROOMS] == 8_645
    assert len(data.buildings) == 8_645
    assert sum(building.zip.startswith("0") for building in data.buildings) == 620
