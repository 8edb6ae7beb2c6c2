"""How a plan is carried out: beside commits, and to the end of what is in flight."""

import asyncio
from dataclasses import dataclass, field

from reconcilers.errors import TransientError
from reconcilers.model import MappingState
from reconcilers.sync import sync_once
from tests.engine.memory_store import MemoryStore
from tests.engine.rig import Rig, Ticking
from tests.engine.samples import two_buildings


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
