"""A made-up company of 100,000 resources, as both systems' raw records in three files.

The source says what the target shall hold, the target what it holds after the last run, the mapping what
was remembered then; between the two, people changed 1 % of the resources. One record a line, as JSON.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconcilers.ledger import Ledger
from reconcilers.levels import LEVELS
from reconcilers.match import match
from reconcilers.model import Current, Desired, Entity, Holdings, Key, Kind, MappingState, Value
from reconcilers.planner import Evidence, make_plan
from reconcilers.policy import Policies
from reconcilers.source import Building, Center, Floor, Listing, Observation, Space, SpaceType
from reconcilers.translate import Defaults, Scope, translate

RESOURCES = 100_000
PER_BUILDING, PER_FLOOR = 500, 50
CHANGED, NEW, GONE = 1_000, 100, 100
SOURCE, TARGET, MAPPING = "source.jsonl", "target.jsonl", "mapping.jsonl"
NOW = 1_700_000_000

_CITIES = [(code, f"City {n} of {code}") for n in range(6) for code in ("DE", "FR", "GB", "IE", "NL", "IT")]
_TYPES = [SpaceType(n, f"Type {n}", "Me Spaces" if n % 2 else "We Spaces") for n in range(20)]


@dataclass(frozen=True, slots=True)
class World:
    """What the source listed at the last run, and what it lists now."""

    before: Observation
    after: Observation


def make_world() -> World:
    """Deterministic: the same company every time."""
    before = _spaces()
    return World(_observation(before), _observation(_edited(before)))


def _spaces() -> list[Space]:
    return [
        Space(id, f"Space {id % PER_BUILDING:03}-{id}", 2 + id % 11, True, id % len(_TYPES), id // PER_FLOOR)
        for id in range(RESOURCES)
    ]


def _edited(spaces: list[Space]) -> list[Space]:
    """Names, capacities, types and floors changed in equal parts, spread evenly; some new, some gone."""
    after = list(spaces)
    for number in range(CHANGED):
        place = number * RESOURCES // CHANGED
        after[place] = _edit(after[place], number % 4)
    gone = {number * RESOURCES // GONE + 1 for number in range(GONE)}
    after = [space for space in after if space.id not in gone]
    return after + [
        replace(spaces[number * RESOURCES // NEW], id=RESOURCES + number, name=f"New space {number}")
        for number in range(NEW)
    ]


def _edit(space: Space, what: int) -> Space:
    if what == 0:
        return replace(space, name=f"{space.name} renamed")
    if what == 1:
        return replace(space, type=0, capacity=40)
    if what == 2:
        return replace(space, type=(int(space.type or 0) + 2) % len(_TYPES))
    return replace(space, floor=int(space.floor or 0) ^ 1)


def _observation(spaces: list[Space]) -> Observation:
    buildings = RESOURCES // PER_BUILDING
    floors = [
        Floor(id, f"Floor {id % (PER_BUILDING // PER_FLOOR)}", id * PER_FLOOR // PER_BUILDING)
        for id in range(RESOURCES // PER_FLOOR)
    ]
    return Observation(
        Listing("buildings", tuple(_building(id) for id in range(buildings))),
        Listing("floors", tuple(floors)),
        Listing("spaces", tuple(spaces)),
        Listing("space types", tuple(_TYPES)),
        Listing("centers", (Center(1, "Europe/Berlin", frozenset(range(buildings))),)),
    )


def _building(id: int) -> Building:
    code, city = _CITIES[id % len(_CITIES)]
    return Building(
        id, f"Building {id}", f"B{id}", f"{id} Main Street", city=city, postal_code=f"{10_000 + id}",
        country_code=code, centers=frozenset({1}),
    )  # fmt: skip


def write_world(folder: Path) -> None:
    """Write the three files."""
    world = make_world()
    held, pairing_of_nothing = _first_plan(world.before)
    currents = list(_as_target(held.entities))
    ledger = Ledger(held, pairing_of_nothing, MappingState())
    for current in currents:
        if current.external_id is not None:
            ledger.remember(held.entities[Key(current.external_id)], current.id, NOW)
    desired = translate(world.after, Scope(), Defaults())
    _write(folder / SOURCE, ([e.kind, e.key, e.values] for e in desired.entities.values()))
    _write(folder / TARGET, ([c.kind, c.id, c.external_id, c.values, c.builtin] for c in currents))
    _write(folder / MAPPING, (
        [e.kind, e.key, e.parent, e.variant, e.id, e.digest, e.first_synced, e.last_synced, e.state, e.origin]
        for e in ledger.mapping.entries.values()
    ))  # fmt: skip


def _first_plan(observed: Observation) -> tuple[Desired, Any]:
    empty = match(Holdings(), MappingState())
    desired = translate(observed, Scope(), Defaults())
    return make_plan(desired, empty, MappingState(), Evidence(None), Policies())[0], empty


def _as_target(entities: Any) -> Iterator[Current]:
    """What Engage holds after a run: internal ids, references by them, and the two types it comes with."""
    ids = {key: number for number, key in enumerate(entities, 101)}
    for number, (name, family) in enumerate((("Meeting Room", "Hourly"), ("Desk", "AllDay")), 1):
        yield Current(Kind.WORKSPACE_TYPE, number, None, (name, None, family), builtin=True)
    for key, entity in entities.items():
        yield Current(entity.kind, ids[key], key, tuple(_as_ids(entity, ids)))


def _as_ids(entity: Entity, ids: dict[Key, int]) -> Iterator[Value]:
    for field, value in zip(LEVELS[entity.kind].fields, entity.values, strict=True):
        yield value if field.ref is None or value is None else ids[Key(str(value))]


def _write(path: Path, records: Iterable[list[Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def read(path: Path) -> Iterator[list[Any]]:
    """The records of a file, one after the other, every text a new object as from a connection."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
