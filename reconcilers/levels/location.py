"""Locations: the buildings in scope, below their city."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconcilers.levels.level import Field, Level
from reconcilers.model import Entity, Key, Kind
from reconcilers.source import Building
from reconcilers.text import clean, unique_names

LEVEL = Level(
    kind=Kind.LOCATION,
    prefix="wp:building:",
    parent=Kind.REGION,
    fields=(
        Field("ResourceName", unique=True, path=True),
        Field("InternalParentId", ref=Kind.REGION, immutable=True, path=True),
        Field("LocationAddress"),
        Field("PostCode"),
        Field("LocationCity"),
        Field("LocationCountry"),
        Field("TimeZone"),
        Field("NumberOfFloorsAboveGround"),
        Field("NumberOfFloorsBelowGround"),
        Field("GroupId", ref=Kind.GROUP, linked=True),
    ),
)

GROUP = LEVEL.index("GroupId")


def with_group(entity: Entity, group: Key) -> Entity:
    """The same location with this group added to it."""
    return Entity(entity.kind, entity.key, (*entity.values[:GROUP], group))


@dataclass(frozen=True, slots=True)
class Place:
    """A building in scope with what is known of where it is."""

    building: Building
    country: Key
    country_name: str
    region: Key
    time_zone: str
    """The Windows name."""


def desire(places: Iterable[Place], floor_numbers: Mapping[int, Iterable[int]]) -> list[Entity]:
    """Locations from places in the order of building ids; `floor_numbers` by building id."""
    by_region: dict[Key, list[Place]] = {}
    for place in places:
        by_region.setdefault(place.region, []).append(place)
    entities = []
    for siblings in by_region.values():
        codes = {place.building.id: clean(place.building.code) for place in siblings}
        names = unique_names(
            ((place.building.id, _name_of(place.building)) for place in siblings),
            lambda id, codes=codes: (codes[id], str(id)),  # type: ignore[misc]
        )
        for place in siblings:
            numbers = floor_numbers.get(place.building.id, ())
            entities.append(_location(place, names[place.building.id], list(numbers)))
    return sorted(entities, key=lambda entity: int(LEVEL.source_key(entity.key)))


def _name_of(building: Building) -> str:
    return clean(building.name) or clean(building.code) or f"Building {building.id}"


def _location(place: Place, name: str, numbers: list[int]) -> Entity:
    building = place.building
    address = ", ".join(filter(None, (clean(building.street), clean(building.street2))))
    return Entity(
        Kind.LOCATION,
        LEVEL.key(building.id),
        (
            name,
            place.region,
            address,
            clean(building.postal_code),
            clean(building.city),
            place.country_name,
            place.time_zone,
            sum(number >= 0 for number in numbers),
            sum(number < 0 for number in numbers),
            None,  # the group is known only beside the target, see fit.py
        ),
    )
