"""Which steps wait for a person: approval, budgets, bookings. Judged on the whole plan, before any write.

A budget of the whole tenant that is overrun quarantines: nothing runs. Everything else holds single
steps, with all that waits for them, and the rest goes ahead.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.model import KINDS, Key, Kind, MappingState
from reconcilers.plan import Held, Plan
from reconcilers.policy import with_dependants
from reconcilers.source import Floor, Listing, Observation, Space, SpaceType
from reconcilers.steps import Action, Delete, Destructive, Step, Update, canonical, key_of, kind_of

ALWAYS, DESTRUCTIVE, BELOW = "EveryStep", "Destructive", "BelowDestroyed"
BOOKED, UNKNOWN, UNREAD = "FutureBookings", "UnknownBookings", "UnreadBookings"
SUBTREE, QUARANTINED, WAITS = "SubtreeBudget", "Quarantined", "WaitsForHeld"
"""Why a step is held."""

WHY_HELD = {
    QUARANTINED: "the plan is quarantined",
    BOOKED: "people have booked it",
    UNREAD: "its bookings could not be read",
    UNKNOWN: "nobody can know whether it is booked, and spec.deletion.unknownBookings is Hold",
    DESTRUCTIVE: "it cannot be undone",
    SUBTREE: "too much of its location would go at once (spec.deletion.subtreeBudget)",
    ALWAYS: "spec.approval.required is Always",
    BELOW: "its location is deleted or replaced",
    WAITS: "it waits for a step that is held",
}
"""In words, the strongest first."""

Reasons = dict[int, tuple[str, ...]]
"""Why steps are held, by their Python ids, the strongest reason first."""

_FIRM = (Kind.LOCATION, Kind.REGION, Kind.COUNTRY)
"""What is never deleted without an approval, where approvals are asked for at all."""


class Required(StrEnum):
    """Which steps wait for an approval."""

    NEVER = "Never"
    DESTRUCTIVE = "Destructive"
    ALWAYS = "Always"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may change at once: at most `count`, and `percent` of a population that is large enough."""

    percent: int
    minimum_population: int
    count: int | None = None

    def overrun(self, number: int, population: int) -> bool:
        """Is it too much?"""
        if self.count is not None and number > self.count:
            return True
        return population >= self.minimum_population and number * 100 > self.percent * population


@dataclass(frozen=True, slots=True)
class Guards:
    """What a tenant allows without asking."""

    required: Required = Required.DESTRUCTIVE
    deletions: Budget = Budget(percent=10, minimum_population=20, count=100)
    """Of a kind in the whole tenant."""
    below_location: Budget = Budget(percent=50, minimum_population=10)
    """Of a kind below one location."""
    updates: Budget = Budget(percent=50, minimum_population=20)
    unreadable: Budget = Budget(percent=20, minimum_population=20)
    """Records of one listing of the source that could not be understood."""
    hold_booked: bool = True
    hold_unknown: bool = False
    believe_empty: bool = False
    """May a listing of the source be empty from which the mapping holds something?"""
    grace: float = 0.0
    """Seconds that something must be missing from the source before it is deleted."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person approved: the held steps of one plan, and the bookings that were at risk then."""

    name: str
    """Of the plan."""
    lines: frozenset[str]
    """The held steps in their canonical form."""
    impacts: Mapping[Key, Impact] = field(default_factory=dict)

    def covers(self, step: Step, impact: Impact) -> bool:
        """Was this very step approved, and are no bookings in danger that nobody saw?"""
        seen = self.impacts.get(key_of(step), Impact())
        return (
            canonical(step) in self.lines
            and impact.bookings <= seen.bookings
            and impact.unknown <= seen.unknown
        )


