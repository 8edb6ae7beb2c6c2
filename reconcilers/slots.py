"""What only one sibling can have: a name, a floor number, an external id. Who wants it, who holds it.

Pure lookup; what waits for whom because of it is decided in order.py, what may not run in policy.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.model import Current, Entity, Kind, Value
from reconcilers.steps import EXTERNAL_ID, Create, Delete, InPlace, Release, Replace, Step

Slot = tuple[Kind, Value, str, Value]
"""Kind, parent (as a key), field, folded value."""

FIRST_SPARE_NUMBER = 1000
"""No floor is up there: numbers from here on are for the time between."""


def claimed_by(step: Step) -> Iterator[Slot]:
    """The slots that a step needs to be free."""
    if isinstance(step, Create | Replace):
        yield from wanted_slots(step.entity, None)
    elif isinstance(step, InPlace):
        yield from wanted_slots(step.entity, {change.field for change in step.changes})


def released_by(step: Step, pairing: Pairing) -> Iterator[Slot]:
    """The slots that a step makes free."""
    if isinstance(step, Delete | Replace):
        yield from held_slots(step.current, pairing, None)
    elif isinstance(step, InPlace | Release):
        yield from held_slots(step.current, pairing, {change.field for change in step.changes})


def wanted_slots(entity: Entity, changed: set[str] | None) -> Iterator[Slot]:
    """The slots that an entity wants; `changed` limits them to these fields."""
    for level_field, value in zip(LEVELS[entity.kind].fields, entity.values, strict=True):
        if level_field.unique and (changed is None or level_field.name in changed):
            yield entity.kind, entity.values[1], level_field.name, _folded(value)
    if changed is None or EXTERNAL_ID in changed:
        yield entity.kind, None, EXTERNAL_ID, entity.key


def held_slots(current: Current, pairing: Pairing, changed: set[str] | None) -> Iterator[Slot]:
    """The slots that a current entity has; `changed` limits them to these fields."""
    level = LEVELS[current.kind]
    above: Value = None if level.parent is None else pairing.reference(level.parent, current.values[1])
    for level_field, value in zip(level.fields, current.values, strict=True):
        if level_field.unique and (changed is None or level_field.name in changed):
            yield current.kind, above, level_field.name, _folded(value)
    if current.external_id is not None and (changed is None or EXTERNAL_ID in changed):
        yield current.kind, None, EXTERNAL_ID, current.external_id


def taken(steps: list[Step], pairing: Pairing) -> set[Slot]:
    """Wanted slots whose holder has no step that would let go of them."""
    claims = {slot for step in steps for slot in claimed_by(step)}
    claims.difference_update(slot for step in steps for slot in released_by(step, pairing))
    values: dict[tuple[Kind, str], set[Value]] = {}
    for kind, _, name, value in claims:
        values.setdefault((kind, name), set()).add(value)
    found: set[Slot] = set()
    for (kind, name), wanted in values.items():
        if name != EXTERNAL_ID:  # who holds one of ours is what the step is about
            place = LEVELS[kind].index(name)
            for item in pairing.of(kind):
                if _folded(item.values[place]) in wanted:
                    found.update(held_slots(item, pairing, {name}))
    return found & claims


@dataclass(slots=True)
class Spare:
    """Values for the time between, which no sibling has or wants."""

    pairing: Pairing
    steps: list[Step]
    _used: dict[tuple[Kind, str], set[Value]] = field(default_factory=dict)

    def value(self, slot: Slot, current: Current) -> Value:
        """A value for this slot that disturbs nobody."""
        kind, _, name, _ = slot
        if name == EXTERNAL_ID:
            return None
        used = self._values(kind, name)
        numeric = next(f.numeric for f in LEVELS[kind].fields if f.name == name)
        spare = next(
            value
            for number in count(current.id)
            if _folded(
                value := str(FIRST_SPARE_NUMBER + number) if numeric else f"{current.name} (moving {number})"
            )
            not in used
        )
        used.add(_folded(spare))
        return spare

    def _values(self, kind: Kind, name: str) -> set[Value]:
        """All values of a field that anything of this kind has or wants, whatever its parent."""
        if (kind, name) not in self._used:
            position = LEVELS[kind].index(name)
            wanted = [step.entity for step in self.steps if not isinstance(step, Delete | Release)]
            values = [current.values[position] for current in self.pairing.of(kind)]
            values += [entity.values[position] for entity in wanted if entity.kind is kind]
            self._used[kind, name] = {_folded(value) for value in values}
        return self._used[kind, name]


def _folded(value: Value) -> Value:
    """As a target compares that trims names; one that does not has one order more than it needs."""
    return value.strip().casefold() if isinstance(value, str) else value
