"""The words of the engine: kinds, entities, what the target holds, what is remembered.

Plain data. Nothing here reads, writes, waits or knows a vendor.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import NewType

Key = NewType("Key", str)
"""What names an entity everywhere: its external id, for example ``wp:building:2196``."""

Value = str | int | None


class Kind(StrEnum):
    """The kinds of entity, in hierarchy order: whoever comes first is created first."""

    COUNTRY = "Country"
    REGION = "Region"
    GROUP = "Group"
    WORKSPACE_TYPE = "WorkspaceType"
    LOCATION = "Location"
    FLOOR = "Floor"
    RESOURCE = "Resource"


KINDS = tuple(Kind)
RANK = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Entity:
    """One desired entity; ``values`` follow the fields of its level, references as keys."""

    kind: Kind
    key: Key
    values: tuple[Value, ...]

    @property
    def name(self) -> str:
        """The name it shall have in the target."""
        return str(self.values[0])

    @property
    def parent(self) -> Key | None:
        """The key of the entity it hangs below; None for a root."""
        parent = self.values[1]
        return None if parent is None else Key(str(parent))


@dataclass(frozen=True, slots=True)
class Current:
    """One entity as the target holds it; ``values`` follow its level, references as internal ids."""

    kind: Kind
    id: int
    external_id: str | None
    values: tuple[Value, ...]
    builtin: bool = False
    """Came with the product: may be adopted and released, never deleted."""

    @property
    def name(self) -> str:
        """The name it has in the target."""
        return str(self.values[0])

    @property
    def parent_id(self) -> int | None:
        """The internal id of the entity it hangs below; None for a root."""
        parent = self.values[1]
        return None if parent is None else int(parent)


class State(StrEnum):
    """How far an entry of the mapping has come."""

    CREATING = "Creating"
    """A create was intended; whether it happened is told by the target's external id."""
    REMOVING = "Removing"
    """A removal was intended, for good or to be made anew; that it is missing surprises nobody."""
    SYNCED = "Synced"
    MISSING = "Missing"
    """Gone from the source since `missing_since`; deleted when its grace period is over."""


class Origin(StrEnum):
    """How an entity came to be ours; only what we created may take its container with it."""

    CREATED = "Created"
    ADOPTED = "Adopted"
    RECOVERED = "Recovered"
    MATCHED = "Matched"
    """Adopted, but the target will not take its external id: the mapping alone knows whose it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of one synchronised entity. Times are whole seconds since the epoch, UTC."""

    kind: Kind
    key: Key
    parent: Key | None
    variant: str
    """Which listing of the target it is in, where a kind has several; else empty."""
    id: int | None
    digest: str
    first_synced: int
    last_synced: int
    state: State = State.SYNCED
    origin: Origin = Origin.CREATED
    missing_since: int = 0
    """When a complete source first did not ask for it any more; 0 while it does."""


@dataclass(slots=True)
class MappingState:
    """The mapping as one run knows it: loaded once, changed as steps succeed, committed by the store."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    rebuilt: bool = False
    """No usable mapping was found: this run only learns, it deletes nothing."""
    dirty: bool = False

    def put(self, entry: Entry) -> None:
        """Remember an entry, noting a change only where there is one."""
        if self.entries.get(entry.key) != entry:
            self.entries[entry.key] = entry
            self.dirty = True

    def is_removing(self, key: Key) -> bool:
        """Did a run set out to remove it, perhaps to make it anew, and end before that was done?"""
        entry = self.entries.get(key)
        return entry is not None and entry.state is State.REMOVING

    def forget(self, key: Key) -> None:
        """Drop an entry; one that is not there is no error."""
        if self.entries.pop(key, None) is not None:
            self.dirty = True

    def of(self, kind: Kind) -> Iterator[Entry]:
        """All entries of one kind."""
        return (entry for entry in self.entries.values() if entry.kind is kind)


def content_digest(values: tuple[Value, ...]) -> str:
    """A short digest of owned fields: equal content, equal digest, on every machine."""
    return blake2b("\x1f".join(map(repr, values)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Skip:
    """One source record left out, and why; ``kept`` when what it has in the target stays."""

    kind: Kind
    key: Key
    reason: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Desired:
    """What the target shall hold: entities by key in hierarchy order, and what was left out."""

    entities: Mapping[Key, Entity]
    skips: tuple[Skip, ...] = ()
    source_counts: Mapping[Kind, int] = field(default_factory=dict)
    own_names: Mapping[Key, str] = field(default_factory=dict)
    """What the source calls those whose names had to be made different from their siblings'."""

    def of(self, kind: Kind) -> Iterator[Entity]:
        """All desired entities of one kind, in their order."""
        return (entity for entity in self.entities.values() if entity.kind is kind)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the target holds, as far as it was read: entities and the groups of each location."""

    items: tuple[Current, ...] = ()
