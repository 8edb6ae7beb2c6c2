import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from engage_sync.clients.answers import NESTING_LIMIT, Answer, clean_message, retry_after, vendor_message
from engage_sync.clients.failures import CutOff, common_status
from engage_sync.clients.http import ATTEMPTS, Bounds, Call, Http
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import Secret
from reconcilers.errors import (
    ConfigError,
    IncompleteAnswer,
    RateLimited,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from tests.unit.clients.fakes import CANARY, START, FakeTime, Handler, Script

GET = Call("GET", "https://x.example/a", what="/a")
POST = Call("POST", "https://x.example/a", what="POST /a", json={}, repeatable=False)


def judge(answer: Answer) -> object:
    common_status(answer)
    return answer.json()


def http(handler: Handler, time: FakeTime | None = None, bounds: Bounds | None = None) -> Http:
    timing = (time or FakeTime()).timing
    return Http("source", httpx.MockTransport(handler), user_agent="u/1 (t)", bounds=bounds, timing=timing)


def subclasses(cls: type[Exception]) -> Iterator[type[Exception]]:
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


def raising(error: Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return handler


async def failure(client: Http, call: Call = GET) -> SyncError:
    async with client:
        with pytest.raises(SyncError) as caught:
            await client.call(call, judge)
    assert caught.value.system == "source"
    return caught.value


ABSTRACT = {httpx.TransportError}
WRONG_CONFIG = {httpx.UnsupportedProtocol, httpx.LocalProtocolError}


@pytest.mark.parametrize("cls", sorted({httpx.TransportError, *subclasses(httpx.TransportError)}, key=str))
async def test_every_transport_error_of_httpx_is_mapped(cls: type[httpx.TransportError]) -> None:
    time = FakeTime()
    client = http(raising(cls(f"with {CANARY} inside")), time)
    error = await failure(client)

    assert CANARY not in error.message
    if cls in WRONG_CONFIG:
        assert type(error) is ConfigError
        assert client.requests == 1
    else:
        assert type(error) is TransientError
        assert client.requests == ATTEMPTS


@pytest.mark.parametrize("cls", sorted({httpx.TransportError, *subclasses(httpx.TransportError)}, key=str))
async def test_no_transport_error_counts_as_not_sent(cls: type[httpx.TransportError]) -> None:
    client = http(raising(cls("lost")))
    error = await failure(client, POST)
    assert type(error) is (ConfigError if cls in WRONG_CONFIG else UnknownOutcome)
    assert client.requests == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, IncompleteAnswer), (302, IncompleteAnswer), (304, IncompleteAnswer), (307, IncompleteAnswer),
        (408, TransientError), (429, RateLimited),
        (500, TransientError), (502, TransientError), (503, TransientError), (504, TransientError),
    ],
)  # fmt: skip
async def test_statuses_that_mean_the_same_everywhere(status: int, expected: type[SyncError]) -> None:
    script = Script().on(
        "GET", "/a", httpx.Response(status, headers={"location": "https://evil.example"}, text="<html>")
    )
    client = http(script)
    error = await failure(client)
    assert type(error) is expected
    assert str(status) in error.message
    assert client.requests == (1 if expected is IncompleteAnswer else ATTEMPTS)
    assert {request.url.host for request in script.requests} == {"x.example"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"  ", b"<html>busy</html>", b"[1, 2", b'{"a": ', b"NaN", b"[Infinity]", b"\xff\xfe\xfa",
        b"[" * 200_000, b'{"a":' * 200_000, b"ok",
    ],
)  # fmt: skip
async def test_what_is_not_json_is_incomplete_and_not_asked_again(body: bytes) -> None:
    client = http(Script().on("GET", "/a", httpx.Response(200, content=body)))
    error = await failure(client)
    assert type(error) is IncompleteAnswer
    assert "/a" in error.message
    assert len(error.message) < 200
    assert client.requests == 1


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
async def test_nesting_is_bounded(begin: str, end: str) -> None:
    fits = NESTING_LIMIT // (begin.count("[") + begin.count("{"))
    for depth, taken in ((fits, True), (fits + 1, False), (400, False)):
        client = http(Script().on("GET", "/a", httpx.Response(200, text=begin * depth + "1" + end * depth)))
        if taken:
            async with client:
                assert await client.call(GET, judge)
        else:
            error = await failure(client)
            assert type(error) is IncompleteAnswer
            assert f"nested deeper than {NESTING_LIMIT} levels" in error.message


