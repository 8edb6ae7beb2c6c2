"""What kopf is told to call, called without kopf and without a cluster."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import kopf
import pytest

from engage_sync import handlers
from engage_sync.controller import GRACE
from engage_sync.targets import Watched
from tests.synctargets import manifest

Json = dict[str, Any]


class Stop:
    """As kopf's own: true once set, and can be waited for."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def __bool__(self) -> bool:
        return self.event.is_set()

    async def wait(self) -> None:
        await self.event.wait()


@dataclass
class Loops:
    """Stands for the controller: notes who is followed, until its loop is told to end."""

    following: dict[str, Watched] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    async def follow(self, watched: Watched, stopped: Callable[[], bool]) -> None:
        self.following[watched.uid] = watched
        while not stopped():
            watched.wake.clear()
            await watched.wake.wait()
        self.ended.append(watched.uid)


@dataclass
class Known:
    """Stands for SyncTargets."""

    bodies: dict[str, Json] = field(default_factory=dict)

    def saw(self, body: Json) -> None:
        self.bodies[body["metadata"]["uid"]] = body

    def lost(self, uid: str) -> None:
        self.bodies.pop(uid, None)


class Kopf:
    """Calls the registered handlers as kopf would."""

    def __init__(self) -> None:
        self.loops, self.known = Loops(), Known()
        self.registry = kopf.OperatorRegistry()
        handlers.register(self.registry, self.loops, self.known)  # type: ignore[arg-type]
        (self.daemon,) = self.registry._spawning.get_all_handlers()
        self.watcher, self.plan_watcher = self.registry._watching.get_all_handlers()
        self.stops: dict[str, Stop] = {}
        self.tasks: dict[str, asyncio.Task[Any]] = {}

    async def event(
        self, uid: str, type: str | None = "MODIFIED", name: str = "acme", **metadata: Any
    ) -> None:
        body = manifest(name=name)
        body["metadata"] |= {"namespace": "tenants", "uid": uid, **metadata}
        call: Any = self.watcher.fn
        await call(type=type, namespace="tenants", name=name, uid=uid, body=body, logger=None, param=None)

    async def plan(self, uid: str, *, approved: bool) -> None:
        call: Any = self.plan_watcher.fn
        approval = {"approval": {"digest": "sha256:0", "by": "ann"}} if approved else {}
        await call(spec={"synctargetUID": uid, **approval}, type="MODIFIED", body={}, logger=None)

    async def start(self, uid: str, name: str = "acme") -> Watched:
        stop = self.stops[uid] = Stop()
        call: Any = self.daemon.fn
        self.tasks[uid] = asyncio.create_task(
            call(namespace="tenants", name=name, uid=uid, stopped=stop, retry=0, spec={}, body={})
        )
        await asyncio.sleep(0)
        return self.loops.following[uid]

    async def ended(self, uid: str) -> bool:
        async with asyncio.timeout(1):
            await self.tasks[uid]
        return uid in self.loops.ended


def test_one_daemon_and_one_watcher_are_all_there_is() -> None:
    made = Kopf()

    for handler, plural in (
        (made.daemon, "synctargets"), (made.watcher, "synctargets"), (made.plan_watcher, "syncplans")
    ):  # fmt: skip
        assert handler.selector is not None
        assert (handler.selector.group, handler.selector.version) == ("engage-sync.io", "v1alpha1")
        assert handler.selector.any_name == plural
    assert (made.daemon.cancellation_backoff, made.daemon.cancellation_timeout) == (GRACE + 1, 2.0)  # type: ignore[attr-defined]
    assert not made.registry._changing.get_all_handlers()
    assert len(made.registry._activities.get_all_handlers()) == 1


async def test_an_approval_wakes_the_loop_of_its_target_and_no_other() -> None:
    made = Kopf()
    acme, globex = await made.start("1"), await made.start("2", name="globex")
    await made.plan("1", approved=False)
    assert not acme.wake.is_set()

    await made.plan("1", approved=True)
    await made.plan("9", approved=True)  # of a target that nobody follows

    assert acme.wake.is_set()
    assert not globex.wake.is_set()


async def test_a_stop_of_kopf_ends_the_loop() -> None:
    made = Kopf()
    acme = await made.start("1")
    made.stops["1"].event.set()

    assert await made.ended("1")
    assert acme.stopping.is_set()
    assert not acme.gone


async def test_what_the_watch_sees_reaches_the_loop_whoever_comes_first() -> None:
    made = Kopf()
    await made.event("1", None)
    acme = await made.start("1")
    acme.wake.clear()
    await made.event("1", generation=2)

    assert acme.wake.is_set()
    assert acme.body["metadata"]["generation"] == 2
    assert made.known.bodies["1"]["metadata"]["generation"] == 2
    made.stops["1"].event.set()
    assert await made.ended("1")


async def test_a_deletion_ends_the_loop_and_forgets_the_user() -> None:
    made = Kopf()
    await made.event("1", "ADDED")
    acme = await made.start("1")
    await made.event("1", "DELETED")

    assert await made.ended("1")
    assert acme.gone
    assert made.known.bodies == {}


async def test_a_newer_object_of_the_same_name_ends_its_predecessors_loop_and_no_other() -> None:
    made = Kopf()
    old, other = await made.start("1"), await made.start("2", "globex")
    new = await made.start("3")

    assert await made.ended("1")
    assert (old.gone, other.gone, new.gone) == (True, False, False)
    for uid in ("2", "3"):
        made.stops[uid].event.set()
        assert await made.ended(uid)


async def test_a_late_word_of_the_predecessor_does_not_end_its_successor() -> None:
    made = Kopf()
    await made.event("1", "ADDED")
    await made.event("2", "ADDED")
    new = await made.start("2")
    await made.event("1", "MODIFIED")
    await made.event("1", "DELETED")

    assert not new.gone
    assert not new.stopping.is_set()
    made.stops["2"].event.set()
    assert await made.ended("2")


async def test_a_cancelled_daemon_leaves_no_task_behind() -> None:
    made = Kopf()
    await made.start("1")
    made.tasks["1"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await made.tasks["1"]

    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_settings_are_the_ones_that_were_tried() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)

    assert settings.persistence.finalizer == "engage-sync.io/operator"
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert settings.networking.request_timeout == 30
    assert settings.background.cancellation_polling == 2
