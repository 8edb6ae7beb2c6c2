"""What every store promises, whatever it is made of. A test class per store inherits it."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage_sync.store.codec import Summary
from engage_sync.store.index import Identity
from reconcilers.model import MappingState
from tests.unit.store.examples import entry, mapping, mappings, rooms

IDENTITY = Identity("0b5c3a52-8d1e-4a3e-9a55-3d5a0f7d9a01", "https://acme.test", "https://api.test/Acme")


class Store(Protocol):
    """A MappingStore with what both add."""

    summary: Summary
    rebuilt_because: str

    async def load(self) -> MappingState: ...

    async def commit(self, mapping: MappingState) -> None: ...


class Backend(ABC):
    """Where stores keep their mappings."""

    @abstractmethod
    def open(self, identity: Identity = IDENTITY) -> Store:
        """The store of a new process; the one before is gone."""

    @abstractmethod
    def fresh(self) -> "Backend":
        """Another place, with nothing in it."""

    @abstractmethod
    async def damage(self) -> None:
        """Garble what is stored."""

    @abstractmethod
    async def wipe(self) -> None:
        """Delete all that is stored, by hand."""

    @abstractmethod
    async def version(self) -> object:
        """Something that every write changes."""


class StoreContract:
    """The promises. `backend` is a fixture of the inheriting class."""

    async def test_nothing_stored_is_an_empty_mapping_to_rebuild(self, backend: Backend) -> None:
        store = backend.open()

        loaded = await store.load()

        assert loaded == MappingState(rebuilt=True)
        assert store.summary == Summary()
        assert store.rebuilt_because

    async def test_what_was_committed_is_loaded(self, backend: Backend) -> None:
        store = backend.open()
        await store.load()
        await store.commit(rooms(100))

        again = backend.open()
        loaded = await again.load()

        assert loaded == MappingState(entries=rooms(100).entries)
        assert again.summary == store.summary
        assert store.summary.entries == 100
        assert store.summary.digest.startswith("sha256:")

    async def test_an_empty_mapping_is_a_mapping(self, backend: Backend) -> None:
        store = backend.open()
        await store.load()
        await store.commit(mapping())

        assert await backend.open().load() == MappingState()

    async def test_a_commit_takes_the_entries_as_they_are_when_it_begins(self, backend: Backend) -> None:
        store = backend.open()
        state = await store.load()
        state.put(entry(1))

        task = asyncio.create_task(store.commit(state))
        await asyncio.sleep(0)
        assert not state.dirty
        state.put(entry(2))
        await task

        assert state.dirty
        assert (await backend.open().load()).entries == mapping(entry(1)).entries

    async def test_one_commit_after_another(self, backend: Backend) -> None:
        store = backend.open()
        state = await store.load()
        for number in range(5):
            state.put(entry(number))
            await store.commit(state)
        state.forget(entry(0).key)
        await store.commit(state)

        assert (await backend.open().load()).entries == mapping(*map(entry, range(1, 5))).entries

    async def test_no_change_no_write(self, backend: Backend) -> None:
        store = backend.open()
        await store.load()
        await store.commit(rooms(10))
        before = await backend.version()

        await store.commit(rooms(10))
        again = backend.open()
        await again.commit(await again.load())

        assert await backend.version() == before

    @pytest.mark.parametrize("field", ["uid", "base_url", "api_url"])
    async def test_a_mapping_of_others_is_not_used_and_then_replaced(
        self, backend: Backend, field: str
    ) -> None:
        store = backend.open()
        await store.load()
        await store.commit(rooms(10))
        # The same first eight characters: an object of the same name.
        changed = replace(IDENTITY, **{field: getattr(IDENTITY, field) + "x"})

        other = backend.open(changed)
        loaded = await other.load()
        await other.commit(mapping(entry(1)))

        assert loaded == MappingState(rebuilt=True)
        assert (await backend.open(changed).load()).entries == mapping(entry(1)).entries
        assert (await backend.open().load()).rebuilt

    async def test_a_damaged_mapping_is_not_used_and_then_replaced(self, backend: Backend) -> None:
        store = backend.open()
        await store.load()
        await store.commit(rooms(10))
        await backend.damage()

        again = backend.open()
        loaded = await again.load()
        await again.commit(rooms(10))

        assert loaded == MappingState(rebuilt=True)
        assert (await backend.open().load()).entries == rooms(10).entries

    async def test_deleted_by_hand_between_runs(self, backend: Backend) -> None:
        store = backend.open()
        await store.load()
        await store.commit(rooms(10))
        await backend.wipe()

        again = backend.open()
        loaded = await again.load()
        await again.commit(rooms(10))

        assert loaded == MappingState(rebuilt=True)
        assert (await backend.open().load()).entries == rooms(10).entries

    async def test_deleted_by_hand_in_mid_run_is_made_anew(self, backend: Backend) -> None:
        store = backend.open()
        await store.load()
        await store.commit(rooms(10))
        await backend.wipe()
        await store.commit(rooms(11))

        assert (await backend.open().load()).entries == rooms(11).entries

    @settings(
        max_examples=40,
        # backend.fresh() gives every example a place of its own; several classes inherit this test.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(history=st.lists(st.tuples(mappings, st.booleans()), min_size=1, max_size=4))
    async def test_any_history_is_remembered(
        self, backend: Backend, history: list[tuple[MappingState, bool]]
    ) -> None:
        await self._live_through(backend.fresh(), history)

    @staticmethod
    async def _live_through(backend: Backend, history: list[tuple[MappingState, bool]]) -> None:
        store = backend.open()
        await store.load()
        for state, restart in history:
            await store.commit(state)
            if restart:
                store = backend.open()
                assert await store.load() == MappingState(entries=state.entries)
        assert (await backend.open().load()).entries == history[-1][0].entries