def test_nesting_does_not_hide_in_an_error_either() -> None:
    deep = b'{"Message": "no", "a": ' + b"[" * NESTING_LIMIT + b"]" * NESTING_LIMIT + b"}"
    assert vendor_message(Answer("target", "/a", 400, deep), hiding()) == ""


async def test_an_answer_that_broke_off_is_asked_for_again() -> None:
    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"[1,"
            raise httpx.ReadError("reset")

    def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Broken())

    async with http(Script().on("GET", "/a", broken, [1, 2])) as client:
        assert await client.call(GET, judge) == [1, 2]
    client = http(Script().on("GET", "/a", broken))
    assert type(await failure(client)) is CutOff
    assert client.requests == ATTEMPTS


async def test_a_body_is_bounded_also_unpacked() -> None:
    bounds = Bounds(body=1000)
    for content, headers in (
        (b'"' + b"x" * 2000 + b'"', {}),
        (gzip.compress(b'"' + b"x" * 200_000 + b'"'), {"content-encoding": "gzip"}),
    ):
        response = httpx.Response(200, content=content, headers=headers)
        error = await failure(http(Script().on("GET", "/a", lambda _, r=response: r), bounds=bounds))
        assert type(error) is IncompleteAnswer
        assert "more than 1000 bytes" in error.message


async def test_gzip_is_read_and_stacked_codings_are_refused() -> None:
    packed = gzip.compress(b"[1]")
    answer = httpx.Response(200, content=packed, headers={"content-encoding": "gzip"})
    async with http(lambda _: answer) as client:
        assert await client.call(GET, judge) == [1]

    def twice(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=gzip.compress(packed), headers={"content-encoding": "gzip, gzip"})

    assert type(await failure(http(twice))) is IncompleteAnswer


async def test_garbage_that_says_it_is_gzip_is_an_error() -> None:
    def garbage(_: httpx.Request) -> httpx.Response:
        async def stream() -> AsyncIterator[bytes]:
            yield b"not gzip"

        return httpx.Response(200, content=stream(), headers={"content-encoding": "gzip"})

    assert type(await failure(http(garbage))) is CutOff


async def test_a_server_that_never_ends_its_answer_meets_the_deadline() -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0)

    client = http(lambda _: httpx.Response(200, stream=Endless()), bounds=Bounds(deadline=0.01))
    error = await failure(client)
    assert type(error) is TransientError
    assert "no answer in time" in error.message


async def test_retry_waits_twice_as_long_each_time() -> None:
    time = FakeTime()
    async with http(Script().on("GET", "/a", httpx.Response(500), httpx.ReadError("x"), [1]), time) as client:
        assert await client.call(GET, judge) == [1]
    assert time.slept == [0.75, 1.5]
    assert client.requests == 3


async def test_retry_after_is_obeyed() -> None:
    time = FakeTime()
    busy = httpx.Response(429, headers={"retry-after": "7"})
    later = httpx.Response(503, headers={"retry-after": formatdate(START + 7.5 + 20, usegmt=True)})
    async with http(Script().on("GET", "/a", busy, later, [1]), time) as client:
        await client.call(GET, judge)
    assert 7 <= time.slept[0] <= 8
    assert 19 <= time.slept[1] <= 21


async def test_a_call_that_would_wait_longer_than_a_minute_is_given_up_at_once() -> None:
    time = FakeTime()
    error = await failure(http(lambda _: httpx.Response(429, headers={"retry-after": "61"}), time))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 61
    assert time.slept == []


