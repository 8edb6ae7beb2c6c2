"""The pages of both roads in, tried as written: every shell line in its order, every manual act between.

Commands, exit codes, files and tables are read from the pages: one that changes is tried as changed.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.example import Record
from engage_sync.spacedata.template import write_template
from tests.e2e.hand_filled import HandFilled, Item, hand_filled
from tests.e2e.harness import CLI, SAMPLE, SandboxProcess, end, sandbox

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.M | re.S)
_EXIT = re.compile(r"exits with (\d)")


@dataclass(frozen=True)
class Page:
    """One page, by its blocks of code."""

    text: str

    def blocks(self, language: str) -> list[str]:
        """The code of this language, without the indentation of a list."""
        found = _BLOCK.findall(self.text)
        return ["\n".join(line.strip() for line in code.splitlines()) if language == "text" else code
                for name, code in found if name == language]  # fmt: skip

    def lines(self) -> list[str]:
        """Every shell line, in the order of the page."""
        return [line for block in self.blocks("sh") for line in block.splitlines() if line.strip()]


@dataclass
class Trial:
    """Someone who follows a page in a folder of their own."""

    folder: Path
    box: SandboxProcess | None = None
    outputs: list[tuple[str, str]] = field(default_factory=list)
    """The lines that were run, and what each printed."""
    _serving: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def follow(self, page: Page, acts: Mapping[str, Callable[["Trial"], None]]) -> None:
        """Run all lines; an act is done once, before the first line that begins with its name."""
        waiting = dict(acts)
        for line in page.lines():
            for name in [name for name in waiting if line.startswith(name)]:
                waiting.pop(name)(self)
            if line.startswith("engage-sync sandbox"):
                self._serve(line)
            else:
                self.run(line)
        assert not waiting, f"the page has no line that begins with {list(waiting)}"

    def run(self, line: str) -> str:
        """Run one line, which ends as it says, by default with 0; what it printed."""
        expected = _EXIT.search(line.partition("#")[2])
        done = subprocess.run(
            _arguments(line), cwd=self.folder, env=self._environment(), capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        told = int(expected[1]) if expected else 0
        assert (done.returncode, done.stderr) == (told, ""), f"{line}\n{done.stdout}\n{done.stderr}"
        self.outputs.append((line, done.stdout))
        return done.stdout

    def again(self, start: str) -> None:
        """Run the first line once more that begins so; no system is written to."""
        before = self.writes()
        self.run(next(line for line, _ in self.outputs if line.startswith(start)))
        assert self.writes() == before

    def printed(self, start: str) -> str:
        """What the first line printed that begins so."""
        return next(out for line, out in self.outputs if line.startswith(start))

    def here(self) -> SandboxProcess:
        """Both systems."""
        assert self.box is not None
        return self.box

    def writes(self) -> list[Item]:
        """All that both systems committed, in order."""
        found: list[Item] = self.here().admin("GET", "/requests")["writes"]
        return found

    def workplace(self) -> dict[str, list[Item]]:
        """What Workplace holds."""
        held: dict[str, list[Item]] = self.here().admin("GET", "/state")["workplace"]
        return held

    def end(self) -> None:
        """Close the other terminals."""
        for process in self._serving:
            end(process)

    def _serve(self, line: str) -> None:
        process = subprocess.Popen(
            _arguments(line), cwd=self.folder, env=self._environment(), stdout=subprocess.PIPE, text=True
        )
        self._serving.append(process)
        assert process.stdout is not None
        self.box = SandboxProcess(process.stdout.readline().split()[-1], self.folder)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.folder / "state")}


def _arguments(line: str) -> list[str]:
    name, *arguments = shlex.split(line, comments=True)
    assert name == "engage-sync", line
    return [*CLI, *arguments]


@contextmanager
def trial(folder: Path) -> Iterator[Trial]:
    """A trial whose processes end with the block."""
    running = Trial(folder)
    try:
        yield running
    finally:
        running.end()


def assign_centers(trial: Trial) -> None:
    """What a person does in Workplace, where no API can."""
    buildings = [building["id"] for building in trial.workplace()["buildings"]]
    body = {"name": "Reservations", "timeZone": "America/Chicago", "buildings": buildings}
    trial.here().admin("POST", "/workplace/centers", body)


def portfolio() -> list[Record]:
    """As many rows, buildings, floors and rooms as the page's example of a check and an upload."""
    types = ("Conference Room", "Desk", "Corridor")
    buildings: list[Record] = [
        {Column.BUILDING_NAME: name, Column.BUILDING_CODE: code, Column.STATE_CODE: "TX",
         Column.CITY: "Houston", Column.ADDRESS: f"{code} Main Street", Column.ZIP: "77002"}
        for name, code in (("Tower", "T"), ("Annex", "A"))
    ]  # fmt: skip
    floors: list[Record] = [{**buildings[number % 2], Column.FLOOR: str(number // 2)} for number in range(9)]
    rooms: list[Record] = [
        {**floors[number % 7], Column.ROOM: f"R{number}", Column.SPACE_TYPE: types[number % 3],
         Column.RESERVABLE: "Yes", Column.CAPACITY: 1}
        for number in range(118)
    ]  # fmt: skip
    return [*rooms, *floors[7:]]


def test_new_in_both_products(tmp_path: Path) -> None:
    page = Page((DOCS / "onboarding-new.md").read_text(encoding="utf-8"))

    def fill_in(trial: Trial) -> None:
        assert (trial.folder / "spaces.xlsx").exists()
        write_template(trial.folder / "spaces.xlsx", force=True, records=portfolio())

    def write_types(trial: Trial) -> None:
        (text,) = (block for block in page.blocks("text") if block.startswith("type,group"))
        (trial.folder / "types.csv").write_text(text + "\n", encoding="utf-8")

    acts = {
        "engage-sync spacedata check": fill_in,
        "engage-sync spacedata upload": write_types,
        "engage-sync plan": assign_centers,
    }
    with trial(tmp_path) as tried:
        tried.follow(page, acts)

        shown = page.blocks("text")[-1].split()
        assert tried.printed("engage-sync spacedata upload").split()[-len(shown) :] == shown
        assert "120 rows, 2 buildings, 9 floors, 118 rooms" in tried.printed("engage-sync spacedata check")
        engage = tried.here().engage()
        corridors = sum(record.get(Column.SPACE_TYPE) == "Corridor" for record in portfolio())
        counts = [len(engage[kind]) for kind in ("locations", "floors")]
        assert counts == [2, 9]
        assert len(engage["rooms"]) + len(engage["desks"]) == 118 - corridors
        assert max(tried.here().external_ids().values()) == 1
        tried.again("engage-sync spacedata upload")
        tried.again("engage-sync sync")


def test_the_command_line_as_its_page_begins(tmp_path: Path) -> None:
    page = Page((DOCS / "cli.md").read_text(encoding="utf-8"))
    (tmp_path / "demo").symlink_to(SAMPLE.parent)
    with trial(tmp_path) as tried:
        tried.follow(Page(f"```sh\n{page.blocks('sh')[0]}```\n"), {})
        assert tried.here().engage()["rooms"]
        tried.again("engage-sync sync")


@dataclass(frozen=True)
class Filled:
    """What somebody keeps in Engage: what is certain, and what could be several."""

    certain: set[tuple[str, int]]
    twins: set[tuple[str, int]]


def fill_by_hand(engage: HandFilled) -> Filled:
    """Two locations; floors whose names tell no number; names with blanks, capitals and accents."""
    country = engage.add("countries", "UNITED STATES", CountryCode="US")
    region = engage.add("regions", " Houston ", InternalParentId=country)
    group = engage.add("groups", "Everybody", InternalParentId=country)
    types = {
        "rooms": engage.add("workspaceTypes", "Board  room", Family="Hourly"),
        "desks": engage.add("workspaceTypes", "Hot Desk", Family="AllDay"),
    }

    def space(kind: str, name: str, location: int, floor: int) -> tuple[str, int]:
        fields = {"LocationId": location, "FloorNumber": str(floor), "GroupId": group}
        people = {"MaxCapacity": 6 if kind == "rooms" else 1, "WorkspaceTypeId": types[kind]}
        return kind, engage.add(kind, name, **fields, **people)

    certain = {("countries", country), ("regions", region)}
    certain |= {("workspaceTypes", id) for id in types.values()}
    twins, names = set(), ("Apollo", "GEMINI", "gémini", " Café  Nord", "Straße", "D-1", "D-2", "D-3")
    for building in ("Tower ", "ANNEX  East"):
        location = engage.location(
            building, region, group, "Central Standard Time", PostCode="77002", LocationCity="Houston",
            LocationAddress="1 Main Street", NumberOfFloorsAboveGround=2, NumberOfFloorsBelowGround=1,
        )  # fmt: skip
        certain.add(("locations", location))
        for floor, label in ((-1, "UG"), (0, "Ground"), (7, "Roof")):
            fields = {"InternalParentId": location, "FloorNumber": str(floor)}
            certain.add(("floors", engage.add("floors", label, **fields)))
            kinds = ["desks" if name.startswith("D-") else "rooms" for name in names]
            certain |= {
                space(kind, f"{name} {floor}", location, floor)
                for kind, name in zip(kinds, names, strict=True)
            }
        twins |= {space("rooms", name, location, 0) for name in ("Twin  A", "Twin   A")}
    return Filled(certain, twins)


def test_engage_first_workplace_new(tmp_path: Path) -> None:
    page = Page((DOCS / "onboarding-existing.md").read_text(encoding="utf-8"))
    with sandbox(tmp_path, "--no-limits") as box:
        engage = hand_filled(box)
        filled = fill_by_hand(engage)
        booked = [id for kind, id in filled.certain | filled.twins if kind in ("rooms", "desks")]
        for number, resource in enumerate(sorted(booked)):
            engage.book(resource, 1 + number % 9)
        tried = Trial(tmp_path, box)
        before, bookings, start = engage.items(), engage.bookings(), len(box.engage_writes())
        alone: set[tuple[str, int]] = set()

        def go_on_using_engage(trial: Trial) -> None:
            twin = before["rooms", min(id for kind, id in filled.twins)]
            fields = ("LocationId", "FloorNumber", "GroupId", "WorkspaceTypeId", "MaxCapacity")
            extra = engage.add("rooms", "Internal only", **{name: twin[name] for name in fields})
            alone.add(("rooms", extra))

        def merge(trial: Trial) -> None:
            assign_centers(trial)
            (wanted,) = map(yaml.safe_load, page.blocks("yaml"))
            manifest = yaml.safe_load((trial.folder / "target.yaml").read_text())
            manifest["spec"].update(wanted["spec"])
            (trial.folder / "target.yaml").write_text(yaml.safe_dump(manifest))

        tried.follow(page, {"engage-sync spacedata check": go_on_using_engage, "engage-sync plan": merge})

        after = engage.items()
        _nothing_lost_or_doubled(before, after, filled, alone)
        assert engage.bookings() == bookings
        assert {write["method"] for write in box.engage_writes()[start + 1 :]} == {"PUT"}
        assert tried.printed("engage-sync extract").count("2 resources of this floor have this name") == 2
        plan = tried.printed("engage-sync plan")
        assert plan.count("! AmbiguousMatch: Resource Twin A") == 2
        assert sum(line.startswith("= ") for line in plan.splitlines()) == len(filled.certain)
        tried.again("engage-sync spacedata upload")
        tried.again("engage-sync sync")


def _nothing_lost_or_doubled(
    before: Mapping[tuple[str, int], Item],
    after: Mapping[tuple[str, int], Item],
    filled: Filled,
    alone: set[tuple[str, int]],
) -> None:
    assert after.keys() == before.keys() | alone
    adopted = {place for place, item in after.items() if item["ExternalId"]}
    assert adopted == filled.certain
    for place in filled.twins:
        shown = {"WorkspaceTypeName": after[place]["WorkspaceTypeName"]}  # the type has another spelling now
        assert after[place] == {**before[place], **shown}
    for place, item in after.items():
        for name in ("FloorNumber", "NumberOfFloorsAboveGround", "NumberOfFloorsBelowGround", "GroupId"):
            assert place in alone or item.get(name) == before[place].get(name)
