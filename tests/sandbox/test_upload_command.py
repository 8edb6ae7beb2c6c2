"""The commands as people run them: processes, a port, kill -9, and data of the size of a university."""

import csv
import gzip
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.example import Record
from engage_sync.spacedata.template import write_template
from reconcilers.text import clean
from tests.e2e.harness import CLI, SandboxProcess, sandbox
from tests.sandbox.upload_bench import row

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
SQUARE_METRES_PER_SQUARE_FOOT = 0.09290304


def rows_of(name: str) -> Iterator[Mapping[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def pasted(name: str) -> list[Record]:
    """As a customer would paste it; a room without a floor or a type is given one."""
    records: list[Record] = []
    for told in rows_of(name):
        record: dict[Column, str | int | float] = {
            Column.BUILDING_NAME: told["building_name"],
            Column.BUILDING_CODE: told["building_code"],
            Column.STATE_CODE: told["state"],
            Column.ADDRESS: told["street"],
            Column.CITY: told["city"],
            Column.ZIP: told["postal_code"],
            Column.COUNTRY: told["country_code"],
            Column.FLOOR: told["floor_label"],
        }
        if told["room_code"]:
            record[Column.ROOM] = told["room_code"]
            record[Column.FLOOR] = told["floor_label"] or "Unspecified"
            record[Column.SPACE_TYPE] = told["space_type"] or "Room"
            record[Column.DESCRIPTION] = told["room_name"]
            record[Column.RESERVABLE] = "Yes"
        if told["capacity"]:
            record[Column.CAPACITY] = int(told["capacity"])
        if told["area_sqm"] and told["room_code"]:
            record[Column.SQUARE_FEET] = float(told["area_sqm"]) / SQUARE_METRES_PER_SQUARE_FOOT
        records.append(record)
    return records


def write_book(folder: Path, records: list[Record]) -> tuple[Path, Path]:
    """The workbook, and the groups of its space types."""
    book, types = folder / "book.xlsx", folder / "types.csv"
    write_template(book, force=True, records=records, extra=(Column.COUNTRY,))
    names = dict.fromkeys(clean(str(record.get(Column.SPACE_TYPE, ""))) for record in records)
    with types.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("type", "group"), *((name, "Me") for name in names if name)])
    return book, types


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True, timeout=300)


def target(here: SandboxProcess) -> list[object]:
    return ["-f", here.folder / "target.yaml", "-f", here.folder / "secrets.yaml",
            "--state", here.folder / "state"]  # fmt: skip


