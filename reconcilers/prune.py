"""What is ours in the target and no longer desired: what of it may go, and what must stay.

Only what the mapping owns can go, and only with a proof; whatever still holds something that stays,
stays with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reconcilers.levels import LEVELS
from reconcilers.match import Pairing, ours
from reconcilers.model import KINDS, Current, Desired, Entry, Key, Kind, MappingState, Origin, Skip
from reconcilers.plan import Withheld, withhold_step
from reconcilers.proof import Proof
from reconcilers.steps import Delete, InPlace, Release, Replace, Step, key_of, kind_of

NOT_EMPTY = "NotEmpty"

Place = tuple[Kind, int]
"""A kind and an internal id: what references in the target point to."""


@dataclass(slots=True)
class Leaving:
    """Who leaves, and who lets go of what; tells whether something would be left with dependants."""

    pairing: Pairing
    gone: set[int] = field(default_factory=set)
    freed: set[tuple[int, Place]] = field(default_factory=set)
    dependants: dict[Place, list[Current]] = field(default_factory=dict)

    def watch(self, places: Iterable[Place]) -> None:
        """Find out what in the target refers to these places."""
        self.dependants = {place: [] for place in places}
        for item in self.pairing.holdings.items if self.dependants else ():
            for place in references(item):
                if place in self.dependants:
                    self.dependants[place].append(item)

    def still_holds(self, current: Current) -> bool:
        """Does something that stays refer to it?"""
        place = (current.kind, current.id)
        return any(
            id(item) not in self.gone and (id(item), place) not in self.freed
            for item in self.dependants.get(place, ())
        )


def references(current: Current) -> Iterator[Place]:
    """Everything that a current entity refers to."""
    for level_field, value in zip(LEVELS[current.kind].fields, current.values, strict=True):
        if level_field.ref is not None and value is not None:
            yield level_field.ref, int(value)


def freed_by(step: InPlace) -> Iterator[Place]:
    """The references that an update takes away."""
    changed = {change.field for change in step.changes}
    for level_field, value in zip(LEVELS[step.current.kind].fields, step.current.values, strict=True):
        if level_field.ref is not None and level_field.name in changed and value is not None:
            yield level_field.ref, int(value)


def prune(
    desired: Desired, pairing: Pairing, mapping: MappingState, steps: list[Step], proof: Proof
) -> tuple[list[Step], list[Withheld]]:
    """Deletes for all that is owned, neither desired nor kept; and what must stay as it is not empty."""
    staying: set[Key] = set()
    while True:
        removals, stuck = _prune(desired, pairing, mapping, steps, proof, staying)
        # What is kept goes only with its whole location, so a location that turns out to stay counts.
        locations = {key_of(step) for step in stuck if kind_of(step) is Kind.LOCATION}
        if locations <= staying:
            return removals, [withhold_step(step, NOT_EMPTY) for step in stuck]
        staying |= locations


def _prune(
    desired: Desired,
    pairing: Pairing,
    mapping: MappingState,
    steps: list[Step],
    proof: Proof,
    staying: set[Key],
) -> tuple[list[Step], list[Step]]:
    replaced = [step for step in steps if isinstance(step, Replace)]
    skips = {skip.key: skip for skip in desired.skips}
    gone = _gone(desired, mapping, skips, {step.entity.key for step in replaced} - staying, staying)
    owned = [(entry, pairing.current_of[entry.key]) for entry in gone if entry.key in pairing.current_of]
    leaving = Leaving(pairing, {id(step.current) for step in replaced})
    leaving.freed = {
        (id(step.current), place) for step in steps if isinstance(step, InPlace) for place in freed_by(step)
    }
    leaving.watch(
        (current.kind, current.id)
        for current in [*(current for _, current in owned), *(step.current for step in replaced)]
        if current.kind is not Kind.RESOURCE  # nothing refers to these
    )
    removals: list[Step] = []
    stuck: list[Step] = []
    for entry, current in _bottom_up(owned):
        skip = skips.get(entry.key)
        reason = skip.reason if skip else "gone from the source"
        goes_with = entry.parent if skip and skip.kept else None
        step = Delete(entry.key, current, proof, reason, entry.parent, goes_with)
        if _may_go(entry) and not leaving.still_holds(current):
            leaving.gone.add(id(current))
            removals.append(step)
        elif not LEVELS[entry.kind].container:
            stuck.append(step)
    stuck += [step for step in replaced if leaving.still_holds(step.current)]
    return removals, stuck


def _gone(
    desired: Desired, mapping: MappingState, skips: dict[Key, Skip], replaced: set[Key], staying: set[Key]
) -> Iterator[Entry]:
    """Owned, not desired and not kept. Kept is what is there but not understood, until its location goes."""
    kept = {key for key, skip in skips.items() if skip.kept}
    for entry in mapping.entries.values():
        if entry.key in desired.entities:
            continue
        above = entry.parent
        if above is not None and above.startswith(LEVELS[Kind.LOCATION].prefix):
            stays = above in staying or (above in desired.entities and above not in replaced)
            if above in kept or (entry.key in kept and stays):
                continue
        elif entry.key in kept:
            continue
        yield entry


def _bottom_up(owned: list[tuple[Entry, Current]]) -> Iterator[tuple[Entry, Current]]:
    for kind in reversed(KINDS):
        yield from (pair for pair in owned if pair[0].kind is kind)


def _may_go(entry: Entry) -> bool:
    """A container that is not known to be made by us is not ours to delete."""
    return not LEVELS[entry.kind].container or entry.origin is Origin.CREATED


def release(desired: Desired, pairing: Pairing) -> list[Step]:
    """What came with the product and carries an id of ours, but stands for nothing of ours any more."""
    return [
        Release(
            Key(str(item.external_id)),
            item,
            reason="its family cannot be changed, so it is released"
            if item.external_id in desired.entities
            else "came with the product, so it is released and not deleted",
        )
        for item in pairing.unpaired(Kind.WORKSPACE_TYPE)
        if item.builtin and ours(item)
    ]
