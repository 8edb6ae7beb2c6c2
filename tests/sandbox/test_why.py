"""Why, asked of both systems over their own wire: true answers, and nothing but reads."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_bookings import EngageBookings
from engage_sync.clients.engage_paths import TOKEN
from engage_sync.sandbox import ManualClock, Sandbox
from reconcilers.guard import Budget, Guards
from reconcilers.model import Key
from reconcilers.policy import Policies
from reconcilers.ports import Ports
from reconcilers.sync import Settings, look, sync_once
from reconcilers.why import Explanation, explain
from tests.engine.memory_store import MemoryStore
from tests.engine.rig import UNGUARDED, Heard
from tests.sandbox.bench import Bench, bench

BOOKED = Guards(
    deletions=Budget(100, 1), below_location=Budget(100, 1), updates=Budget(100, 1), unreadable=Budget(100, 1)
)
"""As a tenant has it who was not told of budgets."""


@dataclass
class Clock:
    """The sandbox's clock, as the engine asks for it."""

    clock: ManualClock

    def now(self) -> float:
        return self.clock.now


@dataclass
class World:
    """A Workplace with one of everything, an Engage, and a mapping."""

    here: Bench
    store: MemoryStore = field(default_factory=MemoryStore)
    settings: Settings = field(default_factory=lambda: Settings(guards=UNGUARDED))

    @property
    def box(self) -> Sandbox:
        return self.here.sandbox

    async def sync(self) -> None:
        async with self.here.workplace() as source, self.here.engage() as session:
            ports = Ports(source, EngageReader(session), self.store, Clock(self.here.clock), Heard())
            report = await sync_once(ports, self.settings, EngageWriter(session), lambda: None)
        assert report.whole

    async def why(self, key: str) -> Explanation:
        """The answer; whatever is asked, only reads leave, and nothing is remembered."""
        commits = self.store.commits
        self.box.journal.reset()
        clock = self.here.clock
        async with self.here.workplace() as source, self.here.engage(read_only=True) as session:
            bookings = EngageBookings(session, clock, timedelta(hours=2160))
            reader = EngageReader(session)
            ports = Ports(source, reader, self.store, Clock(clock), Heard(), bookings)
            answer = explain(await look(ports, self.settings), Key(key), self.settings)
        asked = {(each.method, each.path) for each in self.box.journal.requests}
        assert {method for method, path in asked if not path.endswith(TOKEN)} == {"GET"}
        assert self.box.writes == []
        assert self.store.commits == commits
        return answer

    def row(self, table: str, external_id: str) -> dict[str, object]:
        rows = self.box.engage.data.tables[table].values()
        return next(row for row in rows if row["ExternalId"] == external_id)


@pytest.fixture
def world() -> World:
    """Building 1 with floors 1 and 2; room 1 and desk 2 in it; building 2 has no center."""
    here = bench()
    seed = here.sandbox.seed
    tower = seed.building("Tower", city="Kassel", center=seed.center())
    seed.building("Annex", city="Kassel")
    ground, first = seed.floor(tower, "Ground Floor"), seed.floor(tower, "1st Floor")
    lab, desk = seed.space_type("Lab"), seed.space_type("Desk", "Me Spaces")
    seed.room(ground, lab, "Apollo", capacity=6)
    seed.room(first, desk, "D-1")
    seed.room(ground, seed.space_type("Hall", "None"), "Hall")
    seed.room(ground, lab, "Store", reservable=False)
    return World(here)


