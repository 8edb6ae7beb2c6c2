from typing import Any

import httpx
import pytest

from engage_sync.clients.engage import EngageWriter
from engage_sync.clients.http import CREATES
from reconcilers.errors import (
    CredentialsRejected,
    IncompleteAnswer,
    QuotaExhausted,
    RateLimited,
    RefusedError,
    SyncError,
    TransientError,
    UnknownOutcome,
)
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Key, Kind, Value
from tests.unit.clients.fakes import (
    API,
    CANARY,
    TOKEN,
    FakeTime,
    Script,
    body_of,
    engage,
    envelope,
    refused,
    stored,
)

KEY = Key("wp:room:1")
ROOM: dict[str, Value] = {
    "ResourceName": "R1", "LocationId": 4, "ResourceType": MEETING, "FloorNumber": "3",
    "WorkspaceTypeId": 1, "MaxCapacity": 6, "GroupId": 8,
}  # fmt: skip
OURS = {"InternalId": 20, "ResourceName": "R1", "ExternalId": KEY}
ROOMS = f"{API}/rooms"


async def create(
    script: Script, kind: Kind = Kind.RESOURCE, key: Key = KEY, fields: dict[str, Value] | None = None
) -> int:
    async with engage(script) as session:
        return await EngageWriter(session).create(kind, key, ROOM if fields is None else fields)


async def create_fails(script: Script) -> SyncError:
    with pytest.raises(SyncError) as caught:
        await create(script)
    assert caught.value.system == "target"
    assert CANARY not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("kind", "key", "fields", "path", "body"),
    [
        (
            Kind.COUNTRY, "wp:country:US",
            {"ResourceName": "USA", "InternalParentId": None, "CountryCode": "US"},
            "/countries", {"ResourceName": "USA", "CountryCode": "US"},
        ),
        (
            Kind.REGION, "wp:city:US:houston", {"ResourceName": "Houston", "InternalParentId": 1},
            "/regions", {"ResourceName": "Houston", "InternalParentId": 1},
        ),
        (
            Kind.GROUP, "wp:group:US", {"ResourceName": "G", "InternalParentId": 1},
            "/groups", {"ResourceName": "G", "InternalParentId": 1},
        ),
        (
            Kind.WORKSPACE_TYPE, "wp:type:52",
            {"ResourceName": "AREA", "InternalParentId": None, "Family": "AllDay"},
            "/workspaceTypes", {"ResourceName": "AREA", "Family": "AllDay"},
        ),
        (
            Kind.LOCATION, "wp:building:9",
            {
                "ResourceName": "HQ", "InternalParentId": 2, "LocationAddress": "", "PostCode": "1",
                "LocationCity": "c", "LocationCountry": "d", "TimeZone": "UTC",
                "NumberOfFloorsAboveGround": 2, "NumberOfFloorsBelowGround": 0,
            },
            "/locations",
            {
                "ResourceName": "HQ", "InternalParentId": 2, "LocationAddress": "", "PostCode": "1",
                "LocationCity": "c", "LocationCountry": "d", "TimeZone": "UTC",
                "NumberOfFloorsAboveGround": 2, "NumberOfFloorsBelowGround": 0,
            },
        ),
        (
            Kind.FLOOR, "wp:floor:5", {"ResourceName": "1st", "InternalParentId": 4, "FloorNumber": -1},
            "/floors", {"ResourceName": "1st", "InternalParentId": 4, "FloorNumber": "-1"},
        ),
        (
            Kind.RESOURCE, KEY, {**ROOM, "FloorNumber": 3},
            "/rooms", {name: value for name, value in ROOM.items() if name != "ResourceType"},
        ),
        (
            Kind.RESOURCE, KEY, {**ROOM, "ResourceType": PERSONAL},
            "/desks", {name: value for name, value in ROOM.items() if name != "ResourceType"},
        ),
    ],
)  # fmt: skip
async def test_a_create_posts_the_fields_and_the_external_id(
    kind: Kind, key: str, fields: dict[str, Value], path: str, body: dict[str, Value]
) -> None:
    script = Script().on("POST", f"{API}{path}", stored(InternalId=77))
    assert await create(script, kind, Key(key), fields) == 77
    [posted] = script.sent("POST", f"{API}{path}")
    assert body_of(posted) == {**body, "ExternalId": key}
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["ocp-apim-subscription-key"] == "key-hierarchy"


def server() -> tuple[Script, list[Any]]:
    """A server whose list of rooms shows what it holds."""
    held: list[Any] = []
    script = Script().on("GET", ROOMS, lambda _: httpx.Response(200, json=envelope(*held)))
    return script, held


