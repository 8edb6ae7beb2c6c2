from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage_sync.conditions import (
    READY_STATUS,
    Outcome,
    SourceHealth,
    Stall,
    TargetHealth,
    Type,
    get,
    mark_finished,
    mark_progressing,
    mark_source,
    mark_stalled,
    mark_suspended,
    mark_target,
    observed_generation,
    remove_condition,
    set_condition,
    timestamp,
)
from engage_sync.states import MESSAGE_MAX, Condition
from tests.condition_rules import assert_sound, violations

T0 = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
T1 = T0 + timedelta(hours=1)


def triple(conditions: Sequence[Condition], kind: str) -> tuple[str, str, str] | None:
    found = get(conditions, kind)
    return found and (found["status"], found["reason"], found["message"])


def kinds(conditions: Sequence[Condition]) -> list[str]:
    return [condition["type"] for condition in conditions]


def status_of(conditions: Sequence[Condition]) -> dict[str, Any]:
    return {"observedGeneration": observed_generation(conditions), "conditions": list(conditions)}


def in_sync(*, now: datetime = T0, generation: int = 1) -> list[Condition]:
    conditions = mark_source([], SourceHealth.COMPLETE, "Read whole", now=now, generation=generation)
    conditions = mark_target(conditions, TargetHealth.REACHABLE, "Read", now=now, generation=generation)
    return mark_finished(conditions, Outcome.IN_SYNC, "In step", now=now, generation=generation)


def test_a_new_condition_is_written_whole() -> None:
    assert set_condition([], "Ready", "True", "InSync", "In step", now=T0, generation=3) == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "InSync",
            "message": "In step",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
            "observedGeneration": 3,
        }
    ]


def test_the_time_stays_while_the_status_stays() -> None:
    before = set_condition([], "Ready", "True", "InSync", "In step", now=T0, generation=1)

    (after,) = set_condition(before, "Ready", "True", "Planned", "Differences", now=T1, generation=2)

    assert (after["reason"], after["message"], after["observedGeneration"]) == ("Planned", "Differences", 2)
    assert after["lastTransitionTime"] == timestamp(T0)


def test_the_time_moves_with_the_status() -> None:
    before = set_condition([], "Ready", "True", "InSync", "In step", now=T0, generation=1)

    (after,) = set_condition(before, "Ready", "False", "Failed", "No", now=T1, generation=1)

    assert after["lastTransitionTime"] == timestamp(T1)


def test_a_long_message_is_cut_at_the_bound() -> None:
    (condition,) = set_condition([], "Ready", "True", "InSync", "m" * 9999, now=T0, generation=1)

    assert len(condition["message"]) == MESSAGE_MAX
    assert condition["message"].endswith("…")


def test_the_order_is_always_the_same_and_foreign_conditions_stay_at_the_end() -> None:
    conditions: list[Condition] = []
    for kind in ("Zebra", "TargetHealthy", "Stalled", "Alien", "SourceHealthy", "Reconciling", "Ready"):
        conditions = set_condition(conditions, kind, "True", "R", "M", now=T0, generation=1)

    assert kinds(conditions) == [*Type, "Alien", "Zebra"]


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert remove_condition(in_sync(), "Stalled") == in_sync()


def test_nothing_that_is_given_is_changed() -> None:
    before = in_sync()
    kept = deepcopy(before)

    mark_stalled(before, Stall.QUARANTINED, "No", now=T1, generation=2)
    mark_progressing(before, "Reading", now=T1, generation=2)

    assert before == kept


def test_what_is_written_is_plain_json() -> None:
    conditions = mark_stalled(in_sync(), Stall.QUARANTINED, "No", now=T1, generation=2)

    assert {type(value) for condition in conditions for value in condition.values()} == {str, int}


def test_times_are_utc_in_whole_seconds() -> None:
    assert timestamp(T0.astimezone(timezone(timedelta(hours=2)))) == "2026-01-02T03:04:05Z"
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 1, 2))