KEYS = {
    "wp:country:DE": "it comes from the buildings that are there: wp:building:1, wp:building:2.",
    "wp:city:DE:kassel": "it comes from the buildings that are there: wp:building:1, wp:building:2.",
    "wp:group:DE": "it comes from the buildings that are there: wp:building:1, wp:building:2.",
    "wp:type:1": 'type 1 "Lab" in the group "We Spaces".',
    "wp:building:1": 'building 1 "Tower", city Kassel, country code DE.',
    "wp:floor:2": 'floor 2 "1st Floor" of building 1 "Tower".',
    "wp:room:1": 'space 1 "Apollo", on floor 1 "Ground Floor" of building 1 "Tower", '
                 'type 1 "Lab" in the group "We Spaces", reservable.',
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
async def test_each_kind_before_and_after_the_first_sync(world: World, key: str) -> None:
    before = await world.why(key)
    await world.sync()
    after = await world.why(key)

    assert before.source == after.source
    assert before.source[0].endswith(KEYS[key])
    assert before.match[0].startswith("Not matched: ")
    assert before.outcome == ("A run that applies will create it.",)
    assert any(each.differs for each in before.fields)
    assert after.match[0].startswith("Matched by its external id: ")
    assert after.outcome == ("Nothing will be done: the target holds it as it shall be.",)
    assert not any(each.differs for each in after.fields)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("wp:building:2", "Left out (NoReservationCenter): no reservation center names its building"),
        ("wp:room:3", 'Left out (NotBookableType): its type 3 "Hall" in the group "None" is neither'),
        ("wp:room:4", "Left out (NotReservable): it is not reservable"),
        ("wp:type:3", 'Left out: its group "None" is neither We Spaces nor Me Spaces'),
    ],
)
async def test_what_is_left_out(world: World, key: str, told: str) -> None:
    answer = await world.why(key)

    assert answer.scope[0].startswith(told)
    assert answer.outcome[0].startswith("Nothing will be done: ")


async def test_values_and_their_rules(world: World) -> None:
    told = {each.field: (each.wanted, each.why) for each in (await world.why("wp:building:1")).fields}

    assert told["TimeZone"] == (
        "W. Europe Standard Time", "reservation center 1 says Europe/Berlin; this is its Windows name"
    )  # fmt: skip
    assert told["NumberOfFloorsAboveGround"][0] == 2
    assert told["GroupId"] == ("wp:group:DE", "the default group of its country")


async def test_what_is_matched_without_its_external_id(world: World) -> None:
    await world.sync()
    world.row("floors", "wp:floor:1")["ExternalId"] = None
    known = await world.why("wp:floor:1")
    assert known.match[0].startswith("Matched by the mapping, which knows its internal id: ")
    assert known.outcome == ("A run that applies will update it (ExternalId).",)

    world.box.seed.space_type("Meeting Room")
    adopted = await world.why("wp:type:4")
    assert adopted.match[0].startswith(
        "Matched by its name and family, as it came with the product (adopted): "
    )
    assert adopted.outcome == ("A run that applies will adopt what is there (ExternalId).",)


async def test_a_room_that_was_made_anew_is_bound(world: World) -> None:
    await world.sync()
    world.box.workplace.data.remove("rooms", 1)
    world.box.seed.room(1, 1, "Apollo", capacity=6)
    answer = await world.why("wp:room:5")

    assert answer.match[0].startswith("Matched by its path")
    assert answer.outcome[0].startswith("A run that applies will bind what is there to its new id")
    assert "ask about that" in (await world.why("wp:room:1")).outcome[0]


async def test_a_room_that_is_booked_is_held_and_a_desk_is_not(world: World) -> None:
    await world.sync()
    room = int(str(world.row("rooms", "wp:room:1")["InternalId"]))
    start = datetime.fromtimestamp(world.here.clock.now + 3600, UTC).isoformat()
    end = datetime.fromtimestamp(world.here.clock.now + 7200, UTC).isoformat()
    world.box.engage.book(room, start, end)
    world.box.workplace.data.remove("rooms", 1)
    world.box.workplace.data.remove("rooms", 2)
    world.settings = Settings(guards=BOOKED)

    held, gone = await world.why("wp:room:1"), await world.why("wp:room:2")
    assert held.outcome == (
        "It waits for an approval to delete it (gone from the source): people have booked it.",
        "Bookings at risk: 1.",
    )
    assert gone.outcome == (
        "A run that applies will delete it (gone from the source).", "Bookings at risk: unknown."
    )  # fmt: skip

    world.settings = replace(world.settings, policies=Policies(frozenset({"Observe"})))
    assert (await world.why("wp:room:1")).outcome == (
        "It is withheld to delete it: spec.managementPolicies does not allow it.",
    )


async def test_a_room_that_becomes_a_desk_is_replaced(world: World) -> None:
    await world.sync()
    world.box.workplace.data.change("rooms", 1, typeId=2)
    answer = await world.why("wp:room:1")

    assert answer.outcome[0] == (
        "A run that applies will delete it and make it anew (ResourceType cannot be changed in place)."
    )
    assert {each.field for each in answer.fields if each.differs} >= {"ResourceType", "WorkspaceTypeId"}


async def test_a_key_that_nobody_knows(world: World) -> None:
    assert "nobody knows this key" in (await world.why("wp:room:99")).outcome[0]
