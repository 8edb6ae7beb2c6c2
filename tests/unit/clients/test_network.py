"""Over real sockets: what httpx-aiohttp makes of a broken network, and what we make of that."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from engage_sync.clients.answers import Answer
from engage_sync.clients.failures import CutOff, common_status
from engage_sync.clients.http import ATTEMPTS, Bounds, Call, Http
from engage_sync.clients.transport import network_transport
from engage_sync.trust import A_PERSON
from reconcilers.errors import SyncError, TransientError, UnknownOutcome
from tests.unit.clients.fakes import FakeTime

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def judge(answer: Answer) -> object:
    common_status(answer)
    return answer.json()


@contextlib.asynccontextmanager
async def serving(*answers: bytes | Serve, heads: list[bytes] | None = None) -> AsyncIterator[str]:
    """A server that answers the first request with the first of these, and so on; the last one again."""
    left = list(answers)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.read(65536)
            if heads is not None:
                heads.append(head)
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(talk(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends with a TCP reset rather than in good order."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


async def reset_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 100\r\n\r\n[1, 2")
    await writer.drain()
    await asyncio.sleep(0.01)
    await reset(reader, writer)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


def client(bounds: Bounds | None = None) -> Http:
    return Http(
        "target", network_transport(A_PERSON), user_agent="u", bounds=bounds, timing=FakeTime().timing
    )


SHORT = Bounds(timeout=httpx.Timeout(0.05), deadline=0.2)
GARBAGE = b"this is not HTTP at all\r\n\r\n"

FAILURES: list[tuple[str, bytes | Serve, type[SyncError], str]] = [
    ("lost without an answer", b"", TransientError, "the connection was lost"),
    ("reset without an answer", reset, TransientError, "the connection was lost"),
    ("body shorter than announced", OK + b"Content-Length: 100\r\n\r\n[1, 2]", CutOff, "broke off"),
    ("chunks without an end", OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n", CutOff, "broke off"),
    ("broken chunks", OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[1]\r\n", TransientError, "HTTP"),
    ("reset in the body", reset_in_the_body, CutOff, "broke off"),
    ("no HTTP", GARBAGE, TransientError, "it does not speak HTTP"),
    ("silence", silence, TransientError, "no answer in time"),
    ("a byte now and then", drip, TransientError, "no answer in time"),
]


@pytest.mark.parametrize(
    ("answer", "expected", "why"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
async def test_a_broken_answer_is_an_error_and_asked_for_again(
    answer: bytes | Serve, expected: type[SyncError], why: str
) -> None:
    async with serving(answer) as url, client(SHORT) as http:
        with pytest.raises(SyncError) as caught:
            await http.call(Call("GET", url, what="/a"), judge)
    assert type(caught.value) is expected
    assert why in caught.value.message
    assert http.requests == ATTEMPTS


@pytest.mark.parametrize("answer", [case[1] for case in FAILURES], ids=[case[0] for case in FAILURES])
async def test_after_a_broken_answer_to_a_create_nothing_is_known(answer: bytes | Serve) -> None:
    async with serving(answer) as url, client(SHORT) as http:
        with pytest.raises(UnknownOutcome):
            await http.call(Call("POST", url, what="POST /a", json={}, repeatable=False), judge)
    assert http.requests == 1


async def test_it_goes_on_when_the_network_recovers() -> None:
    good = OK + b"Content-Length: 3\r\n\r\n[1]"
    async with serving(b"", reset_in_the_body, good) as url, client() as http:
        assert await http.call(Call("GET", url, what="/a"), judge) == [1]


async def test_a_port_nobody_listens_on() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        async with client() as http:
            with pytest.raises(TransientError, match="it refuses connections"):
                await http.call(Call("GET", url, what="/a"), judge)


async def test_a_host_that_does_not_exist() -> None:
    async with client() as http:
        with pytest.raises(TransientError, match="its host name is not known"):
            await http.call(Call("GET", "http://no-such-host.invalid/a", what="/a"), judge)


async def test_an_http_server_where_https_is_expected() -> None:
    async with serving(OK) as url, client(SHORT) as http:
        with pytest.raises(TransientError, match="no secure connection could be made"):
            await http.call(Call("GET", url.replace("http:", "https:"), what="/a"), judge)


async def test_headers_arrive_as_utf8_bytes_and_the_selector_as_it_is_documented() -> None:
    answer = OK + b"Content-Length: 3\r\n\r\n[1]"
    heads: list[bytes] = []
    password = "pä€ß".encode()
    headers = {"x-auth-username": b"plain", "x-auth-password": password}
    params = {"selector": "buildings(centers(module)),rules"}
    async with (
        serving(answer, heads=heads) as url,
        Http("source", network_transport(A_PERSON), user_agent="u", headers=headers) as http,
    ):
        await http.call(Call("GET", url, what="/a", params=params), judge)
    assert b"x-auth-password: " + password + b"\r\n" in heads[0]
    line = heads[0].split(b"\r\n")[0].decode()
    assert dict(httpx.URL(line.split()[1]).params) == params


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_write_on_a_connection_that_went_away_is_not_sent_again_behind_our_back(method: str) -> None:
    heads: list[bytes] = []

    async def answers_once_and_goes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 2\r\n\r\n{}")
        heads.append(await reader.read(65536))

    late = OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    async with (
        serving(answers_once_and_goes, late, heads=heads) as url,
        httpx.AsyncClient(transport=network_transport(A_PERSON)) as client,
    ):
        await client.get(url)
        with pytest.raises(httpx.TransportError):
            await client.request(method, url)

    assert [head.split(b" ")[0].decode() for head in heads] == ["GET", method]
