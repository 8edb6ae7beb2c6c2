from datetime import UTC, datetime, timedelta

import pytest

from engage_sync import schedule
from engage_sync.conditions import Outcome, mark_finished, mark_suspended
from engage_sync.resource import REQUESTED_AT
from engage_sync.schedule import Run, Trigger, Wait
from engage_sync.spec import Schedule
from engage_sync.states import HistoryEntry, Status

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def settled(**changes: object) -> Status:
    """A target whose generation 3 has been handled and that is due in an hour."""
    status: Status = {
        "observedGeneration": 3,
        "conditions": mark_finished([], Outcome.IN_SYNC, "fine", now=NOW, generation=3),
        "nextSyncTime": "2026-11-22T13:00:00Z",
    }
    status.update(changes)  # type: ignore[typeddict-item]
    return status


def ended(*results: str) -> list[HistoryEntry]:
    return [HistoryEntry(id=str(i), result=result) for i, result in enumerate(results)]


def test_nothing_is_due_before_its_time() -> None:
    assert schedule.decide(settled(), 3, None, NOW) == Wait(NOW + timedelta(hours=1))


def test_an_overdue_run_is_due_at_once_after_a_restart() -> None:
    assert schedule.decide(settled(), 3, None, NOW + DAY) == Run(Trigger.SCHEDULE)


def test_a_new_generation_is_due_at_once() -> None:
    assert schedule.decide(settled(), 4, None, NOW) == Run(Trigger.SPEC_CHANGE)


def test_an_object_that_nobody_looked_at_is_due_at_once() -> None:
    assert schedule.decide({"observedGeneration": -1}, 1, None, NOW) == Run(Trigger.SPEC_CHANGE)


def test_each_new_token_is_due_once() -> None:
    assert schedule.decide(settled(), 3, "now", NOW) == Run(Trigger.REQUESTED)
    assert isinstance(schedule.decide(settled(lastHandledReconcileAt="now"), 3, "now", NOW), Wait)


def test_a_retry_says_that_it_is_one() -> None:
    assert schedule.decide(settled(history=ended("Failed")), 3, None, NOW + DAY) == Run(Trigger.RETRY)


def test_a_target_that_is_resumed_is_looked_at_at_once() -> None:
    conditions = mark_suspended(settled()["conditions"], "paused", now=NOW, generation=3)

    assert schedule.decide(settled(conditions=conditions), 3, None, NOW) == Run(Trigger.SCHEDULE)


def test_a_token_that_is_too_long_is_no_token() -> None:
    assert schedule.requested({REQUESTED_AT: "x" * 128}) == "x" * 128
    assert schedule.requested({REQUESTED_AT: "x" * 129}) is None
    assert schedule.requested({}) is None


@pytest.mark.parametrize("uid", ["a", "b", "5f0c-uid"])
def test_the_regular_time_is_a_grid_that_a_restart_does_not_move(uid: str) -> None:
    first = schedule.next_regular(uid, DAY, NOW)

    assert schedule.next_regular(uid, DAY, first) == first + DAY
    assert schedule.next_regular(uid, DAY, first + timedelta(minutes=7)) == first + DAY
    assert DAY / 2 <= first - NOW <= DAY * 1.5


def test_targets_are_spread_over_the_interval() -> None:
    hours = {schedule.next_regular(f"uid-{i}", DAY, NOW).hour for i in range(200)}

    assert len(hours) == 24


def test_each_failure_doubles_the_wait_up_to_the_interval() -> None:
    settings = Schedule.model_validate({"interval": "1h", "retryInterval": "5m"})
    waits = [schedule.next_retry(settings, n, NOW, None) - NOW for n in range(1, 7)]

    assert [wait.total_seconds() / 60 for wait in waits] == [5, 10, 20, 40, 60, 60]


def test_a_server_that_says_when_to_come_back_is_obeyed() -> None:
    settings = Schedule.model_validate({"retryInterval": "5m"})

    assert schedule.next_retry(settings, 1, NOW, 3600) == NOW + timedelta(hours=1)


def test_failures_are_counted_back_to_the_last_success() -> None:
    assert (
        schedule.failures_in_a_row({"history": ended("Failed", "PartiallyFailed", "Succeeded", "Failed")})
        == 2
    )
    assert schedule.failures_in_a_row({"history": ended("Failed") * 5}) == 5
    assert schedule.failures_in_a_row({}) == 0
