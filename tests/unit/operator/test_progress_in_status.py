"""What a run that takes its time leaves in the status while it is under way, and after a used-up week."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engage_sync.app import RunResult
from engage_sync.clients.limits import WEEK, WeekQuota, used_up
from engage_sync.kube import Unavailable
from engage_sync.meter import Standing
from engage_sync.targets import Watched
from reconcilers.apply import Applied, Outcome
from reconcilers.apply import Status as StepStatus
from reconcilers.errors import CredentialsRejected, Halted, QuotaExhausted, TransientError
from reconcilers.levels import country
from reconcilers.model import Entity, Key, Kind
from reconcilers.plan import Held, Plan
from reconcilers.ports import Gate
from reconcilers.report import Report
from reconcilers.steps import Action, Create
from tests.synctargets import spec
from tests.unit.operator.cluster import START, Cluster, FakeRunner, in_sync

STEPS = tuple(
    Create(Entity(Kind.COUNTRY, Key(country.LEVEL.key(code)), (code, None, code)))
    for code in ("DE", "FR", "US")
)
PLAN = Plan(STEPS)
APPLY, LOOK = spec(mode="Apply"), spec(mode="Plan")
STANDING = Standing(
    {"done": 1, "total": 3, "kinds": [{"kind": "Country", "done": 1, "total": 3}]},
    "1 of 3 steps done (33.3 %), about 14 minutes left",
    {"weekStart": "2026-11-20T12:00:00Z", "used": 47},
    waits=False,
)
OPENS = datetime(2026, 11, 27, 12, tzinfo=UTC)
Json = dict[str, Any]


def telling(*standings: Standing, result: RunResult | None = None) -> Cluster:
    runner = FakeRunner([result or RunResult(in_sync(PLAN))], standings=list(standings))
    return Cluster(runner=runner)


def recorded(cluster: Cluster) -> list[Json]:
    """Every status as it is before another one is written."""
    seen: list[Json] = []
    cluster.kube.before_write = lambda: seen.append(cluster.status())
    return seen


def condition(status: Json, kind: str) -> Json:
    return next((each for each in status["conditions"] if each["type"] == kind), {})


async def test_how_far_it_has_come_is_there_until_it_ends_and_never_after() -> None:
    cluster = telling(STANDING, replace(STANDING, message="2 of 3 steps done (66.6 %)"))
    seen = recorded(cluster)
    await cluster.look(cluster.apply(APPLY))

    assert (cluster.kube.writes, cluster.kube.conflicts) == (4, 0)
    _, at_start, first, second = seen
    assert "progress" not in at_start
    assert first["progress"] == STANDING.progress
    assert first["quota"] == STANDING.quota
    for kind in ("Ready", "Reconciling"):
        assert condition(first, kind)["reason"] == "Progressing"
        assert condition(first, kind)["message"] == STANDING.message
    assert f"Under way: {STANDING.message}" in first["summary"]
    assert condition(second, "Reconciling")["message"].startswith("2 of 3")
    assert "progress" not in cluster.status()
    assert "Under way" not in str(cluster.status()["summary"])
    assert [reason for reason, _ in cluster.kube.events] == ["PlanComputed", "SyncStarted", "SyncSucceeded"]


async def test_a_progress_that_cannot_be_written_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    cluster = telling(STANDING, STANDING)

    def second_and_third_fail() -> None:
        cluster.kube.writes += 1
        if cluster.kube.writes in (3, 4):
            raise Unavailable("no answer")

    cluster.kube.before_write = second_and_third_fail
    await cluster.look(cluster.apply(APPLY))

    assert cluster.ready() == ("True", "InSync")
    assert "progress could not be written: no answer" in caplog.text


async def test_somebody_elses_change_meanwhile_is_kept_and_the_run_speaks_of_its_own_generation() -> None:
    cluster = telling(STANDING)
    acme = cluster.apply(APPLY)

    async def edit(gate: Gate) -> None:
        cluster.apply(spec(mode="Apply", schedule__interval="12h"))

    cluster.runner.during = edit
    seen = recorded(cluster)
    await cluster.look(acme)

    assert condition(seen[-1], "Reconciling")["observedGeneration"] == 1
    assert cluster.kube.objects["acme"]["spec"]["schedule"] == {"interval": "12h"}
    assert cluster.status()["observedGeneration"] == 1


async def test_who_is_not_the_leader_any_more_tells_nothing() -> None:
    cluster = telling(STANDING, result=RunResult(error=Halted("not the leader")))

    async def lose(gate: Gate) -> None:
        cluster.leader = False

    cluster.runner.during = lose
    await cluster.look(cluster.apply(APPLY))

    assert "progress" not in cluster.status()
    assert "quota" not in cluster.status()


async def test_one_that_is_suspended_or_begins_anew_is_not_under_way() -> None:
    cluster = telling(STANDING, result=RunResult(error=Halted("paused")))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    assert "progress" in cluster.status()  # as a crash leaves it

    seen = recorded(cluster)
    await cluster.look(acme)
    assert "progress" not in seen[1]

    cluster.annotate(acme, paused="true")
    await cluster.look(acme)
    assert "progress" not in cluster.status()


async def test_what_stalled_it_is_seen_gone_when_it_writes() -> None:
    cluster = telling(STANDING)
    cluster.runner.standings = []
    cluster.runner.results = [
        RunResult(error=CredentialsRejected("no", system="target")),
        RunResult(in_sync(PLAN)),
    ]
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.runner.standings = [STANDING]
    cluster.now += timedelta(hours=1)
    seen = recorded(cluster)
    await cluster.look(acme)

    assert not condition(seen[-1], "Stalled")
    assert condition(seen[-1], "Reconciling")["message"] == STANDING.message


async def test_what_waits_for_a_person_still_waits_while_the_rest_is_done() -> None:
    held = Plan(STEPS, held=(Held(STEPS[0], "Deletion"),))
    cluster = telling(replace(STANDING, waits=True), result=RunResult(in_sync(held), plan_name="acme-1"))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.annotate(acme, requested_at="again")
    seen = recorded(cluster)
    await cluster.look(acme)

    assert condition(seen[-1], "Stalled")["reason"] == "ApprovalRequired"
    assert seen[-1]["progress"] == STANDING.progress


# A week whose calls are used up


def exhausted(cluster: Cluster, done: int | None = None) -> RunResult:
    """A run that ends by it, as the limiter says it; `done` of its steps were carried out."""
    opens = OPENS.timestamp()
    error = used_up("all 50 calls to Engage of this week are used", opens, cluster.now.timestamp())
    quota: Any = {"weekStart": "2026-11-20T12:00:00Z", "used": 50}
    if done is None:
        return RunResult(error=error, quota=quota)
    outcomes = [
        Outcome(Kind.COUNTRY, step.entity.key, "", Action.CREATE, StepStatus.DONE) for step in STEPS[:done]
    ]
    return RunResult(Report(PLAN, Applied(outcomes, error), ()), error, quota=quota)


async def used_up_in_the_middle() -> tuple[Cluster, Watched]:
    cluster = Cluster()
    cluster.runner.results = [exhausted(cluster, done=2), exhausted(cluster)]
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    return cluster, acme


async def test_a_used_up_week_is_told_with_its_end_and_waited_for_not_polled() -> None:
    cluster, acme = await used_up_in_the_middle()

    status = cluster.status()
    assert cluster.ready() == ("False", "Failed")
    assert condition(status, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert condition(status, "TargetHealthy")["reason"] == "QuotaExhausted"
    for kind in ("Ready", "TargetHealthy"):
        assert condition(status, kind)["message"] == (
            "all 50 calls to Engage of this week are used; the next can be made at 2026-11-27T12:00:00Z; "
            "2 of 3 steps are done; the sync waits for that and then resumes where it was"
        )
    assert status["nextSyncTime"] == "2026-11-27T12:00:01Z"
    assert status["quota"]["used"] == 50

    for _ in range(20):
        wait = await cluster.look(acme)
        assert wait is not None
        assert wait > timedelta(0)
        cluster.now += timedelta(hours=5)
    assert len(cluster.runner.runs) == 1

    cluster.now = OPENS + timedelta(seconds=2)
    cluster.runner.results = [RunResult(in_sync())]
    await cluster.look(acme)
    assert cluster.status()["lastRun"]["trigger"] == "Retry"
    assert cluster.ready() == ("True", "InSync")


async def test_a_restart_waits_on() -> None:
    cluster, acme = await used_up_in_the_middle()
    again = Cluster(kube=cluster.kube, runner=cluster.runner, now=cluster.now + timedelta(hours=1))
    fresh = Watched("tenants", "acme", acme.uid)

    assert await again.look(fresh) == OPENS + timedelta(seconds=1) - again.now
    assert len(again.runner.runs) == 1


@pytest.mark.parametrize("how", ["token", "spec"])
async def test_who_asks_meanwhile_gets_one_try_and_the_wait_is_the_same(how: str) -> None:
    cluster, acme = await used_up_in_the_middle()
    for number in range(5):
        cluster.now += timedelta(hours=1)
        if how == "token":
            cluster.annotate(acme, requested_at=f"now-{number}")
        else:
            acme = cluster.apply(spec(mode="Apply", schedule__retryInterval=f"{number + 1}m"))
        cluster.runner.results = [exhausted(cluster)]
        await cluster.look(acme, times=5)

        assert len(cluster.runner.runs) == 2 + number
        assert cluster.status()["nextSyncTime"] == "2026-11-27T12:00:01Z"
    # The first one told of the steps that were done, the others are all the same.
    assert [reason for reason, _ in cluster.kube.events].count("SyncFailed") == 2


async def test_failures_before_do_not_make_the_wait_longer_than_the_window() -> None:
    cluster = Cluster(now=OPENS - timedelta(minutes=20))
    cluster.runner.results = [RunResult(error=TransientError("gone"))]
    acme = cluster.apply(APPLY)
    for number in range(5):
        cluster.annotate(acme, requested_at=f"{number}")
        await cluster.look(acme)
    cluster.runner.results = [exhausted(cluster)]
    cluster.annotate(acme, requested_at="once more")
    await cluster.look(acme)

    assert cluster.status()["nextSyncTime"] == "2026-11-27T12:00:01Z"


@pytest.mark.parametrize("opens", [None, 1.0])
async def test_a_window_that_nobody_tells_or_believes_has_growing_pauses(
    opens: float | None,
) -> None:
    error = QuotaExhausted("used up", system="target", retry_after=opens)
    cluster = Cluster(runner=FakeRunner([RunResult(error=error)]))
    acme = cluster.apply(APPLY)
    waits = []
    for _ in range(3):
        await cluster.look(acme)
        wait = await cluster.look(acme)
        assert wait is not None
        waits.append(wait.total_seconds() / 60)
        cluster.now += wait

    assert waits == [5, 10, 20]


async def test_switching_to_apply_activates_the_initial_plan_at_once() -> None:
    cluster = Cluster(runner=FakeRunner([RunResult(in_sync(PLAN), plan_name="acme-1")]))
    acme = cluster.apply(LOOK)
    await cluster.look(acme, times=3)
    assert cluster.ready() == ("True", "Planned")
    assert cluster.status()["plan"] == {"summary": "+3", "digest": PLAN.digest, "name": "acme-1"}
    assert len(cluster.runner.runs) == 1

    cluster.now += timedelta(minutes=1)
    acme = cluster.apply(APPLY)
    await cluster.look(acme)

    assert [run.mode.value for run in cluster.runner.runs] == ["Plan", "Apply"]
    assert cluster.status()["lastRun"]["trigger"] == "SpecChange"
    assert cluster.status()["lastRun"]["startTime"] == "2026-11-22T12:01:00Z"
    assert cluster.ready() == ("True", "InSync")


def test_the_error_of_a_used_up_week_knows_the_end_to_the_second() -> None:
    week = WeekQuota(START.timestamp() + 0.25, 50)
    error = used_up("all 50 calls are used", week.start + WEEK, START.timestamp() + 60)

    assert error.message == "all 50 calls are used; the next can be made at 2026-11-29T12:00:01Z"
    assert error.retry_after == WEEK - 59.75
