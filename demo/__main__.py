"""`make demo`: the main job, on this machine, with nothing prepared.

A real kube-apiserver and etcd, the CRD, the sandbox in the place of both vendors, the operator, a tenant
applied with kubectl; then one change in Workplace and the sync that carries it. While the control plane
is built for the first time, the command line shows the same tenant meanwhile.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from tests.controlplane.build import Assets, ensure
from tests.controlplane.server import ControlPlane
from tests.e2e.harness import CLI, SAMPLE, SandboxProcess, Tenant, operator, sandbox

NAMESPACE = "demo"


def main() -> None:
    """Run the demo. Exits with 1 and a sentence when something is not as it should be."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engage-sync-demo-")))
        assets = assets_while_showing_the_cli(folder)
        title("A real Kubernetes API server, etcd and the garbage collector")
        plane = stack.enter_context(ControlPlane(assets))
        say(plane.kubectl("version").stdout)
        box = stack.enter_context(sandbox(folder / "cluster", "--load", SAMPLE))
        install(plane, box)
        title(f"engage-sync run -n {NAMESPACE}")
        stack.enter_context(operator(plane, NAMESPACE, folder / "operator.log"))
        tenant = Tenant(plane, NAMESPACE)
        first_sync(tenant, box)
        change_and_sync(tenant, box)
        title("What the operator said")
        say((folder / "operator.log").read_text("utf-8"))
        title("kubectl describe synctarget (its last 40 lines)")
        say(last_lines(tenant.kubectl("describe", "synctarget", "acme"), 40))
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
    with sandbox(folder / "cli", "--load", SAMPLE) as box:
        files = (
            "-f",
            box.folder / "target.yaml",
            "-f",
            box.folder / "secrets.yaml",
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


def install(plane: ControlPlane, box: SandboxProcess) -> None:
    """The CRDs, a namespace, the tenant's Secrets."""
    title("kubectl apply: the CRDs and the tenant's Secrets")
    crd = subprocess.run([*CLI, "crd"], check=True, capture_output=True, text=True).stdout
    say(plane.kubectl("apply", "-f", "-", input=crd).stdout)
    for plural in ("synctargets", "syncplans"):
        name = f"crd/{plural}.engage-sync.io"
        plane.kubectl("wait", "--for=condition=Established", name, "--timeout=60s")
    say(plane.kubectl("create", "namespace", NAMESPACE).stdout)
    say(plane.kubectl("-n", NAMESPACE, "apply", "-f", str(box.folder / "secrets.yaml")).stdout)


def first_sync(tenant: Tenant, box: SandboxProcess) -> None:
    """Apply the tenant and wait until it is Ready."""
    title("kubectl apply -f target.yaml: the initial synchronisation")
    say((box.folder / "target.yaml").read_text("utf-8"))
    say(tenant.kubectl("apply", "-f", str(box.folder / "target.yaml")))
    tenant.wait_ready()
    say(tenant.kubectl("get", "synctarget"))
    status = tenant.status()
    say("\n" + "\n".join(status["summary"][1:9]))
    for row in status["kinds"]:
        if not row["inScope"] == row["target"] == row["mapped"]:
            raise SystemExit(f"demo: counts differ: {row}")


def change_and_sync(tenant: Tenant, box: SandboxProcess) -> None:
    """Rename a building in Workplace, ask for a run, show the one write that follows."""
    title("A building is renamed in Workplace, and a run is asked for")
    before = len(box.engage_writes())
    building = box.workplace("GET", "/buildings")[0]
    renamed = {"id": building["id"], "name": f"{building['name']} East"}
    box.workplace("PUT", f"/buildings/{building['id']}", renamed)
    say(f"Workplace: {building['name']!r} is now {renamed['name']!r}")
    tenant.request("demo")
    made = box.engage_writes()[before:]
    for write in made:
        say(f"Engage: {write['method']} {write['path']} {json.dumps(write['body'], ensure_ascii=False)}")
    if len(made) != 1:
        raise SystemExit(f"demo: one write was to be made, not {len(made)}")


def show(*arguments: object, expect: int) -> None:
    """Run one engage-sync command as a person would, and check its exit code."""
    say(f"$ engage-sync {' '.join(str(argument) for argument in arguments)}")
    done = subprocess.run([*CLI, *map(str, arguments)], check=False, capture_output=True, text=True)
    say(last_lines(done.stdout, 24))
    if done.returncode != expect:
        raise SystemExit(f"demo: exit code {done.returncode} instead of {expect}: {done.stderr}")


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
    try:
        main()
    except AssertionError as error:
        sys.exit(f"demo: {error}")
