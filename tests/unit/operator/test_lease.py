"""The elector, in virtual time: never two leaders, and a new one soon."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from engage_sync.kube import Conflict, Forbidden, NotFound, Unavailable
from engage_sync.kube_http import Json
from engage_sync.lease import Elector, Lost, steady_clock
from tests.unit.operator.virtual_time import run

BETWEEN = 5.0
"""Seconds that calls in flight have between a leader's last write and the next leader's first."""


class Server:
    """One Lease on one API server."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.requests: list[str] = []
        self._versions = itertools.count(1)

    def store(self, body: Json) -> Json:
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(next(self._versions))
        return copy.deepcopy(self.lease)

    @property
    def spec(self) -> Json:
        assert self.lease
        spec: Json = self.lease["spec"]
        return spec


class Wire:
    """One candidate's way to the server; implements `engage_sync.kube.Leases`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.frozen = False
        """No request gets an answer, and none arrives."""
        self.answers_lost = 0
        self.answers_late = 0.0
        """Seconds that each answer takes after it was decided."""
        self.error: Exception | None = None

    async def get_lease(self, namespace: str, name: str) -> Json:
        await self._pass("get")
        if self.server.lease is None:
            raise NotFound("no lease")
        return await self._answer(copy.deepcopy(self.server.lease))

    async def create_lease(self, body: Json) -> Json:
        await self._pass("create")
        assert not body["metadata"].keys() & {"resourceVersion", "uid"}, "the server refuses these"
        if self.server.lease is not None:
            raise Conflict("it is there")
        return await self._answer(self.server.store(body))

    async def replace_lease(self, body: Json) -> Json:
        await self._pass("replace")
        if self.server.lease is None:
            raise NotFound("no lease")
        if body["metadata"]["resourceVersion"] != self.server.lease["metadata"]["resourceVersion"]:
            raise Conflict("modified")
        return await self._answer(self.server.store(body))

    async def _pass(self, verb: str) -> None:
        await asyncio.sleep(0.05)
        if self.frozen:
            await asyncio.sleep(10_000)
        if self.error:
            raise self.error
        self.server.requests.append(verb)

    async def _answer(self, stored: Json) -> Json:
        await asyncio.sleep(self.answers_late)
        if self.answers_lost:
            self.answers_lost -= 1
            raise Unavailable("connection reset")
        return stored


class Replica:
    """One process: a candidate that works while it leads."""

    def __init__(self, world: "World", name: str, *, skew: float = 0.0, rate: float = 1.0) -> None:
        self.wire = Wire(world.server)
        self.elector = Elector(
            self.wire,
            namespace="operators",
            name="engage-sync",
            identity=name,
            monotonic=lambda: 1e6 * skew + rate * world.now(),
            wall=lambda: 1.7e9 + skew + world.now(),
        )
        self.led: list[tuple[float, float]] = []
        """From when to when, as far as it was allowed to write."""
        self.lost_at: float | None = None
        self._world = world
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._life = asyncio.create_task(self._live())

    async def stop(self, *, release: bool) -> None:
        """SIGTERM, or SIGKILL without `release`."""
        assert self._life
        self._life.cancel()
        with suppress(asyncio.CancelledError):
            await self._life
        if release:
            await self.elector.release()
        else:
            self.elector.is_leader = lambda: False  # type: ignore[method-assign]

    async def _live(self) -> None:
        await self.elector.acquire()
        try:
            await self.elector.hold()
        except Lost:
            self.lost_at = self._world.now()


class World:
    """Replicas around one server, watched every tenth of a second."""

    def __init__(self) -> None:
        self.server = Server()
        self.replicas: list[Replica] = []
        self.handovers: list[float] = []
        """Seconds without anybody allowed to write, at each change of leader."""
        self._last: tuple[str, float] | None = None
        self._numbers = itertools.count()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def replica(self, *, skew: float = 0.0, rate: float = 1.0) -> Replica:
        replica = Replica(self, f"replica-{next(self._numbers)}", skew=skew, rate=rate)
        self.replicas.append(replica)
        replica.start()
        return replica

    def leader(self) -> Replica | None:
        leading = [replica for replica in self.replicas if replica.elector.is_leader()]
        assert len(leading) <= 1, "two may write at once"
        return leading[0] if leading else None

    async def watch(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds * 10)):
            await asyncio.sleep(0.1)
            leader = self.leader()
            if leader is None:
                continue
            name = leader.elector.identity
            if self._last and self._last[0] != name:
                self.handovers.append(self.now() - self._last[1])
            self._last = name, self.now()

    async def leading(self) -> Replica:
        """Watch until somebody leads."""
        while not (leader := self.leader()):
            await self.watch(0.1)
        return leader

    async def end(self) -> None:
        for replica in self.replicas:
            await replica.stop(release=False)


@asynccontextmanager
async def _world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.end()


def virtual(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in virtual time, in a world of its own."""

    def in_virtual_time() -> None:
        async def within() -> None:
            async with _world() as world:
                await test(world)

        run(within())

    in_virtual_time.__doc__ = test.__doc__
    return in_virtual_time


