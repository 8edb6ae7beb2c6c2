"""Floors: a name and a number; the source has no number, so it is read from the name."""

import re
from collections.abc import Iterable

from reconcilers.levels.level import Field, Level
from reconcilers.model import Entity, Key, Kind
from reconcilers.source import Floor
from reconcilers.text import clean, unique_names

LEVEL = Level(
    kind=Kind.FLOOR,
    prefix="wp:floor:",
    parent=Kind.LOCATION,
    fields=(
        Field("ResourceName", unique=True, path=True),
        Field("InternalParentId", ref=Kind.LOCATION, immutable=True, path=True),
        Field("FloorNumber", unique=True, numeric=True),
    ),
)

_GROUND = {"g", "ground", "ground floor", "lobby", "eg"}
_NUMBERED = re.compile(
    r"""(?P<plain>-?[0-9]{1,6})
      | (?P<ordinal>[0-9]{1,6})(?:st|nd|rd|th)\ floor
      | (?:floor|level)\ (?P<level>-?[0-9]{1,6})
      | og\ ?(?P<og>[0-9]{1,6})
      | (?P<og_first>[0-9]{1,6})\.\ ?og
      | (?:b|basement\ |ug)\ ?(?P<below>[0-9]{1,6})
      | (?P<below_first>[0-9]{1,6})\.\ ?ug""",
    re.VERBOSE,
)


def parse_number(name: str) -> int | None:
    """The number that a floor's whole name tells, 0 for the ground floor; None when it tells none.

    >>> [parse_number(name) for name in ("3rd Floor", "OG 03", "Lobby", "UG 02", "Mezzanine 3")]
    [3, 3, 0, -2, None]
    """
    folded = clean(name).casefold()
    if folded in _GROUND:
        return 0
    found = _NUMBERED.fullmatch(folded)
    if found is None:
        return None
    way = str(found.lastgroup)
    number = int(found[way])
    return -number if way.startswith("below") else number


def numbers_of(floors: Iterable[Floor]) -> dict[int, int]:
    """Floor numbers of one building by floor id; `floors` in the order of ids.

    Whoever tells a number first has it; the rest get the next free ones above the highest told.
    """
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    rest: list[int] = []
    told = [(floor.id, parse_number(floor.name)) for floor in floors]
    parsed = [number for _, number in told if number is not None]
    highest = max(parsed, default=-1)
    for id, number in told:
        if number is None or number in taken:
            rest.append(id)
        else:
            numbers[id] = number
            taken.add(number)
    numbers.update(zip(rest, range(highest + 1, highest + 1 + len(rest)), strict=True))
    return numbers


def desire(location: Key, floors: list[Floor], numbers: dict[int, int]) -> list[Entity]:
    """The floors of one location, in the order of ids."""
    names = unique_names(
        ((floor.id, clean(floor.name) or f"Floor {numbers[floor.id]}") for floor in floors),
        lambda id: (str(id),),
    )
    return [
        Entity(Kind.FLOOR, LEVEL.key(floor.id), (names[floor.id], location, str(numbers[floor.id])))
        for floor in floors
    ]
