"""When the next run is due, and why. Pure: status, spec and the time in, a decision out.

Everything it needs is in the object itself, so a restart changes nothing: `status.nextSyncTime` is the
timer. Times are aware datetimes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from math import ceil

from engage_sync.conditions import SUSPENDED, Type, get
from engage_sync.resource import EXPLAIN, EXPLAIN_MAX, PAUSED, REQUESTED_AT, REQUESTED_AT_MAX, shorten
from engage_sync.spec import Schedule
from engage_sync.states import Status

FAILED = ("Failed", "PartiallyFailed")
"""Results of runs that are tried again before their regular time."""


class Trigger(StrEnum):
    """Why a run starts."""

    SCHEDULE = "Schedule"
    REQUESTED = "Requested"
    SPEC_CHANGE = "SpecChange"
    RETRY = "Retry"


@dataclass(frozen=True, slots=True)
class Run:
    """A run is due now."""

    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due before this time."""

    until: datetime


def decide(
    status: Status, generation: int, token: str | None, now: datetime, *, approved: bool = False
) -> Run | Wait:
    """What to do about a target that is neither suspended nor paused.

    `approved` says that a person approved held steps, and no run has carried that out yet.
    """
    if status.get("observedGeneration", -1) != generation:
        return Run(Trigger.SPEC_CHANGE)
    if token is not None and token != status.get("lastHandledReconcileAt"):
        return Run(Trigger.REQUESTED)
    if approved:
        return Run(Trigger.REQUESTED)
    if was_suspended(status):
        return Run(Trigger.SCHEDULE)
    due = read_time(status.get("nextSyncTime"))
    if due is None:
        return Run(Trigger.SCHEDULE)
    if now < due:
        return Wait(due)
    return Run(Trigger.RETRY if failures_in_a_row(status) else Trigger.SCHEDULE)


def requested(annotations: Mapping[str, str]) -> str | None:
    """The token that asks for a run now; None without one, or with one that is too long to be handled."""
    token = annotations.get(REQUESTED_AT)
    return token if token and len(token) <= REQUESTED_AT_MAX else None


def question(annotations: Mapping[str, str], status: Status) -> str | None:
    """The annotation that asks why an entity is as it is; None without one, or when it was answered."""
    asked = annotations.get(EXPLAIN)
    answered = status.get("explain", {}).get("token")
    return asked if asked and asked.strip() and shorten(asked, EXPLAIN_MAX) != answered else None


def unusable_token(annotations: Mapping[str, str]) -> str | None:
    """A token that is too long to be echoed, so that nobody could tell when it was handled."""
    token = annotations.get(REQUESTED_AT)
    return token if token and len(token) > REQUESTED_AT_MAX else None


def paused(annotations: Mapping[str, str]) -> bool:
    """Is the target paused by annotation?"""
    return annotations.get(PAUSED) == "true"


def next_regular(uid: str, interval: timedelta, now: datetime) -> datetime:
    """The target's next regular time: a grid of its own, stable across restarts, spread over the interval.

    At least half an interval away, so that a run out of turn is not followed by another at once.
    """
    seconds = interval.total_seconds()
    phase = int.from_bytes(sha256(uid.encode()).digest()[:6]) / (1 << 48) * seconds
    earliest = now.timestamp() + seconds / 2
    slot = -((phase - earliest) // seconds)
    return datetime.fromtimestamp(int(phase + slot * seconds), UTC)


def next_retry(schedule: Schedule, failures: int, now: datetime, retry_after: float | None) -> datetime:
    """When to try again after this many failures in a row: each doubles the wait, up to the interval."""
    grown: timedelta = min(schedule.retry_interval * 2 ** (failures - 1), schedule.interval)
    if retry_after is not None:
        grown = max(grown, timedelta(seconds=retry_after))
    return now + grown


def next_window(schedule: Schedule, failures: int, now: datetime, retry_after: float | None) -> datetime:
    """When to try again after the calls of the week were used up: when the next can be made, and not before.

    A second later, as times are written in whole ones. A window that opens at once again and again is
    not believed, then it is as after any failure.
    """
    opens = None if retry_after is None else timedelta(seconds=ceil(retry_after) + 1)
    if opens is None or opens < schedule.retry_interval:
        return next_retry(schedule, failures, now, retry_after)
    return now + opens


def failures_in_a_row(status: Status) -> int:
    """How many of the last finished runs failed with no success after them; history is newest first."""
    results = [entry.get("result") for entry in status.get("history", [])]
    return next((i for i, result in enumerate(results) if result not in FAILED), len(results))


def was_suspended(status: Status) -> bool:
    """Does Ready still say that the target is suspended or paused?"""
    ready = get(status.get("conditions", []), Type.READY)
    return ready is not None and ready["reason"] == SUSPENDED


def read_time(text: str | None) -> datetime | None:
    """An RFC 3339 time of the status; None when there is none or it cannot be read."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
