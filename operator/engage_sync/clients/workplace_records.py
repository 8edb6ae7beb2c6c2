"""Workplace's records as the engine knows them, and the listings that they come from.

All functions raise ValidationError for a record that cannot be understood.
"""

from engage_sync.clients.workplace_listings import Collection
from engage_sync.clients.workplace_wire import (
    BuildingWire,
    CenterDetailWire,
    CenterWire,
    CountryWire,
    FloorWire,
    SpaceTypeWire,
    SpaceWire,
    id_of,
)
from reconcilers.source import Building, Center, Floor, Space, SpaceType


def building(item: object) -> Building:
    """A building."""
    told = BuildingWire.model_validate(item)
    address = told.address
    country = address.country or CountryWire()
    return Building(
        id=told.id,
        name=told.name,
        code=told.code,
        street=address.street,
        street2=address.street2,
        city=address.city,
        state=address.state.name,
        postal_code=address.postal_code,
        country_code=country.code,
        country_name=country.name,
        centers=told.reservation_centers,
    )


def floor(item: object) -> Floor:
    """A floor."""
    told = FloorWire.model_validate(item)
    return Floor(told.id, told.name, id_of(told.building))


def space(item: object) -> Space:
    """A room or desk."""
    told = SpaceWire.model_validate(item)
    return Space(told.id, told.name, told.capacity, told.reservable, id_of(told.type), id_of(told.floor))


def space_type(item: object) -> SpaceType:
    """A space type."""
    told = SpaceTypeWire.model_validate(item)
    return SpaceType(told.id, told.name, told.group.name)


def center(detail: CenterDetailWire, listed: CenterWire) -> Center:
    """A center; its time zone may stand in the list as well."""
    zone = detail.time_zone or listed.time_zone
    return Center(detail.id, zone.id if zone else "", frozenset(ref.id for ref in detail.buildings))


def country(item: object) -> tuple[str, str]:
    """Code and name of a country."""
    told = CountryWire.model_validate(item)
    return told.code, told.name


BUILDINGS = Collection[Building]("buildings", "/buildings", building, shape={"selector": "centers(module)"})
FLOORS = Collection[Floor]("floors", "/floors", floor)
# What is listed when neither is said is not documented, so both are (domain.md section 2.4).
SPACES = Collection[Space](
    "spaces", "/rooms", space, filters={"includeReservable": "true", "includeNonReservable": "true"}
)
TYPES = Collection[SpaceType]("space types", "/rooms/types", space_type)
COUNTRIES = Collection[tuple[str, str]]("countries", "/countries", country)
