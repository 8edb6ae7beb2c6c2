"""The chart's admission policies on a real API server: who may approve and loosen, what the operator writes.

On a control plane of its own, as the policies are cluster-wide. Nearly all requests are dry runs, which are
admitted like others, so that the tests can share their objects.
"""

import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.chart_roles import install_policies, install_roles
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane
from tests.e2e.harness import wait_until
from tests.synctargets import manifest, put, spec

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[2] / "crds"
NS = "tenants"
NAME = f"{NS}-engage-sync"
"""Of what the chart renders."""
OPERATOR = f"system:serviceaccount:{NS}:{NAME}"

EDITOR = "eve"
"""May what the chart's edit allows."""
WRITER = "wendy"
"""May write SyncPlans, and still not approve them."""
APPROVER = "ann"
CLERK = "carl"
"""May write ConfigMaps and bind roles; no business of ours."""

LOOSER: dict[str, list[Any]] = {
    "approval.required": ["Always", "Destructive", "Never"],
    "deletion.budget.percent": [5, 10, 11, 100],
    "deletion.budget.count": [0, 99, 100, 101],
    "deletion.budget.minimumPopulation": [1, 20, 21],
    "deletion.subtreeBudget.percent": [0, 50, 51],
    "deletion.subtreeBudget.minimumPopulation": [9, 10, 11],
    "deletion.precondition": ["NoFutureBookings", "None"],
    "deletion.bookingsWindow": ["2160h1s", "2160h", "129599m"],
    "deletion.unknownBookings": ["Hold", "Allow"],
    "deletion.gracePeriod": ["90m", "1h", "0s"],
    "update.budget.percent": [49, 50, 51],
    "update.budget.minimumPopulation": [19, 20, 21],
    "merge.minimumMatchPercent": [100, 81, 80, 79, 0],
}
"""The values of each field, from tight to loose, the default among them."""
DEFAULTS: dict[str, Any] = {
    "approval.required": "Destructive",
    "deletion.budget.percent": 10,
    "deletion.budget.count": 100,
    "deletion.budget.minimumPopulation": 20,
    "deletion.subtreeBudget.percent": 50,
    "deletion.subtreeBudget.minimumPopulation": 10,
    "deletion.precondition": "NoFutureBookings",
    "deletion.bookingsWindow": "2160h",
    "deletion.unknownBookings": "Allow",
    "deletion.gracePeriod": "0s",
    "update.budget.percent": 50,
    "update.budget.minimumPopulation": 20,
    "merge.minimumMatchPercent": 80,
}
STEPS = [(field, *pair) for field, values in LOOSER.items() for pair in pairwise(values)]
"""(field, tighter value, looser value)"""
AGAINST_DEFAULTS = [
    (field, value, values.index(value) - values.index(DEFAULTS[field]))
    for field, values in LOOSER.items()
    for value in values
]
"""(field, value, how much looser than the default it is)"""

PEOPLE = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "writer", "namespace": NS},
        "rules": [
            {
                "apiGroups": ["engage-sync.io"],
                "resources": ["syncplans"],
                "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
            }
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "clerk", "namespace": NS},
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "update", "delete"]},
            {
                "apiGroups": ["rbac.authorization.k8s.io"],
                "resources": ["roles", "rolebindings"],
                "verbs": ["create"],
            },
        ],
    },
]
BINDINGS = [
    (EDITOR, "ClusterRole", f"{NAME}-view"),
    (EDITOR, "ClusterRole", f"{NAME}-edit"),
    (WRITER, "Role", "writer"),
    (APPROVER, "ClusterRole", f"{NAME}-edit"),
    (APPROVER, "ClusterRole", f"{NAME}-approver"),
    (CLERK, "Role", "clerk"),
]

HELD = f"sha256:{'b' * 64}"
# As the operator's messages and docs/approval.md give it.
APPROVE = (
    "kubectl patch syncplan {name} -n {namespace} --type merge -p "
    """'{{"spec":{{"approval":{{"digest":"{digest}","by":"'"$(kubectl auth whoami"""
    """ -o jsonpath='{{.status.userInfo.username}}')"'"}}}}}}'"""
)


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    code: int
    message: str

    @property
    def denied_by(self) -> str:
        """The policy that denied it; empty when none did."""
        _, found, rest = self.message.partition("ValidatingAdmissionPolicy '")
        return rest.partition("'")[0] if found and self.code == 403 else ""


