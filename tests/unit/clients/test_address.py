"""The address check, where connections are really begun: over sockets, whatever DNS says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from engage_sync.clients.answers import Answer
from engage_sync.clients.engage import EngageReader
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.http import Call, Http
from engage_sync.clients.limits import RateLimit
from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials
from engage_sync.clients.transport import network_transport
from engage_sync.clients.workplace import WorkplaceSource
from engage_sync.trust import A_PERSON, Trust
from reconcilers.errors import ConfigError, SyncError
from reconcilers.ports import Demand
from tests.unit.clients.fakes import FakeTime

DEFAULT = Trust()
HOST = "acme.eptura.com"


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for, without asking anybody."""
    names: dict[str, list[str]] = {}

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}
            for address in names[host]
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return names


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what was sent to it."""
    got: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], got


def judge(answer: Answer) -> object:
    return answer.json()


async def fetch(url: str, trust: Trust) -> object:
    async with Http("target", network_transport(trust), user_agent="u", timing=FakeTime().timing) as http:
        return await http.call(Call("GET", url, what="/a", setting="spec.target.apiURL"), judge)


@pytest.mark.parametrize(
    "trust", [DEFAULT, Trust(hosts=("*",), api_server="127.0.0.1", private_network=True)]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", HOST, "localhost"])
async def test_nothing_reaches_an_address_inside(dns: dict[str, list[str]], host: str, trust: Trust) -> None:
    dns[HOST] = dns["localhost"] = ["127.0.0.1", "::ffff:127.0.0.1"]
    async with listening() as (port, got):
        with pytest.raises(ConfigError) as caught:
            await fetch(f"http://{host}:{port}/a", trust)
        assert got == []
    assert caught.value.reason == "InvalidSpec"
    assert caught.value.message.startswith("spec.target.apiURL leads to a loopback")
    assert "--allow-private-network" in caught.value.message
    assert "127.0.0.1" not in caught.value.message  # what a name resolves to inside is not told


@pytest.mark.parametrize("trust", [A_PERSON, Trust(loopback=True), Trust(private_network=True)])
@pytest.mark.parametrize("host", ["127.0.0.1", HOST])
async def test_what_is_allowed_is_reached(dns: dict[str, list[str]], host: str, trust: Trust) -> None:
    dns[HOST] = ["127.0.0.1"]
    async with listening() as (port, got):
        assert await fetch(f"http://{host}:{port}/a", trust) == 1
    assert len(got) == 1


async def test_of_several_answers_only_a_public_one_is_tried(
    dns: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    class Remembering(socket.socket):
        def __init__(self, *how: Any) -> None:
            tried.append("opened")
            raise ConnectionRefusedError("stop here")

    monkeypatch.setattr("engage_sync.clients.transport.socket.socket", Remembering)
    dns[HOST] = ["10.0.0.1", "8.8.8.8", "169.254.169.254", "fd00::1"]
    with pytest.raises(SyncError):
        await fetch(f"http://{HOST}/a", DEFAULT)
    assert tried
    tried.clear()
    dns[HOST] = ["10.0.0.1", "169.254.169.254", "fd00::1"]
    with pytest.raises(ConfigError):
        await fetch(f"http://{HOST}/a", DEFAULT)
    assert tried == []


async def test_a_name_that_turns_inside_between_two_connections_does_not_help(
    dns: dict[str, list[str]],
) -> None:
    public_for_once = Trust(loopback=True)
    async with listening() as (port, got):
        dns[HOST] = ["127.0.0.1"]  # stands for a public address that answers
        assert await fetch(f"http://{HOST}:{port}/a", public_for_once) == 1
        dns[HOST] = ["10.0.0.1"]
        with pytest.raises(ConfigError):
            await fetch(f"http://{HOST}:{port}/a", public_for_once)
    assert len(got) == 1


async def test_a_create_that_was_refused_its_connection_was_surely_not_sent() -> None:
    async with Http("target", network_transport(DEFAULT), user_agent="u") as http:
        with pytest.raises(ConfigError):
            await http.call(Call("POST", "https://10.0.0.1/a", what="/a", json={}, repeatable=False), judge)
    assert http.requests == 1


async def test_the_message_names_the_field_that_is_wrong() -> None:
    inside, outside = "https://10.0.0.1", "https://10.0.0.2"
    source = WorkplaceSource(
        inside, WorkplaceCredentials(Secret("u"), Secret("p")), network_transport(DEFAULT), user_agent="u"
    )
    async with source:
        with pytest.raises(ConfigError, match=r"^spec\.source\.baseURL "):
            await source.read({})
    session = EngageSession(
        outside,
        inside,
        EngageCredentials(Secret("c"), Secret("p"), {"HierarchyMapping": Secret("k")}),
        network_transport(DEFAULT),
        user_agent="u",
        rate_limit=RateLimit(0, 0),
    )
    async with session:
        with pytest.raises(ConfigError, match=r"^spec\.target\.applicationURL "):
            await EngageReader(session).read(lambda _: Demand())


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as (port, got):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        with pytest.raises(ConfigError):
            await fetch("http://10.0.0.1/a", Trust(loopback=True))
    assert got == []


def test_there_is_no_default_to_be_forgotten() -> None:
    with pytest.raises(TypeError):
        network_transport()  # type: ignore[call-arg]
