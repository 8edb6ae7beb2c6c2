"""Bookings in memory: who has booked which meeting space, and what nobody can know."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryBookings:
    """The Bookings port over what a test says, by the internal id of the meeting space."""

    of: dict[int, frozenset[str]] = field(default_factory=dict)
    unknown: bool = True
    """No key to read them with."""

    async def future(self, ids: Collection[int]) -> Mapping[int, frozenset[str] | None]:
        """None for each where nobody can know."""
        return {id: None if self.unknown else self.of.get(id, frozenset()) for id in ids}
