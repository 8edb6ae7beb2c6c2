"""The control plane is a real one, keeps to itself, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.controlplane import server
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane, ControlPlaneError
from tests.waiting import wait_until

pytest_plugins = ["tests.controlplane.fixtures"]
pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]


def processes_of(directory: Path) -> list[str]:
    """The command lines that mention a control plane's directory: its helper and all its components do."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if str(directory) in command:
            found.append(command)
    return found


def traces_of(directory: Path) -> list[str]:
    return processes_of(directory) + ([str(directory)] if directory.exists() else [])


def config_map(name: str, **metadata: object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}})


def test_an_unbound_service_account_may_nothing_until_it_is_bound(
    control_plane: ControlPlane, namespace: str
) -> None:
    kubectl = control_plane.kubectl
    kubectl("create", "serviceaccount", "robot", "-n", namespace)
    robot = control_plane.service_account_kubeconfig(namespace, "robot")
    user = f"system:serviceaccount:{namespace}:robot"

    who = json.loads(kubectl("auth", "whoami", "-o", "json", kubeconfig=robot).stdout)["status"]["userInfo"]
    assert who["username"] == user
    assert {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"} <= set(who["groups"])

    denied = kubectl("get", "configmaps", kubeconfig=robot, check=False)
    assert denied.returncode != 0
    assert f'User "{user}" cannot list resource "configmaps"' in denied.stderr

    kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps", "-n", namespace)
    binding = ("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:robot")
    kubectl(*binding, "-n", namespace)

    def may_read(resource: str) -> bool:
        return kubectl("get", resource, kubeconfig=robot, check=False).returncode == 0

    wait_until("the right", lambda: may_read("configmaps"))
    assert not may_read("secrets")


def test_what_an_object_owns_is_collected_with_it(control_plane: ControlPlane, namespace: str) -> None:
    def kubectl(*args: str, input: str | None = None) -> str:
        return control_plane.kubectl("-n", namespace, *args, input=input).stdout

    kubectl("create", "-f", "-", input=config_map("owner"))
    uid = kubectl("get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    kubectl("create", "-f", "-", input=config_map("owned", ownerReferences=[owner]))
    kubectl("delete", "configmap", "owner")
    kubectl("wait", "--for=delete", "configmap/owned", "--timeout=30s")


def test_a_deleted_namespace_goes_with_its_content(control_plane: ControlPlane, namespace: str) -> None:
    name = f"{namespace}-doomed"
    control_plane.kubectl("create", "namespace", name)
    control_plane.kubectl("create", "-n", name, "-f", "-", input=config_map("content"))
    control_plane.kubectl("delete", "namespace", name, "--timeout=60s")
    assert control_plane.kubectl("get", "namespace", name, check=False).returncode != 0


def test_a_new_namespace_gets_its_default_service_account(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.kubectl("wait", "-n", namespace, "--for=create", "serviceaccount/default", "--timeout=30s")


def test_helm_knows_the_version_it_talks_to(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "it.yaml").write_text(config_map("{{ .Release.Name }}"))
    chart = {"apiVersion": "v2", "name": "chart", "version": "1.0.0", "kubeVersion": ">=1.36.0"}
    (tmp_path / "Chart.yaml").write_text(json.dumps(chart))

    assert control_plane.helm("version", "--template={{.Version}}").stdout.startswith("v3.")
    control_plane.helm("lint", "--strict", str(tmp_path))
    control_plane.helm("template", str(tmp_path))  # assumes the Kubernetes of its own client
    control_plane.helm("install", "-n", namespace, "release", str(tmp_path))
    control_plane.kubectl("get", "-n", namespace, "configmap", "release")

    chart["kubeVersion"] = ">=99"
    (tmp_path / "Chart.yaml").write_text(json.dumps(chart))
    with pytest.raises(ControlPlaneError, match=r"incompatible with Kubernetes v1\."):
        control_plane.helm("install", "-n", namespace, "other", str(tmp_path))


def test_two_run_side_by_side_and_share_nothing(
    control_plane: ControlPlane, control_plane_assets: Assets, namespace: str
) -> None:
    with ControlPlane(control_plane_assets) as other:
        assert other.kubectl("get", "namespace", namespace, check=False).returncode != 0
        stranger = control_plane.kubectl("--server", other.url, "get", "namespaces", check=False)
        assert "certificate signed by unknown authority" in stranger.stderr
        with_an_open_watch = subprocess.Popen(
            [control_plane_assets.kubectl, "get", "configmaps", "--watch"],
            env=other.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert len(processes_of(other.directory)) == 4
        began = time.monotonic()
    assert traces_of(other.directory) == []
    assert time.monotonic() - began < 10
    with_an_open_watch.kill()
    with_an_open_watch.wait()
    control_plane.kubectl("get", "namespace", namespace)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_whatever_ends_the_owner(control_plane_assets: Assets, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.controlplane", "start"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        line = owner.stdout.readline()
        assert line.startswith("export KUBECONFIG=/")
        directory = Path(line.strip().partition("=")[2]).parent
        assert len(processes_of(directory)) == 4
        owner.send_signal(how)
    wait_until("the end of all", lambda: traces_of(directory) == [])


def test_a_failed_start_tells_why_and_leaves_nothing(control_plane_assets: Assets) -> None:
    plane = ControlPlane(control_plane_assets, apiserver_flags=["--no-such-flag"])
    with pytest.raises(
        ControlPlaneError, match=r"(?s)^kube-apiserver ended with exit code 1; .*no-such-flag"
    ):
        plane.start()
    assert traces_of(plane.directory) == []


def test_a_start_that_takes_too_long_ends_with_the_log(
    control_plane_assets: Assets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READY_WITHIN", 0.0)
    plane = ControlPlane(control_plane_assets)
    with pytest.raises(ControlPlaneError, match=r"^etcd was not ready after 0 s; its last output:\n"):
        plane.start()
    assert traces_of(plane.directory) == []


@pytest.mark.parametrize("which", [0, 2], ids=["etcd's port", "apiserver's port"])
def test_a_port_that_was_snatched_away_means_another_try(
    control_plane_assets: Assets, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    tries: list[list[int]] = []
    free_ports = server._free_ports
    with socket.create_server((server.HOST, 0)) as snatcher:

        def ports(count: int) -> list[int]:
            chosen = free_ports(count)
            if not tries:
                chosen[which] = snatcher.getsockname()[1]
            tries.append(chosen)
            return chosen

        monkeypatch.setattr(server, "_free_ports", ports)
        with ControlPlane(control_plane_assets) as plane:
            plane.kubectl("get", "namespaces")
    assert len(tries) == 2
