"""Operators that die often and start fast, and a namespace that is looked at without kubectl.

The operator is the real command `engage-sync run` in a process of its own; only its imports are done once,
by a server that forks it, because a second of imports twice a point would be most of the matrix.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

import httpx

from engage_sync.kube import NotFound
from engage_sync.sandbox.manifests import secrets, sync_target
from engage_sync.store.configmap import ConfigMapStore
from engage_sync.store.index import Identity
from reconcilers.model import Origin
from tests.controlplane.server import ControlPlane
from tests.e2e.ambush import Ambush
from tests.e2e.harness import QUICK
from tests.synctargets import UNGUARDED
from tests.waiting import wait_until

GROUP = "/apis/engage-sync.io/v1alpha1"
LEASES = "/apis/coordination.k8s.io/v1"
REQUESTED_AT = "engage-sync.io/requested-at"


class Api:
    """The Kubernetes API as its administrator sees it, from any thread. A context."""

    def __init__(self, plane: ControlPlane) -> None:
        self._http = httpx.Client(base_url=plane.url, verify=plane.administrator(), timeout=60)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """An object or a list; None when it is not there."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:
        """One request; None for 404. Raises AssertionError for any other refusal."""
        content = None if body is None else json.dumps(body)
        answer = self._http.request(method, path, content=content, headers={"Content-Type": kind})
        if answer.status_code == 404:
            return None
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]!r}"
        return answer.json()

    def merge(self, path: str, body: object) -> Any:
        """A merge patch."""
        return self.send("PATCH", path, body, "application/merge-patch+json")


@dataclass(frozen=True)
class Place:
    """A namespace with one SyncTarget that fits one sandbox."""

    api: Api
    namespace: str

    @property
    def path(self) -> str:
        """Of the SyncTarget."""
        return f"{GROUP}/namespaces/{self.namespace}/synctargets/acme"

    def settle(self, ambush: Ambush) -> None:
        """Create all of it."""
        core = f"/api/v1/namespaces/{self.namespace}"
        self.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        for secret in secrets(ambush.sandbox.account):
            self.api.send("POST", f"{core}/secrets", secret)
        target = sync_target(ambush.sandbox.addresses, limits=False)
        target["spec"] |= UNGUARDED
        target["spec"] |= QUICK
        self.api.send("POST", f"{GROUP}/namespaces/{self.namespace}/synctargets", target)

    def target(self) -> dict[str, Any]:
        """The SyncTarget as it is now."""
        found: dict[str, Any] = self.api.get(self.path)
        return found

    def status(self) -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = self.target().get("status", {})
        return status

    def ready(self) -> tuple[str, str]:
        """Status and reason of Ready; empty while it is not there."""
        found = [each for each in self.status().get("conditions", []) if each["type"] == "Ready"]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def request(self, token: str) -> None:
        """Ask for a run now."""
        self.api.merge(self.path, {"metadata": {"annotations": {REQUESTED_AT: token}}})

    def wait_handled(self, token: str) -> None:
        """Wait until a run that was asked for has ended well."""
        wait_until(f"{self.namespace}: the run {token}", lambda: self.handled(token), self.explain)

    def handled(self, token: str) -> bool:
        """Whether a run that was asked for has ended well."""
        return self.status().get("lastHandledReconcileAt") == token and self.ready() == ("True", "InSync")

    def wait_in_sync(self, operator: ForkServerProcess) -> None:
        """Wait until Ready says InSync. Raises AssertionError at once when the operator ends meanwhile."""

        def done() -> bool:
            assert operator.exitcode is None, f"{self.namespace}: the operator ended, {operator.exitcode}"
            return self.ready() == ("True", "InSync")

        wait_until(f"{self.namespace}: InSync", done, self.explain)

    def config_maps(self) -> list[dict[str, Any]]:
        """The ConfigMaps of the SyncTarget, with their content."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps?labelSelector=engage-sync.io/synctarget=acme"
        found: list[dict[str, Any]] = self.api.get(path)["items"]
        return found

    def lease(self) -> dict[str, Any] | None:
        """The operators' Lease."""
        found: dict[str, Any] | None = self.api.get(self._lease())
        return found

    def forget_leader(self) -> None:
        """Delete the Lease of an operator that is dead for certain, so that the next one need not wait."""
        self.api.send("DELETE", self._lease())

    def explain(self) -> str:
        """What a person would look at first."""
        return json.dumps(self.status(), indent=1)[-2000:]

    def _lease(self) -> str:
        return f"{LEASES}/namespaces/{self.namespace}/leases/engage-sync"


