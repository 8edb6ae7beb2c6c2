"""Workplace's JSON (domain.md section 2.5) and how it becomes the engine's records.

More fields than these are fine. What decides whether something is kept in Engage is never guessed: a
record without it is unreadable, which is not the same as absent.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from engage_sync.clients.answers import clean_message
from reconcilers.source import Building, Center, Floor, Space, SpaceType, Unreadable

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

RESERVATION = "reservation"
"""The one module of centers that counts."""


def _unicode(text: str) -> str:
    """JSON may hold half of a surrogate pair, from a name cut in the middle; nobody could store it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not a text that can be stored") from None
    return text


Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value), AfterValidator(_unicode)]


class Wire(BaseModel):
    """Any record."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class Ref(Wire):
    """A reference to another record."""

    id: int


class _Country(Wire):
    name: Text = ""
    alpha2_code: Text = ""
    iso_code: Text = ""

    @property
    def code(self) -> str:
        return self.alpha2_code or self.iso_code


class _State(Wire):
    name: Text = ""


class _Address(Wire):
    street: Text = ""
    street2: Text = ""
    city: Text = ""
    postal_code: Text = ""
    country: _Country | None = None
    state: _State | None = None


class _CenterOfBuilding(Wire):
    id: int
    module: Text = ""


class BuildingWire(Wire):
    """A building; its address may be missing, in part or whole."""

    id: int
    name: Text = ""
    code: Text = ""
    address: _Address | None = None
    centers: list[_CenterOfBuilding] | None = None

    def record(self) -> Building:
        """As the engine knows it."""
        address = self.address or _Address()
        country = address.country or _Country()
        return Building(
            id=self.id,
            name=self.name,
            code=self.code,
            street=address.street,
            street2=address.street2,
            city=address.city,
            state=address.state.name if address.state else "",
            postal_code=address.postal_code,
            country_code=country.code,
            country_name=country.name,
            centers=frozenset(
                center.id for center in self.centers or () if center.module.casefold() == RESERVATION
            ),
        )


class FloorWire(Wire):
    """A floor; without a building it is an orphan, which the engine judges."""

    id: int
    name: Text = ""
    building: Ref | None = None

    def record(self) -> Floor:
        """As the engine knows it."""
        return Floor(self.id, self.name, self.building.id if self.building else None)


class SpaceWire(Wire):
    """A room or desk. Whether it is reservable decides whether it is deleted, so it must be said."""

    id: int
    name: Text = ""
    capacity: int | None = None
    reservable: bool
    type: Ref | None = None
    floor: Ref | None = None

    def record(self) -> Space:
        """As the engine knows it."""
        return Space(
            id=self.id,
            name=self.name,
            capacity=self.capacity,
            reservable=self.reservable,
            type=self.type.id if self.type else None,
            floor=self.floor.id if self.floor else None,
        )


class _Group(Wire):
    name: Text = ""


class SpaceTypeWire(Wire):
    """A space type. Its group decides over all spaces of it, so the field must be there; null is no group."""

    id: int
    name: Text = ""
    space_type_group: _Group | None

    def record(self) -> SpaceType:
        """As the engine knows it."""
        return SpaceType(self.id, self.name, self.space_type_group.name if self.space_type_group else "")


class _TimeZone(Wire):
    id: Text = Field("", alias="ID")


class CenterWire(Wire):
    """An item of the list of centers."""

    id: int
    time_zone: _TimeZone | None = None

    def record(self) -> "CenterWire":
        """Itself: only with its detail it is a center."""
        return self


class CenterDetailWire(CenterWire):
    """One center with its buildings: without them nobody knows what it books."""

    buildings: list[Ref]

    def center(self, listed: CenterWire) -> Center:
        """As the engine knows it; the time zone may stand in the list as well."""
        zone = self.time_zone or listed.time_zone or _TimeZone.model_construct(id="")
        return Center(self.id, zone.id, frozenset(building.id for building in self.buildings))


class CountryWire(_Country):
    """An item of the list of countries."""

    def record(self) -> tuple[str, str]:
        """Code and name."""
        return self.code, self.name


class CountWire(Wire):
    """What `<list>/count` answers."""

    count: int = Field(ge=0)


class RecordWire(Protocol[T_co]):
    """A wire model that becomes one record."""

    @classmethod
    def model_validate(cls, obj: Any) -> "RecordWire[T_co]":
        """Raises ValidationError."""
        ...

    def record(self) -> T_co:
        """As the engine knows it."""
        ...


def read_records(wire: type[RecordWire[T]], items: Iterable[object]) -> tuple[list[T], list[Unreadable]]:
    """The records of one page, and those that could not be understood."""
    records: list[T] = []
    unreadable: list[Unreadable] = []
    for item in items:
        try:
            records.append(wire.model_validate(item).record())
        except ValidationError as error:
            unreadable.append(unreadable_record(item, error))
    return records, unreadable


def unreadable_record(item: object, error: ValidationError) -> Unreadable:
    """What is known of a record that is there but not understood; its values are not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = clean_message(f"{where}: {first['msg']}" if where else first["msg"])
    id = item.get("id") if isinstance(item, dict) else None
    return Unreadable(id if type(id) is int else None, problem)
