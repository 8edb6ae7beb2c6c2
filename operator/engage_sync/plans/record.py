"""A plan as the spec of a SyncPlan. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from engage_sync.crd import fit_plan
from engage_sync.plan_document import PlanDocument
from engage_sync.plans.owner import Owner
from engage_sync.syncplan import Counts, SyncPlanSpec
from engage_sync.syncplan import Destructive as DestructiveRow
from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.model import KINDS, Entity, Kind
from reconcilers.plan import Plan
from reconcilers.steps import Create, Delete, Destructive, Release, Replace, Step, key_of, kind_of, name_of

_BOOKINGS_MAX = 16
"""Longest text of ``bookings``, in characters."""


def spec_of(
    plan: Plan,
    document: PlanDocument,
    owner: Owner,
    run_id: str,
    chunks: Sequence[str],
    calls_left: int | None,
) -> SyncPlanSpec:
    """The spec of the SyncPlan, within the bounds of its schema.

    Args:
        plan: what to record.
        document: the same as data.
        owner: the SyncTarget.
        run_id: of the run that found it.
        chunks: names of the ConfigMaps.
        calls_left: calls to Engage that are left of the week; None without a limit.
    """
    calls = estimate(plan.steps)
    spec = SyncPlanSpec(
        synctarget=owner.name,
        synctargetUID=owner.uid,
        runID=run_id,
        digest=document.digest,
        summary=plan.summary,
        counts=_counts(plan),
        held=len(plan.held),
        chunks=list(chunks),
        estimatedCalls=calls,
    )
    if document.held_digest:
        spec["heldDigest"] = document.held_digest
    if document.risk_digest:
        spec["riskDigest"] = document.risk_digest
    if plan.quarantine:
        spec["quarantine"] = list(plan.quarantine)
    if rows := _destructive(plan):
        spec["destructive"] = rows
    if calls_left is not None:
        spec["quotaLeft"] = calls_left - calls
    return fit_plan(spec)


def estimate(steps: Iterable[Step]) -> int:
    """Calls to Engage that these steps cost at least: names that swap cost a call more."""
    return sum(map(_calls, steps))


def _calls(step: Step) -> int:
    if isinstance(step, Delete | Release):
        return 1
    if isinstance(step, Create):
        return 1 + _linked(step.entity)
    if isinstance(step, Replace):
        return 2 + _linked(step.entity)
    linked = {field.name for field in LEVELS[step.entity.kind].fields if field.linked}
    changed = {change.field for change in step.changes}
    return max(1, len(changed & linked) + bool(changed - linked))


def _linked(entity: Entity) -> int:
    """Fields that take a call of their own once the entity exists."""
    fields = zip(LEVELS[entity.kind].fields, entity.values, strict=True)
    return sum(field.linked and value is not None for field, value in fields)


def _counts(plan: Plan) -> list[Counts]:
    actions = Counter((kind_of(step), step.action.value) for step in plan.steps)
    held = Counter(kind_of(item.step) for item in plan.held)
    rows: list[Counts] = []
    for kind in KINDS:
        row: dict[str, int] = {action: number for (which, action), number in actions.items() if which is kind}
        if row:
            row |= {"held": held[kind]} if held[kind] else {}
            rows.append(Counts(kind=kind.value, **row))  # type: ignore[typeddict-item]
    return rows


def _destructive(plan: Plan) -> list[DestructiveRow]:
    """Locations first, as most goes with them; else in the order of the plan."""
    held = {id(item.step): item.reason for item in plan.held}
    steps = [step for step in plan.steps if isinstance(step, Destructive)]
    steps.sort(key=lambda step: kind_of(step) is not Kind.LOCATION)
    return [_row(step, held.get(id(step), ""), plan.impacts.get(key_of(step), Impact())) for step in steps]


def _row(step: Destructive, held: str, impact: Impact) -> DestructiveRow:
    kind = kind_of(step)
    row = DestructiveRow(
        action=step.action.value,
        kind=kind.value,
        key=key_of(step),
        name=name_of(step),
        reason=step.reason,
        held=held,
    )
    if kind is Kind.LOCATION:
        row["floors"] = impact.floors
    if kind in (Kind.LOCATION, Kind.FLOOR):
        row["resources"] = impact.resources
    if kind in (Kind.LOCATION, Kind.FLOOR, Kind.RESOURCE):
        at_risk = impact.at_risk
        row["bookings"] = at_risk if len(at_risk) <= _BOOKINGS_MAX else f"{len(impact.bookings)}+"
    return row
