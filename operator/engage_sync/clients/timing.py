"""The clocks, sleep and chance that the clients wait by, as one argument."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Real time by default; tests pass their own."""

    wall: Callable[[], float] = time.time
    """Seconds since the epoch: for dates in headers and for what outlives the process."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that no clock change disturbs: for everything else."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    """From 0 up to 1."""
