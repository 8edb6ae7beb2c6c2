"""The chart with the real helm on a real API server, which judges what is rendered.

No node runs here, so no image is pulled and no pod becomes ready; the operator's own tests run it as a
process under the roles that are rendered here (`tests/chart_roles.py`).
"""

import json
import re
import secrets
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from engage_sync.cli import cli
from tests.chart_roles import CHART, AuditLog, Manifest, install_policies, install_roles, render, right
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane, ControlPlaneError
from tests.kube.sync_targets import know_sync_targets

pytestmark = pytest.mark.cluster

ROOT = CHART.parents[1]
CRDS = "syncplans.engage-sync.io", "synctargets.engage-sync.io"
WATCHED = "one", "two"
"""Namespaces beside that of the release; they exist."""

SERVING = {
    "get synctargets.engage-sync.io",
    "list synctargets.engage-sync.io",
    "watch synctargets.engage-sync.io",
    "patch synctargets.engage-sync.io",
    "update synctargets.engage-sync.io/status",
    "get syncplans.engage-sync.io",
    "list syncplans.engage-sync.io",
    "watch syncplans.engage-sync.io",
    "create syncplans.engage-sync.io",
    "delete syncplans.engage-sync.io",
    "update syncplans.engage-sync.io/status",
    "get configmaps",
    "list configmaps",
    "create configmaps",
    "update configmaps",
    "delete configmaps",
    "get secrets",
    "create events",
}
LEADING = {
    "get leases.coordination.k8s.io engage-sync",
    "update leases.coordination.k8s.io engage-sync",
    "create leases.coordination.k8s.io",
}

EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example:5000/engage-sync", "digest": f"sha256:{'a' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "replicas": 2,
    "namespaces": list(WATCHED),
    "maxConcurrentSyncs": 1_000_000,
    "allowedHosts": ["*.example.com", "10.1.2.3", "[fd00::1]"],
    "allowPrivateNetwork": True,
    "extraArgs": ["--allow-insecure-http"],
    "crds": {"install": True, "keep": False},
    "serviceAccount": {"name": "sync", "annotations": {"example.com/a": "b"}},
    "rbac": {"aggregate": True, "approver": True},
    "admissionPolicies": {"create": True},
    "resources": {"requests": {"cpu": 1}, "limits": {"memory": None, "cpu": "2"}},
    "terminationGracePeriodSeconds": 90,
    "podAnnotations": {"example.com/c": "true"},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
    "affinity": {"podAntiAffinity": {}},
    "fullnameOverride": "sync",
}
EVERYWHERE = {"allNamespaces": True}
EXISTING_ACCOUNT = {"serviceAccount": {"create": False, "name": "mine"}, "crds": {"install": False}}
BESIDE_ANOTHER = {"crds": {"install": False}, "rbac": {"approver": False}}
"""What there is once in a cluster, whatever the number of releases."""
CASES = [
    pytest.param({}, id="defaults"),
    pytest.param(EVERYTHING, id="every value"),
    pytest.param(EVERYWHERE, id="all namespaces"),
    pytest.param(EXISTING_ACCOUNT, id="an existing account"),
    pytest.param(BESIDE_ANOTHER | {"admissionPolicies": {"create": False}}, id="beside another"),
]


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    return AuditLog(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def plane(control_plane_assets: Assets, audit: AuditLog) -> Iterator[ControlPlane]:
    """One of its own: helm owns the CRD here, and removes it."""
    with ControlPlane(control_plane_assets, apiserver_flags=audit.flags) as plane:
        for name in WATCHED:
            plane.kubectl("create", "namespace", name)
        yield plane


@pytest.fixture
def release(plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace to release into."""
    name = f"release-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def installed(plane: ControlPlane, release: str) -> Iterator[None]:
    """Whatever is installed into that namespace is gone afterwards, the CRDs too."""
    yield
    for found in plane.helm("list", "-n", release, "--short").stdout.split():
        plane.helm("uninstall", found, "-n", release)
    # Deleted while the server still sets up what it stores of them, CRDs may take minutes to go.
    plane.kubectl("get", "synctargets,syncplans", "-A", check=False)
    plane.kubectl("delete", "crd", *CRDS, "--ignore-not-found", "--timeout=180s", check=False)


def install(plane: ControlPlane, namespace: str, values: dict[str, Any] | None = None) -> str:
    """Install or upgrade; gives the notes."""
    command = ("upgrade", "--install", "engage-sync", str(CHART), "-n", namespace, "-f", "-")
    return plane.helm(*command, input=json.dumps(values or {})).stdout


def kinds(manifests: list[Manifest]) -> dict[str, list[Manifest]]:
    found: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        found.setdefault(manifest["kind"], []).append(manifest)
    return found


def pod_spec(manifests: list[Manifest]) -> dict[str, Any]:
    (deployment,) = kinds(manifests)["Deployment"]
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


# What is in the files.


def test_the_chart_holds_the_crds_as_they_are() -> None:
    def held(directory: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in directory.glob("*.yaml")}

    assert held(CHART / "files") == held(ROOT / "crds"), "run `make crds`"
    assert set(held(ROOT / "crds")) == {f"{crd}.yaml" for crd in CRDS}


def test_chart_and_operator_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert chart["appVersion"] == project["version"]
    assert f"## [{chart['version']}]" in (CHART / "CHANGELOG.md").read_text()


def test_every_value_has_a_comment_and_a_schema() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" *\w+:", line)]
    bare = [lines[number] for number in keys if number and not _explained(lines, number)]
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert bare == []
    assert _undescribed(yaml.safe_load("\n".join(lines)), schema) == []


def _explained(lines: list[str], number: int) -> bool:
    """By a comment above it, above the run of lines it is in, or, for a heading, by its children."""
    while lines[number].strip():
        if lines[number].lstrip().startswith("#"):
            return True
        number -= 1
    return bool(re.match(r"\s+#", lines[number + 2]))


def _undescribed(values: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    missing = [] if schema.get("additionalProperties") is False else ["additionalProperties"]
    for name, value in values.items():
        if name not in schema["properties"]:
            missing.append(name)
        elif isinstance(value, dict) and value and "properties" in schema["properties"][name]:
            missing += _undescribed(value, schema["properties"][name])
    return missing


# What helm says.


@pytest.mark.parametrize("values", CASES)
def test_lint_finds_nothing(plane: ControlPlane, values: dict[str, Any]) -> None:
    linted = plane.helm("lint", "--strict", str(CHART), "-f", "-", input=json.dumps(values)).stdout

    assert "[WARNING]" not in linted
    assert "0 chart(s) failed" in linted


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"image": {"tags": "1"}}, "at '/image': additional properties 'tags' not allowed"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"namespaces": "one"}, "at '/namespaces': got string, want array"),
        ({"namespaces": ["A_b"]}, "at '/namespaces/0': 'A_b' does not match"),
        ({"allNamespaces": "yes"}, "at '/allNamespaces': got string, want boolean"),
        ({"maxConcurrentSyncs": 0}, "at '/maxConcurrentSyncs': minimum: got 0, want 1"),
        ({"terminationGracePeriodSeconds": 5}, "at '/terminationGracePeriodSeconds': minimum"),
        ({"resources": {"request": {}}}, "at '/resources': additional properties 'request' not allowed"),
        ({"allowedHosts": "a.example"}, "at '/allowedHosts': got string, want array"),
        ({"allowedHosts": ["https://a.example"]}, "at '/allowedHosts/0': 'https://a.example' does not match"),
        ({"allowPrivateNetwork": "no"}, "at '/allowPrivateNetwork': got string, want boolean"),
        (
            {"admissionPolicies": {"enabled": True}},
            "at '/admissionPolicies': additional properties 'enabled'",
        ),
        ({"rbac": {"approver": "yes"}}, "at '/rbac/approver': got string, want boolean"),
        ({"extraArgs": "--x"}, "at '/extraArgs': got string, want array"),
        ({"namespaces": ["one"], "allNamespaces": True}, "set one of them, not both"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the existing ServiceAccount"),
    ],
)
def test_wrong_values_are_refused_by_name(plane: ControlPlane, values: dict[str, Any], said: str) -> None:
    refused = plane.helm("template", "x", str(CHART), "-f", "-", input=json.dumps(values), check=False)

    assert refused.returncode != 0
    assert said in refused.stderr


def test_the_defaults_render_the_least(plane: ControlPlane) -> None:
    rendered = render(plane, "tenants")

    assert {kind: len(found) for kind, found in kinds(rendered).items()} == {
        "CustomResourceDefinition": 2,
        "ValidatingAdmissionPolicy": 3,
        "ValidatingAdmissionPolicyBinding": 3,
        "ClusterRole": 1,
        "ServiceAccount": 1,
        "Role": 2,
        "RoleBinding": 2,
        "Deployment": 1,
    }


def test_the_crds_keep_their_content(plane: ControlPlane) -> None:
    crds = kinds(render(plane, "tenants"))["CustomResourceDefinition"]

    assert sorted(crd["metadata"]["name"] for crd in crds) == sorted(CRDS)
    for crd in crds:
        source = yaml.safe_load((ROOT / "crds" / f"{crd['metadata']['name']}.yaml").read_text())
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
        assert crd == source


@pytest.mark.parametrize("values", CASES)
def test_every_policy_counts_for_the_operators_account(plane: ControlPlane, values: dict[str, Any]) -> None:
    rendered = kinds(render(plane, "tenants", values))
    policies = {
        each["metadata"]["name"]: each["spec"] for each in rendered.get("ValidatingAdmissionPolicy", [])
    }
    bindings = [each["spec"] for each in rendered.get("ValidatingAdmissionPolicyBinding", [])]
    account = pod_spec(render(plane, "tenants", values))["serviceAccountName"]

    assert bindings == [{"policyName": name, "validationActions": ["Deny"]} for name in policies]
    assert {spec["failurePolicy"] for spec in policies.values()} <= {"Fail"}
    for name, spec in policies.items():
        if "-configmaps." in name:
            assert f"'system:serviceaccount:tenants:{account}'" in json.dumps(spec["matchConditions"])
        else:
            assert spec["matchConstraints"]["resourceRules"][0]["apiGroups"] == ["engage-sync.io"]


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({}, ["-n", "tenants"]),
        ({"namespaces": ["123", "tenants"]}, ["-n", "tenants", "-n", "123"]),
        (EVERYWHERE, ["--all-namespaces"]),
    ],
    ids=["release namespace", "named", "all"],
)
def test_the_operator_is_told_where_to_look(
    plane: ControlPlane, values: dict[str, Any], where: list[str]
) -> None:
    values = values | {"maxConcurrentSyncs": 3, "extraArgs": ["--allow-insecure-http"]}
    (container,) = pod_spec(render(plane, "tenants", values))["containers"]

    assert container["args"] == [
        *("run", *where, "--max-concurrent-syncs=3", "--health-port=8080"),
        "--allow-insecure-http",
    ]
    assert cli.commands["run"].make_context("run", container["args"][1:])  # raises on what it does not know


def test_the_operator_is_told_whom_to_trust(plane: ControlPlane) -> None:
    values = {"allowedHosts": ["*.example.com", "10.1.2.3", "[fd00::1]"], "allowPrivateNetwork": True}
    (container,) = pod_spec(render(plane, "tenants", values))["containers"]
    told = cli.commands["run"].make_context("run", container["args"][1:]).params

    assert told["hosts"] == ("*.example.com", "10.1.2.3", "[fd00::1]")
    assert told["allow_private_network"] is True


def test_a_second_replica_is_worth_a_disruption_budget(plane: ControlPlane) -> None:
    assert "PodDisruptionBudget" not in kinds(render(plane, "tenants"))
    assert "PodDisruptionBudget" in kinds(render(plane, "tenants", {"replicas": 2}))


# What the API server says.


@pytest.mark.parametrize("values", CASES)
def test_the_server_takes_every_manifest(
    plane: ControlPlane, release: str, values: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(render(plane, release, values)))

    taken = plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))

    assert taken.stdout.count("created (server dry run)") == len(list(yaml.safe_load_all(file.read_text())))
    assert taken.stderr == ""


@pytest.mark.parametrize("values", CASES)
def test_pods_are_restricted(plane: ControlPlane, release: str, values: dict[str, Any]) -> None:
    plane.kubectl("label", "namespace", release, "pod-security.kubernetes.io/enforce=restricted")
    spec = pod_spec(render(plane, release, values))
    loose = json.loads(json.dumps(spec))
    loose["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True

    def create(spec: dict[str, Any]) -> str:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator"}, "spec": spec}
        return plane.kubectl(
            *("create", "-n", release, "--dry-run=server", "-f", "-"), input=json.dumps(pod), check=False
        ).stderr

    assert create(spec) == ""
    assert 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation' in create(loose)
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.usefixtures("installed")
def test_install_upgrade_uninstall(plane: ControlPlane, release: str) -> None:
    def there(kind: str) -> list[str]:
        return plane.kubectl("get", kind, "-n", release, "-o", "name").stdout.split()

    policies = "validatingadmissionpolicy,validatingadmissionpolicybinding"
    notes = install(plane, release)
    assert f"serves the SyncTargets of the namespace {release}." in notes
    assert f"kubectl -n {release} delete synctargets --all" in notes
    assert "admissionPolicies" not in notes
    assert there("deployment,poddisruptionbudget") == ["deployment.apps/engage-sync"]

    assert len(there(policies)) == 6

    install(plane, release, {"replicas": 2})
    assert there("poddisruptionbudget") == ["poddisruptionbudget.policy/engage-sync"]

    plane.helm("uninstall", "engage-sync", "-n", release)
    assert there("deployment,role,rolebinding,poddisruptionbudget") == []
    assert there("crd") == [f"customresourcedefinition.apiextensions.k8s.io/{crd}" for crd in CRDS]
    assert there(policies) == []

    values = {"crds": {"keep": False}, "admissionPolicies": {"create": False}}
    notes = install(plane, release, values)  # takes up the CRDs that were kept
    assert "admissionPolicies.create is false: approval guards against accident, not against" in notes
    assert there(policies) == []
    plane.helm("uninstall", "engage-sync", "-n", release, "--wait")
    assert there("crd") == []


@pytest.mark.usefixtures("installed")
def test_a_second_release_must_not_serve_the_same_namespace(plane: ControlPlane, release: str) -> None:
    install(plane, release, {"namespaces": ["one"]})

    with pytest.raises(ControlPlaneError, match='Role "engage-sync" in namespace "one" exists and cannot be'):
        install(plane, "two", BESIDE_ANOTHER | {"namespaces": ["one"]})


@pytest.mark.usefixtures("installed")
def test_releases_of_one_name_go_together_in_different_namespaces(plane: ControlPlane, release: str) -> None:
    def confined() -> list[str]:
        found = plane.kubectl("get", "validatingadmissionpolicy", "-o", "name").stdout.split()
        return sorted(each for each in found if "configmaps" in each)

    install(plane, release)
    install(plane, "two", BESIDE_ANOTHER)

    prefix = "validatingadmissionpolicy.admissionregistration.k8s.io/engage-sync-configmaps"
    assert confined() == [f"{prefix}.{release}", f"{prefix}.two"]
    plane.helm("uninstall", "engage-sync", "-n", "two")
    assert confined() == [f"{prefix}.{release}"]


# Who may do what.


def rights(plane: ControlPlane, user: str, namespace: str) -> set[str]:
    """All that a user may do in a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = plane.kubectl(
        *("create", "--validate=false", "--as", user, "-f", "-", "-o", "json"), input=json.dumps(review)
    ).stdout
    return {
        " ".join(filter(None, (right(verb, group, resource), name)))
        for rule in json.loads(answer)["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


@pytest.mark.parametrize(
    ("values", "at_home", "in_one", "elsewhere"),
    [
        pytest.param({}, LEADING | SERVING, set(), set(), id="release namespace"),
        pytest.param({"namespaces": ["one"]}, LEADING | SERVING, SERVING, set(), id="named"),
        pytest.param(EVERYWHERE, LEADING | SERVING, SERVING, SERVING, id="all"),
    ],
)
def test_the_operator_may_do_this_and_nothing_else(
    plane: ControlPlane,
    release: str,
    values: dict[str, Any],
    at_home: set[str],
    in_one: set[str],
    elsewhere: set[str],
) -> None:
    operator = install_roles(plane, release, values)
    anybody = rights(plane, f"system:serviceaccount:{release}:anybody", release)

    assert rights(plane, operator.user, release) - anybody == at_home
    assert rights(plane, operator.user, "one") - anybody == in_one
    assert rights(plane, operator.user, "default") - anybody == elsewhere
    assert operator.granted == {" ".join(each.split()[:2]) for each in SERVING | LEADING}


@pytest.mark.usefixtures("installed")
def test_the_roles_of_people(plane: ControlPlane, release: str) -> None:
    def of(role: str) -> dict[str, set[str]]:
        found = yaml.safe_load(plane.kubectl("get", "clusterrole", role, "-o", "yaml").stdout)
        verbs: dict[str, set[str]] = {}
        for rule in found["rules"]:
            assert rule["apiGroups"] == ["engage-sync.io"]
            for resource in rule["resources"]:
                verbs.setdefault(resource, set()).update(rule["verbs"])
        return verbs

    def aggregated_to(role: str) -> set[str]:
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        labels = yaml.safe_load(plane.kubectl("get", "clusterrole", role, "-o", "yaml").stdout)["metadata"][
            "labels"
        ]
        return {label.removeprefix(prefix) for label in labels if label.startswith(prefix)}

    install(plane, release, {"rbac": {"aggregate": True}})
    read = {"get", "list", "watch"}

    assert of("engage-sync-view") == {"synctargets": read, "syncplans": read}
    assert of("engage-sync-edit") == {
        "synctargets": {"create", "update", "patch", "delete", "deletecollection"}
    }
    assert of("engage-sync-approver") == {"syncplans": read | {"update", "patch", "approve"}}
    assert aggregated_to("engage-sync-view") == {"view"}
    assert aggregated_to("engage-sync-edit") == {"edit"}
    assert aggregated_to("engage-sync-approver") == set()  # the tenant is often an admin of its namespace


def test_the_audit_log_tells_what_was_used_and_what_was_refused(
    plane: ControlPlane, release: str, audit: AuditLog
) -> None:
    operator = install_roles(plane, release)

    plane.kubectl("get", "configmaps", kubeconfig=operator.kubeconfig)
    plane.kubectl("get", "secrets", kubeconfig=operator.kubeconfig, check=False)

    assert audit.used(operator.user) == {"list configmaps"}
    assert audit.refused(operator.user) == {"list secrets"}


@contextmanager
def running(env: dict[str, str], *args: str) -> Iterator[subprocess.Popen[str]]:
    """`engage-sync` with these arguments; its log goes where pytest shows it."""
    command = [sys.executable, "-m", "engage_sync", *args]
    with subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def approve_beside_a_forgery(plane: ControlPlane) -> None:
    """Approve the plan that waits; beside it is one that the operator never made, and so has to delete."""
    (plan,) = json.loads(plane.kubectl("get", "-n", "one", "syncplans", "-o", "json").stdout)["items"]
    forged = {
        **{key: plan[key] for key in ("apiVersion", "kind")},
        "metadata": {"name": "acme-0123456789", "labels": plan["metadata"]["labels"]},
        "spec": {**plan["spec"], "runID": "0123456789"},
    }
    plane.kubectl("create", "-n", "one", "-f", "-", input=json.dumps(forged))
    user = plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout
    approval = {"spec": {"approval": {"digest": plan["spec"]["heldDigest"], "by": user}}}
    name = f"syncplan/{plan['metadata']['name']}"
    plane.kubectl("patch", "-n", "one", name, "--type=merge", "-p", json.dumps(approval))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("values", [{"namespaces": ["one"]}, EVERYWHERE], ids=["named", "all"])
def test_the_operator_needs_every_right_and_no_other(
    plane: ControlPlane, release: str, audit: AuditLog, tmp_path: Path, values: dict[str, Any]
) -> None:
    operator = install_roles(plane, release, values)
    install_policies(plane, release, values)
    (container,) = pod_spec(render(plane, release, values | {"extraArgs": ["--allow-insecure-http"]}))[
        "containers"
    ]
    args = [argument.replace("8080", "0") for argument in container["args"]]
    env = plane.environment(operator.kubeconfig) | {"POD_NAMESPACE": release}
    sample = str(ROOT / "demo" / "sample.csv")

    with ExitStack() as stack:
        sandbox = stack.enter_context(running(env, "sandbox", "--load", sample, "--write", str(tmp_path)))
        assert sandbox.stdout
        assert sandbox.stdout.readline().startswith("http")  # ready
        know_sync_targets(plane)
        plane.kubectl("apply", "-n", "one", "-f", str(tmp_path))
        always = json.dumps({"spec": {"approval": {"required": "Always"}}})
        plane.kubectl("patch", "-n", "one", "synctarget/acme", "--type=merge", "-p", always)
        process = stack.enter_context(running(env, *args))
        plane.kubectl("wait", "-n", "one", "synctarget/acme", "--for=condition=Stalled", "--timeout=60s")
        approve_beside_a_forgery(plane)
        plane.kubectl("wait", "-n", "one", "synctarget/acme", "--for=condition=Ready", "--timeout=60s")
        plane.kubectl("delete", "-n", "one", "synctarget/acme", "--timeout=60s")

    assert process.returncode == 0
    assert audit.refused(operator.user) == set()
    assert operator.granted - audit.used(operator.user) == set()
