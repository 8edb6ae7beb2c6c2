"""The mapping store in memory, durable only by a commit."""

from collections.abc import Callable
from dataclasses import dataclass, field

from reconcilers.model import Entry, Key, MappingState


@dataclass(slots=True)
class MemoryStore:
    """The MappingStore port; None is a mapping that was deleted by hand."""

    entries: dict[Key, Entry] | None = None
    commits: int = 0
    fault: Callable[[int, str], None] = field(default=lambda number, moment: None)

    async def load(self) -> MappingState:
        """A copy: what is not committed is lost with the process."""
        return MappingState(dict(self.entries or {}), rebuilt=self.entries is None)

    async def commit(self, mapping: MappingState) -> None:
        """All or nothing."""
        self.fault(self.commits + 1, "before")
        self.commits += 1
        self.entries = dict(mapping.entries)
        self.fault(self.commits, "after")
