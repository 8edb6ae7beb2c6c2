"""Fit what is desired to what the target holds already: what comes with it, its countries, its groups.

The only decisions that need both sides. After this the plan is a plain comparison.
"""

from collections.abc import Callable

from reconcilers.levels import LEVELS, group, location, workspace_type
from reconcilers.match import Pairing, claimed, foreign
from reconcilers.model import Current, Desired, Entity, Key, Kind, MappingState, Value
from reconcilers.proof import Proof
from reconcilers.text import Names, fold

_FAMILY = workspace_type.LEVEL.index("Family")


def fit(
    desired: Desired, pairing: Pairing, mapping: MappingState, proof: Proof | None
) -> tuple[Desired, dict[Key, Current]]:
    """The desired state beside this target, and the entities that are adopted by key. Pairs the adopted."""
    entities = dict(desired.entities)
    places = [entity for entity in entities.values() if entity.kind is not Kind.RESOURCE]  # the few
    adopted: dict[Key, Current] = {}
    _adopt_containers(places, pairing, adopted)
    _part_builtins(desired, pairing, proof)
    types = [place for place in places if place.kind is Kind.WORKSPACE_TYPE]
    # What a killed run was making anew ends as that run would have ended it.
    _adopt_builtins([entity for entity in types if not mapping.is_removing(entity.key)], pairing, adopted)
    _settle_type_names(types, entities, pairing)
    _fit_groups(places, entities, pairing)
    return Desired(entities, desired.skips, desired.source_counts), adopted


def _adopt_containers(places: list[Entity], pairing: Pairing, adopted: dict[Key, Current]) -> None:
    """Countries of the same code or name and regions of the same name are used, not made twice."""
    for entity in [e for e in places if e.kind is Kind.COUNTRY]:
        code, name = entity.values[2], fold(entity.name)
        _adopt(entity, pairing, adopted, lambda item: item.values[2] == code)  # noqa: B023
        _adopt(entity, pairing, adopted, lambda item: fold(item.name) == name)  # noqa: B023
    for entity in [e for e in places if e.kind is Kind.REGION]:
        above = pairing.current_of.get(Key(str(entity.parent)))
        if above is not None:
            wanted = (above.id, fold(entity.name))
            _adopt(entity, pairing, adopted, lambda item: (item.parent_id, fold(item.name)) == wanted)  # noqa: B023


def _adopt(
    entity: Entity, pairing: Pairing, adopted: dict[Key, Current], same: Callable[[Current], bool]
) -> None:
    if entity.key not in pairing.current_of:
        free = (item for item in pairing.unpaired(entity.kind) if not claimed(item))
        found = next(filter(same, free), None)
        if found is not None:
            pairing.pair(entity.key, found)
            adopted[entity.key] = found


def _part_builtins(desired: Desired, pairing: Pairing, proof: Proof | None) -> None:
    """What came with the product cannot be replaced or deleted: it is let go of, for others to adopt."""
    kept = {skip.key for skip in desired.skips if skip.kept}
    for key in [k for k, current in pairing.current_of.items() if current.builtin]:
        entity = desired.entities.get(key)
        if entity is None:
            unwanted = proof is not None and key not in kept
        else:
            unwanted = entity.values[_FAMILY] != pairing.current_of[key].values[_FAMILY]
        if unwanted:
            pairing.part(key)


def _adopt_builtins(types: list[Entity], pairing: Pairing, adopted: dict[Key, Current]) -> None:
    for entity in types:
        family, name = entity.values[_FAMILY], entity.name.casefold()
        _adopt(
            entity,
            pairing,
            adopted,
            lambda item: item.builtin and item.name.casefold() == name and item.values[_FAMILY] == family,  # noqa: B023
        )


def _settle_type_names(types: list[Entity], entities: dict[Key, Entity], pairing: Pairing) -> None:
    foreign_names = [item.name for item in pairing.unpaired(Kind.WORKSPACE_TYPE)]
    taken = {name.casefold() for name in foreign_names}
    names = Names([*foreign_names, *(entity.name for entity in types)])
    for entity in types:
        if entity.name.casefold() in taken:
            name = names.settle(entity.name, workspace_type.LEVEL.source_key(entity.key))
            entities[entity.key] = Entity(entity.kind, entity.key, (name, *entity.values[1:]))


def _fit_groups(places: list[Entity], entities: dict[Key, Entity], pairing: Pairing) -> None:
    """Drop default groups of countries that have groups; say which group each location's resources get."""
    lowest = _lowest_groups(pairing)
    group_of_country: dict[Key, Key] = {}
    for entity in [e for e in places if e.kind is Kind.COUNTRY]:
        default = group.key_of(entity.key)
        above = pairing.current_of.get(entity.key)
        found = lowest.get(above.id) if above is not None else None
        group_of_country[entity.key] = default if found is None else _group_key(pairing, found)
        if found is not None and default not in pairing.current_of:
            entities.pop(default, None)  # one that could be several groups is left alone
    without: list[Entity] = []
    for entity in [e for e in places if e.kind is Kind.LOCATION]:
        present = _present_group(entity, pairing)
        if present is None:
            without.append(entity)
        else:
            entities[entity.key] = location.with_group(entity, present)
    in_use = _with_new_resources({entity.key for entity in without}, entities, pairing)
    for entity in without:
        if entity.key in in_use:
            region = entities[Key(str(entity.parent))]
            chosen = group_of_country[Key(str(region.parent))]
            entities[entity.key] = location.with_group(entity, chosen)


def _with_new_resources(locations: set[Key], entities: dict[Key, Entity], pairing: Pairing) -> set[Value]:
    """A location gets its group before its first resource; later its groups are the target's own."""
    moving = {key for key in locations if _moves(entities[key], pairing)}
    return {
        entity.values[1]
        for entity in entities.values()
        if entity.kind is Kind.RESOURCE
        and entity.values[1] in locations
        and (entity.values[1] in moving or _moves(entity, pairing))
    }


def _moves(entity: Entity, pairing: Pairing) -> bool:
    """Is it new where it shall be?"""
    current = pairing.current_of.get(entity.key)
    if current is None:
        return True
    level = LEVELS[entity.kind]
    held, wanted = current.values, entity.values
    above = pairing.reference(level.parent, held[1]) if level.parent else None
    variant = level.index(level.variant) if level.variant else 1
    return above != wanted[1] or (variant != 1 and held[variant] != wanted[variant])


def _present_group(entity: Entity, pairing: Pairing) -> Key | None:
    """The lowest group already added to the location where it is; one that moves starts afresh."""
    current = pairing.current_of.get(entity.key)
    if current is None or _moves(entity, pairing):
        return None
    group_id = current.values[location.GROUP]
    return None if group_id is None else _group_key(pairing, int(group_id))


def _lowest_groups(pairing: Pairing) -> dict[int, int]:
    """The lowest group's internal id by country's internal id."""
    lowest: dict[int, int] = {}
    for item in pairing.of(Kind.GROUP):
        if item.parent_id is not None:
            lowest[item.parent_id] = min(item.id, lowest.get(item.parent_id, item.id))
    return lowest


def _group_key(pairing: Pairing, group_id: int) -> Key:
    return pairing.keys[Kind.GROUP].get(group_id) or foreign(group_id)
