"""From what a run found to the status that people read. Pure: old status and facts in, new status out.

Bounded whatever the tenant's size: per-entity data is counted or cut here; it lives in the mapping store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from engage_sync import conditions
from engage_sync.conditions import SourceHealth, Stall, TargetHealth, timestamp
from engage_sync.plans.messages import approval_message, quarantine_message
from engage_sync.resource import LINE_MAX, LINES_MAX, shorten, wrapped
from engage_sync.schedule import FAILED, Trigger
from engage_sync.states import (
    Condition,
    Explanation,
    Failure,
    KindStatus,
    LastRun,
    MappingStatus,
    PlanStatus,
    ProgressStatus,
    Quota,
    Requests,
    Skip,
    Status,
)
from reconcilers.errors import EmptySource, QuotaExhausted, SyncError
from reconcilers.levels import LEVELS
from reconcilers.merge import sentence
from reconcilers.report import KindRow, Report

FAILURES_MAX, HISTORY_MAX = 20, 5
"""How many are told one by one; other texts are cut to the CRD's bounds where the status is written."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything about one finished run that the status tells."""

    id: str
    trigger: Trigger
    mode: str
    generation: int
    started: datetime
    finished: datetime
    report: Report | None = None
    error: SyncError | None = None
    """What kept the run from planning, or ended it early."""
    requests: Requests = field(default_factory=lambda: Requests(source=0, target=0))
    mapping: MappingStatus | None = None
    quota: Quota | None = None
    token: str | None = None
    """The requested-at token that this run answers."""
    namespace: str = ""
    plan_name: str = ""
    """Of the SyncPlan that shows the plan of this run; empty when there is none."""


def queued(old: Status, now: datetime, generation: int) -> Status:
    """The status while a run waits for its turn; said of a first one, and of one that was suspended."""
    ready = conditions.get(_conditions(old), conditions.Type.READY)
    if ready is not None and ready["reason"] != conditions.SUSPENDED:
        return old
    message = "The run waits for its turn: as many are under way as --max-concurrent-syncs allows"
    marked = conditions.mark_progressing(_conditions(old), message, now=now, generation=generation)
    return _closed(_with(old, conditions=marked))


def started(old: Status, trigger: Trigger, now: datetime, generation: int) -> Status:
    """The status while a run is under way."""
    message = f"A run is under way since {timestamp(now)} ({trigger})"
    marked = conditions.mark_progressing(_conditions(old), message, now=now, generation=generation)
    return _closed(_with(_at_rest(old), conditions=marked))


def progressed(
    old: Status,
    progress: ProgressStatus,
    message: str,
    quota: Quota | None,
    now: datetime,
    generation: int,
    *,
    namespace: str,
    waits: bool,
) -> Status:
    """The status while a plan is carried out. `waits`: other steps of it wait for a person."""
    new = _with(old, progress=progress)
    if quota is not None:
        new["quota"] = quota
    if not (waits and conditions.get(_conditions(old), conditions.Type.STALLED)):
        # Whatever else stalled it is seen gone, now that it writes.
        new["conditions"] = conditions.mark_progressing(
            _conditions(old), message, now=now, generation=generation
        )
    return _closed(new, namespace)


def finished(
    old: Status, run: RunFacts, next_time: Callable[[str], datetime], retry_text: Callable[[datetime], str]
) -> Status:
    """The status after a run. `next_time` gets the result and says when the next run is due."""
    result = result_of(run)
    history = [
        {"id": run.id, "finishTime": timestamp(run.finished), "result": result, "plan": _plan_summary(run)},
        *old.get("history", []),
    ][:HISTORY_MAX]
    new = _with(
        _at_rest(old),
        history=history,
        lastRun=LastRun(
            id=run.id,
            trigger=run.trigger.value,
            startTime=timestamp(run.started),
            finishTime=timestamp(run.finished),
            result=result,
            requests=run.requests,
        ),
    )
    if run.report is not None:
        new.update(_from_report(run.report, old.get("failures", [])))
        new["plan"] = _plan(run.report, run.plan_name)
    if run.mapping is not None:
        new["mapping"] = run.mapping
    if run.quota is not None:
        new["quota"] = run.quota
    if run.token is not None:
        new["lastHandledReconcileAt"] = run.token
    if result == "Succeeded":
        new["lastSuccessfulSyncTime"] = timestamp(run.finished)
    due = next_time(result)
    new["nextSyncTime"] = timestamp(due)
    if isinstance(run.error, QuotaExhausted):
        run = replace(run, error=_only_waits(run.error, run.report))
    new["conditions"] = _judged(_conditions(old), run, result, retry_text(due))
    return _closed(new, run.namespace)


