"""What a source of spaces tells: buildings, floors, spaces, their types, and the centers that book them.

Records are as the source wrote them, only typed. An `Observation` also carries the evidence by
which the engine judges whether a record that is not listed is really gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from reconcilers.model import Kind

Known = Mapping[Kind, frozenset[int]]
"""The source's own ids of what the mapping holds, by what became of them; of other kinds nobody knows."""


class Record(Protocol):
    """Anything with the source's own id."""

    @property
    def id(self) -> int:
        """Unique within its listing."""
        ...


T = TypeVar("T", bound=Record, covariant=True)


@dataclass(frozen=True, slots=True)
class Building:
    """A building; an empty text means that the source has no value."""

    id: int
    name: str = ""
    code: str = ""
    street: str = ""
    street2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country_code: str = ""
    country_name: str = ""
    centers: frozenset[int] = frozenset()
    """Ids of the reservation centers that the building itself names."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor of a building; it has a name but no number."""

    id: int
    name: str = ""
    building: int | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """A room or desk; `type` and `floor` are ids."""

    id: int
    name: str = ""
    capacity: int | None = None
    reservable: bool = False
    type: int | None = None
    floor: int | None = None


@dataclass(frozen=True, slots=True)
class SpaceType:
    """A space type; its group says whether people book it together (We), alone (Me) or not at all."""

    id: int
    name: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Center:
    """A reservation center: a set of buildings in one time zone (IANA name, empty when not told)."""

    id: int
    time_zone: str = ""
    buildings: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is listed but could not be understood; it is present, not absent."""

    id: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One listing as it was read, with the evidence for its completeness."""

    name: str
    items: tuple[T, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    counted: tuple[int, int] | None = None
    """What the source counted just before and just after; None where it has no count."""
    seamless: bool = True
    """Each page began where the one before was seen to end, so no record slipped between two of them, and
    the last was not full, so none slipped off the end."""

    @property
    def ids(self) -> frozenset[int | None]:
        """Of all that is listed, understood or not; None is among them where a record tells none."""
        return frozenset(item.id for item in self.items) | {record.id for record in self.unreadable}

    def may_have_lost(self, known: frozenset[int] | None) -> bool:
        """Can one of these ids be there all the same? None: nobody knows what there was."""
        return not self.seamless and (known is None or not known <= self.ids)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything read from the source in one run."""

    buildings: Listing[Building]
    floors: Listing[Floor]
    spaces: Listing[Space]
    types: Listing[SpaceType]
    centers: Listing[Center]
    country_names: tuple[tuple[str, str], ...] = ()
    """Code and name of countries the source knows beyond its buildings, when it was asked."""

    @property
    def seamless(self) -> bool:
        """Was every listing?"""
        return all(listing.seamless for listing in (self.buildings, self.floors, self.spaces, self.types))