@dataclass(frozen=True)
class Probe:
    """A POST that a policy denies as soon as it counts."""

    policy: str
    user: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """Requests of different people to one API server."""

    http: httpx.Client
    plane: ControlPlane

    def ask(self, user: str, method: str, path: str, body: object = None, *, dry_run: bool = True) -> Answer:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self.http.request(
            method,
            path,
            params={"dryRun": "All"} if dry_run else {},
            content=None if body is None else json.dumps(body),
            headers={"Impersonate-User": user, "Content-Type": kind},
        )
        return Answer(answer.status_code, str(answer.json().get("message", "")))

    def wait_for(self, what: str, probe: Probe, done: Callable[[Answer], bool]) -> None:
        """Until a POST is answered like that."""

        def answer() -> Answer:
            return self.ask(probe.user, "POST", probe.path, probe.body)

        wait_until(what, lambda: done(answer()), lambda: str(answer()))

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(path).raise_for_status().json()
        return found

    def make(self, path: str, body: dict[str, Any]) -> str:
        """As the administrator, who may all; gives the object's path."""
        self.http.post(path, json=body).raise_for_status()
        return f"{path}/{body['metadata']['name']}"

    def remove(self, path: str) -> None:
        self.http.delete(path).raise_for_status()


TARGETS = f"/apis/engage-sync.io/v1alpha1/namespaces/{NS}/synctargets"
PLANS = f"/apis/engage-sync.io/v1alpha1/namespaces/{NS}/syncplans"
CONFIG_MAPS = f"/api/v1/namespaces/{NS}/configmaps"


def target(fields: dict[str, Any] | None = None, name: str = "acme") -> dict[str, Any]:
    made = spec()
    for field, value in (fields or {}).items():
        put(made, field.split("."), value)
    return manifest(made, name)


def change(field: str, value: object) -> dict[str, Any]:
    """A merge patch of one field of a SyncTarget."""
    made: dict[str, Any] = {}
    put(made, ["spec", *field.split(".")], value)
    return made


def plan(approval: dict[str, Any] | None = None, name: str = "acme-0000000001") -> dict[str, Any]:
    made: dict[str, Any] = {
        "apiVersion": "engage-sync.io/v1alpha1",
        "kind": "SyncPlan",
        "metadata": {"name": name},
        "spec": {
            "synctarget": "acme",
            "synctargetUID": "5a4d0bd1-6c3e-4d6a-9f3d-0d6a1c6e2f10",
            "runID": name[-10:],
            "digest": f"sha256:{'a' * 64}",
            "heldDigest": HELD,
            "riskDigest": f"sha256:{'c' * 64}",
            "summary": "+0 ~0 -1",
            "counts": [{"kind": "Location", "delete": 1, "held": 1}],
            "held": 1,
            "chunks": [f"engage-sync-acme-5a4d0bd1-plan-{name[-10:]}-0"],
            "estimatedCalls": 1,
        },
    }
    return put_approval(made, approval) if approval else made


def put_approval(made: dict[str, Any], approval: dict[str, Any]) -> dict[str, Any]:
    return made | {"spec": made["spec"] | {"approval": approval}}


def approval(by: str) -> dict[str, Any]:
    return {"digest": HELD, "by": by}


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}


def install_crds(plane: ControlPlane) -> None:
    files = sorted(CRDS.glob("*.yaml"))
    plane.kubectl("apply", *(f"-f={file}" for file in files))
    for file in files:  # not kubectl wait: it fails where there are no conditions yet
        wait_until(f"the CRD {file.stem}", lambda: "Established" in conditions(plane, file.stem))  # noqa: B023


def conditions(plane: ControlPlane, crd: str) -> str:
    path = '{.status.conditions[?(@.status=="True")].type}'
    return plane.kubectl("get", "crd", crd, "-o", f"jsonpath={path}").stdout