def refused(old: Status, reason: Stall, message: str, now: datetime, generation: int) -> Status:
    """The status of a target that cannot run until a person acts."""
    marked = conditions.mark_stalled(_conditions(old), reason, message, now=now, generation=generation)
    return _closed(_with(_at_rest(old), conditions=marked))


def explained(old: Status, token: str, key: str, lines: list[str], quota: Quota | None) -> Status:
    """The status with the answer to a question; what the answer cost is counted."""
    new = _with(old, explain=Explanation(key=key, token=token, lines=lines))
    if quota is not None:
        new["quota"] = quota
    return new


def suspended(old: Status, message: str, now: datetime, generation: int) -> Status:
    """The status of a target that is suspended or paused."""
    marked = conditions.mark_suspended(_conditions(old), message, now=now, generation=generation)
    return _closed(_with(_at_rest(old), conditions=marked))


def result_of(run: RunFacts) -> str:
    """Succeeded, Planned, PartiallyFailed or Failed."""
    if run.error is not None or run.report is None:
        return "Failed"
    if run.mode == "Plan":
        return "PartiallyFailed" if run.report.gaps else "Planned"
    if run.report.plan.quarantine:
        return "Failed"
    if run.report.plan.held and not run.report.plan.ready and run.report.whole:
        return "Planned"
    return "Succeeded" if run.report.whole else "PartiallyFailed"


def _judged(old: Sequence[Condition], run: RunFacts, result: str, retry: str) -> list[Condition]:
    now, generation = run.finished, run.generation
    marked = _health(list(old), run)
    if (stalled := _stalled(run)) is not None:
        return conditions.mark_stalled(marked, *stalled, now=now, generation=generation)
    outcome, message = _outcome(run, result)
    waiting = retry if result in FAILED else None
    return conditions.mark_finished(marked, outcome, message, retry=waiting, now=now, generation=generation)


def _stalled(run: RunFacts) -> tuple[Stall, str] | None:
    """What a person must see to, and the sentence that says it; None when nobody need act."""
    error, plan = run.error, run.report.plan if run.report is not None else None
    if isinstance(error, EmptySource):
        return Stall.QUARANTINED, error.message
    if error is not None:
        return (Stall(error.reason), error.message) if error.reason in set(Stall) else None
    if plan is None or run.mode == "Plan":
        return None
    if plan.quarantine:
        return Stall.QUARANTINED, quarantine_message(plan, run.plan_name, run.namespace)
    if plan.held:
        return Stall.APPROVAL_REQUIRED, approval_message(plan, run.plan_name, run.namespace)
    return None


def _only_waits(error: QuotaExhausted, report: Report | None) -> QuotaExhausted:
    """The error with what comes of it. Without the time of the next run: it would make each try news."""
    done = ""
    if report is not None and report.applied is not None:
        done = f"{report.writes:,} of {len(report.plan.ready):,} steps are done; "
    return QuotaExhausted(
        f"{error.message}; {done}the sync waits for that and then resumes where it was",
        system=error.system,
        retry_after=error.retry_after,
    )


