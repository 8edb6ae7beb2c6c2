"""Workplace's JSON (domain.md section 2.5): the one place that says what a record looks like.

More fields than these are fine. What decides whether something is kept in Engage is never guessed: a
record without it is unreadable, which is not the same as absent. Whoever needs more of a record derives
from these, so that nobody finds one unreadable for a field that it does not read.
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

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
NULL_IS_BLANK = BeforeValidator(lambda value: {} if value is None else value)
"""For a record within a record that may be missing: null is one without values."""


class Wire(BaseModel):
    """Any record."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class Ref(Wire):
    """A reference to another record."""

    id: int


def id_of(ref: Ref | None) -> int | None:
    """The id of what is referred to, if anything is."""
    return ref.id if ref else None


class CountryWire(Wire):
    """A country, in an address or in the list of them."""

    name: Text = ""
    alpha2_code: Text = ""
    iso_code: Text = ""

    @property
    def code(self) -> str:
        """Alpha-2, where the tenant's list holds to the standard."""
        return self.alpha2_code or self.iso_code


class StateWire(Wire):
    """The state in an address."""

    name: Text = ""


class AddressWire(Wire):
    """An address, any part of which may be missing."""

    street: Text = ""
    street2: Text = ""
    city: Text = ""
    postal_code: Text = ""
    country: CountryWire | None = None
    state: Annotated[StateWire, NULL_IS_BLANK] = StateWire()


class _CenterOfBuilding(Wire):
    id: int
    module: Text = ""


class BuildingWire(Wire):
    """A building; its address may be missing, in part or whole."""

    id: int
    name: Text = ""
    code: Text = ""
    address: Annotated[AddressWire, NULL_IS_BLANK] = AddressWire()
    centers: list[_CenterOfBuilding] | None = None

    @property
    def reservation_centers(self) -> frozenset[int]:
        """Ids of those of its centers that count."""
        return frozenset(
            center.id for center in self.centers or () if center.module.casefold() == RESERVATION
        )


class FloorWire(Wire):
    """A floor; without a building it is an orphan, which the engine judges."""

    id: int
    name: Text = ""
    building: Ref | None = None


class AnySpaceWire(Wire):
    """A room or desk, whether or not it is said to be reservable."""

    id: int
    name: Text = ""
    capacity: int | None = None
    type: Ref | None = None
    floor: Ref | None = None


class SpaceWire(AnySpaceWire):
    """A space of a sync. Whether it is reservable decides whether it is deleted, so it must be said."""

    reservable: bool


class GroupWire(Wire):
    """The group of a space type: We, Me or neither."""

    name: Text = ""


class SpaceTypeWire(Wire):
    """A space type. Its group decides over all spaces of it, so the field must be there; null is no group."""

    id: int
    name: Text = ""
    group: Annotated[GroupWire, NULL_IS_BLANK] = Field(alias="spaceTypeGroup")


class _TimeZone(Wire):
    id: Text = Field("", alias="ID")


class CenterWire(Wire):
    """An item of the list of centers: only with its detail it is a center."""

    id: int
    time_zone: _TimeZone | None = None


class CenterDetailWire(CenterWire):
    """One center with its buildings: without them nobody knows what it books."""

    buildings: list[Ref]


class CountWire(Wire):
    """What `<list>/count` answers."""

    count: int = Field(ge=0)
