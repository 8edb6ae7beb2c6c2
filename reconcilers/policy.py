"""Which steps of a plan may run. The one place where a step is withheld, and by which rule."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconcilers.match import Pairing
from reconcilers.model import Desired, Key, Kind, MappingState
from reconcilers.order import followers_of, needed_by, prerequisites, tied
from reconcilers.plan import Withheld, withhold_step
from reconcilers.slots import Slot, claimed_by, taken
from reconcilers.steps import Action, Delete, Step, Update, key_of, kind_of, parent_of

BY_POLICY, INCOMPLETE, WAITS = "ManagementPolicies", "SourceIncomplete", "WaitsForWithheld"
DOUBTFUL = "TargetIncomplete"
"""Something that the mapping holds is not listed in the target, so nothing is removed."""
TAKEN = "NameTaken"
"""Its name or number is held by something that stays."""
GRACE = "GracePeriod"
"""It is missing from the source, but not for long enough."""

TIED = "Tied"
"""It and others wait for each other in a ring that nothing can break."""

_NEEDS = {
    Action.CREATE: {"Create"},
    Action.UPDATE: {"Update"},
    Action.ADOPT: {"Update"},
    Action.REBIND: {"Update"},
    Action.DELETE: {"Delete"},
    Action.REPLACE: {"Create", "Delete"},
}


_DERIVED = {
    Kind.REGION: frozenset({"ResourceName"}),
    Kind.LOCATION: frozenset({"NumberOfFloorsAboveGround", "NumberOfFloorsBelowGround"}),
    Kind.FLOOR: frozenset({"FloorNumber"}),
}
"""Fields that follow from what hangs below, or from the siblings: back in time, they would change back."""


@dataclass(frozen=True, slots=True)
class Policies:
    """Crossplane's management policies; ``*`` allows everything."""

    allowed: frozenset[str] = frozenset({"*"})

    def forbids(self, action: Action) -> bool:
        """May a step of this action not run?"""
        return "*" not in self.allowed and not _NEEDS[action] <= self.allowed


def withhold(
    steps: list[Step],
    withheld: Iterable[Withheld],
    pairing: Pairing,
    policies: Policies,
    unsettled: frozenset[Key],
    fresh: frozenset[Key] = frozenset(),
) -> tuple[list[Step], list[Withheld]]:
    """The steps that may run, and all that are withheld, with whatever waits for them.

    `unsettled` is what an incomplete source leaves open, `fresh` what is missing not for long enough.
    """
    result = list(withheld)
    stuck = {item.key for item in result}
    occupied = taken(steps, pairing)
    shaken = _shaken(steps, fresh)
    reasons = {
        id(step): reason
        for step in steps
        if (reason := _reason(step, policies, unsettled, fresh, shaken, stuck, occupied)) is not None
    }
    reasons = {**dict.fromkeys(tied(steps, pairing), TIED), **reasons}
    if reasons:
        reasons = with_dependants(steps, pairing, reasons, lambda reason: GRACE if reason == GRACE else WAITS)
    result += [
        withhold_step(step, reasons[id(step)])
        for step in steps
        if id(step) in reasons and key_of(step) not in stuck
    ]
    return [step for step in steps if id(step) not in reasons], result


def unsettled_keys(desired: Desired, pairing: Pairing, mapping: MappingState) -> frozenset[Key]:
    """Where an incomplete source leaves something open: what is missing, and what it hangs below.

    What is derived from siblings (names, numbers, counts) cannot be trusted there.
    """
    mentioned = desired.entities.keys() | {skip.key for skip in desired.skips}
    missing = [
        entry
        for entry in mapping.entries.values()
        if entry.key not in desired.entities
        and entry.key not in mentioned
        and entry.key in pairing.current_of
    ]
    return frozenset(key for entry in missing for key in (entry.key, entry.parent) if key is not None)


def _reason(
    step: Step,
    policies: Policies,
    unsettled: frozenset[Key],
    fresh: frozenset[Key],
    shaken: frozenset[Key],
    stuck: set[Key],
    occupied: set[Slot],
) -> str | None:
    if stuck and (key_of(step) in stuck or not stuck.isdisjoint(needed_by(step))):
        return WAITS
    if policies.forbids(step.action):
        return BY_POLICY
    if key_of(step) in unsettled or parent_of(step) in unsettled:
        return INCOMPLETE
    if fresh and (_is_fresh(step, fresh) or _echoes(step, shaken)):
        return GRACE
    if occupied and not occupied.isdisjoint(claimed_by(step)):
        return TAKEN
    return None


def _is_fresh(step: Step, fresh: frozenset[Key]) -> bool:
    """Would it remove what is missing not for long? What is only not understood goes with its location."""
    return isinstance(step, Delete) and (step.goes_with or step.key) in fresh


def _shaken(steps: Iterable[Step], fresh: frozenset[Key]) -> frozenset[Key]:
    """What a missing floor or building hangs below; nothing is derived from its spaces."""
    missing = [step for step in steps if _is_fresh(step, fresh) and kind_of(step) is not Kind.RESOURCE]
    return frozenset(key for step in missing if (key := parent_of(step)) is not None)


def _echoes(step: Step, shaken: frozenset[Key]) -> bool:
    """Does it change nothing but what follows from what is missing below or beside it?"""
    if not isinstance(step, Update):
        return False
    derived = _DERIVED.get(kind_of(step), frozenset())
    near = key_of(step) in shaken or (kind_of(step) is Kind.FLOOR and parent_of(step) in shaken)
    return near and {change.field for change in step.changes} <= derived


def with_dependants(
    steps: list[Step], pairing: Pairing, reasons: dict[int, str], says: Callable[[str], str]
) -> dict[int, str]:
    """A reason not to run spreads to every step that waits for such a step; `says` tells as what."""
    nodes = prerequisites(steps, pairing)
    followers = followers_of([node.after for node in nodes])
    indexes: dict[int, list[int]] = {}
    going_with: dict[Key, list[int]] = {}
    for index, node in enumerate(nodes):
        indexes.setdefault(id(node.step), []).append(index)
        if isinstance(node.step, Delete) and node.step.goes_with is not None:
            going_with.setdefault(node.step.goes_with, []).append(index)
    for index, node in enumerate(nodes):
        followers[index] += going_with.get(key_of(node.step), ())
    spread = dict(reasons)
    open_indexes = [index for step in reasons for index in indexes[step]]
    while open_indexes:
        index = open_indexes.pop()
        for follower in followers[index]:
            step = id(nodes[follower].step)
            if step not in spread:
                spread[step] = says(spread[id(nodes[index].step)])
                open_indexes.extend(indexes[step])
    return spread