UNKNOWN: list[Any] = [
    httpx.ReadError("reset"), httpx.RemoteProtocolError("x"), httpx.WriteError("x"), httpx.ReadTimeout("x"),
    httpx.ConnectTimeout("lost after sending, as httpx-aiohttp says it"),
    httpx.Response(500), httpx.Response(502), httpx.Response(503), httpx.Response(504), httpx.Response(408),
    httpx.Response(201, text="<html>"), httpx.Response(201, content=b""),
    httpx.Response(200, json={}), httpx.Response(201, json={"IsError": False, "Data": None}),
    httpx.Response(201, json={"IsError": False, "Data": {"InternalId": "x"}}), httpx.Response(302),
]  # fmt: skip


@pytest.mark.parametrize("answer", UNKNOWN, ids=repr)
async def test_committed_but_answer_lost_is_found_and_not_sent_again(answer: Any) -> None:
    script, held = server()

    def commit(request: httpx.Request) -> httpx.Response:
        held.append(OURS)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    script.on("POST", ROOMS, commit)
    assert await create(script) == 20
    assert len(script.sent("POST", ROOMS)) == 1
    assert len(held) == 1
    assert dict(script.sent("GET", ROOMS)[0].url.params) == {"extendedDetails": "true", "locationId": "4"}


@pytest.mark.parametrize("answer", UNKNOWN, ids=repr)
async def test_lost_before_it_was_committed_is_sent_again(answer: Any) -> None:
    script, _ = server()
    script.on("POST", ROOMS, answer, stored(InternalId=21))
    assert await create(script) == 21
    assert len(script.sent("POST", ROOMS)) == 2
    order = [request.method for request in script.requests if request.url.path == ROOMS]
    assert order == ["POST", "GET", "POST"]


async def test_committed_late_shows_as_a_409_and_is_ours() -> None:
    script = Script().on("GET", ROOMS, envelope(), envelope(OURS))
    script.on("POST", ROOMS, httpx.Response(504), refused(409, "ExternalId is used"))
    assert await create(script) == 20


async def test_a_409_of_our_own_earlier_run_is_ours() -> None:
    script = Script().on("GET", ROOMS, envelope({**OURS, "ExternalId": "other", "InternalId": 19}, OURS))
    script.on("POST", ROOMS, refused(409))
    assert await create(script) == 20


async def test_a_409_of_somebody_else_is_a_refusal() -> None:
    script = Script().on("GET", ROOMS, envelope({**OURS, "ExternalId": None}))
    script.on("POST", ROOMS, refused(409, "A room of this name exists."))
    error = await create_fails(script)
    assert isinstance(error, RefusedError)
    assert "A room of this name exists." in error.message
    assert len(script.sent("POST", ROOMS)) == 1


async def test_an_outcome_that_stays_unknown_is_told_after_some_attempts() -> None:
    script = Script().on("GET", ROOMS, envelope()).on("POST", ROOMS, httpx.Response(504))
    error = await create_fails(script)
    assert type(error) is UnknownOutcome
    assert len(script.sent("POST", ROOMS)) == CREATES
    assert len(script.sent("GET", ROOMS)) == CREATES


@pytest.mark.parametrize(
    "look_up", [httpx.Response(500), httpx.ReadError("x"), httpx.Response(200, text="<")]
)
async def test_when_the_look_up_fails_nothing_is_sent_again(look_up: Any) -> None:
    script = Script().on("GET", ROOMS, look_up).on("POST", ROOMS, httpx.Response(504))
    assert type(await create_fails(script)) is UnknownOutcome
    assert len(script.sent("POST", ROOMS)) == 1


@pytest.mark.parametrize(
    ("look_up", "expected"),
    [
        (httpx.Response(403, headers={"retry-after": "60"}), QuotaExhausted),
        (httpx.Response(401), CredentialsRejected),
    ],
)
async def test_when_the_look_up_is_not_allowed_that_is_what_is_told(
    look_up: httpx.Response, expected: type[SyncError]
) -> None:
    script = Script().on("GET", ROOMS, look_up).on("POST", ROOMS, httpx.Response(504))
    assert isinstance(await create_fails(script), expected)


async def test_a_look_up_waits_first() -> None:
    time = FakeTime()
    script = Script().on("GET", ROOMS, envelope(OURS)).on("POST", ROOMS, httpx.Response(504))
    async with engage(script, time) as session:
        await EngageWriter(session).create(Kind.RESOURCE, KEY, ROOM)
    assert time.now > 0


@pytest.mark.parametrize("status", [429, 401])
async def test_a_create_that_was_turned_away_is_sent_again_without_a_look_up(status: int) -> None:
    script = Script().on("POST", ROOMS, httpx.Response(status), stored(InternalId=22))
    assert await create(script) == 22
    assert script.sent("GET", ROOMS) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(400, "The floor is missing."), RefusedError),
        (refused(404, "no parent"), RefusedError),
        (refused(422), RefusedError),
        (httpx.Response(200, json={"IsError": True, "Message": "no", "Data": None}), RefusedError),
        (httpx.Response(403, json={"message": "quota exceeded"}), QuotaExhausted),
        (httpx.Response(403), CredentialsRejected),
        (httpx.Response(429), RateLimited),
        (httpx.Response(401), CredentialsRejected),
    ],
)
async def test_a_create_that_is_refused_is_known_not_to_have_happened(
    answer: httpx.Response, expected: type[SyncError]
) -> None:
    script = Script().on("POST", ROOMS, answer)
    assert isinstance(await create_fails(script), expected)
    assert script.sent("GET", ROOMS) == []


