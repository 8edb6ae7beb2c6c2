"""Engage's call limits, kept on our side: 500 a minute and 50,000 a week unless told otherwise.

The minute is pacing and only waits. The week outlives the process and, once used up, ends the run.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from engage_sync.clients.timing import Timing
from engage_sync.conditions import timestamp
from reconcilers.errors import QuotaExhausted

# A second more than a minute: the server counts arrivals, and two calls may travel at different speeds.
MINUTE = 61.0
WEEK = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Calls allowed; 0 is no limit."""

    per_minute: int = 500
    per_week: int = 50_000


@dataclass(frozen=True, slots=True)
class WeekQuota:
    """How much of the week's calls is used: what is kept from one process to the next."""

    start: float = 0.0
    """When this week began, seconds since the epoch."""
    used: int = 0


class Limiter:
    """Lets calls pass as the limits allow. One for all calls that share a subscription."""

    def __init__(self, rate: RateLimit, week: WeekQuota | None = None, timing: Timing | None = None) -> None:
        self._rate = rate
        self._week = week or WeekQuota()
        self._timing = timing or Timing()
        self._sent: deque[float] = deque()
        self._held_until = -math.inf

    @property
    def week(self) -> WeekQuota:
        """To be kept, and given to the next Limiter."""
        return self._week

    def left_this_week(self) -> int | None:
        """Calls left until the week is over; None when there is no limit."""
        return max(0, self._rate.per_week - self._current_week().used) if self._rate.per_week else None

    async def acquire(self) -> None:
        """Wait until the next call may be sent, and count it.

        Raises:
            QuotaExhausted: the week's calls are used up.
        """
        self._check_week()
        while (wait := self._wait()) > 0:
            await self._timing.sleep(wait)
        # Again, and then without a pause in between: others may have used up the week meanwhile.
        self._check_week()
        week = self._current_week()
        self._week = WeekQuota(week.start, week.used + 1)
        if self._rate.per_minute:
            self._sent.append(self._timing.monotonic())

    def hold(self, seconds: float) -> None:
        """Send nothing for a while: the server said that the minute is full."""
        self._held_until = max(self._held_until, self._timing.monotonic() + seconds)

    def _wait(self) -> float:
        now = self._timing.monotonic()
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        full = bool(self._rate.per_minute) and len(self._sent) >= self._rate.per_minute
        until_free = self._sent[-self._rate.per_minute] + MINUTE - now if full else 0.0
        return max(until_free, self._held_until - now)

    def _current_week(self) -> WeekQuota:
        now = self._timing.wall()
        if now >= self._week.start + WEEK:
            return WeekQuota(now)
        # A start in the future means that the clock was set back; then the week begins anew, its use stays.
        return WeekQuota(min(self._week.start, now), self._week.used)

    def _check_week(self) -> None:
        week = self._current_week()
        if self._rate.per_week and week.used >= self._rate.per_week:
            raise used_up(
                f"all {self._rate.per_week} calls to Engage of this week are used",
                week.start + WEEK,
                self._timing.wall(),
            )


def used_up(message: str, opens: float, now: float) -> QuotaExhausted:
    """The error of a week whose calls are used up; both times are seconds since the epoch."""
    when = timestamp(datetime.fromtimestamp(math.ceil(opens), UTC))
    return QuotaExhausted(
        f"{message}; the next can be made at {when}", system="target", retry_after=opens - now
    )