@virtual
async def test_one_of_three_leads(world: World) -> None:
    for _ in range(3):
        world.replica()
    await world.watch(300)

    assert world.handovers == []
    assert world.leader()
    assert world.server.spec["leaseTransitions"] == 0
    assert world.server.spec["leaseDurationSeconds"] == 15


@virtual
async def test_a_leader_renews_with_one_request(world: World) -> None:
    world.replica()
    await world.watch(5)
    world.server.requests.clear()
    await world.watch(100)

    assert set(world.server.requests) == {"replace"}
    assert len(world.server.requests) in range(45, 51)


@virtual
async def test_a_killed_leader_is_replaced_within_30_seconds(world: World) -> None:
    for _ in range(3):
        world.replica()
    for _ in range(5):
        await world.watch(31)
        leader = await world.leading()
        token = leader.elector.token
        world.replicas.remove(leader)
        await leader.stop(release=False)
        world.replica()  # its successor in the Deployment
        await world.watch(30)
        successor = world.leader()
        assert successor
        assert successor.elector.token == (token or 0) + 1

    assert len(world.handovers) == 5
    assert all(BETWEEN <= gap <= 30 for gap in world.handovers)


@virtual
async def test_alone_after_a_kill_it_waits_for_the_lease_to_expire(world: World) -> None:
    leader = world.replica()
    await world.watch(10)
    world.replicas.remove(leader)
    await leader.stop(release=False)
    world.replica()
    await world.watch(20)

    assert world.leader()


@virtual
async def test_a_released_lease_is_taken_at_once(world: World) -> None:
    leader = world.replica()
    await world.watch(5)
    world.replica()
    await world.watch(5)
    await leader.stop(release=True)
    assert not leader.elector.is_leader()
    await world.watch(3)

    assert world.leader() is world.replicas[1]
    assert world.server.spec["leaseTransitions"] == 1


@virtual
async def test_who_does_not_lead_releases_nothing(world: World) -> None:
    world.replica()
    await world.watch(5)
    other = world.replica()
    await world.watch(5)
    await other.stop(release=True)

    assert world.server.spec["holderIdentity"] == "replica-0"


@virtual
async def test_a_leader_cut_off_stops_before_another_starts(world: World) -> None:
    leader = world.replica()
    await world.watch(5)
    other = world.replica()
    await world.watch(6)
    leader.wire.frozen = True
    cut_off = world.now()
    await world.watch(30)

    assert leader.lost_at is not None
    assert leader.lost_at - cut_off <= 10.2
    assert world.leader() is other
    assert min(world.handovers) >= BETWEEN


@virtual
async def test_a_slow_answer_does_not_make_a_lease_longer(world: World) -> None:
    leader = world.replica()
    leader.wire.answers_late = 1.9
    await world.watch(8)
    for _ in range(5):  # one of them looks right after a renewal
        world.replica()
        await world.watch(0.5)
    await world.watch(20)
    leader.wire.frozen = True
    await world.watch(30)

    assert world.leader() not in (None, leader)
    assert min(world.handovers) >= BETWEEN


