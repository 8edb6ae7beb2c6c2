"""SyncPlans in the cluster: shown whole before anything runs, in step with each run, kept in bounds."""

import asyncio
import base64
import gzip
from copy import deepcopy
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync.kube import Forbidden, NotFound, Unavailable
from engage_sync.plans import chunks
from engage_sync.plans.cluster import KEEP_FINISHED, KEEP_SUPERSEDED, ClusterPlans
from engage_sync.plans.life import Pending
from engage_sync.plans.reading import PlansUnavailable, PlanUnreadable, read_plan
from reconcilers.errors import SyncError, UnsupportedEnvironment
from reconcilers.guard import Guards, Required
from reconcilers.steps import canonical
from tests.engine.by_hand import filled
from tests.engine.memory_source import MemorySource
from tests.engine.rig import Rig
from tests.property.laws import edit_all
from tests.strategies import Edit, histories, tidy_worlds
from tests.unit.operator.plans_stage import FIRST, OWNER, SECOND, Stage, rename

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


def test_the_plan_for_an_engage_in_use_is_shown_and_not_carried_out() -> None:
    stage = Stage(rig=filled())
    report = stage.run()

    assert report is not None
    assert isinstance(report.ended_by, UnsupportedEnvironment)
    assert stage.state() == "Planned"
    status, reason, message = stage.condition("Applied")
    assert (status, reason) == ("False", "EndedEarly")
    assert message == f"nothing of it is carried out: {report.ended_by.message}"


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
    kept = deepcopy(stage.rig.source)
    stage.remove(20)
    stage.run()
    stage.rig.source = kept
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
