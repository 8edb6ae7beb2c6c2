"""What the client makes of the shapes in which Engage may tell of bookings, and what it asks for."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from engage_sync.clients.engage_bookings import EngageBookings
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.secrets import EngageCredentials, Secret
from reconcilers.errors import ConfigError, CredentialsRejected, IncompleteAnswer, QuotaExhausted, SyncError
from tests.unit.clients.fakes import API, CANARY, TOKEN, FakeTime, Script, envelope, refused

NOW = datetime(2030, 1, 10, 12, 0, 0, 500_000, tzinfo=UTC)
WINDOW = timedelta(days=10)
END = NOW + WINDOW
PATH = f"{API}/bookings"
KEYS = {"HierarchyMapping": "key-hierarchy", "ExternalBookings": "Key-B00kings-canary"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def session(
    script: Script,
    keys: Mapping[str, str] = KEYS,
    transport: httpx.AsyncBaseTransport | None = None,
    **options: Any,
) -> EngageSession:
    if ("POST", TOKEN) not in script.answers:
        script.on("POST", TOKEN, {"access_token": "tok-1", "token_type": "bearer", "expires_in": 43199})
    return EngageSession(
        "https://acme.example",
        "https://api.example/Acme",
        EngageCredentials(
            Secret("client"), Secret(CANARY), {name: Secret(key) for name, key in keys.items()}
        ),
        transport or httpx.MockTransport(script),
        user_agent="engage-sync/0 (acme)",
        timing=FakeTime().timing,
        **options,
    )


async def read(answer: Any, room: int = 5, keys: Mapping[str, str] = KEYS) -> AbstractSet[str] | None:
    async with session(Script().on("GET", PATH, answer), keys, read_only=True) as engage:
        found = await EngageBookings(engage, NOW.timestamp, WINDOW).future([room])
    assert set(found) == {room}
    return found[room]


async def failure(answer: Any, keys: Mapping[str, str] = KEYS) -> SyncError:
    with pytest.raises(SyncError) as caught:
        await read(answer, keys=keys)
    assert caught.value.system == "target"
    assert not any(key in caught.value.message for key in (CANARY, *keys.values()) if key)
    return caught.value


def naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None, microsecond=0).isoformat()


def booking(
    start: datetime | None = NOW + HOUR, end: datetime | None = NOW + 2 * HOUR, **changes: Any
) -> dict[str, Any]:
    """One with the UTC twins alone."""
    times = {f"{name}UTC": naive(at) for name, at in (("timeFrom", start), ("timeTo", end)) if at is not None}
    return {"bookingID": 7, "roomID": 5, **times, **changes}


def local(start: datetime, end: datetime, **changes: Any) -> dict[str, Any]:
    """One with nothing but times of no zone."""
    return booking(None, None, timeFrom=naive(start), timeTo=naive(end), **changes)


# The request


async def test_what_is_asked_for() -> None:
    script = Script().on("GET", PATH, [])
    async with session(script, read_only=True) as engage:
        await EngageBookings(engage, NOW.timestamp, WINDOW).future([5])
        assert engage.requests == 2
    [asked] = script.sent("GET", PATH)
    assert dict(asked.url.params) == {
        "roomId": "5", "startDateTime": "2030-01-09 12:00:00", "endDateTime": "2030-01-21 12:00:00",
    }  # fmt: skip
    assert asked.headers["ocp-apim-subscription-key"] == KEYS["ExternalBookings"]
    assert asked.headers["authorization"] == "Bearer tok-1"


# Shapes


@pytest.mark.parametrize(
    "shape",
    [
        lambda items: items,
        lambda items: {"bookings": items},
        lambda items: envelope(*items),
        lambda items: {"IsError": False, "Data": {"bookings": items}, "Status": False, "Message": ""},
    ],
)
async def test_every_shape_of_the_list_is_read(shape: Any) -> None:
    two = [booking(), booking(bookingID="8-b")]
    assert await read(shape(two)) == {"7", "8-b"}
    assert await read(shape([])) == frozenset()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        "none",
        {},
        {"bookings": None},
        {"bookings": {}},
        {"Bookings": []},
        {"message": "no bookings"},
        {"IsError": False},
        {"IsError": False, "Data": None},
        {"IsError": "no", "Data": []},
        [None],
        [[]],
        [7],
        [{}],
        [booking(bookingID=None)],
        [booking(bookingID=True)],
        [booking(bookingID="")],
        [booking(bookingID=1.5)],
        [booking(deleted="no")],
        [booking(roomID=6)],
        [booking(), booking(roomID=6)],
        [booking(None, None)],
        [booking(None)],
        [booking(end=None)],
        [booking(timeToUTC="soon")],
        [booking(timeToUTC="2030-01-11")],
        [booking(timeToUTC=1_900_000_000)],
        [booking(timeToUTC="0001-01-01T00:00:00")],
        [booking(None, None, timeFrom="9999-12-31T23:00:00", timeTo="9999-12-31T23:59:00")],
        [booking(timeToUTC="2030-02-30T09:00:00")],
    ],
)
async def test_what_is_not_understood_is_an_error_and_never_no_bookings(answer: Any) -> None:
    assert isinstance(await failure(httpx.Response(200, json=answer)), IncompleteAnswer)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b""),
        httpx.Response(204),
        httpx.Response(200, content=b"[{"),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(302, headers={"location": "https://elsewhere.example"}),
        httpx.Response(404),
        httpx.Response(400, content=b"Booking Id does not exist."),
        refused(404, "There is no room 5"),
        refused(200, "Something is wrong"),
    ],
)
async def test_no_answer_is_an_error_and_never_no_bookings(answer: httpx.Response) -> None:
    error = await failure(answer)
    assert isinstance(error, IncompleteAnswer)
    assert "/bookings?roomId=5" in error.message


async def test_a_room_that_went_meanwhile_is_not_blamed_on_the_url() -> None:
    error = await failure(refused(404, "There is no room 5"))
    assert error.message == "Engage answered /bookings?roomId=5 with 404: There is no room 5"


async def test_an_answer_that_repeats_the_key_is_not_used() -> None:
    error = await failure([booking(meetingTitle=KEYS["ExternalBookings"])])
    assert "our own credentials" in error.message


# Which ones count


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        (NOW - 2 * HOUR, NOW - HOUR, False),
        (NOW - HOUR, NOW, False),  # naive() cuts half a second off
        (NOW - HOUR, NOW + SECOND, True),  # it has begun and not ended
        (NOW - 100 * WINDOW, NOW + 100 * WINDOW, True),
        (NOW + HOUR, NOW + 2 * HOUR, True),
        (END, END + HOUR, True),
        (END + SECOND, END + HOUR, False),
        (END - MINUTE, END + HOUR, True),
    ],
)
async def test_it_counts_when_it_has_not_ended_and_begins_within_the_window(
    start: datetime, end: datetime, counts: bool
) -> None:
    assert await read([booking(start, end)]) == ({"7"} if counts else set())


@pytest.mark.parametrize(
    ("deleted", "counts"), [(0, True), (False, True), (None, True), (1, False), (True, False), (-1, False)]
)
async def test_one_that_is_marked_as_deleted_does_not_count(deleted: Any, counts: bool) -> None:
    assert await read([booking(deleted=deleted)]) == ({"7"} if counts else set())


@pytest.mark.parametrize("status", [0, 3, "Cancelled", None, {"id": 4}])
async def test_a_status_that_nobody_documents_changes_nothing(status: Any) -> None:
    assert await read([booking(status=status)]) == {"7"}


@pytest.mark.parametrize("room", [None, 0, 5])
async def test_it_need_not_say_whose_it_is(room: int | None) -> None:
    assert await read([booking(roomID=room)]) == {"7"}


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        (NOW - 3 * HOUR, NOW - 2 * HOUR, True),  # two hours ago in Houston is yet to come
        (NOW - 14 * HOUR, NOW - 12 * HOUR, False),  # this is past everywhere
        (NOW - 14 * HOUR, NOW - 12 * HOUR + SECOND, True),
        (END + 14 * HOUR, END + 15 * HOUR, True),
        (END + 14 * HOUR + SECOND, END + 15 * HOUR, False),
    ],
)
async def test_without_a_zone_it_counts_while_it_may_lie_before_us_somewhere(
    start: datetime, end: datetime, counts: bool
) -> None:
    assert await read([local(start, end)]) == ({"7"} if counts else set())


async def test_the_utc_twins_go_before_local_times() -> None:
    past: dict[str, Any] = {"timeFrom": naive(NOW - 2 * HOUR), "timeTo": naive(NOW - HOUR)}
    ahead: dict[str, Any] = {"timeFrom": naive(NOW + HOUR), "timeTo": naive(NOW + 2 * HOUR)}
    assert await read([booking(**past)]) == {"7"}
    assert await read([booking(NOW - 2 * HOUR, NOW - HOUR, **ahead)]) == frozenset()
    unset = {f"{name}UTC": "0001-01-01T00:00:00" for name in ("timeFrom", "timeTo")}
    assert await read([booking(**{**unset, **ahead})]) == {"7"}


@pytest.mark.parametrize("suffix", ["Z", "+00:00", ".0000000", ".123Z"])
@pytest.mark.parametrize("parting", ["T", " "])
async def test_times_are_taken_as_they_come(parting: str, suffix: str) -> None:
    over = naive(NOW - HOUR).replace("T", parting) + suffix
    ahead = naive(NOW + HOUR).replace("T", parting) + suffix
    begun = naive(NOW - 2 * HOUR)
    told = [
        booking(timeFromUTC=begun, timeToUTC=ahead),
        booking(bookingID=8, timeFromUTC=begun, timeToUTC=over),
    ]
    assert await read(told) == {"7"}


async def test_an_offset_is_obeyed() -> None:
    houston = {"timeFrom": "2030-01-10T05:00:00-06:00", "timeTo": "2030-01-10T06:00:00-06:00"}
    assert await read([booking(None, None, **houston)]) == frozenset()
    later = {**houston, "timeTo": "2030-01-10T06:01:00-06:00"}
    assert await read([booking(None, None, **later)]) == {"7"}


async def test_one_that_is_listed_twice_is_one() -> None:
    assert await read([booking(), booking()]) == {"7"}


# The key


async def test_without_the_key_nobody_knows() -> None:
    assert await read(httpx.Response(500), keys={"HierarchyMapping": "key-hierarchy"}) is None


@pytest.mark.parametrize("key", ["", "with-a-break\n"])
async def test_a_key_that_cannot_be_sent_is_an_error_only_where_it_is_used(key: str) -> None:
    keys = {**KEYS, "ExternalBookings": key}
    error = await failure([], keys=keys)
    assert isinstance(error, ConfigError)
    assert "subscription key ExternalBookings" in error.message


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_refused_is_named(status: int) -> None:
    error = await failure(refused(status, f"denied for {KEYS['ExternalBookings']}"))
    assert isinstance(error, CredentialsRejected)
    assert "correct the key ExternalBookings of the Secret" in error.message


async def test_a_wrong_password_is_not_blamed_on_the_key() -> None:
    script = Script().on("POST", TOKEN, httpx.Response(400, json={"error": "invalid_grant"}))
    async with session(script) as engage:
        with pytest.raises(CredentialsRejected) as caught:
            await EngageBookings(engage, NOW.timestamp, WINDOW).future([5])
    assert "ExternalBookings" not in caught.value.message


async def test_a_used_up_week_is_not_a_refused_key() -> None:
    told = {
        "statusCode": 403,
        "message": "Out of call volume quota. Quota will be replenished in 6.00:00:00.",
    }
    answer = httpx.Response(403, json=told, headers={"retry-after": "518400"})
    assert isinstance(await failure(answer), QuotaExhausted)


async def test_a_token_that_ended_early_is_replaced() -> None:
    tokens = [{"access_token": f"tok-{number}", "expires_in": 43199} for number in (1, 2)]
    script = Script().on("POST", TOKEN, *tokens).on("GET", PATH, refused(401), [booking()])
    async with session(script) as engage:
        found = await EngageBookings(engage, NOW.timestamp, WINDOW).future([5])
    assert found == {5: frozenset({"7"})}


# Many


async def test_several_are_asked_for_side_by_side_and_each_gets_its_own() -> None:
    open_at_once, most, asked = 0, 0, 0

    async def serve(request: httpx.Request) -> httpx.Response:
        nonlocal open_at_once, most, asked
        if request.method == "POST":
            return httpx.Response(200, json={"access_token": "tok-1"})
        asked += 1
        open_at_once += 1
        most = max(most, open_at_once)
        for _ in range(10):
            await asyncio.sleep(0)
        open_at_once -= 1
        room = int(request.url.params["roomId"])
        return httpx.Response(200, json=[booking(bookingID=room * 10, roomID=room)])

    async with session(Script(), transport=httpx.MockTransport(serve)) as engage:
        found = await EngageBookings(engage, NOW.timestamp, WINDOW).future([*range(1, 41), *range(20, 41)])
    assert found == {room: frozenset({str(room * 10)}) for room in range(1, 41)}
    assert (asked, most) == (40, 8)


async def test_one_that_cannot_be_read_fails_them_all() -> None:
    script = Script().on("GET", PATH, [], [], {"bookings": None})
    async with session(script) as engage:
        with pytest.raises(IncompleteAnswer):
            await EngageBookings(engage, NOW.timestamp, WINDOW).future(range(1, 10))