def _outcome(run: RunFacts, result: str) -> tuple[conditions.Outcome, str]:
    report = run.report
    if run.error is not None or report is None:
        return conditions.Outcome.FAILED, run.error.message if run.error else "the run ended without a report"
    if result == "PartiallyFailed":
        return conditions.Outcome.PARTIALLY_FAILED, _partial_message(report)
    held = f"; {len(report.plan.withheld)} steps are withheld, see the plan" if report.plan.withheld else ""
    if report.plan.held:
        held += f"; {_waiting(report)}"
    if report.plan.left_alone:
        held += f"; {_left_alone(report)}"
    if run.mode == "Plan" and report.plan.steps:
        return conditions.Outcome.PLANNED, (
            f"Engage differs from Workplace ({report.plan.summary}){held}; "
            "to carry this out set spec.mode: Apply"
        )
    done = f"carried out {report.plan.summary}" if report.plan.steps else "nothing had to be done"
    return conditions.Outcome.IN_SYNC, f"Engage is in step with Workplace: {done}{held}"


def _waiting(report: Report) -> str:
    if report.plan.quarantine:
        return f"it would be quarantined: {report.plan.quarantine[0]}"
    return f"{len(report.plan.held)} steps would wait for an approval"


def _left_alone(report: Report) -> str:
    items = report.plan.left_alone
    first = items[0]
    return (
        f"{len(items)} could not be matched and are left alone with all below them, "
        f"first: {first.kind} {first.name!r} ({first.key}): {sentence(first)}"
    )


def _partial_message(report: Report) -> str:
    if report.gaps:
        return f"The source is not complete, so nothing was deleted: {report.gaps[0]}"
    problems, first = report.problems, report.problems[0]
    return (
        f"{len(problems)} of {len(report.plan.steps) + len(report.plan.withheld)} steps failed, see "
        f"status.failures; first: {first.action} {first.kind} {first.name!r}: {first.message}"
    )


def _health(marked: list[Condition], run: RunFacts) -> list[Condition]:
    """SourceHealthy and TargetHealthy, as far as this run had to do with them."""
    now, generation, error = run.finished, run.generation, run.error
    if error is not None and error.system == "source":
        health = SourceHealth(error.reason) if error.reason in set(SourceHealth) else SourceHealth.UNREACHABLE
        return conditions.mark_source(marked, health, error.message, now=now, generation=generation)
    if run.report is not None or (
        error is not None and error.system == "target" and run.requests.get("source")
    ):
        gaps = run.report.gaps if run.report is not None else ()
        marked = conditions.mark_source(
            marked,
            SourceHealth.INCOMPLETE if gaps else SourceHealth.COMPLETE,
            f"not proven complete: {'; '.join(map(str, gaps))}"
            if gaps
            else "every listing was read to its end",
            now=now,
            generation=generation,
        )
    if error is not None and error.system == "target":
        target = _target_health(error.reason)
        return conditions.mark_target(marked, target, error.message, now=now, generation=generation)
    if run.report is not None:
        impacts = run.report.plan.impacts.values()
        unread = next((impact for impact in impacts if impact.problem), None)
        target = TargetHealth.REACHABLE if unread is None else _target_health(unread.problem_reason)
        message = "Engage answers" if unread is None else unread.problem
        marked = conditions.mark_target(marked, target, message, now=now, generation=generation)
    return marked


def _target_health(reason: str) -> TargetHealth:
    return TargetHealth(reason) if reason in set(TargetHealth) else TargetHealth.UNREACHABLE


def _from_report(report: Report, before: Sequence[Failure]) -> Status:
    failures = _failures(report, before)
    skips = [
        Skip(kind=kind.value, reason=reason, count=count) for (kind, reason), count in report.skips.items()
    ]
    return Status(
        kinds=[_kind_row(row) for row in report.kinds],
        failures=failures[:FAILURES_MAX],
        failuresTruncated=max(0, len(failures) - FAILURES_MAX),
        skips=skips,
    )


def _plan(report: Report, name: str) -> PlanStatus:
    plan = PlanStatus(summary=report.plan.summary, digest=report.plan.digest)
    if name:
        plan["name"] = name
    if report.plan.held:
        plan["heldDigest"], plan["held"] = report.plan.held_digest, len(report.plan.held)
    return plan


