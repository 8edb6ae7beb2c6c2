"""SyncPlans on a real API server: nothing of them changes but one approval, given once."""

import json
from typing import Any

import httpx
import pytest

from engage_sync.crd import schema
from engage_sync.resource import API_VERSION, GROUP, KIND
from engage_sync.syncplan import SYNCPLAN_KIND, SYNCPLAN_PLURAL, Approval, SyncPlanSpec, syncplan_name
from tests.controlplane.server import ControlPlane
from tests.kube.raw_api import Answer, Api, table, worst
from tests.kube.sync_targets import make_sync_target
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

NAME = "acme-1f2e3d4c5b"
DIGEST, HELD, RISK = (f"sha256:{digit * 64}" for digit in "012")
SPEC: SyncPlanSpec = {
    "synctarget": "acme",
    "synctargetUID": "0b1c2d3e-0000-0000-0000-000000000000",
    "runID": "1f2e3d4c5b",
    "digest": DIGEST,
    "heldDigest": HELD,
    "riskDigest": RISK,
    "summary": "+9 ~4 -2",
    "counts": [
        {
            "kind": "Location",
            "create": 9,
            "update": 4,
            "replace": 0,
            "adopt": 0,
            "rebind": 0,
            "delete": 2,
            "held": 2,
        }
    ],
    "held": 2,
    "quarantine": ["2 of 12 locations would be deleted."],
    "destructive": [
        {
            "action": "Delete",
            "kind": "Location",
            "key": "wp:building:2196",
            "name": "Tower",
            "reason": "gone from the source",
            "held": "Destructive",
            "floors": 3,
            "resources": 41,
            "bookings": "unknown",
        }
    ],
    "destructiveTruncated": 1,
    "chunks": [f"engage-sync-acme-0b1c2d3e-plan-1f2e3d4c5b-{number}" for number in range(2)],
    "estimatedCalls": 12,
    "quotaLeft": 49000,
}
APPROVAL: Approval = {"digest": HELD, "by": "kubernetes-admin"}
CHANGED: Json = {
    "synctarget": "other",
    "synctargetUID": "1",
    "runID": "ffffffffff",
    "digest": HELD,
    "heldDigest": DIGEST,
    "riskDigest": DIGEST,
    "summary": "+1",
    "counts": [],
    "held": 1,
    "quarantine": [],
    "destructive": [{"action": "Delete", "kind": "Location", "key": "wp:building:1"}],
    "destructiveTruncated": 0,
    "chunks": [],
    "estimatedCalls": 0,
    "quotaLeft": 0,
}
OPTIONAL = sorted(SPEC.keys() - schema(SYNCPLAN_PLURAL)["properties"]["spec"]["required"])


