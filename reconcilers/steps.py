"""The typed steps of a plan, and a step as plain data: what plans print and digests are made of.

A step that destroys holds a `Proof` that the source was read to its end; there is no other way to
make one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Any

from reconcilers.diff import FieldChange
from reconcilers.levels import LEVELS
from reconcilers.model import RANK, Current, Entity, Key, Kind
from reconcilers.proof import Proof

EXTERNAL_ID = "ExternalId"


class Action(StrEnum):
    """What a step does to the target."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    ADOPT = "adopt"
    REBIND = "rebind"
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
class Rebind:
    """The same thing under a new id of the source: its external id changes, and whatever differs."""

    entity: Entity
    current: Current
    old: Key
    """The key it had; the source does not list it any more."""
    changes: tuple[FieldChange, ...]
    reason: str = "re-created in the source under a new id"
    action = Action.REBIND


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


Step = Create | Update | Adopt | Rebind | Replace | Delete | Release
InPlace = Update | Adopt | Rebind
"""Steps that write an entity where it is."""
Destructive = Delete | Replace
"""Steps that take something away from the target."""


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


def canonical(step: Step) -> str:
    """A step as one line of text: equal steps, equal lines, on every machine."""
    return dumps(step_record(step), sort_keys=True, ensure_ascii=False)


def digest_of(steps: Iterable[Step]) -> str:
    """A sha256 over the canonical lines of steps in their order, and nothing else."""
    digest = sha256()
    for step in steps:
        digest.update(canonical(step).encode("utf-8", "surrogatepass") + b"\n")
    return f"sha256:{digest.hexdigest()}"


def sort_key(step: Step) -> tuple[bool, int, tuple[str, int, str]]:
    """Canonical order: first everything but deletes down the hierarchy, then deletes up it."""
    deletes = isinstance(step, Delete)
    rank = RANK[kind_of(step)]
    return deletes, -rank if deletes else rank, natural(key_of(step))


def natural(key: Key) -> tuple[str, int, str]:
    """Keys in an order that people expect: numbers by value."""
    prefix, _, last = key.rpartition(":")
    return (prefix, int(last), "") if last.isdecimal() else (prefix, -1, last)
