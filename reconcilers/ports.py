"""What the engine asks of the outside world. Adapters live in the shell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconcilers.events import Event
from reconcilers.guard import Approval
from reconcilers.impact import Bookings, NobodyKnows
from reconcilers.model import Current, Holdings, Key, Kind, MappingState, Value
from reconcilers.plan import Plan
from reconcilers.source import Known, Observation


class Source(Protocol):
    """Where the truth is read."""

    async def read(self, known: Known) -> Observation:
        """Read everything once.

        A listing that lacks one of the `known` ids is read again, and seamlessly, before that one may count
        as gone; one of which nobody knows what there was is read so at once.
        Raises SyncError when a listing could not be read to its end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Demand:
    """Which kinds (and variants of them) are worth reading below one location."""

    floors: bool = True
    variants: frozenset[str] = frozenset()


DemandOf = Callable[[Current], Demand]


class Reader(Protocol):
    """The target, read only."""

    async def read(self, demand: DemandOf) -> Holdings:
        """Read what the target holds; below each location only what `demand` asks for."""
        ...


class Writer(Protocol):
    """The target's write side; one call is one entity.

    Fields are named as in the entity's level, references already internal ids.
    Raises RefusedError for this entity alone, other SyncErrors for the run.
    """

    async def create(self, kind: Kind, external_id: Key, fields: Mapping[str, Value]) -> int:
        """Create and return the internal id. An unknown outcome is resolved by external id."""
        ...

    async def update(
        self, kind: Kind, id: int, fields: Mapping[str, Value], *, variant: str = ""
    ) -> None: ...

    async def delete(self, kind: Kind, id: int, *, variant: str = "") -> None:
        """Delete; an entity that is already gone is no error."""
        ...


class MappingStore(Protocol):
    """Where the mapping outlives the process."""

    async def load(self) -> MappingState:
        """The last committed mapping; an empty one with `rebuilt` when there is none to use."""
        ...

    async def commit(self, mapping: MappingState) -> None:
        """Make the mapping durable as a whole: a reader sees the old one or the new one."""
        ...


class Observer(Protocol):
    """Hears what happens; log, Events, progress bar and metrics are listeners of it."""

    def on(self, event: Event) -> None: ...


class Clock(Protocol):
    """Wall-clock time, as an argument."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class Plans(Protocol):
    """Where plans are shown to people, and what they approved."""

    async def approved(self) -> Approval | None:
        """The approval that was given and is not spent yet."""
        ...

    async def publish(self, plan: Plan) -> None:
        """Show a plan, before anything of it is carried out. Raises SyncError when it cannot be shown."""
        ...


class NoPlans:
    """Plans that nobody sees, and so nobody approves."""

    async def approved(self) -> Approval | None:
        """None."""
        return None

    async def publish(self, plan: Plan) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a run reads, remembers and asks; what it writes with comes apart, as a plan needs none."""

    source: Source
    target: Reader
    store: MappingStore
    clock: Clock
    observer: Observer
    bookings: Bookings = field(default_factory=NobodyKnows)
    plans: Plans = field(default_factory=NoPlans)


Gate = Callable[[], None]
"""Asked before every write; raises Halted when none may start any more."""