def _kind_row(row: KindRow) -> KindStatus:
    return KindStatus(
        kind=row.kind.value,
        source=row.source,
        inScope=row.in_scope,
        target=row.target,
        mapped=row.mapped,
        created=row.created,
        updated=row.updated,
        deleted=row.deleted,
        failed=row.failed,
        skipped=row.skipped,
    )


def _failures(report: Report, before: Sequence[Failure]) -> list[Failure]:
    attempts = {(each["kind"], each["sourceKey"]): each.get("attempts", 1) for each in before}
    failures = []
    for problem in report.problems:
        source_key = LEVELS[problem.kind].source_key(problem.key)
        failures.append(
            Failure(
                kind=problem.kind.value,
                sourceKey=source_key,
                name=problem.name,
                action=problem.action.value,
                reason=problem.reason,
                message=problem.message,
                attempts=1 + attempts.get((problem.kind.value, source_key), 0),
            )
        )
    return failures


def _closed(status: Status, namespace: str = "") -> Status:
    """What follows from the rest: the observed generation and the lines for people.

    The namespace is needed where a plan may wait.
    """
    status["observedGeneration"] = conditions.observed_generation(_conditions(status))
    status["summary"] = summary_lines(status, namespace)
    return status


def summary_lines(status: Status, namespace: str) -> list[str]:
    """The status as a few lines of text; the first ones repeat Ready, its reason and what to do."""
    ready = conditions.get(_conditions(status), conditions.Type.READY)
    head = f"Ready={ready['status']} {ready['reason']}: {ready['message']}" if ready else "Not looked at yet"
    waiting = _waiting_lines(status, namespace)
    lines = [
        *waiting,
        *_progress_lines(status),
        "Kind           Source In scope  Target  Mapped  +Made ~Changed -Gone Failed",
    ]
    lines += [
        f"{row['kind']:<14}{row.get('source', 0):>7}{row.get('inScope', 0):>9}{row.get('target', 0):>8}"
        f"{row.get('mapped', 0):>8}{row.get('created', 0):>7}{row.get('updated', 0):>9}"
        f"{row.get('deleted', 0):>6}{row.get('failed', 0):>7}"
        for row in status.get("kinds", [])
    ]
    if "nextSyncTime" in status:
        last = status.get("lastSuccessfulSyncTime", "never")
        lines.append(f"Last success {last}, next run {status['nextSyncTime']}")
    # What waits has the command of the message in a line of its own.
    return [*wrapped(head, 1 if waiting else LINES_MAX - len(lines)), *lines]


def _waiting_lines(status: Status, namespace: str) -> list[str]:
    """Where to look at what waits: the command in the message is too long for a line, and Events go."""
    plan, stalled = status.get("plan", {}), conditions.get(_conditions(status), conditions.Type.STALLED)
    waits = stalled is not None and stalled["reason"] in (Stall.APPROVAL_REQUIRED, Stall.QUARANTINED)
    if not (waits and plan.get("name") and plan.get("heldDigest")):
        return []
    name = plan["name"]
    line = f"What waits, and how to approve it: engage-sync show-plan {name} -n {namespace}"
    if len(line) > LINE_MAX:  # a command that is cut is none; with the SyncTarget's name any fits
        line = f"engage-sync show-plan {name.rpartition('-')[0]} -n{namespace}"
    return [line]


def _progress_lines(status: Status) -> list[str]:
    reconciling = conditions.get(_conditions(status), conditions.Type.RECONCILING)
    if "progress" not in status or reconciling is None:
        return []
    return [shorten(f"Under way: {reconciling['message']}", LINE_MAX)]


def _plan_summary(run: RunFacts) -> str:
    return run.report.plan.summary if run.report is not None else "none"


def _at_rest(status: Status) -> Status:
    """Without what is there only while a run carries out its plan."""
    return cast(Status, {name: value for name, value in status.items() if name != "progress"})


def _conditions(status: Status) -> list[Condition]:
    return list(status.get("conditions", []))


def _with(old: Status, **changes: object) -> Status:
    return cast(Status, {**old, **changes})