async def test_no_token_means_that_nothing_was_sent() -> None:
    script = Script().on("POST", TOKEN, httpx.Response(503))
    assert type(await create_fails(script)) is TransientError


async def test_an_update_puts_what_changed() -> None:
    script = Script().on("PUT", f"{API}/desks/20", envelope(), httpx.Response(204))
    async with engage(script) as session:
        writer = EngageWriter(session)
        fields: dict[str, Value] = {"ResourceName": "D", "FloorNumber": 2, "ExternalId": None}
        await writer.update(Kind.RESOURCE, 20, fields, variant=PERSONAL)
        await writer.update(Kind.RESOURCE, 20, {"MaxCapacity": 2}, variant=PERSONAL)
    first, second = script.sent("PUT", f"{API}/desks/20")
    assert body_of(first) == {"ResourceName": "D", "FloorNumber": "2", "ExternalId": None}
    assert body_of(second) == {"MaxCapacity": 2}


@pytest.mark.parametrize("answer", [stored(), httpx.Response(204), refused(409, "already there")])
async def test_a_locations_group_is_added_by_a_call_of_its_own(answer: httpx.Response) -> None:
    script = Script().on("POST", f"{API}/locations/4/groups", answer)
    async with engage(script) as session:
        await EngageWriter(session).update(Kind.LOCATION, 4, {"GroupId": 3})
        await EngageWriter(session).update(Kind.LOCATION, 4, {"GroupId": None})
    [added] = script.sent("POST", f"{API}/locations/4/groups")
    assert body_of(added) == {"GroupId": 3}


async def test_a_group_and_other_fields_go_their_own_ways() -> None:
    script = (
        Script().on("POST", f"{API}/locations/4/groups", stored()).on("PUT", f"{API}/locations/4", stored())
    )
    async with engage(script) as session:
        await EngageWriter(session).update(Kind.LOCATION, 4, {"PostCode": "1", "GroupId": 3})
    assert body_of(script.sent("PUT", f"{API}/locations/4")[0]) == {"PostCode": "1"}


async def test_updates_deletes_and_links_are_simply_sent_again() -> None:
    lost = httpx.ReadError("reset")
    script = Script()
    page = httpx.Response(200, text="<html>back soon")
    script.on("PUT", f"{API}/floors/5", lost, httpx.Response(504), page, envelope())
    script.on("DELETE", f"{API}/floors/5", httpx.Response(504), refused(404, "gone"))
    script.on("POST", f"{API}/locations/4/groups", lost, stored())
    async with engage(script) as session:
        writer = EngageWriter(session)
        await writer.update(Kind.FLOOR, 5, {"ResourceName": "x"})
        await writer.delete(Kind.FLOOR, 5)
        await writer.update(Kind.LOCATION, 4, {"GroupId": 3})
    assert len(script.requests) == 1 + 4 + 2 + 2


@pytest.mark.parametrize("answer", [stored(), httpx.Response(200), httpx.Response(204), refused(404)])
async def test_a_delete_is_done_when_it_is_gone(answer: httpx.Response) -> None:
    script = Script().on("DELETE", f"{API}/rooms/20", answer)
    async with engage(script) as session:
        await EngageWriter(session).delete(Kind.RESOURCE, 20, variant=MEETING)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(400), RefusedError), (refused(409, "has children"), RefusedError),
        (httpx.Response(200, json={"IsError": True, "Data": None, "Message": "no"}), RefusedError),
        (httpx.Response(200, text="<html>login"), IncompleteAnswer),
        (httpx.Response(302), IncompleteAnswer),
        (httpx.Response(500), TransientError), (httpx.Response(429), RateLimited),
        (httpx.Response(403, json={"message": "quota"}), QuotaExhausted),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_what_an_update_or_delete_may_end_in(
    method: str, answer: httpx.Response, expected: type[SyncError]
) -> None:
    script = Script().on(method, f"{API}/floors/5", answer)
    async with engage(script) as session:
        writer = EngageWriter(session)
        update, delete = writer.update(Kind.FLOOR, 5, {"ResourceName": "x"}), writer.delete(Kind.FLOOR, 5)
        chosen, other = (update, delete) if method == "PUT" else (delete, update)
        other.close()
        with pytest.raises(SyncError) as caught:
            await chosen
    assert isinstance(caught.value, expected)
    assert caught.value.system == "target"


async def test_an_update_of_what_is_gone_is_a_refusal() -> None:
    script = Script().on("PUT", f"{API}/floors/5", refused(404, "no such floor"))
    async with engage(script) as session:
        with pytest.raises(RefusedError, match="no such floor"):
            await EngageWriter(session).update(Kind.FLOOR, 5, {"ResourceName": "x"})