@virtual
async def test_an_outage_of_the_server_ends_leadership_and_passes(world: World) -> None:
    first = world.replica()
    await world.watch(5)
    second = world.replica()
    await world.watch(5)
    for replica in (first, second):
        replica.wire.error = Unavailable("connection refused")
    await world.watch(60)
    assert world.leader() is None
    assert first.lost_at
    second.wire.error = None
    await world.watch(5)

    assert world.leader() is second


@virtual
async def test_a_short_outage_is_not_noticed(world: World) -> None:
    leader = world.replica()
    world.replica()
    await world.watch(5)
    leader.wire.error = Unavailable("rolling update")
    await world.watch(7)
    leader.wire.error = None
    await world.watch(60)

    assert world.leader() is leader
    assert world.handovers == []


@virtual
async def test_lost_answers_are_our_own_renewals(world: World) -> None:
    leader = world.replica()
    world.replica()
    await world.watch(5)
    leader.wire.answers_lost = 3
    await world.watch(60)

    assert world.leader() is leader
    assert world.server.spec["leaseTransitions"] == 0


@virtual
async def test_a_frozen_process_finds_itself_without_a_right_to_write(world: World) -> None:
    leader = world.replica()
    await world.watch(5)
    other = world.replica()
    await world.watch(5)
    assert leader._life
    leader._life.cancel()  # SIGSTOP: not one instruction, until …
    await world.watch(60)
    assert world.leader() is other

    assert not leader.elector.is_leader()  # … SIGCONT
    with pytest.raises(Lost):
        await leader.elector.hold()
    assert leader.elector.token is None
    assert world.leader() is other


@virtual
async def test_a_process_frozen_alone_may_go_on(world: World) -> None:
    leader = world.replica()
    await world.watch(5)
    assert leader._life
    leader._life.cancel()
    await world.watch(60)
    assert world.leader() is None
    thawed = asyncio.create_task(leader.elector.hold())
    await world.watch(3)

    # Nobody came between: the resourceVersion was still ours.
    assert world.leader() is leader
    assert leader.elector.token == 0
    thawed.cancel()


@virtual
async def test_clocks_may_differ_by_hours_and_run_unequally(world: World) -> None:
    for skew, rate in ((3_600.0, 1.0), (-3_600.0, 1.2), (0.0, 0.9)):
        world.replica(skew=skew, rate=rate)
    for _ in range(6):
        await world.watch(40)
        leader = await world.leading()
        leader.wire.frozen = True
        await world.watch(40)
        leader.wire.frozen = False
        leader.start()  # the container is restarted

    assert len(world.handovers) == 6
    assert min(world.handovers) > 0


@virtual
async def test_two_candidates_at_the_same_instant(world: World) -> None:
    world.replica()
    world.replica()
    await world.watch(1)

    assert world.leader()
    assert world.server.requests.count("create") == 2


@virtual
async def test_a_lease_deleted_by_hand_stays_with_its_leader(world: World) -> None:
    leader = world.replica()
    await world.watch(5)
    world.replica()
    await world.watch(5)
    world.server.lease = None
    await world.watch(30)

    assert world.leader() is leader
    assert world.handovers == []


@virtual
async def test_a_lease_deleted_by_hand_under_a_dead_leader_is_made_anew(world: World) -> None:
    leader = world.replica()
    await world.watch(5)
    other = world.replica()
    await world.watch(5)
    world.replicas.remove(leader)
    await leader.stop(release=False)
    world.server.lease = None
    await world.watch(30)

    assert world.leader() is other
    assert min(world.handovers) >= BETWEEN


@virtual
async def test_a_lease_without_content_is_free(world: World) -> None:
    world.server.store({"metadata": {"namespace": "operators", "name": "engage-sync"}})
    world.replica()
    await world.watch(1)

    assert world.leader()


def test_a_missing_right_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with _world() as world:
            world.replica().wire.error = Forbidden('cannot get resource "leases"')
            await world.watch(30)

    run(scenario())

    assert caplog.messages == ['the Lease operators/engage-sync: cannot get resource "leases"']


def test_times_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="retry < renew_deadline < duration"):
        Elector(Wire(Server()), namespace="n", name="l", identity="i", duration=10.0, renew_deadline=10.0)


def test_the_clock_does_not_go_back() -> None:
    assert steady_clock() <= steady_clock()
