"""Workplace's records with all that an upload may change, to be compared with a workbook.

They are the JSON itself, typed. Only of the spaces, which are many, no more than the values is kept: a
tenth of the memory.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from engage_sync.clients.workplace_listings import Collection
from engage_sync.clients.workplace_records import BUILDINGS, COUNTRIES, FLOORS, SPACES, TYPES
from engage_sync.clients.workplace_wire import (
    NULL_IS_BLANK,
    AddressWire,
    AnySpaceWire,
    BuildingWire,
    CountryWire,
    GroupWire,
    SpaceTypeWire,
    StateWire,
    Text,
    id_of,
)
from reconcilers.source import Floor


class HeldCountry(CountryWire):
    """A country; Workplace's are given and cannot be made."""

    id: int


class HeldState(StateWire):
    """A state; there is no list of them."""

    id: int | None = None
    code: Text = ""


class HeldAddress(AddressWire):
    """An address; an empty text means that there is no value."""

    country: HeldCountry | None = None
    state: Annotated[HeldState, NULL_IS_BLANK] = HeldState()

    @property
    def country_id(self) -> int | None:
        """None where it names no country."""
        return self.country.id if self.country else None


class HeldBuilding(BuildingWire):
    """A building."""

    address: Annotated[HeldAddress, NULL_IS_BLANK] = HeldAddress()


@dataclass(frozen=True, slots=True)
class HeldRoom:
    """A space; None where Workplace does not say."""

    id: int
    name: str
    description: str
    long_description: str
    area: float | None
    """Square feet."""
    capacity: int | None
    reservable: bool | None
    type: int | None
    floor: int | None


class _RoomWire(AnySpaceWire):
    description: Text = ""
    long_description: Text = ""
    area: float | None = None
    reservable: bool | None = None


def held_room(item: object) -> HeldRoom:
    """A space. Raises ValidationError when it cannot be understood."""
    told = _RoomWire.model_validate(item)
    return HeldRoom(
        told.id, told.name, told.description, told.long_description, told.area, told.capacity,
        told.reservable, id_of(told.type), id_of(told.floor),
    )  # fmt: skip


class HeldGroup(GroupWire):
    """The group of a space type; its id differs from tenant to tenant."""

    id: int | None = None


class HeldType(SpaceTypeWire):
    """A space type."""

    group: Annotated[HeldGroup, NULL_IS_BLANK] = Field(HeldGroup(), alias="spaceTypeGroup")


HELD_BUILDINGS = BUILDINGS.read_as(HeldBuilding.model_validate)
HELD_ROOMS = SPACES.read_as(held_room)
HELD_TYPES = TYPES.read_as(HeldType.model_validate)
HELD_COUNTRIES = COUNTRIES.read_as(HeldCountry.model_validate)


def floors_of(building: int) -> Collection[Floor]:
    """The floors of one building."""
    return FLOORS.only(buildingId=building)


def rooms_on(floor: int) -> Collection[HeldRoom]:
    """The spaces on one floor."""
    return HELD_ROOMS.only(floorId=floor)
