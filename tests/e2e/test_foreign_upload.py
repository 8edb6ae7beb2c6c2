"""From a customer's workbook to Engage, by processes, through a Workplace and an Engage that are not ours."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.example import Record
from reconcilers.text import clean
from tests.e2e.foreign_server import Fate, ForeignServer, Json, Quirks
from tests.e2e.foreign_upload import Customer, assign_centers, contents, copied, described, paths
from tests.e2e.test_foreign_sync import CLI, OTHER, differences
from tests.sandbox.test_upload_command import DATA, pasted
from tests.sandbox.upload_bench import row

FULL = os.environ.get("FULL") == "1"
"""Whether all 7,610 rooms and 8,645 federal buildings go through, and not a part: that takes minutes."""


class Portfolio(NamedTuple):
    """Real data, and how many of each are in them."""

    file: str
    country: str
    every: int
    """The how manieth rows are taken."""
    buildings: int
    rooms: int
    quirks: Quirks


PORTFOLIOS = (
    [
        Portfolio("tum_munich.csv.gz", "DE", 1, 436, 7_610, Quirks()),
        Portfolio("gsa_us_buildings.csv.gz", "US", 1, 8_645, 0, OTHER),
    ]
    if FULL
    else [
        Portfolio("tum_munich.csv.gz", "DE", 4, 147, 1_903, Quirks()),
        Portfolio("gsa_us_buildings.csv.gz", "US", 5, 1_729, 0, OTHER),
    ]
)


def groups_of(records: Sequence[Record], choice: Sequence[str]) -> dict[str, str]:
    """A group for each space type, in turn."""
    names = dict.fromkeys(clean(str(record.get(Column.SPACE_TYPE, ""))) for record in records)
    names.pop("", None)
    return {name: choice[number % len(choice)] for number, name in enumerate(names)}


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
@pytest.mark.parametrize("portfolio", PORTFOLIOS, ids=lambda one: one.file.partition("_")[0])
def test_real_data_arrive_whole_and_nothing_is_written_twice(portfolio: Portfolio, tmp_path: Path) -> None:
    records = pasted(portfolio.file)[:: portfolio.every]
    floors = {(one[Column.BUILDING_CODE], one[Column.FLOOR]) for one in records if one[Column.FLOOR]}
    with ForeignServer(portfolio.quirks) as server:
        wp, engage = server.workplace, server.engage.tables
        customer = Customer(server, tmp_path, portfolio.country)
        groups = groups_of(records, ("We", "Me"))
        customer.fill(records, groups)
        assert customer.check().code == 0
        customer.upload()
        assert (len(wp.buildings), len(wp.rooms)) == (portfolio.buildings, portfolio.rooms)
        assert (len(wp.floors), len(wp.types)) == (len(floors), len(groups))
        assert len(server.writes("workplace")) == sum(paths(wp).values())
        assert set(paths(wp).values()) == {1}
        customer.upload()
        assert described(server.writes("workplace")) == []
        assign_centers(wp, portfolio.country)
        customer.sync()
        assert (len(engage["locations"]), len(engage["floors"])) == (portfolio.buildings, len(floors))
        assert len(engage["rooms"]) + len(engage["desks"]) == portfolio.rooms
        assert differences(server) == []
        customer.sync()
        assert described(server.writes()) == []


# ---- what the documents leave to the server


SMALL: Sequence[Record] = (
    row("HQ", "EG", "R 1", building_code="0042", city="München", zip="01067", address="Marienplatz 1",
        state_code="Bayern", capacity=8, reservable="Yes", description="by the lobby", square_feet=250.456),
    row("HQ", "EG", "R 2", building_code="0042", space_type="Desk", reservable="Yes"),
    row("HQ", "-1", "B01", building_code="0042", space_type="Store"),
    row("HQ", "Büro", "R 1", building_code="0042", reservable="Yes"),
    row("Annex", "1", "R 1", city="Ulm", state_code="BW", reservable="Yes"),
    row("Annex", "2", city="Ulm"),
    row("Plot", city="Ulm"),
)  # fmt: skip
TYPES = {"Meeting": "We", "Desk": "Me", "Store": "None"}
CHOICES = {
    "as the samples": Quirks(
        post_answer="id", put_answer="none", address_put="replace", city_at="top", blank="absent",
        nested=True, group_ids=(31, 12, 23),
    ),
    "as the answers": Quirks(
        post_answer="none", city_at="address", address_put="replace", blank="null", unknown_fields="ignore",
        trims=True, area_digits=2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
def test_whatever_the_server_chooses_an_upload_converges(choice: str, tmp_path: Path) -> None:
    with ForeignServer(CHOICES[choice]) as server:
        wp = server.workplace
        for number, group in enumerate(wp.groups.values(), 1):  # nothing else shows a tenant's own ids
            wp.types[number] = {"id": number, "name": f"Old {group['name']}", "spaceTypeGroup": group}
        before = set(wp.types)
        customer = Customer(server, tmp_path, "DE")
        customer.fill(SMALL, TYPES)
        customer.upload()
        made = {row["name"]: row["spaceTypeGroup"]["name"] for n, row in wp.types.items() if n not in before}
        assert made == {"Meeting": "We Spaces", "Desk": "Me Spaces", "Store": "None"}
        assert address_of(server, "HQ") == ("Marienplatz 1", "München", "01067", "DE", "BY")
        assert sorted(len(table) for table in (wp.buildings, wp.floors, wp.rooms)) == [3, 5, 5]
        customer.upload()
        assert described(server.writes("workplace")) == []
        moved = [dict(record) for record in SMALL]
        for record in moved:
            if record[Column.BUILDING_NAME] == "HQ":
                record[Column.ADDRESS] = "Marienplatz 2"
        moved[1][Column.CAPACITY] = 3
        customer.fill(moved, TYPES)
        customer.upload()
        assert [call.method for call in server.writes("workplace")] == ["PUT", "PUT"]
        assert address_of(server, "HQ") == ("Marienplatz 2", "München", "01067", "DE", "BY")
        customer.upload()
        assert described(server.writes("workplace")) == []


def address_of(server: ForeignServer, building: str) -> tuple[str, ...]:
    address: Json = next(one for one in server.workplace.buildings.values() if one["name"] == building)[
        "address"
    ]
    texts = [str(address[name]) for name in ("street", "city", "postalCode")]
    return (*texts, address["country"]["alpha2Code"], address["state"]["code"])


# ---- kill -9


BUSY: Sequence[Record] = [
    row(f"House {number % 4}", f"OG {number % 3}", f"R {number}", building_code=f"C{number % 4}",
        city=f"Town {number % 2}", space_type=("Meeting", "Desk", "Store")[number % 3], reservable="Yes")
    for number in range(48)
]  # fmt: skip
PLACES = 10
TOGETHER = 5
"""Histories under way at once: an upload after a kill waits some seconds for what may still arrive."""


def die(server: ForeignServer, arguments: list[str], place: int, fate: Fate) -> None:
    """Run a command that is killed at its write of that number: when it was done, or before."""
    with subprocess.Popen([*CLI, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:

        def kill_when_done(count: int) -> None:
            if count >= place:
                run.kill()

        def kill_before(count: int) -> Fate:
            kill_when_done(count)
            return fate if count >= place else "done"

        if fate == "done":
            server.on_write = kill_when_done
        else:
            server.before_write = kill_before
        assert run.wait(timeout=120) == -9, f"it had no write {place}"
    server.on_write = lambda count: None
    server.before_write = lambda count: "done"
    server.release_late = True


def spread(writes: int, *fates: Fate) -> list[tuple[int, Fate]]:
    """Numbers of writes from the first to the last, and in turn what becomes of those."""
    assert writes > 2 * PLACES
    return [(1 + (writes - 1) * n // (PLACES - 1), fates[n % len(fates)]) for n in range(PLACES)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> "Undisturbed":
    folder = tmp_path_factory.mktemp("undisturbed")
    with ForeignServer() as server:
        customer = Customer(server, folder, "DE")
        customer.fill(BUSY, TYPES)
        customer.upload()
        uploaded = len(server.writes("workplace"))
        assign_centers(server.workplace, "DE")
        customer.sync()
        assert differences(server) == []
        return Undisturbed(server, customer, uploaded, len(server.writes()))


class Undisturbed(NamedTuple):
    """What both systems hold after an upload and a sync, and how many writes those took."""

    server: ForeignServer
    customer: Customer
    upload_writes: int
    sync_writes: int


def test_an_upload_that_is_killed_anywhere_comes_to_the_same_end(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    def history(at: tuple[int, Fate]) -> list[str]:
        place, fate = at
        with ForeignServer() as server:
            customer = Customer(server, tmp_path / str(place), "DE")
            customer.book, customer.types = undisturbed.customer.book, undisturbed.customer.types
            die(server, customer.upload_arguments(), place, fate)
            customer.upload()
            assert not server.held_back
            wanted = contents(undisturbed.server.workplace)
            now = contents(server.workplace)
            return [f"{place}: {one}" for one in (*now, *wanted) if now.count(one) != wanted.count(one)]

    with ThreadPoolExecutor(TOGETHER) as pool:
        wrong = [
            what
            for found in pool.map(history, spread(undisturbed.upload_writes, "done", "late", "dropped"))
            for what in found
        ]
    assert wrong == []


def test_an_initial_sync_that_is_killed_anywhere_comes_to_the_same_end(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    def history(at: tuple[int, Fate]) -> list[str]:
        place, fate = at
        with ForeignServer() as server:
            copied(undisturbed.server.workplace, server.workplace)
            customer = Customer(server, tmp_path / str(place), "DE")
            die(server, customer.sync_arguments(), place, fate)
            # What comes late was not there when Engage was read, so it is made again, and refused.
            customer.sync(refusals=(409,) if fate == "late" else ())
            assert not server.held_back
            counts = {kind: len(rows) for kind, rows in server.engage.tables.items()}
            wanted = {kind: len(rows) for kind, rows in undisturbed.server.engage.tables.items()}
            return [f"{place}: {one}" for one in (*differences(server), *(counts.items() ^ wanted.items()))]

    with ThreadPoolExecutor(TOGETHER) as pool:
        wrong = [
            what
            for found in pool.map(history, spread(undisturbed.sync_writes, "done", "late", "dropped"))
            for what in found
        ]
    assert wrong == []