def uploaded(here: SandboxProcess, book: Path, types: Path) -> dict[str, dict[str, int]]:
    done = command("spacedata", "upload", book, *target(here), "--create-types", types, "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    summary: dict[str, dict[str, int]] = json.loads(done.stdout)["summary"]
    return summary


def held(here: SandboxProcess) -> dict[str, Any]:
    state: dict[str, Any] = here.admin("GET", "/state")["workplace"]
    return state


def write_calls(here: SandboxProcess) -> Counter[str]:
    asked = here.admin("GET", "/requests")["requests"]
    return Counter[str](
        {
            method: sum(one["count"] for one in asked if one["method"] == method)
            for method in ("POST", "PUT", "DELETE")
        }
    )


@pytest.mark.parametrize("name", ["tum_munich.csv.gz", "gsa_us_buildings.csv.gz"])
def test_real_data_arrive_whole_and_a_second_upload_writes_nothing(tmp_path: Path, name: str) -> None:
    records = pasted(name)
    book, types = write_book(tmp_path, records)
    assert command("spacedata", "check", book).returncode == 0
    buildings = {str(one[Column.BUILDING_CODE]) for one in records}
    rooms = sum(Column.ROOM in one for one in records)
    with sandbox(tmp_path / "sandbox", "--no-limits") as here:
        summary = uploaded(here, book, types)
        assert summary["buildings"]["created"] == len(buildings) == len(held(here)["buildings"])
        assert summary["rooms"]["created"] == rooms == len(held(here)["rooms"])
        first = write_calls(here)
        again = uploaded(here, book, types)
        assert again["rooms"] == {"created": 0, "updated": 0, "unchanged": rooms, "failed": 0}
        assert write_calls(here) == first
        assert first["PUT"] == first["DELETE"] == 0
        zips = {one["code"]: one["address"]["postalCode"] for one in held(here)["buildings"]}
        assert all(zips[str(one[Column.BUILDING_CODE])] == clean(str(one[Column.ZIP])) for one in records)


@pytest.mark.parametrize("after", [0, 3, 40, 90])
def test_killed_at_any_time_it_comes_to_the_same_end(tmp_path: Path, after: int) -> None:
    records = [
        row(f"B{number % 3}", str(number % 5), f"R{number}", building_code=f"C{number % 3}")
        for number in range(100)
    ]
    book, types = write_book(tmp_path, records)
    with sandbox(tmp_path / "sandbox", "--no-limits", "--latency", "5ms") as here:
        arguments = ["spacedata", "upload", book, *target(here), "--create-types", types]
        first = subprocess.Popen([*CLI, *map(str, arguments)], stdout=subprocess.DEVNULL)
        while first.poll() is None and len(here.admin("GET", "/requests")["writes"]) <= after:
            time.sleep(0.002)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        uploaded(here, book, types)
        now = held(here)
        assert [len(now[kind]) for kind in ("types", "buildings", "floors", "rooms")] == [1, 3, 15, 100]
        assert len({(one["floor"]["id"], one["name"]) for one in now["rooms"]}) == 100
        writes = write_calls(here)
        uploaded(here, book, types)
        assert write_calls(here) == writes


def test_what_is_extracted_from_engage_fills_an_empty_workplace(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "demo" / "sample.csv"
    with sandbox(tmp_path / "old", "--no-limits", "--load", sample) as old:
        assert command("sync", *target(old)).returncode == 0
        before = len(old.engage_writes())
        book, types = tmp_path / "engage.xlsx", tmp_path / "types.csv"
        done = command("extract", book, *target(old), "--types", types, "-o", "json")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(old.engage_writes()) == before
        engage = old.engage()
    found = json.loads(done.stdout)
    resources = len(engage["rooms"]) + len(engage["desks"])
    assert (found["locations"], found["floors"], found["resources"]) == (
        len(engage["locations"]), len(engage["floors"]), resources,
    )  # fmt: skip
    again = command("extract", book, *target(old))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    check = command("spacedata", "check", book, "-o", "json")
    assert check.returncode == 0
    assert json.loads(check.stdout)["counts"].keys() <= {"WithoutRooms", "ForeignState", "FormulaLike"}
    with sandbox(tmp_path / "new", "--no-limits") as new:
        uploaded(new, book, types)
        now = held(new)
        assert [len(now[kind]) for kind in ("buildings", "floors", "rooms")] == [
            len(engage["locations"]), len(engage["floors"]), resources,
        ]  # fmt: skip
        assert {one["code"] for one in now["buildings"]} == {
            f"engage-{one['InternalId']}" for one in engage["locations"]
        }
        assert {one["longDescription"] for one in now["rooms"]} == {
            f"Engage resource {one['InternalId']}" for kind in ("rooms", "desks") for one in engage[kind]
        }


def test_each_way_to_end_has_its_exit_code(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox") as here:
        spoiled, _ = write_book(tmp_path, [row("HQ", "", "101")])
        upload = ["spacedata", "upload", spoiled, *target(here)]
        done = command(*upload)
        assert (done.returncode, done.stderr) == (2, "")
        assert "the room has no floor" in done.stdout
        book, types = write_book(tmp_path, [row("HQ", "1", "101")])
        done = command("spacedata", "upload", book, *target(here))
        assert (done.returncode, done.stderr) == (2, "")
        assert 'J5  Space Type "Meeting": Workplace has no such space type' in done.stdout
        assert write_calls(here) == Counter()
        here.admin(
            "POST", "/faults", [{"system": "workplace", "path": "/rooms", "method": "POST", "what": 400}]
        )
        done = command("spacedata", "upload", book, *target(here), "--create-types", types)
        assert (done.returncode, done.stderr) == (3, "")
        assert 'room "HQ / 1 / 101": Workplace refused POST /rooms with 400' in done.stdout
        here.admin("DELETE", "/faults")
        here.admin(
            "POST", "/faults", [{"system": "workplace", "path": "/rooms", "method": "POST", "what": 401}]
        )
        done = command("spacedata", "upload", book, *target(here), "--create-types", types)
        assert done.returncode == 1
        assert "does not accept the username and password" in done.stderr
        here.admin("DELETE", "/faults")
        done = command("spacedata", "upload", book, *target(here), "--create-types", types)
        assert (done.returncode, done.stderr) == (0, "")
