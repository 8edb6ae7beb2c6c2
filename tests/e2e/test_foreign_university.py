"""Three years of a real university under the default guards, against a server that is not ours.

Whatever halts is answered as a person would: by running what was printed, and nothing else. FULL=1 takes the
whole university (20,714 rooms) instead of ten buildings.
"""

import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.e2e.foreign_server import Fault, ForeignServer, Json, Workplace
from tests.e2e.test_foreign_sync import CLI, Command, Ran, differences, held
from tests.e2e.university import (
    SAMPLE,
    building_of,
    close,
    create_again,
    lose_zeros,
    move,
    rooms_in,
    served,
    university,
    write_keys_anew,
)

FULL = os.environ.get("FULL") == "1"
PATIENCE = 3600 if FULL else 120
"""Seconds for one run."""

REKEYED, RECREATED, MOVED, TO_OTHER_CITY = "bw0460", "bw0334", "bw0820", "bw4925"
CLOSED = "bw0607" if FULL else "bw0505"
"""1 % of all rooms are here."""
CODES = None if FULL else SAMPLE

HELD, IN_SYNC = 4, 0
HOLD: Json = {"deletion": {"unknownBookings": "Hold"}}


@dataclass
class Year:
    """A university, its Engage, and the people who have booked its meeting rooms."""

    server: ForeignServer
    folder: Path
    spec: Json
    booked: set[int] = field(default_factory=set)
    """Internal ids of the meeting spaces with a future booking."""
    lost: set[int] = field(default_factory=set)
    """Those of them that went by an approval."""

    def __post_init__(self) -> None:
        plain = Command(self.server, self.folder)
        target = {
            "apiVersion": "engage-sync.io/v1alpha1",
            "kind": "SyncTarget",
            "metadata": {"name": "lmu", "namespace": "x"},
            "spec": {**plain.spec, **self.spec},
        }
        (self.folder / "target.yaml").write_text(yaml.safe_dump(target), "utf-8")
        (self.folder / "secrets.yaml").write_text(
            yaml.safe_dump_all(plain.secrets(), allow_unicode=True), "utf-8"
        )

    @property
    def holds_desks(self) -> bool:
        """Is nothing to be deleted of which nobody knows whether it is booked?"""
        return self.spec == HOLD

    @property
    def wp(self) -> Workplace:
        return self.server.workplace

    def run(self, verb: str, *more: str) -> Ran:
        files = ["-f", str(self.folder / "target.yaml"), "-f", str(self.folder / "secrets.yaml")]
        return self.shell(["engage-sync", verb, *files, "--state", str(self.folder / "state"), *more])

    def shell(self, command: list[str]) -> Ran:
        """One command as it was printed; judged by what must hold after every run."""
        assert command[0] == "engage-sync"
        self.server.reset_log()
        done = subprocess.run(
            [*CLI, *command[1:]], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ran.err
        assert "CANARY" not in ran.err + ran.out
        assert self.server.refusals() == []
        self.no_duplicates()
        return ran

    def no_duplicates(self) -> None:
        tables = self.server.engage.tables
        for kind, rows in tables.items():
            ids = Counter(row["ExternalId"] for row in rows.values() if row["ExternalId"])
            assert set(ids.values()) <= {1}, kind
        resources = [*tables["rooms"].values(), *tables["desks"].values()]
        names = Counter((row["LocationId"], row["ResourceName"].casefold()) for row in resources)
        assert set(names.values()) <= {1}

    def deleted(self, kind: str) -> list[int]:
        """Internal ids that the last run deleted."""
        calls = [call for call in self.server.writes() if call.method == "DELETE"]
        return [int(call.path.rpartition("/")[2]) for call in calls if call.path.startswith(f"/{kind}/")]

    def book(self) -> None:
        """People book every other meeting space that is there."""
        day = datetime.now(UTC) + timedelta(days=10)
        for number in list(self.server.engage.tables["rooms"])[::2]:
            self.booked.add(number)
            self.server.engage.bookings[number] = [
                {
                    "bookingID": number,
                    "roomID": number,
                    "deleted": 0,
                    "timeFromUTC": f"{day:%Y-%m-%dT%H}:00:00",
                    "timeToUTC": f"{day:%Y-%m-%dT%H}:30:00",
                }
            ]

    def missing(self) -> set[int]:
        """Booked meeting spaces that are not there any more."""
        return self.booked - self.server.engage.tables["rooms"].keys()

    def settle(self) -> list[str]:
        """Sync, and follow what it says, until nothing waits; what it said at each halt."""
        said: list[str] = []
        ran = self.run("sync")
        assert self.missing() == self.lost, "a booking is lost and nobody approved it"
        if self.holds_desks:
            assert self.deleted("desks") == [], "a desk is gone and nobody approved it"
        while ran.code == HELD:
            assert ran.err == ""
            said.append(ran.out)
            assert len(said) < 4, "approvals lead nowhere"
            advice, command = ran.out.rstrip().splitlines()[-2:]
            assert advice.endswith("To approve exactly this one:") or advice.endswith(
                "To approve exactly these:"
            )
            ran = self.shell(shlex.split(command))
        assert (ran.code, ran.err) == (IN_SYNC, ""), ran.out[-2000:]
        self.lost = self.missing()
        assert differences(self.server) == []
        again = self.run("sync")
        assert (again.code, self.server.writes()) == (IN_SYNC, [])
        return said


@contextmanager
def first_year(folder: Path, codes: frozenset[str] | None, spec: Json) -> Iterator[Year]:
    """The university after its first sync, with bookings."""
    with served(university(codes)) as server:
        year = Year(server, folder, spec)
        assert year.settle() == []
        year.book()
        yield year


def second_year(wp: Workplace) -> None:
    """Zeros are lost, buildings move, and every key of one building's rooms is new."""
    rekeyed = building_of(wp, REKEYED)
    renamed = lose_zeros(wp, frozenset({rekeyed}))
    assert renamed > len(wp.rooms) / 5
    move(wp, building_of(wp, MOVED), street="Ludwigstr. 1", postalCode="80539")
    move(wp, building_of(wp, TO_OTHER_CITY), city="Garching b. München")
    write_keys_anew(wp, rooms_in(wp, rekeyed), wp.rooms)


def third_year(wp: Workplace) -> None:
    """1 % of the rooms are gone (of the sample 2 %), all of one building; another was imported again."""
    before = len(wp.rooms)
    assert 0.01 < close(wp, building_of(wp, CLOSED)) / before < (0.011 if FULL else 0.02)
    create_again(wp, building_of(wp, RECREATED))


def content(server: ForeignServer) -> Json:
    """What Engage holds; a location whose last resource is gone keeps its group, which is no difference."""
    found = held(server)
    used = {row["location"] for row in found["resources"].values()}
    for key in found["locations"].keys() - used:
        found["locations"][key]["groups"] = []
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """What an empty Engage holds after one run in the third year."""
    wp = university(CODES)
    second_year(wp)
    third_year(wp)
    with served(wp) as server:
        assert Year(server, tmp_path_factory.mktemp("undisturbed"), {}).settle() == []
        return content(server)


@pytest.mark.parametrize("spec", [{}, HOLD], ids=["defaults", "hold"])
def test_three_years_of_a_university(tmp_path: Path, spec: Json, undisturbed: Json) -> None:
    with first_year(tmp_path, CODES, spec) as year:
        wp = year.wp
        second_year(wp)
        plan = year.run("plan", "-o", "json")
        rekeyed = {f"wp:room:{key}" for key in rooms_in(wp, building_of(wp, REKEYED))}
        told = Counter(step["action"] for step in plan.json["steps"] if step["key"] in rekeyed)
        assert told == {"rebind": len(rekeyed)}
        (halt,) = year.settle()
        assert "held: people have booked it; " in halt
        moved = len(year.lost)
        assert moved > 0, "those of the building that moved to another city"

        third_year(wp)
        (halt,) = year.settle()
        assert "spec.deletion.subtreeBudget" in halt or "spec.deletion.budget" in halt
        closed = year.lost
        assert len(closed) > moved
        assert content(year.server) == undisturbed


EMPTY = [
    ["/buildings"],
    ["/floors"],
    ["/rooms"],
    ["/rooms/types"],
    ["/centers"],
    ["/buildings", "/floors", "/rooms", "/rooms/types", "/centers"],
]


def test_a_source_that_answers_nothing_once_changes_nothing(tmp_path: Path) -> None:
    few = frozenset({REKEYED, RECREATED, MOVED, TO_OTHER_CITY})
    with first_year(tmp_path, few, {}) as year:
        second_year(year.wp)
        for paths in EMPTY:
            year.server.faults = [Fault("empty", path, times=99) for path in paths]
            year.server.faults += [Fault("count-zero", f"{path}/count", times=99) for path in paths]
            ran = year.run("sync")
            assert (ran.code, year.server.writes()) == (HELD, []), paths
            sentence = ran.err or ran.out.splitlines()[0]
            assert "ends by itself" in sentence or "nothing was written" in sentence, paths
            year.server.faults = []
        assert year.settle()
