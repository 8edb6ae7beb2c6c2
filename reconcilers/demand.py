"""What is worth reading of the target: calls there are counted, and cost some a location."""

from reconcilers.levels import LEVELS
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.match import foreign
from reconcilers.model import Current, Desired, Entity, Key, Kind, MappingState
from reconcilers.onboarding import Onboarding
from reconcilers.ports import Demand, DemandOf
from reconcilers.text import alike

EVERYTHING = Demand(floors=True, variants=frozenset({MEETING, PERSONAL}))


def demand(desired: Desired, mapping: MappingState, onboarding: Onboarding = Onboarding.NEW) -> DemandOf:
    """What is worth reading below a location: only kinds that are desired there or known to be there.

    Both sorts of spaces where one is new, as they share their names: what has its name may be of the other.
    Everything, where nothing is known, where the location shall go (what hangs below it stops that), or
    where it may be merged with one that is desired.
    """
    if mapping.rebuilt or not any(mapping.of(Kind.LOCATION)):
        return lambda _: EVERYTHING
    variants: dict[Key, set[str]] = {}
    for entity in desired.entities.values():
        if entity.kind in (Kind.FLOOR, Kind.RESOURCE):
            found = variants.setdefault(Key(str(entity.parent)), set())
            found.add(LEVELS[entity.kind].variant_of(entity.values))
            if entity.kind is Kind.RESOURCE and not _is_made(entity.key, mapping):
                found |= EVERYTHING.variants
    known: dict[int, Key] = {}
    for entry in mapping.entries.values():
        if entry.kind in (Kind.FLOOR, Kind.RESOURCE) and entry.parent is not None:
            variants.setdefault(entry.parent, set()).add(entry.variant)
        elif entry.kind is Kind.LOCATION and entry.id is not None:
            known[entry.id] = entry.key
    sought = _sought(desired, set(known.values())) if onboarding is Onboarding.EXISTING else set()

    def below(location: Current) -> Demand:
        key = known.get(location.id) or Key(str(location.external_id))
        if key in mapping.entries and _leaves(location, desired.entities.get(key), mapping):
            return EVERYTHING
        if location.id not in known and alike(location.name) in sought:
            return EVERYTHING
        # Something of ours may hang below what stands for nothing any more.
        wanted = variants.get(key, set()) | variants.get(foreign(location.id), set())
        return Demand(floors=bool(wanted), variants=frozenset(wanted) - {""})

    return below


def _sought(desired: Desired, known: set[Key]) -> set[str]:
    """The names of locations that are desired and not known to be there."""
    return {alike(entity.name) for entity in desired.of(Kind.LOCATION) if entity.key not in known}


def _is_made(key: Key, mapping: MappingState) -> bool:
    entry = mapping.entries.get(key)
    return entry is not None and entry.id is not None


def _leaves(location: Current, entity: Entity | None, mapping: MappingState) -> bool:
    """Is it gone from the source, or below another region than there?"""
    region = mapping.entries.get(entity.parent) if entity is not None and entity.parent else None
    return region is None or region.id != location.parent_id
