"""The elector on a real API server, with a tenth of the usual times."""

import asyncio
import os
import signal
import time
from contextlib import suppress

import pytest

from engage_sync.kube import Kube
from engage_sync.lease import Elector, Lost
from tests.controlplane.server import ControlPlane

pytestmark = pytest.mark.cluster

DURATION, DEADLINE, RETRY = 3.0, 2.0, 0.4
"""Seconds. The server keeps whole ones."""


def _candidate(kube: Kube, namespace: str, identity: str, duration: float = DURATION) -> Elector:
    return Elector(
        kube,
        namespace=namespace,
        name="engage-sync",
        identity=identity,
        duration=duration,
        renew_deadline=DEADLINE,
        retry=RETRY,
    )


async def test_a_lease_as_others_know_it(control_plane: ControlPlane, kube: Kube, namespace: str) -> None:
    elector = _candidate(kube, namespace, "pod-a_1")
    await elector.acquire()

    lease = await kube.get_lease(namespace, "engage-sync")

    assert elector.is_leader()
    assert elector.token == 0
    assert lease["spec"]["holderIdentity"] == "pod-a_1"
    assert lease["spec"]["leaseDurationSeconds"] == 3
    assert lease["spec"]["leaseTransitions"] == 0
    assert "pod-a_1" in control_plane.kubectl("get", "lease", "-n", namespace).stdout


async def test_a_killed_leader_is_replaced_and_never_two_lead(kube: Kube, namespace: str) -> None:
    first, second, third = (_candidate(kube, namespace, name) for name in "abc")
    await first.acquire()
    hold = asyncio.create_task(first.hold())
    waiting = {asyncio.create_task(other.acquire()): other for other in (second, third)}
    await asyncio.wait(waiting, timeout=2 * DURATION)
    assert first.is_leader()
    assert not any(task.done() for task in waiting)

    hold.cancel()  # kill -9: no release
    killed = time.monotonic()
    done, left = await asyncio.wait(waiting, timeout=30, return_when=asyncio.FIRST_COMPLETED)

    assert done, "nobody took over"
    successor = waiting[done.pop()]
    assert not first.is_leader()
    assert successor.is_leader()
    assert successor.token == 1
    assert time.monotonic() - killed >= DURATION - RETRY
    for task in left:
        task.cancel()
    with pytest.raises(Lost):
        await first.hold()


async def test_a_released_lease_is_taken_at_once(kube: Kube, namespace: str) -> None:
    first, second = (_candidate(kube, namespace, name, duration=600.0) for name in "ab")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.wait({waiting}, timeout=RETRY)
    assert not waiting.done()

    await first.release()
    async with asyncio.timeout(60):  # a tenth of what it would take to expire
        await waiting

    assert not first.is_leader()
    assert second.is_leader()


async def test_a_lease_deleted_by_hand_is_made_anew_by_its_leader(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    elector = _candidate(kube, namespace, "a")
    await elector.acquire()
    hold = asyncio.create_task(elector.hold())
    await asyncio.to_thread(control_plane.kubectl, "delete", "lease", "engage-sync", "-n", namespace)

    await asyncio.wait({hold}, timeout=2 * DURATION)

    assert not hold.done()
    assert elector.is_leader()
    assert (await kube.get_lease(namespace, "engage-sync"))["spec"]["holderIdentity"] == "a"
    hold.cancel()


async def test_a_frozen_server_ends_leadership_before_anyone_else_may_lead(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    first, second = _candidate(kube, namespace, "a"), _candidate(kube, namespace, "b")
    await first.acquire()
    hold = asyncio.create_task(first.hold())
    waiting = asyncio.create_task(second.acquire())
    os.kill(control_plane.pids["kube-apiserver"], signal.SIGSTOP)
    frozen = time.monotonic()
    try:
        with pytest.raises(Lost):
            await hold
        lost = time.monotonic() - frozen
        assert not first.is_leader()
        assert not second.is_leader()
    finally:
        os.kill(control_plane.pids["kube-apiserver"], signal.SIGCONT)
    await waiting

    assert lost < DURATION - RETRY, "somebody else may lead from then on"
    assert second.is_leader()
    assert not first.is_leader()
    with suppress(asyncio.CancelledError):
        hold.cancel()
