"""The product's own processes, for the end-to-end tests and the demo: the sandbox, the operator, a tenant.

Everything is looked at from outside: through kubectl, HTTP and exit codes.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.server import ControlPlane
from tests.waiting import wait_until as wait_until

CLI = (sys.executable, "-m", "engage_sync")
SAMPLE = Path(__file__).parents[2] / "demo" / "sample.csv"
WORKPLACE = {"x-auth-username": "sandbox-sync", "x-auth-password": "sandbox-workplace-password"}
QUICK = {"schedule": {"interval": "24h", "retryInterval": "10s"}}
"""Of a spec: what fails is tried again soon."""


@dataclass(frozen=True)
class SandboxProcess:
    """A running sandbox and the manifests that fit it."""

    url: str
    folder: Path

    def workplace(self, method: str, path: str, body: object = None) -> Any:
        """One call to Workplace, as a person would make it."""
        return call(f"{self.url}/workplace/external/api/rest/v2{path}", method, body, WORKPLACE)

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """One call to the sandbox's own side door."""
        return call(f"{self.url}/_sandbox{path}", method, body, {})

    def engage_writes(self) -> list[dict[str, Any]]:
        """All writes that Engage has committed, in order."""
        return [write for write in self.admin("GET", "/requests")["writes"] if write["system"] == "engage"]

    def created(self) -> Counter[str]:
        """How often each external id was made in Engage, whatever became of it."""
        return Counter(
            write["body"]["ExternalId"]
            for write in self.engage_writes()
            if write["method"] == "POST" and "ExternalId" in (write["body"] or {})
        )

    def engage(self) -> dict[str, list[dict[str, Any]]]:
        """What Engage holds, by its own names."""
        held: dict[str, list[dict[str, Any]]] = self.admin("GET", "/state")["engage"]
        return held

    def external_ids(self) -> Counter[str]:
        """How often each external id is there; more than once is a duplicate."""
        return Counter(
            item["ExternalId"]
            for items in self.engage().values()
            for item in (items if isinstance(items, list) else ())
            if item.get("ExternalId")
        )


@contextmanager
def sandbox(folder: Path, *options: object) -> Iterator[SandboxProcess]:
    """A sandbox, ended with the block."""
    arguments = [*CLI, "sandbox", "--write", str(folder), *map(str, options)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield SandboxProcess(process.stdout.readline().split()[-1], folder)
    finally:
        end(process)


@dataclass
class OperatorProcess:
    """A running operator."""

    process: "subprocess.Popen[Any]"
    log: Path

    def kill(self) -> None:
        """As the kernel would: at once."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60), time.monotonic() - began

    def leads(self) -> bool:
        """Does its log say that it is the leader?"""
        return "leading; watching" in self.log.read_text()


@contextmanager
def operator(
    plane: ControlPlane,
    namespace: str,
    log: Path,
    *,
    kubeconfig: Path | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[OperatorProcess]:
    """An operator for one namespace, ended with the block."""
    environment = {**plane.environment(kubeconfig), "POD_NAMESPACE": namespace}
    arguments = [*CLI, "run", "-n", namespace, "--allow-insecure-http", "--health-port", "0", *options]
    with log.open("ab") as output:
        process = subprocess.Popen(arguments, env=environment, stdout=output, stderr=output)
    try:
        yield OperatorProcess(process, log)
    finally:
        end(process)


@dataclass
class Tenant:
    """One namespace with a SyncTarget, seen through kubectl."""

    plane: ControlPlane
    namespace: str
    name: str = "acme"

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """What kubectl prints in the namespace."""
        return self.plane.kubectl("-n", self.namespace, *arguments, input=input).stdout

    def apply(self, folder: Path, **spec: Any) -> None:
        """Apply the manifests of a sandbox, with some fields of the spec changed."""
        target = yaml.safe_load((folder / "target.yaml").read_text())
        target["spec"].update(spec)
        target["metadata"]["name"] = self.name
        self.kubectl("apply", "-f", str(folder / "secrets.yaml"))
        self.kubectl("apply", "-f", "-", input=json.dumps(target))

    def body(self) -> dict[str, Any]:
        """The SyncTarget as it is now."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "synctarget", self.name, "-o", "json"))
        return found

    def status(self) -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = self.body().get("status", {})
        return status

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition; empty while it is not there."""
        for found in self.status().get("conditions", []):
            if found["type"] == kind:
                return found["status"], found["reason"]
        return "", ""

    def ready(self) -> tuple[str, str]:
        """Status and reason of Ready."""
        return self.condition("Ready")

    def request(self, token: str) -> None:
        """Ask for a run now and wait until it has ended."""
        self.kubectl(
            "annotate", "--overwrite", "synctarget", self.name, f"engage-sync.io/requested-at={token}"
        )
        wait_until(
            f"the run {token}", lambda: self.status().get("lastHandledReconcileAt") == token, self.explain
        )

    def wait_ready(self, status: str = "True", reason: str = "InSync") -> None:
        """Wait until Ready says so, about the newest generation."""

        def done() -> bool:
            body = self.body()
            observed = body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"]
            return observed and self.ready() == (status, reason)

        wait_until(f"Ready={status} {reason}", done, self.explain)

    def explain(self) -> str:
        """What a person would look at first."""
        return json.dumps(self.status(), indent=1)[-3000:]


def call(url: str, method: str, body: object, headers: dict[str, str]) -> Any:
    """JSON in, JSON out; only ever to a sandbox on loopback."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def end(process: "subprocess.Popen[Any]") -> None:
    """SIGTERM, and if that does not help, SIGKILL."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def rooms_csv(path: Path, buildings: int, rooms: int) -> Path:
    """A made-up portfolio in the sandbox's 14 columns: so many buildings with so many rooms each."""
    heads = (
        "country_code,country,state,city,postal_code,street,building_code,building_name,floor_label,"
        "room_code,room_name,space_type,capacity,area_sqm"
    )
    lines = [
        f"DE,Germany,Hessen,Kassel,34117,Ring {b},K{b},House {b},OG {r % 3 + 1},K{b}-{r},Room {r},Desk,1,9"
        for b in range(buildings)
        for r in range(rooms)
    ]
    path.write_text("\n".join([heads, *lines]) + os.linesep)
    return path
