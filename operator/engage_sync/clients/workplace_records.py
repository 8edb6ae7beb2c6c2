"""What Workplace holds, with all that an upload may change (domain.md section 2.5).

More than the engine's records: those are for Engage, these are compared with a workbook.
"""

from dataclasses import dataclass, replace

from engage_sync.clients.workplace import BUILDINGS, FLOORS, SPACES, TYPES, Collection
from engage_sync.clients.workplace_wire import RESERVATION, Ref, Text, Wire


@dataclass(frozen=True, slots=True)
class HeldBuilding:
    """A building. An empty text means that there is no value; `country` is an id."""

    id: int
    name: str = ""
    code: str = ""
    street: str = ""
    street2: str = ""
    city: str = ""
    postal_code: str = ""
    country: int | None = None
    state: int | None = None
    state_code: str = ""
    state_name: str = ""
    bookable: bool = False
    """It has a reservation center."""


@dataclass(frozen=True, slots=True)
class HeldFloor:
    """A floor."""

    id: int
    name: str = ""
    building: int | None = None


@dataclass(frozen=True, slots=True)
class HeldRoom:
    """A space; None where Workplace does not say."""

    id: int
    name: str = ""
    description: str = ""
    long_description: str = ""
    area: float | None = None
    capacity: int | None = None
    reservable: bool | None = None
    type: int | None = None
    floor: int | None = None


@dataclass(frozen=True, slots=True)
class HeldType:
    """A space type; `group` and `group_name` say whether it is We, Me or neither."""

    id: int
    name: str = ""
    group: int | None = None
    group_name: str = ""


@dataclass(frozen=True, slots=True)
class HeldCountry:
    """A country; Workplace's are given and cannot be made."""

    id: int
    name: str = ""
    code: str = ""


class HeldCountryWire(Wire):
    """An item of the list of countries, and what an address shows of one."""

    id: int
    name: Text = ""
    alpha2_code: Text = ""
    iso_code: Text = ""

    def record(self) -> HeldCountry:
        """As an upload knows it."""
        return HeldCountry(self.id, self.name, self.alpha2_code or self.iso_code)


class _State(Wire):
    id: int | None = None
    name: Text = ""
    code: Text = ""


class _Address(Wire):
    street: Text = ""
    street2: Text = ""
    city: Text = ""
    postal_code: Text = ""
    country: HeldCountryWire | None = None
    state: _State | None = None


class _Center(Wire):
    module: Text = ""


class _Building(Wire):
    id: int
    name: Text = ""
    code: Text = ""
    address: _Address | None = None
    centers: list[_Center] | None = None

    def record(self) -> HeldBuilding:
        address = self.address or _Address()
        state = address.state or _State()
        return HeldBuilding(
            id=self.id,
            name=self.name,
            code=self.code,
            street=address.street,
            street2=address.street2,
            city=address.city,
            postal_code=address.postal_code,
            country=address.country.id if address.country else None,
            state=state.id,
            state_code=state.code,
            state_name=state.name,
            bookable=any(center.module.casefold() == RESERVATION for center in self.centers or ()),
        )


class _Floor(Wire):
    id: int
    name: Text = ""
    building: Ref | None = None

    def record(self) -> HeldFloor:
        return HeldFloor(self.id, self.name, self.building.id if self.building else None)


class _Room(Wire):
    id: int
    name: Text = ""
    description: Text = ""
    long_description: Text = ""
    area: float | None = None
    capacity: int | None = None
    reservable: bool | None = None
    type: Ref | None = None
    floor: Ref | None = None

    def record(self) -> HeldRoom:
        return HeldRoom(
            id=self.id,
            name=self.name,
            description=self.description,
            long_description=self.long_description,
            area=self.area,
            capacity=self.capacity,
            reservable=self.reservable,
            type=self.type.id if self.type else None,
            floor=self.floor.id if self.floor else None,
        )


class _Group(Wire):
    id: int | None = None
    name: Text = ""


class _Type(Wire):
    id: int
    name: Text = ""
    space_type_group: _Group | None = None

    def record(self) -> HeldType:
        group = self.space_type_group or _Group()
        return HeldType(self.id, self.name, group.id, group.name)


HELD_BUILDINGS = Collection[HeldBuilding](
    BUILDINGS.name, BUILDINGS.path, _Building, BUILDINGS.filters, BUILDINGS.shape
)
HELD_FLOORS = Collection[HeldFloor](FLOORS.name, FLOORS.path, _Floor)
HELD_ROOMS = Collection[HeldRoom](SPACES.name, SPACES.path, _Room, SPACES.filters)
HELD_TYPES = Collection[HeldType](TYPES.name, TYPES.path, _Type)
COUNTRIES = "/countries"


def floors_of(building: int) -> Collection[HeldFloor]:
    """The floors of one building."""
    return replace(HELD_FLOORS, filters={**HELD_FLOORS.filters, "buildingId": str(building)})


def rooms_on(floor: int) -> Collection[HeldRoom]:
    """The spaces on one floor."""
    return replace(HELD_ROOMS, filters={**HELD_ROOMS.filters, "floorId": str(floor)})