def plan(*without: str, **changes: Any) -> Json:
    spec = {name: value for name, value in SPEC.items() if name not in without} | changes
    name = syncplan_name(str(spec["synctarget"]), str(spec["runID"]))
    return {
        "apiVersion": API_VERSION,
        "kind": SYNCPLAN_KIND,
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture
def plans(http: httpx.Client, control_plane: ControlPlane, namespace: str) -> Api:
    return Api(http, control_plane, namespace, SYNCPLAN_PLURAL)


@pytest.fixture
def made(plans: Api) -> Api:
    """With the one plan in it."""
    answer = plans.create(plan())
    assert answer.code == 201, answer.message
    return plans


def approve(plans: Api, **changes: Any) -> Answer:
    return plans.patch(NAME, {"spec": {"approval": APPROVAL | changes}})


def test_the_schema_is_established_without_a_complaint(http: httpx.Client) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{SYNCPLAN_PLURAL}.{GROUP}"

    conditions = http.get(path).json()["status"]["conditions"]

    states = {condition["type"]: condition["status"] for condition in conditions}
    assert states == {"NamesAccepted": "True", "Established": "True"}


def test_a_plan_is_kept_to_the_letter(made: Api) -> None:
    assert made.get(NAME)["spec"] == SPEC


def test_every_field_is_tried() -> None:
    fields = schema(SYNCPLAN_PLURAL)["properties"]["spec"]["properties"].keys() - {"approval"}

    assert CHANGED.keys() == SPEC.keys() == fields


@pytest.mark.parametrize("field", CHANGED)
def test_no_field_can_be_changed(made: Api, field: str) -> None:
    answer = made.patch(NAME, {"spec": {field: CHANGED[field]}})

    assert answer.code == 422
    assert f"spec.{field}: Forbidden: {field} cannot be changed" in answer.message
    assert made.get(NAME)["spec"] == SPEC


@pytest.mark.parametrize("field", CHANGED)
def test_no_field_can_be_taken_away(made: Api, field: str) -> None:
    answer = made.patch(NAME, {"spec": {field: None}})

    assert answer.code == 422
    assert f"spec.{field}: " in answer.message


@pytest.mark.parametrize("field", OPTIONAL)
def test_no_field_can_be_added(plans: Api, field: str) -> None:
    plans.create(plan(field))

    answer = plans.patch(NAME, {"spec": {field: CHANGED[field]}})

    assert answer.code == 422
    assert f"spec.{field}: Forbidden: {field} cannot be changed" in answer.message


@pytest.mark.parametrize("field", CHANGED)
def test_an_approval_carries_no_change_along(made: Api, field: str) -> None:
    answer = made.patch(NAME, {"spec": {"approval": APPROVAL, field: CHANGED[field]}})

    assert answer.code == 422
    assert "approval" not in made.get(NAME)["spec"]


def test_labels_and_owners_can_be_changed(made: Api) -> None:
    assert made.patch(NAME, {"metadata": {"labels": {"a": "b"}}}).code == 200


def test_the_approvers_command_works(made: Api) -> None:
    who = made.plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    patch = json.dumps({"spec": {"approval": {"digest": HELD, "by": who}}})

    made.plane.kubectl("patch", "syncplan", NAME, "-n", made.namespace, "--type", "merge", "-p", patch)

    assert made.get(NAME)["spec"] == {**SPEC, "approval": {"digest": HELD, "by": who}}


def test_approving_the_same_twice_is_no_mistake(made: Api) -> None:
    approve(made)

    assert approve(made).code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"approval": None},
        {"approval": {"by": "somebody-else"}},
        {"approval": {"digest": DIGEST}},
    ],
    ids=["taken back", "by somebody else", "of something else"],
)
def test_an_approval_cannot_be_changed(made: Api, changes: Json) -> None:
    approve(made)

    answer = made.patch(NAME, {"spec": changes})

    assert answer.code == 422
    assert "spec.approval: Forbidden: approval cannot be changed or taken back; set spec.suspend" in (
        answer.message
    )
    assert made.get(NAME)["spec"]["approval"] == APPROVAL


@pytest.mark.parametrize("digest", [DIGEST, RISK, "", HELD[:-1]])
def test_an_approval_of_another_digest_is_told_the_right_one(made: Api, digest: str) -> None:
    answer = approve(made, digest=digest)

    assert answer.code == 422
    assert (
        f"approval.digest must be the heldDigest of this plan, {HELD}; look at the plan again"
        in answer.message
    )
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["spec.approval.digest"]


def test_a_plan_that_holds_nothing_back_cannot_be_approved(plans: Api) -> None:
    plans.create(plan("heldDigest", "riskDigest", held=0))

    answer = approve(plans)

    assert answer.code == 422
    assert "spec.approval: Forbidden: approval cannot be set on a plan that holds nothing back" in (
        answer.message
    )
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["spec.approval"]


@pytest.mark.parametrize("by", ["", " \t\r\n"])
def test_an_approval_names_a_user(made: Api, by: str) -> None:
    answer = approve(made, by=by)

    assert answer.code == 422
    assert "by must be the name of the user who approves; `kubectl auth whoami` prints it" in answer.message


@pytest.mark.parametrize("field", ["digest", "by"])
def test_an_approval_is_whole(made: Api, field: str) -> None:
    answer = approve(made, **{field: None})

    assert answer.code == 422
    assert f"spec.approval.{field}: Required value" in answer.message


def test_a_superseded_plan_cannot_be_approved_and_names_its_successor(made: Api) -> None:
    made.write_status({"state": "Superseded", "supersededBy": "acme-0000000001"}, NAME)

    answer = approve(made)

    assert answer.code == 422
    assert (
        "spec.approval: Forbidden: spec.approval cannot be set on a plan that is superseded;"
        " look at acme-0000000001, which took its place" in answer.message
    )
    assert "approval" not in made.get(NAME)["spec"]


