"""The chart's ServiceAccount, roles and policies, so that tests run the operator with exactly these rights.

    with ControlPlane(assets, apiserver_flags=audit.flags) as plane:   # audit = AuditLog(directory)
        operator = install_roles(plane, namespace)                     # run it with operator.kubeconfig
        ...
        assert audit.refused(operator.user) == set()                   # a right is missing
        assert operator.granted - audit.used(operator.user) == set()   # a right is superfluous

Rights are written like `update synctargets.engage-sync.io/status`. The CRD must be there already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.server import ControlPlane

CHART = Path(__file__).parents[1] / "charts" / "engage-sync"
RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

WRITES = {"create", "update", "patch", "delete", "deletecollection"}

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Operator:
    """Who the operator is on a cluster."""

    kubeconfig: Path
    user: str
    granted: set[str]


def render(
    plane: ControlPlane, namespace: str, values: Mapping[str, Any] | None = None, release: str = "engage-sync"
) -> list[Manifest]:
    text = plane.helm(
        *("template", release, str(CHART), "--namespace", namespace, "--values", "-"),
        input=json.dumps(values or {}),
    ).stdout
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def install_roles(plane: ControlPlane, namespace: str, values: Mapping[str, Any] | None = None) -> Operator:
    """Apply the rights that the chart renders for this release namespace."""
    manifests = _install(plane, namespace, RIGHTS, values)
    (account,) = (each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount")
    return Operator(
        kubeconfig=plane.service_account_kubeconfig(namespace, account),
        user=f"system:serviceaccount:{namespace}:{account}",
        granted=granted(manifests),
    )


def install_policies(
    plane: ControlPlane, namespace: str, values: Mapping[str, Any] | None = None
) -> list[Manifest]:
    """Apply the admission policies that the chart renders for this release namespace.

    They are cluster-wide, and count some seconds later.
    """
    return _install(plane, namespace, POLICIES, values)


def _install(
    plane: ControlPlane, namespace: str, kinds: set[str], values: Mapping[str, Any] | None
) -> list[Manifest]:
    # Named like the namespace, so that what is cluster-wide of two tests does not meet.
    manifests = [each for each in render(plane, namespace, values, namespace) if each["kind"] in kinds]
    plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(manifests))
    return manifests


def granted(manifests: Iterable[Manifest]) -> set[str]:
    """What the roles that are bound allow, wherever they allow it."""
    by_kind: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_kind.setdefault(manifest["kind"], []).append(manifest)
    bindings = by_kind.get("RoleBinding", []) + by_kind.get("ClusterRoleBinding", [])
    bound = {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings}
    roles = by_kind.get("Role", []) + by_kind.get("ClusterRole", [])
    return {
        right(verb, group, resource)
        for role in roles
        if (role["kind"], role["metadata"]["name"]) in bound
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def right(verb: str, group: str, resource: str) -> str:
    """One right, in the notation of kubectl: `update synctargets.engage-sync.io/status`."""
    name, slash, subresource = resource.partition("/")
    return f"{verb} {name}{'.' if group else ''}{group}{slash}{subresource}"


class AuditLog:
    """What service accounts asked of an API server, by its own account."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "audit.log"
        policy = directory / "audit-policy.yaml"
        policy.write_text(
            json.dumps(
                {
                    "apiVersion": "audit.k8s.io/v1",
                    "kind": "Policy",
                    "omitStages": ["RequestReceived"],  # not judged yet
                    "rules": [
                        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
                        {"level": "None"},
                    ],
                }
            )
        )
        self.flags = (f"--audit-policy-file={policy}", f"--audit-log-path={self._log}")
        """For `ControlPlane(apiserver_flags=…)`."""

    def used(self, user: str) -> set[str]:
        """The rights that a user has made use of."""
        return set(self._rights(user, "allow"))

    def refused(self, user: str) -> set[str]:
        """The rights that a user would have needed."""
        return set(self._rights(user, "forbid"))

    def looks(self, user: str) -> int:
        """How often a user has read one SyncTarget, which the operator does to see what is due."""
        return list(self._rights(user, "allow")).count("get synctargets.engage-sync.io")

    def writes(self, user: str) -> list[str]:
        """What a user has written, in order; renewals of Leases apart."""
        done = list(self._rights(user, "allow"))
        return [each for each in done if each.split()[0] in WRITES and "leases" not in each]

    def _rights(self, user: str, decision: str) -> Iterator[str]:
        for line in self._log.read_text().splitlines() if self._log.exists() else ():
            event = json.loads(line)
            what = event.get("objectRef")  # none for /api, /openapi and the like
            judged = event.get("annotations", {}).get("authorization.k8s.io/decision")
            if what and event["user"]["username"] == user and judged == decision:
                resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
                yield right(event["verb"], what.get("apiGroup", ""), resource)
