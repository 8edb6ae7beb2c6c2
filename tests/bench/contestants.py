"""Our plan and a one-pass dictionary comparison, from the same records."""

from collections.abc import Iterable, Iterator
from typing import Any

from reconcilers.levels import LEVELS
from reconcilers.match import match
from reconcilers.model import (
    Current,
    Desired,
    Entity,
    Entry,
    Holdings,
    Kind,
    MappingState,
    Origin,
    State,
    Value,
)
from reconcilers.plan import Plan
from reconcilers.planner import Evidence, make_plan
from reconcilers.policy import Policies
from reconcilers.proof import prove
from reconcilers.source import Listing, Observation
from reconcilers.steps import Create, Delete, key_of

Found = tuple[set[str], set[str], set[str]]
"""Keys to create, to change, to delete."""

NAMES = {kind: [field.name for field in level.fields] for kind, level in LEVELS.items()}
REFERENCES = {
    kind: [(field.name, field.ref) for field in level.fields if field.ref is not None]
    for kind, level in LEVELS.items()
}
UNTOLD = {field.name for level in LEVELS.values() for field in level.fields if field.linked}
"""The source does not tell these: a location's group is chosen beside the target."""

_KINDS = {kind.value: kind for kind in Kind}
_PROOF, _ = prove(
    Observation(
        Listing("buildings"), Listing("floors"), Listing("spaces"), Listing("types"), Listing("centers")
    ),
    {},
)


def entities_of(raw: Iterable[list[Any]]) -> Iterator[Entity]:
    """What the target shall hold, as the translation hands it over."""
    return (Entity(_KINDS[kind], key, tuple(values)) for kind, key, values in raw)


def currents_of(raw: Iterable[list[Any]]) -> Iterator[Current]:
    """What the target holds, as its reader hands it over."""
    return (Current(_KINDS[kind], id, key, tuple(values), own) for kind, id, key, values, own in raw)


def mapping_of(raw: Iterable[list[Any]]) -> MappingState:
    """What was remembered, as the store hands it over."""
    states, origins = {state.value: state for state in State}, {origin.value: origin for origin in Origin}
    entries = (
        Entry(_KINDS[kind], key, parent, variant, id, digest, first, last, states[state], origins[origin])
        for kind, key, parent, variant, id, digest, first, last, state, origin in raw
    )
    return MappingState({entry.key: entry for entry in entries})


def our_plan(entities: Iterable[Entity], currents: Iterable[Current], mapping: MappingState) -> Plan:
    """All that the product does between reading and writing: match, fit, compare, prune, withhold, sort."""
    desired = Desired({entity.key: entity for entity in entities})
    return make_plan(
        desired, match(Holdings(tuple(currents)), mapping), mapping, Evidence(_PROOF), Policies()
    )[1]


def found_by(plan: Plan) -> Found:
    """What a plan says, in the words of the others."""
    keys: set[str] = {key_of(step) for step in plan.steps}
    created: set[str] = {key_of(step) for step in plan.steps if isinstance(step, Create)}
    deleted: set[str] = {key_of(step) for step in plan.steps if isinstance(step, Delete)}
    return created, keys - created - deleted, deleted


def one_pass(entities: Iterable[Entity], currents: Iterable[Current]) -> Found:
    """Two dictionaries of dictionaries and one pass over them, with the fields that differ."""
    desired = {entity.key: dict(zip(NAMES[entity.kind], entity.values, strict=True)) for entity in entities}
    current = {key: record for _, key, record in records_in_keys(currents)}
    created: set[str] = set()
    changed: dict[str, dict[str, tuple[Value, Value]]] = {}
    for key, wanted in desired.items():
        held = current.get(key)
        if held is None:
            created.add(key)
        elif held != wanted:
            differing = {name: (held[name], value) for name, value in wanted.items() if held[name] != value}
            if differing.keys() - UNTOLD:
                changed[key] = differing
    return created, set(changed), {key for key in current if key not in desired}


def records_in_keys(currents: Iterable[Current]) -> Iterator[tuple[Kind, str, dict[str, Value]]]:
    """What the target holds by external id, references as external ids: else nothing would be equal."""
    keys: dict[Kind, dict[Value, str]] = {kind: {} for kind in Kind}
    for current in currents:
        if current.external_id is not None:
            keys[current.kind][current.id] = current.external_id
            record = dict(zip(NAMES[current.kind], current.values, strict=True))
            for name, kind in REFERENCES[current.kind]:
                record[name] = keys[kind].get(record[name])
            yield current.kind, current.external_id, record
