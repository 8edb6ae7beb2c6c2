"""Which entity of the target stands for which record, where both were kept by hand: by its path of names.

Down the hierarchy, each below what its parent was matched with. What is certain is paired, to be adopted;
what could be several, or is another system's, is left alone with all that hangs on it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from reconcilers import countries
from reconcilers.floor_numbers import keep_numbers
from reconcilers.levels import LEVELS
from reconcilers.levels.level import Field
from reconcilers.match import Pairing, claimed, ours
from reconcilers.model import KINDS, Current, Desired, Entity, Key, Kind, Skip, Value
from reconcilers.plan import LeftAlone
from reconcilers.text import alike, fold

AMBIGUOUS = "AmbiguousMatch"
"""It could be several entities of the target, or several could be one."""
CLAIMED = "ClaimedMatch"
"""What it could be carries an external id of another system."""
BELOW = "BelowUnmatched"
"""It hangs on something that is left alone."""
UNMATCHED = (AMBIGUOUS, CLAIMED, BELOW)
PERSONAL_SUFFIX = " (personal)"
"""What an extract adds to a type of personal spaces that has a namesake of meeting spaces."""

T = TypeVar("T")
Values = tuple[Value, ...]
Form = Callable[[Values], str]
"""What of an entity's values is compared; empty for what has nothing to compare."""
Stage = tuple[Form, bool]
"""A form, and whether both must also be on the same floor."""
Wanted = tuple[Entity, Values]
"""An entity, and its values under the name by which it is looked for."""
Group = tuple[list[Entity], list[Current]]


@dataclass(slots=True)
class Merged:
    """What was paired by its path, and what is left alone."""

    adopted: dict[Key, Current] = field(default_factory=dict)
    left_alone: list[LeftAlone] = field(default_factory=list)
    reasons: dict[Key, str] = field(default_factory=dict)
    """Why, for all that is left alone, what hangs on it included."""


def merge(desired: Desired, pairing: Pairing) -> tuple[Desired, Merged]:
    """The desired state without what is left alone, which counts as skipped and keeps what it has.

    Pairs what is certain.
    """
    merged = Merged()
    for kind in KINDS:
        unpaired: list[Entity] = []
        for entity in desired.of(kind):
            if _hangs_on(entity, merged.reasons):
                merged.reasons[entity.key] = BELOW
            elif entity.key not in pairing.current_of:
                unpaired.append(entity)
        _match(unpaired, desired.own_names, _free(kind, pairing), pairing, merged)
    skips = [Skip(desired.entities[key].kind, key, why, kept=True) for key, why in merged.reasons.items()]
    clear = {key: entity for key, entity in desired.entities.items() if key not in merged.reasons}
    clear = keep_numbers(clear, desired, pairing)
    return Desired(clear, (*desired.skips, *skips), desired.source_counts), merged


def sentence(item: LeftAlone) -> str:
    """Why it is left alone, and what to do."""
    found = " or ".join(item.could_be)
    if item.reason == CLAIMED:
        return (
            f"it is {found} by its name, but that carries an external id of another system; "
            "clear that external id, or rename one of them"
        )
    rivals = f", and so could {', '.join(item.rivals)}" if item.rivals else ""
    return f"it could be {found}{rivals}; make its name differ from all but one"


def _hangs_on(entity: Entity, left: dict[Key, str]) -> bool:
    return any(
        level_field.ref is not None and value in left
        for level_field, value in zip(LEVELS[entity.kind].fields, entity.values, strict=True)
    )


def _free(kind: Kind, pairing: Pairing) -> list[Current]:
    """What the target holds of a kind that stands for nothing yet."""
    taken = {id(current) for current in pairing.current_of.values() if current.kind is kind}
    return [item for item in pairing.of(kind) if id(item) not in taken and not ours(item)]


def _match(
    unpaired: list[Entity],
    own_names: Mapping[Key, str],
    free: list[Current],
    pairing: Pairing,
    merged: Merged,
) -> None:
    """Settle what is alike: first by names that we made up, then by the source's own.

    Who of two of one name got the suffix says nothing of who is who, unless the target has that very name.
    """
    made_up = [(entity, entity.values) for entity in unpaired if entity.key in own_names]
    own = [(e, (own_names.get(e.key, e.name), *e.values[1:])) for e in unpaired]
    claimants: dict[int, list[Entity]] = {}
    disputed: list[Current] = []
    for wanted in (made_up, own):
        settled: set[int] = set()
        for entities, found in _alike(_open(wanted, merged), free, pairing):
            settled.update(map(id, found))
            if not _settle(entities, found, pairing, merged):
                claimants.update((id(item), entities) for item in found)
                disputed += found
        free = [item for item in free if id(item) not in settled]
    for wanted in (made_up, own):
        for entity, found in _disputes(_open(wanted, merged), disputed, pairing):
            others = {id(other): other for item in found for other in claimants[id(item)]}
            _leave(entity, found, AMBIGUOUS, others.values(), merged)


def _open(wanted: list[Wanted], merged: Merged) -> list[Wanted]:
    """Those that nothing is said of yet."""
    return [
        pair for pair in wanted if pair[0].key not in merged.reasons and pair[0].key not in merged.adopted
    ]


