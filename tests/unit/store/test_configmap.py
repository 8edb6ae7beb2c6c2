"""The ConfigMap store: its contract, crashes between any two writes, and other writers."""

import asyncio
import base64
import copy
from collections.abc import Callable

import pytest

from engage_sync.kube import Forbidden, Unavailable
from engage_sync.kube_http import Json
from engage_sync.store import codec
from engage_sync.store.configmap import ConfigMapStore
from engage_sync.store.errors import AnotherWriter, StoreUnavailable
from engage_sync.store.index import Identity
from reconcilers.errors import TransientError
from reconcilers.model import MappingState
from tests.unit.store.contract import IDENTITY, Backend, StoreContract
from tests.unit.store.examples import entry, rooms
from tests.unit.store.fake_api import FakeConfigMaps, Fault, Killed

INDEX = "engage-sync-acme-0b5c3a52-mapping"


class Cluster(Backend):
    def __init__(self) -> None:
        self.api = FakeConfigMaps()

    def open(self, identity: Identity = IDENTITY) -> ConfigMapStore:
        return ConfigMapStore(self.api, "tenants", "acme", identity)

    def fresh(self) -> "Cluster":
        return Cluster()

    async def damage(self) -> None:
        name = sorted(self.api.names() - {INDEX})[0]
        data = self.api.objects["tenants", name]["binaryData"]
        data["entries.gz"] = base64.b64encode(b"nonsense").decode()

    async def wipe(self) -> None:
        self.api.objects.clear()

    async def version(self) -> object:
        return len(self.api.writes)

    @property
    def index(self) -> Json:
        return self.api.objects["tenants", INDEX]


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the real size, so that few entries make several shards."""
    monkeypatch.setattr(codec, "SHARD_ENTRIES", 35)


@pytest.fixture
def backend() -> Cluster:
    return Cluster()


class TestContract(StoreContract):
    pass


async def _holding(backend: Cluster, state: MappingState) -> ConfigMapStore:
    """A store of a run that has loaded and committed."""
    store = backend.open()
    await store.load()
    await store.commit(state)
    return store


async def _assert_clean(backend: Cluster, state: MappingState) -> None:
    """The mapping is this, and there is nothing beside it."""
    store = backend.open()
    backend.api.reads.clear()
    assert await store.load() == MappingState(entries=state.entries)
    assert sorted(backend.api.reads) == sorted(backend.api.names())


async def test_objects_are_named_labelled_and_owned(backend: Cluster) -> None:
    await _holding(backend, rooms(50))

    assert len(backend.api.objects) == 3
    for (namespace, name), found in backend.api.objects.items():
        metadata = found["metadata"]
        assert namespace == "tenants"
        assert name.startswith("engage-sync-acme-0b5c3a52-")
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "engage-sync"
        assert metadata["labels"]["engage-sync.io/synctarget"] == "acme"
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "engage-sync.io/v1alpha1",
                "kind": "SyncTarget",
                "name": "acme",
                "uid": IDENTITY.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
        assert found.get("immutable", False) == (name != INDEX)


async def test_the_summary_is_what_status_tells(backend: Cluster) -> None:
    store = await _holding(backend, rooms(50))

    assert (store.summary.entries, store.summary.shards) == (50, 2)


async def test_only_changed_shards_are_written(backend: Cluster) -> None:
    state = rooms(200)
    store = await _holding(backend, state)
    backend.api.writes.clear()

    state.put(entry(7, id=1))
    await store.commit(state)

    verbs = [write.split()[0] for write in backend.api.writes]
    assert verbs == ["create", "replace", "delete"]
    await _assert_clean(backend, state)


async def test_chunks_come_before_the_index_and_go_after_it(backend: Cluster) -> None:
    state = rooms(200)
    store = await _holding(backend, state)
    backend.api.writes.clear()

    for number in range(200):
        state.put(entry(number, last_synced=1))
    await store.commit(state)

    verbs = [write.split()[0] for write in backend.api.writes]
    assert verbs == ["create"] * 8 + ["replace"] + ["delete"] * 8


async def test_a_growing_population_gets_more_shards(backend: Cluster) -> None:
    store = await _holding(backend, rooms(30))
    await store.commit(rooms(90))

    assert store.summary.shards == 4
    await _assert_clean(backend, rooms(90))


# What two commits write, one after the other: everything is in it.
FIRST, SECOND = rooms(40), rooms(41)
SECOND.put(entry(4, id=1))


async def _two_commits(backend: Cluster) -> None:
    store = backend.open()
    await store.load()
    await store.commit(copy.deepcopy(FIRST))
    await store.commit(copy.deepcopy(SECOND))


WRITES = 2 + 1 + 2 + 1 + 2


async def test_there_are_so_many_writes_to_crash_at(backend: Cluster) -> None:
    await _two_commits(backend)

    assert len(backend.api.writes) == WRITES


@pytest.mark.parametrize("recovery_write", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
@pytest.mark.parametrize("write", range(WRITES))
async def test_killed_at_any_write_and_again_in_recovery(
    backend: Cluster, write: int, fault: Fault, recovery_write: int | None
) -> None:
    backend.api.faults[write] = fault
    with pytest.raises(Killed):
        await _two_commits(backend)
    await _assert_old_or_new(backend)

    if recovery_write is not None:
        backend.api.faults[len(backend.api.writes) + recovery_write] = fault
    await _try_commit(backend, SECOND)
    await _assert_old_or_new(backend)
    backend.api.faults.clear()

    final = rooms(42)  # another change, so that a commit follows in any case
    await _try_commit(backend, final)
    await _assert_clean(backend, final)


async def _try_commit(backend: Cluster, state: MappingState) -> None:
    store = backend.open()
    await store.load()
    try:
        await store.commit(copy.deepcopy(state))
    except Killed:
        assert backend.api.faults


async def _assert_old_or_new(backend: Cluster) -> None:
    loaded = await backend.open().load()
    if loaded.rebuilt:
        assert INDEX not in backend.api.names(), "unreadable after a crash"
    assert loaded.entries in ({}, FIRST.entries, SECOND.entries)


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.NOT_DONE])
@pytest.mark.parametrize("write", range(WRITES))
async def test_one_lost_answer_is_survived_without_notice(backend: Cluster, write: int, fault: Fault) -> None:
    backend.api.faults[write] = fault

    await _two_commits(backend)
    backend.api.faults.clear()

    final = rooms(42)
    await _try_commit(backend, final)
    await _assert_clean(backend, final)


@pytest.mark.parametrize("done", [True, False])
async def test_an_index_whose_fate_is_unknown_is_recognised_by_the_next_commit(
    backend: Cluster, done: bool
) -> None:
    state = rooms(10)
    store = await _holding(backend, state)
    state.put(entry(10))

    def cut_off(verb: str, name: str) -> None:
        if backend.api.faults and len(backend.api.writes) > number and verb == "get":
            raise Unavailable("no connection")

    number = len(backend.api.writes) + 1  # after the chunk
    backend.api.faults[number] = Fault.ANSWER_LOST if done else Fault.NOT_DONE
    backend.api.before = cut_off
    with pytest.raises(StoreUnavailable, match="no connection"):
        await store.commit(state)
    assert state.dirty
    backend.api.faults.clear()
    state.put(entry(11))
    await store.commit(state)

    await _assert_clean(backend, state)


async def test_an_outage_leaves_the_mapping_dirty(backend: Cluster) -> None:
    state = rooms(10)
    store = await _holding(backend, state)
    state.put(entry(10))
    backend.api.before = _raise(Unavailable("etcd is down", retry_after=7.0))

    with pytest.raises(StoreUnavailable, match=r"could not be written: etcd is down") as raised:
        await store.commit(state)

    assert state.dirty
    assert raised.value.retry_after == 7.0
    backend.api.before = lambda verb, name: None
    await store.commit(state)
    await _assert_clean(backend, state)


async def test_a_missing_right_is_said(backend: Cluster) -> None:
    backend.api.before = _raise(Forbidden('cannot get resource "configmaps"'))

    with pytest.raises(StoreUnavailable, match='could not be read: cannot get resource "configmaps"'):
        await backend.open().load()


def _raise(error: Exception) -> Callable[[str, str], None]:
    def before(verb: str, name: str) -> None:
        raise error

    return before


async def test_another_writer_ends_the_run(backend: Cluster) -> None:
    first, second = backend.open(), backend.open()
    mine, theirs = await first.load(), await second.load()
    mine.put(entry(1))
    theirs.put(entry(2))
    await second.commit(theirs)

    for _ in range(2):  # also when tried again
        with pytest.raises(AnotherWriter, match="another engage-sync has written the mapping") as raised:
            await first.commit(mine)

    assert isinstance(raised.value, TransientError)
    assert mine.dirty
    assert (await backend.open().load()).entries == theirs.entries


async def test_another_writer_after_both_have_committed_before(backend: Cluster) -> None:
    first = await _holding(backend, rooms(5))
    second = backend.open()
    theirs = await second.load()
    theirs.put(entry(6))
    await second.commit(theirs)

    with pytest.raises(AnotherWriter):
        await first.commit(rooms(9))

    await _try_commit(backend, rooms(9))
    await _assert_clean(backend, rooms(9))


async def test_made_anew_by_another_after_it_was_deleted(backend: Cluster) -> None:
    first = await _holding(backend, rooms(5))
    await backend.wipe()
    await _holding(backend, rooms(6))

    with pytest.raises(AnotherWriter):
        await first.commit(rooms(9))


@pytest.mark.parametrize("frozen_in", ["replace_config_map", "delete_config_map"])
async def test_a_thawed_leader_cannot_delete_what_the_new_one_uses_again(
    backend: Cluster, monkeypatch: pytest.MonkeyPatch, frozen_in: str
) -> None:
    """Frozen after its commit, before its deletes, while the new leader goes back to the old content."""
    old_content, new_content = rooms(5), rooms(6)
    frozen = await _holding(backend, old_content)
    request = getattr(backend.api, frozen_in)

    async def frozen_request(*args: object, **options: object) -> object:
        monkeypatch.undo()
        monkeypatch.setattr(codec, "SHARD_ENTRIES", 35)
        if frozen_in == "replace_config_map":  # the index: its answer waits
            answer = await request(*args, **options)
            await _try_commit(backend, old_content)
            return answer
        await _try_commit(backend, old_content)
        return await request(*args, **options)

    monkeypatch.setattr(backend.api, frozen_in, frozen_request)
    await frozen.commit(new_content)

    assert (await backend.open().load()).entries == old_content.entries


async def test_a_reader_sees_the_old_or_the_new_while_others_commit(backend: Cluster) -> None:
    state = rooms(5)
    writer = await _holding(backend, state)
    rounds = iter(range(3))

    original = backend.api.get_config_map

    async def commit_before_the_chunk(namespace: str, name: str) -> Json:
        if name != INDEX and next(rounds, None) is not None:
            backend.api.get_config_map = original  # type: ignore[method-assign]
            state.put(entry(1, id=len(backend.api.writes)))
            await writer.commit(state)
            backend.api.get_config_map = commit_before_the_chunk  # type: ignore[method-assign]
        return await original(namespace, name)

    backend.api.get_config_map = commit_before_the_chunk  # type: ignore[method-assign]
    loaded = await backend.open().load()

    assert loaded == MappingState(entries=state.entries)


async def test_a_missing_chunk_makes_the_mapping_anew(backend: Cluster) -> None:
    await _holding(backend, rooms(40))
    chunk = sorted(backend.api.names() - {INDEX})[1]
    del backend.api.objects["tenants", chunk]

    store = backend.open()
    backend.api.reads.clear()
    loaded = await store.load()
    assert backend.api.reads.count(INDEX) == 2, "the index is read again once"
    await store.commit(rooms(40))

    assert loaded == MappingState(rebuilt=True)
    assert store.rebuilt_because == "a chunk is missing"
    await _assert_clean(backend, rooms(40))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"data": None},
        {"data": {"index.json": ""}},
        {"data": {"index.json": '{"schema": 2}'}},
        {"binaryData": {"index.json": "e30="}},
    ],
)
async def test_an_index_of_another_sort_makes_the_mapping_anew(backend: Cluster, content: Json) -> None:
    await _holding(backend, rooms(10))
    backend.index.pop("data")
    backend.index.update(content)

    loaded = await backend.open().load()

    assert loaded == MappingState(rebuilt=True)
    await _try_commit(backend, rooms(10))
    await _assert_clean(backend, rooms(10))


async def test_an_index_that_counts_wrongly_makes_the_mapping_anew(backend: Cluster) -> None:
    await _holding(backend, rooms(10))
    before, found, after = backend.index["data"]["index.json"].rpartition('"entries": 10')
    backend.index["data"]["index.json"] = before + found.replace("10", "9") + after

    assert (await backend.open().load()).rebuilt


async def test_deleted_by_hand_in_mid_run_all_shards_are_made_anew(backend: Cluster) -> None:
    state = rooms(100)
    store = await _holding(backend, state)
    await backend.wipe()
    state.put(entry(1, id=1))  # in one shard of several
    await store.commit(state)

    await _assert_clean(backend, state)


async def test_an_index_cannot_point_at_objects_of_others(backend: Cluster) -> None:
    await _holding(backend, rooms(10))
    chunk = next(iter(backend.api.names() - {INDEX}))
    text = backend.index["data"]["index.json"]
    backend.index["data"]["index.json"] = text.replace(chunk, "kube-root-ca.crt")
    backend.api.reads.clear()

    assert (await backend.open().load()).rebuilt
    assert backend.api.reads == [INDEX]


async def test_things_of_others_are_left_alone(backend: Cluster) -> None:
    labels = {
        "app.kubernetes.io/managed-by": "engage-sync",
        "engage-sync.io/synctarget": "acme",
        "app.kubernetes.io/component": "mapping",
    }
    others = {
        "engage-sync-acme-0b5c3a52-plan-1",
        "engage-sync-acme-ffffffff-mapping-0-0123456789abcdef",
        "engage-sync-acme-0b5c3a52-mapping-0-0123456789abcdef-x",
        "unrelated",
    }
    for name in others:
        await backend.api.create_config_map(
            {"metadata": {"namespace": "tenants", "name": name, "labels": labels}}
        )

    await _two_commits(backend)

    assert others < backend.api.names()


async def test_a_cancelled_commit_leaves_the_mapping_dirty(backend: Cluster) -> None:
    state = rooms(10)
    store = backend.open()
    await store.load()
    reached = asyncio.Event()

    async def never(body: Json) -> Json:
        reached.set()
        await asyncio.Event().wait()
        return body

    backend.api.create_config_map = never  # type: ignore[method-assign]
    task = asyncio.create_task(store.commit(state))
    await reached.wait()
    assert not state.dirty
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert state.dirty


async def test_who_may_not_delete_still_commits(backend: Cluster) -> None:
    state = rooms(10)
    store = await _holding(backend, state)
    state.put(entry(10))
    backend.api.before = lambda verb, name: (_raise(Forbidden("no")) if verb == "delete" else _pass)(
        verb, name
    )
    await store.commit(state)
    assert not state.dirty

    backend.api.before = _pass
    state.put(entry(11))
    await store.commit(state)

    await _assert_clean(backend, state)


def _pass(verb: str, name: str) -> None:
    pass
