"""The file store: its contract, and what only a directory can go through."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engage_sync.store.errors import StoreUnavailable
from engage_sync.store.file import FileStore
from engage_sync.store.index import Identity
from reconcilers.errors import ConfigError
from reconcilers.model import MappingState
from tests.unit.store.contract import IDENTITY, Backend, StoreContract
from tests.unit.store.examples import entry, mapping, rooms


class Directory(Backend):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: FileStore | None = None
        self.others: list[Directory] = []

    def open(self, identity: Identity = IDENTITY) -> FileStore:
        self.close()
        self.opened = FileStore(self.path, identity)
        return self.opened

    def close(self) -> None:
        for directory in self.others:
            directory.close()
        if self.opened:
            self.opened.close()

    def fresh(self) -> "Directory":
        self.others.append(Directory(self.path / f"{len(self.others)}"))
        return self.others[-1]

    async def damage(self) -> None:
        file = self.path / "mapping"
        content = bytearray(file.read_bytes())
        content[-12] ^= 1
        file.write_bytes(content)

    async def wipe(self) -> None:
        (self.path / "mapping").unlink()

    async def version(self) -> object:
        return (self.path / "mapping").stat().st_ino, (self.path / "mapping").read_bytes()


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Directory]:
    directory = Directory(tmp_path / "state" / "acme")
    yield directory
    directory.close()


class TestContract(StoreContract):
    pass


async def test_only_the_user_may_read_it(backend: Directory) -> None:
    await backend.open().commit(rooms(1))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in backend.path.iterdir()}
    assert modes == {"mapping": 0o600, "lock": 0o600}
    assert stat.S_IMODE(backend.path.stat().st_mode) == 0o700


async def test_a_second_process_is_refused_in_a_sentence(backend: Directory) -> None:
    await backend.open().load()
    script = """
import asyncio, sys
from pathlib import Path
from engage_sync.store.file import FileStore
from engage_sync.store.index import Identity
from reconcilers.errors import ConfigError
try:
    asyncio.run(FileStore(Path(sys.argv[1]), Identity("u", "b", "a")).load())
except ConfigError as error:
    print(error)
"""

    arguments = (sys.executable, "-c", script, str(backend.path))
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    second = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE, env=paths)
    said, _ = await second.communicate()

    assert b"is in use by another engage-sync process" in said


async def test_the_lock_ends_with_its_store(backend: Directory) -> None:
    with FileStore(backend.path, IDENTITY) as first:
        await first.load()
        with pytest.raises(ConfigError, match="in use by another"):
            await FileStore(backend.path, IDENTITY).load()

    assert (await backend.open().load()).rebuilt


async def test_every_commit_has_a_revision_of_its_own_whoever_makes_it(backend: Directory) -> None:
    revisions = []
    for count in (1, 2, 3):
        store = backend.open()
        await store.load()
        await store.commit(rooms(count))
        revisions.append(json.loads((backend.path / "mapping").read_bytes().split(b"\n\n")[0])["revision"])

    assert revisions == [1, 2, 3]


async def test_a_crash_while_writing_leaves_the_former_mapping(
    backend: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = backend.open()
    await store.commit(rooms(3))
    state = rooms(4)
    for step in ("fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(os, step, _no_space)
            with pytest.raises(StoreUnavailable, match="No space left"):
                await store.commit(state)
        assert state.dirty
        assert (await backend.open().load()).entries == rooms(3).entries
        store = backend.open()

    await store.commit(state)

    assert (await backend.open().load()).entries == rooms(4).entries
    assert {path.name for path in backend.path.iterdir()} == {"mapping", "lock"}


async def test_what_a_crash_left_open_to_read_is_closed_before_it_is_written(backend: Directory) -> None:
    backend.path.mkdir(parents=True)
    left = backend.path / ".mapping.engage-sync"
    left.touch(0o644)

    await backend.open().commit(rooms(1))

    assert stat.S_IMODE((backend.path / "mapping").stat().st_mode) == 0o600


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
async def test_a_file_cut_short_is_not_used(backend: Directory, cut: int) -> None:
    await backend.open().commit(rooms(50))
    file = backend.path / "mapping"
    file.write_bytes(file.read_bytes()[:cut])

    assert await backend.open().load() == MappingState(rebuilt=True)


async def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"state directory .* cannot be used"):
        await FileStore(tmp_path / "file" / "state", IDENTITY).load()


async def test_a_planted_link_is_not_followed(backend: Directory, tmp_path: Path) -> None:
    store = backend.open()
    await store.load()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (backend.path / ".mapping.engage-sync").symlink_to(victim)

    with pytest.raises(StoreUnavailable):
        await store.commit(mapping(entry(1)))

    assert victim.read_text() == "precious"
