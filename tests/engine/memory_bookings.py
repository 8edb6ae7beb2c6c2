"""Bookings in memory: who has booked which meeting space, and what nobody can know."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconcilers.errors import SyncError


@dataclass(slots=True)
class MemoryBookings:
    """The Bookings port over what a test says, by the internal id of the meeting space."""

    of: dict[int, frozenset[str]] = field(default_factory=dict)
    unknown: bool = True
    """No key to read them with."""
    error: SyncError | None = None
    """What is answered instead."""
    asked: list[int] = field(default_factory=list)

    async def future(self, ids: Collection[int]) -> Mapping[int, frozenset[str] | None]:
        """None for each where nobody can know."""
        self.asked.extend(ids)
        if self.error is not None:
            raise self.error
        return {id: None if self.unknown else self.of.get(id, frozenset()) for id in ids}
