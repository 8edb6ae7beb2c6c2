"""The life of a SyncPlan as its status tells it: what it is now, and what it becomes. Pure.

A SyncPlan without a state was never finished: its chunks may be missing, and nothing in it counts. Who may
write SyncPlans may not write their status, so that a state is always the operator's own word.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, cast

from engage_sync.conditions import FALSE, TRUE, get, set_condition
from engage_sync.crd import fit_plan_status
from engage_sync.kube_http import Json
from engage_sync.syncplan import State, SyncPlanStatus
from reconcilers.apply import Outcome, Status
from reconcilers.errors import SyncError, UnsupportedEnvironment
from reconcilers.guard import Approval
from reconcilers.plan import UNPROVEN, Plan
from reconcilers.policy import DOUBTFUL, INCOMPLETE
from reconcilers.report import Report
from reconcilers.steps import canonical, key_of, kind_of

OPEN = frozenset({State.PLANNED, State.APPROVAL_REQUIRED, State.QUARANTINED, State.APPLYING})
"""States of plans that can still be approved, or go on."""

FINISHED = frozenset({State.APPLIED, State.PARTIALLY_APPLIED})


class Pending(NamedTuple):
    """The plan that the status of a SyncTarget names, which tenants cannot write; empty when none waits."""

    name: str = ""
    held_digest: str = ""


Change = Callable[[Json], SyncPlanStatus | None]
"""From an object as it is now to its next status; None to leave it as it is."""


class Type(StrEnum):
    """The types of conditions."""

    APPROVED = "Approved"
    APPLIED = "Applied"
    SUPERSEDED = "Superseded"


class Reason(StrEnum):
    """Reasons of conditions."""

    APPROVED = "Approved"
    APPROVED_MEANWHILE = "ApprovedMeanwhile"
    """While a run was under way that knew nothing of it; the next one takes it up."""
    BEYOND_APPROVAL = "BeyondApproval"
    CHUNKS_DAMAGED = "ChunksDamaged"
    SUPERSEDED = "Superseded"
    NOTHING_TO_DO = "NothingToDo"
    APPLIED = "Applied"
    PARTIALLY_APPLIED = "PartiallyApplied"
    APPROVAL_REQUIRED = "ApprovalRequired"
    ENDED_EARLY = "EndedEarly"


def state_of(body: Json) -> str:
    """Its state; empty while it is not finished."""
    return str((body.get("status") or {}).get("state", ""))


def is_open(body: Json) -> bool:
    """Can it still be approved, or go on?"""
    return state_of(body) in OPEN


def is_approved(body: Json) -> bool:
    """Has somebody approved exactly what it holds?"""
    held = body["spec"].get("heldDigest")
    return bool(held) and (body["spec"].get("approval") or {}).get("digest") == held


def approved_because(body: Json) -> str:
    """The reason of the condition Approved, whatever its status; empty without one."""
    found = get((body.get("status") or {}).get("conditions", ()), Type.APPROVED)
    return found["reason"] if found else ""


def is_taken_up(body: Json) -> bool:
    """Has the operator itself said that the approval counts?"""
    return approved_because(body) in (Reason.APPROVED, Reason.APPROVED_MEANWHILE)


def is_pending(body: Json, pending: Pending) -> bool:
    """Is it the one that waits, as it was when it began to?"""
    return pending == (body["metadata"]["name"], body["spec"].get("heldDigest"))


def counts(body: Json, pending: Pending) -> bool:
    """Is it approved in a way that counts, and not spent?"""
    return (is_taken_up(body) or is_pending(body, pending)) and is_open(body) and is_approved(body)


def is_newly_approved(body: Json) -> bool:
    """Is there an approval that no run has answered?"""
    answered = approved_because(body) in (Reason.APPROVED, Reason.CHUNKS_DAMAGED)
    return is_open(body) and is_approved(body) and not answered


def is_over(body: Json) -> bool:
    """Was it carried out, or did another one take its place?"""
    return state_of(body) in FINISHED or state_of(body) == State.SUPERSEDED


def is_unfinished(body: Json) -> bool:
    """Was an approval taken up that is not spent, and may be?"""
    late = approved_because(body) == Reason.APPROVED_MEANWHILE
    return is_open(body) and is_taken_up(body) and (late or state_of(body) == State.APPLYING)


def changed_at(body: Json) -> tuple[str, str, str]:
    """When one of its conditions changed last: what it can be sorted by."""
    times = [found["lastTransitionTime"] for found in (body.get("status") or {}).get("conditions", ())]
    metadata = body["metadata"]
    return max(times, default=""), str(metadata.get("creationTimestamp", "")), str(metadata["name"])


def state_at_start(plan: Plan) -> State:
    """Of a plan that a run is about to apply."""
    if plan.quarantine:
        return State.QUARANTINED
    return State.APPLYING if plan.ready else State.APPROVAL_REQUIRED


class StatusWriter:
    """Makes the next status of an object."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def shown(self, body: Json, state: State | None, beyond: str) -> SyncPlanStatus:
        """What a person can read from now on; `beyond` says what goes beyond an approval."""
        status = self.in_state(body, state)
        return (
            self._with(body, status, Type.APPROVED, FALSE, Reason.BEYOND_APPROVAL, beyond)
            if beyond
            else status
        )

    def taken_up(self, body: Json, *, apply: bool, meanwhile: bool = False) -> SyncPlanStatus:
        """The approval counts."""
        status = self.in_state(body, State.APPLYING if apply else None)
        by = f"approved by {body['spec']['approval']['by']}"
        if meanwhile:
            text = f"{by} while a run was under way; the next run takes it up"
            return self._with(body, status, Type.APPROVED, TRUE, Reason.APPROVED_MEANWHILE, text)
        then = "" if apply else "; its steps run once spec.mode of the SyncTarget is Apply"
        return self._with(body, status, Type.APPROVED, TRUE, Reason.APPROVED, by + then)

    def damaged(self, body: Json, why: str) -> SyncPlanStatus:
        """The approval does not count, as nobody can know what it was given for."""
        text = (
            f"the approval does not count: {why}. The next run makes a new plan; look at that and approve it"
        )
        return self._with(body, self.in_state(body, None), Type.APPROVED, FALSE, Reason.CHUNKS_DAMAGED, text)

    def superseded(self, body: Json, by: str) -> SyncPlanStatus:
        """Another plan took its place, or none where nothing is left to do."""
        status = self.in_state(body, State.SUPERSEDED)
        if by:
            status["supersededBy"] = by
        if is_approved(body) and approved_because(body) != Reason.CHUNKS_DAMAGED:
            text = "the approval was not used: what there is to do is not what was approved"
            status = self._with(body, status, Type.APPROVED, FALSE, Reason.SUPERSEDED, text)
        reason = Reason.SUPERSEDED if by else Reason.NOTHING_TO_DO
        text = f"SyncPlan {by} took its place" if by else "a later run found nothing to do"
        return self._with(body, status, Type.SUPERSEDED, TRUE, reason, text)

    def applied(self, body: Json, state: State | None, reason: Reason, text: str) -> SyncPlanStatus:
        """How far it was carried out."""
        status = TRUE if reason is Reason.APPLIED else FALSE
        return self._with(body, self.in_state(body, state), Type.APPLIED, status, reason, text)

    def in_state(self, body: Json, state: State | None) -> SyncPlanStatus:
        """The status as it is, but for the state."""
        status = cast(SyncPlanStatus, dict(body.get("status") or {}))
        if state is not None:
            status["state"] = state.value
        return status

    def _with(
        self, body: Json, status: SyncPlanStatus, kind: Type, value: str, reason: Reason, text: str
    ) -> SyncPlanStatus:
        conditions = set_condition(
            status.get("conditions", ()),
            kind.value,
            value,
            reason.value,
            text,
            now=self._now(),
            generation=int(body["metadata"].get("generation", 0)),
        )
        return fit_plan_status({**status, "conditions": conditions})


