"""How a plan is carried out: beside commits, and to the end of what is in flight."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from reconcilers.errors import TransientError
from reconcilers.model import Key, Kind, MappingState, State, Value
from reconcilers.sync import sync_once
from tests.engine.memory_store import MemoryStore
from tests.engine.memory_target import MemoryTarget
from tests.engine.rig import Rig, Ticking
from tests.engine.samples import edit, put, space, synced, two_buildings


@dataclass(slots=True)
class SlowStore(MemoryStore):
    """A store whose commits, but for the first one, wait until they are let go."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0

    async def commit(self, mapping: MappingState) -> None:
        self.under_way += 1
        assert self.under_way == 1, "two commits at once"
        if self.commits:
            await self.go.wait()
        await super(SlowStore, self).commit(mapping)
        self.under_way -= 1


async def test_calls_go_on_while_the_mapping_is_stored() -> None:
    store = SlowStore()
    rig = Rig(two_buildings(), store=store, clock=Ticking(step=60.0))

    def gate() -> None:
        # Let the commit go only once many more writes have started than are in flight at once.
        if rig.target.sent > 12:
            store.go.set()

    async with asyncio.timeout(10):
        report = await sync_once(rig.ports(), rig.settings, rig.target, gate)

    assert report.whole
    assert store.entries is not None
    assert all(entry.id is not None for entry in store.entries.values())


async def test_a_store_that_fails_midway_ends_the_run_and_nothing_is_lost() -> None:
    rig = Rig(two_buildings(), clock=Ticking(step=60.0))

    def fault(commit: int, moment: str) -> None:
        if (commit, moment) == (2, "before"):
            raise TransientError("another writer has been here")

    rig.store.fault = fault
    report = await sync_once(rig.ports(), rig.settings, rig.target, lambda: None)
    rig.store.fault = lambda commit, moment: None
    again = await sync_once(rig.ports(), rig.settings, rig.target, lambda: None)

    assert report.ended_by is not None
    assert again.whole


def test_what_could_not_be_stored_on_the_way_is_stored_at_the_end() -> None:
    rig = synced()
    put(rig.source, space(300, "Vostok", 1))
    rig.clock.step = 60.0
    intended = rig.store.commits + 1
    failed: list[int] = []

    def fault(commit: int, moment: str) -> None:
        if (commit, moment) == (intended + 1, "before") and not failed:
            failed.append(commit)
            raise TransientError("not now")

    rig.store.fault = fault
    report = rig.sync()

    assert report.ended_by is not None
    assert rig.store.entries is not None
    assert rig.store.entries[Key("wp:room:300")].state is State.SYNCED


def asked_and_sent(rig: Rig) -> tuple[int, int]:
    """How often one run asked whether it may write, and how often it wrote."""
    asked: list[int] = []
    before = rig.target.sent
    rig.gate = lambda: asked.append(rig.target.sent)
    rig.sync()
    return len(asked), rig.target.sent - before


def test_every_call_for_a_new_location_asks_whether_it_may() -> None:
    asked, sent = asked_and_sent(Rig(two_buildings()))
    assert asked == sent > 0


def test_every_call_for_a_changed_location_asks_whether_it_may() -> None:
    rig = synced()
    rig.target.find("wp:building:10")["GroupIds"] = []
    edit(rig.source.buildings, 10, name="High Tower")
    put(rig.source, space(300, "Vostok", 1))
    asked, sent = asked_and_sent(rig)
    assert asked == sent == 3, "its name, its group, and the room"


@dataclass(slots=True)
class SlowTarget(MemoryTarget):
    """A target whose creates wait until they are let go."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0

    async def create(self, kind: Kind, external_id: Key, fields: Mapping[str, Value]) -> int:
        self.under_way += 1
        self.started.set()
        await self.go.wait()
        made = await super(SlowTarget, self).create(kind, external_id, fields)
        self.under_way -= 1
        return made


async def test_a_run_that_is_cancelled_waits_for_the_calls_in_flight() -> None:
    target = SlowTarget()
    rig = Rig(two_buildings(), target)
    run = asyncio.create_task(sync_once(rig.ports(), rig.settings, target, lambda: None))
    await target.started.wait()
    run.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not run.done()
    target.go.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert target.under_way == 0


@dataclass(slots=True)
class SlowUpdates(MemoryTarget):
    """A target that takes long over its updates."""

    async def update(self, kind: Kind, id: int, fields: Mapping[str, Value], *, variant: str = "") -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        await super(SlowUpdates, self).update(kind, id, fields, variant=variant)


def test_a_new_resource_waits_until_its_location_has_the_group_that_it_takes() -> None:
    rig = Rig(two_buildings(), SlowUpdates())
    rig.sync()
    rig.target.find("wp:building:10")["GroupIds"] = []
    put(rig.source, space(300, "Vostok", 1))

    assert rig.sync().whole
    assert [rig.target.find("wp:room:300")["GroupId"]] == rig.target.find("wp:building:10")["GroupIds"]
