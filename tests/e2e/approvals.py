"""People around the operator: who approves, who must not, and what they see of plans.

One operator, under exactly the chart's rights and policies, serves several tenants, each with a namespace
and a sandbox of its own.
"""

import base64
import gzip
import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.chart_roles import AuditLog, Manifest, Operator, install_policies, install_roles
from tests.controlplane.server import ControlPlane
from tests.e2e.harness import CLI, OperatorProcess, SandboxProcess, Tenant, operator, sandbox
from tests.waiting import wait_until

Json = dict[str, Any]

APPROVER, EDITOR = "ann", "eve"
"""Service accounts: one may approve; the other is a tenant, who may write SyncPlans and still not approve."""

GROUP = "engage-sync.io"
SYNCPLANS = f"syncplans.{GROUP}"
WRITER: list[Json] = [
    {"apiGroups": [GROUP], "resources": ["syncplans"], "verbs": ["get", "list", "create", "patch", "delete"]},
]
READER: list[Json] = [{"apiGroups": [""], "resources": ["configmaps", "events"], "verbs": ["get", "list"]}]


@dataclass
class World:
    """A tenant that the shared operator serves, with the two systems of its own and its people."""

    tenant: Tenant
    box: SandboxProcess
    approver: Path
    """A kubeconfig of who may approve."""
    tools: Path
    """The folder of kubectl."""

    # What people do.

    def building(self, code: str) -> Json:
        """A building of Workplace by its code."""
        (found,) = (each for each in self.box.workplace("GET", "/buildings") if each["code"] == code)
        return dict(found)

    def change_building(self, code: str, **values: Any) -> None:
        """An edit in Workplace, as a person would make it."""
        number = self.building(code)["id"]
        self.box.workplace("PUT", f"/buildings/{number}", {"id": number, **values})

    def rooms(self, code: str) -> list[Json]:
        """The rooms of a building in Workplace."""
        found: list[Json] = self.box.workplace("GET", f"/rooms?buildingId={self.building(code)['id']}")
        return found

    def reserve(self, code: str, count: int, *, reservable: bool) -> None:
        """Make the first rooms of a building reservable, or not, in Workplace."""
        for room in self.rooms(code)[:count]:
            body = {"id": room["id"], "reservable": reservable}
            self.box.workplace("PUT", f"/rooms/{room['id']}", body)

    def set(self, **spec: Any) -> None:
        """Change fields of the spec."""
        self.tenant.kubectl("patch", "synctarget", "acme", "--type=merge", "-p", json.dumps({"spec": spec}))

    def shell(self, command: str, kubeconfig: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """What a person types; by default it is the approver."""
        environment = self.tenant.plane.environment(kubeconfig or self.approver)
        environment["PATH"] = f"{self.tools}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False
        )

    def approve(self) -> str:
        """Run the command of the message, as a person who copies it; the plan that it names."""
        command = self.command()
        done = self.shell(command)
        assert done.returncode == 0, done.stderr
        return command.split()[3]

    def show(self, *arguments: str) -> str:
        """What `engage-sync show-plan` prints to the approver."""
        namespace = ("-n", self.tenant.namespace)
        done = subprocess.run(
            [*CLI, "show-plan", *namespace, *arguments],
            env=self.tenant.plane.environment(self.approver),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # What people see.

    def message(self) -> str:
        """What Ready says."""
        return self._condition(self.tenant.status(), "Ready").get("message", "")

    def command(self) -> str:
        """The command in that message; of a target that is suspended it was copied before."""
        found = re.search(r"kubectl patch syncplan .*$", self.message())
        assert found, self.message()
        return found.group()

    def plans(self) -> dict[str, Json]:
        """All SyncPlans by name."""
        items = json.loads(self.tenant.kubectl("get", "syncplans", "-o", "json"))["items"]
        return {each["metadata"]["name"]: each for each in items}

    def states(self) -> dict[str, str]:
        """The state of each SyncPlan."""
        return {name: body.get("status", {}).get("state", "") for name, body in self.plans().items()}

    def plan(self) -> Json:
        """The SyncPlan that the status of the SyncTarget names."""
        return self.plans()[self.tenant.status()["plan"]["name"]]

    def plan_condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition of a SyncPlan; empty while it is not there."""
        found = self._condition(self.plans()[name].get("status", {}), kind)
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def wait_state(self, name: str, state: str) -> None:
        """Wait until a SyncPlan is in a state."""
        wait_until(
            f"{name} {state}",
            lambda: self.states().get(name) == state,
            lambda: json.dumps(self.plans(), indent=1)[-4000:] + self.tenant.explain(),
        )

    def events(self) -> list[tuple[str, str]]:
        """Reason and message of all Events, in order."""
        items = json.loads(self.tenant.kubectl("get", "events", "-o", "json"))["items"]
        items.sort(key=lambda each: each.get("eventTime") or each["metadata"]["creationTimestamp"])
        return [(each["reason"], each.get("message", each.get("note", ""))) for each in items]

    def config_maps(self) -> dict[str, str]:
        """All ConfigMaps of ours by name, with their versions."""
        items = json.loads(self.tenant.kubectl("get", "configmaps", "-o", "json"))["items"]
        return {
            each["metadata"]["name"]: each["metadata"]["resourceVersion"]
            for each in items
            if each["metadata"]["name"].startswith("engage-sync-")
        }

    def mapping(self) -> dict[str, str]:
        """The ConfigMaps of the mapping by name, with their versions."""
        return {name: version for name, version in self.config_maps().items() if "-plan-" not in name}

    def missing(self) -> int:
        """How many entries of the mapping are marked as missing from the source."""
        items = json.loads(self.tenant.kubectl("get", "configmaps", "-o", "json"))["items"]
        packed = [data for each in items for data in each.get("binaryData", {}).values()]
        return sum(gzip.decompress(base64.b64decode(data)).count(b'"Missing"') for data in packed)

    def writes(self, since: int = 0) -> list[tuple[str, str]]:
        """Method and path of all writes to Engage."""
        return [(write["method"], write["path"]) for write in self.box.engage_writes()[since:]]

    @staticmethod
    def _condition(status: Json, kind: str) -> dict[str, str]:
        found: list[dict[str, str]] = status.get("conditions", [])
        return next((each for each in found if each["type"] == kind), {})


@dataclass
class Stage:
    """A running operator and the namespaces that it serves; each world takes one."""

    plane: ControlPlane
    audit: AuditLog
    home: str
    """The namespace of the operator, and of people."""
    rights: Operator
    process: OperatorProcess
    approver: Path
    editor: Path
    tools: Path
    _free: list[str] = field(default_factory=list)

    @contextmanager
    def world(self, folder: Path, *options: object) -> Iterator[World]:
        """A tenant with a sandbox; its SyncTarget is gone afterwards, and with it the operator's interest."""
        tenant = Tenant(self.plane, self._free.pop())
        with sandbox(folder, *options) as box:
            try:
                yield World(tenant, box, self.approver, self.tools)
            finally:
                tenant.kubectl("delete", "synctarget", "--all", "--timeout=60s")


@contextmanager
def staged(plane: ControlPlane, audit: AuditLog, tools: Path, folder: Path, tenants: int) -> Iterator[Stage]:
    """Namespaces, people, the chart's roles and policies, and the operator; all that is cluster-wide goes."""
    home = f"approvals-{secrets.token_hex(3)}"
    names = [f"{home}-{number}" for number in range(tenants)]
    _apply(plane, *(_named("v1", "Namespace", name) for name in (home, *names)))
    values = {"namespaces": names, "rbac": {"aggregate": True}}
    rights = install_roles(plane, home, values)
    _apply(plane, *_people(home))
    approver, editor = (plane.service_account_kubeconfig(home, who) for who in (APPROVER, EDITOR))
    with ExitStack() as stack:
        policies = install_policies(plane, home, values)
        stack.callback(_delete, plane, policies)
        wait_until("the policies", lambda: _count(plane, names[0], editor, rights.kubeconfig))
        others = tuple(option for name in names for option in ("-n", name))
        log = folder / "operator.log"
        process = stack.enter_context(
            operator(plane, home, log, kubeconfig=rights.kubeconfig, options=others)
        )
        yield Stage(plane, audit, home, rights, process, approver, editor, tools, names)
        plane.kubectl("delete", "namespace", home, *names, "--wait=false")


def forged(body: Json, name: str, **spec: Any) -> Json:
    """A SyncPlan that says the same as another one, but for its name and what is given."""
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {
            "name": name,
            "labels": body["metadata"]["labels"],
            "ownerReferences": body["metadata"]["ownerReferences"],
        },
        "spec": {**{key: value for key, value in body["spec"].items() if key != "approval"}, **spec},
        "status": body.get("status", {}),
    }


