"""Remembers which creates an upload was about to send, so that one that was killed is gone on with.

Workplace keeps no key of ours, so a create that was under way when the process died may still be carried
out after the next upload has read Workplace. Whoever finds its intent here waits and looks once more.
"""

import fcntl
import json
import os
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from engage_sync.store.durable import unusable
from reconcilers.errors import ConfigError

_JOURNAL, _LOCK = "upload.jsonl", "upload.lock"
_MAX_BYTES = 1 << 30


class Journal:
    """The intents of uploads to one target; one upload at a time holds it. Use it in a `with` block."""

    def __init__(self, directory: Path) -> None:
        """Take it; raises ConfigError when another upload holds it, or the folder cannot be used."""
        self._path = directory / _JOURNAL
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(
                directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise _unusable(directory, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open_since = _read(self._path)
            self._file: TextIOWrapper = _append_to(self._path)
            self._file.write("\n")  # what a crash has cut off ends here
        except OSError as error:
            os.close(self._lock)
            raise _unusable(directory, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        os.close(self._lock)

    def begun(self, key: str) -> float | None:
        """When an upload that did not see the end of it began a create; None when none did."""
        return self._open_since.get(key)

    def begin(self, key: str, now: float) -> None:
        """Note that a create is sent next. Written through: a killed process leaves it."""
        self._open_since[key] = now
        self._write({"begin": key, "at": now})

    def end(self, key: str) -> None:
        """Note that its outcome is known."""
        if self._open_since.pop(key, None) is not None:
            self._write({"end": key})

    def forget(self) -> None:
        """Note that nothing is open any more."""
        self._open_since.clear()
        self._file.truncate(0)

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _unusable(directory: Path, error: OSError) -> ConfigError:
    if isinstance(error, BlockingIOError):
        return ConfigError(f"state directory {directory} is in use by another upload; wait for it to end")
    return unusable(directory, error)


def _append_to(path: Path) -> TextIOWrapper:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")


def _read(path: Path) -> dict[str, float]:
    """What is open; a line that was cut off by a crash was never acted upon."""
    open_since: dict[str, float] = {}
    if not path.exists() or path.stat().st_size > _MAX_BYTES:
        return open_since
    for text in path.read_text("utf-8", "replace").splitlines():
        try:
            line = json.loads(text)
            if "begin" in line:
                open_since[str(line["begin"])] = float(line["at"])
            else:
                open_since.pop(str(line["end"]), None)
        except (ValueError, TypeError, KeyError):
            continue
    return open_since
