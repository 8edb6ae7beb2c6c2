"""Is what is listed believable beside what the mapping holds?

A listing that comes back empty or halved, with a 200, looks as if somebody had deleted everything in it.
In the target, one leaf that is missing was deleted by hand and is made again; what cannot be missing alone,
or too much at once, is not believed. The source may lose much, which the budgets judge, but not everything.
"""

from collections import Counter
from collections.abc import Iterator

from reconcilers.errors import EmptySource, IncompleteAnswer
from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.model import RANK, Desired, Entry, Key, Kind, MappingState, State
from reconcilers.source import Observation
from reconcilers.translate import Scope

HALF = 4
"""From so many siblings on, more than half of them missing is too much at once."""

Listing = tuple[Kind, Key | None, str]


def check_not_empty(observed: Observation, mapping: MappingState, scope: Scope) -> None:
    """A source that lists nothing any more is not believed. Raises EmptySource."""
    if not any(mapping.of(Kind.LOCATION)):
        return
    if not observed.buildings.items and not observed.buildings.unreadable:
        raise EmptySource(
            "the source lists no building although the mapping holds some; nothing was written. "
            "If all buildings are really gone, delete this SyncTarget instead",
            system="source",
        )
    if scope.require_reservation_center and not observed.centers.items and not observed.centers.unreadable:
        raise EmptySource(
            "the source lists no reservation center although the mapping holds locations; "
            "nothing was written. If centers are not used any more, set spec.scope.requireReservationCenter: "
            "false",
            system="source",
        )


def check_not_vanished(desired: Desired, pairing: Pairing, mapping: MappingState) -> list[Entry]:
    """What the mapping holds, is still desired, and is not in the target, if that is believable.

    Raises IncompleteAnswer when it is not.
    """
    known = [
        entry
        for entry in mapping.entries.values()
        if entry.state is State.SYNCED and entry.key in desired.entities
    ]
    missing = [entry for entry in known if entry.key not in pairing.current_of]
    if not missing:
        return []
    expected = Counter(map(_listing, known))
    lost = Counter(map(_listing, missing))
    held = {entry.parent for entry in known} | set(_still_named(missing, desired, pairing))
    for entry in sorted(missing, key=lambda entry: RANK[entry.kind]):
        listing = _listing(entry)
        if entry.key in held or _too_much(lost[listing], expected[listing]):
            raise IncompleteAnswer(_sentence(entry, lost[listing], expected[listing]), system="target")
    return missing


def _too_much(lost: int, expected: int) -> bool:
    return (lost == expected and expected > 1) or (expected >= HALF and lost * 2 > expected)


def _listing(entry: Entry) -> Listing:
    return entry.kind, entry.parent, entry.variant


def _still_named(missing: list[Entry], desired: Desired, pairing: Pairing) -> Iterator[Key]:
    """Keys of what is missing though something that is listed still names it, or names nothing instead."""
    by_id = {(entry.kind, entry.id): entry.key for entry in missing}
    keys = set(by_id.values())
    for key, current in pairing.current_of.items():
        entity = desired.entities.get(key)
        for place, field in enumerate(LEVELS[current.kind].fields):
            if field.ref is not None:
                named = current.values[place]
                if (found := by_id.get((field.ref, named))) is not None:  # type: ignore[arg-type]
                    yield found
                elif named is None and entity is not None and entity.values[place] in keys:
                    yield Key(str(entity.values[place]))


def _sentence(entry: Entry, lost: int, expected: int) -> str:
    where = f" below {entry.parent}" if entry.parent else ""
    return (
        f"{entry.kind}: {lost} of {expected} that the mapping holds{where} not listed, first {entry.key}; "
        "this is not believed and nothing was written. If they were deleted there on purpose, delete the "
        "mapping: it is then rebuilt"
    )
