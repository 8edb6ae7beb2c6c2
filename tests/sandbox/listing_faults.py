"""Both systems with several pages of everything, a pending edit, and one listing that goes wrong."""

import asyncio
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from engage_sync.app import Means, RunResult, run_once
from engage_sync.conditions import Type, get
from engage_sync.sandbox import Fault, ManualClock, Sandbox
from engage_sync.sandbox.account import Addresses
from engage_sync.sandbox.faults import Faults
from engage_sync.sandbox.manifests import secrets, sync_target
from engage_sync.sandbox.wire import Request, template
from engage_sync.sandbox.workplace_data import WorkplaceData
from engage_sync.schedule import Trigger
from engage_sync.spec import Spec, parse_spec
from engage_sync.status import RunFacts, finished
from engage_sync.trust import A_PERSON
from reconcilers.model import Entry, Key
from tests.e2e.crash_world import Item, canonical, duplicates, tally
from tests.engine.memory_plans import MemoryPlans
from tests.engine.memory_store import MemoryStore
from tests.engine.rig import Heard
from tests.sandbox.sandbox_helpers import instant
from tests.synctargets import UNGUARDED

Listing = tuple[str, str]
"""System, and path as a template."""
Held = dict[str, list[Item]]
"""What Engage holds, by kind."""

TOKEN = ("engage", "/tokenproviderapi/token")
ENGAGE = ("countries", "regions", "groups", "workspaceTypes", "locations", "floors", "rooms", "desks")
GUARDS: Mapping[str, dict[str, Any]] = {"open": UNGUARDED, "default": {}}

DEFAULT_COUNTRY = "IQ"
"""Its record is the first of the second page of Workplace's countries."""
LOW = range(2, 8)
"""Ids that are free in every listing of Workplace: what is put back there shifts all that follows."""
CITIES = (
    ("DE", "Kassel", "Europe"), ("DE", "Kassel", "Europe"), ("DE", "Kassel", "Europe"),
    ("DE", "Berlin", "Europe"), ("DE", "Berlin", "Europe"), ("US", "Houston", "Texas"),
    ("US", "Houston", "Texas"), ("US", "Dallas", "Texas"), (None, "Basra", "Gulf"),
    (None, "Basra", "Gulf"),
)  # fmt: skip
ZONES = {"Europe": "Europe/Berlin", "Texas": "America/Chicago", "Gulf": "Asia/Baghdad"}


# The two systems


