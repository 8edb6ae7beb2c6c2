"""Bookings of the sandbox, and that what the client reads of them is a plain filter of what is there."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync.clients.engage_bookings import EngageBookings
from engage_sync.clients.limits import RateLimit
from engage_sync.sandbox import Fault, ManualClock, Sandbox
from reconcilers.errors import CredentialsRejected, IncompleteAnswer, QuotaExhausted, TransientError
from tests.sandbox.bench import Bench
from tests.sandbox.sandbox_helpers import engage, make_hierarchy, make_sandbox

WINDOW = timedelta(hours=2160)
JANUARY = {"startDateTime": "2030-01-01 00:00:00", "endDateTime": "2030-02-01 00:00:00"}


def with_rooms(count: int = 2, **options: Any) -> tuple[Sandbox, ManualClock, list[int]]:
    sandbox, clock = make_sandbox(**options)
    ids = make_hierarchy(sandbox)
    rooms = [sandbox.seed.engage("rooms", **ids.room(f"Room {number}")) for number in range(count)]
    return sandbox, clock, rooms


def book(sandbox: Sandbox, room: int, start: float, end: float) -> str:
    """Book a room from and to these seconds since the epoch; the booking's id."""
    times = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in (start, end))
    return str(sandbox.engage.book(room, *times)["bookingID"])


async def future(sandbox: Sandbox, clock: ManualClock, ids: Any, **options: Any) -> Any:
    async with Bench(sandbox, clock).engage(read_only=True, **options) as session:
        return await EngageBookings(session, clock, WINDOW).future(ids)


def asked(sandbox: Sandbox) -> int:
    """How many requests for bookings arrived."""
    return sum(n for one, n in sandbox.journal.requests.items() if one.path.startswith("/bookings"))


# The sandbox itself


def listed(sandbox: Sandbox, room: int, **window: str) -> list[Any]:
    answer = engage(sandbox, "ExternalBookings").get("/bookings", params={"roomId": room, **window})
    assert answer.status_code == 200, answer.text
    return [booking["bookingID"] for booking in answer.json()]


def test_a_window_holds_what_overlaps_it() -> None:
    sandbox, _, (room, other) = with_rooms()
    for start, end in (
        ("2029-12-31 23:00:00", "2030-01-01 00:00:00"),  # 1: ends as it begins
        ("2029-12-31 23:00:00", "2030-01-01 00:00:01"),  # 2
        ("2030-01-31 23:59:59", "2030-02-01 09:00:00"),  # 3
        ("2030-02-01 00:00:00", "2030-02-01 09:00:00"),  # 4: begins as it ends
        ("2029-01-01 00:00:00", "2031-01-01 00:00:00"),  # 5: around it
    ):
        sandbox.engage.book(room, start, end)
    sandbox.engage.book(other, "2030-01-10 09:00:00", "2030-01-10 10:00:00")
    assert listed(sandbox, room, **JANUARY) == [2, 3, 5]
    assert listed(sandbox, room, startDate="2030-01-01", endDate="2030-01-31") == [2, 3, 5]
    assert listed(sandbox, room, startDate="2029-12-31", endDate="2029-12-31") == [1, 2, 5]
    assert listed(sandbox, room, isUTCDateTime="true", **JANUARY) == [2, 3, 5]
    assert listed(sandbox, other, **JANUARY) == [6]


def test_a_booking_has_its_times_twice_and_no_zone() -> None:
    sandbox, _, (room, _) = with_rooms()
    booking = sandbox.engage.book(room, "2030-01-10T10:00:00+01:00", "2030-01-10 10:00:00")
    assert booking["timeFrom"] == booking["timeFromUTC"] == "2030-01-10T09:00:00"
    assert booking["timeTo"] == booking["timeToUTC"] == "2030-01-10T10:00:00"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"endDateTime": "2029-01-01 00:00:00"}, "endDateTime"),
        ({"startDateTime": "soon"}, "startDateTime"),
        ({"startDateTime": "0001-01-01T00:00:00+02:00"}, "startDateTime"),
        ({"endDateTime": "9999-12-31 00:00:00"}, "endDateTime"),
        ({"startDate": "2030-01-01"}, "endDate"),
        ({"startDate": "2030-01-02", "endDate": "2030-01-01"}, "endDate"),
        ({"isUTCDateTime": "false"}, "isUTCDateTime"),
        ({"roomID": "1"}, "roomID"),
        ({"roomId": "1"}, "meeting space"),
        ({"roomId": ""}, "roomId"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, str], named: str) -> None:
    sandbox, _, (room, _) = with_rooms()
    query = {"roomId": str(room), **JANUARY, **changes}
    answer = engage(sandbox, "ExternalBookings").get("/bookings", params=query)
    assert answer.status_code == 400
    assert named in answer.json()["Message"]


def test_a_desk_is_no_meeting_space() -> None:
    sandbox, _ = make_sandbox()
    desk = sandbox.seed.engage("desks", **make_hierarchy(sandbox).desk())
    answer = engage(sandbox, "ExternalBookings").get("/bookings", params={"roomId": desk, **JANUARY})
    assert answer.status_code == 400


def test_a_cancelled_booking_is_listed_as_deleted() -> None:
    sandbox, _, (room, _) = with_rooms()
    sandbox.engage.book(room, "2030-01-10 09:00:00", "2030-01-10 10:00:00")
    with httpx.Client(transport=sandbox.transport(), base_url="http://sandbox.test/_sandbox") as admin:
        assert admin.delete("/engage/bookings/1").json()["deleted"] == 1
        assert admin.delete("/engage/bookings/2").status_code == 404
    assert listed(sandbox, room, **JANUARY) == [1]