@pytest.fixture(scope="module")
def cluster(control_plane_assets: Assets) -> Iterator[Cluster]:
    """With everybody's rights, and with policies that count.

    What they are to deny was allowed a moment before: it is they who deny it.
    """
    with ControlPlane(control_plane_assets) as plane:
        plane.kubectl("create", "namespace", NS)
        install_crds(plane)
        install_roles(plane, NS, {"rbac": {"aggregate": True}})
        plane.kubectl("apply", "-f-", input=yaml.safe_dump_all(PEOPLE))
        for number, (user, kind, role) in enumerate(BINDINGS):
            plane.kubectl(
                *("create", "rolebinding", f"people-{number}", "-n", NS),
                *(f"--{kind.lower()}={role}", f"--user={user}"),
            )
        context = ssl.create_default_context(cafile=str(plane.directory / "ca.pem"))
        context.load_cert_chain(plane.directory / "admin.pem", plane.directory / "admin.key")
        with httpx.Client(base_url=plane.url, verify=context, timeout=30) as http:
            made = Cluster(http, plane)
            probes = [
                Probe("approval", WRITER, PLANS, plan(approval(WRITER))),
                Probe("loosening", EDITOR, TARGETS, target({"approval.required": "Never"})),
                Probe("configmaps", OPERATOR, CONFIG_MAPS, config_map("tenant-config")),
            ]
            for probe in probes:
                made.wait_for(f"{probe.user}'s rights", probe, lambda answer: answer.code == 201)
            install_policies(plane, NS)
            for probe in probes:
                made.wait_for(
                    f"the policy on {probe.policy}",
                    probe,
                    lambda answer: answer.denied_by == name_of(probe.policy),  # noqa: B023
                )
            yield made


def name_of(policy: str) -> str:
    return f"{NAME}-{policy}.{NS}"


# Approving.


@pytest.fixture(scope="module")
def planned(cluster: Cluster) -> str:
    """The path of a SyncPlan that waits for its approval."""
    return cluster.make(PLANS, plan())


def test_setting_an_approval_takes_the_right_to_approve(cluster: Cluster, planned: str) -> None:
    wanted = {"spec": {"approval": approval(WRITER)}}

    refused = cluster.ask(WRITER, "PATCH", planned, wanted)

    assert refused.denied_by == name_of("approval")
    assert refused.message.endswith(
        "spec.approval of SyncPlan acme-0000000001 takes the right to approve, which wendy has not: let"
        ' somebody set it for whom "kubectl auth can-i approve syncplans -n tenants" says yes'
    )
    assert cluster.ask(WRITER, "PUT", planned, put_approval(cluster.get(planned), approval(WRITER))).denied_by
    assert cluster.ask(APPROVER, "PATCH", planned, {"spec": {"approval": approval(APPROVER)}}).code == 200


def test_a_plan_cannot_be_born_with_an_approval_by_who_may_not_approve(cluster: Cluster) -> None:
    born = plan(name="acme-0000000002")

    assert cluster.ask(WRITER, "POST", PLANS, put_approval(born, approval(WRITER))).denied_by == name_of(
        "approval"
    )
    assert cluster.ask(WRITER, "POST", PLANS, born).code == 201


def test_server_side_apply_is_asked_like_everybody(cluster: Cluster, planned: str) -> None:
    body = put_approval(plan(), approval(WRITER))
    refused = cluster.plane.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-n", NS, "--as", WRITER, "-f-"),
        input=json.dumps(body),
        check=False,
    )

    assert refused.returncode != 0
    assert "takes the right to approve, which wendy has not" in refused.stderr
    assert "approval" not in cluster.get(planned)["spec"]


@pytest.mark.parametrize("other", ["bob", "Ann", "ann ", WRITER])
def test_nobody_approves_in_the_name_of_another(cluster: Cluster, planned: str, other: str) -> None:
    refused = cluster.ask(APPROVER, "PATCH", planned, {"spec": {"approval": approval(other)}})

    assert refused.denied_by == name_of("approval")
    assert refused.message.endswith(
        "spec.approval.by of SyncPlan acme-0000000001 is to say who approves: set it to your own user name,"
        f' ann (kubectl auth whoami), not to "{other}"'
    )


