"""What takes its time is looked at again and again, with a deadline; nothing here waits for time to pass."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 90.0
"""Seconds that anything may take before it is called a failure."""


def wait_until(what: str, done: Callable[[], bool], explain: Callable[[], str] = str) -> None:
    """Look again and again until something holds. Raises AssertionError when it never does."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.01
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:.0f} s for {what} in vain\n{explain()}")
        time.sleep(pause)
        pause = min(2 * pause, 0.2)


def alive(pid: int) -> bool:
    """Is there such a process, and not only its entry in the table?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
