"""What approves a SyncPlan: exactly that one, spent once; and all that counts for nothing."""

import asyncio
import base64
import gzip
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from engage_sync.plan_document import NotThisPlan
from engage_sync.plans import chunks
from engage_sync.plans.approvals import ClusterApprovals
from engage_sync.plans.life import Pending
from engage_sync.plans.reading import PlanUnreadable
from reconcilers.errors import Halted
from reconcilers.guard import Budget, Guards, Required
from reconcilers.model import Key
from reconcilers.sync import Settings, look
from reconcilers.why import explain
from tests.engine.rig import GateAfter
from tests.engine.samples import edit, put, space
from tests.unit.operator.plans_stage import FIRST, OWNER, SECOND, THIRD, Stage, rename

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
    kept = deepcopy(stage.rig.source)
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    stage.run()
    stage.rig.source = kept
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
    kept = deepcopy(stage.rig.source)
    stage.remove(20)
    stage.run()
    stage.api.approve(stage.name)
    stage.rig.source = kept
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
