"""Processes end with their owner, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.controlplane.keeper import Keeper
from tests.waiting import alive, wait_until

ROOT = Path(__file__).parents[3]

# Leaves a child of its own behind, and says when and why it ended.
SLEEPER = """
import os, signal, subprocess, sys, time
def stop(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + " ")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
signal.pause()
"""

OWNER = f"""
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
from pathlib import Path
from tests.controlplane.keeper import Keeper
keeper = Keeper(Path(sys.argv[1]))
pids = [keeper.start(name, [sys.executable, "-c", {SLEEPER!r}, sys.argv[2], name]) for name in "abc"]
if os.fork() == 0:  # a fork that holds the pipe open must not matter
    os.closerange(1, 3)
    signal.pause()
print(*pids, keeper._helper.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "kept"
    directory.mkdir()
    return directory


def sleeper(keeper: Keeper, name: str, ends: Path) -> list[int]:
    """The ids of the process and of its child."""
    pid = keeper.start(name, [sys.executable, "-c", SLEEPER, str(ends), name])
    wait_until(f"the words of {name}", lambda: keeper.log(name).read_text().endswith("\n"))
    return [pid, int(keeper.log(name).read_text())]


def test_closing_stops_in_reverse_order_with_all_descendants(directory: Path, tmp_path: Path) -> None:
    with Keeper(directory) as keeper:
        pids = [pid for name in "abc" for pid in sleeper(keeper, name, tmp_path / "ends")]
        assert all(alive(pid) for pid in pids)
    wait_until("the end of all", lambda: not any(alive(pid) for pid in pids))
    assert (tmp_path / "ends").read_text() == "c b a "
    assert not directory.exists()


def test_a_frozen_process_is_stopped_as_well(directory: Path, tmp_path: Path) -> None:
    with Keeper(directory) as keeper:
        pid, _ = sleeper(keeper, "a", tmp_path / "ends")
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


def test_exits_are_reported_in_their_order_with_code_and_output(directory: Path) -> None:
    with Keeper(directory) as keeper:
        assert keeper.exited(within=0) is None
        keeper.start("one", ["sh", "-c", "seq 100; exit 3"])
        assert keeper.exited(within=10) == ("one", 3)
        keeper.start("two", ["sh", "-c", "kill -9 $$"])
        assert keeper.exited(within=10) == ("two", -signal.SIGKILL)
        assert keeper.tail("one", lines=2) == "99\n100"


def test_what_cannot_start_is_an_error_and_the_rest_goes_on(directory: Path) -> None:
    with Keeper(directory) as keeper:
        with pytest.raises(OSError, match=r"^nothing does not start: .*No such file"):
            keeper.start("nothing", ["/nonexistent"])
        keeper.start("something", ["true"])
        assert keeper.exited(within=10) == ("something", 0)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_owner_that_dies_takes_all_along(directory: Path, tmp_path: Path, how: signal.Signals) -> None:
    ends = tmp_path / "ends"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory), str(ends)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    ) as owner:
        assert owner.stdout
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 4
        wait_until("the words of all", lambda: all((directory / f"{name}.log").read_text() for name in "abc"))
        owner.send_signal(how)
        owner.wait()
        wait_until("the end of all", lambda: not any(alive(pid) for pid in pids))
        assert ends.read_text() == "c b a "
        assert not directory.exists()
        with suppress(ProcessLookupError):
            os.killpg(owner.pid, signal.SIGKILL)  # its fork


@pytest.mark.skipif(sys.platform != "linux", reason="a promise of the Linux kernel")
def test_a_killed_helper_takes_its_processes_along(directory: Path, tmp_path: Path) -> None:
    with Keeper(directory) as keeper:
        pid, _ = sleeper(keeper, "a", tmp_path / "ends")
        keeper._helper.kill()
        wait_until("its end", lambda: not alive(pid))
        with pytest.raises(RuntimeError, match="has been killed"):
            keeper.exited(within=10)
    assert not directory.exists()
