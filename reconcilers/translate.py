"""From the source's records to what the target shall hold: a pure function of the source alone.

Top down, each level from the one above; whatever is left out is a `Skip` with its reason. Ties go to
the lowest source id, so the order in which records arrive changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from reconcilers.levels import LEVELS, country, floor, group, location, region, resource, workspace_type
from reconcilers.levels.location import Place
from reconcilers.model import Desired, Entity, Key, Kind, Skip
from reconcilers.source import Building, Center, Floor, Listing, Observation, Record, Space, SpaceType
from reconcilers.text import clean
from reconcilers.zones import windows_zone, zone_of_country

T = TypeVar("T", bound=Record)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the source is synchronised."""

    require_reservation_center: bool = True
    reservable_only: bool = True
    countries: frozenset[str] | None = None
    """Alpha-2 codes; None means all."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Used only where the source has no value."""

    country: str = ""
    time_zone: str = ""
    """An IANA name."""
    group_name: str = "{country} Default Group"


# Left the scope: deleted like what is gone. Everything else is there but not understood, and kept.
_OUT_OF_SCOPE = {"NoReservationCenter", "OutOfScope", "NotBookableType", "NotReservable"}


@dataclass(slots=True)
class _Skips:
    found: list[Skip] = field(default_factory=list)

    def add(self, kind: Kind, id: int | None, reason: str) -> None:
        key = LEVELS[kind].key("?" if id is None else id)
        self.found.append(Skip(kind, key, reason, kept=reason not in _OUT_OF_SCOPE))

    def unreadable(self, kind: Kind, listing: Listing[T]) -> None:
        for record in listing.unreadable:
            self.add(kind, record.id, "Invalid")


def translate(observed: Observation, scope: Scope, defaults: Defaults) -> Desired:
    """What the target shall hold, but for groups, which depend on what it holds already (see fit.py)."""
    skips = _Skips()
    places = _places(observed, scope, defaults, skips)
    countries = country.desire(
        ((place.country.rpartition(":")[2], place.country_name) for place in places), observed.country_names
    )
    names = {entity.key: entity.name for entity in countries}
    places = [_named(place, names[place.country]) for place in places]
    types = workspace_type.desire(_by_id(observed.types.items))
    families = {type.id: workspace_type.family_of(type.group) for type in observed.types.items}
    skips.unreadable(Kind.WORKSPACE_TYPE, observed.types)

    floors = _floors_by_building(observed, places, skips)
    numbers = {building: floor.numbers_of(listed) for building, listed in floors.items()}
    locations = location.desire(places, {id: told.values() for id, told in numbers.items()})
    floor_entities = {
        entity.key: entity
        for building, listed in floors.items()
        for entity in floor.desire(location.LEVEL.key(building), listed, numbers[building])
    }
    spaces = _spaces_by_building(observed, scope, families, floors, skips)

    entities: dict[Key, Entity] = {}
    for level in (
        countries,
        region.desire((place.region, place.country, _city(place.building)) for place in places),
        group.desire(countries, defaults.group_name),
        types,
        locations,
    ):
        entities.update((entity.key, entity) for entity in level)
    entities.update(floor_entities)
    for building, listed in spaces.items():
        for entity in resource.desire(location.LEVEL.key(building), listed, families, floor_entities):
            entities[entity.key] = entity
    own_names = dict(_own_names(observed, entities))
    return Desired(entities, tuple(skips.found), _source_counts(observed, entities), own_names)


def _places(observed: Observation, scope: Scope, defaults: Defaults, skips: _Skips) -> list[Place]:
    centers = _centers_by_building(observed)
    skips.unreadable(Kind.LOCATION, observed.buildings)
    places = []
    for building in _by_id(observed.buildings.items):
        judged = _judge(building, centers.get(building.id, []), scope, defaults)
        if isinstance(judged, str):
            skips.add(Kind.LOCATION, building.id, judged)
        else:
            places.append(judged)
    return places


def _judge(building: Building, centers: list[Center], scope: Scope, defaults: Defaults) -> Place | str:
    """Where a building is, or the reason why it is left out."""
    if scope.require_reservation_center and not centers and not building.centers:
        return "NoReservationCenter"
    code = country.code_of(building.country_code)
    written = building.country_name if code else ""
    code = code or country.code_of(defaults.country)
    if not code:
        return "NoCountry"
    if scope.countries is not None and code not in scope.countries:
        return "OutOfScope"
    zone = _time_zone(centers, code, defaults)
    if not zone:
        return "NoTimeZone"
    return Place(building, country.LEVEL.key(code), written, region.key_of(code, _city(building)), zone)


