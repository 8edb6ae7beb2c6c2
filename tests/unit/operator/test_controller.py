"""The loop of one target: what it runs, when, and what the status then says."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engage_sync.app import RunResult
from engage_sync.credentials import SecretMissing
from engage_sync.states import Quota
from engage_sync.targets import Target
from reconcilers.errors import (
    CredentialsRejected,
    EmptySource,
    Halted,
    QuotaExhausted,
    SyncError,
    TransientError,
)
from reconcilers.levels import country
from reconcilers.model import Entity, Key, Kind
from reconcilers.plan import Held, Plan
from reconcilers.ports import Gate
from reconcilers.steps import Create
from reconcilers.why import Explanation
from tests.synctargets import spec
from tests.unit.operator.cluster import Cluster, FakeRunner, in_sync

PLAN = Plan((Create(Entity(Kind.COUNTRY, Key(country.LEVEL.key("DE")), ("Germany", None, "DE"))),))
APPLY = spec(mode="Apply")
REJECTED = "CredentialsRejected"


def failing(error: Exception) -> FakeRunner:
    return FakeRunner([RunResult(error=error)])  # type: ignore[arg-type]


async def test_a_new_target_runs_at_once_and_is_then_in_sync() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)

    await cluster.look(acme)

    assert cluster.ready() == ("True", "InSync")
    assert cluster.status()["observedGeneration"] == 1
    assert cluster.status()["lastRun"]["trigger"] == "SpecChange"
    assert cluster.status()["lastRun"]["result"] == "Succeeded"


async def test_a_settled_target_is_left_alone_until_its_time() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme, times=3)

    wait = await cluster.look(acme)

    assert len(cluster.runner.runs) == 1
    assert wait is not None
    assert timedelta(hours=12) <= wait <= timedelta(hours=36)


async def test_a_run_that_finds_nothing_to_do_writes_the_status_twice_and_no_event() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.kube.writes, cluster.kube.conflicts, cluster.kube.events = 0, 0, []

    cluster.now += timedelta(hours=40)
    await cluster.look(acme)

    assert (cluster.kube.writes, cluster.kube.conflicts, cluster.kube.events) == (2, 0, [])
    assert cluster.status()["lastRun"]["trigger"] == "Schedule"


async def test_a_plan_says_what_to_do_and_is_announced_once() -> None:
    cluster = Cluster(runner=FakeRunner([RunResult(report=in_sync(PLAN))]))
    acme = cluster.apply(spec(mode="Plan"))
    await cluster.look(acme)
    cluster.now += timedelta(hours=40)
    await cluster.look(acme)

    assert cluster.ready() == ("True", "Planned")
    assert cluster.status()["plan"]["summary"] == "+1"
    assert "spec.mode: Apply" in cluster.status()["summary"][0]
    assert [reason for reason, _ in cluster.kube.events] == ["PlanComputed"]


async def test_carrying_out_a_plan_is_announced_from_start_to_end() -> None:
    cluster = Cluster(runner=FakeRunner([RunResult(report=in_sync(PLAN))]))
    await cluster.look(cluster.apply(APPLY))

    assert [reason for reason, _ in cluster.kube.events] == ["PlanComputed", "SyncStarted", "SyncSucceeded"]


async def test_a_token_runs_once_and_is_echoed_with_the_result() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.annotate(acme, requested_at="please")

    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 2
    assert cluster.status()["lastHandledReconcileAt"] == "please"


async def test_a_token_that_is_too_long_is_warned_of_once_and_ignored() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    cluster.annotate(acme, requested_at="x" * 129)

    await cluster.look(acme, times=3)

    assert [reason for reason, _ in cluster.kube.events].count("RequestIgnored") == 1
    assert len(cluster.runner.runs) == 1


@pytest.mark.parametrize("how", ["suspend", "pause"])
async def test_a_stopped_target_runs_nothing_and_a_token_runs_on_resume(how: str) -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply", suspend=how == "suspend"))
    cluster.annotate(acme, requested_at="later", **({"paused": "true"} if how == "pause" else {}))
    await cluster.look(acme, times=2)
    assert (cluster.runner.runs, cluster.ready()[1]) == ([], "Suspended")

    acme = cluster.apply(APPLY)
    cluster.annotate(acme, requested_at="later")
    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 1
    assert cluster.status()["lastHandledReconcileAt"] == "later"
    assert cluster.ready() == ("True", "InSync")


async def test_a_paused_target_keeps_its_ready_and_gets_its_reason_back() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.annotate(acme, paused="true")
    await cluster.look(acme)
    assert cluster.ready() == ("True", "Suspended")

    cluster.annotate(acme)
    await cluster.look(acme)

    assert cluster.ready() == ("True", "InSync")


async def test_an_invalid_spec_is_refused_in_one_sentence_that_names_the_field() -> None:
    cluster = Cluster()
    await cluster.look(cluster.apply(spec(defaults__timeZone="Mars/Base")))

    assert cluster.runner.runs == []
    assert cluster.ready() == ("False", "InvalidSpec")
    assert "spec.defaults.timeZone" in cluster.status()["summary"][0]
    assert cluster.status()["observedGeneration"] == 1
    assert [reason for reason, _ in cluster.kube.events] == ["InvalidSpec"]


@pytest.mark.parametrize(
    ("error", "reason", "condition"),
    [
        (SecretMissing("there is no Secret"), "SecretMissing", None),
        (CredentialsRejected("no", system="source"), "CredentialsRejected", ("SourceHealthy", REJECTED)),
        (CredentialsRejected("no", system="target"), "CredentialsRejected", ("TargetHealthy", REJECTED)),
        (EmptySource("empty", system="source"), "Quarantined", ("SourceHealthy", "EmptySource")),
        (TransientError("gone", system="target"), "Failed", ("TargetHealthy", "Unreachable")),
        (QuotaExhausted("used up", system="target"), "Failed", ("TargetHealthy", "QuotaExhausted")),
    ],
)  # fmt: skip
async def test_what_went_wrong_is_said_where_people_look(
    error: Exception, reason: str, condition: tuple[str, str] | None
) -> None:
    cluster = Cluster(runner=failing(error))
    await cluster.look(cluster.apply(APPLY))

    reasons = {each["type"]: (each["status"], each["reason"]) for each in cluster.status()["conditions"]}
    assert reasons["Ready"] == ("False", reason)
    if condition is not None:
        assert reasons[condition[0]] == ("False", condition[1])


async def test_failures_are_tried_again_with_growing_pauses_and_recover() -> None:
    cluster = Cluster(
        runner=FakeRunner([*[RunResult(error=TransientError("gone"))] * 3, RunResult(in_sync())])
    )
    acme = cluster.apply(APPLY)
    waits = []
    for _ in range(3):
        await cluster.look(acme)
        wait = await cluster.look(acme)
        assert wait is not None
        waits.append(wait.total_seconds() / 60)
        cluster.now += wait
    await cluster.look(acme)

    assert waits == [5, 10, 20]
    assert cluster.status()["lastRun"]["trigger"] == "Retry"
    assert cluster.ready() == ("True", "InSync")


async def test_the_same_failure_again_is_no_new_event() -> None:
    cluster = Cluster(runner=failing(TransientError("gone", system="source")))
    acme = cluster.apply(APPLY)
    for _ in range(4):
        await cluster.look(acme)
        cluster.now += timedelta(hours=2)

    assert [reason for reason, _ in cluster.kube.events] == ["SourceUnreachable", "SyncFailed"]


async def test_of_two_targets_of_one_engage_the_older_runs() -> None:
    cluster = Cluster()
    cluster.apply(APPLY, name="older", created="2026-11-21T00:00:00Z")
    newer = cluster.apply(APPLY, name="newer", created="2026-11-22T00:00:00Z")

    await cluster.look(newer)

    assert cluster.ready("newer") == ("False", "TargetInUse")
    assert "tenants/older" in cluster.status("newer")["summary"][0]
    assert cluster.runner.runs == []


async def test_the_newer_one_takes_over_when_the_older_is_gone() -> None:
    cluster = Cluster()
    cluster.apply(APPLY, name="older", created="2026-11-21T00:00:00Z")
    newer = cluster.apply(APPLY, name="newer", created="2026-11-22T00:00:00Z")
    del cluster.kube.objects["older"]

    await cluster.look(newer)

    assert cluster.ready("newer") == ("True", "InSync")


async def test_a_target_that_is_gone_ends_its_loop() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    del cluster.kube.objects["acme"]

    assert await cluster.look(acme) is None


async def test_a_target_that_was_born_again_never_gets_its_predecessors_status() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)

    async def born_again(_: Gate) -> None:
        del cluster.kube.objects["acme"]
        cluster.apply(APPLY, uid="another-uid")

    cluster.runner.during = born_again
    await cluster.look(acme)

    assert "status" not in cluster.kube.objects["acme"]


async def test_a_status_that_others_write_meanwhile_is_written_all_the_same() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    rounds = iter(range(3))

    def third_party() -> None:
        if next(rounds, None) is not None:
            body = cluster.kube.objects["acme"]
            body["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]) + 1)

    cluster.kube.before_write = third_party
    await cluster.look(acme)

    assert cluster.ready() == ("True", "InSync")


@pytest.mark.parametrize(
    "change",
    [spec(mode="Plan"), spec(mode="Apply", suspend=True), spec(mode="Apply", scope__countries=["DE"])],
)
async def test_no_write_starts_after_the_spec_says_stop(change: dict[str, object]) -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    allowed: list[bool] = []

    async def edited(gate: Gate) -> None:
        gate()
        acme.see(cluster.apply(change).body)
        with pytest.raises(Halted):
            gate()
        allowed.append(False)

    cluster.runner.during = edited
    await cluster.look(acme)

    assert allowed == [False]


async def test_a_new_schedule_does_not_stop_a_run() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)

    async def edited(gate: Gate) -> None:
        acme.see(cluster.apply(spec(mode="Apply", schedule__interval="12h")).body)
        gate()

    cluster.runner.during = edited
    await cluster.look(acme)

    assert cluster.ready() == ("True", "InSync")


async def test_who_is_not_the_leader_writes_nothing() -> None:
    cluster = Cluster()

    async def deposed(gate: Gate) -> None:
        cluster.leader = False
        with pytest.raises(Halted, match="leader"):
            gate()

    cluster.runner.during = deposed
    await cluster.look(cluster.apply(APPLY))


async def test_a_bug_in_one_look_does_not_end_the_loop() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    stopped = asyncio.Event()

    async def broken(_: Gate) -> None:
        stopped.set()
        acme.wake.set()
        raise RuntimeError("a bug")

    cluster.runner.during = broken
    await asyncio.wait_for(cluster.controller.follow(acme, stopped.is_set), timeout=5)

    assert len(cluster.runner.runs) == 1


# Plans that wait for a person

HELD = replace(PLAN, held=(Held(PLAN.steps[0], "EveryStep"),))
OVERRUN = replace(HELD, quarantine=("41 of 120 Resources (34 %) would be deleted or replaced",))


def waiting(plan: Plan) -> Cluster:
    """A target whose plan waits, shown as the SyncPlan acme-1; the next run finds nothing left to do."""
    shown = RunResult(report=in_sync(plan), plan_name="acme-1")
    cluster = Cluster(runner=FakeRunner([shown, RunResult(report=in_sync())]))
    cluster.kube.plans["acme-1"] = {
        "metadata": {"namespace": "tenants", "name": "acme-1", "uid": "u"},
        "spec": {"synctarget": "acme", "synctargetUID": "uid-of-acme", "heldDigest": plan.held_digest},
        "status": {"state": "ApprovalRequired"},
    }
    return cluster


async def test_what_waits_for_an_approval_says_the_command_and_is_announced_once() -> None:
    cluster = waiting(HELD)
    acme = cluster.apply(APPLY)
    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 1
    assert cluster.ready() == ("False", "ApprovalRequired")
    (message,) = [each["message"] for each in cluster.status()["conditions"] if each["type"] == "Stalled"]
    assert "kubectl patch syncplan acme-1 -n tenants" in message
    assert HELD.held_digest in message
    assert cluster.status()["summary"][1].endswith("engage-sync show-plan acme-1 -n tenants")
    plan = cluster.status()["plan"]
    assert (plan["name"], plan["held"], plan["heldDigest"]) == ("acme-1", 1, HELD.held_digest)
    assert "lastSuccessfulSyncTime" not in cluster.status()
    assert [reason for reason, _ in cluster.kube.events] == ["PlanComputed", "ApprovalRequired"]


async def test_an_approval_runs_at_once_and_only_once() -> None:
    cluster = waiting(HELD)
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    plan = cluster.kube.plans["acme-1"]
    plan["spec"]["approval"] = {"digest": HELD.held_digest, "by": "ann"}

    await cluster.look(acme)
    plan["status"]["state"] = "Applied"
    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 2
    assert cluster.status()["lastRun"]["trigger"] == "Requested"
    assert cluster.ready() == ("True", "InSync")
    assert "heldDigest" not in cluster.status()["plan"]


async def test_a_run_says_that_it_starts_what_does_not_wait() -> None:
    region = Create(Entity(Kind.COUNTRY, Key(country.LEVEL.key("FR")), ("France", None, "FR")))
    cluster = waiting(replace(HELD, steps=(*HELD.steps, region)))
    await cluster.look(cluster.apply(APPLY))

    assert ("SyncStarted", "carrying out +1") in cluster.kube.events


@pytest.mark.parametrize("state", ["Applying", "Applied", "Superseded"])
async def test_what_a_killed_operator_had_taken_up_goes_on_at_once_and_only_once(state: str) -> None:
    cluster = waiting(HELD)
    cluster.runner.results[1] = RunResult(error=SecretMissing("no Secret"))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.kube.plans["acme-1"]["spec"]["approval"] = {"digest": HELD.held_digest, "by": "ann"}
    taken_up = {"type": "Approved", "status": "True", "reason": "Approved", "message": "by ann"}
    cluster.kube.plans["acme-1"]["status"] = {"state": state, "conditions": [taken_up]}

    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 2


async def test_a_run_that_fails_before_it_takes_the_approval_up_is_not_tried_again_at_once() -> None:
    cluster = waiting(HELD)
    cluster.runner.results[1] = RunResult(error=SecretMissing("no Secret"))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.kube.plans["acme-1"]["spec"]["approval"] = {"digest": HELD.held_digest, "by": "ann"}

    await cluster.look(acme, times=5)
    assert len(cluster.runner.runs) == 2

    cluster.now += timedelta(minutes=6)
    await cluster.look(acme)
    assert len(cluster.runner.runs) == 3


@pytest.mark.parametrize("wakes", [1, 3])
async def test_an_approval_outlives_what_wakes_its_target_while_no_slot_is_free(wakes: int) -> None:
    cluster = waiting(HELD)
    cluster.runner.results[1] = RunResult(error=SecretMissing("no Secret"))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.kube.plans["acme-1"]["spec"]["approval"] = {"digest": HELD.held_digest, "by": "ann"}
    for _ in range(2):
        await cluster.controller.slots.acquire()
    acme.wake.set()
    await cluster.look(acme, times=wakes)
    assert len(cluster.runner.runs) == 1

    cluster.controller.slots.release()
    acme.wake.clear()
    await cluster.look(acme, times=5)

    assert len(cluster.runner.runs) == 2


async def test_a_run_that_another_reason_asked_for_and_took_back_does_not_try_an_approval_again() -> None:
    cluster = waiting(HELD)
    cluster.runner.results[1] = RunResult(error=SecretMissing("no Secret"))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.kube.plans["acme-1"]["spec"]["approval"] = {"digest": HELD.held_digest, "by": "ann"}
    await cluster.look(acme)
    for _ in range(2):
        await cluster.controller.slots.acquire()
    cluster.annotate(acme, requested_at="now")
    await cluster.look(acme)
    cluster.annotate(acme)
    cluster.controller.slots.release()
    acme.wake.clear()
    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 2


async def test_an_approval_in_mode_plan_runs_nothing() -> None:
    cluster = waiting(HELD)
    acme = cluster.apply(spec(mode="Plan"))
    await cluster.look(acme)
    cluster.kube.plans["acme-1"]["spec"]["approval"] = {"digest": HELD.held_digest, "by": "ann"}
    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 1
    assert cluster.ready() == ("True", "Planned")
    assert "1 steps would wait for an approval" in cluster.status()["summary"][0]


async def test_a_quarantine_is_tried_again_and_ends_by_itself() -> None:
    cluster = waiting(OVERRUN)
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    assert cluster.ready() == ("False", "Quarantined")
    assert "41 of 120 Resources" in cluster.status()["summary"][0]
    assert [reason for reason, _ in cluster.kube.events] == ["Quarantined"]

    cluster.now += timedelta(minutes=6)
    await cluster.look(acme)

    assert cluster.status()["lastRun"]["trigger"] == "Retry"
    assert cluster.ready() == ("True", "InSync")


async def test_a_question_is_answered_once_in_status_and_as_an_event() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.annotate(acme, explain="wp:room:13 please")

    await cluster.look(acme, times=3)

    assert cluster.runner.asked == ["wp:room:13"]
    told = cluster.status()["explain"]
    assert told == {"key": "wp:room:13", "token": "wp:room:13 please", "lines": ["nobody knows"]}
    assert cluster.kube.events == [("Explained", "wp:room:13: nobody knows")]


async def test_the_event_of_an_answer_names_the_key_once() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.runner.answer = answer("wp:room:13")
    cluster.annotate(acme, explain="wp:room:13")

    await cluster.look(acme)

    assert cluster.kube.events == [("Explained", 'wp:room:13: Resource "Gemini": Nothing will be done.')]


class Counting(FakeRunner):
    """Each run makes one call of the week, and adds it to those that the status tells of."""

    async def run(self, target: Target, *others: Any) -> RunResult:
        result = await super().run(target, *others)
        before = target.status.get("quota", {}).get("used", 0)
        return replace(result, quota=Quota(weekStart="2026-11-22T12:00:00Z", used=before + 1))


def answer(key: str) -> Explanation:
    return Explanation(Key(key), Kind.RESOURCE, "Gemini", (), (), (), (), ("Nothing will be done.",))


@pytest.mark.parametrize("error", [None, CredentialsRejected("no", system="source")])
async def test_what_an_answer_cost_is_counted_where_a_run_follows_it(error: SyncError | None) -> None:
    runner = Counting([RunResult(report=in_sync(), error=error)], answer=answer("wp:room:13"))
    cluster = Cluster(runner=runner)
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.annotate(acme, explain="wp:room:13", requested_at="now")

    await cluster.look(acme, times=3)

    assert (len(runner.runs), len(runner.asked)) == (2, 1)
    assert cluster.status()["quota"]["used"] == 7 + 1


async def test_no_run_of_the_old_spec_begins_where_it_was_edited_as_the_run_was_told() -> None:
    cluster = Cluster()
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    edits = iter([{"suspend": True}])

    def edit() -> None:
        for change in edits:
            acme.see(cluster.apply(spec(mode="Apply", **change)).body)

    cluster.kube.before_write = edit
    cluster.annotate(acme, requested_at="now")

    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 1
    assert cluster.ready()[1] == "Suspended"


async def test_no_run_of_the_old_spec_follows_an_answer_during_which_it_was_edited() -> None:
    class Edited(FakeRunner):
        async def explain(self, *asked: Any) -> tuple[Explanation, RunResult]:
            acme.see(cluster.apply(spec(mode="Apply", suspend=True)).body)
            return await super().explain(*asked)

    cluster = Cluster(runner=Edited(answer=answer("wp:room:13")))
    acme = cluster.apply(APPLY)
    await cluster.look(acme)
    cluster.annotate(acme, explain="wp:room:13", requested_at="now")

    await cluster.look(acme, times=3)

    assert len(cluster.runner.runs) == 1
    assert cluster.ready() == ("True", "Suspended")


async def test_a_suspended_target_answers_questions_too() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply", suspend=True))
    cluster.annotate(acme, explain="wp:room:13")

    await cluster.look(acme, times=3)

    assert (cluster.runner.asked, cluster.runner.runs) == (["wp:room:13"], [])