async def test_waiting_adds_up_to_a_minute() -> None:
    time = FakeTime()
    client = http(lambda _: httpx.Response(503, headers={"retry-after": "25"}), time)
    error = await failure(client)
    assert isinstance(error, TransientError)
    assert client.requests == 3
    assert time.now <= 60


async def test_time_spent_on_slow_answers_counts_and_pacing_does_not() -> None:
    time = FakeTime()

    def slow(_: httpx.Request) -> httpx.Response:
        time.now += 31
        return httpx.Response(500)

    client = http(slow, time)
    await failure(client)
    assert client.requests == 2

    async def pace(call: Call) -> Call:
        time.now += 100
        return call

    client = http(lambda _: httpx.Response(500), time)
    async with client:
        with pytest.raises(TransientError):
            await client.call(GET, judge, pace)
    assert client.requests == ATTEMPTS


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.Response(504), httpx.Response(200, text="<html>"), httpx.Response(302)],
)
async def test_what_is_not_repeatable_is_never_sent_twice(answer: httpx.Response) -> None:
    client = http(lambda _: answer)
    assert type(await failure(client, POST)) is UnknownOutcome
    assert client.requests == 1


async def test_a_refused_call_may_be_sent_again_even_if_not_repeatable() -> None:
    async with http(Script().on("POST", "/a", httpx.Response(429), [1])) as client:
        assert await client.call(POST, judge) == [1]


async def test_calls_in_flight_are_bounded() -> None:
    flying, most = 0, 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0)
        flying -= 1
        return httpx.Response(200, json=1)

    async with Http("target", httpx.MockTransport(handler), user_agent="u", concurrency=3) as client:
        await asyncio.gather(*(client.call(GET, judge) for _ in range(20)))
    assert most == 3


async def test_headers_and_no_cookies() -> None:
    script = Script().on("GET", "/a", httpx.Response(200, json=1, headers={"set-cookie": "a=b"}))
    async with http(script) as client:
        await client.call(GET, judge)
        await client.call(GET, judge)
    headers = script.requests[1].headers
    assert headers["user-agent"] == "u/1 (t)"
    assert headers["accept-encoding"] == "gzip"
    assert "cookie" not in headers


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("3", 3.0), ("2.5", 2.5), ("0", None), ("-1", None), ("soon", None), ("", None), ("1e999", None),
        ("99999999999", 604800.0), (formatdate(START + 10, usegmt=True), 10.0),
        (formatdate(START - 10, usegmt=True), None), ("nan", None),
        ("Wed, 99 Foo 2024 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_in_all_its_forms(told: str, expected: float | None) -> None:
    assert retry_after(httpx.Headers({"retry-after": told}), lambda: START) == expected


def answer_with(body: Any) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("target", "/a", 400, content)


def hiding(*secrets: str) -> Hidden:
    hidden = Hidden()
    hidden.add(*map(Secret, secrets))
    return hidden


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"Message": "Name exists."}, "Name exists."),
        ({"statusCode": 403, "message": "Out of quota"}, "Out of quota"),
        ({"status": 400, "error": "Bad", "errorDescription": "limit too big"}, "limit too big"),
        ({"error": "invalid_grant"}, "invalid_grant"),
        ({"Message": None, "message": 5, "error": "x\r\ny\x00z"}, "x y z"),
        ({"Message": "<b>bad</b>"}, ""),
        ({"Message": f"password {CANARY} is wrong"}, "password *** is wrong"),
        ({"Message": "password C%C3%A4nary-S3cret%2Fx is wrong"}, "password *** is wrong"),
        (["x"], ""), (b"<html>", b"".decode()), (b"[" * 100_000, ""), ({}, ""),
    ],
)  # fmt: skip
def test_a_vendors_message_is_cleaned(body: Any, expected: str) -> None:
    assert vendor_message(answer_with(body), hiding(CANARY)) == expected


def test_a_vendors_message_is_short() -> None:
    assert len(clean_message("x" * 10_000)) == 200
