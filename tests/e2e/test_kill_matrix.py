"""Whatever happens at whichever write, the next run ends as if it had not: on real processes and servers.

One undisturbed run is the reference: it creates, updates, deletes, adopts and replaces. Then each of its
writes in turn, to Engage and to Kubernetes, is where things go wrong, each in a namespace, a sandbox and an
operator of its own. All of them by `KILL_POINTS=all` (`make soak`); otherwise a sample of KILL_POINTS points
drawn by KILL_SEED, and a fifth as many that are killed a second time while they recover.
"""

import asyncio
import os
import random
import secrets
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from engage_sync.sandbox.engage_kinds import KINDS
from engage_sync.sandbox.wire import Reply
from tests.condition_rules import violations
from tests.controlplane.server import ControlPlane
from tests.e2e.ambush import CUT_OFF, Ambush, Attempt, Commit, Ground, Relay, Spot, let_pass
from tests.e2e.crash_rig import Api, Operators, Place, Remembered, remembered, wait_dead
from tests.e2e.crash_world import canonical, duplicates, edit, found, tally
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

POINTS = os.environ.get("KILL_POINTS", "42")
SEED = int(os.environ.get("KILL_SEED", "4"))
AT_ONCE = int(os.environ.get("KILL_AT_ONCE", "4"))
"""Points under way at once; each is one operator and waits most of the time for servers."""


class Fault(StrEnum):
    BEFORE = "killed before"
    COMMITTED = "committed, then killed"
    LOST = "committed, then the answer lost"


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ADOPT = "adopt"
    REPLACE = "replace"
    REMEMBER = "remember"
    """Write the mapping or the status, in Kubernetes."""


@dataclass(frozen=True)
class Point:
    """One thing that goes wrong, and for some of them another one while that is being mended."""

    spot: Spot
    action: Action
    fault: Fault
    again: int = 0
    """Which write of the recovery is killed too; 0 for none."""
    again_fault: Fault = Fault.BEFORE

    def __str__(self) -> str:
        again = f", and write {self.again} of the recovery {self.again_fault}" if self.again else ""
        return f"{self.action}: {self.spot}: {self.fault}{again}"


@dataclass
class Outcome:
    """What one history left behind."""

    state: dict[str, Any]
    duplicates: list[str]
    counts: dict[str, Counter[str]]
    """How often each entity was made, changed and removed, from the edit until all was mended."""
    quiet: list[str]
    """Writes of the run after the one that mended everything."""
    refusals: list[str]
    """Writes that Engage would not do: nothing is ever sent in the hope that it is turned down."""
    mapping: dict[str, Remembered]
    unsound: list[str]
    """What is wrong with the status in itself."""
    log: str
    spots: list[Spot] = field(default_factory=list)
    """What was sent to Engage after the edit; of an undisturbed run that is the plan."""
    adopted: set[str] = field(default_factory=set)
    remembered: list[Spot] = field(default_factory=list)
    """What was sent to Kubernetes after the edit, where that was looked at."""
    fell: int = 0
    """How many snares have sprung."""


class Snare:
    """Springs once, at one write, and passes everything else."""

    def __init__(self, fault: Fault, *, spot: Spot | None = None, number: int = 0) -> None:
        self.victim: Future[int] = Future()
        """The process to kill; a write waits until it is known."""
        self.met, self.sprung = threading.Event(), threading.Event()
        """Set when the write arrives, and when what shall go wrong has gone wrong."""
        self.kills = fault is not Fault.LOST
        self._fault, self._spot, self._number = fault, spot, number

    async def __call__(self, attempt: Attempt, commit: Commit) -> Reply:
        here = attempt.spot == self._spot or attempt.number == self._number
        if self.sprung.is_set() or not here:
            return await commit()
        self.met.set()
        if self._fault is not Fault.BEFORE:
            reply = await commit()
            if reply.status >= 300:
                return reply  # it does not spring, and the point fails for that
        if self.kills:
            os.kill(await asyncio.wrap_future(self.victim), signal.SIGKILL)
        self.sprung.set()
        return CUT_OFF


