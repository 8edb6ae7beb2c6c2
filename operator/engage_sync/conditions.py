"""Conditions: lists of facts about a SyncTarget, in the shape of metav1.Condition. Pure.

Every function takes the old list and answers a new one; the old one is not changed. Ready is what the others
come down to; Reconciling and Stalled are there only while True, never both; SourceHealthy and TargetHealthy
are Unknown until the first contact. `now` must know its time zone; `generation` is the `metadata.generation`
that the statement is about. Conditions of types that are not ours are kept, at the end.

`status.observedGeneration` is Ready's: take it from `observed_generation`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from engage_sync.resource import shorten
from engage_sync.states import MESSAGE_MAX, Condition

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
UNSEEN = -1
"""The `observedGeneration` of what no run has ended for: also the CRD's default for the whole status."""


class Type(StrEnum):
    """The types of conditions, in the order in which they are listed."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SOURCE_HEALTHY = "SourceHealthy"
    TARGET_HEALTHY = "TargetHealthy"


class Outcome(StrEnum):
    """Reasons of Ready that the end of a run gives."""

    IN_SYNC = "InSync"
    PLANNED = "Planned"
    FAILED = "Failed"
    PARTIALLY_FAILED = "PartiallyFailed"


class Stall(StrEnum):
    """Reasons of Stalled, and of Ready beside it: a person must act."""

    INVALID_SPEC = "InvalidSpec"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 -- a reason
    UNSUPPORTED_ENVIRONMENT = "UnsupportedEnvironment"
    TARGET_IN_USE = "TargetInUse"
    APPROVAL_REQUIRED = "ApprovalRequired"
    QUARANTINED = "Quarantined"


class SourceHealth(StrEnum):
    """Reasons of SourceHealthy."""

    COMPLETE = "Complete"
    INCOMPLETE = "Incomplete"
    EMPTY_SOURCE = "EmptySource"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    RATE_LIMITED = "RateLimited"
    UNREACHABLE = "Unreachable"


class TargetHealth(StrEnum):
    """Reasons of TargetHealthy."""

    REACHABLE = "Reachable"
    QUOTA_EXHAUSTED = "QuotaExhausted"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    RATE_LIMITED = "RateLimited"
    UNREACHABLE = "Unreachable"


PROGRESSING = "Progressing"
PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
SUSPENDED = "Suspended"
NOT_CONTACTED = "NotContacted"
"""Reason of SourceHealthy and TargetHealthy while Unknown."""

READY_STATUS: dict[str, str] = {
    Outcome.IN_SYNC: TRUE,
    Outcome.PLANNED: TRUE,
    Outcome.FAILED: FALSE,
    Outcome.PARTIALLY_FAILED: FALSE,
    PROGRESSING: UNKNOWN,
    **{reason.value: FALSE for reason in Stall},
}
"""What Ready is for each of its reasons; Suspended is missing, because it keeps what was."""

_ORDER = {kind.value: rank for rank, kind in enumerate(Type)}


def get(conditions: Sequence[Condition], kind: str) -> Condition | None:
    """The condition of that type, if there."""
    return next((condition for condition in conditions if condition["type"] == kind), None)


def set_condition(
    conditions: Sequence[Condition],
    kind: str,
    status: str,
    reason: str,
    message: str,
    *,
    now: datetime,
    generation: int,
) -> list[Condition]:
    """States one condition; `lastTransitionTime` moves only if `status` differs from before."""
    old = get(conditions, kind)
    since = old["lastTransitionTime"] if old and old["status"] == status else timestamp(now)
    new: Condition = {
        "type": str(kind),
        "status": status,
        "reason": str(reason),
        "message": shorten(message, MESSAGE_MAX),
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }
    return _sorted([*remove_condition(conditions, kind), new])


def remove_condition(conditions: Sequence[Condition], kind: str) -> list[Condition]:
    """All but the condition of that type."""
    return [condition for condition in conditions if condition["type"] != kind]


def observed_generation(conditions: Sequence[Condition]) -> int:
    """The generation that Ready speaks of, for `status.observedGeneration`; -1 before a run has ended."""
    ready = get(conditions, Type.READY)
    return UNSEEN if ready is None else ready.get("observedGeneration", UNSEEN)


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as metav1.Time is written.

    Raises:
        ValueError: `now` does not know its time zone.
    """
    if now.tzinfo is None:
        raise ValueError("a point in time needs its time zone")
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mark_progressing(
    conditions: Sequence[Condition], message: str, *, now: datetime, generation: int
) -> list[Condition]:
    """A run is under way: Reconciling, not Stalled; Ready stays as it is, Unknown if no run has ended yet.

    For a target that is Stalled call it only once the cause is seen gone, else each futile retry would flap.
    One that was Suspended keeps that reason, as it tells that a run is due, and says that it was resumed.
    """
    marked = remove_condition(_complete(conditions, now, generation), Type.STALLED)
    ready, observed = get(marked, Type.READY), observed_generation(marked)
    if ready is None or ready["status"] == UNKNOWN:
        marked = set_condition(
            marked, Type.READY, UNKNOWN, PROGRESSING, message, now=now, generation=observed
        )
    elif ready["reason"] == SUSPENDED:
        told = f"Resumed: {message}"
        marked = set_condition(
            marked, Type.READY, ready["status"], SUSPENDED, told, now=now, generation=observed
        )
    return set_condition(marked, Type.RECONCILING, TRUE, PROGRESSING, message, now=now, generation=generation)


