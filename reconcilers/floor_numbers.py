"""Floor numbers in a merge: what a floor's name does not tell, people told the target by hand.

A number that a name tells goes first, then the target's own, then the next free one. Without a memory of
our own: what was given once is the target's in the next run, whatever happened between.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from reconcilers.levels import location
from reconcilers.levels.floor import LEVEL, parse_number
from reconcilers.match import Pairing
from reconcilers.model import Current, Desired, Entity, Key, Kind
from reconcilers.slots import FIRST_SPARE_NUMBER

_NUMBER = LEVEL.index("FloorNumber")
_ABOVE = location.LEVEL.index("NumberOfFloorsAboveGround")
_BELOW = location.LEVEL.index("NumberOfFloorsBelowGround")


def keep_numbers(entities: Mapping[Key, Entity], desired: Desired, pairing: Pairing) -> dict[Key, Entity]:
    """The entities with their floors numbered beside this target, and their locations' counts to match.

    `desired` has what is left alone, too: it may be matched later, so its number is not given away.
    """
    kept = dict(entities)
    floors = _by_location(desired.of(Kind.FLOOR))
    strangers = _numbers_of_strangers(desired, pairing)
    for place, siblings in floors.items():
        told = {int(str(one.values[_NUMBER])) for one in siblings if _tells(one, desired.own_names)}
        rest = [one for one in siblings if one.key in entities and not _tells(one, desired.own_names)]
        above = pairing.current_of.get(place)
        others = strangers.get(above.id, set()) if above is not None else set()
        numbers = _numbers(rest, told, others, pairing)
        kept.update((one.key, _with_number(one, numbers[one.key])) for one in rest)
        if place in kept:
            kept[place] = _counted(kept[place], rest, numbers.values())
    return kept


def _numbers(rest: list[Entity], told: set[int], others: set[int], pairing: Pairing) -> dict[Key, int]:
    """The numbers of floors whose names tell none, or one that a sibling has; `rest` in the order of ids."""
    numbers: dict[Key, int] = {}
    taken = set(told)
    for entity in rest:
        held = _held(entity, pairing)
        if held is not None and held not in taken:
            numbers[entity.key] = held
            taken.add(held)
    taken |= others
    free = (number for number in count(max(told, default=-1) + 1) if number not in taken)
    for entity in rest:
        if entity.key not in numbers:
            wanted = int(str(entity.values[_NUMBER]))
            numbers[entity.key] = wanted if wanted not in taken else next(free)
            taken.add(numbers[entity.key])
    return numbers


def _held(entity: Entity, pairing: Pairing) -> int | None:
    """The number that it has in the target, below the same location; none that is for the time between."""
    current, above = pairing.current_of.get(entity.key), pairing.current_of.get(Key(str(entity.parent)))
    if current is None or above is None or current.parent_id != above.id:
        return None
    number = _number_of(current)
    return number if number is not None and number < FIRST_SPARE_NUMBER else None


def _number_of(current: Current) -> int | None:
    return parse_number(str(current.values[_NUMBER] or ""))


def _tells(entity: Entity, own_names: Mapping[Key, str]) -> bool:
    """Does its name tell the number that it is given?"""
    told = parse_number(own_names.get(entity.key, entity.name))
    return told is not None and told == int(str(entity.values[_NUMBER]))


def _by_location(floors: Iterable[Entity]) -> dict[Key, list[Entity]]:
    found: dict[Key, list[Entity]] = {}
    for entity in floors:
        found.setdefault(Key(str(entity.parent)), []).append(entity)
    return found


def _numbers_of_strangers(desired: Desired, pairing: Pairing) -> dict[int, set[int]]:
    """By the internal id of a location, the numbers of its floors that stay as they are."""
    kept = {skip.key for skip in desired.skips if skip.kept}
    found: dict[int, set[int]] = {}
    for current in _staying(kept, pairing):
        number = _number_of(current)
        if number is not None and current.parent_id is not None:
            found.setdefault(current.parent_id, set()).add(number)
    return found


def _staying(kept: set[Key], pairing: Pairing) -> Iterator[Current]:
    yield from pairing.unpaired(Kind.FLOOR)
    for key in kept:
        current = pairing.current_of.get(key)
        if current is not None and current.kind is Kind.FLOOR:
            yield current


def _with_number(entity: Entity, number: int) -> Entity:
    return Entity(entity.kind, entity.key, (*entity.values[:_NUMBER], str(number)))


def _counted(place: Entity, before: Iterable[Entity], after: Iterable[int]) -> Entity:
    """The location with as many floors above and below ground as these numbers make of it."""
    change = Counter(number < 0 for number in after)
    change.subtract(int(str(entity.values[_NUMBER])) < 0 for entity in before)
    values = list(place.values)
    values[_ABOVE] = int(str(values[_ABOVE])) + change[False]
    values[_BELOW] = int(str(values[_BELOW])) + change[True]
    return Entity(place.kind, place.key, tuple(values))