def test_the_administrator_too_approves_in_their_own_name(cluster: Cluster, planned: str) -> None:
    def judge(by: str) -> httpx.Response:
        return cluster.http.patch(
            planned,
            params={"dryRun": "All"},
            content=json.dumps({"spec": {"approval": approval(by)}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    assert judge("bob").status_code == 403
    assert judge("admin").status_code == 200


@pytest.mark.usefixtures("planned")
def test_editors_read_plans_and_write_none(cluster: Cluster) -> None:
    def may(verb: str, resource: str = "syncplans") -> str:
        return cluster.plane.kubectl(
            "auth", "can-i", verb, resource, "-n", NS, "--as", EDITOR, check=False
        ).stdout.strip()

    assert {verb: may(verb) for verb in ("get", "list", "watch")} == dict.fromkeys(
        ("get", "list", "watch"), "yes"
    )
    writing = ("create", "update", "patch", "delete", "approve")
    assert {verb: may(verb) for verb in writing} == dict.fromkeys(writing, "no")
    assert may("update", "syncplans/status") == "no"


def test_what_is_approved_can_still_be_labelled_by_others(cluster: Cluster) -> None:
    approved = cluster.make(PLANS, plan(approval("admin"), name="acme-0000000003"))

    assert cluster.ask(WRITER, "PATCH", approved, {"metadata": {"labels": {"seen": "yes"}}}).code == 200


def test_the_approver_of_another_namespace_is_none_here(cluster: Cluster, planned: str) -> None:
    cluster.plane.kubectl("create", "namespace", "elsewhere")
    cluster.plane.kubectl(
        *("create", "rolebinding", "approver", "-n", "elsewhere"),
        *(f"--clusterrole={NAME}-approver", f"--user={WRITER}"),
    )

    assert cluster.ask(WRITER, "PATCH", planned, {"spec": {"approval": approval(WRITER)}}).denied_by


def test_nobody_gives_themselves_the_right_to_approve(cluster: Cluster) -> None:
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NS}"
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": CLERK}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{NAME}-approver"}
    binding = {"metadata": {"name": "mine"}, "subjects": [subject], "roleRef": role_ref}
    role = {
        "metadata": {"name": "mine"},
        "rules": [{"apiGroups": ["engage-sync.io"], "resources": ["syncplans"], "verbs": ["approve"]}],
    }

    for kind, body in (("rolebindings", binding), ("roles", role)):
        refused = cluster.ask(CLERK, "POST", f"{rbac}/{kind}", body)
        assert refused.code == 403
        assert "attempting to grant RBAC permissions not currently held" in refused.message


def test_the_command_that_the_operator_prints_approves(
    cluster: Cluster, control_plane_assets: Assets
) -> None:
    name = "acme-0000000004"
    path = cluster.make(PLANS, plan(name=name))
    cluster.plane.kubectl("create", "serviceaccount", "robot", "-n", NS)
    cluster.plane.kubectl(
        *("create", "rolebinding", "robot", "-n", NS),
        *(f"--clusterrole={NAME}-approver", f"--serviceaccount={NS}:robot"),
    )
    env = cluster.plane.environment(cluster.plane.service_account_kubeconfig(NS, "robot"))
    tools = control_plane_assets.kubectl.parent

    subprocess.run(
        ["sh", "-c", APPROVE.format(name=name, namespace=NS, digest=HELD)],
        env=env | {"PATH": f"{tools}{os.pathsep}{env['PATH']}"},
        check=True,
    )

    assert cluster.get(path)["spec"]["approval"] == {
        "digest": HELD,
        "by": f"system:serviceaccount:{NS}:robot",
    }


# Loosening.


def test_the_defaults_are_those_of_the_crd(cluster: Cluster, made: list[str]) -> None:
    made.append(cluster.make(TARGETS, target()))
    spec_ = cluster.get(made[0])["spec"]

    assert {field: value_at(spec_, field.split(".")) for field in DEFAULTS} == DEFAULTS
    assert cluster.ask(EDITOR, "POST", TARGETS, target(name="another")).code == 201


def value_at(tree: Any, path: list[str]) -> object:
    return value_at(tree[path[0]], path[1:]) if path else tree


@pytest.fixture
def made(cluster: Cluster) -> Iterator[list[str]]:
    """Paths of SyncTargets that are to go after the test."""
    paths: list[str] = []
    yield paths
    for path in paths:
        cluster.remove(path)


@pytest.mark.parametrize(("field", "tight", "loose"), STEPS)
def test_loosening_takes_the_right_to_approve_and_tightening_nothing(
    cluster: Cluster, made: list[str], field: str, tight: object, loose: object
) -> None:
    made.append(cluster.make(TARGETS, target({field: tight}, "tight")))
    made.append(cluster.make(TARGETS, target({field: loose}, "loose")))
    strict, lax = made

    refused = cluster.ask(EDITOR, "PATCH", strict, change(field, loose))

    assert refused.denied_by == name_of("loosening")
    assert refused.message.endswith(
        f"SyncTarget tight would be guarded less (spec.{field} from {tight} to {loose}), which takes the"
        ' right to approve: leave that as it was, or let somebody do it for whom "kubectl auth can-i approve'
        ' syncplans -n tenants" says yes'
    )
    assert cluster.ask(APPROVER, "PATCH", strict, change(field, loose)).code == 200
    assert cluster.ask(EDITOR, "PATCH", lax, change(field, tight)).code == 200


@pytest.mark.parametrize(("field", "value", "looser"), AGAINST_DEFAULTS)
def test_what_is_made_anew_is_compared_with_the_defaults(
    cluster: Cluster, field: str, value: object, looser: int
) -> None:
    answer = cluster.ask(EDITOR, "POST", TARGETS, target({field: value}))

    if looser > 0:
        assert answer.denied_by == name_of("loosening")
        assert f"(spec.{field} from {DEFAULTS[field]} to {value})" in answer.message
        assert "leave that as it is by default" in answer.message
    else:
        assert answer.code == 201
    assert cluster.ask(APPROVER, "POST", TARGETS, target({field: value})).code == 201


@pytest.mark.parametrize("field", DEFAULTS)
def test_to_leave_a_field_out_is_to_set_its_default(cluster: Cluster, made: list[str], field: str) -> None:
    made.append(cluster.make(TARGETS, target({field: LOOSER[field][0]}, "strict")))
    tighter_than_default = LOOSER[field][0] != DEFAULTS[field]

    answer = cluster.ask(EDITOR, "PATCH", made[0], change(field, None))

    assert answer.denied_by == (name_of("loosening") if tighter_than_default else "")
    assert answer.code == (403 if tighter_than_default else 200)


def test_all_that_is_loosened_is_named(cluster: Cluster) -> None:
    answer = cluster.ask(
        EDITOR, "POST", TARGETS, target({"approval.required": "Never", "update.budget.percent": 100})
    )

    assert (
        "(spec.approval.required from Destructive to Never, spec.update.budget.percent from 50 to 100)"
        in (answer.message)
    )


def test_tightening_one_field_does_not_pay_for_loosening_another(cluster: Cluster, made: list[str]) -> None:
    made.append(cluster.make(TARGETS, target()))
    both = {"spec": {"approval": {"required": "Always"}, "deletion": {"budget": {"percent": 11}}}}

    answer = cluster.ask(EDITOR, "PATCH", made[0], both)

    assert answer.denied_by == name_of("loosening")
    assert "(spec.deletion.budget.percent from 10 to 11)" in answer.message


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [("deletion.gracePeriod", "1h30m", "90m"), ("deletion.bookingsWindow", "2160h", "129600m")],
)
def test_the_same_duration_in_other_words_is_no_loosening(
    cluster: Cluster, made: list[str], field: str, before: str, after: str
) -> None:
    made.append(cluster.make(TARGETS, target({field: before})))

    assert cluster.ask(EDITOR, "PATCH", made[0], change(field, after)).code == 200


