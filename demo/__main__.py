"""`make demo`: the main job, on this machine, with nothing prepared.

A real kube-apiserver and etcd, the CRD, the sandbox in the place of both vendors, the operator, a tenant
applied with kubectl; then one change in Workplace and the sync that carries it. While the control plane
is built for the first time, the command line shows the same tenant meanwhile.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.controlplane.build import Assets, ensure
from tests.controlplane.server import ControlPlane

HERE = Path(__file__).parent
SAMPLE = HERE / "sample.csv"
CLI = (sys.executable, "-m", "engage_sync")
NAMESPACE = "demo"
PATIENCE = 120.0
"""Seconds that anything may take before the demo says that it failed."""


def main() -> None:
    """Run the demo. Exits with 1 and a sentence when something is not as it should be."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engage-sync-demo-")))
        assets = assets_while_showing_the_cli(folder)
        title("A real Kubernetes API server, etcd and the garbage collector")
        plane = stack.enter_context(ControlPlane(assets))
        sandbox = stack.enter_context(running_sandbox(folder / "cluster"))
        install(plane, folder)
        stack.enter_context(running_operator(plane))
        first_sync(plane, sandbox, folder / "cluster")
        change_and_sync(plane, sandbox)
        title("kubectl describe synctarget")
        say(last_lines(kubectl(plane, "describe", "synctarget", "acme"), 40))
    title("Done: everything ran on this machine and is gone again")


def assets_while_showing_the_cli(folder: Path) -> Assets:
    """The control plane's binaries; if they must be built, the command line is shown meanwhile."""
    built: list[Assets | BaseException] = []

    def build() -> None:
        try:
            built.append(ensure(lambda line: say(f"  [control plane] {line}")))
        except BaseException as error:
            built.append(error)

    builder = threading.Thread(target=build, daemon=True)
    builder.start()
    title("Without a cluster: the command line against a made-up Workplace and Engage")
    with running_sandbox(folder / "cli"):
        files = (
            "-f",
            folder / "cli/target.yaml",
            "-f",
            folder / "cli/secrets.yaml",
            "--state",
            folder / "state",
        )
        show("plan", *files, expect=2)
        show("sync", *files, expect=0)
        show("plan", *files, expect=0)
    builder.join()
    if isinstance(built[0], BaseException):
        raise SystemExit(f"demo: the control plane could not be built: {built[0]}")
    return built[0]


def install(plane: ControlPlane, folder: Path) -> None:
    """The CRD, a namespace, the tenant's Secrets."""
    title("kubectl apply: the CRD and the tenant's Secrets")
    crd = subprocess.run([*CLI, "crd"], check=True, capture_output=True, text=True).stdout
    say(plane.kubectl("apply", "-f", "-", input=crd).stdout)
    plane.kubectl("wait", "--for=condition=Established", "crd/synctargets.engage-sync.io", "--timeout=60s")
    say(plane.kubectl("create", "namespace", NAMESPACE).stdout)
    say(kubectl(plane, "apply", "-f", str(folder / "cluster/secrets.yaml")))


def first_sync(plane: ControlPlane, sandbox: str, folder: Path) -> None:
    """Apply the tenant and wait until it is Ready."""
    title("kubectl apply -f target.yaml: the initial synchronisation")
    say((folder / "target.yaml").read_text("utf-8"))
    say(kubectl(plane, "apply", "-f", str(folder / "target.yaml")))
    wait_until("Ready", lambda: condition(plane, "Ready") == ("True", "InSync"))
    say(kubectl(plane, "get", "synctarget"))
    say(last_lines(kubectl(plane, "describe", "synctarget", "acme"), 40))
    say("\n".join(target(plane)["status"]["summary"][1:9]))
    for row in target(plane)["status"]["kinds"]:
        if not row["inScope"] == row["target"] == row["mapped"]:
            raise SystemExit(f"demo: counts differ: {row}")