def _disputes(
    wanted: list[Wanted], disputed: list[Current], pairing: Pairing
) -> Iterator[tuple[Entity, list[Current]]]:
    """Who looks, however remotely, like what nobody knows whose it is: made anew it might be there twice."""
    for form, near in _forms(wanted) if disputed else ():
        there = _grouped((_place(item, near), form(item.values), item) for item in disputed)
        rest: list[Wanted] = []
        for entity, values in wanted:
            place = _place_of(entity, pairing, near)
            found = there.get((place, form(values))) if place is not None else None
            if found:
                yield entity, found
            else:
                rest.append((entity, values))
        wanted = rest


def _alike(wanted: list[Wanted], free: list[Current], pairing: Pairing) -> Iterator[Group]:
    """Groups of what looks the same on both sides, the closest likeness first; nobody is in two of them."""
    for form, near in _forms(wanted):
        here = _grouped(
            (_place_of(entity, pairing, near), form(values), (entity, values)) for entity, values in wanted
        )
        there = _grouped((_place(item, near), form(item.values), item) for item in free)
        shared = here.keys() & there.keys()
        for path in shared:
            yield [entity for entity, _ in here[path]], there[path]
        seen = {id(entity) for path in shared for entity, _ in here[path]}
        seen |= {id(item) for path in shared for item in there[path]}
        wanted = [(entity, values) for entity, values in wanted if id(entity) not in seen]
        free = [item for item in free if id(item) not in seen]


def _forms(wanted: list[Wanted]) -> tuple[Stage, ...]:
    return _FORMS.get(wanted[0][0].kind, _BY_NAME) if wanted else ()


def _grouped(items: Iterable[tuple[Values | None, str, T]]) -> dict[tuple[Values, str], list[T]]:
    found: dict[tuple[Values, str], list[T]] = {}
    for place, form, item in items:
        if place is not None and form:
            found.setdefault((place, form), []).append(item)
    return found


def _tells_place(level_field: Field, near: bool) -> bool:
    """What no update can change, its parent and what kind of thing it is; `near`, also the floor it is on."""
    return level_field.immutable or (near and level_field.path and level_field.ref is not None)


def _place(current: Current, near: bool) -> Values:
    """Where it is in the target."""
    fields = LEVELS[current.kind].fields
    return tuple(
        value for field, value in zip(fields, current.values, strict=True) if _tells_place(field, near)
    )


def _place_of(entity: Entity, pairing: Pairing, near: bool) -> Values | None:
    """Where it is to be, as the target would have it; None where something of that is not there."""
    place: list[Value] = []
    for level_field, value in zip(LEVELS[entity.kind].fields, entity.values, strict=True):
        if _tells_place(level_field, near):
            if level_field.ref is not None:
                above = pairing.current_of.get(Key(str(value)))
                if above is None:
                    return None
                value = above.id
            place.append(value)
    return tuple(place)


def _settle(entities: list[Entity], found: list[Current], pairing: Pairing, merged: Merged) -> bool:
    """Pair what is certain, or leave it alone; False where it is unclear who is whose."""
    certain = len(entities) == len(found) == 1
    if certain and not claimed(found[0]):
        pairing.pair(entities[0].key, found[0])
        merged.adopted[entities[0].key] = found[0]
        return True
    for entity in entities:
        _leave(entity, found, CLAIMED if certain else AMBIGUOUS, entities, merged)
    return certain


def _leave(
    entity: Entity, found: list[Current], reason: str, others: Iterable[Entity], merged: Merged
) -> None:
    """Leave it alone; `others` could be the same."""
    could_be = tuple(f'"{item.name}" (id {item.id})' for item in found)
    rivals = tuple(sorted(other.key for other in others if other is not entity))
    merged.reasons[entity.key] = reason
    merged.left_alone.append(LeftAlone(entity.kind, entity.key, entity.name, reason, could_be, rivals))


def _name(values: Values) -> str:
    return str(values[0])


def _folded(values: Values) -> str:
    return alike(_name(values))


def _without_suffix(values: Values) -> str:
    return _folded(values).removesuffix(PERSONAL_SUFFIX)


def _known_country(values: Values) -> str:
    return countries.code_of_name(_name(values)) or countries.same_code(str(values[_CODE]))


_CODE = LEVELS[Kind.COUNTRY].index("CountryCode")

_BY_NAME: tuple[Stage, ...] = ((_name, False), (_folded, False))
_FORMS: dict[Kind, tuple[Stage, ...]] = {
    Kind.COUNTRY: (
        (lambda values: str(values[_CODE]).strip().upper(), False),
        (lambda values: countries.same_code(str(values[_CODE])), False),
        (_name, False),
        (lambda values: countries.folded_name(_name(values)), False),
        (_known_country, False),
    ),
    # Cities that fold alike are one region, by their keys.
    Kind.REGION: (*_BY_NAME, (lambda values: fold(_name(values)), False)),
    Kind.WORKSPACE_TYPE: (*_BY_NAME, (_without_suffix, False)),
    # Its floor is of its path: who has the exact name elsewhere may be another of the same name.
    Kind.RESOURCE: ((_name, True), (_folded, True), (_name, False), (_folded, False)),
}
"""How likeness is looked for, the closest first."""