def test_what_is_loose_already_can_be_edited_otherwise(cluster: Cluster, made: list[str]) -> None:
    everything = {field: values[-1] for field, values in LOOSER.items()}
    made.append(cluster.make(TARGETS, target(everything)))

    assert cluster.ask(EDITOR, "PATCH", made[0], {"spec": {"mode": "Apply", "suspend": True}}).code == 200
    assert cluster.ask(EDITOR, "PATCH", made[0], {"metadata": {"annotations": {"a": "b"}}}).code == 200
    assert cluster.ask(EDITOR, "PUT", made[0], cluster.get(made[0])).code == 200
    assert cluster.ask(EDITOR, "DELETE", made[0]).code == 200


@pytest.fixture
def without_defaults(cluster: Cluster) -> Iterator[None]:
    """The CRD as if it gave these fields no values, as before they were."""
    crd = yaml.safe_load((CRDS / "synctargets.engage-sync.io.yaml").read_text())
    older = deepcopy(crd)
    fields = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    for name in ("approval", "deletion", "update", "merge"):
        strip_defaults(fields[name])

    def defaults_are_there() -> bool:
        body = cluster.http.post(TARGETS, params={"dryRun": "All"}, json=target()).json()
        return "approval" in body["spec"]

    cluster.plane.kubectl("replace", "-f-", input=yaml.safe_dump(older))
    wait_until("the CRD without defaults", lambda: not defaults_are_there())
    yield
    cluster.plane.kubectl("replace", "-f-", input=yaml.safe_dump(crd))
    wait_until("the CRD with defaults", defaults_are_there)


def strip_defaults(schema: dict[str, Any]) -> None:
    schema.pop("default", None)
    for child in schema.get("properties", {}).values():
        strip_defaults(child)