def guard(
    plan: Plan,
    pairing: Pairing,
    impacts: Mapping[Key, Impact],
    breaches: Sequence[str],
    guards: Guards,
    approval: Approval | None,
) -> Plan:
    """The plan with what waits, and why. `breaches` are the source's own reasons for a quarantine."""
    overrun = [*breaches, *_overrun_deletions(plan.steps, pairing, guards)]
    updates = _overrun_updates(plan.steps, pairing, guards)
    quarantine = (*overrun, *updates) if plan.steps else tuple(breaches)
    reasons = _reasons(plan.steps, pairing, impacts, guards)
    if quarantine:
        reasons = {id(step): (QUARANTINED, *reasons.get(id(step), ())) for step in plan.steps}
    judged = replace(plan, impacts=impacts, quarantine=quarantine)
    if approval is None or not reasons:
        return _holding(judged, pairing, reasons)
    waiting = _spread(plan.steps, pairing, reasons)
    # Of a source that is not believed goes what a person has seen, and not one step more.
    uncovered = {
        id(step)
        for step in plan.steps
        if id(step) in waiting and not approval.covers(step, impacts.get(key_of(step), Impact()))
    }
    beyond = tuple(
        step
        for step in plan.steps
        if id(step) in uncovered
        and (breaches or isinstance(step, Destructive) or (updates and isinstance(step, Update)))
    )
    if beyond:
        return _holding(replace(judged, beyond=beyond), pairing, reasons)
    # What only adds may go with an approved plan, unless every single step needs its own approval.
    left: Reasons = dict.fromkeys(uncovered, (ALWAYS,)) if guards.required is Required.ALWAYS else {}
    return _holding(replace(judged, quarantine=(), approved=approval.name), pairing, left)


def source_breaches(observed: Observation, mapping: MappingState, guards: Guards) -> list[str]:
    """Listings of the source for which the whole of it is not believed: hardly readable, or empty by now."""
    listings: tuple[Listing[object], ...] = (  # type: ignore[type-var]
        observed.buildings, observed.floors, observed.spaces, observed.types, observed.centers
    )  # fmt: skip
    unreadable = [
        f"{len(listing.unreadable)} of {total} records of the source's {listing.name} cannot be read "
        f"({_percent(len(listing.unreadable), total)} is more than {guards.unreadable.percent} %); "
        "this ends by itself when the source can be read again"
        for listing in listings
        if guards.unreadable.overrun(
            len(listing.unreadable), total := len(listing.items) + len(listing.unreadable)
        )
    ]
    return unreadable if guards.believe_empty else [*unreadable, *_emptied(observed, mapping)]


def _emptied(observed: Observation, mapping: MappingState) -> Iterator[str]:
    """Without buildings or centers nothing is planned at all, so these are not looked at here."""
    ends = "this ends by itself when the source lists some again"
    listings: tuple[tuple[Kind, Listing[Floor] | Listing[Space] | Listing[SpaceType]], ...] = (
        (Kind.FLOOR, observed.floors),
        (Kind.RESOURCE, observed.spaces),
        (Kind.WORKSPACE_TYPE, observed.types),
    )
    for kind, listing in listings:
        if not listing.items and not listing.unreadable and (known := len(list(mapping.of(kind)))):
            holds = f"but the mapping holds {known} {kind}s"
            yield f"the source lists nothing in its {listing.name}, {holds}; {ends}"


def _holding(plan: Plan, pairing: Pairing, reasons: Reasons) -> Plan:
    spread = _spread(plan.steps, pairing, reasons) if reasons else {}
    held = ((step, spread[id(step)]) for step in plan.steps if id(step) in spread)
    return replace(plan, held=tuple(Held(step, why[0], why[1:]) for step, why in held))


def _spread(steps: Sequence[Step], pairing: Pairing, reasons: Reasons) -> Reasons:
    """Held with whatever waits for it; a location that only waits keeps all that is below it, too."""
    while True:
        waiting = with_dependants(list(steps), pairing, dict.fromkeys(reasons, WAITS), lambda _: WAITS)
        below = _below_leaving(steps, waiting)
        if below <= waiting.keys():
            return {step: reasons.get(step, (WAITS,)) for step in waiting}
        reasons = {**dict.fromkeys(below, (BELOW,)), **reasons}


