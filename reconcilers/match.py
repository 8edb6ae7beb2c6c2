"""Which entity of the target stands for which key: by external id, then by the mapping."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from reconcilers.levels import LEVELS
from reconcilers.model import Current, Holdings, Key, Kind, MappingState, Value


@dataclass(slots=True)
class Pairing:
    """What belongs together; grows while entities are adopted, then stays as it is."""

    holdings: Holdings
    current_of: dict[Key, Current] = field(default_factory=dict)
    keys: dict[Kind, dict[int, Key]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    """Keys by internal id; resources are left out, nothing refers to them."""
    by_kind: dict[Kind, list[Current]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    """What the target holds of each kind, in the order of internal ids."""
    paired: set[int] = field(default_factory=set)
    """Python ids of the currents that have a key; resources are left out here too, none is adopted."""

    def pair(self, key: Key, current: Current) -> None:
        """Say that this entity of the target stands for this key."""
        self.current_of[key] = current
        if current.kind is not Kind.RESOURCE:
            self.paired.add(id(current))
            self.keys[current.kind][current.id] = key

    def part(self, key: Key) -> Current:
        """Take a pairing back."""
        current = self.current_of.pop(key)
        self.paired.discard(id(current))
        self.keys[current.kind].pop(current.id, None)
        return current

    def unpaired(self, kind: Kind) -> Iterator[Current]:
        """What the target holds of a kind that is nobody's, in the order of internal ids."""
        return (item for item in self.of(kind) if id(item) not in self.paired)

    def of(self, kind: Kind) -> list[Current]:
        """All that the target holds of a kind, in the order of internal ids."""
        return self.by_kind[kind]

    def reference(self, kind: Kind, internal_id: Value) -> Value:
        """A reference as a key; an entity that is not ours is told by its internal id."""
        if internal_id is None:
            return None
        return self.keys[kind].get(internal_id) or foreign(internal_id)  # type: ignore[arg-type]


def foreign(internal_id: Value) -> Key:
    """The stand-in for a key of an entity that is not ours."""
    return Key(f"id:{internal_id}")


def match(holdings: Holdings, mapping: MappingState) -> Pairing:
    """Pair what the target holds with keys. The external id is the truth; the mapping fills in for it."""
    pairing = Pairing(holdings)
    for current in sorted(holdings.items, key=attrgetter("id")):
        pairing.by_kind[current.kind].append(current)
        if ours(current) and current.external_id not in pairing.current_of:
            pairing.pair(Key(str(current.external_id)), current)
    lost = [entry for entry in mapping.entries.values() if entry.key not in pairing.current_of]
    if lost:
        by_id = {
            (item.kind, LEVELS[item.kind].variant_of(item.values), item.id): item
            for item in holdings.items
            if not ours(item)
        }
        for entry in lost:
            found = by_id.get((entry.kind, entry.variant, entry.id or 0))
            if found is not None:
                pairing.pair(entry.key, found)
    return pairing


def ours(current: Current) -> bool:
    """Does it carry an external id of ours?"""
    return current.external_id is not None and current.external_id.startswith(_PREFIXES[current.kind])


def claimed(current: Current) -> bool:
    """Does it carry an external id that is not ours? Another system finds it by that."""
    return bool((current.external_id or "").strip()) and not ours(current)


_PREFIXES = {kind: level.prefix for kind, level in LEVELS.items()}
