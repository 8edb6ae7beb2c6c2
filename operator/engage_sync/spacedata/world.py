"""What Workplace holds, read whole before anything is compared with it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engage_sync.clients.workplace_held import (
    HELD_BUILDINGS,
    HELD_COUNTRIES,
    HELD_ROOMS,
    HELD_TYPES,
    HeldBuilding,
    HeldCountry,
    HeldRoom,
    HeldType,
)
from engage_sync.clients.workplace_listings import Listings
from engage_sync.clients.workplace_records import FLOORS
from engage_sync.together import side_by_side
from reconcilers.source import Floor


@dataclass(frozen=True, slots=True)
class World:
    """All records; floors by building and rooms by floor, where they say."""

    buildings: Sequence[HeldBuilding] = ()
    floors: Mapping[int, Sequence[Floor]] = field(default_factory=dict)
    rooms: Mapping[int, Sequence[HeldRoom]] = field(default_factory=dict)
    types: Sequence[HeldType] = ()
    countries: Sequence[HeldCountry] = ()


async def read_world(listings: Listings) -> World:
    """Read Workplace; the pages of one listing come one after the other.

    Raises:
        IncompleteAnswer: a listing is not whole, so nobody knows what is missing.
        SyncError: it could not be read.
    """
    buildings, floors, rooms, types, countries = await side_by_side(
        listings.whole(HELD_BUILDINGS),
        listings.whole(FLOORS),
        listings.whole(HELD_ROOMS),
        listings.whole(HELD_TYPES),
        listings.uncounted(HELD_COUNTRIES),
    )
    floors_of: dict[int, list[Floor]] = defaultdict(list)
    for floor in floors:
        if floor.building is not None:
            floors_of[floor.building].append(floor)
    rooms_on: dict[int, list[HeldRoom]] = defaultdict(list)
    for room in rooms:
        if room.floor is not None:
            rooms_on[room.floor].append(room)
    return World(buildings, floors_of, rooms_on, types, countries.items)
