"""A run in one line: the engine between the two systems in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconcilers.errors import Halted, SyncError
from reconcilers.events import Event, Planned
from reconcilers.guard import Budget, Guards, Required
from reconcilers.plan import Plan
from reconcilers.ports import Ports
from reconcilers.report import Report
from reconcilers.sync import Settings, sync_once
from tests.engine.memory_bookings import MemoryBookings
from tests.engine.memory_plans import MemoryPlans
from tests.engine.memory_source import MemorySource
from tests.engine.memory_store import MemoryStore
from tests.engine.memory_target import Call, Killed, MemoryTarget

UNGUARDED = Guards(
    required=Required.NEVER,
    deletions=Budget(100, 1),
    below_location=Budget(100, 1),
    updates=Budget(100, 1),
    unreadable=Budget(100, 1),
    hold_booked=False,
    believe_empty=True,
)
"""For laws about everything else: whatever is planned is carried out."""
WIDE = replace(Guards(), deletions=Budget(100, 1), below_location=Budget(100, 1), updates=Budget(100, 1))
"""Budgets that nothing overruns, and everything else as a tenant has it by default."""


class Heard(list[Event]):
    """The Observer port: everything that was told."""

    def on(self, event: Event) -> None:
        self.append(event)


@dataclass(slots=True)
class Ticking:
    """The Clock port; time passes with every look at it."""

    time: float = 1_700_000_000.0
    step: float = 1.0

    def now(self) -> float:
        self.time += self.step
        return self.time


@dataclass(slots=True)
class Rig:
    """Both systems, the mapping and a clock."""

    source: MemorySource
    target: MemoryTarget = field(default_factory=MemoryTarget)
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: Ticking = field(default_factory=Ticking)
    heard: Heard = field(default_factory=Heard)
    settings: Settings = field(default_factory=lambda: Settings(guards=UNGUARDED))
    gate: Callable[[], None] = lambda: None
    bookings: MemoryBookings = field(default_factory=MemoryBookings)
    plans: MemoryPlans = field(default_factory=MemoryPlans)

    def ports(self) -> Ports:
        return Ports(self.source, self.target, self.store, self.clock, self.heard, self.bookings, self.plans)

    def guarded(self, guards: Guards) -> "Rig":
        """The same rig, from now on under these guards."""
        self.settings = replace(self.settings, guards=guards)
        return self

    def sync(self) -> Report:
        """One run that applies."""
        return asyncio.run(sync_once(self.ports(), self.settings, self.target, self.gate))

    def plan(self) -> Plan:
        """One run that only plans."""
        return asyncio.run(sync_once(self.ports(), self.settings, None, self.gate)).plan

    def writes_of_sync(self) -> list[Call]:
        """What one run writes."""
        before = len(self.target.writes)
        self.sync()
        return self.target.writes[before:]

    def killed_at(self, number: int, moment: str) -> bool:
        """A run whose process dies at this write; whether it came to that."""
        start = self.target.sent

        def fault(sent: int, when: str) -> None:
            if (sent - start, when) == (number, moment):
                raise Killed

        self.target.fault = fault
        self.store.fault = self._dead_store
        try:
            self.sync()
        except Killed:
            return True
        finally:
            self.revive()
        return False

    def killed_at_commit(self, number: int, moment: str) -> bool:
        """A run whose process dies at this commit of the mapping; whether it came to that."""
        start = self.store.commits

        def fault(commit: int, when: str) -> None:
            self._dead_store(commit, when)
            if (commit - start, when) == (number, moment):
                self.target.dead = True
                raise Killed

        self.store.fault = fault
        try:
            self.sync()
        except Killed:
            return True
        finally:
            self.revive()
        return False

    def revive(self) -> None:
        """A new process."""
        self.target.dead = False
        self.target.fault = lambda number, moment: None
        self.store.fault = lambda number, moment: None

    def _dead_store(self, commit: int, moment: str) -> None:
        if self.target.dead:
            raise Killed


@dataclass(slots=True)
class FaultAt:
    """A fault at the k-th write from now: what it raises, before or after the write is carried out."""

    number: int
    error: SyncError
    moment: str = "before"
    start: int = 0

    def __call__(self, number: int, moment: str) -> None:
        if (number - self.start, moment) == (self.number, self.moment):
            raise self.error


@dataclass(slots=True)
class GateAfter:
    """A gate that closes after so many writes."""

    writes: int
    asked: int = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.asked > self.writes:
            raise Halted("told to stop")


def planned(rig: Rig) -> Plan:
    """The plan that the last run told of."""
    return next(event.plan for event in reversed(rig.heard) if isinstance(event, Planned))
