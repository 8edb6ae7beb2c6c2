"""What a step that destroys takes with it: what hangs below, and the bookings people have made."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconcilers.errors import Halted, SyncError, TransientError
from reconcilers.levels import LEVELS
from reconcilers.levels.resource import MEETING
from reconcilers.match import Pairing
from reconcilers.model import Current, Key, Kind
from reconcilers.steps import Destructive, Step, key_of


class Bookings(Protocol):
    """Who has booked what."""

    async def future(self, ids: Collection[int]) -> Mapping[int, frozenset[str] | None]:
        """Ids of the bookings that lie before each of these meeting spaces, by internal id.

        None where nobody can know. Raises SyncError when it should be known but could not be read.
        """
        ...


class NobodyKnows:
    """Bookings of a target that does not tell."""

    async def future(self, ids: Collection[int]) -> Mapping[int, frozenset[str] | None]:
        """None for each."""
        return dict.fromkeys(ids)


@dataclass(frozen=True, slots=True)
class Impact:
    """What goes with one step."""

    floors: int = 0
    resources: int = 0
    """What hangs below in the target; of a resource itself 0."""
    bookings: frozenset[str] = frozenset()
    """Ids of the future bookings that are known."""
    unknown: int = 0
    """Spaces whose bookings nobody can know."""
    problem: str = ""
    """Why bookings that could be known could not be read."""
    problem_reason: str = ""
    """The reason of that error, as conditions have it."""

    @property
    def at_risk(self) -> str:
        """The bookings in a word: ``0``, ``3``, ``unknown``, or ``3 and unknown``; never 0 for unknown."""
        known = str(len(self.bookings)) if self.bookings or not self.unknown else ""
        return " and ".join(filter(None, (known, "unknown" if self.unknown else "")))


async def assess(steps: Iterable[Step], pairing: Pairing, bookings: Bookings) -> dict[Key, Impact]:
    """The impact of every step that destroys, by its key.

    Raises TransientError when bookings cannot be read now; what will not pass by itself is in the impact.
    """
    destroyed = {key_of(step): step.current for step in steps if isinstance(step, Destructive)}
    leaving = [current for current in destroyed.values() if current.kind is Kind.RESOURCE]
    future, unread = await _future([item.id for item in leaving if _is_meeting_space(item)], bookings)
    booked = {
        id(item): _booked(future[item.id], unread) if _is_meeting_space(item) else Impact(unknown=1)
        for item in leaving
    }
    below = _below({(item.kind, item.id) for item in destroyed.values()}, pairing)
    return {
        key: booked.get(id(item)) or _sum(below.get((item.kind, item.id), []), booked)
        for key, item in destroyed.items()
    }


def _is_meeting_space(item: Current) -> bool:
    return LEVELS[item.kind].variant_of(item.values) == MEETING


async def _future(
    ids: Collection[int], bookings: Bookings
) -> tuple[Mapping[int, frozenset[str] | None], Impact]:
    """The bookings, and the impact of a space of which they are not known."""
    try:
        return await bookings.future(ids), Impact(unknown=1)
    except (TransientError, Halted):
        raise
    except SyncError as error:
        unread = Impact(unknown=1, problem=error.message, problem_reason=error.reason)
        return dict.fromkeys(ids), unread


def _booked(ids: frozenset[str] | None, unread: Impact) -> Impact:
    return unread if ids is None else Impact(bookings=ids)


def _below(places: set[tuple[Kind, int]], pairing: Pairing) -> dict[tuple[Kind, int], list[Current]]:
    """Floors and resources by the location, and resources also by the floor, that they are on."""
    found: dict[tuple[Kind, int], list[Current]] = {}
    wanted = {kind for kind, _ in places} & {Kind.LOCATION, Kind.FLOOR}
    for kind in (Kind.FLOOR, Kind.RESOURCE) if wanted else ():
        for item in pairing.of(kind):
            for field, value in zip(LEVELS[kind].fields, item.values, strict=True):
                if field.ref in wanted and value is not None and (field.ref, int(value)) in places:
                    found.setdefault((field.ref, int(value)), []).append(item)
    return found


def _sum(items: list[Current], booked: Mapping[int, Impact]) -> Impact:
    resources = [item for item in items if item.kind is Kind.RESOURCE]
    impacts = [booked[id(item)] for item in resources if id(item) in booked]
    unread = next((impact for impact in impacts if impact.problem), Impact())
    return Impact(
        floors=sum(item.kind is Kind.FLOOR for item in items),
        resources=len(resources),
        bookings=frozenset().union(*(impact.bookings for impact in impacts)),
        unknown=sum(impact.unknown for impact in impacts),
        problem=unread.problem,
        problem_reason=unread.problem_reason,
    )