def test_before_the_first_run_has_ended_ready_is_unknown_and_nothing_is_observed() -> None:
    conditions = mark_progressing([], "Reading Workplace", now=T0, generation=1)

    assert triple(conditions, "Ready") == ("Unknown", "Progressing", "Reading Workplace")
    assert triple(conditions, "Reconciling") == ("True", "Progressing", "Reading Workplace")
    assert triple(conditions, "SourceHealthy") == (
        "Unknown",
        "NotContacted",
        "Workplace has not been contacted yet",
    )
    assert triple(conditions, "TargetHealthy") == (
        "Unknown",
        "NotContacted",
        "Engage has not been contacted yet",
    )
    assert observed_generation(conditions) == observed_generation([]) == -1


def test_the_message_of_a_first_run_moves_on() -> None:
    conditions = mark_progressing([], "Reading Workplace", now=T0, generation=1)

    conditions = mark_progressing(conditions, "Writing Engage", now=T1, generation=1)

    assert triple(conditions, "Ready") == ("Unknown", "Progressing", "Writing Engage")


@pytest.mark.parametrize("outcome", Outcome)
def test_a_later_run_leaves_ready_as_it_was(outcome: Outcome) -> None:
    before = mark_finished(in_sync(), outcome, "So it was", now=T0, generation=1)

    after = mark_progressing(before, "Reading", now=T1, generation=2)

    assert get(after, "Ready") == get(before, "Ready")
    assert get(after, "Reconciling") is not None
    assert observed_generation(after) == 1


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_that_ended_says_how(outcome: Outcome) -> None:
    running = mark_progressing(in_sync(), "Reading", now=T0, generation=2)

    after = mark_finished(running, outcome, "So it went", now=T1, generation=2)

    assert triple(after, "Ready") == (READY_STATUS[outcome], outcome.value, "So it went")
    assert kinds(after) == ["Ready", "SourceHealthy", "TargetHealthy"]
    assert observed_generation(after) == 2


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PARTIALLY_FAILED])
def test_while_a_retry_is_waited_for(outcome: Outcome) -> None:
    after = mark_finished(in_sync(), outcome, "No", retry="Again in 5m", now=T1, generation=1)

    assert triple(after, "Ready") == ("False", outcome.value, "No")
    assert triple(after, "Reconciling") == ("True", "ProgressingWithRetry", "Again in 5m")


@pytest.mark.parametrize("outcome", [Outcome.IN_SYNC, Outcome.PLANNED])
def test_what_went_well_is_not_retried(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="nothing to retry"):
        mark_finished([], outcome, "Yes", retry="Again", now=T1, generation=1)


@pytest.mark.parametrize("reason", Stall)
def test_while_stalled_ready_is_false_for_the_same_reason(reason: Stall) -> None:
    running = mark_progressing(in_sync(), "Reading", now=T0, generation=2)

    after = mark_stalled(running, reason, "Do this", now=T1, generation=2)

    assert triple(after, "Stalled") == ("True", reason.value, "Do this")
    assert triple(after, "Ready") == ("False", reason.value, "Do this")
    assert get(after, "Reconciling") is None
    assert observed_generation(after) == 2


def test_a_stall_ends_with_the_next_run_that_gets_going() -> None:
    stalled = mark_stalled([], Stall.SECRET_MISSING, "Create it", now=T0, generation=1)

    running = mark_progressing(stalled, "Reading", now=T1, generation=1)
    done = mark_finished(stalled, Outcome.IN_SYNC, "In step", now=T1, generation=1)

    assert (get(running, "Stalled"), get(done, "Stalled")) == (None, None)
    assert triple(running, "Ready") == ("False", "SecretMissing", "Create it")


@pytest.mark.parametrize("outcome", Outcome)
def test_suspended_keeps_the_status_of_ready(outcome: Outcome) -> None:
    before = mark_finished(in_sync(), outcome, "So it was", now=T0, generation=1)

    after = mark_suspended(before, "Suspended by spec.suspend", now=T1, generation=2)

    assert triple(after, "Ready") == (READY_STATUS[outcome], "Suspended", "Suspended by spec.suspend")
    ready = get(after, "Ready")
    assert ready is not None
    assert ready["lastTransitionTime"] == timestamp(T0)
    assert observed_generation(after) == 2


