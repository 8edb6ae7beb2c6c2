import asyncio
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.engage_wire import Asked
from engage_sync.clients.limits import RateLimit
from engage_sync.clients.secrets import EngageCredentials, Secret
from reconcilers.errors import (
    ConfigError,
    CredentialsRejected,
    IncompleteAnswer,
    RateLimited,
    SyncError,
    TransientError,
)
from reconcilers.model import Kind
from tests.unit.clients.fakes import API, CANARY, TOKEN, FakeTime, Script, engage, envelope

COUNTRIES = Asked(Kind.COUNTRY)


def issuing(life: Any = 43199) -> Script:
    script = Script().on("GET", f"{API}/countries", envelope())
    count = 0

    def token(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return httpx.Response(200, json={"access_token": f"tok-{count}", "expires_in": life})

    return script.on("POST", TOKEN, token)


def bearer(script: Script) -> list[str]:
    return [request.headers["authorization"] for request in script.sent("GET", f"{API}/countries")]


async def test_the_token_is_asked_for_once_as_a_form() -> None:
    script = issuing()
    async with engage(script) as session:
        for _ in range(3):
            await session.listing(COUNTRIES)
        assert session.requests == 4
    [asked] = script.sent("POST", TOKEN)
    assert str(asked.url) == "https://acme.example/tokenproviderapi/token"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "ocp-apim-subscription-key" not in asked.headers
    assert parse_qs(asked.content.decode()) == {
        "client_id": ["client"], "password": [CANARY], "grant_type": ["password"]
    }  # fmt: skip
    assert bearer(script) == ["Bearer tok-1"] * 3
    listed = script.sent("GET", f"{API}/countries")[0]
    assert str(listed.url) == "https://api.example/Acme/api/V1/countries"
    assert listed.headers["ocp-apim-subscription-key"] == "key-hierarchy"


@pytest.mark.parametrize(("life", "renewed_at"), [(43199, 42899), ("43199", 42899), (100, 90), (1.0, 0.9)])
async def test_it_is_renewed_before_it_expires(life: Any, renewed_at: float) -> None:
    time = FakeTime()
    script = issuing(life)
    async with engage(script, time) as session:
        await session.listing(COUNTRIES)
        time.now = renewed_at - 0.01
        await session.listing(COUNTRIES)
        time.now = renewed_at
        await session.listing(COUNTRIES)
    assert bearer(script) == ["Bearer tok-1", "Bearer tok-1", "Bearer tok-2"]


async def test_many_calls_at_once_ask_for_one_token() -> None:
    script = issuing()
    async with engage(script) as session:
        await asyncio.gather(*(session.listing(COUNTRIES) for _ in range(20)))
    assert len(script.sent("POST", TOKEN)) == 1


async def test_a_rejected_token_is_replaced_once_for_all_calls() -> None:
    script = issuing()

    def picky(request: httpx.Request) -> httpx.Response:
        good = request.headers["authorization"] == "Bearer tok-2"
        return (
            httpx.Response(200, json=envelope()) if good else httpx.Response(401, json={"message": "expired"})
        )

    script.on("GET", f"{API}/countries", picky)
    async with engage(script) as session:
        await asyncio.gather(*(session.listing(COUNTRIES) for _ in range(10)))
    assert len(script.sent("POST", TOKEN)) == 2


async def test_a_token_that_ends_while_calls_wait_for_their_turn_is_renewed_before_they_are_sent() -> None:
    time, script, life = FakeTime(), Script(), 60.0
    ends: dict[str, float] = {}

    def token(_: httpx.Request) -> httpx.Response:
        name = f"tok-{len(ends) + 1}"
        ends[f"Bearer {name}"] = time.now + life
        return httpx.Response(200, json={"access_token": name, "expires_in": life})

    def expiring(request: httpx.Request) -> httpx.Response:
        alive = time.now < ends[request.headers["authorization"]]
        return httpx.Response(200, json=envelope()) if alive else httpx.Response(401)

    script.on("POST", TOKEN, token).on("GET", f"{API}/countries", expiring)
    async with engage(script, time, RateLimit(1, 0)) as session:
        await asyncio.gather(*(session.listing(COUNTRIES) for _ in range(12)))

    assert len(bearer(script)) == 12  # none was refused


class Slow(Script):
    """Answers when everybody else had a turn."""

    async def later(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return super().__call__(request)

    def __call__(self, request: httpx.Request) -> Any:
        return self.later(request)


async def test_tokens_that_end_as_soon_as_others_used_them_are_not_taken_for_wrong_credentials() -> None:
    script, uses = Slow(), Counter[str]()

    def short_lived(request: httpx.Request) -> httpx.Response:
        uses[request.headers["authorization"]] += 1
        return httpx.Response(200 if uses[request.headers["authorization"]] <= 9 else 401, json=envelope())

    script.on("POST", TOKEN, *issuing().answers["POST", TOKEN]).on("GET", f"{API}/countries", short_lived)
    async with engage(script) as session:
        listings = await asyncio.gather(*(session.listing(COUNTRIES) for _ in range(400)))

    assert len(listings) == 400


async def test_a_401_twice_is_a_matter_of_credentials() -> None:
    script = issuing().on(
        "GET", f"{API}/countries", httpx.Response(401, json={"message": "bad key key-hierarchy"})
    )
    async with engage(script) as session:
        with pytest.raises(CredentialsRejected) as caught:
            await session.listing(COUNTRIES)
    assert "subscription key" in caught.value.message
    assert "key-hierarchy" not in caught.value.message
    assert len(bearer(script)) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), CredentialsRejected),
        (
            httpx.Response(400, json={"error": "invalid_grant", "error_description": f"no {CANARY}"}),
            CredentialsRejected,
        ),
        (httpx.Response(400, json={"error": {"x": 1}}), IncompleteAnswer),
        (httpx.Response(400, text="<html>"), IncompleteAnswer),
        (httpx.Response(401, json={"error": "invalid_grant"}), CredentialsRejected),
        (httpx.Response(401), CredentialsRejected),
        (httpx.Response(400, json={"error": "unsupported_grant_type"}), IncompleteAnswer),
        (httpx.Response(404, text="<html>"), IncompleteAnswer),
        (httpx.Response(302, headers={"location": "https://evil.example"}), IncompleteAnswer),
        (httpx.Response(200, text="<html>"), IncompleteAnswer),
        (httpx.Response(200, json={"access_token": ""}), IncompleteAnswer),
        (httpx.Response(200, json={"access_token": "a\nb"}), IncompleteAnswer),
        (httpx.Response(200, json={"access_token": "ä"}), IncompleteAnswer),
        (httpx.Response(200, json={"access_token": "a", "expires_in": -1}), IncompleteAnswer),
        (httpx.Response(200, json={"access_token": "a", "expires_in": "soon"}), IncompleteAnswer),
        (httpx.Response(429), RateLimited),
        (httpx.Response(503), TransientError),
        (httpx.ConnectError("refused"), TransientError),
    ],
)
async def test_when_no_token_is_given(answer: Any, expected: type[SyncError]) -> None:
    script = Script().on("POST", TOKEN, answer)
    async with engage(script) as session:
        with pytest.raises(SyncError) as caught:
            await session.listing(COUNTRIES)
    assert type(caught.value) is expected
    assert caught.value.system == "target"
    assert CANARY not in caught.value.message
    assert {request.url.host for request in script.requests} == {"acme.example"}


@pytest.mark.parametrize("keys", [{}, {"HierarchyMapping": Secret("")}, {"HierarchyMapping": Secret("a\n")}])
def test_a_missing_or_broken_subscription_key_is_named(keys: dict[str, Secret]) -> None:
    with pytest.raises(ConfigError, match="HierarchyMapping"):
        EngageSession(
            "https://acme.example",
            "https://api.example/Acme",
            EngageCredentials(Secret("c"), Secret("p"), keys),
            httpx.MockTransport(lambda _: httpx.Response(200)),
            user_agent="u",
        )
