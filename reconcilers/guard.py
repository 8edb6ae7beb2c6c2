"""Which steps wait for a person: approval, budgets, bookings. Judged on the whole plan, before any write.

A budget of the whole tenant that is overrun quarantines: nothing runs. Everything else holds single
steps, with all that waits for them, and the rest goes ahead.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.model import KINDS, Key, Kind
from reconcilers.plan import Held, Plan
from reconcilers.policy import with_dependants
from reconcilers.source import Listing, Observation
from reconcilers.steps import Action, Delete, Destructive, Step, Update, canonical, key_of, kind_of

ALWAYS, DESTRUCTIVE, BELOW = "EveryStep", "Destructive", "BelowDestroyed"
BOOKED, UNKNOWN, UNREAD = "FutureBookings", "UnknownBookings", "UnreadBookings"
SUBTREE, QUARANTINED, WAITS = "SubtreeBudget", "Quarantined", "WaitsForHeld"
"""Why a step is held."""

WHY_HELD = {
    ALWAYS: "spec.approval.required is Always",
    DESTRUCTIVE: "it cannot be undone",
    BELOW: "its location is deleted or replaced",
    BOOKED: "people have booked it",
    UNKNOWN: "nobody can know whether it is booked, and spec.deletion.unknownBookings is Hold",
    UNREAD: "its bookings could not be read",
    SUBTREE: "too much of its location would go at once (spec.deletion.subtreeBudget)",
    QUARANTINED: "the plan is quarantined",
    WAITS: "it waits for a step that is held",
}

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
    below = _below_leaving(plan.steps, pairing)
    overrun = [*breaches, *_overrun_deletions(plan.steps, pairing, below, guards)]
    updates = _overrun_updates(plan.steps, pairing, guards)
    quarantine = (*overrun, *updates) if plan.steps else tuple(breaches)
    if quarantine:
        reasons = {id(step): QUARANTINED for step in plan.steps}
    else:
        reasons = _reasons(plan.steps, pairing, impacts, below, guards)
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
    left = dict.fromkeys(uncovered, ALWAYS) if guards.required is Required.ALWAYS else {}
    return _holding(replace(judged, quarantine=(), approved=approval.name), pairing, left)


def source_breaches(observed: Observation, guards: Guards) -> list[str]:
    """Listings of the source with so many unreadable records that the whole of it is not believed."""
    listings: tuple[Listing[object], ...] = (  # type: ignore[type-var]
        observed.buildings, observed.floors, observed.spaces, observed.types, observed.centers
    )  # fmt: skip
    return [
        f"{len(listing.unreadable)} of {total} records of the source's {listing.name} cannot be read "
        f"({_percent(len(listing.unreadable), total)} is more than {guards.unreadable.percent} %); "
        "this ends by itself when the source can be read again"
        for listing in listings
        if guards.unreadable.overrun(
            len(listing.unreadable), total := len(listing.items) + len(listing.unreadable)
        )
    ]


def _holding(plan: Plan, pairing: Pairing, reasons: Mapping[int, str]) -> Plan:
    spread = _spread(plan.steps, pairing, reasons) if reasons else {}
    return replace(
        plan, held=tuple(Held(step, spread[id(step)]) for step in plan.steps if id(step) in spread)
    )


def _spread(steps: Sequence[Step], pairing: Pairing, reasons: Mapping[int, str]) -> Mapping[int, str]:
    """Held with whatever waits for it; a location that only waits keeps all that is below it, too."""
    while True:
        spread = with_dependants(list(steps), pairing, dict(reasons), lambda _: WAITS)
        below = _below_held(steps, spread)
        if below.keys() <= spread.keys():
            return spread
        reasons = {**below, **reasons}


def _below_held(steps: Iterable[Step], reasons: Mapping[int, str]) -> dict[int, str]:
    held_locations = {
        step.current.id
        for step in steps
        if isinstance(step, Destructive) and id(step) in reasons and kind_of(step) is Kind.LOCATION
    }
    return {
        id(step): BELOW
        for step in steps
        if isinstance(step, Destructive) and _location_id(step) in held_locations
    }


def _below_leaving(steps: Iterable[Step], pairing: Pairing) -> dict[int, Key]:
    """Destructive steps below a location that is deleted or replaced itself, with that location's key."""
    leaving = {
        key_of(step): step.current.id
        for step in steps
        if isinstance(step, Destructive) and kind_of(step) is Kind.LOCATION
    }
    places = {internal_id: key for key, internal_id in leaving.items()}
    return {
        id(step): places[int(location)]
        for step in steps
        if isinstance(step, Destructive) and (location := _location_id(step)) in places
    }


def _location_id(step: Destructive) -> int | None:
    """The internal id of the location that a step takes something from; None for what is not below one."""
    return step.current.parent_id if LEVELS[step.current.kind].parent is Kind.LOCATION else None


def _overrun_deletions(
    steps: Iterable[Step], pairing: Pairing, below: Mapping[int, Key], guards: Guards
) -> list[str]:
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
    steps: Sequence[Step],
    pairing: Pairing,
    impacts: Mapping[Key, Impact],
    below: Mapping[int, Key],
    guards: Guards,
) -> dict[int, str]:
    """Which steps are held for a reason of their own."""
    if guards.required is Required.ALWAYS:
        return {id(step): ALWAYS for step in steps}
    crowded = _crowded(steps, pairing, guards.below_location)
    reasons: dict[int, str] = {}
    for step in steps:
        if isinstance(step, Destructive):
            why = _reason(step, impacts[key_of(step)], crowded, guards)
            if why:
                reasons[id(step)] = why
    return {**_below_held(steps, reasons), **reasons}


def _reason(step: Destructive, impact: Impact, crowded: set[int], guards: Guards) -> str:
    location = step.current.id if step.current.kind is Kind.LOCATION else _location_id(step)
    if location in crowded:
        return SUBTREE
    if guards.hold_booked or guards.required is Required.DESTRUCTIVE:
        if impact.bookings:
            return BOOKED
        if impact.problem:
            return UNREAD
    if impact.unknown and guards.hold_unknown:
        return UNKNOWN
    firm = step.action is Action.REPLACE or (isinstance(step, Delete) and kind_of(step) in _FIRM)
    return DESTRUCTIVE if firm and guards.required is Required.DESTRUCTIVE else ""


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