def around(border: int, number: int) -> range:
    """Places before and after the end of a page."""
    return range(border - number // 2, border - number // 2 + number)


def found(sandbox: Sandbox) -> None:
    """Ten buildings in scope, and so much beside them that what counts lies where pages meet.

    The buildings, types, floors and rooms in scope are the only ones without "Filler" in their names.
    """
    seed, data = sandbox.seed, sandbox.workplace.data
    data.change("countries", data.country_by_code[DEFAULT_COUNTRY], name="Republic of Iraq")
    centers = {name: seed.center(name, zone=zone) for name, zone in ZONES.items()}
    types = _laid("types", data, 5, lambda n: {"name": f"Type {n}", "groupId": 3 - n % 2}, {})
    places = iter(CITIES)

    def building(number: int) -> dict[str, object]:
        code, city, _ = next(places)
        return {"name": f"B{number}", "city": city, "countryId": data.country_by_code.get(code or "")}

    buildings = _laid("buildings", data, 5, building, {"countryId": data.country_by_code["DE"]})
    for id, (_, _, center) in zip(buildings, CITIES, strict=True):
        data.assign(centers[center], id)
    floors = _laid(
        "floors",
        data,
        10,
        lambda n: {"name": f"Level {n % 2}", "buildingId": buildings[n // 2]},
        {"buildingId": 1},
    )

    def room(number: int) -> dict[str, object]:
        ours = {"floorId": floors[number // 5], "typeId": types[number % 10], "reservable": True}
        return {"name": f"Room {number}", "capacity": 4, **ours}

    _laid("rooms", data, 50, room, {"floorId": 1, "typeId": 1})
    for number in LOW:
        data.remove("countries", number)


def _laid(
    kind: str,
    data: WorkplaceData,
    number: int,
    real: Callable[[int], dict[str, object]],
    filler: dict[str, object],
) -> list[int]:
    """Records of one kind, `number` of those in scope at the end of each page; answers the ids of these."""
    ids: list[int] = []
    ours = {*around(100, number), *around(200, number)}
    for place in range(-len(LOW), 240):
        if place in ours:
            ids.append(data.add(kind, **real(len(ids)))["id"])
        else:
            data.add(kind, name=f"Filler {kind} {place}", **filler)
    for number in LOW:
        data.remove(kind, number)
    return ids


def by_hand(sandbox: Sandbox) -> None:
    """What others have in Engage, and bookings of theirs and ours."""
    seed, held = sandbox.seed, sandbox.engage.data
    made = {item["ExternalId"]: id for table in held.tables.values() for id, item in table.items()}
    france = seed.engage("countries", ResourceName="France", CountryCode="FR")
    seed.engage("regions", ResourceName="Paris", InternalParentId=france)
    group = seed.engage("groups", ResourceName="Everyone in Paris", InternalParentId=france)
    lyon = seed.engage("regions", ResourceName="Lyon", InternalParentId=france, ExternalId="hr:1")
    depot = seed.engage(
        "locations", ResourceName="Depot", InternalParentId=lyon, TimeZone="Romance Standard Time"
    )
    held.add_group(depot, group)
    seed.engage("floors", ResourceName="Ground", InternalParentId=depot, FloorNumber="0")
    place = {"LocationId": depot, "FloorNumber": "0", "GroupId": group}
    theirs = seed.engage("rooms", ResourceName="Atelier", WorkspaceTypeId=1, MaxCapacity=3, **place)
    ours = made[f"wp:building:{ids(sandbox, 'buildings')[0]}"]
    floor = next(iter(held.children("floors", ours)))
    group = next(iter(held.tables["locations"][ours]["groups"]))
    place = {"LocationId": ours, "FloorNumber": floor["FloorNumber"], "GroupId": group}
    guest = seed.engage("rooms", ResourceName="Guest", WorkspaceTypeId=1, MaxCapacity=3, **place)
    for id in (theirs, guest):
        book(sandbox, id, "theirs")
    rooms = [made[f"wp:room:{id}"] for id in ids(sandbox, "rooms")]
    for number in (0, 30, 40, 40, 40, 20, 62, 74):
        book(sandbox, rooms[number], f"of room {number}")


def book(sandbox: Sandbox, id: int, title: str) -> None:
    """A meeting in a week."""
    start = sandbox.engage.data.bookings._clock() + 7 * 86_400
    first, last = (datetime.fromtimestamp(moment, UTC) for moment in (start, start + 3600))
    sandbox.engage.book(id, f"{first:%Y-%m-%d %H:%M:%S}", f"{last:%Y-%m-%d %H:%M:%S}", title)


def ids(sandbox: Sandbox, kind: str) -> list[int]:
    """Of what was in scope before the edit."""
    table = sandbox.workplace.data.tables[kind]
    return [id for id, record in table.items() if not record["name"].startswith("Filler")]


def edit(sandbox: Sandbox) -> None:
    """What is pending: things to create, adopt, update, rebind, delete and replace, booked or not."""
    seed, data = sandbox.seed, sandbox.workplace.data
    rooms, floors, buildings, types = (
        ids(sandbox, kind) for kind in ("rooms", "floors", "buildings", "types")
    )
    for code, city, center in (("FR", "Paris", 1), ("IN", "Pune", 3)):
        building = seed.building(f"New {city}", country=code, city=city, center=center)
        seed.room(seed.floor(building, "Ground"), types[0], f"New in {city}", capacity=4)
    seed.room(floors[0], types[0], "Newcomer", capacity=7)
    data.change("buildings", buildings[0], name="Spire")
    data.change("floors", floors[2], name="Level 9")
    data.change("rooms", rooms[0], name="Room 2")
    data.change("rooms", rooms[2], name="Room 0")
    again = dict(data.tables["rooms"][rooms[33]])
    data.remove("rooms", rooms[33])
    seed.room(again["floorId"], again["typeId"], again["name"], capacity=again["capacity"])
    for number in (4, 15, 30, 40):
        data.remove("rooms", rooms[number])
    data.remove("buildings", buildings[6])
    data.change("buildings", buildings[7], city="Austin")
    data.change("rooms", rooms[6], floorId=floors[3])
    data.change("rooms", rooms[20], typeId=types[1])


# What goes wrong


FAULTS = ("reset", "truncated", "empty", "short", "429", "500", "garbage", "duplicated")
MOVES = ("deleted meanwhile", "put back meanwhile", "exchanged meanwhile")
"""An item moves between pages: one is skipped, one comes twice, one is skipped and the count stays."""
REPEATED = frozenset({"reset", "truncated", "429", "500"})
PAGED = {"/buildings": "buildings", "/floors": "floors", "/rooms": "rooms", "/rooms/types": "types",
         "/countries": "countries"}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong: where, what, and how often."""

    listing: Listing
    place: str
    what: str
    times: float


class Disturbance(Faults):
    """Strikes at one place of one listing, and remembers all that was asked for."""

    def __init__(self, case: Case | None = None) -> None:
        super().__init__()
        self.case = case
        self.struck = 0
        self.asked: dict[Listing, dict[str, None]] = {}
        self.data: WorkplaceData | None = None
        self._paged: set[str] = set()

    def pick(self, system: str, request: Request) -> Fault | None:
        """The fault that hits this request, if one does."""
        if request.method != "GET" and (system, request.path) != TOKEN:
            return None
        listing, place = (system, template(request.path)), self._place(system, request)
        self.asked.setdefault(listing, {})[place] = None
        case = self.case
        hit = case is not None and (case.listing, case.place) == (listing, place) and self.struck < case.times
        if listing[1].endswith("/count") and not (hit and case is not None and case.what in REPEATED):
            self._paged.discard(listing[1])
        if not hit or case is None:
            return None
        self.struck += 1
        if case.what in MOVES:
            assert self.data is not None
            _move(self.data, PAGED[listing[1]], case.what, self.struck)
            return None
        # A wait that is told, so that the client's own back-off is no part of this.
        return Fault(what=case.what, retry_after=1 if case.what == "429" else None)

    def _place(self, system: str, request: Request) -> str:
        """Which part of a listing is asked for."""
        if system == "workplace":
            count = f"{request.path}/count"
            if request.path.endswith("/count"):
                return "after" if request.path in self._paged else "before"
            self._paged.add(count)
            return request.query.get("startAt", request.path)
        parents = (value for name, value in request.query.items() if name.endswith("Id"))
        return next(parents, "")


def _move(data: WorkplaceData, kind: str, what: str, time: int) -> None:
    """What somebody does in Workplace while it is read; nothing of it is in scope."""
    fillers = [id for id, record in data.tables[kind].items() if _is_filler(kind, record)]
    if what == "put back meanwhile":
        known = dict(data.tables[kind][fillers[0]])
        free = next(number for number in LOW if number not in data.tables[kind])
        data.add(kind, **{**known, "id": free, "name": f"Filler {kind} {free} again", "alpha2Code": None})
        return
    # Not the first ones: the first building and the first floor hold fillers.
    data.remove(kind, next(id for id in fillers if id > max(LOW)))
    if what == "exchanged meanwhile":
        known = dict(data.tables[kind][fillers[-1]])
        del known["id"]
        data.add(kind, **{**known, "name": f"Filler {kind} of late {time}", "alpha2Code": None})


def _is_filler(kind: str, record: Mapping[str, Any]) -> bool:
    if kind == "countries":
        return record["alpha2Code"] not in (DEFAULT_COUNTRY, "DE", "US", "FR", "IN")
    return str(record["name"]).startswith("Filler")


# Runs


@dataclass
class World:
    """Both systems and a mapping."""

    sandbox: Sandbox
    clock: ManualClock
    store: MemoryStore = field(default_factory=MemoryStore)

    @classmethod
    def revive(cls, snapshot: bytes) -> "World":
        """As it was."""
        clock, workplace, engage, entries = pickle.loads(snapshot)
        world = cls(Sandbox(clock=clock, sleep=clock.sleep), clock, MemoryStore(entries))
        # In place: both simulations hold on to their data.
        vars(world.sandbox.workplace.data).update(vars(workplace))
        vars(world.sandbox.engage.data).update(vars(engage))
        return world

    def snapshot(self) -> bytes:
        """To be revived."""
        entries: dict[Key, Entry] | None = self.store.entries
        return pickle.dumps((self.clock, self.sandbox.workplace.data, self.sandbox.engage.data, entries))

    def run(self, guards: str, disturbance: Disturbance | None = None) -> RunResult:
        """One run of the product."""
        self.sandbox.faults = disturbance or Faults()
        if disturbance is not None:
            disturbance.data = self.sandbox.workplace.data
        with self._instant():
            means = Means(self._spec(guards), Secrets(self.sandbox), self.store, Heard(), A_PERSON)
            result = asyncio.run(run_once(means, lambda _: MemoryPlans(), apply=True, gate=lambda: None))
        self.sandbox.faults = Faults()
        return result

    def held(self) -> Held:
        """What Engage holds."""
        return {kind: list(self.sandbox.engage.items(kind)) for kind in ENGAGE}

    def bookings(self) -> dict[int, str]:
        """Titles by id of those that are there."""
        return {one["bookingID"]: one["meetingTitle"] for one in self.sandbox.engage.bookings()}

    def writes(self, before: Held) -> dict[str, Counter[str]]:
        """How often each entity was made, changed and removed since the journal began."""
        # For `tally` every path that ends in /groups is a location's.
        journal = [{"method": one.method, "path": f"{one.path}/", "body": one.body, "id": one.id}
                   if one.path == "/groups" else
                   {"method": one.method, "path": one.path, "body": one.body, "id": one.id}
                   for one in self.sandbox.writes if one.system == "engage"]  # fmt: skip
        return tally(journal, before)

    def _spec(self, guards: str) -> Spec:
        told = sync_target(Addresses("http://127.0.0.1"), limits=False)["spec"]  # whatever the host
        whole = {**told, "defaults": {"country": DEFAULT_COUNTRY}, **GUARDS[guards]}
        return parse_spec(whole, allow_insecure_http=True)

    @contextmanager
    def _instant(self) -> Iterator[None]:
        """All that is sent goes to the sandbox, and the engine has its clock."""
        now = self.clock

        class Clock:
            def now(self) -> float:
                return now()

        with instant(self.sandbox.transport, self.clock), pytest.MonkeyPatch.context() as patch:
            patch.setattr("engage_sync.app._SystemClock", Clock)
            yield


class Secrets:
    """The Secrets of the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._known = {each["metadata"]["name"]: each["stringData"] for each in secrets(sandbox.account)}

    async def secret(self, name: str) -> Mapping[str, str] | None:
        """The keys of one."""
        known: Mapping[str, str] | None = self._known.get(name)
        return known


# What became of it


@dataclass(frozen=True)
class Reference:
    """The undisturbed run: where it began, what it asked for, and what it came to."""

    guards: str
    snapshot: bytes
    before: Held
    asked: dict[Listing, list[str]]
    held: dict[str, dict[str, Any]]
    bookings: dict[int, str]
    writes: dict[str, Counter[str]]


def told(result: RunResult, guards: str) -> tuple[str, dict[str, str]]:
    """All that people can read of a run, and the status of its conditions by type."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    facts = RunFacts(
        "1", Trigger.SCHEDULE, "Apply", 1, now, now, result.report, result.error, result.requests
    )
    status = finished({}, facts, lambda _: now, str)
    conditions = status["conditions"]
    problems = [problem.message for problem in result.report.problems] if result.report else []
    texts = [one["message"] for one in conditions if one["status"] != "True" or one["type"] == "Stalled"]
    assert get(conditions, Type.READY)
    return "\n".join([*texts, *problems]), {one["type"]: one["status"] for one in conditions}


def founded() -> bytes:
    """Two systems in step, and an edit that no run has seen yet."""
    clock = ManualClock()
    world = World(Sandbox(clock=clock, sleep=clock.sleep), clock)
    found(world.sandbox)
    first = world.run("open")
    assert first.error is None, first.error
    assert first.require_report().whole
    by_hand(world.sandbox)
    edit(world.sandbox)
    return world.snapshot()


def reference_of(guards: str, snapshot: bytes) -> Reference:
    """What a run makes of the edit that nothing disturbs."""
    world, watching = World.revive(snapshot), Disturbance()
    before = world.held()
    result = world.run(guards, watching)
    assert result.error is None, result.error
    report = result.require_report()
    assert report.whole, report.problems
    assert not report.plan.quarantine
    asked = {listing: sorted(places, key=_number) for listing, places in watching.asked.items()}
    writes, held = world.writes(before), canonical(world.held())
    assert not duplicates(world.held())
    assert world.run(guards).error is None
    assert world.writes(before) == writes, "an undisturbed second run writes nothing"
    return Reference(guards, snapshot, before, asked, held, world.bookings(), writes)


def _number(place: str) -> tuple[int, str]:
    return (int(place) if place.isdecimal() else 0), ("" if place == "before" else place)


def of_others(before: Held) -> dict[int, Item]:
    """What nobody may touch: it carries no external id of ours, and is none of what is adopted."""
    return {
        item["InternalId"]: item
        for items in before.values()
        for item in items
        if not str(item["ExternalId"]).startswith("wp:") and item["ResourceName"] not in ("France", "Paris")
    }


def excess(some: Mapping[str, Counter[str]], than: Mapping[str, Counter[str]]) -> dict[str, list[str]]:
    """What some wrote more often than others.

    One update more of what is new is what a derived field costs: a building is created while its floors are
    hidden, and their number set right later.
    """
    left = {what: counted - than[what] for what, counted in some.items()}
    keys = {
        what: [
            key
            for key, times in sorted(counted.items())
            if times > (what == "update" and key in than["create"])
        ]
        for what, counted in left.items()
    }
    return {what: found for what, found in keys.items() if found}


NAMES: Mapping[Listing, tuple[str, ...]] = {
    TOKEN: ("token",),
    ("workplace", "/rooms"): ("/rooms", "spaces"),
    ("workplace", "/rooms/types"): ("/rooms/types", "space types"),
    ("engage", "/workspaceTypes"): ("/workspaceTypes", "WorkspaceType"),
    ("engage", "/countries"): ("/countries", "Country"),
    ("engage", "/rooms"): ("/rooms", "Resource"),
    ("engage", "/desks"): ("/desks", "Resource"),
}


def names_of(listing: Listing) -> tuple[str, ...]:
    """How a sentence may name a listing."""
    system, path = listing
    plain = (system, path.removesuffix("/count").removesuffix("/{id}"))
    one = plain[1].strip("/").removesuffix("s").capitalize()
    return NAMES.get(plain, (plain[1], one if system == "engage" else plain[1].strip("/")))


MISSING = "the target does not list all that the mapping holds"
"""What is said of one leaf that is not listed: it may have been deleted by hand."""
LESS = frozenset({"empty", "short"})


def is_beyond(reference: Reference, case: Case) -> bool:
    """Can nobody know that something is missing? (docs/reliability.md, "What is not proven")

    Bookings are listed in one place only; and what hands made in Engage is new to us when it is adopted.
    """
    if case.listing[0] != "engage" or case.what not in LESS:
        return False
    adopted = {
        str(item["InternalId"])
        for items in reference.before.values()
        for item in items
        if item["ResourceName"] in ("France", "Paris")
    }
    top = case.listing[1] == "/countries" and case.what == "short"
    return case.listing[1] == "/bookings" or case.place in adopted or top


@dataclass
class Verdict:
    """What is wrong after one case; nothing, when all is well."""

    reference: Reference
    case: Case
    wrong: list[str] = field(default_factory=list)


def judge(reference: Reference, case: Case) -> Verdict:
    """A disturbed run, a clean one and one more, and what is wrong with them."""
    verdict = Verdict(reference, case)
    world, disturbance = World.revive(reference.snapshot), Disturbance(case)
    result = world.run(reference.guards, disturbance)
    if not disturbance.struck:
        verdict.wrong.append("the fault never struck")
    _check_harm(verdict, world, "the disturbed run")
    if canonical(world.held()) != reference.held and not is_beyond(reference, case):
        _check_told(verdict, result)
    _check_recovery(verdict, world)
    return verdict


def _check_told(verdict: Verdict, result: RunResult) -> None:
    """Not all was done: is there a sentence that says why, and does it blame the right system?"""
    case, wrong = verdict.case, verdict.wrong
    text, conditions = told(result, verdict.reference.guards)
    if not text and case.listing[0] == "engage" and case.what == "short":
        return  # what was to be deleted was not listed, so it was taken for gone
    if not any(name in text for name in (*names_of(case.listing), MISSING)):
        wrong.append(f"nothing names the listing: {text!r}")
    if conditions["Ready"] != "False":
        wrong.append(f"Ready is {conditions['Ready']} though not all was done")
    if case.listing[0] == "workplace":
        fits = conditions["SourceHealthy"] == "False" and conditions.get("TargetHealthy") != "False"
    else:
        # What Engage refuses or does not tell may concern single steps alone; then these say so.
        report = result.report
        single = report is not None and bool(report.problems or report.plan.held)
        fits = conditions.get("SourceHealthy") != "False"
        fits = fits and (conditions.get("TargetHealthy") == "False" or single)
    if not fits:
        wrong.append(f"blamed is the wrong system: {conditions} {text!r}")


def _check_harm(verdict: Verdict, world: World, whose: str) -> None:
    reference, wrong, held = verdict.reference, verdict.wrong, world.held()
    beyond = is_beyond(reference, verdict.case)
    writes = world.writes(reference.before)
    if beyond:
        writes = {"delete": writes["delete"]}
    believed = beyond and verdict.case.listing[1] == "/bookings"
    if not believed and (surplus := excess(writes, reference.writes)):
        wrong.append(f"{whose} wrote more than the undisturbed one: {surplus}")
    if not believed and (lost := reference.bookings.keys() - world.bookings().keys()):
        wrong.append(f"{whose} lost bookings {[reference.bookings[one] for one in lost]}")
    if twice := duplicates(held):
        wrong.append(f"{whose} left duplicates: {twice}")
    if of_others(held) != of_others(reference.before):
        wrong.append(f"{whose} touched what others own")


def _check_recovery(verdict: Verdict, world: World) -> None:
    """The next run recovers; what was taken for gone is found again level by level."""
    reference, case, wrong = verdict.reference, verdict.case, verdict.wrong
    late = case.listing[0] == "engage" and case.what in LESS
    for _ in range(3 if late else 1):
        clean = world.run(reference.guards)
        if clean.error is not None:
            wrong.append(f"the clean run failed: {clean.error}")
    _check_harm(verdict, world, "both runs")
    held, wanted = canonical(world.held()), reference.held
    differing = sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))
    if differing and not is_beyond(reference, case):
        wrong.append(f"the end differs in {differing}")
    done = world.writes(reference.before)
    world.run(reference.guards)
    if world.writes(reference.before) != done:
        wrong.append("the run after the recovery wrote something")