def _time_zone(centers: list[Center], country_code: str, defaults: Defaults) -> str:
    told = (windows_zone(clean(center.time_zone)) for center in _by_id(centers))
    return next(filter(None, told), "") or windows_zone(defaults.time_zone) or zone_of_country(country_code)


def _centers_by_building(observed: Observation) -> dict[int, list[Center]]:
    """Centers of each building, whether the center names the building or the building the center."""
    by_id = {center.id: center for center in observed.centers.items}
    found: dict[int, dict[int, Center]] = {}
    for center in observed.centers.items:
        for building in center.buildings:
            found.setdefault(building, {})[center.id] = center
    for named in observed.buildings.items:
        for id in named.centers & by_id.keys():
            found.setdefault(named.id, {})[id] = by_id[id]
    return {building: list(centers.values()) for building, centers in found.items()}


def _floors_by_building(observed: Observation, places: list[Place], skips: _Skips) -> dict[int, list[Floor]]:
    """Floors in scope by building id, in the order of ids; floors of the rest are skipped like it."""
    skips.unreadable(Kind.FLOOR, observed.floors)
    out = _reasons(skips, Kind.LOCATION)
    floors: dict[int, list[Floor]] = {place.building.id: [] for place in places}
    for listed in _by_id(observed.floors.items):
        if listed.building in floors:
            floors[listed.building].append(listed)
        else:
            skips.add(Kind.FLOOR, listed.id, out.get(f"wp:building:{listed.building}", "Orphan"))
    return floors


def _spaces_by_building(
    observed: Observation,
    scope: Scope,
    families: dict[int, str],
    floors: dict[int, list[Floor]],
    skips: _Skips,
) -> dict[int, list[Space]]:
    skips.unreadable(Kind.RESOURCE, observed.spaces)
    out = _reasons(skips, Kind.FLOOR)
    building_of = {listed.id: building for building, group in floors.items() for listed in group}
    spaces: dict[int, list[Space]] = {}
    for space in _by_id(observed.spaces.items):
        building = building_of.get(space.floor) if space.floor is not None else None
        if building is None:
            reason: str | None = out.get(f"wp:floor:{space.floor}", "Orphan")
        else:
            reason = _not_bookable(space, scope, families)
        if reason is None and building is not None:
            spaces.setdefault(building, []).append(space)
        else:
            skips.add(Kind.RESOURCE, space.id, str(reason))
    return spaces


def _not_bookable(space: Space, scope: Scope, families: dict[int, str]) -> str | None:
    if space.type is None or space.type not in families:
        # A type that is not listed may be We or Me: not understood, so nothing is taken from people.
        return "Invalid"
    if not families[space.type]:
        return "NotBookableType"
    if scope.reservable_only and not space.reservable:
        return "NotReservable"
    return None


def _reasons(skips: _Skips, kind: Kind) -> dict[str, str]:
    return {skip.key: skip.reason for skip in skips.found if skip.kind is kind}


def _own_names(observed: Observation, entities: dict[Key, Entity]) -> Iterable[tuple[Key, str]]:
    records: tuple[tuple[Kind, Iterable[SpaceType | Building | Floor | Space]], ...] = (
        (Kind.WORKSPACE_TYPE, observed.types.items),
        (Kind.LOCATION, observed.buildings.items),
        (Kind.FLOOR, observed.floors.items),
        (Kind.RESOURCE, observed.spaces.items),
    )
    for kind, listed in records:
        for record in listed:
            key, name = LEVELS[kind].key(record.id), clean(record.name)
            if name and key in entities and entities[key].name != name:
                yield key, name


def _source_counts(observed: Observation, entities: dict[Key, Entity]) -> dict[Kind, int]:
    """Records in the source by kind; kinds that the source does not list count as desired."""
    counts = dict.fromkeys(Kind, 0)
    for entity in entities.values():
        counts[entity.kind] += 1
    for kind, listing in (
        (Kind.WORKSPACE_TYPE, observed.types),
        (Kind.LOCATION, observed.buildings),
        (Kind.FLOOR, observed.floors),
        (Kind.RESOURCE, observed.spaces),
    ):
        counts[kind] = len(listing.items) + len(listing.unreadable)
    return counts


def _named(place: Place, country_name: str) -> Place:
    return Place(place.building, place.country, country_name, place.region, place.time_zone)


def _city(building: Building) -> str:
    return region.name_of(building.city, building.state)


def _by_id(records: Iterable[T]) -> list[T]:
    """In the order of ids, each id once: a page answered twice is no second record."""
    unique = {record.id: record for record in records}
    return [unique[id] for id in sorted(unique)]