def progress(report: Report) -> tuple[State, Reason, str]:
    """What an applying run, carried out to its end, made of the plan that it published."""
    plan, done = report.plan, report.writes
    text = _of(done, len(plan.ready), report)
    if plan.held:
        return (
            State.APPROVAL_REQUIRED,
            Reason.APPROVAL_REQUIRED,
            f"{text}; {len(plan.held)} more wait for approval",
        )
    if done == len(plan.ready):
        return State.APPLIED, Reason.APPLIED, text
    return State.PARTIALLY_APPLIED, Reason.PARTIALLY_APPLIED, text


def spent(report: Report, approval: Approval) -> tuple[State, Reason, str] | None:
    """What a run, carried out to its end, made of what was approved; None where it could not tell.

    An incomplete reading lets deletions rest: that there is none then does not mean that none is left to do.
    """
    if report.plan.quarantine:
        return None
    steps = [step for step in report.plan.steps if canonical(step) in approval.lines]
    outcomes = report.applied.outcomes if report.applied else []
    done = {_identity(outcome) for outcome in outcomes if outcome.status is Status.DONE}
    number = sum((kind_of(step), key_of(step), step.action) in done for step in steps)
    gone = len(approval.lines) - len(steps)
    text = f"{number} of the {len(approval.lines)} approved steps are done"
    if number < len(steps):
        return State.PARTIALLY_APPLIED, Reason.PARTIALLY_APPLIED, f"{text}; the rest needs a new approval"
    if gone and not is_conclusive(report):
        return None
    rest = f"; {gone} were not to be done any more" if gone else ""
    return (
        State.APPLIED,
        Reason.APPLIED,
        text + rest,
    )


def is_conclusive(report: Report) -> bool:
    """Did it look at everything, so that what it did not find is not there?"""
    unknown = (INCOMPLETE, UNPROVEN, DOUBTFUL)
    withheld = any(item.reason in unknown for item in report.plan.withheld)
    return not (report.gaps or withheld or report.plan.quarantine or report.rebuilt)


def ended_early(report: Report, why: SyncError) -> tuple[State | None, Reason, str]:
    """What a run made of its plan that ended before all steps had been tried."""
    state = State.APPROVAL_REQUIRED if report.plan.held else None
    if isinstance(why, UnsupportedEnvironment):
        return state or State.PLANNED, Reason.ENDED_EARLY, f"nothing of it is carried out: {why.message}"
    text = _of(report.writes, len(report.plan.ready), report)
    return state, Reason.ENDED_EARLY, f"{text}; the next run goes on, as this one ended early: {why.message}"


def _of(done: int, number: int, report: Report) -> str:
    failed = sum(outcome.status is Status.FAILED for outcome in report.failed)
    skipped = len(report.failed) - failed
    parts = [f"{failed} failed" if failed else "", f"{skipped} skipped" if skipped else ""]
    trouble = "".join(f", {part}" for part in parts if part)
    return f"{done} of {number} steps are done{trouble}"


def _identity(outcome: Outcome) -> tuple[object, ...]:
    return outcome.kind, outcome.key, outcome.action
