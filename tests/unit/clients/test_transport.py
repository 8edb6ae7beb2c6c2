import httpx
import pytest

from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.transport import ReadOnlyTransport
from reconcilers.errors import Halted
from reconcilers.model import Key, Kind
from reconcilers.ports import Demand
from tests.unit.clients.fakes import API, TOKEN, Script, engage, envelope

TOKEN_URL = "https://acme.example/tokenproviderapi/token"


@pytest.mark.parametrize(
    ("method", "url", "passes"),
    [
        ("GET", "https://api.example/rooms", True),
        ("HEAD", "https://api.example/rooms", True),
        ("POST", TOKEN_URL, True),
        ("POST", f"{TOKEN_URL}?x=1", False),
        ("POST", "https://api.example/tokenproviderapi/token", False),
        ("PUT", TOKEN_URL, False),
        ("POST", "https://api.example/rooms", False),
        ("PUT", "https://api.example/rooms/1", False),
        ("PATCH", "https://api.example/rooms/1", False),
        ("DELETE", "https://api.example/rooms/1", False),
        ("get", "https://api.example/rooms", True),
        ("FOO", "https://api.example/rooms", False),
    ],
)
async def test_only_reads_and_the_token_pass(method: str, url: str, passes: bool) -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    transport = ReadOnlyTransport(httpx.MockTransport(handler), system="target", token_url=TOKEN_URL)
    async with httpx.AsyncClient(transport=transport) as client:
        if passes:
            await client.request(method, url)
        else:
            with pytest.raises(Halted):
                await client.request(method, url)
    assert len(sent) == passes


async def test_a_read_only_session_reads_and_cannot_write() -> None:
    script = Script().on("GET", f"{API}/countries", envelope()).on("GET", f"{API}/workspaceTypes", envelope())
    async with engage(script, read_only=True) as session:
        await EngageReader(session).read(lambda _: Demand())
        writer = EngageWriter(session)
        with pytest.raises(Halted):
            await writer.create(Kind.COUNTRY, Key("wp:country:US"), {"ResourceName": "x"})
        with pytest.raises(Halted):
            await writer.update(Kind.LOCATION, 1, {"GroupId": 1})
        with pytest.raises(Halted):
            await writer.delete(Kind.FLOOR, 1)
    assert {(r.method, r.url.path) for r in script.requests} == {
        ("POST", TOKEN), ("GET", f"{API}/countries"), ("GET", f"{API}/workspaceTypes"),
    }  # fmt: skip
