"""Runs a real Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager.

Each `ControlPlane` is an island: a certificate authority, ports and a directory of its own, RBAC on,
nothing taken from or left in the user's home. It has no nodes and runs no pods; of the controllers it
runs those that the API itself needs to keep its promises: garbage collector, namespaces, service accounts.

Worth knowing: the garbage collector looks for new resource types every 30 s, so for owner references
to a custom resource the first collection after its definition was created takes up to 45 s.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

import trustme

from tests.controlplane.build import Assets
from tests.controlplane.keeper import Keeper

HOST = "127.0.0.1"
READY_WITHIN = 60.0  # seconds; a warm start needs 4 in all
ATTEMPTS = 5  # another process may take a free port between our choice and our use of it


class ControlPlaneError(Exception):
    """The control plane did not do what was asked; the message ends with the output that says why."""


class PortTakenError(ControlPlaneError):
    """Another process was faster; other ports will do."""


class ControlPlane:
    """A control plane that runs between `start()` and `stop()` (or in a `with` block), and never longer."""

    def __init__(self, assets: Assets, *, apiserver_flags: Sequence[str] = ()) -> None:
        """Later `apiserver_flags` win over ours: `--watch-cache=false`, `--min-request-timeout=2`."""
        self._assets = assets
        self._apiserver_flags = apiserver_flags
        self._running: ExitStack | None = None

    # What tests use while it runs.

    url: str
    directory: Path  # temporary; everything of this run is in it, `<component>.log` included
    kubeconfig: Path  # of the administrator
    pids: dict[str, int]  # by component; tests may freeze (SIGSTOP) or kill them

    def kubectl(
        self,
        *args: str,
        input: str | None = None,
        kubeconfig: Path | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, or as whoever `kubeconfig` says."""
        return self._tool(self._assets.kubectl, args, input, kubeconfig, check)

    def helm(
        self,
        *args: str,
        input: str | None = None,
        kubeconfig: Path | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run helm as the administrator, or as whoever `kubeconfig` says."""
        return self._tool(self._assets.helm, args, input, kubeconfig, check)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Give a kubeconfig for a service account, with a token as its pods would have."""
        # A namespace gets its default one from a controller, a moment after it was made.
        account = f"serviceaccount/{name}"
        self.kubectl("wait", "--for=create", account, "-n", namespace, "--timeout=30s")
        token = self.kubectl("create", "token", "-n", namespace, name, "--duration=24h").stdout.strip()
        return self._write_kubeconfig(f"{namespace}.{name}", {"token": token}, namespace)

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """The environment for programs that shall see this cluster and nothing of the user's own."""
        foreign = ("KUBE", "HELM_", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"HOME": str(self.directory), "KUBECONFIG": str(kubeconfig or self.kubeconfig)}

    def administrator(self) -> ssl.SSLContext:
        """TLS with the client certificate of who may do everything."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        context.load_cert_chain(self.directory / "admin.pem", self.directory / "admin.key")
        return context

    # Its life.

    def start(self) -> Self:
        """Start and wait until it is ready; on failure nothing is left."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with ExitStack() as stack:
                    self._start(stack)
                    self._running = stack.pop_all()
                return self
            except PortTakenError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Stop controller manager, apiserver and etcd in this order, each waited for; remove all traces."""
        if self._running:
            self._running.close()
            self._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, stack: ExitStack) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="engage-sync-controlplane-"))
        self._keeper = stack.enter_context(Keeper(self.directory))
        self.pids = {}
        client_port, peer_port, secure_port = _free_ports(3)
        self.url = f"https://{HOST}:{secure_port}"
        self._make_certificates()

        etcd = f"http://{HOST}:{client_port}"
        peer = f"http://{HOST}:{peer_port}"
        self._run(
            self._assets.etcd,
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # nothing here outlives a crash anyway
            ready=lambda: (
                _get_status(http.client.HTTPConnection(HOST, client_port, timeout=2), "/health") == 200
            ),
        )
        self._run(
            self._assets.kube_apiserver,
            f"--etcd-servers={etcd}",
            f"--cert-dir={self.directory}",
            f"--bind-address={HOST}",
            f"--secure-port={secure_port}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            f"--service-account-issuer={self.url}/",
            f"--service-account-key-file={self.directory / 'accounts.key'}",
            f"--service-account-signing-key-file={self.directory / 'accounts.key'}",
            f"--client-ca-file={self.directory / 'ca.pem'}",
            f"--tls-cert-file={self.directory / 'server.pem'}",
            f"--tls-private-key-file={self.directory / 'server.key'}",
            "--shutdown-watch-termination-grace-period=1s",  # else an open watch delays the stop by a minute
            *self._apiserver_flags,
            ready=lambda: self._answers("/readyz"),
        )
        self._run(
            self._assets.kube_controller_manager,
            f"--kubeconfig={self.kubeconfig}",
            "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            f"--service-account-private-key-file={self.directory / 'accounts.key'}",
            f"--root-ca-file={self.directory / 'ca.pem'}",
            "--secure-port=0",  # nobody asks it anything
            "--kube-api-qps=500",  # its usual thrift slows down test suites
            "--kube-api-burst=1000",
            ready=lambda: self._answers("/api/v1/namespaces/default/serviceaccounts/default"),
        )

    def _run(self, binary: Path, *flags: str, ready: Callable[[], bool]) -> None:
        """Start a component and wait until it is ready."""
        name = binary.name
        self.pids[name] = self._keeper.start(name, [str(binary), *flags])
        deadline = monotonic() + READY_WITHIN
        while not ready():
            # Waiting for any exit is also the pause between two looks.
            if ended := self._keeper.exited(within=0.02):
                tail = self._keeper.tail(ended.name)
                kind = PortTakenError if "address already in use" in tail else ControlPlaneError
                raise kind(f"{ended.name} ended with exit code {ended.code}; its last output:\n{tail}")
            if monotonic() > deadline:
                tail = self._keeper.tail(name)
                raise ControlPlaneError(
                    f"{name} was not ready after {READY_WITHIN:.0f} s; its last output:\n{tail}"
                )

    def _answers(self, path: str) -> bool:
        """Whether the apiserver answers the administrator with 200."""
        host, _, port = self.url.removeprefix("https://").partition(":")
        connection = http.client.HTTPSConnection(host, int(port), timeout=2, context=self.administrator())
        return _get_status(connection, path) == 200

    def _make_certificates(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.directory / "ca.pem")
        # Go refuses certificates without any alternative name, so the clients get one as well.
        certificates = {
            "server": authority.issue_cert(HOST, "localhost"),
            "admin": authority.issue_cert(
                "admin.test", common_name="admin", organization_name="system:masters"
            ),
            "accounts": authority.issue_cert("accounts.test"),  # only its key counts: it signs tokens
        }
        for name, certificate in certificates.items():
            certificate.cert_chain_pems[0].write_to_path(self.directory / f"{name}.pem")
            certificate.private_key_pem.write_to_path(self.directory / f"{name}.key")
        admin = {
            "client-certificate-data": _base64(self.directory / "admin.pem"),
            "client-key-data": _base64(self.directory / "admin.key"),
        }
        self.kubeconfig = self._write_kubeconfig("admin", admin, "default")

    def _write_kubeconfig(self, name: str, credentials: dict[str, str], namespace: str) -> Path:
        """Write a kubeconfig that needs no other file (JSON is YAML)."""
        authority = _base64(self.directory / "ca.pem")
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "test", "cluster": {"server": self.url, "certificate-authority-data": authority}}
            ],
            "users": [{"name": name, "user": credentials}],
            "contexts": [
                {"name": name, "context": {"cluster": "test", "user": name, "namespace": namespace}}
            ],
            "current-context": name,
        }
        path = self.directory / f"{name}.kubeconfig"
        path.touch(mode=0o600)  # helm warns of readable ones
        path.write_text(json.dumps(content, indent=2))
        return path

    def _tool(
        self,
        binary: Path,
        args: Sequence[str],
        standard_input: str | None,
        kubeconfig: Path | None,
        check: bool,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(binary), *args],
            env=self.environment(kubeconfig),
            input=standard_input or "",
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise ControlPlaneError(
                f"{binary.name} {' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:  # all open at once, so that they differ
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [open_socket.getsockname()[1] for open_socket in sockets]


def _get_status(connection: http.client.HTTPConnection, path: str) -> int | None:
    """The status of a GET, or None while nobody answers."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
