"""Pure planning: what is desired and what the target holds in, typed steps out."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from reconcilers.diff import FieldChange, field_changes
from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.match import Pairing, foreign
from reconcilers.model import Current, Desired, Entity, Key, Kind, Value
from reconcilers.proof import Proof
from reconcilers.steps import (
    EXTERNAL_ID,
    Action,
    Adopt,
    Create,
    Rebind,
    Replace,
    Step,
    Update,
    digest_of,
    key_of,
    kind_of,
    name_of,
)

UNPROVEN = "NotProven"


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something that would be done but may not, and why; without a proof it cannot even be a step."""

    action: Action
    kind: Kind
    key: Key
    name: str
    reason: str


def withhold_step(step: Step, reason: str) -> Withheld:
    """This step, withheld for this reason."""
    return Withheld(step.action, kind_of(step), key_of(step), name_of(step), reason)


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """What could not be matched with certainty, so that nothing is done about it, nor below it."""

    kind: Kind
    key: Key
    name: str
    reason: str
    could_be: tuple[str, ...]
    """What of the target it could be, each by its name and internal id."""
    rivals: tuple[Key, ...] = ()
    """Who else could be that."""


@dataclass(frozen=True, slots=True)
class Held:
    """A step that waits until a person approves it, and why."""

    step: Step
    reason: str
    """The strongest."""
    also: tuple[str, ...] = ()
    """Other guards that hold it."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """All of them, the strongest first."""
        return (self.reason, *self.also)


@dataclass(frozen=True)
class Plan:
    """Steps in canonical order: down the hierarchy, then deletes up; what of them waits; what is withheld."""

    steps: tuple[Step, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    """What a person must match by hand, as nobody else can; a run does not fail by it."""
    held: tuple[Held, ...] = ()
    """Steps of this plan that wait for an approval, in the order of `steps`."""
    quarantine: tuple[str, ...] = ()
    """Why nothing at all may be written, a sentence each; then every step is held."""
    impacts: Mapping[Key, Impact] = field(default_factory=dict)
    """What every step that destroys takes with it, by the key of the step."""
    approved: str = ""
    """The approval by which steps of this plan go ahead that would be held; empty without one."""
    beyond: tuple[Step, ...] = ()
    """What this plan destroys more than was approved, so that the approval does not hold for it."""

    @cached_property
    def ready(self) -> tuple[Step, ...]:
        """The steps that may be carried out now."""
        waiting = {id(item.step) for item in self.held}
        return tuple(step for step in self.steps if id(step) not in waiting)

    @cached_property
    def digest(self) -> str:
        """A sha256 over the canonical steps and nothing else: same steps, same digest."""
        return digest_of(self.steps)

    @cached_property
    def held_digest(self) -> str:
        """The digest of the held steps alone; empty when nothing is held."""
        return digest_of(item.step for item in self.held) if self.held else ""

    @property
    def summary(self) -> str:
        """The plan in a few characters, for example ``+9 ~4 -2``; ``in sync`` when there is no step."""
        count = Counter(step.action for step in self.steps)
        parts = (
            ("+", count[Action.CREATE]),
            ("~", count[Action.UPDATE]),
            ("±", count[Action.REPLACE]),
            ("=", count[Action.ADOPT] + count[Action.REBIND]),
            ("-", count[Action.DELETE]),
        )
        return " ".join(f"{sign}{number}" for sign, number in parts if number) or "in sync"


def compare(
    desired: Desired,
    pairing: Pairing,
    adopted: Mapping[Key, Current],
    rebound: Mapping[Key, Key],
    proof: Proof | None,
    unmarked: Collection[Key] = (),
) -> tuple[list[Step], list[Withheld]]:
    """Steps for everything that is desired, and the replacements that nobody could prove.

    `unmarked` is what the target would not take an external id for, so that none is asked of it again.
    """
    steps: list[Step] = []
    unproven: list[Withheld] = []
    replaced: set[Value] = set()
    references = _references(pairing)
    for entity in desired.entities.values():
        current = pairing.current_of.get(entity.key)
        if current is None:
            steps.append(Create(entity))
            continue
        old = _as_desired(current, references)
        below = entity.values[1] in replaced
        known_as = rebound.get(entity.key, entity.key)
        marked = current.external_id == entity.key or known_as in unmarked
        if old == entity.values and marked and not below and known_as == entity.key:
            continue
        mark = current.external_id if marked else entity.key
        changes = _changes(entity, current, old, mark)
        reason = "its parent is replaced" if below else _cannot_change(entity.kind, changes)
        if reason and proof is not None:
            replaced.add(entity.key)
            steps.append(Replace(entity, current, changes, proof, reason))
        elif reason:
            replaced.add(entity.key)
            unproven.append(Withheld(Action.REPLACE, entity.kind, entity.key, entity.name, UNPROVEN))
        elif entity.key in rebound:
            steps.append(Rebind(entity, current, rebound[entity.key], changes))
        elif entity.key in adopted:
            steps.append(Adopt(entity, current, changes))
        else:
            steps.append(Update(entity, current, changes))
    return steps, unproven


_References = dict[Kind, list[tuple[int, dict[int, Key]]]]


def _references(pairing: Pairing) -> _References:
    """By kind: where the values of a current entity are references, and the keys they stand for."""
    return {
        kind: [(place, pairing.keys[field.ref]) for place, field in enumerate(level.fields) if field.ref]
        for kind, level in LEVELS.items()
    }


def _as_desired(current: Current, references: _References) -> tuple[Value, ...]:
    """The values of a current entity with references as keys, to be compared with an entity's."""
    values = list(current.values)
    for place, keys in references[current.kind]:
        internal_id = values[place]
        if internal_id is not None:
            values[place] = keys.get(internal_id) or foreign(internal_id)  # type: ignore[arg-type]
    return tuple(values)


def _changes(
    entity: Entity, current: Current, old: tuple[Value, ...], mark: str | None
) -> tuple[FieldChange, ...]:
    names = [field.name for field in LEVELS[entity.kind].fields]
    return field_changes(
        {**dict(zip(names, old, strict=True)), EXTERNAL_ID: current.external_id},
        {**dict(zip(names, entity.values, strict=True)), EXTERNAL_ID: mark},
    )


def _cannot_change(kind: Kind, changes: tuple[FieldChange, ...]) -> str:
    changed = {change.field for change in changes}
    fixed = [field.name for field in LEVELS[kind].fields if field.immutable and field.name in changed]
    return f"{' and '.join(fixed)} cannot be changed in place" if fixed else ""
