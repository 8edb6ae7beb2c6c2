"""Time for tests: a clock that moves only when told to, and a sleep that moves it."""

from __future__ import annotations

import asyncio


class ManualClock:
    """Stands in for `time.time` and `asyncio.sleep` at once; nothing ever waits."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once, giving other tasks their turn as a real sleep would."""
        self.now += seconds
        await asyncio.sleep(0)
