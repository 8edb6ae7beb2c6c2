"""Field by field: which rule of the translation gives what the target shall hold.

Every answer is found by asking the translation's own functions who gives this very value; a value that
none of them gives is told as such.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from reconcilers.diff import field_changes
from reconcilers.levels import LEVELS, country, floor, group, location, region, resource
from reconcilers.model import Entity, Key, Kind, Value
from reconcilers.onboarding import Onboarding
from reconcilers.source import Building, Floor, Space, SpaceType
from reconcilers.steps import EXTERNAL_ID, Release
from reconcilers.text import clean
from reconcilers.why_case import Case, centers_of, find, some
from reconcilers.why_scope import locations_in
from reconcilers.zones import country_name, windows_zone, zone_of_country

R = TypeVar("R", Building, Floor, Space, SpaceType)
NAME, PARENT = "ResourceName", "InternalParentId"
UNEXPLAINED = "as the translation gives it"
Reasons = dict[str, str]


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """One field: what the target holds, what it shall hold, and why. References are keys."""

    field: str
    held: Value
    wanted: Value
    differs: bool
    """Is it one of the changes that the entity needs?"""
    why: str
    refers_from: str = ""
    """Of a reference: what it is in the target, by its name and internal id."""
    refers_to: str = ""
    """Of a reference: what it shall be, by its name and key."""


def answers(case: Case) -> tuple[FieldAnswer, ...]:
    """All owned fields that have a value on either side; none for what the target shall not hold."""
    entity = case.entity
    if entity is None:
        return tuple(
            FieldAnswer(change.field, change.old, change.new, True, "the entity is given back")
            for step in case.steps
            if isinstance(step, Release)
            for change in step.changes
        )
    names = [field.name for field in LEVELS[case.kind].fields]
    wanted: dict[str, Value] = dict(zip(names, entity.values, strict=True))
    held = _held(case, names)
    if held is None:
        differing = {name for name in names if wanted[name] is not None}
        held = dict.fromkeys(names)
    else:
        wanted[EXTERNAL_ID] = case.key
        differing = {change.field for change in field_changes(held, wanted)}
    reasons = {EXTERNAL_ID: "the key, by which it is found again", **_REASONS[case.kind](case, entity)}
    return tuple(
        FieldAnswer(
            name,
            held[name],
            wanted[name],
            name in differing,
            reasons.get(name, UNEXPLAINED),
            *_referred(case, name, wanted[name]),
        )
        for name in wanted
        if held[name] is not None or wanted[name] is not None
    )


def _referred(case: Case, name: str, wanted: Value) -> tuple[str, str]:
    """What a reference is and shall be, in words; nothing for what is none."""
    position = next(
        (at for at, one in enumerate(LEVELS[case.kind].fields) if one.name == name and one.ref), -1
    )
    if position < 0:
        return "", ""
    kind, current = LEVELS[case.kind].fields[position].ref, case.current
    assert kind is not None
    held = None if current is None else current.values[position]
    found = next((item for item in case.view.pairing.of(kind) if item.id == held), None)
    shall = case.view.desired.entities.get(Key(str(wanted)))
    return (
        f'"{found.name}" (internal id {found.id})' if found is not None else "",
        f'"{shall.name}" ({shall.key})' if shall is not None else "",
    )


def _held(case: Case, names: list[str]) -> dict[str, Value] | None:
    """What the target holds, references as keys; None when it holds nothing of it."""
    current = case.current
    if current is None:
        return None
    values = [
        value if field.ref is None else case.view.pairing.reference(field.ref, value)
        for field, value in zip(LEVELS[case.kind].fields, current.values, strict=True)
    ]
    return {**dict(zip(names, values, strict=True)), EXTERNAL_ID: current.external_id}


Candidate = tuple[str, str]
"""A text that may have become the name, and where it is from."""


def _country(case: Case, entity: Entity) -> Reasons:
    code = str(entity.values[country.LEVEL.index("CountryCode")])
    saying = [
        building for building in locations_in(case, entity) if country.code_of(building.country_code) == code
    ]
    candidates: list[Candidate] = [
        *((country.name_of(one.country_name), f"as building {one.id} writes it, the lowest id that does")
          for one in saying),
        *((country.name_of(name), "as the source's list of countries writes it")
          for known, name in case.view.observed.country_names if country.code_of(known) == code),
        (country_name(code), "the tz database's name of it, as the source has none"),
        (code, "its code, as nobody has a name for it"),
    ]  # fmt: skip
    told = (
        "the country code of its buildings" if saying else "spec.defaults.country, as its buildings have none"
    )
    return {NAME: _name(case, entity, candidates, {"its code": code}), "CountryCode": told}


def _region(case: Case, entity: Entity) -> Reasons:
    first = locations_in(case, entity)[0]
    candidates = [
        (clean(first.city), f"the city as building {first.id} writes it, the lowest id in scope there"),
        (clean(first.state), f"the state of building {first.id}, as it has no city"),
        (region.UNSPECIFIED, f"building {first.id} has neither city nor state"),
    ]
    return {NAME: _name(case, entity, candidates, {}), PARENT: "the country of its buildings"}


def _group(case: Case, entity: Entity) -> Reasons:
    template = case.settings.defaults.group_name
    return {NAME: f'spec.defaults.groupName, "{template}", with the country\'s name', PARENT: "its country"}


def _type(case: Case, entity: Entity) -> Reasons:
    type = _record(case, SpaceType)
    candidates = [(clean(type.name), "the type's name"), (f"Type {type.id}", "its id, as it has no name")]
    return {
        NAME: _name(case, entity, candidates, {"its id": str(type.id)}),
        "Family": f'the group of the type is "{clean(type.group)}"',
    }


def _location(case: Case, entity: Entity) -> Reasons:
    building = _record(case, Building)
    code = clean(building.code)
    candidates = [
        (clean(building.name), "the building's name"),
        (code, "the building's code, as it has no name"),
        (f"Building {building.id}", "its id, as it has neither name nor code"),
    ]
    floors = [one for one in case.view.desired.of(Kind.FLOOR) if one.parent == entity.key]
    counted = f"counted from the numbers of its {len(floors)} floors in scope"
    return {
        NAME: _name(case, entity, candidates, {"its code": code, "its id": str(building.id)}),
        PARENT: "its city, within its country",
        "LocationAddress": "its street and the second line of it",
        "PostCode": "its postal code",
        "LocationCity": "its city",
        "LocationCountry": f"the name of {entity_country(case, entity)}",
        "TimeZone": _time_zone(case, entity, building),
        "NumberOfFloorsAboveGround": f"{counted}, those of 0 and more",
        "NumberOfFloorsBelowGround": f"{counted}, those below 0",
        "GroupId": _group_of(case, entity),
    }


def entity_country(case: Case, location: Entity) -> Key:
    """The key of the country that a desired location is in."""
    return Key(str(case.view.desired.entities[Key(str(location.parent))].parent))


def _time_zone(case: Case, entity: Entity, building: Building) -> str:
    zone = entity.values[LEVELS[Kind.LOCATION].index("TimeZone")]
    code = country.LEVEL.source_key(entity_country(case, entity))
    default = case.settings.defaults.time_zone
    centers = centers_of(building, case.view.observed)
    for center in centers:
        told = clean(center.time_zone)
        if windows_zone(told) == zone:
            lowest = (
                f", the lowest id of {some(one.id for one in centers)} that tells one"
                if len(centers) > 1
                else ""
            )
            return f"reservation center {center.id} says {told}{lowest}; this is its Windows name"
    if windows_zone(default) == zone:
        return f"spec.defaults.timeZone, {default}, as no center of it tells one; this is its Windows name"
    if zone_of_country(code) == zone:
        return f"the only zone of {code}, as no center of it tells one and spec.defaults.timeZone is not set"
    return UNEXPLAINED


def _group_of(case: Case, entity: Entity) -> str:
    chosen = entity.values[location.GROUP]
    current = case.current
    if chosen is None:
        return "no group is added before the first resource comes"
    if current is not None and chosen == case.view.pairing.reference(
        Kind.GROUP, current.values[location.GROUP]
    ):
        return "the lowest group that was added to it already"
    if chosen == group.key_of(entity_country(case, entity)):
        return "the default group of its country"
    return "the lowest group that its country has, added before its first resource"


def _floor(case: Case, entity: Entity) -> Reasons:
    record = _record(case, Floor)
    number = str(entity.values[floor.LEVEL.index("FloorNumber")])
    candidates = [
        (clean(record.name), "the floor's name"),
        (f"Floor {number}", "its number, as it has no name"),
    ]
    return {
        NAME: _name(case, entity, candidates, {"its id": str(record.id)}),
        PARENT: "its building",
        "FloorNumber": _number(case, entity, record, number),
    }


def _number(case: Case, entity: Entity, record: Floor, number: str) -> str:
    told = floor.parse_number(record.name)
    if told is None and _kept(case, number):
        return "its name tells no number, so it keeps the one that the target has"
    if told is None:
        return "its name tells no number, so the next free one above the highest that a name there tells"
    if str(told) == number:
        return "read from its name"
    place = floor.LEVEL.index("FloorNumber")
    holder = next(
        (one.key for one in _siblings(case, entity) if one.values[place] == str(told)), "another floor"
    )
    return f"its name tells {told}, but {holder} has that, so the next free one above the highest"


def _kept(case: Case, number: str) -> bool:
    """Is it what the target has, as in a merge it may?"""
    held = case.current.values[floor.LEVEL.index("FloorNumber")] if case.current else None
    return case.settings.onboarding is Onboarding.EXISTING and held == number


def _resource(case: Case, entity: Entity) -> Reasons:
    space = _record(case, Space)
    told = find(case.view.observed.types.items, space.type)
    on = case.view.desired.entities[Key(str(entity.values[resource.LEVEL.index("FloorNumber")]))]
    candidates = [(clean(space.name), "the space's name"), (f"Space {space.id}", "its id, as it has no name")]
    group_name = clean(told.group) if told else ""
    return {
        NAME: _name(case, entity, candidates, {"its floor's name": on.name, "its id": str(space.id)}),
        "LocationId": f"the building of its floor {on.key}",
        "ResourceType": f'its type is in the group "{group_name}"',
        "FloorNumber": f'its floor, "{on.name}"',
        "WorkspaceTypeId": f'its type, "{clean(told.name) if told else ""}"',
        "MaxCapacity": _capacity(entity, space),
    }


def _capacity(entity: Entity, space: Space) -> str:
    value = entity.values[resource.LEVEL.index("MaxCapacity")]
    if value == space.capacity:
        return "its capacity"
    if entity.values[resource.LEVEL.index("ResourceType")] == resource.PERSONAL:
        return "a personal space is for one"
    return "it has no capacity, so 1" if space.capacity is None else f"at least 1; it says {space.capacity}"


_REASONS: dict[Kind, Callable[[Case, Entity], Reasons]] = {
    Kind.COUNTRY: _country,
    Kind.REGION: _region,
    Kind.GROUP: _group,
    Kind.WORKSPACE_TYPE: _type,
    Kind.LOCATION: _location,
    Kind.FLOOR: _floor,
    Kind.RESOURCE: _resource,
}


def _name(case: Case, entity: Entity, candidates: Iterable[Candidate], suffixes: dict[str, str]) -> str:
    """Which text the name is made of, who has that name already, and what was added because of it."""
    for text, told in candidates:
        if text and entity.name == text:
            return told
        if text and entity.name.startswith(f"{text} ("):
            added = entity.name.removeprefix(text).strip(" ()")
            what = next((label for label, suffix in suffixes.items() if suffix == added), "its id")
            return f'{told}, "{text}", is taken by {_holder(case, entity, text)}, so {what} is added'
    return UNEXPLAINED


def _holder(case: Case, entity: Entity, name: str) -> str:
    folded = name.casefold()
    sibling = next((one.key for one in _siblings(case, entity) if one.name.casefold() == folded), None)
    foreign = (item.id for item in case.view.pairing.unpaired(entity.kind) if item.name.casefold() == folded)
    if sibling is not None:
        return sibling
    return next((f"internal id {id}, which is not ours" for id in foreign), "another one")


def _siblings(case: Case, entity: Entity) -> Iterable[Entity]:
    return (
        one
        for one in case.view.desired.of(entity.kind)
        if one.parent == entity.parent and one.key != entity.key
    )


def _record(case: Case, record_type: type[R]) -> R:
    found = case.record
    assert isinstance(found, record_type), "what is desired of this kind has its record"
    return found