def _people(home: str) -> Iterator[Json]:
    for who in (APPROVER, EDITOR):
        yield _named("v1", "ServiceAccount", who, home)
    rbac = "rbac.authorization.k8s.io/v1"
    for role, rules in (("writer", WRITER), ("reader", READER)):
        yield _named(rbac, "ClusterRole", f"{home}-{role}") | {"rules": rules}
    chart = f"{home}-engage-sync"
    of = {
        APPROVER: (f"{chart}-view", f"{home}-reader", f"{chart}-approver"),
        EDITOR: (f"{chart}-view", f"{home}-reader", f"{chart}-edit", f"{home}-writer"),
    }
    for who, roles in of.items():
        for role in roles:
            yield _named(rbac, "ClusterRoleBinding", f"{role}-{who}") | {
                "roleRef": {"apiGroup": rbac.partition("/")[0], "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": who, "namespace": home}],
            }


def _count(plane: ControlPlane, namespace: str, editor: Path, rights: Path) -> bool:
    """Do the policies count already?"""
    loose = {
        **_named("engage-sync.io/v1alpha1", "SyncTarget", "probe", namespace),
        "spec": {
            "tenant": "probe",
            "approval": {"required": "Never"},
            "source": {"baseURL": "https://a.example", "credentialsSecretRef": {"name": "a"}},
            "target": {
                "applicationURL": "https://a.example",
                "apiURL": "https://a.example",
                "credentialsSecretRef": {"name": "a"},
                "subscriptionKeysSecretRef": {"name": "a"},
            },
        },
    }
    foreign = _named("v1", "ConfigMap", "foreign", namespace)
    return all(
        "ValidatingAdmissionPolicy" in plane.kubectl(
            *("create", "--dry-run=server", "--validate=false", "-f", "-"),
            input=json.dumps(body), kubeconfig=who, check=False,
        ).stderr
        for who, body in ((editor, loose), (rights, foreign))
    )  # fmt: skip


def _named(version: str, kind: str, name: str, namespace: str | None = None) -> Json:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _apply(plane: ControlPlane, *bodies: Json) -> None:
    plane.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))


def _delete(plane: ControlPlane, manifests: list[Manifest]) -> None:
    plane.kubectl("delete", "--wait=false", "-f", "-", input=yaml.safe_dump_all(manifests))