# The client against it

HOUR = 3600.0
EDGE = WINDOW.total_seconds()
MOMENTS = st.one_of(
    st.sampled_from([-HOUR, -1.0, 0.0, 1.0, HOUR, EDGE - 1, EDGE, EDGE + 1, EDGE + 24 * HOUR]),
    st.integers(int(-3 * 24 * HOUR), int(EDGE + 3 * 24 * HOUR)).map(float),
)
SPANS = st.tuples(MOMENTS, MOMENTS).filter(lambda span: span[0] != span[1]).map(sorted)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 2), SPANS, st.booleans()), max_size=12))
def test_what_is_read_is_a_filter_of_what_there_is(drawn: list[tuple[int, list[float], bool]]) -> None:
    sandbox, clock, rooms = with_rooms(3)
    expected: dict[int, set[str]] = {room: set() for room in rooms}
    now = clock.now
    for number, (start, end), cancelled in drawn:
        booking = book(sandbox, rooms[number], now + start, now + end)
        if cancelled:
            sandbox.engage.data.bookings.cancel(int(booking))
        elif start < EDGE and end > 0:
            expected[rooms[number]].add(booking)
    assert asyncio.run(future(sandbox, clock, rooms)) == expected


async def test_what_a_deletion_takes_is_what_was_read() -> None:
    sandbox, clock, (room, other) = with_rooms()
    now = clock.now
    for start, end in ((-9, -5), (-5, 0), (-5, 1), (0, 5), (100, 200)):
        book(sandbox, room, now + start, now + end)
    read = (await future(sandbox, clock, [room, other]))[room]
    before = {str(booking["bookingID"]) for booking in sandbox.engage.bookings()}
    assert engage(sandbox).delete(f"/rooms/{room}").status_code == 200
    assert before - {str(booking["bookingID"]) for booking in sandbox.engage.bookings()} == read


async def test_each_is_asked_for_once_and_counted() -> None:
    sandbox, clock, (room, other) = with_rooms()
    async with Bench(sandbox, clock).engage(RateLimit(500, 50_000), read_only=True) as session:
        bookings = EngageBookings(session, clock, WINDOW)
        assert await bookings.future([room, other, room]) == {room: frozenset(), other: frozenset()}
        assert asked(sandbox) == 2
        assert session.requests == 3  # and one for a token
        assert session.left_this_week == 49_998
        assert await bookings.future([]) == {}
        assert session.requests == 3


async def test_without_a_key_nobody_knows_and_nothing_is_sent() -> None:
    sandbox, clock, (room, other) = with_rooms()
    keys = {**sandbox.account.subscription_keys}
    del keys["ExternalBookings"]
    async with Bench(sandbox, clock).engage(keys=keys, read_only=True) as session:
        read = await EngageBookings(session, clock, WINDOW).future([room, other])
        assert read == {room: None, other: None}
        assert session.requests == 0


async def test_a_key_that_is_not_taken_is_named() -> None:
    sandbox, clock, rooms = with_rooms(40)
    keys = {**sandbox.account.subscription_keys, "ExternalBookings": "wrong-bookings-key"}
    with pytest.raises(CredentialsRejected, match=r"the key ExternalBookings of the Secret") as caught:
        await future(sandbox, clock, rooms, keys=keys)
    assert "wrong-bookings-key" not in caught.value.message
    assert asked(sandbox) == 2  # the second with a new token


async def test_a_space_that_is_not_known_is_no_space_without_bookings() -> None:
    sandbox, clock, (room, _) = with_rooms()
    with pytest.raises(IncompleteAnswer, match="There is no meeting space with id 999"):
        await future(sandbox, clock, [room, 999])


async def test_the_week_may_end_meanwhile() -> None:
    sandbox, clock, rooms = with_rooms(5, per_week=3)
    with pytest.raises(QuotaExhausted):
        await future(sandbox, clock, rooms)


async def test_a_full_minute_is_waited_for() -> None:
    sandbox, clock, rooms = with_rooms(5, per_minute=2)
    assert await future(sandbox, clock, rooms) == dict.fromkeys(rooms, frozenset())


@pytest.mark.parametrize("what", ["500", "503", "reset", "truncated"])
async def test_a_lost_answer_is_asked_for_again(what: str) -> None:
    sandbox, clock, (room, _) = with_rooms()
    booking = book(sandbox, room, clock.now + 60, clock.now + 120)
    sandbox.faults.add(Fault(path="/bookings", occurrences=1, what=what))
    assert await future(sandbox, clock, [room]) == {room: {booking}}
    assert asked(sandbox) == 2


@pytest.mark.parametrize(
    ("what", "error", "times"),
    [
        ("500", TransientError, 5),
        ("reset", TransientError, 5),
        ("truncated", TransientError, 5),
        ("garbage", IncompleteAnswer, 1),
        ("html", IncompleteAnswer, 1),
        ("404", IncompleteAnswer, 1),
        ("403", CredentialsRejected, 1),
    ],
)
async def test_an_answer_that_stays_away_is_an_error(what: str, error: type[Exception], times: int) -> None:
    sandbox, clock, (room, _) = with_rooms()
    sandbox.faults.add(Fault(path="/bookings", what=what))
    with pytest.raises(error):
        await future(sandbox, clock, [room])
    assert asked(sandbox) == times
