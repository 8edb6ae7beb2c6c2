"""A run, or a plan from the cluster, as plain data: the contract's JSON (section 8)."""

from collections.abc import Sequence
from typing import Any

from engage_sync.plan_document import PlanDocument, document_of
from engage_sync.states import Requests
from reconcilers.apply import Outcome
from reconcilers.merge import sentence
from reconcilers.model import KINDS, Kind
from reconcilers.report import Report
from reconcilers.steps import Action

Data = dict[str, Any]
"""A run or a plan as the contract's JSON has it, section 8. Of a plan from the cluster there are no `kinds`,
`skips`, `failures`, `withheld`, `leftAlone`, `gaps` and `requests`, but there is a `syncPlan`."""


_BOOKABLE = (Kind.LOCATION, Kind.FLOOR, Kind.RESOURCE)
_STEP = ("action", "kind", "key", "externalId", "name", "parent", "changes", "reason")
"""The keys of a step in the contract's order; its canonical line has them sorted."""


def as_data(report: Report, requests: Requests) -> Data:
    """A run as plain data."""
    plan = report.plan
    return {
        **plan_data(document_of(plan), plan.quarantine),
        "withheld": [
            {
                "action": item.action,
                "kind": item.kind,
                "key": item.key,
                "name": item.name,
                "reason": item.reason,
            }
            for item in plan.withheld
        ],
        "leftAlone": [
            {
                "kind": item.kind,
                "key": item.key,
                "name": item.name,
                "reason": item.reason,
                "message": sentence(item),
            }
            for item in plan.left_alone
        ],
        "skips": [
            {"kind": kind, "reason": reason, "count": count} for (kind, reason), count in report.skips.items()
        ],
        "failures": [_failure(outcome) for outcome in report.problems],
        "gaps": [str(gap) for gap in report.gaps],
        "kinds": [
            {
                "kind": row.kind.value,
                "source": row.source,
                "inScope": row.in_scope,
                "target": row.target,
                "mapped": row.mapped,
                "created": row.created,
                "updated": row.updated,
                "deleted": row.deleted,
                "failed": row.failed,
            }
            for row in report.kinds
        ],
        "requests": {"source": requests.get("source", 0), "target": requests.get("target", 0)},
    }


def plan_data(document: PlanDocument, quarantine: Sequence[str] = ()) -> Data:
    """What there is to say of a plan, wherever it was kept."""
    steps = steps_data(document)
    summary = {kind.value: dict.fromkeys((action.value for action in Action), 0) for kind in KINDS}
    for step in steps:
        row = summary.setdefault(step["kind"], {})
        row[step["action"]] = row.get(step["action"], 0) + 1
    return {
        "digest": document.digest,
        "heldDigest": document.held_digest,
        "held": sum("held" in step for step in steps),
        "quarantine": list(quarantine),
        "summary": summary,
        "steps": steps,
    }


def steps_data(document: PlanDocument) -> list[Data]:
    """The steps in their order; those that wait or destroy with what is known of them."""
    steps = [{name: record[name] for name in _STEP if name in record} | record for record in document.records]
    for note in document.notes:
        step = steps[note.index]
        if note.held:
            step["held"] = note.held
        if note.also:
            step["heldAlso"] = list(note.also)
        if note.impact is not None:
            step["floors"] = note.impact.floors
            step["resources"] = note.impact.resources
            if step["kind"] in _BOOKABLE:
                step["bookings"] = note.impact.at_risk
    return steps


def _failure(outcome: Outcome) -> dict[str, str]:
    return {
        "kind": outcome.kind,
        "key": outcome.key,
        "name": outcome.name,
        "action": outcome.action,
        "status": outcome.status,
        "reason": outcome.reason,
        "message": outcome.message,
    }
