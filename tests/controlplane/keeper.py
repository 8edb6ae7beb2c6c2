"""Keeps child processes, and takes them along when their owner ends, however it ends.

A test run can finish, fail, be interrupted or be killed outright; a killed process cannot tidy up
after itself. So the processes belong to a small helper (this file, run as a script) that reads
commands from a pipe. The pipe closes when the owner ends, for whatever reason; then the helper stops
the processes in reverse order of their start, waits for each, and removes their directory. Should
the helper itself be killed, the kernel (on Linux) kills the processes.

One JSON object a line: `{"name", "argv", "env", "cwd"}` goes in; `{"name", "pid"}` for a start (or
`{"name", "error"}`) and `{"name", "code"}` for an exit come out. Only the standard library is used:
the helper starts in a twentieth of a second.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

PATIENCE = 15.0  # seconds from SIGTERM to SIGKILL


class Exit(NamedTuple):
    """A kept process has ended."""

    name: str
    code: int


class Keeper:
    """The owner's side. Everything it starts ends with it, and `directory` (logs and all) goes too."""

    def __init__(self, directory: Path, *, hold: Sequence[int] = ()) -> None:
        """Start the helper; it keeps the file descriptors `hold` (a lock, say) open until it is done."""
        self.directory = directory
        self._exits: deque[Exit] = deque()
        self._helper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(directory), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=hold,
            start_new_session=True,  # Ctrl-C is for the owner, who then closes the pipe
        )

    def start(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> int:
        """Start a process and give its id; its output goes to `log(name)`."""
        order = {"name": name, "argv": argv, "env": env and dict(env), "cwd": cwd and str(cwd)}
        assert self._helper.stdin
        self._helper.stdin.write(json.dumps(order).encode() + b"\n")
        while "code" in (answer := self._answer()):
            self._exits.append(Exit(answer["name"], answer["code"]))
        if "error" in answer:
            raise OSError(f"{name} does not start: {answer['error']}")
        return int(answer["pid"])

    def exited(self, within: float) -> Exit | None:
        """Wait up to `within` seconds for a process to end; None if all still run."""
        assert self._helper.stdout
        if not self._exits and select.select([self._helper.stdout], [], [], within)[0]:
            answer = self._answer()
            self._exits.append(Exit(answer["name"], answer["code"]))
        return self._exits.popleft() if self._exits else None

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def tail(self, name: str, lines: int = 20) -> str:
        """The end of a process's output, for error messages."""
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Stop all, the last started first, and remove the directory."""
        assert self._helper.stdin
        assert self._helper.stdout
        self._helper.stdin.close()
        self._helper.wait()
        self._helper.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)  # if the helper was killed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self) -> dict[str, Any]:
        assert self._helper.stdout
        if line := self._helper.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        raise RuntimeError("the process that keeps the others has been killed")


def _die_with(helper: int) -> Callable[[], None]:
    """Make what runs in a new child, so that the kernel kills it when the helper dies."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1

    def prepare() -> None:
        prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != helper:  # it died before the line above
            os._exit(1)

    return prepare


def _start(
    log: Path, argv: list[str], env: dict[str, str] | None, cwd: str | None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop a process and whatever it has started (it leads a process group)."""
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGCONT)  # a test may have frozen it
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE)
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _serve(directory: Path, owner: int) -> None:
    """The helper's side: start what is ordered, report what ends, until the owner is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    running: dict[str, subprocess.Popen[bytes]] = {}
    orders = FileIO(0)  # unbuffered, so that select() sees all there is

    def answer(**fields: str | int) -> None:
        os.write(1, json.dumps(fields).encode() + b"\n")

    try:
        while os.getppid() == owner:  # the pipe alone is not enough: a fork of the owner may hold it
            if select.select([orders], [], [], 0.1)[0]:
                line = orders.readline()
                if not line.endswith(b"\n"):
                    break
                order = json.loads(line)
                name = order.pop("name")
                try:
                    running[name] = _start(directory / f"{name}.log", **order)
                    answer(name=name, pid=running[name].pid)
                except OSError as error:
                    answer(name=name, error=str(error))
            for name, child in list(running.items()):
                if (code := child.poll()) is not None:
                    _stop(running.pop(name))  # what it may have left behind
                    answer(name=name, code=code)
    except BrokenPipeError:
        pass  # the owner is gone
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for child in reversed(running.values()):
            _stop(child)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