def test_suspended_ends_what_was_under_way_or_stalled() -> None:
    running = mark_progressing([], "Reading", now=T0, generation=1)
    stalled = mark_stalled(in_sync(), Stall.TARGET_IN_USE, "No", now=T0, generation=1)

    for before, status in ((running, "Unknown"), (stalled, "False"), ([], "Unknown")):
        after = mark_suspended(before, "Paused", now=T1, generation=1)

        assert triple(after, "Ready") == (status, "Suspended", "Paused")
        assert kinds(after) == ["Ready", "SourceHealthy", "TargetHealthy"]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_after_a_resume_says_so_and_leaves_the_rest_of_ready_as_it_was(outcome: Outcome) -> None:
    before = mark_finished(in_sync(), outcome, "So it was", now=T0, generation=1)
    paused = mark_suspended(before, "Remove it to resume", now=T0, generation=2)

    after = mark_progressing(paused, "Reading", now=T1, generation=3)

    assert triple(after, "Ready") == (READY_STATUS[outcome], "Suspended", "Resumed: Reading")
    ready = get(after, "Ready")
    assert ready is not None
    assert ready["lastTransitionTime"] == timestamp(T0)
    assert observed_generation(after) == 2


def test_on_resume_the_last_outcome_is_stated_again() -> None:
    paused = mark_suspended(in_sync(), "Paused", now=T0, generation=1)

    after = mark_finished(paused, Outcome.IN_SYNC, "In step", now=T1, generation=1)

    assert after == in_sync()


@pytest.mark.parametrize("health", SourceHealth)
def test_only_a_complete_source_is_healthy(health: SourceHealth) -> None:
    conditions = mark_source([], health, "So it is", now=T0, generation=1)

    status = "True" if health is SourceHealth.COMPLETE else "False"
    assert triple(conditions, "SourceHealthy") == (status, health.value, "So it is")


@pytest.mark.parametrize("health", TargetHealth)
def test_only_a_reachable_target_is_healthy(health: TargetHealth) -> None:
    conditions = mark_target([], health, "So it is", now=T0, generation=1)

    status = "True" if health is TargetHealth.REACHABLE else "False"
    assert triple(conditions, "TargetHealthy") == (status, health.value, "So it is")


# --- Whatever happens, in whatever order, the rules hold ---

Step = Callable[[list[Condition], datetime, int], list[Condition]]


def run_ends(source: SourceHealth, target: TargetHealth, outcome: Outcome, retried: bool) -> Step:
    def step(conditions: list[Condition], now: datetime, generation: int) -> list[Condition]:
        retry = "Again" if retried and READY_STATUS[outcome] == "False" else None
        conditions = mark_source(conditions, source, "Source", now=now, generation=generation)
        conditions = mark_target(conditions, target, "Target", now=now, generation=generation)
        return mark_finished(conditions, outcome, "Done", retry=retry, now=now, generation=generation)

    return step


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.just(lambda conditions, now, gen: mark_progressing(conditions, "Go", now=now, generation=gen)),
    st.just(lambda conditions, now, gen: mark_suspended(conditions, "Halt", now=now, generation=gen)),
    st.sampled_from(Stall).map(
        lambda why: lambda conditions, now, gen: mark_stalled(conditions, why, "No", now=now, generation=gen)
    ),
    st.builds(
        run_ends,
        st.sampled_from(SourceHealth),
        st.sampled_from(TargetHealth),
        st.sampled_from(Outcome),
        st.booleans(),
    ),
)


@given(st.lists(st.tuples(STEPS, st.integers(0, 1), st.integers(1, 9999)), min_size=1, max_size=12))
def test_every_status_on_every_way_is_sound(history: list[tuple[Step, int, int]]) -> None:
    conditions: list[Condition] = []
    now, generation = T0, 1
    for step, edits, seconds in history:
        now, generation = now + timedelta(seconds=seconds), generation + edits
        before = status_of(conditions)
        conditions = step(conditions, now, generation)

        assert_sound(status_of(conditions), generation=generation, before=before)