@dataclass
class Course:
    """Runs histories; everything that they share."""

    api: Api
    operators: Operators
    ground: Ground
    plane: ControlPlane
    folder: Path
    prefix: str

    def run(self, number: int, point: Point | None) -> Outcome:
        """One history: found, sync, edit, sync with something going wrong, mend, sync once more."""
        place = Place(self.api, f"{self.prefix}-{number}")
        with ExitStack() as stack:
            ambush = stack.enter_context(self.ground.ambush())
            ambush.do(found)
            place.settle(ambush)
            relay = stack.enter_context(self.ground.relay(self.plane))
            watched = point is None or point.action is Action.REMEMBER
            way = relay.kubeconfig(self.folder) if watched else None
            first = stack.enter_context(self.operators.operator(place.namespace, kubeconfig=way))
            place.wait_in_sync(first)
            ambush.do(edit)
            begun, before = len(ambush.writes()), ambush.ask("/state")["engage"]
            ambush.set(let_pass)
            relay.set(let_pass)
            fell = self._disturb(stack, place, ambush, relay, first, point)
            place.wait_handled("edited")
            mended, mapping = ambush.writes()[begun:], remembered(place)
            sent, kept = [[a.spot for a in post.attempts] for post in (ambush, relay)]
            place.request("quiet")
            place.wait_handled("quiet")
            quiet = ambush.writes()[begun + len(mended) :]
            engage = ambush.ask("/state")["engage"]
            return Outcome(
                state=canonical(engage),
                duplicates=duplicates(engage),
                counts=tally(mended, before),
                quiet=[f"{write['method']} {write['path']} {write['body']}" for write in quiet],
                refusals=ambush.refusals,
                mapping=mapping,
                unsound=violations(place.status(), generation=1),
                log=self.operators.log(place.namespace),
                spots=sent,
                adopted=adopted(mended, before),
                remembered=kept,
                fell=fell,
            )

    def _disturb(
        self,
        stack: ExitStack,
        place: Place,
        ambush: Ambush,
        relay: Relay,
        first: ForkServerProcess,
        point: Point | None,
    ) -> int:
        """Ask for the run, and let things go wrong; how many snares have sprung. Some operator then lives."""
        if point is None:
            place.request("edited")
            return 0
        snare = Snare(point.fault, spot=point.spot)
        (relay if point.action is Action.REMEMBER else ambush).set(snare)
        place.request("edited")
        if not self._fall(place, snare, first):
            raise AssertionError(f"the write never came\n{place.explain()}")
        if point.fault is Fault.LOST:
            return 1
        ambush.set(let_pass)
        if not point.again:
            stack.enter_context(self.operators.operator(place.namespace, 2))
            return 1
        snare = Snare(point.again_fault, number=point.again)
        ambush.set(snare)
        second = stack.enter_context(self.operators.operator(place.namespace, 2))
        if not self._fall(place, snare, second):
            return 1  # the recovery had less to do than that
        ambush.set(let_pass)
        stack.enter_context(self.operators.operator(place.namespace, 3))
        return 2

    def _fall(self, place: Place, snare: Snare, process: ForkServerProcess) -> bool:
        """Wait until the snare has sprung and its victim is dead; whether it has, or else the run ended."""
        snare.victim.set_result(process.pid or 0)

        def over() -> bool:
            return snare.sprung.is_set() or (place.handled("edited") and not snare.met.is_set())

        wait_until(f"{place.namespace}: the write", over, place.explain)
        if snare.sprung.is_set() and snare.kills:
            wait_dead(process)
            place.forget_leader()
        return snare.sprung.is_set()


def actions(reference: Outcome) -> dict[Spot, Action]:
    """What each write of the reference run is part of."""
    replaced = set(reference.counts["create"]) & set(reference.counts["delete"])
    found = dict.fromkeys(reference.remembered, Action.REMEMBER)
    for spot in reference.spots:
        if spot.key in replaced:
            found[spot] = Action.REPLACE
        elif spot.key in reference.adopted:
            found[spot] = Action.ADOPT
        elif spot.method == "DELETE":
            found[spot] = Action.DELETE
        elif spot.method == "POST" and not spot.path.endswith("/groups"):
            found[spot] = Action.CREATE
        else:
            found[spot] = Action.UPDATE
    return found