@dataclass(frozen=True)
class Remembered:
    """What the mapping store says of one entity, without times and internal ids."""

    state: str
    kind: str
    parent: str | None
    variant: str
    digest: str
    ours: bool
    """Made by us, so that it may be removed by us."""


def remembered(place: Place) -> dict[str, Remembered]:
    """The mapping store's entries by key, read as the next run would read them."""
    target = place.target()
    spec = target["spec"]
    identity = Identity(target["metadata"]["uid"], spec["source"]["baseURL"], spec["target"]["apiURL"])
    store = ConfigMapStore(_OnlyReads(place), place.namespace, "acme", identity)
    mapping = asyncio.run(store.load())
    assert not mapping.rebuilt, store.rebuilt_because
    return {
        str(key): Remembered(
            entry.state.value,
            entry.kind.value,
            entry.parent,
            entry.variant,
            entry.digest,
            entry.origin is Origin.CREATED,
        )
        for key, entry in mapping.entries.items()
    }


class _OnlyReads:
    """The ConfigMaps of a namespace, for a reader that shares no connection with the operator."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def get_config_map(self, namespace: str, name: str) -> Any:
        found = self._place.api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        if found is None:
            raise NotFound(name)
        return found

    async def list_config_maps(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        raise AssertionError("a reader lists nothing")

    async def create_config_map(self, body: Any) -> Any:
        raise AssertionError("a reader writes nothing")

    async def replace_config_map(self, body: Any) -> Any:
        raise AssertionError("a reader writes nothing")

    async def delete_config_map(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        raise AssertionError("a reader writes nothing")


class Operators:
    """Starts operators by forking a process that has imported everything."""

    def __init__(self, plane: ControlPlane, logs: Path) -> None:
        self._plane = plane
        self._logs = logs
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["engage_sync.cli", "kubernetes.aio.client"])
        before = os.environ.get("PYTHONPATH")
        # The server takes its path from here; else it could import another checkout's engage_sync.
        os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            ensure_running()
        finally:
            os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)

    @contextmanager
    def operator(
        self, namespace: str, number: int = 1, *, kubeconfig: Path | None = None
    ) -> Iterator[ForkServerProcess]:
        """`engage-sync run` for one namespace, killed with the block if it still lives."""
        environment = {**self._plane.environment(kubeconfig), "POD_NAMESPACE": namespace}
        log = self._logs / f"{namespace}.{number}.log"
        arguments = ["run", "-n", namespace, "--allow-insecure-http", "--health-port", "0"]
        process = self._context.Process(target=_operate, args=(arguments, environment, str(log)))
        process.start()
        try:
            yield process
        finally:
            kill(process)

    def log(self, namespace: str, number: int | str = "*") -> str:
        """What one operator of a namespace has said, or all of them."""
        paths = sorted(self._logs.glob(f"{namespace}.{number}.log"))
        return "".join(path.read_text() for path in paths)


def kill(process: ForkServerProcess) -> None:
    """As the kernel would: at once. One that was frozen dies too."""
    if process.is_alive():
        process.kill()
    process.join(timeout=20)
    assert process.exitcode is not None


def wait_dead(process: ForkServerProcess) -> None:
    """Wait for the end of an operator that was killed with -9."""
    process.join(timeout=20)
    assert process.exitcode == -signal.SIGKILL, process.exitcode


def _operate(arguments: list[str], environment: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    from engage_sync import cli

    sys.argv = ["engage-sync", *arguments]
    cli.main()
