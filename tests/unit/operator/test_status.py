"""What a run leaves in the status; that it is sound is checked wherever a status is written."""

import shlex
from datetime import UTC, datetime

import pytest

from engage_sync import status
from engage_sync.cli import show_plan
from engage_sync.conditions import Stall
from engage_sync.crd import fit_status
from engage_sync.schedule import Trigger
from engage_sync.states import ProgressStatus, Status
from engage_sync.status import RunFacts
from reconcilers.apply import Applied, Outcome
from reconcilers.apply import Status as StepStatus
from reconcilers.guard import ALWAYS
from reconcilers.impact import Impact
from reconcilers.model import KINDS, Entity, Key, Kind
from reconcilers.plan import Held, Plan, Withheld
from reconcilers.policy import BY_POLICY
from reconcilers.proof import Gap
from reconcilers.prune import NOT_EMPTY
from reconcilers.report import KindRow, Report
from reconcilers.steps import Action, Create
from tests.condition_rules import assert_sound

LONG = "long " * 100
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def report(failed: int = 0, gaps: tuple[Gap, ...] = ()) -> Report:
    outcomes = [
        Outcome(Kind.RESOURCE, Key(f"wp:room:{i}"), LONG, Action.CREATE, StepStatus.FAILED, "Refused", LONG)
        for i in range(failed)
    ]
    rows = tuple(KindRow(kind, failed=failed if kind is Kind.RESOURCE else 0) for kind in KINDS)
    return Report(plan=Plan(), applied=Applied(outcomes), kinds=rows, gaps=gaps)


def after(run: Report, old: Status | None = None) -> Status:
    facts = RunFacts("id", Trigger.SCHEDULE, "Apply", 1, NOW, NOW, report=run)
    new = fit_status(status.finished(old or {}, facts, lambda _: NOW, lambda _: "again soon"))
    assert_sound(new, generation=1)
    return new


def test_twenty_failures_are_told_and_the_rest_counted() -> None:
    found = after(report(failed=33))

    assert (len(found["failures"]), found["failuresTruncated"]) == (20, 13)
    assert "33 of " in found["summary"][0]
    assert found["lastRun"]["result"] == "PartiallyFailed"


def test_a_failure_that_comes_again_counts_its_attempts() -> None:
    first = after(report(failed=1))
    second = after(report(failed=1), first)

    assert [each["failures"][0]["attempts"] for each in (first, second)] == [1, 2]


def test_an_incomplete_source_is_said_and_tried_again() -> None:
    found = after(report(gaps=(Gap("floors", "3 records were listed, but the source counts 5"),)))
    conditions = {each["type"]: each for each in found["conditions"]}

    assert conditions["SourceHealthy"]["reason"] == "Incomplete"
    assert "counts 5" in conditions["SourceHealthy"]["message"]
    assert conditions["Reconciling"]["reason"] == "ProgressingWithRetry"


def test_what_could_not_even_be_tried_is_told_with_what_to_do() -> None:
    stuck = Withheld(Action.DELETE, Kind.LOCATION, Key("wp:building:7"), "Annex", NOT_EMPTY)
    by_policy = Withheld(Action.DELETE, Kind.FLOOR, Key("wp:floor:7"), "1", BY_POLICY)
    found = after(Report(plan=Plan(withheld=(stuck, by_policy)), applied=Applied(), kinds=()))

    (failure,) = found["failures"]
    assert (failure["sourceKey"], failure["reason"]) == ("7", "NotEmpty")
    assert "by hand" in found["conditions"][0]["message"]
    assert found["lastRun"]["result"] == "PartiallyFailed"


def test_what_the_policies_withhold_is_no_failure() -> None:
    by_policy = Withheld(Action.DELETE, Kind.FLOOR, Key("wp:floor:7"), "1", BY_POLICY)
    found = after(Report(plan=Plan(withheld=(by_policy,)), applied=Applied(), kinds=()))

    assert found["lastRun"]["result"] == "Succeeded"
    assert "1 step" in found["summary"][0]


def test_five_runs_are_remembered_newest_first() -> None:
    found: Status = {}
    for _ in range(7):
        found = after(report(), found)

    assert len(found["history"]) == 5
    assert found["lastSuccessfulSyncTime"] == "2026-11-22T12:00:00Z"


def test_the_summary_is_a_table_of_all_kinds() -> None:
    lines = after(report())["summary"]

    assert [line.split()[0] for line in lines[2:9]] == [kind.value for kind in KINDS]
    assert all(len(line) <= 128 for line in lines)


def test_the_summary_says_what_to_do_even_when_that_takes_more_than_a_line() -> None:
    message = (
        f"SyncTarget tenants/{'a' * 40} was there first with the same spec.target.apiURL; "
        "two would undo each other's work, so delete one of them or change its apiURL"
    )
    for before in (Status(), after(report())):
        found = status.refused(before, Stall.TARGET_IN_USE, message, NOW, 1)
        lines = fit_status(found)["summary"]
        assert " ".join(" ".join(lines).split()).startswith(f"Ready=False TargetInUse: {message} Kind Source")
        assert lines == found["summary"], "nothing was cut"


def test_a_message_of_any_length_leaves_room_for_the_table() -> None:
    found = status.refused(after(report()), Stall.QUARANTINED, "no way out of here " * 26, NOW, 1)
    lines = fit_status(found)["summary"]

    assert lines == found["summary"]
    assert len(lines) == 12
    assert lines[-1].startswith("Last success")
    assert lines[2].endswith("…")


@pytest.mark.parametrize("namespace", ["tenants", "n" * 63])
@pytest.mark.parametrize("target", ["acme", "a" * 40])
def test_the_command_that_shows_what_waits_can_be_copied(namespace: str, target: str) -> None:
    step = Create(Entity(Kind.COUNTRY, Key("wp:country:DE"), ("Germany", None, "DE")))
    waiting = Report(Plan((step,), held=(Held(step, ALWAYS),)), Applied(), ())
    name = f"{target}-1f2e3d4c5b"
    facts = RunFacts(
        "id", Trigger.SCHEDULE, "Apply", 1, NOW, NOW, waiting, namespace=namespace, plan_name=name
    )
    ended = status.finished({}, facts, lambda _: NOW, lambda _: "again soon")
    under_way = status.progressed(
        ended, ProgressStatus(done=1, total=2), "on its way", None, NOW, 1, namespace=namespace, waits=True
    )

    for found in (ended, under_way):
        line = fit_status(found)["summary"][1]
        arguments = shlex.split(line.partition("engage-sync show-plan ")[2])
        given = show_plan.make_context("show-plan", arguments).params
        assert given["namespace"] == namespace
        assert given["name"] in (name, target)


@pytest.mark.parametrize(
    ("reason", "told"), [("CredentialsRejected", "CredentialsRejected"), ("Incomplete", "Unreachable")]
)
def test_an_engage_whose_bookings_cannot_be_read_is_not_healthy(reason: str, told: str) -> None:
    impact = Impact(unknown=1, problem="bookings: an answer that is no list", problem_reason=reason)
    broken = Report(Plan(impacts={Key("wp:room:1"): impact}), Applied(), ())
    found = after(broken)
    conditions = {each["type"]: each for each in found["conditions"]}

    assert (conditions["TargetHealthy"]["status"], conditions["TargetHealthy"]["reason"]) == ("False", told)
    assert conditions["TargetHealthy"]["message"] == "bookings: an answer that is no list"

    healed = {each["type"]: each for each in after(report(), found)["conditions"]}
    assert healed["TargetHealthy"]["reason"] == "Reachable"