def mark_finished(
    conditions: Sequence[Condition],
    outcome: Outcome,
    message: str,
    *,
    retry: str | None = None,
    now: datetime,
    generation: int,
) -> list[Condition]:
    """A run has ended: Ready says how; nothing is Stalled.

    `retry` is the message of Reconciling while a retry is waited for; only what is not Ready is retried.
    Call it again with the last outcome to lift Suspended where no run is due.

    Raises:
        ValueError: a retry of what went well.
    """
    if retry is not None and READY_STATUS[outcome] == TRUE:
        raise ValueError(f"nothing to retry after {outcome}")
    marked = remove_condition(_complete(conditions, now, generation), Type.STALLED)
    if retry is None:
        marked = remove_condition(marked, Type.RECONCILING)
    else:
        marked = set_condition(
            marked, Type.RECONCILING, TRUE, PROGRESSING_WITH_RETRY, retry, now=now, generation=generation
        )
    return set_condition(
        marked, Type.READY, READY_STATUS[outcome], outcome, message, now=now, generation=generation
    )


def mark_stalled(
    conditions: Sequence[Condition], reason: Stall, message: str, *, now: datetime, generation: int
) -> list[Condition]:
    """A person must act: Stalled, and Ready False with the same reason and message; not Reconciling.

    So also where it is tried again by itself (SecretMissing, CredentialsRejected).
    """
    marked = remove_condition(_complete(conditions, now, generation), Type.RECONCILING)
    for kind, status in ((Type.READY, FALSE), (Type.STALLED, TRUE)):
        marked = set_condition(marked, kind, status, reason, message, now=now, generation=generation)
    return marked


def mark_suspended(
    conditions: Sequence[Condition], message: str, *, now: datetime, generation: int
) -> list[Condition]:
    """Suspended or paused: Ready keeps its status (Unknown if it has none); no Reconciling, no Stalled."""
    marked = _complete(conditions, now, generation)
    for kind in (Type.RECONCILING, Type.STALLED):
        marked = remove_condition(marked, kind)
    ready = get(marked, Type.READY)
    status = UNKNOWN if ready is None else ready["status"]
    return set_condition(marked, Type.READY, status, SUSPENDED, message, now=now, generation=generation)


def mark_source(
    conditions: Sequence[Condition], health: SourceHealth, message: str, *, now: datetime, generation: int
) -> list[Condition]:
    """What contact with the source showed."""
    status = TRUE if health is SourceHealth.COMPLETE else FALSE
    return set_condition(
        conditions, Type.SOURCE_HEALTHY, status, health, message, now=now, generation=generation
    )


def mark_target(
    conditions: Sequence[Condition], health: TargetHealth, message: str, *, now: datetime, generation: int
) -> list[Condition]:
    """What contact with the target showed."""
    status = TRUE if health is TargetHealth.REACHABLE else FALSE
    return set_condition(
        conditions, Type.TARGET_HEALTHY, status, health, message, now=now, generation=generation
    )


def _complete(conditions: Sequence[Condition], now: datetime, generation: int) -> list[Condition]:
    """With SourceHealthy and TargetHealthy there, Unknown where there was no contact yet."""
    marked = list(conditions)
    for kind, system in ((Type.SOURCE_HEALTHY, "Workplace"), (Type.TARGET_HEALTHY, "Engage")):
        known = get(marked, kind)
        if known is None or known["status"] == UNKNOWN:
            text = f"{system} has not been contacted yet"
            marked = set_condition(marked, kind, UNKNOWN, NOT_CONTACTED, text, now=now, generation=generation)
    return marked


def _sorted(conditions: Sequence[Condition]) -> list[Condition]:
    return sorted(conditions, key=lambda each: (_ORDER.get(each["type"], len(_ORDER)), each["type"]))
