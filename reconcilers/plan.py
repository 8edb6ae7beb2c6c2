"""Pure planning: what is desired and what the target holds in, typed steps out.

A step that destroys holds a `Proof` that the source was read to its end; there is no other way to
make one.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Any

from reconcilers.diff import FieldChange, field_changes
from reconcilers.levels import LEVELS
from reconcilers.match import Pairing, foreign
from reconcilers.model import RANK, Current, Desired, Entity, Key, Kind, Value
from reconcilers.proof import Proof

EXTERNAL_ID = "ExternalId"
UNPROVEN = "NotProven"


class Action(StrEnum):
    """What a step does to the target."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    ADOPT = "adopt"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Create:
    """Make what is not there."""

    entity: Entity
    reason: str = "not in the target"
    action = Action.CREATE


@dataclass(frozen=True, slots=True)
class Update:
    """Change fields in place."""

    entity: Entity
    current: Current
    changes: tuple[FieldChange, ...]
    reason: str = "differs"
    action = Action.UPDATE


@dataclass(frozen=True, slots=True)
class Adopt:
    """Use what is there already: set its external id, and whatever differs, in one call."""

    entity: Entity
    current: Current
    changes: tuple[FieldChange, ...]
    reason: str = "already in the target"
    action = Action.ADOPT


@dataclass(frozen=True, slots=True)
class Replace:
    """Delete and make anew, because the target cannot change it in place."""

    entity: Entity
    current: Current
    changes: tuple[FieldChange, ...]
    proof: Proof
    reason: str
    action = Action.REPLACE


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove what is ours and no longer desired."""

    key: Key
    current: Current
    proof: Proof
    reason: str
    parent: Key | None = None
    goes_with: Key | None = None
    """The location without whose going this would stay."""
    action = Action.DELETE


@dataclass(frozen=True, slots=True)
class Release:
    """Give back what came with the product: clear its external id and forget it."""

    key: Key
    current: Current
    reason: str
    parent: Key | None = None
    action = Action.UPDATE

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """The external id, cleared."""
        return (FieldChange(EXTERNAL_ID, self.current.external_id, None),)


Step = Create | Update | Adopt | Replace | Delete | Release


def key_of(step: Step) -> Key:
    """The key of the entity that a step is about."""
    return step.key if isinstance(step, Delete | Release) else step.entity.key


def kind_of(step: Step) -> Kind:
    """The kind of the entity that a step is about."""
    return step.current.kind if isinstance(step, Delete | Release) else step.entity.kind


def name_of(step: Step) -> str:
    """The name that people know it by."""
    return step.current.name if isinstance(step, Delete | Release) else step.entity.name


def parent_of(step: Step) -> Key | None:
    """The key of what it hangs below."""
    return step.parent if isinstance(step, Delete | Release) else step.entity.parent


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
class Plan:
    """Steps in canonical order: down the hierarchy, then deletes up; and what is withheld."""

    steps: tuple[Step, ...] = ()
    withheld: tuple[Withheld, ...] = ()

    @property
    def digest(self) -> str:
        """A sha256 over the canonical steps and nothing else: same steps, same digest."""
        canonical = sha256()
        for step in self.steps:
            line = dumps(step_record(step), sort_keys=True, ensure_ascii=False)
            canonical.update(line.encode("utf-8", "surrogatepass") + b"\n")
        return f"sha256:{canonical.hexdigest()}"

    @property
    def summary(self) -> str:
        """The plan in a few characters, for example ``+9 ~4 -2``; ``in sync`` when there is no step."""
        count = Counter(step.action for step in self.steps)
        parts = (
            ("+", count[Action.CREATE]),
            ("~", count[Action.UPDATE]),
            ("±", count[Action.REPLACE]),
            ("=", count[Action.ADOPT]),
            ("-", count[Action.DELETE]),
        )
        return " ".join(f"{sign}{number}" for sign, number in parts if number) or "in sync"


def step_record(step: Step) -> dict[str, Any]:
    """A step as plain data: what plans print and digests are made of."""
    changes = (
        () if isinstance(step, Delete) else _all_fields(step) if isinstance(step, Create) else step.changes
    )
    return {
        "action": step.action.value,
        "kind": kind_of(step).value,
        "key": key_of(step),
        "externalId": key_of(step),
        "name": name_of(step),
        "parent": parent_of(step),
        "changes": [{"field": change.field, "from": change.old, "to": change.new} for change in changes],
        "reason": step.reason,
    }


def _all_fields(step: Create) -> tuple[FieldChange, ...]:
    level = LEVELS[step.entity.kind]
    return tuple(
        FieldChange(field.name, None, value)
        for field, value in zip(level.fields, step.entity.values, strict=True)
        if value is not None
    )


def sort_key(step: Step) -> tuple[bool, int, tuple[str, int, str]]:
    """Canonical order: first everything but deletes down the hierarchy, then deletes up it."""
    deletes = isinstance(step, Delete)
    rank = RANK[kind_of(step)]
    return deletes, -rank if deletes else rank, natural(key_of(step))


def natural(key: Key) -> tuple[str, int, str]:
    """Keys in an order that people expect: numbers by value."""
    prefix, _, last = key.rpartition(":")
    return (prefix, int(last), "") if last.isdecimal() else (prefix, -1, last)


def compare(
    desired: Desired, pairing: Pairing, adopted: dict[Key, Current], proof: Proof | None
) -> tuple[list[Step], list[Withheld]]:
    """Steps for everything that is desired, and the replacements that nobody could prove."""
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
        if old == entity.values and current.external_id == entity.key and not below:
            continue
        changes = _changes(entity, current, old)
        reason = "its parent is replaced" if below else _cannot_change(entity.kind, changes)
        if reason and proof is not None:
            replaced.add(entity.key)
            steps.append(Replace(entity, current, changes, proof, reason))
        elif reason:
            replaced.add(entity.key)
            unproven.append(Withheld(Action.REPLACE, entity.kind, entity.key, entity.name, UNPROVEN))
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


def _changes(entity: Entity, current: Current, old: tuple[Value, ...]) -> tuple[FieldChange, ...]:
    names = [field.name for field in LEVELS[entity.kind].fields]
    return field_changes(
        {**dict(zip(names, old, strict=True)), EXTERNAL_ID: current.external_id},
        {**dict(zip(names, entity.values, strict=True)), EXTERNAL_ID: entity.key},
    )


def _cannot_change(kind: Kind, changes: tuple[FieldChange, ...]) -> str:
    changed = {change.field for change in changes}
    fixed = [field.name for field in LEVELS[kind].fields if field.immutable and field.name in changed]
    return f"{' and '.join(fixed)} cannot be changed in place" if fixed else ""