def draw(reference: Outcome) -> list[Point]:
    """All points, or a sample that has every action with every fault, and a fifth of them twice killed."""
    chance = random.Random(SEED)
    every = [Point(s, a, f) for s, a in sorted(actions(reference).items()) for f in Fault]
    chance.shuffle(every)
    cells: dict[tuple[Action, Fault], list[Point]] = defaultdict(list)
    for point in every:
        cells[point.action, point.fault].append(point)
    number = len(every) if POINTS == "all" else int(POINTS)
    firsts = [points[0] for points in cells.values()]
    rest = [point for points in cells.values() for point in points[1:]]
    chance.shuffle(rest)
    drawn = (firsts + rest)[:number]
    deadly = [p for p in every if p.fault is not Fault.LOST and p.action is not Action.REMEMBER]
    return drawn + [
        replace(point, again=chance.randint(1, 3), again_fault=chance.choice([Fault.BEFORE, Fault.COMMITTED]))
        for point in chance.sample(deadly, min(len(deadly), number // 5))
    ]


def adopted(writes: list[dict[str, Any]], before: dict[str, list[dict[str, Any]]]) -> set[str]:
    """The external ids that were given to what was there without one."""
    bare = {item["InternalId"] for kind in KINDS for item in before[kind] if not item["ExternalId"]}
    return {
        write["body"]["ExternalId"]
        for write in writes
        if write["method"] == "PUT" and write["id"] in bare and write["body"].get("ExternalId")
    }


def wrong(outcome: Outcome, reference: Outcome) -> dict[str, object]:
    """Everything about an outcome that is not as after the undisturbed run; empty when nothing is."""
    keys = sorted(outcome.state.keys() | reference.state.keys())
    mapped = sorted(outcome.mapping.keys() | reference.mapping.keys())
    found: dict[str, object] = {
        "state": [
            (key, outcome.state.get(key), reference.state.get(key))
            for key in keys
            if outcome.state.get(key) != reference.state.get(key)
        ],
        "duplicates": outcome.duplicates,
        "created": _differ(outcome, reference, "create", 0),
        "deleted": _differ(outcome, reference, "delete", 0),
        "updated": _differ(outcome, reference, "update", 1),
        "writes of a run that had nothing to do": outcome.quiet,
        "refused": outcome.refusals,
        "status": outcome.unsound,
        "mapping": [
            (key, outcome.mapping.get(key), reference.mapping.get(key))
            for key in mapped
            if outcome.mapping.get(key) != reference.mapping.get(key)
        ],
        "log": [line for line in outcome.log.splitlines() if "Traceback" in line or "should not" in line],
    }
    return {what: detail for what, detail in found.items() if detail}


def _differ(outcome: Outcome, reference: Outcome, what: str, more: int) -> list[tuple[str, int, int]]:
    """Entities written more often than in the reference run and so many times more, or less often."""
    mine, theirs = outcome.counts[what], reference.counts[what]
    return [
        (key, mine[key], theirs[key])
        for key in sorted(mine.keys() | theirs.keys())
        if not theirs[key] <= mine[key] <= theirs[key] + more
    ]


@pytest.fixture
def course(plane: ControlPlane, tmp_path: Path) -> Iterator[Course]:
    with Ground() as ground, Api(plane) as api:
        prefix = f"kill-{secrets.token_hex(3)}"
        yield Course(api, Operators(plane, tmp_path), ground, plane, tmp_path, prefix)


def test_no_crash_leaves_a_trace(course: Course) -> None:
    reference = course.run(0, None)
    assert set(actions(reference).values()) == set(Action)
    assert wrong(reference, reference) == {}
    points = draw(reference)
    assert {(point.action, point.fault) for point in points} == {(a, f) for a in Action for f in Fault}
    print(f"KILL_SEED={SEED} KILL_POINTS={POINTS}: {len(points)} points of {len(actions(reference))} writes")
    fell: list[int] = []

    def failure(number: int, point: Point) -> str:
        try:
            outcome = course.run(number, point)
        except Exception as error:
            return f"{point}\n    {type(error).__name__}: {error}"
        fell.append(outcome.fell)
        found = [f"    {what}: {detail}" for what, detail in wrong(outcome, reference).items()]
        return "\n".join([str(point), *found]) if found else ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [text for text in pool.map(failure, range(1, len(points) + 1), points) if text]
    assert not failures, f"{len(failures)} of {len(points)} points, KILL_SEED={SEED}\n" + "\n".join(failures)
    assert fell.count(2) > sum(point.again > 0 for point in points) / 2