@pytest.mark.usefixtures("without_defaults")
def test_a_field_that_an_old_object_lacks_counts_as_its_default(cluster: Cluster, made: list[str]) -> None:
    made.append(cluster.make(TARGETS, target()))
    old = made[0]

    assert cluster.ask(EDITOR, "PATCH", old, {"spec": {"mode": "Apply"}}).code == 200
    for field, values in LOOSER.items():
        for value in values:
            looser = values.index(value) > values.index(DEFAULTS[field])
            denied_by = cluster.ask(EDITOR, "PATCH", old, change(field, value)).denied_by
            assert denied_by == (name_of("loosening") if looser else ""), (field, value)


# The operator.


def test_the_operator_keeps_its_finalizers_and_status_where_all_is_loose(
    cluster: Cluster, made: list[str]
) -> None:
    everything = {field: values[-1] for field, values in LOOSER.items()}
    made.append(cluster.make(TARGETS, target(everything)))
    finalizer = {"metadata": {"finalizers": ["engage-sync.io/finalizer"], "annotations": {"a": "b"}}}
    status = cluster.get(made[0]) | {"status": {"observedGeneration": 1}}

    assert cluster.ask(OPERATOR, "PATCH", made[0], finalizer).code == 200
    assert cluster.ask(OPERATOR, "PUT", f"{made[0]}/status", status).code == 200


def test_the_operator_can_neither_approve_nor_loosen(cluster: Cluster, planned: str, made: list[str]) -> None:
    made.append(cluster.make(TARGETS, target()))
    born = plan(name="acme-0000000005")

    assert cluster.ask(OPERATOR, "POST", PLANS, born).code == 201
    assert cluster.ask(OPERATOR, "POST", PLANS, put_approval(born, approval(OPERATOR))).denied_by == name_of(
        "approval"
    )
    by_rbac = cluster.ask(OPERATOR, "PATCH", planned, {"spec": {"approval": approval(OPERATOR)}})
    assert 'cannot patch resource "syncplans"' in by_rbac.message
    by_policy = cluster.ask(OPERATOR, "PATCH", made[0], change("approval.required", "Never"))
    assert by_policy.denied_by == name_of("loosening")


def test_the_operator_writes_the_status_of_an_approved_plan(cluster: Cluster) -> None:
    approved = cluster.make(PLANS, plan(approval("admin"), name="acme-0000000006"))
    status = cluster.get(approved) | {"status": {"state": "Applied"}}

    assert cluster.ask(OPERATOR, "PUT", f"{approved}/status", status).code == 200
    assert cluster.ask(OPERATOR, "DELETE", approved).code == 200


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("engage-sync-acme-0a1b2c3d-index", True),
        ("engage-syncs", False),
        ("tenant-config", False),
        ("kube-root-ca.crt", False),
        ("my-engage-sync-acme", False),
    ],
)
def test_the_operator_writes_no_config_maps_but_its_own(cluster: Cluster, name: str, allowed: bool) -> None:
    answer = cluster.ask(OPERATOR, "POST", CONFIG_MAPS, config_map(name))

    assert answer.code == (201 if allowed else 403)
    assert answer.denied_by == ("" if allowed else name_of("configmaps"))


def test_what_the_operator_may_not_make_it_may_not_change_or_delete(cluster: Cluster) -> None:
    foreign = cluster.make(CONFIG_MAPS, config_map("foreign"))
    own = cluster.make(CONFIG_MAPS, config_map("engage-sync-acme-0a1b2c3d-index"))

    refused = [
        cluster.ask(OPERATOR, "PUT", foreign, config_map("foreign") | {"data": {"a": "c"}}),
        cluster.ask(OPERATOR, "DELETE", foreign),
    ]

    for answer in refused:
        assert answer.denied_by == name_of("configmaps")
        assert answer.message.endswith(
            "ConfigMap foreign is none of engage-sync (their names start with engage-sync-): its service"
            " account may not write it; do that as somebody else"
        )
    assert cluster.ask(OPERATOR, "PUT", own, config_map("engage-sync-acme-0a1b2c3d-index")).code == 200
    assert cluster.ask(OPERATOR, "DELETE", own).code == 200


@pytest.mark.parametrize(("prefix", "code"), [("engage-sync-", 201), ("other-", 403)])
def test_a_generated_name_is_judged_too(cluster: Cluster, prefix: str, code: int) -> None:
    body = config_map("") | {"metadata": {"generateName": prefix}}

    assert cluster.ask(OPERATOR, "POST", CONFIG_MAPS, body).code == code


def test_the_config_maps_of_others_are_no_business_of_the_policy(cluster: Cluster) -> None:
    for name in ("clerks-own", "engage-sync-clerk"):
        assert cluster.ask(CLERK, "POST", CONFIG_MAPS, config_map(name)).code == 201
