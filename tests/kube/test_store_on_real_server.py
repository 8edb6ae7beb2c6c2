"""The ConfigMap store on a real API server: the same contract, the same crashes, and more."""

import copy
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage_sync.kube import Conflict, Invalid, Kube, Unavailable
from engage_sync.kube_http import Json
from engage_sync.store import codec
from engage_sync.store.configmap import ConfigMapStore
from engage_sync.store.errors import AnotherWriter
from engage_sync.store.index import Identity
from reconcilers.model import MappingState
from tests.controlplane.server import ControlPlane
from tests.kube.sync_targets import make_sync_target
from tests.unit.store.contract import IDENTITY, Backend, StoreContract
from tests.unit.store.examples import entry, mappings, rooms
from tests.unit.store.fake_api import Fault, Killed

pytestmark = pytest.mark.cluster

T = TypeVar("T")


class Dying:
    """The real API, until one write; implements `engage_sync.kube.ConfigMaps`."""

    def __init__(self, kube: Kube, fault: Fault, write: int) -> None:
        self._kube, self._fault, self._left = kube, fault, write

    async def get_config_map(self, namespace: str, name: str) -> Json:
        return await self._kube.get_config_map(namespace, name)

    async def list_config_maps(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        return await self._kube.list_config_maps(namespace, labels)

    async def create_config_map(self, body: Json) -> Json:
        return await self._write(lambda: self._kube.create_config_map(body))

    async def replace_config_map(self, body: Json) -> Json:
        return await self._write(lambda: self._kube.replace_config_map(body))

    async def delete_config_map(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        await self._write(
            lambda: self._kube.delete_config_map(namespace, name, uid=uid, resource_version=resource_version)
        )

    async def _write(self, write: Callable[[], Awaitable[T]]) -> T:
        self._left -= 1
        fault = self._fault if self._left == -1 else None
        if fault is Fault.KILLED_BEFORE:
            raise Killed
        done = await write()
        if fault is Fault.KILLED_AFTER:
            raise Killed
        if fault is Fault.ANSWER_LOST:
            raise Unavailable("connection reset")
        return done


class Cluster(Backend):
    def __init__(self, plane: ControlPlane, kube: Kube, namespace: str) -> None:
        self.plane, self.kube, self.namespace = plane, kube, namespace
        metadata = make_sync_target(plane, namespace)["metadata"]
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.index = f"engage-sync-{self.name}-{self.uid[:8]}-mapping"

    def open(self, identity: Identity = IDENTITY) -> ConfigMapStore:
        return self.through(self.kube, identity)

    def through(self, api: Any, identity: Identity = IDENTITY) -> ConfigMapStore:
        uid = identity.uid.replace(IDENTITY.uid, self.uid)
        return ConfigMapStore(api, self.namespace, self.name, replace(identity, uid=uid))

    def fresh(self) -> "Cluster":
        return Cluster(self.plane, self.kube, self.namespace)

    async def objects(self) -> dict[str, Json]:
        listed = await self.kube.list_config_maps(self.namespace, {"engage-sync.io/synctarget": self.name})
        return {found["metadata"]["name"]: found for found in listed}

    async def damage(self) -> None:
        """What is immutable can only be replaced by another of its name."""
        name = min((await self.objects()).keys() - {self.index})
        chunk = await self.kube.get_config_map(self.namespace, name)
        await self._delete(chunk)
        metadata = {"namespace": self.namespace, "name": name, "labels": chunk["metadata"]["labels"]}
        await self.kube.create_config_map(
            {"metadata": metadata, "binaryData": {"entries.gz": "bm9uc2Vuc2U="}}
        )

    async def wipe(self) -> None:
        for found in (await self.objects()).values():
            await self._delete(found)

    async def version(self) -> object:
        return {name: found["metadata"]["resourceVersion"] for name, found in (await self.objects()).items()}

    async def _delete(self, found: Json) -> None:
        metadata = found["metadata"]
        await self.kube.delete_config_map(
            self.namespace,
            metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
        )


@pytest.fixture
def backend(plane: ControlPlane, kube: Kube, namespace: str) -> Cluster:
    return Cluster(plane, kube, namespace)


@pytest.fixture
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "SHARD_ENTRIES", 35)


class TestContract(StoreContract):
    @pytest.mark.parametrize("field", ["base_url", "api_url"])  # the garbage collector looks at uids
    async def test_a_mapping_of_others_is_not_used_and_then_replaced(
        self, backend: Backend, field: str
    ) -> None:
        await super().test_a_mapping_of_others_is_not_used_and_then_replaced(backend, field)

    @settings(
        max_examples=10,  # each makes a SyncTarget of its own
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(history=st.lists(st.tuples(mappings, st.booleans()), min_size=1, max_size=4))
    async def test_any_history_is_remembered(
        self, backend: Backend, history: list[tuple[MappingState, bool]]
    ) -> None:
        await self._live_through(backend.fresh(), history)


# Both commits write to two shards: chunk, chunk, index; chunk, chunk, index, delete, delete.
FIRST, SECOND, FINAL = rooms(40), rooms(41), rooms(42)
SECOND.put(entry(4, id=1))
WRITES = 8


async def _two_commits(store: ConfigMapStore) -> None:
    await store.load()
    await store.commit(copy.deepcopy(FIRST))
    await store.commit(copy.deepcopy(SECOND))


async def _assert_clean(backend: Cluster, state: MappingState) -> None:
    """The mapping is this, and there is nothing beside it."""
    store = backend.open()
    assert await store.load() == MappingState(entries=state.entries)
    assert len(await backend.objects()) == store.summary.shards + 1


@pytest.mark.usefixtures("_small_shards")
@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.ANSWER_LOST])
@pytest.mark.parametrize("write", range(WRITES))
async def test_a_crash_at_any_write(backend: Cluster, write: int, fault: Fault) -> None:
    killed = False
    try:
        await _two_commits(backend.through(Dying(backend.kube, fault, write)))
    except Killed:
        killed = True
    assert killed == (fault is not Fault.ANSWER_LOST)

    loaded = await backend.open().load()
    assert loaded.rebuilt == (backend.index not in await backend.objects())
    assert loaded.entries in ({}, FIRST.entries, SECOND.entries)

    store = backend.open()
    await store.load()
    await store.commit(copy.deepcopy(FINAL))
    await _assert_clean(backend, FINAL)


