"""A leader that is frozen past its Lease and thawed: the other has done the work, and it does no more.

No test can freeze a process at every instant, so each case is one that a server can bring about: it holds
an answer, or a write, of the leader and stops the process meanwhile. All cases run side by side, because
a Lease expires in real time.
"""

import asyncio
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from engage_sync.sandbox.wire import Reply
from tests.condition_rules import assert_sound
from tests.controlplane.server import ControlPlane
from tests.e2e.ambush import CUT_OFF, Ambush, Attempt, Commit, Ground, let_pass
from tests.e2e.crash_rig import Api, Operators, Place, Remembered, remembered
from tests.e2e.crash_world import canonical, duplicates, edit, found, tally
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.cluster

TAKEOVER = 30.0
"""Seconds within which the other operator leads."""
LAST_WORDS = 15.0
"""Seconds within which a thawed operator has ended."""


@dataclass(frozen=True)
class Case:
    """What the leader is in the middle of while it is frozen, and what it finds when it is thawed."""

    name: str
    at: Callable[[Attempt], bool]
    """Is this the write?"""
    mapping: bool = False
    """It is one to Kubernetes, and arrives there only after the thaw; else one that Engage has committed."""
    answered: bool = True
    """The answer comes, or else the connection breaks and the client would like to try again."""
    shut: bool = False
    """The Kubernetes API answers it no more, so that only its own clock tells it."""


def a_create(attempt: Attempt) -> bool:
    return attempt.spot.key == "wp:building:6" and attempt.spot.path == "locations"


def an_update(attempt: Attempt) -> bool:
    return attempt.spot.key == "wp:building:1"


def the_last_commit(attempt: Attempt) -> bool:
    """Of the mapping: the first one is of what is intended."""
    return attempt.spot.key == "index" and attempt.spot.nth == 2


CASES = [
    Case("in a create, answered", a_create),
    Case("in an update, cut off", an_update, answered=False),
    Case("in an update, cut off, without Kubernetes", an_update, answered=False, shut=True),
    Case("in a create, cut off, without Kubernetes", a_create, answered=False, shut=True),
    Case("before the last commit of the mapping", the_last_commit, mapping=True),
]


class Freezer:
    """Stops the leader in the middle of one write, and holds that write until the thaw."""

    def __init__(self, case: Case) -> None:
        self.leader: int = 0
        self.frozen = threading.Event()
        self.thaw = asyncio.Event()
        self._case = case

    async def __call__(self, attempt: Attempt, commit: Commit) -> Reply:
        if self.frozen.is_set() or not self._case.at(attempt):
            return await commit()
        reply = None if self._case.mapping else await commit()
        os.kill(self.leader, signal.SIGSTOP)
        self.frozen.set()
        await self.thaw.wait()
        if reply is None:
            return await commit()
        return reply if self._case.answered else CUT_OFF


@dataclass
class Seen:
    """What a case left behind."""

    takeover: float
    """Seconds from the freeze to the new leader."""
    exit_code: int | None
    late: list[str]
    """Writes to Engage after the thaw."""
    others: list[str]
    """Writes to Engage since the new leader leads that are not its own."""
    statuses: list[dict[str, Any]]
    """Before and after the thaw."""
    state: dict[str, Any]
    duplicates: list[str]
    created: dict[str, int]
    mapping: dict[str, Remembered]
    log: str
    quiet: list[str] = field(default_factory=list)