def change_and_sync(plane: ControlPlane, sandbox: str) -> None:
    """Rename a building in Workplace, ask for a run, show the one write that follows."""
    title("A building is renamed in Workplace, and a run is asked for")
    buildings = workplace(sandbox, "GET", "/buildings")
    before = len(writes(sandbox))
    building = buildings[0]
    workplace(
        sandbox, "PUT", f"/buildings/{building['id']}", {"id": building["id"], "name": "Bayou Tower East"}
    )
    say(f"Workplace: {building['name']!r} is now 'Bayou Tower East'")
    kubectl(plane, "annotate", "synctarget", "acme", "engage-sync.io/requested-at=demo")
    wait_until("the requested run", lambda: target(plane)["status"].get("lastHandledReconcileAt") == "demo")
    made = [write for write in writes(sandbox)[before:] if write["system"] == "engage"]
    for write in made:
        say(f"Engage: {write['method']} {write['path']} {json.dumps(write['body'], ensure_ascii=False)}")
    if len(made) != 1:
        raise SystemExit(f"demo: one write was to be made, not {len(made)}")


@contextmanager
def running_sandbox(folder: Path) -> Iterator[str]:
    """A sandbox of its own with the sample in it; its URL. Manifests that fit it are in `folder`."""
    process = subprocess.Popen(
        [*CLI, "sandbox", "--load", SAMPLE, "--write", folder], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        stop(process)


@contextmanager
def running_operator(plane: ControlPlane) -> Iterator[None]:
    """The operator, as a process of its own."""
    title("engage-sync run -n demo")
    process = subprocess.Popen(
        [*CLI, "run", "-n", NAMESPACE, "--allow-insecure-http", "--health-port", "0"],
        env=plane.environment(),
    )
    try:
        yield
    finally:
        stop(process)


def stop(process: "subprocess.Popen[Any]") -> None:
    """SIGTERM, and a while to end."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


def kubectl(plane: ControlPlane, *arguments: str) -> str:
    """What kubectl prints in the demo's namespace."""
    return plane.kubectl("-n", NAMESPACE, *arguments).stdout


def target(plane: ControlPlane) -> dict[str, Any]:
    """The SyncTarget as it is now."""
    found: dict[str, Any] = json.loads(kubectl(plane, "get", "synctarget", "acme", "-o", "json"))
    return found


def condition(plane: ControlPlane, kind: str) -> tuple[str, str]:
    """Status and reason of a condition; empty while it is not there."""
    for found in target(plane).get("status", {}).get("conditions", []):
        if found["type"] == kind:
            return found["status"], found["reason"]
    return "", ""


def workplace(sandbox: str, method: str, path: str, body: object = None) -> Any:
    """One call to Workplace, as a person would make it."""
    headers = {"x-auth-username": "sandbox-sync", "x-auth-password": "sandbox-workplace-password"}
    return call(f"{sandbox}/workplace/external/api/rest/v2{path}", method, body, headers)


def writes(sandbox: str) -> list[dict[str, Any]]:
    """All writes that the sandbox has committed, in order."""
    found: list[dict[str, Any]] = call(f"{sandbox}/_sandbox/requests", "GET", None, {})["writes"]
    return found


def call(url: str, method: str, body: object, headers: dict[str, str]) -> Any:
    """JSON in, JSON out; only ever to the sandbox on loopback."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def show(*arguments: object, expect: int) -> None:
    """Run one engage-sync command as a person would, and check its exit code."""
    say(f"$ engage-sync {' '.join(str(argument) for argument in arguments)}")
    done = subprocess.run([*CLI, *map(str, arguments)], check=False, capture_output=True, text=True)
    say(last_lines(done.stdout, 24))
    if done.returncode != expect:
        raise SystemExit(f"demo: exit code {done.returncode} instead of {expect}: {done.stderr}")


def wait_until(what: str, done: Any) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: waited {PATIENCE:.0f} s for {what} in vain")
        time.sleep(0.3)


def last_lines(text: str, count: int) -> str:
    """The end of a text."""
    return "\n".join(text.rstrip().splitlines()[-count:])


def title(text: str) -> None:
    """A headline."""
    width = min(100, shutil.get_terminal_size().columns)
    say(f"\n── {text} {'─' * max(0, width - len(text) - 4)}")


def say(text: str) -> None:
    """Print at once, so that progress shows in pipes too."""
    print(text.rstrip(), flush=True)


if __name__ == "__main__":
    main()
