import asyncio

import pytest

from engage_sync.clients.limits import MINUTE, WEEK, Limiter, RateLimit, WeekQuota
from reconcilers.errors import QuotaExhausted
from tests.unit.clients.fakes import START, FakeTime


async def test_no_minute_holds_more_calls_than_allowed() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(3, 0), timing=time.timing)
    sent = []
    for _ in range(10):
        await limiter.acquire()
        sent.append(time.now)
        time.now += 1
    for start in sent:
        assert sum(start <= moment < start + 60 for moment in sent) <= 3
    assert time.now < 4 * MINUTE


async def test_callers_side_by_side_share_the_minute() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(5, 0), timing=time.timing)
    await asyncio.gather(*(limiter.acquire() for _ in range(10)))
    assert time.now == pytest.approx(MINUTE)


async def test_zero_is_no_limit() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(0, 0), timing=time.timing)
    for _ in range(2000):
        await limiter.acquire()
    assert time.slept == []
    assert limiter.left_this_week() is None


async def test_a_hold_stops_everybody_for_a_while() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(0, 0), timing=time.timing)
    limiter.hold(30)
    limiter.hold(5)
    await limiter.acquire()
    assert time.now == 30


async def test_the_week_outlives_the_process_and_ends() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(0, 3), WeekQuota(START - 1000, 1), time.timing)
    assert limiter.left_this_week() == 2
    await limiter.acquire()
    await limiter.acquire()
    assert limiter.week == WeekQuota(START - 1000, 3)
    later = Limiter(RateLimit(0, 3), limiter.week, time.timing)
    with pytest.raises(QuotaExhausted) as caught:
        await later.acquire()
    assert caught.value.retry_after == WEEK - 1000
    assert caught.value.system == "target"

    time.now = WEEK - 1000
    await later.acquire()
    assert later.week == WeekQuota(START + time.now, 1)


async def test_a_clock_that_was_set_back_does_not_lock_up_the_week_for_long() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(0, 10), WeekQuota(START + 10 * WEEK, 4), time.timing)
    await limiter.acquire()
    assert limiter.week == WeekQuota(START, 5)
