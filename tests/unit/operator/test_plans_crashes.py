"""SyncPlans whoever writes at the same time, and whoever dies when: nothing is lost, nothing done twice."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from engage_sync.plans.cluster import KEEP_FINISHED
from reconcilers.errors import SyncError
from tests.engine.memory_target import Killed as Dead
from tests.unit.operator.plans_stage import FIRST, OWNER, SECOND, Stage, rename
from tests.unit.store.fake_api import Fault, Killed

# Others at the same time


@pytest.mark.parametrize("write", range(4))
def test_an_answer_that_is_lost_does_not_end_the_run(stage: Stage, write: int) -> None:
    stage.remove(20)
    rename(stage)
    stage.api.faults[write] = Fault.ANSWER_LOST
    report = stage.run()

    assert report is not None
    assert report.writes == 1
    assert stage.api.states() == {FIRST: "ApprovalRequired"}


def test_a_namesake_made_meanwhile_never_gets_the_status(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    rename(stage)
    before = stage.api.writes.count(f"status {FIRST}")

    def make_anew(verb: str, name: str) -> None:
        if (verb, name) == ("status", FIRST):
            stage.api.before = lambda verb, name: None
            forged = stage.api.plans.pop(FIRST)
            body = {**forged, "metadata": {**forged["metadata"], "uid": "another", "resourceVersion": "1"}}
            stage.api.plans[FIRST] = body

    stage.api.before = make_anew
    stage.run()

    assert stage.api.states() == {FIRST: "ApprovalRequired", SECOND: "ApprovalRequired"}
    assert stage.api.writes.count(f"status {FIRST}") == before + 1


def test_an_approval_that_comes_while_a_run_is_under_way_is_for_the_next_run(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    rename(stage)

    def approve(verb: str, name: str) -> None:
        if verb == "create" and name == SECOND:
            stage.api.approve(FIRST)

    stage.api.before = approve
    stage.run()

    assert stage.last is not None
    assert stage.last.approved_meanwhile == FIRST
    assert stage.here("Annex") == [True]
    assert stage.api.states() == {FIRST: "ApprovalRequired", SECOND: "ApprovalRequired"}
    assert stage.waits(SECOND)

    stage.run()

    assert not stage.waits()
    assert stage.here("Annex") == [False]
    assert set(stage.api.states().values()) <= {"Applied", "Superseded"}
    assert stage.state(FIRST) == "Applied"


def test_an_approval_that_comes_while_the_safe_steps_run_is_for_the_next_run(stage: Stage) -> None:
    stage.remove(20)
    rename(stage)

    def approve() -> None:
        if "approval" not in stage.plan(FIRST)["spec"]:
            stage.api.approve(FIRST)

    stage.run(gate=approve)

    assert (stage.state(), stage.waits(), stage.here("Annex")) == ("ApprovalRequired", True, [True])
    stage.run()
    assert stage.here("Annex") == [False]


def test_status_writes_that_lose_a_race_are_repeated(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    raced: set[str] = set()

    def touch(verb: str, name: str) -> None:
        key = f"{verb} {name} {len(stage.api.writes)}"
        if verb == "status" and len(raced) < 4 and key not in raced:
            raced.add(key)
            stage.api._keep(stage.plan(name), generation=0)

    stage.api.before = touch
    stage.run()

    assert raced
    assert stage.api.states() == {FIRST: "Applied"}


def test_status_writes_that_always_lose_end_the_run(stage: Stage) -> None:
    stage.remove(20)

    def touch(verb: str, name: str) -> None:
        if verb == "status":
            stage.api._keep(stage.plan(name), generation=0)

    stage.api.before = touch

    assert stage.run() is None
    assert stage.here("Annex") == [True]
    assert stage.api.states() == {}


def test_a_chunk_of_somebody_else_is_put_away(stage: Stage) -> None:
    stage.remove(20)
    name = OWNER.chunk(f"{1:010x}", 0)
    planted = {"metadata": {"namespace": OWNER.namespace, "name": name}, "binaryData": {"steps": "bm8="}}
    asyncio.run(stage.api.create_config_map(planted))
    stage.run()

    assert len(stage.lines()) == 5


def test_a_plan_of_somebody_else_under_our_name_ends_the_run(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    planted = stage.plan()
    other = {**planted["spec"], "runID": f"{2:010x}"}
    body = {"metadata": {**planted["metadata"], "name": SECOND, "labels": {}}, "spec": other}
    asyncio.run(stage.api.create_sync_plan(body))
    rename(stage)

    assert stage.run() is None
    assert stage.rig.target.find("wp:room:100")["ResourceName"] == "Apollo"


# Crashes


SCENES: dict[str, Callable[[Stage], None]] = {}


def scene(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
    SCENES[play.__name__] = play
    return play


@scene
def a_first_plan_with_held_and_safe_steps(stage: Stage) -> None:
    stage.remove(20)
    rename(stage)


@scene
def a_plan_in_the_place_of_another(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    rename(stage)


@scene
def an_approved_plan(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)


@scene
def an_approved_plan_beside_new_steps(stage: Stage) -> None:
    an_approved_plan(stage)
    rename(stage)


@scene
def more_than_was_approved(stage: Stage) -> None:
    an_approved_plan(stage)
    stage.remove(30)


@scene
def much_to_tidy_up(stage: Stage) -> None:
    for number in range(KEEP_FINISHED + 1):
        rename(stage, f"Apollo {number}")
        stage.run()
    rename(stage)


@scene
def a_damaged_plan(stage: Stage) -> None:
    an_approved_plan(stage)
    stage.api.objects.clear()


def play(name: str) -> Stage:
    stage = Stage()
    SCENES[name](stage)
    return stage


def settle(stage: Stage) -> None:
    """Runs until nothing is left to do, as a controller does."""
    for _ in range(3):
        stage.run()


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("fault", Fault)
def test_whatever_is_lost_at_any_write_the_next_runs_end_well(name: str, fault: Fault) -> None:
    calm = play(name)
    settle(calm)
    number = 0
    while True:
        stage = play(name)
        stage.api.faults[len(stage.api.writes) + number] = fault
        before = len(stage.api.writes)
        with contextlib.suppress(Killed, SyncError):
            stage.run()
        struck = len(stage.api.writes) > before + number
        stage.api.faults.clear()
        settle(stage)
        stage.api.collect_garbage()

        assert stage.rig.target.state() == calm.rig.target.state(), number
        not_open = ("Applied", "PartiallyApplied", "Superseded")
        still_open = [plan for plan, state in stage.api.states().items() if state not in not_open]
        assert still_open == ([stage.name] if stage.name else []), (number, stage.api.states())
        if stage.name:
            assert stage.state() == calm.state(), number
            assert stage.plan()["spec"]["heldDigest"] == calm.plan()["spec"]["heldDigest"]
        named = {chunk for plan in stage.api.plans.values() for chunk in plan["spec"]["chunks"]}
        assert stage.api.names() <= named
        for plan_name in set(stage.api.plans) - {FIRST if name == "a_damaged_plan" else ""}:
            stage.lines(plan_name)
        if not struck:
            break
        number += 1
    assert number >= 2


def test_a_process_that_dies_among_the_steps_loses_no_approval() -> None:
    for number in range(6):
        stage = play("an_approved_plan_beside_new_steps")
        stage.rig.target.fault = dies_at(stage.rig.target.sent + number)
        with contextlib.suppress(Dead):
            stage.run()
        assert stage.waits(FIRST), "nobody would go on before the next regular time"
        stage.rig.target.fault, stage.rig.target.dead = (lambda number, moment: None), False
        settle(stage)

        assert stage.here("Annex") == [False]
        assert stage.state(FIRST) == "Applied"
        assert set(stage.api.states().values()) <= {"Applied", "Superseded"}


def dies_at(write: int) -> Callable[[int, str], None]:
    def fault(number: int, moment: str) -> None:
        if (number, moment) == (write, "after"):
            raise Dead

    return fault