async def test_another_writer_is_noticed(backend: Cluster) -> None:
    first, second = backend.open(), backend.open()
    await first.load()
    await second.load()
    await second.commit(rooms(2))

    with pytest.raises(AnotherWriter):
        await first.commit(rooms(1))

    third = backend.open()
    await third.load()
    await second.commit(rooms(3))
    with pytest.raises(AnotherWriter):
        await third.commit(rooms(4))
    assert (await backend.open().load()).entries == rooms(3).entries


async def test_chunks_cannot_be_changed_but_can_be_claimed(backend: Cluster) -> None:
    store = backend.open()
    await store.load()
    await store.commit(rooms(3))
    name = min((await backend.objects()).keys() - {backend.index})
    chunk = await backend.kube.get_config_map(backend.namespace, name)
    garbled = {**chunk, "binaryData": {"entries.gz": ""}}

    with pytest.raises(Invalid, match="immutable"):
        await backend.kube.replace_config_map(garbled)

    # The index is lost, so the next run finds chunks that are there already.
    await backend._delete((await backend.objects())[backend.index])
    again = backend.open()
    assert (await again.load()).rebuilt
    await again.commit(rooms(3))

    claimed = await backend.kube.get_config_map(backend.namespace, name)
    assert claimed["metadata"]["uid"] == chunk["metadata"]["uid"]
    assert claimed["metadata"]["resourceVersion"] != chunk["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):  # what a former leader would send
        await backend._delete(chunk)


async def test_a_hundred_thousand_entries_fit(backend: Cluster) -> None:
    drawn = random.Random(1)
    state = MappingState()
    for number in range(100_000):
        state.put(entry(number * 3, last_synced=1_760_000_000 + drawn.randrange(86_400)))
    store = backend.open()
    await store.load()

    await store.commit(state)

    assert store.summary.shards == 32
    assert len(await backend.objects()) == 33
    assert await backend.open().load() == MappingState(entries=state.entries)


async def test_the_mapping_goes_with_its_sync_target(backend: Cluster) -> None:
    store = backend.open()
    await store.load()
    await store.commit(rooms(3))
    selector = f"--selector=engage-sync.io/synctarget={backend.name}"

    backend.plane.kubectl("delete", "synctarget", backend.name, "-n", backend.namespace)
    # The garbage collector learns of a new kind of object within 30 s, and then acts at once.
    backend.plane.kubectl(
        "wait", "--for=delete", "configmap", selector, "-n", backend.namespace, "--timeout=90s"
    )

    assert await backend.objects() == {}
    assert (await backend.open().load()).rebuilt
