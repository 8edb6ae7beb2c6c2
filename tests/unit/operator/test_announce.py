"""Old status and new status in, Events out."""

from datetime import UTC, datetime, timedelta

import pytest

from engage_sync import status
from engage_sync.announce import MESSAGE_MAX, announcements, starting
from engage_sync.conditions import Stall
from engage_sync.schedule import Trigger
from engage_sync.states import Requests, Status
from engage_sync.status import RunFacts
from reconcilers.errors import (
    CredentialsRejected,
    EmptySource,
    IncompleteAnswer,
    QuotaExhausted,
    SyncError,
    TransientError,
)
from reconcilers.levels import country
from reconcilers.model import Entity, Key, Kind
from reconcilers.plan import Plan
from reconcilers.report import Report
from reconcilers.steps import Create
from tests.condition_rules import assert_sound

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOTHING = Plan()
SOMETHING = Plan((Create(Entity(Kind.COUNTRY, Key(country.LEVEL.key("DE")), ("Germany", None, "DE"))),))
OTHER = Plan((Create(Entity(Kind.COUNTRY, Key(country.LEVEL.key("FR")), ("France", None, "FR"))),))


class History:
    """A SyncTarget's status as it goes on, and what was announced of it."""

    def __init__(self, mode: str = "Apply") -> None:
        self.mode = mode
        self.status: Status = {}
        self.told: list[str] = []
        self.now = NOW

    def run(self, plan: Plan | None = NOTHING, error: SyncError | None = None) -> list[str]:
        """One whole run; the reasons of what was announced at its end."""
        self.now += timedelta(hours=1)
        self._become(status.started(self.status, Trigger.SCHEDULE, self.now, 1), announce=False)
        facts = RunFacts(
            id=f"{self.now:%m%dT%H%M%S}",
            trigger=Trigger.SCHEDULE,
            mode=self.mode,
            generation=1,
            started=self.now,
            finished=self.now,
            report=None if plan is None or error else Report(plan=plan, applied=None, kinds=()),
            error=error,
            requests=Requests(source=1, target=1),
        )
        return self._become(
            status.finished(self.status, facts, lambda _: self.now, lambda due: f"The next try is at {due}")
        )

    def refuse(self, reason: Stall, message: str = "do this") -> list[str]:
        return self._become(status.refused(self.status, reason, message, self.now, 1))

    def suspend(self) -> list[str]:
        return self._become(status.suspended(self.status, "Suspended", self.now, 1))

    def _become(self, new: Status, *, announce: bool = True) -> list[str]:
        assert_sound(new, generation=1)
        told = announcements(self.status, new) if announce else []
        self.status = new
        self.told += [each.reason for each in told]
        return [each.reason for each in told]


REJECTED = CredentialsRejected("the password is wrong", system="source")
AWAY = TransientError("no answer", system="target")


def test_idle_runs_say_nothing() -> None:
    history = History()
    history.run()

    assert [history.run() for _ in range(3)] == [[], [], []]


def test_each_run_that_carried_something_out_is_told() -> None:
    history = History()

    assert history.run(SOMETHING) == ["SyncSucceeded"]
    assert history.run(SOMETHING) == ["SyncSucceeded"]
    assert history.run() == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (REJECTED, ["CredentialsRejected", "SyncFailed"]),
        (CredentialsRejected("no", system="target"), ["CredentialsRejected", "SyncFailed"]),
        (AWAY, ["TargetUnreachable", "SyncFailed"]),
        (TransientError("no answer", system="source"), ["SourceUnreachable", "SyncFailed"]),
        (IncompleteAnswer("cut off", system="source"), ["SourceIncomplete", "SyncFailed"]),
        (EmptySource("nothing", system="source"), ["EmptySource", "Quarantined"]),
        (QuotaExhausted("used up", system="target"), ["TargetQuotaExhausted", "SyncFailed"]),
        (SyncError("neither of the two"), ["SyncFailed"]),
    ],
)
def test_a_failure_is_told_once_with_its_cause_and_its_end_once(error: SyncError, told: list[str]) -> None:
    history = History()
    history.run()

    assert history.run(error=error) == told
    assert [history.run(error=error) for _ in range(3)] == [[], [], []]
    assert history.run() == ["SyncSucceeded"]
    assert history.run() == []


def test_another_failure_is_another_transition() -> None:
    history = History()
    history.run(error=AWAY)

    assert history.run(error=REJECTED) == ["CredentialsRejected", "SyncFailed"]
    assert history.run(error=AWAY) == ["SyncFailed"]  # TargetHealthy has been False all the time


def test_a_plan_that_is_only_looked_at_is_told_when_it_changes() -> None:
    history = History("Plan")

    assert history.run(SOMETHING) == ["PlanComputed"]
    assert history.run(SOMETHING) == []
    assert history.run(OTHER) == ["PlanComputed"]
    assert history.run() == []


def test_the_switch_to_apply_is_told_when_it_has_done_something() -> None:
    history = History("Plan")
    history.run(SOMETHING)
    history.mode = "Apply"

    assert history.run(SOMETHING) == ["SyncSucceeded"]


def test_a_first_run_that_finds_nothing_to_do_is_told_to_nobody() -> None:
    assert History().run() == []


def test_a_refusal_is_told_once_per_cause() -> None:
    history = History()

    assert history.refuse(Stall.INVALID_SPEC, "spec.tenant is wrong") == ["InvalidSpec"]
    assert history.refuse(Stall.INVALID_SPEC, "spec.tenant is wrong") == []
    assert history.refuse(Stall.INVALID_SPEC, "spec.mode is wrong") == ["InvalidSpec"]
    assert history.refuse(Stall.TARGET_IN_USE) == ["TargetInUse"]
    assert history.run() == ["SyncSucceeded"]


def test_to_be_suspended_is_the_users_own_doing_and_resumes_in_silence() -> None:
    history = History()
    history.run()

    assert history.suspend() == []
    assert history.run() == []


def test_warnings_are_warnings_and_texts_fit_an_event() -> None:
    before: Status = {}
    after = status.refused({}, Stall.INVALID_SPEC, "x" * 5000, NOW, 1)
    (told,) = announcements(before, after)

    assert told.warning
    assert len(told.message) <= MESSAGE_MAX < 1024


def test_the_start_of_a_plan_is_told_with_its_digest() -> None:
    computed, started = starting("+9 ~4 -2", "sha256:abc")

    assert (computed.reason, computed.message) == ("PlanComputed", "+9 ~4 -2 sha256:abc")
    assert (started.reason, started.message) == ("SyncStarted", "carrying out +9 ~4 -2")
    assert not computed.warning
    assert not started.warning