def _below_leaving(steps: Iterable[Step], among: Container[int] | None = None) -> set[int]:
    """Destructive steps below a location that a step (`among` these) deletes or replaces itself."""
    destructive = [step for step in steps if isinstance(step, Destructive)]
    leaving = {
        step.current.id
        for step in destructive
        if kind_of(step) is Kind.LOCATION and (among is None or id(step) in among)
    }
    return {id(step) for step in destructive if _location_id(step) in leaving}


def _location_id(step: Destructive) -> int | None:
    """The internal id of the location that a step takes something from; None for what is not below one."""
    return step.current.parent_id if LEVELS[step.current.kind].parent is Kind.LOCATION else None


def _overrun_deletions(steps: Sequence[Step], pairing: Pairing, guards: Guards) -> list[str]:
    below = _below_leaving(steps)
    destroyed = Counter(
        kind_of(step) for step in steps if isinstance(step, Destructive) and id(step) not in below
    )
    return _overrun(destroyed, pairing, guards.deletions, "deleted or replaced", "spec.deletion.budget")


def _overrun_updates(steps: Iterable[Step], pairing: Pairing, guards: Guards) -> list[str]:
    changed = Counter(kind_of(step) for step in steps if isinstance(step, Update))
    return _overrun(changed, pairing, guards.updates, "updated", "spec.update.budget")


def _overrun(
    numbers: Mapping[Kind, int], pairing: Pairing, budget: Budget, what: str, where: str
) -> list[str]:
    population = Counter(current.kind for current in pairing.current_of.values())
    return [
        f"{number} of {population[kind]} {kind}s ({_percent(number, population[kind])}) would be {what}, "
        f"more than {where} allows ({_allowed(budget)})"
        for kind in KINDS
        if budget.overrun(number := numbers.get(kind, 0), population[kind])
    ]


def _allowed(budget: Budget) -> str:
    return f"{budget.percent} %" if budget.count is None else f"{budget.percent} % and at most {budget.count}"


def _percent(number: int, population: int) -> str:
    return f"{number * 100 / population:.0f} %" if population else "all"


def _reasons(
    steps: Sequence[Step], pairing: Pairing, impacts: Mapping[Key, Impact], guards: Guards
) -> Reasons:
    """Which steps are held for reasons of their own."""
    crowded = _crowded(steps, pairing, guards.below_location)
    reasons: Reasons = {}
    for step in steps:
        found = {ALWAYS} if guards.required is Required.ALWAYS else set()
        if isinstance(step, Destructive):
            found |= _destroying(step, impacts[key_of(step)], crowded, guards)
        if found:
            reasons[id(step)] = tuple(reason for reason in WHY_HELD if reason in found)
    return reasons


def _destroying(step: Destructive, impact: Impact, crowded: set[int], guards: Guards) -> set[str]:
    """Every guard that holds a step because of what it takes away."""
    destructive = guards.required is Required.DESTRUCTIVE
    asks = guards.hold_booked or destructive
    location = step.current.id if step.current.kind is Kind.LOCATION else _location_id(step)
    firm = step.action is Action.REPLACE or (isinstance(step, Delete) and kind_of(step) in _FIRM)
    found = {
        BOOKED: asks and impact.bookings,
        UNREAD: asks and impact.problem,
        UNKNOWN: guards.hold_unknown and impact.unknown,
        DESTRUCTIVE: destructive and firm,
        SUBTREE: location in crowded,
    }
    return {reason for reason, holds in found.items() if holds}


def _crowded(steps: Iterable[Step], pairing: Pairing, budget: Budget) -> set[int]:
    """Internal ids of the locations that would lose too much at once."""
    lost = Counter(
        (location, step.current.kind)
        for step in steps
        if isinstance(step, Destructive) and (location := _location_id(step)) is not None
    )
    if not lost:
        return set()
    population = Counter(
        (current.parent_id, current.kind)
        for current in pairing.current_of.values()
        if LEVELS[current.kind].parent is Kind.LOCATION
    )
    return {place[0] for place, number in lost.items() if budget.overrun(number, population[place])}