# --- The rules find what is wrong ---


def broken(**changes: dict[str, Any] | None) -> list[Any]:
    """An in-sync list with conditions changed, added or taken away by type."""
    by_kind: dict[str, Any] = {condition["type"]: dict(condition) for condition in in_sync()}
    for kind, change in changes.items():
        if change is None:
            del by_kind[kind]
        else:
            base = by_kind.get(kind) or by_kind["Ready"] | {"type": kind}
            by_kind[kind] = base | change
    return [by_kind[kind] for kind in [*Type, "Other"] if kind in by_kind]


STALLED = {"reason": "Quarantined", "message": "No"}


@pytest.mark.parametrize(
    ("rule", "conditions"),
    [
        ("FAIL0001", broken(Stalled=STALLED)),
        ("FAIL0002", broken(Ready=None)),
        ("FAIL0002", broken(SourceHealthy=None)),
        ("FAIL0003", broken(Reconciling={"reason": "ProgressingWithRetry"})),
        ("FAIL0004", broken(Stalled=STALLED, Ready=STALLED | {"status": "False", "message": "Other"})),
        ("FAIL0005", broken(Stalled=STALLED, Reconciling={"reason": "Progressing"})),
        ("FAIL0006", broken(SourceHealthy={"observedGeneration": 9})),
        ("FAIL0007", broken(Ready={"observedGeneration": 0})),
        ("FAIL0009", broken(SourceHealthy={"observedGeneration": 0})),
        ("FAIL0011", broken(Ready={"status": "Unknown", "reason": "Progressing"})),
        ("FAIL0101", broken(Stalled=STALLED | {"status": "False"})),
        ("FAIL0102", broken(Ready={"reason": "Fine"})),
        ("FAIL0102", broken(Ready={"status": "False"})),
        ("FAIL0102", broken(SourceHealthy={"reason": "Unreachable"})),
        ("FAIL0103", broken()[::-1]),
        ("FAIL0103", [*broken(), *broken()]),
        ("FAIL0103", [{k: v for k, v in c.items() if k != "observedGeneration"} for c in broken()]),
        ("FAIL0104", broken(Ready={"message": " "})),
        ("FAIL0105", broken(Ready={"lastTransitionTime": "2026-01-02T03:04:05+00:00"})),
        ("FAIL0108", broken(Ready={"message": "m" * 513})),
    ],
)
def test_a_broken_rule_is_found(rule: str, conditions: list[Any]) -> None:
    found = violations({"observedGeneration": 1, "conditions": conditions}, generation=1)

    assert rule in {line.split()[0] for line in found}


@pytest.mark.parametrize(
    ("rule", "before"),
    [
        ("FAIL0106", broken(Ready={"lastTransitionTime": timestamp(T0 - timedelta(seconds=1))})),
        ("FAIL0106", broken(Ready={"status": "False", "lastTransitionTime": timestamp(T1)})),
    ],
)
def test_a_time_that_moved_wrongly_is_found(rule: str, before: list[Any]) -> None:
    (found,) = violations(status_of(in_sync()), before={"observedGeneration": 1, "conditions": before})

    assert found.startswith(rule)


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ("FAIL0107", {"observedGeneration": 0}),
        ("FAIL0108", {"bogus": 1}),
        ("FAIL0108", {"summary": ["Ready InSync"] * 13}),
        ("FAIL0109", {"kinds": [{"kind": "Resource"}, {"kind": "Country"}]}),
        ("FAIL0110", {"summary": ["Ready: Failed"]}),
    ],
)
def test_a_broken_rule_beside_the_conditions_is_found(rule: str, more: dict[str, Any]) -> None:
    found = violations(status_of(in_sync()) | more, before=status_of(in_sync()))

    assert rule in {line.split()[0] for line in found}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    whole = status_of(in_sync()) | {"kinds": [{"kind": "Country"}], "summary": ["Ready: InSync, all is well"]}

    assert_sound(whole, generation=1, before=whole)
    with pytest.raises(AssertionError, match="FAIL0002"):
        assert_sound({})
