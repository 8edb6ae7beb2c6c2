"""SyncPlans in the cluster: shown before anything runs, approved once, spent once, whoever dies when."""

import asyncio
import base64
import contextlib
import gzip
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync.kube import Forbidden, NotFound, Unavailable
from engage_sync.plan_document import NotThisPlan
from engage_sync.plans import chunks
from engage_sync.plans.approvals import ClusterApprovals
from engage_sync.plans.cluster import KEEP_FINISHED, KEEP_SUPERSEDED, ClusterPlans
from engage_sync.plans.life import Pending
from engage_sync.plans.reading import PlansUnavailable, PlanUnreadable, read_plan
from reconcilers.errors import Halted, SyncError
from reconcilers.guard import Budget, Guards, Required
from reconcilers.model import Key
from reconcilers.steps import canonical
from reconcilers.sync import Settings, look
from reconcilers.why import explain
from tests.engine.memory_source import MemorySource
from tests.engine.memory_target import Killed as Dead
from tests.engine.rig import GateAfter, Rig
from tests.engine.samples import edit, put, space
from tests.property.laws import edit_all
from tests.strategies import Edit, histories, tidy_worlds
from tests.unit.operator.plans_stage import OWNER, Stage
from tests.unit.store.fake_api import Fault, Killed

FIRST, SECOND, THIRD = (f"acme-{number:010x}" for number in (1, 2, 3))


@pytest.fixture
def stage() -> Stage:
    return Stage()


def rename(stage: Stage, name: str = "Apollo 2") -> None:
    edit(stage.rig.source.spaces, 100, name=name)


# What is shown


def test_a_run_that_finds_nothing_writes_nothing(stage: Stage) -> None:
    stage.run()

    assert (stage.api.writes, stage.name) == ([], "")


def test_safe_steps_go_ahead_and_the_plan_is_applied(stage: Stage) -> None:
    rename(stage)
    stage.run()

    assert stage.state() == "Applied"
    assert stage.condition("Applied") == ("True", "Applied", "1 of 1 steps are done")
    assert "heldDigest" not in stage.plan()["spec"]


def test_held_steps_wait_while_the_rest_goes_on(stage: Stage) -> None:
    stage.remove(20)
    rename(stage)
    report = stage.run(left=1000)

    assert report is not None
    assert stage.state() == "ApprovalRequired"
    assert (
        stage.condition("Applied")[2]
        == f"1 of 1 steps are done; {len(report.plan.held)} more wait for approval"
    )
    assert stage.here("Annex") == [True]
    spec = stage.plan()["spec"]
    assert (spec["digest"], spec["heldDigest"]) == (report.plan.digest, report.plan.held_digest)
    assert (spec["held"], spec["summary"]) == (5, "~1 -5")
    assert spec["counts"] == [
        {"kind": "Location", "delete": 1, "held": 1},
        {"kind": "Floor", "delete": 2, "held": 2},
        {"kind": "Resource", "delete": 2, "update": 1, "held": 2},
    ]
    assert spec["destructive"][0] == {
        "action": "delete", "kind": "Location", "key": "wp:building:20", "name": "Annex",
        "reason": "gone from the source", "held": "Destructive", "floors": 2, "resources": 2,
        "bookings": "unknown",
    }  # fmt: skip
    assert (spec["estimatedCalls"], spec["quotaLeft"]) == (6, 994)


def test_the_chunks_hash_to_the_digests_by_gunzip_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK", 500)
    stage.remove(20)
    stage.run()
    spec = stage.plan()["spec"]

    streams = {
        key: b"".join(
            gzip.decompress(base64.b64decode(data[key]))
            for name in spec["chunks"]
            if key in (data := stage.api.objects[OWNER.namespace, name]["binaryData"])
        )
        for key in ("steps", "notes")
    }

    assert len(spec["chunks"]) > 2
    assert f"sha256:{sha256(streams['steps']).hexdigest()}" == spec["digest"]
    assert f"sha256:{sha256(streams['notes']).hexdigest()}" == spec["riskDigest"]
    assert len(stage.lines()) == 5


