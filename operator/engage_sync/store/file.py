"""Keeps a mapping in a directory, for the command line: one file, replaced as a whole.

`mapping` holds a line with the index, then the entries compressed. `lock` is held from the first load to
`close`, so that two processes never take turns on one mapping; the system frees it when a process dies.
"""

import asyncio
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from engage_sync.store import codec
from engage_sync.store.codec import Corrupt, Summary
from engage_sync.store.durable import replace_file, unusable
from engage_sync.store.errors import StoreUnavailable
from engage_sync.store.index import Identity, Index, describe
from reconcilers.errors import ConfigError
from reconcilers.model import Entry, MappingState

MAX_FILE = 1 << 30
"""Bytes of entries before compression: ten million entities."""

_CHUNK = "entries"


class FileStore:
    """A MappingStore in `directory`, for one identity. Close it, or use it in a `with` block."""

    def __init__(self, directory: Path, identity: Identity) -> None:
        self.summary = Summary()
        """The last commit, or what was loaded."""
        self.rebuilt_because = ""
        """Why the last load found nothing to use; empty when it did."""
        self._directory = directory
        self._identity = identity
        self._lock: int | None = None
        self._revision = 0

    async def load(self) -> MappingState:
        """The mapping of the last commit, or an empty one with `rebuilt`.

        Raises:
            ConfigError: another process uses this directory, or it cannot be used at all.
        """
        return await asyncio.to_thread(self._load)

    async def commit(self, mapping: MappingState) -> None:
        """Replace the file, unless nothing changed. What changes in `mapping` meanwhile is for the next one.

        Raises:
            StoreUnavailable: the file could not be written; the former one is as it was.
            ConfigError: as `load`.
        """
        entries = tuple(mapping.entries.values())
        mapping.dirty = False
        try:
            await asyncio.to_thread(self._commit, entries)
        except BaseException:
            mapping.dirty = True
            raise

    def close(self) -> None:
        """Let others use the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self) -> MappingState:
        self._acquire()
        self.summary, self.rebuilt_because = Summary(), ""
        try:
            index, entries = self._read()
        except FileNotFoundError:
            return self._rebuilt("there is none")
        except Corrupt as error:
            return self._rebuilt(str(error))
        except OSError as error:
            raise ConfigError(f"state file {self._path} cannot be read: {error.strerror}") from error
        if index.identity != self._identity:
            return self._rebuilt("it is of another SyncTarget, baseURL or apiURL")
        self.summary = index.summary
        return MappingState(entries={entry.key: entry for entry in entries})

    def _rebuilt(self, reason: str) -> MappingState:
        self.rebuilt_because = reason
        return MappingState(rebuilt=True)

    def _read(self) -> tuple[Index, list[Entry]]:
        head, _, packed = self._path.read_bytes().partition(b"\n\n")
        index = Index.from_json(head)
        self._revision = index.revision
        if len(index.chunks) != 1:
            raise Corrupt("an index of several chunks")
        entries = codec.decode(codec.unpack(packed, index.chunks[0].sha256, MAX_FILE))
        return index, entries

    def _commit(self, entries: tuple[Entry, ...]) -> None:
        self._acquire()
        encoded = codec.encode(entries, whole=True)
        if encoded.summary == self.summary:
            return
        index = Index(
            self._identity,
            encoded.summary,
            describe(encoded, [_CHUNK]),
            f"pid {os.getpid()}",
            self._revision + 1,
        )
        try:
            replace_file(self._path, index.to_json().encode() + b"\n\n" + codec.pack(encoded.chunks[0].raw))
        except OSError as error:
            raise StoreUnavailable(f"state file {self._path} cannot be written: {error.strerror}") from error
        self.summary, self._revision = encoded.summary, index.revision

    def _acquire(self) -> None:
        if self._lock is not None:
            return
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise unusable(self._directory, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ConfigError(
                f"state directory {self._directory} is in use by another engage-sync process;"
                " wait for it to end, or name another directory with --state"
            ) from error
        self._lock = lock

    @property
    def _path(self) -> Path:
        return self._directory / "mapping"
