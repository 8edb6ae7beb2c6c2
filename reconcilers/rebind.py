"""The same thing under a new id: the source deleted a record and made it again, as imports like to do.

What has the path of something that is gone, name by name from the top, is that thing; its external id
is written anew and everything that hangs on it, bookings too, stays.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.model import KINDS, Current, Desired, Entity, Key, Kind, Value
from reconcilers.proof import Proof

Path = tuple[Value, ...]


def rebind(
    desired: Desired, pairing: Pairing, proof: Proof | None, records: Collection[Key] = ()
) -> dict[Key, Key]:
    """The old key by the new one, and the pairing changed to it; without a proof nothing counts as gone.

    `records` are keys of what the source lists though it is neither desired nor skipped.
    """
    found: dict[Key, Key] = {}
    if proof is None:
        return found
    listed = {skip.key for skip in desired.skips} | set(records)
    listed |= set(_holding_what_is_kept(desired, pairing))
    gone_by_kind: dict[Kind, list[tuple[Key, Current]]] = {}
    for key in [key for key in pairing.current_of if key not in desired.entities]:
        if key not in listed:
            current = pairing.current_of[key]
            gone_by_kind.setdefault(current.kind, []).append((key, current))
    new = [entity for entity in desired.entities.values() if entity.key not in pairing.current_of]
    for kind in KINDS:  # down the hierarchy: a path begins with a parent that is known by now
        gone = _by_path(gone_by_kind.get(kind, []))
        for entity in new if gone else ():
            if entity.kind is kind and (old := gone.pop(_path_to(entity, pairing), None)) is not None:
                pairing.pair(entity.key, pairing.part(old))
                found[entity.key] = old
    return found


def _holding_what_is_kept(desired: Desired, pairing: Pairing) -> Iterator[Key]:
    """Containers of locations that are not understood: as another place they would move these with them."""
    for skip in desired.skips:
        item = pairing.current_of.get(skip.key) if skip.kept and skip.kind is Kind.LOCATION else None
        while item is not None and (above := LEVELS[item.kind].parent) is not None:
            key = pairing.keys[above].get(item.parent_id or 0)
            item = None if key is None else pairing.current_of[key]
            if key is not None:
                yield key


def _by_path(gone: list[tuple[Key, Current]]) -> dict[Path, Key]:
    """Keys by path; what shares its path could be either, so it is neither."""
    paths = [_path_of(current) for _, current in gone]
    count = Counter(paths)
    return {path: key for path, (key, _) in zip(paths, gone, strict=True) if count[path] == 1}


def _path_of(current: Current) -> Path:
    fields = LEVELS[current.kind].fields
    return tuple(
        _folded(value) if position == 0 else value
        for position, value in enumerate(current.values)
        if fields[position].path
    )


def _path_to(entity: Entity, pairing: Pairing) -> Path:
    """The path as the target would have it: parents by their internal ids."""
    path: list[Value] = []
    for position, (field, value) in enumerate(zip(LEVELS[entity.kind].fields, entity.values, strict=True)):
        if field.path and field.ref is not None and value is not None:
            above = pairing.current_of.get(Key(str(value)))
            path.append(above.id if above is not None else str(value))
        elif field.path:
            path.append(_folded(value) if position == 0 else value)
    return tuple(path)


def _folded(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value
