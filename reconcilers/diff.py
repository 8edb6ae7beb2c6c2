"""Field by field, what differs between two versions of one entity. The only module that knows deepdiff."""

from collections.abc import Mapping
from dataclasses import dataclass

from deepdiff import DeepDiff

from reconcilers.model import Value


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that shall change; references are keys."""

    field: str
    old: Value
    new: Value


def field_changes(old: Mapping[str, Value], new: Mapping[str, Value]) -> tuple[FieldChange, ...]:
    """The fields of `new` that differ, in the order of `new`. Call it only where something differs."""
    names = [name for name in new if old[name] != new[name]]  # deepdiff takes its time for equal ones too
    before, after = ({name: side[name] for name in names} for side in (old, new))
    found = DeepDiff(before, after, view="tree", verbose_level=0)
    changed = {
        change.path(output_format="list")[0]
        for kind in ("values_changed", "type_changes")
        for change in found.get(kind, ())
    }
    return tuple(FieldChange(name, old[name], new[name]) for name in names if name in changed)