def test_what_was_approved_before_can_be_superseded_and_touched(made: Api) -> None:
    approve(made)

    superseded = made.write_status({"state": "Superseded", "supersededBy": "acme-0000000001"}, NAME)
    touched = made.patch(NAME, {"metadata": {"labels": {"a": "b"}}})

    assert (superseded.code, touched.code) == (200, 200), superseded.message + touched.message


def test_who_approves_cannot_take_supersededBy_away_with_it(made: Api) -> None:  # noqa: N802
    made.write_status({"supersededBy": "acme-0000000001"}, NAME)

    answer = made.patch(NAME, {"spec": {"approval": APPROVAL}, "status": {"supersededBy": None}})

    assert answer.code == 422


def test_the_operators_status_does_not_touch_the_spec(made: Api) -> None:
    approve(made)

    made.replace(made.get(NAME) | {"spec": {}, "status": {"state": "Applied"}}, "/status")

    assert made.get(NAME)["spec"]["approval"] == APPROVAL


@pytest.mark.parametrize("name", ["other-1f2e3d4c5b", "acme", "acme-1f2e3d4c5b0"])
def test_a_plan_is_named_by_its_target_and_its_run(plans: Api, name: str) -> None:
    answer = plans.create(plan() | {"metadata": {"name": name}}, dry_run=True)

    assert answer.code == 422
    assert "metadata.name must be spec.synctarget, '-' and spec.runID" in answer.message


def test_the_biggest_plan_is_taken_and_can_be_approved(plans: Api) -> None:
    bounds = schema(SYNCPLAN_PLURAL)["properties"]
    names = {"synctarget": "a" * 40, "runID": "f" * 16, "synctargetUID": "u" * 64}
    biggest = plan("approval", **(worst(bounds["spec"]) | names))
    del biggest["spec"]["approval"]
    name, approval = biggest["metadata"]["name"], worst(bounds["spec"]["properties"]["approval"])

    created = plans.create(biggest)
    status = plans.write_status(worst(bounds["status"]) | {"supersededBy": ""}, name)
    approved = plans.patch(name, {"spec": {"approval": approval}})

    assert (created.code, status.code, approved.code) == (201, 200, 200), (
        created.message + status.message + approved.message
    )
    assert plans.get(name)["spec"] == biggest["spec"] | {"approval": approval}


def test_the_columns(made: Api) -> None:
    approve(made)
    made.write_status({"state": "PartiallyApplied"}, NAME)

    narrow = table(made.plane.kubectl("get", "synp", "-n", made.namespace).stdout)
    wide = table(made.plane.kubectl("get", "engage-sync", "-o", "wide", "-n", made.namespace).stdout)

    assert list(narrow) == ["NAME", "TARGET", "PLAN", "HELD", "STATE", "BY", "AGE"]
    assert narrow | {"AGE": ""} == {
        "NAME": NAME,
        "TARGET": "acme",
        "PLAN": "+9 ~4 -2",
        "HELD": "2",
        "STATE": "PartiallyApplied",
        "BY": "kubernetes-admin",
        "AGE": "",
    }
    assert list(wide) == [*narrow, "DIGEST", "CALLS"]
    assert (wide["DIGEST"], wide["CALLS"]) == (DIGEST, "12")


def test_every_field_is_explained(made: Api) -> None:
    explained = made.plane.kubectl("explain", "syncplan.spec.heldDigest").stdout

    assert "The same over the held steps alone, which an approval names" in explained


def test_a_plan_goes_with_its_target(plans: Api) -> None:
    target = make_sync_target(plans.plane, plans.namespace, "acme")
    owner = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": "acme",
        "uid": target["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    owned = plan(synctargetUID=owner["uid"])
    owned["metadata"]["ownerReferences"] = [owner]
    assert plans.create(owned).code == 201

    plans.plane.kubectl("delete", "synctarget", "acme", "-n", plans.namespace, "--timeout=30s")

    wait_until("the plan to be collected", lambda: plans.read(NAME).code == 404)
