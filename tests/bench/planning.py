"""Measures planning, each figure in a process of its own: `python -m tests.bench.planning NAME FOLDER`.

Planning only computes, so seconds are seconds of CPU: other work on the machine does not count.
"""

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.bench.contestants import (
    currents_of,
    entities_of,
    found_by,
    mapping_of,
    one_pass,
    our_plan,
)
from tests.bench.world import MAPPING, SOURCE, TARGET, read, write_world

ROUNDS = 5
T = TypeVar("T")
Figures = dict[str, Any]


def measure(name: str, folder: Path) -> Figures:
    """One figure, by a new process. Call it from a small one: a child's peak starts at its parent's."""
    command = [sys.executable, "-m", __name__, name, str(folder)]
    figures: Figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) or {}
    return figures


def seconds(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of some work, the garbage collector as it always is."""
    gc.collect()
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def race(folder: Path) -> Figures:
    """Our plan and the one pass in turns in one process, the best of each; they must find the same."""
    source, target = list(read(folder / SOURCE)), list(read(folder / TARGET))
    mapping = mapping_of(read(folder / MAPPING))
    rounds = []
    for _ in range(ROUNDS):
        making, (entities, currents) = seconds(lambda: (list(entities_of(source)), list(currents_of(target))))
        planning, plan = seconds(partial(our_plan, entities, currents, mapping))
        comparing, found = seconds(partial(one_pass, entities, currents))
        if found_by(plan) != found:
            raise SystemExit("bench: our plan and the one pass do not find the same")
        rounds.append((making, planning, comparing))
    best = map(min, zip(*rounds, strict=True))
    return {
        **dict(zip(("records", "plan", "one pass"), best, strict=True)),
        "entities": len(source),
        "found": [len(keys) for keys in found],
    }


def diffsync(folder: Path) -> Figures:
    """diffsync once; it must find the same."""
    from tests.bench.with_diffsync import by_diffsync

    took, found = seconds(
        lambda: by_diffsync(entities_of(read(folder / SOURCE)), currents_of(read(folder / TARGET)))
    )
    return {"seconds": took, "peak": peak(), "found": [len(keys) for keys in found]}


def plan_memory(folder: Path) -> Figures:
    """The peak of a process that does nothing but our plan."""
    mapping = mapping_of(read(folder / MAPPING))
    plan = our_plan(entities_of(read(folder / SOURCE)), currents_of(read(folder / TARGET)), mapping)
    return {"peak": peak(), "found": [len(keys) for keys in found_by(plan)]}


def dictionaries_memory(folder: Path) -> Figures:
    """The peak of a process that does nothing but the one pass."""
    found = one_pass(entities_of(read(folder / SOURCE)), currents_of(read(folder / TARGET)))
    return {"peak": peak(), "found": [len(keys) for keys in found]}


def peak() -> float:
    """The most memory this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


MEASUREMENTS: dict[str, Callable[[Path], Figures | None]] = {
    "world": write_world,
    "race": race,
    "diffsync": diffsync,
    "plan-memory": plan_memory,
    "dictionaries-memory": dictionaries_memory,
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](Path(sys.argv[2]))))
