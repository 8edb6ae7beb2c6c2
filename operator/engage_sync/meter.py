"""How far a run that applies has come, measured from what the engine tells; the clock is an argument."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

from engage_sync.clients.limits import WEEK, WeekQuota
from engage_sync.conditions import timestamp
from engage_sync.schedule import read_time
from engage_sync.states import KindProgress, ProgressStatus, Quota
from reconcilers.events import Event, Planned, Progress
from reconcilers.model import KINDS, Kind
from reconcilers.plan import Plan
from reconcilers.steps import kind_of

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FARTHEST = 3650 * DAY
"""Seconds; what would end later has no estimate."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The limits of calls to Engage, and what is used of them at this moment; a limit of 0 is none."""

    per_minute: int
    per_week: int
    week: WeekQuota

    @property
    def left(self) -> int | None:
        """Calls left of the week; None without a limit."""
        return max(0, self.per_week - self.week.used) if self.per_week else None

    @property
    def opens(self) -> float:
        """When the next week begins, seconds since the epoch."""
        return self.week.start + WEEK


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has come, for the status."""

    progress: ProgressStatus
    message: str
    quota: Quota | None
    waits: bool
    """Do other steps of the plan wait for a person?"""


class Meter:
    """An Observer that counts the steps of the plan that is carried out, by kind."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = 0.0
        self._total: Counter[Kind] = Counter()
        self._done: Counter[Kind] = Counter()
        self._waits = False

    def on(self, event: Event) -> None:
        """Count it."""
        match event:
            case Planned(plan=plan):
                self._start(plan)
            case Progress(kind=kind, ended=True):
                self._done[kind] += 1
            case _:
                pass

    def standing(self, calls: Calls) -> Standing:
        """Where the run stands now."""
        now, done, total = self._now(), self._done.total(), self._total.total()
        per_second, left = self._rate(now, calls), calls.left
        finish = _finish(now, total - done, per_second, calls) if per_second else None
        progress = ProgressStatus(done=done, total=total)
        if per_second:
            progress["ratePerMinute"] = round(per_second * MINUTE)
        if finish is not None:
            progress["estimatedFinish"] = _time(finish)
        if left is not None:
            progress["quotaLeft"] = left
        progress["kinds"] = [
            KindProgress(kind=kind.value, done=self._done[kind], total=self._total[kind])
            for kind in KINDS
            if self._total[kind]
        ]
        message = f"{done:,} of {total:,} steps done ({_percent(done, total)} %)"
        message += _outlook(now, total - done, finish, calls)
        return Standing(progress, message, quota_status(calls.week), self._waits)

    def _start(self, plan: Plan) -> None:
        self._began = self._now()
        self._total, self._done = Counter(map(kind_of, plan.ready)), Counter()
        self._waits = bool(plan.held)

    def _rate(self, now: float, calls: Calls) -> float:
        """Steps a second so far; a burst before the first minute is full says little of the next ones."""
        elapsed = now - self._began
        measured = self._done.total() / elapsed if elapsed > 0 else 0.0
        return min(measured, calls.per_minute / MINUTE) if calls.per_minute else measured


def quota_status(week: WeekQuota) -> Quota | None:
    """The week's count as the status keeps it; None while nothing was counted."""
    return Quota(weekStart=_time(week.start), used=week.used) if week.used else None


def week_quota(quota: Quota | None) -> WeekQuota:
    """The week's count as the status kept it; none when it cannot be read."""
    start = read_time(quota.get("weekStart")) if quota else None
    return WeekQuota(start.timestamp(), quota.get("used", 0)) if quota and start else WeekQuota()


def _finish(now: float, remaining: int, per_second: float, calls: Calls) -> float | None:
    """When it may be done: a step is at least one call, and each week has only so many of them."""
    left, begin = calls.left, now
    if left is not None and remaining > left:
        weeks, remaining = divmod(remaining - left, calls.per_week)
        begin = calls.opens + weeks * WEEK
    finish = begin + remaining / per_second
    return finish if finish - now < FARTHEST else None


def _outlook(now: float, remaining: int, finish: float | None, calls: Calls) -> str:
    if calls.left is not None and remaining > calls.left:
        return (
            f"; the week's calls to Engage are enough for about {calls.left:,} of the {remaining:,} left, "
            f"the rest waits until {_time(calls.opens)}"
        )
    return "" if finish is None else f", {_span(finish - now)} left"


def _span(seconds: float) -> str:
    if seconds < MINUTE:
        return "less than a minute"
    for name, unit, most in (("minute", MINUTE, 90), ("hour", HOUR, 48)):
        if round(seconds / unit) <= most:
            return _about(round(seconds / unit), name)
    return _about(round(seconds / DAY), "day")


def _about(number: int, unit: str) -> str:
    return f"about {number} {unit}{'' if number == 1 else 's'}"


def _percent(done: int, total: int) -> float:
    """Rounded down, so that 100.0 means all."""
    return floor(1000 * done / total) / 10 if total else 100.0


def _time(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