@dataclass
class Stage:
    """Runs cases; everything that they share."""

    plane: ControlPlane
    api: Api
    operators: Operators
    ground: Ground
    folder: Path
    prefix: str

    def undisturbed(self) -> tuple[dict[str, Any], dict[str, Remembered]]:
        """What Engage and the mapping hold when one operator does it all."""
        with ExitStack() as stack:
            place, ambush = self._begin(stack, "undisturbed")
            alone = stack.enter_context(self.operators.operator(place.namespace))
            self._first_sync(place, ambush, alone)
            place.request("edited")
            place.wait_handled("edited")
            return canonical(ambush.ask("/state")["engage"]), remembered(place)

    def play(self, number: int, case: Case) -> Seen:
        """Freeze the leader, let the other work, thaw the first."""
        with ExitStack() as stack:
            place, ambush = self._begin(stack, str(number))
            relay = stack.enter_context(self.ground.relay(self.plane))
            leader = stack.enter_context(
                self.operators.operator(place.namespace, 1, kubeconfig=relay.kubeconfig(self.folder))
            )
            self._first_sync(place, ambush, leader)
            standby = stack.enter_context(self.operators.operator(place.namespace, 2))
            self._wait_said(place, 2, "waiting to become the leader")
            begun, before = len(ambush.writes()), ambush.ask("/state")["engage"]
            freezer = Freezer(case)
            freezer.leader = leader.pid or 0
            ambush.suspects = (leader.pid or 0, standby.pid or 0)
            (relay if case.mapping else ambush).set(freezer)
            if case.mapping:
                ambush.set(let_pass)
            place.request("edited")
            assert freezer.frozen.wait(PATIENCE), f"{case.name}: the write never came\n{place.explain()}"
            frozen = time.monotonic()
            self._wait_said(place, 2, "leading; watching")
            taken = time.monotonic()
            place.wait_handled("edited")
            others = [
                str(attempt.spot)
                for attempt in ambush.attempts
                if attempt.at > taken and attempt.sender != standby.pid
            ]
            statuses, arrived = [place.status()], len(ambush.attempts)
            if case.shut:
                relay.shut()
            os.kill(freezer.leader, signal.SIGCONT)
            self.ground.loop.call_soon_threadsafe(freezer.thaw.set)
            exit_code = self._wait_end(leader)
            late = [str(attempt.spot) for attempt in ambush.attempts[arrived:]]
            statuses.append(place.status())
            mapping, mended = remembered(place), ambush.writes()[begun:]
            place.request("quiet")
            place.wait_handled("quiet")
            engage = ambush.ask("/state")["engage"]
            return Seen(
                takeover=taken - frozen,
                exit_code=exit_code,
                late=late,
                others=others,
                statuses=statuses,
                state=canonical(engage),
                duplicates=duplicates(engage),
                created=dict(tally(mended, before)["create"]),
                mapping=mapping,
                log=self.operators.log(place.namespace),
                quiet=[
                    f"{write['method']} {write['path']}" for write in ambush.writes()[begun + len(mended) :]
                ],
            )

    def _begin(self, stack: ExitStack, name: str) -> tuple[Place, Ambush]:
        place = Place(self.api, f"{self.prefix}-{name}")
        ambush = stack.enter_context(self.ground.ambush())
        ambush.do(found)
        place.settle(ambush)
        return place, ambush

    def _first_sync(self, place: Place, ambush: Ambush, operator: ForkServerProcess) -> None:
        place.wait_in_sync(operator)
        ambush.do(edit)

    def _wait_said(self, place: Place, number: int, text: str) -> None:
        wait_until(text, lambda: text in self.operators.log(place.namespace, number), place.explain)

    def _wait_end(self, process: ForkServerProcess) -> int | None:
        process.join(timeout=LAST_WORDS)
        return process.exitcode


@pytest.fixture
def stage(plane: ControlPlane, tmp_path: Path) -> Iterator[Stage]:
    with Ground() as ground, Api(plane) as api:
        prefix = f"two-{secrets.token_hex(3)}"
        yield Stage(plane, api, Operators(plane, tmp_path), ground, tmp_path, prefix)


def test_a_leader_frozen_past_its_lease_writes_nothing_after_the_thaw(stage: Stage) -> None:
    with ThreadPoolExecutor(len(CASES) + 1) as pool:
        undisturbed = pool.submit(stage.undisturbed)
        plays = [pool.submit(stage.play, number, case) for number, case in enumerate(CASES)]
    state, mapping = undisturbed.result()
    for case, play in zip(CASES, plays, strict=True):
        seen = play.result()
        assert seen.late == [], case.name
        assert seen.others == [], case.name
        assert seen.takeover < TAKEOVER, case.name
        assert seen.exit_code == 1, f"{case.name}\n{seen.log}"
        before, after = seen.statuses
        assert_sound(before, generation=1)
        assert_sound(after, generation=1, before=before)
        assert after == before, case.name
        assert seen.state == state, case.name
        assert seen.duplicates == [], case.name
        assert set(seen.created.values()) == {1}, case.name
        assert seen.mapping == mapping, case.name
        assert seen.quiet == [], case.name
        assert "Traceback" not in seen.log, seen.log