def test_everything_is_owned_and_labelled(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    plan, (chunk,) = stage.plan()["metadata"], stage.api.objects.values()

    assert [(o["kind"], o["uid"], o["controller"]) for o in plan["ownerReferences"]] == [
        ("SyncTarget", OWNER.uid, True)
    ]
    owners = chunk["metadata"]["ownerReferences"]
    assert [(o["kind"], o["name"], o["uid"]) for o in owners] == [("SyncPlan", stage.name, plan["uid"])]
    assert chunk["metadata"]["name"] == f"engage-sync-acme-{OWNER.uid[:8]}-plan-{1:010x}-0"
    assert OWNER.labels.items() <= chunk["metadata"]["labels"].items()
    assert (OWNER.labels, chunk["immutable"]) == (plan["labels"], True)


def test_a_daily_run_that_finds_the_same_writes_nothing(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    writes = list(stage.api.writes)
    stage.run()
    stage.run()

    assert stage.api.writes == writes
    assert stage.api.states() == {FIRST: "ApprovalRequired"}
    assert stage.name == FIRST


def test_what_waits_keeps_its_plan_once_the_safe_steps_are_done(stage: Stage) -> None:
    stage.remove(20)
    rename(stage)
    stage.run()
    writes = list(stage.api.writes)
    stage.run()
    stage.run()

    assert (stage.name, stage.api.writes) == (FIRST, writes)
    stage.api.approve(FIRST)
    stage.run()
    assert stage.api.states() == {FIRST: "Applied", stage.name: "Applied"}
    assert stage.here("Annex") == [False]


def test_another_plan_takes_the_place_of_the_first(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.remove(30)
    stage.run()

    assert stage.api.states() == {FIRST: "Superseded", SECOND: "ApprovalRequired"}
    assert stage.plan(FIRST)["status"]["supersededBy"] == SECOND
    assert stage.condition("Superseded", FIRST) == ("True", "Superseded", f"SyncPlan {SECOND} took its place")


def test_what_returned_to_the_source_is_not_waited_for(stage: Stage) -> None:
    source = stage.rig.source
    kept = (dict(source.buildings), dict(source.floors), dict(source.spaces), dict(source.centers))
    stage.remove(20)
    stage.run()
    source.buildings, source.floors, source.spaces, source.centers = kept
    stage.run()

    assert stage.api.states() == {FIRST: "Superseded"}
    assert stage.condition("Superseded", FIRST) == ("True", "NothingToDo", "a later run found nothing to do")


def test_a_run_that_did_not_see_everything_does_not_dismiss_a_plan(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.rig.source.hidden = {("spaces", 100)}
    report = stage.run()

    assert report is not None
    assert report.gaps
    assert stage.api.states() == {FIRST: "ApprovalRequired"}

    stage.rig.source.hidden = set()
    stage.run()

    assert (stage.name, stage.api.states()) == (FIRST, {FIRST: "ApprovalRequired"})


# Approval


def test_what_was_approved_is_done(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    assert not stage.waits()
    stage.api.approve(stage.name)
    assert stage.waits()
    stage.run()

    assert stage.here("Tower", "Annex") == [True, False]
    assert stage.api.states() == {FIRST: "Applied"}
    assert stage.condition("Approved", FIRST) == ("True", "Approved", "approved by ann")
    assert not stage.waits()


def test_the_plan_is_applying_before_the_first_write(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    seen: list[tuple[str, str]] = []
    stage.run(gate=lambda: seen.append((stage.state(FIRST), stage.condition("Approved", FIRST)[0])))

    assert set(seen) == {("Applying", "True")}


def test_an_approval_is_spent_once(stage: Stage) -> None:
    source = stage.rig.source
    kept = (dict(source.buildings), dict(source.floors), dict(source.spaces), dict(source.centers))
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    stage.run()
    source.buildings, source.floors, source.spaces, source.centers = kept
    stage.run()
    stage.remove(20)
    stage.run()

    assert stage.here("Annex") == [True]
    assert stage.state() == "ApprovalRequired"
    assert stage.name not in (FIRST, SECOND)


def test_of_what_was_approved_a_part_may_be_left_to_do(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    rooms = stage.rig.target.tables["rooms"]
    del rooms[stage.rig.target.find("wp:room:200")["id"]]
    stage.run()

    assert stage.here("Annex") == [False]
    assert stage.api.states() == {FIRST: "Applied", SECOND: "Applied"}
    assert stage.condition("Applied", FIRST)[2] == (
        "4 of the 5 approved steps are done; 1 were not to be done any more"
    )


def test_an_approval_of_what_is_not_to_be_done_any_more_is_spent_too(stage: Stage) -> None:
    source = stage.rig.source
    kept = (dict(source.buildings), dict(source.floors), dict(source.spaces), dict(source.centers))
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    source.buildings, source.floors, source.spaces, source.centers = kept
    stage.run()

    assert stage.api.states() == {FIRST: "Applied"}
    stage.remove(20)
    stage.run()
    assert stage.here("Annex") == [True]
    assert stage.state() == "ApprovalRequired"


def test_who_asks_why_is_told_of_an_approval_that_no_run_took_up_yet(stage: Stage) -> None:
    def told() -> str:
        approvals = ClusterApprovals(stage.api, OWNER, Pending(stage.name, stage.held))
        settings = Settings(guards=stage.guards)
        view = asyncio.run(look(replace(stage.rig.ports(), plans=approvals), settings))
        return explain(view, Key("wp:building:20"), settings).outcome[0]

    stage.remove(20)
    stage.run()
    assert told().startswith("It waits for an approval to delete it")
    stage.api.approve(stage.name)
    writes = len(stage.api.writes)

    assert told().startswith("A run that applies will delete it")
    assert len(stage.api.writes) == writes

    stage.remove(30)
    assert told().startswith("It waits for an approval to delete it"), "more goes than was approved"
    stage.name = ""
    assert told().startswith("It waits for an approval to delete it"), "of a plan that nobody was shown"


def test_more_than_was_approved_waits_and_shows_the_difference(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    stage.remove(30)
    stage.run()

    assert stage.here("Annex", "Cottage") == [True, True]
    assert stage.api.states() == {FIRST: "Superseded", SECOND: "ApprovalRequired"}
    status, reason, message = stage.condition("Approved")
    assert (status, reason) == ("False", "BeyondApproval")
    assert "delete Resource" in message
    assert "Cottage" in message or ", …" in message
    assert f"`engage-sync show-plan {SECOND} -n tenants --against {FIRST}` shows all" in message
    assert stage.condition("Approved", FIRST)[:2] == ("False", "Superseded")

    stage.api.approve(SECOND)
    stage.run()

    assert stage.here("Annex", "Cottage") == [False, False]
    assert stage.state(SECOND) == "Applied"


def test_an_approval_is_not_spent_by_a_run_that_did_not_see_everything(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    stage.rig.source.hidden = {("spaces", 100)}
    stage.run()
    assert stage.here("Annex") == [True]

    stage.rig.source.hidden = set()
    stage.run()

    assert stage.here("Annex") == [False]
    assert stage.api.states() == {FIRST: "Applied"}


def test_an_approval_outlives_a_source_that_is_not_believed_for_a_while(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    stage.guards = Guards(unreadable=Budget(percent=10, minimum_population=1))
    stage.rig.source.garbled = {("spaces", 101)}
    rename(stage)
    stage.run()
    assert stage.state() == "Quarantined"
    assert stage.condition("Approved")[1] == "BeyondApproval"
    assert stage.here("Annex") == [True]

    stage.rig.source.garbled = set()
    stage.run()

    assert stage.here("Annex") == [False]
    assert stage.api.states() == {FIRST: "Applied", SECOND: "Superseded", THIRD: "Applied"}


def test_a_run_that_ended_early_is_resumed_with_its_approval(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    rename(stage)
    report = stage.run(gate=GateAfter(3))

    assert report is not None
    assert isinstance(report.ended_by, Halted)
    assert (stage.name, stage.api.states()) == (SECOND, {FIRST: "Applying", SECOND: "Applying"})
    assert stage.condition("Applied")[:2] == ("False", "EndedEarly")
    assert stage.here("Annex") == [True]

    stage.run()

    assert stage.here("Annex") == [False]
    assert stage.api.states() == {FIRST: "Applied", SECOND: "Superseded", THIRD: "Applied"}


def test_what_failed_needs_a_new_approval(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    target = stage.rig.target
    location = target.find("wp:building:20")["id"]

    def move_in() -> None:
        if stage.state(FIRST) == "Applying" and not any(
            row["ResourceName"] == "Squat" for row in target.tables["floors"].values()
        ):
            target.insert(
                "floors", {"ResourceName": "Squat", "InternalParentId": location, "FloorNumber": "7"}
            )

    report = stage.run(gate=move_in)

    assert report is not None
    assert report.failed
    assert stage.api.states() == {FIRST: "PartiallyApplied"}
    assert stage.condition("Applied", FIRST)[2] == "4 of 5 steps are done, 1 failed"
    (squat,) = [id for id, row in target.tables["floors"].items() if row["ResourceName"] == "Squat"]
    del target.tables["floors"][squat]
    stage.run()

    assert stage.here("Annex") == [True]
    assert stage.state() == "ApprovalRequired"


def test_of_a_published_part_and_its_approved_plan_both_tell_what_failed(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    rename(stage)
    target = stage.rig.target
    location = target.find("wp:building:20")["id"]

    def move_in() -> None:
        if all(row["ResourceName"] != "Squat" for row in target.tables["floors"].values()):
            target.insert(
                "floors", {"ResourceName": "Squat", "InternalParentId": location, "FloorNumber": "7"}
            )

    stage.run(gate=move_in)

    assert stage.api.states() == {FIRST: "PartiallyApplied", SECOND: "PartiallyApplied"}
    assert stage.condition("Applied", FIRST)[2] == (
        "4 of the 5 approved steps are done; the rest needs a new approval"
    )


def test_a_quarantined_plan_is_released_by_its_approval(stage: Stage) -> None:
    stage.guards = Guards(deletions=Budget(0, 1, 0))
    edit(stage.rig.source.spaces, 100, name="Apollo 2")
    stage.rig.source.spaces.pop(101)
    stage.run()

    assert stage.state() == "Quarantined"
    assert "spec.deletion.budget" in stage.plan()["spec"]["quarantine"][0]
    before = len(stage.rig.target.writes)
    stage.api.approve(stage.name)
    stage.run()

    assert len(stage.rig.target.writes) == before + 2
    assert stage.api.states() == {FIRST: "Applied"}


def test_every_step_waits_where_every_step_needs_an_approval(stage: Stage) -> None:
    stage.guards = Guards(required=Required.ALWAYS)
    rename(stage)
    stage.run()
    assert stage.state() == "ApprovalRequired"
    assert stage.condition("Applied") == ("", "", "")
    stage.api.approve(stage.name)
    put(stage.rig.source, space(105, "Vostok", 1))
    stage.run()

    assert stage.api.states() == {FIRST: "Applied", SECOND: "ApprovalRequired"}
    assert stage.rig.target.find("wp:room:100")["ResourceName"] == "Apollo 2"
    stage.api.approve(SECOND)
    stage.run()
    assert stage.rig.target.find("wp:room:105")["ResourceName"] == "Vostok"


def test_two_approvals_that_are_not_spent_both_count(stage: Stage) -> None:
    stage.guards = Guards(required=Required.ALWAYS)
    rename(stage)
    stage.run()
    stage.api.approve(stage.name)
    put(stage.rig.source, space(105, "Vostok", 1))
    stage.run(gate=GateAfter(0))
    assert stage.api.states() == {FIRST: "Applying", SECOND: "ApprovalRequired"}
    stage.api.approve(SECOND)
    stage.run()

    assert stage.rig.target.find("wp:room:100")["ResourceName"] == "Apollo 2"
    assert stage.rig.target.find("wp:room:105")["ResourceName"] == "Vostok"
    assert set(stage.api.states().values()) <= {"Applied", "Superseded"}


# Plan mode


def test_in_plan_mode_an_approval_is_kept_for_later(stage: Stage) -> None:
    stage.remove(20)
    stage.run(apply=False)
    assert stage.api.states() == {FIRST: "Planned"}
    stage.api.approve(stage.name)
    assert stage.waits()
    stage.run(apply=False)
    assert not stage.waits(FIRST)
    writes = list(stage.api.writes)
    stage.run(apply=False)
    assert stage.api.writes == writes
    assert stage.api.states() == {FIRST: "Planned"}
    assert stage.condition("Approved", FIRST)[0] == "True"
    assert stage.here("Annex") == [True]

    stage.run()

    assert stage.here("Annex") == [False]
    assert stage.api.states() == {FIRST: "Applied"}


def test_in_plan_mode_an_approval_outlives_newer_plans(stage: Stage) -> None:
    stage.remove(20)
    stage.run(apply=False)
    stage.api.approve(stage.name)
    rename(stage)
    stage.run(apply=False)
    assert stage.api.states() == {FIRST: "Planned", SECOND: "Planned"}
    stage.run()

    assert stage.here("Annex") == [False]
    assert stage.api.states() == {FIRST: "Applied", SECOND: "Applied"}


# What does not count


def test_a_forged_plan_counts_for_nothing(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    genuine = stage.plan()
    stage.name, stage.held = "", ""
    stage.api.approve(FIRST)
    stage.run()

    assert stage.here("Annex") == [True]
    assert genuine["spec"]["heldDigest"] == stage.held


@pytest.mark.parametrize("wrong", ["sha256:" + "0" * 64, ""])
def test_an_approval_of_another_digest_than_the_status_says_counts_for_nothing(
    stage: Stage, wrong: str
) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(FIRST)
    stage.held = wrong
    stage.run()

    assert stage.here("Annex") == [True]


def test_a_plan_that_took_the_name_of_the_real_one_counts_for_nothing_and_goes(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    forged = stage.api.plans.pop(FIRST)
    spec = {**forged["spec"], "approval": {"digest": forged["spec"]["heldDigest"], "by": "eve"}}
    asyncio.run(stage.api.create_sync_plan({**forged, "spec": spec}))
    stage.run()

    assert stage.here("Annex") == [True]
    assert stage.api.states() == {SECOND: "ApprovalRequired"}


def test_the_plan_of_a_former_target_of_the_name_counts_for_nothing(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(FIRST)
    stage.owner = replace(OWNER, uid="ffffffff-4e5f-6071-8293-a4b5c6d7e8f9")
    stage.run()

    assert stage.here("Annex") == [True]
    assert stage.name == SECOND
    assert stage.state(FIRST) == "ApprovalRequired"


def only_chunk(stage: Stage) -> dict[str, Any]:
    (chunk,) = stage.api.objects.values()
    return chunk


def bomb(stage: Stage) -> None:
    only_chunk(stage)["binaryData"]["steps"] = base64.b64encode(
        gzip.compress(b" " * (chunks.MAX_CHUNK + 1))
    ).decode()


DAMAGES: dict[str, Callable[[Stage], object]] = {
    "gone": lambda stage: stage.api.objects.clear(),
    "no gzip": lambda stage: only_chunk(stage)["binaryData"].update(steps="bm9uc2Vuc2U="),
    "no text": lambda stage: only_chunk(stage)["binaryData"].update(steps=7),
    "empty": lambda stage: only_chunk(stage).update(binaryData=None),
    "other steps": lambda stage: only_chunk(stage)["binaryData"].update(
        steps=base64.b64encode(gzip.compress(b'{"key": "wp:building:10"}\n')).decode()
    ),
    "other notes": lambda stage: only_chunk(stage)["binaryData"].update(
        notes=base64.b64encode(gzip.compress(b'{"step": 0, "held": ""}\n')).decode()
    ),
    "cut short": lambda stage: only_chunk(stage)["binaryData"].update(
        steps=base64.b64encode(gzip.compress(b"whole")[:-3]).decode()
    ),
    "a bomb": bomb,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_plan_whose_chunks_are_damaged_cannot_be_approved(
    stage: Stage, damage: Callable[[Stage], object]
) -> None:
    stage.remove(20)
    stage.run()
    stage.api.approve(FIRST)
    damage(stage)
    with pytest.raises(PlanUnreadable, match=f"SyncPlan {FIRST} cannot be shown: .* the next run"):
        stage.lines(FIRST)
    stage.run()

    assert stage.here("Annex") == [True]
    assert stage.condition("Approved", FIRST)[:2] == ("False", "ChunksDamaged")
    assert not stage.waits()
    assert stage.api.states() == {FIRST: "Superseded", SECOND: "ApprovalRequired"}
    stage.api.approve(SECOND)
    stage.run()
    assert stage.here("Annex") == [False]


def test_a_damaged_plan_that_nobody_approved_is_made_anew(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    stage.api.objects.clear()
    stage.run()

    assert stage.api.states() == {FIRST: "Superseded", SECOND: "ApprovalRequired"}
    assert len(stage.lines()) == 5


def test_a_plan_that_does_not_hash_to_what_was_approved_counts_for_nothing(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    spec = stage.plan()["spec"]
    spec["heldDigest"] = stage.held = "sha256:" + "1" * 64
    stage.api.approve(FIRST)
    stage.run()

    assert stage.here("Annex") == [True]
    assert "do not hash to heldDigest" in stage.condition("Approved", FIRST)[2]


def test_a_plan_that_names_other_config_maps_counts_for_nothing(stage: Stage) -> None:
    stage.remove(20)
    stage.run()
    copied = dict(only_chunk(stage), metadata={"namespace": OWNER.namespace, "name": "engage-sync-copy"})
    asyncio.run(stage.api.create_config_map(copied))
    stage.plan()["spec"]["chunks"] = ["engage-sync-copy"]
    stage.api.approve(FIRST)
    stage.run()

    assert stage.here("Annex") == [True]
    assert "no chunks of it" in stage.condition("Approved", FIRST)[2]


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b" " * (chunks.MAX_CHUNK + 1)), gzip.compress(b"whole")[:-3], gzip.compress(b"whole") * 2],
    ids=["a bomb", "cut short", "two in one"],
)
def test_a_chunk_that_was_never_cut_is_not_joined(packed: bytes) -> None:
    with pytest.raises(NotThisPlan, match="longer or shorter"):
        chunks.join([{"binaryData": {"steps": base64.b64encode(packed).decode()}}])


def test_the_same_steps_with_other_bookings_are_another_plan(stage: Stage) -> None:
    room = stage.rig.target.find("wp:room:200")["id"]
    stage.booked = {}
    stage.remove(20)
    stage.run()
    digest = stage.plan()["spec"]["digest"]
    stage.booked = {room: frozenset({"b1"})}
    stage.run()

    assert stage.plan()["spec"]["digest"] == digest
    assert stage.plan(SECOND)["spec"]["destructive"][0]["bookings"] == "1 and unknown"
    assert stage.api.states() == {FIRST: "Superseded", SECOND: "ApprovalRequired"}


def test_bookings_that_nobody_saw_go_beyond_an_approval(stage: Stage) -> None:
    room = stage.rig.target.find("wp:room:200")["id"]
    stage.booked = {room: frozenset({"b1"})}
    stage.remove(20)
    stage.run()
    stage.api.approve(FIRST)
    stage.booked = {room: frozenset({"b1", "b2"})}
    stage.run()

    assert stage.here("Annex") == [True]
    assert stage.condition("Approved")[1] == "BeyondApproval"
    stage.api.approve(SECOND)
    stage.booked = {room: frozenset({"b2"})}
    stage.run()
    assert stage.here("Annex") == [False]


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


# Retention


def test_the_last_applied_and_superseded_plans_stay_with_their_chunks(stage: Stage) -> None:
    for number in range(8):
        rename(stage, f"Apollo {number}")
        stage.run()
    assert list(stage.api.states().values()) == ["Applied"] * KEEP_FINISHED

    stage.remove(20)
    for number in range(6):
        rename(stage, f"Gemini {number}")
        stage.run()

    states = list(stage.api.states().values())
    assert states.count("Applied") == KEEP_FINISHED
    assert states.count("Superseded") == KEEP_SUPERSEDED
    assert states[-1] == "ApprovalRequired"
    assert set(stage.api.names()) == {
        chunk for plan in stage.api.plans.values() for chunk in plan["spec"]["chunks"]
    }


def test_the_mapping_and_other_things_with_our_labels_stay(stage: Stage) -> None:
    mapping = {
        "metadata": {"namespace": OWNER.namespace, "name": "engage-sync-acme-mapping", "labels": OWNER.labels}
    }
    asyncio.run(stage.api.create_config_map(mapping))
    for number in range(8):
        rename(stage, f"Apollo {number}")
        stage.run()

    assert "engage-sync-acme-mapping" in stage.api.names()


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


# What cannot be done


def test_without_the_definition_the_sentence_says_what_to_install(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object) -> list[Any]:
        raise NotFound("the server could not find the requested resource")

    monkeypatch.setattr(stage.api, "list_sync_plans", unknown)
    plans = ClusterPlans(
        stage.api, OWNER, "1", Pending(), apply=True, calls_left=lambda: None, now=lambda: stage.now
    )

    with pytest.raises(PlansUnavailable, match=r"engage-sync crd \| kubectl apply -f -"):
        asyncio.run(plans.approved())


@pytest.mark.parametrize("error", [Forbidden("may not"), Unavailable("no answer", retry_after=3.0)])
def test_a_plan_that_cannot_be_shown_is_not_carried_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(*_: object) -> Any:
        raise error

    stage.remove(20)
    rename(stage)
    monkeypatch.setattr(stage.api, "create_sync_plan", fail)

    assert stage.run() is None
    assert stage.rig.target.find("wp:room:100")["ResourceName"] == "Apollo"


def test_what_is_not_there_is_said_with_the_way_to_find_it(stage: Stage) -> None:
    with pytest.raises(
        PlanUnreadable, match=r'there is no SyncPlan "nix" .*`kubectl get syncplans -n tenants`'
    ):
        asyncio.run(read_plan(stage.api, OWNER.namespace, "nix"))


def test_a_plan_that_is_being_made_is_not_shown(stage: Stage) -> None:
    stage.remove(20)
    seen: list[str] = []

    def look(verb: str, name: str) -> None:
        if verb == "create" and name.startswith("engage-sync-"):
            seen.append(stage.api.states()[FIRST])

    stage.api.before = look
    stage.run()
    assert seen == ["unfinished"]
    del stage.api.plans[FIRST]["status"]

    with pytest.raises(PlanUnreadable, match="is still being made"):
        stage.lines(FIRST)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            Forbidden("may not"),
            PlanUnreadable,
            "it takes the right to get syncplans and configmaps in namespace tenants",
        ),
        (Unavailable("no answer"), PlansUnavailable, "could not be read: no answer"),
    ],
)
def test_what_may_not_be_read_is_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[SyncError], text: str
) -> None:
    async def fail(*_: object) -> Any:
        raise error

    stage.remove(20)
    stage.run()
    monkeypatch.setattr(stage.api, "get_config_map", fail)

    with pytest.raises(kind, match=text):
        stage.lines(FIRST)


# Laws


@settings(max_examples=60)
@given(tidy_worlds(), histories, st.sampled_from(Required), st.integers(40, 4000))
def test_what_is_stored_is_the_plan_to_the_letter(
    source: MemorySource, history: list[list[Edit]], required: Required, size: int
) -> None:
    stage = Stage(Rig(source), Guards(required=required))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MAX_CHUNK", size)
        for edits in [[], *history]:
            edit_all(source, edits)
            report = stage.run()
            if report is None or not report.plan.steps:
                continue
            body, document = asyncio.run(read_plan(stage.api, OWNER.namespace, stage.name))
            plan = report.plan

            lines = tuple(map(canonical, plan.steps))
            if plan.ready or document.lines == lines:
                assert document.lines == lines
                assert document.digest == plan.digest == body["spec"]["digest"]
            else:  # its safe steps were done by a run before; what waits is the same
                assert lines == tuple(line for line in document.lines if line in document.waiting)
            assert body["spec"].get("heldDigest", "") in (plan.held_digest, document.held_digest)
            assert document.held_digest == plan.held_digest
            assert stage.state() in ("Applied", "PartiallyApplied", "ApprovalRequired", "Quarantined")
