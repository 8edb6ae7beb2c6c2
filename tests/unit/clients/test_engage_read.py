from typing import Any

import httpx
import pytest

from engage_sync.clients.engage import EngageReader
from engage_sync.clients.engage_paths import LINKS, ROUTES
from engage_sync.clients.engage_wire import Asked
from engage_sync.clients.limits import RateLimit, WeekQuota
from reconcilers.errors import (
    CredentialsRejected,
    IncompleteAnswer,
    QuotaExhausted,
    RateLimited,
    SyncError,
    TransientError,
)
from reconcilers.events import Reading
from reconcilers.levels import LEVELS
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Current, Holdings, Kind
from reconcilers.ports import Demand
from tests.unit.clients.fakes import API, CANARY, START, Ears, FakeTime, Script, engage, envelope, refused

ALL = Demand(True, frozenset({MEETING, PERSONAL}))
COUNTRY = {"InternalId": 1, "InternalParentId": None, "ResourceName": "Germany", "CountryCode": "DE"}
REGION = {"InternalId": 2, "InternalParentId": 1, "ResourceName": "Munich", "ExternalId": "wp:city:DE:munich"}
GROUP = {"InternalId": 3, "InternalParentId": 1, "ResourceName": "Germany Default Group"}
TYPES = [
    {"InternalId": 1, "ResourceName": "Meeting Room", "Family": "Hourly", "ExternalId": "wp:type:9"},
    {"InternalId": 2, "ResourceName": "Desk", "Family": "AllDay", "ExternalId": None},
    {"InternalId": 30, "ResourceName": "desk", "Family": "AllDay", "ExternalId": ""},
    {"InternalId": 31, "ResourceName": "Lab", "Family": "Hourly", "ExternalId": None},
]
LOCATION = {
    "InternalId": 4, "InternalParentId": 2, "ResourceName": "HQ", "ExternalId": "wp:building:9",
    "LocationAddress": "Leopoldstr. 1", "PostCode": None, "LocationCity": "Munich",
    "LocationCountry": "Germany", "TimeZone": "W. Europe Standard Time",
    "NumberOfFloorsAboveGround": 4, "NumberOfFloorsBelowGround": 1, "IsCostCentreMandatory": False,
    "LocationGroupMappings": [{"GroupId": 8, "GroupIdExternal": None}, {"GroupId": 3}],
}  # fmt: skip
FLOORS = [
    {"InternalId": 10, "InternalParentId": 4, "ResourceName": "Ground", "FloorNumber": "0"},
    {"InternalId": 11, "InternalParentId": 4, "ResourceName": "1st", "FloorNumber": 1},
]
ROOM = {
    "InternalId": 20, "InternalParentId": 0, "ResourceName": "R1", "ExternalId": "wp:room:1",
    "FloorNumber": "01", "FloorName": "1st", "WorkspaceTypeId": 1, "MaxCapacity": 6, "extendedDetails": {},
}  # fmt: skip
DESK = {"InternalId": 21, "ResourceName": "D1", "FloorNumber": "7", "WorkspaceTypeId": 2, "MaxCapacity": 1}


def hierarchy(script: Script | None = None) -> Script:
    script = script or Script()
    for path, items in (
        ("/countries", [COUNTRY]), ("/regions", [REGION]), ("/groups", [GROUP]), ("/workspaceTypes", TYPES),
        ("/locations", [LOCATION]), ("/floors", FLOORS), ("/rooms", [ROOM]), ("/desks", [DESK]),
    ):  # fmt: skip
        script.on("GET", f"{API}{path}", envelope(*items))
    return script


async def read(script: Script, demand: Demand = ALL, **options: Any) -> Holdings:
    async with engage(script, **options) as session:
        return await EngageReader(session).read(lambda _: demand)


async def failure(script: Script, **options: Any) -> SyncError:
    async with engage(script, **options) as session:
        with pytest.raises(SyncError) as caught:
            await EngageReader(session).read(lambda _: ALL)
    assert caught.value.system == "target"
    assert CANARY not in caught.value.message
    return caught.value


async def test_a_hierarchy_is_read_in_the_words_of_the_levels() -> None:
    script = hierarchy()
    holdings = await read(script)
    assert holdings.items == (
        Current(Kind.COUNTRY, 1, None, ("Germany", None, "DE")),
        Current(Kind.REGION, 2, "wp:city:DE:munich", ("Munich", 1)),
        Current(Kind.GROUP, 3, None, ("Germany Default Group", 1)),
        Current(Kind.WORKSPACE_TYPE, 1, "wp:type:9", ("Meeting Room", None, "Hourly"), builtin=True),
        Current(Kind.WORKSPACE_TYPE, 2, None, ("Desk", None, "AllDay"), builtin=True),
        Current(Kind.WORKSPACE_TYPE, 30, None, ("desk", None, "AllDay"), builtin=True),
        Current(Kind.WORKSPACE_TYPE, 31, None, ("Lab", None, "Hourly")),
        Current(
            Kind.LOCATION, 4, "wp:building:9",
            ("HQ", 2, "Leopoldstr. 1", "", "Munich", "Germany", "W. Europe Standard Time", 4, 1, 3),
        ),
        Current(Kind.FLOOR, 10, None, ("Ground", 4, "0")),
        Current(Kind.FLOOR, 11, None, ("1st", 4, "1")),
        Current(Kind.RESOURCE, 20, "wp:room:1", ("R1", 4, MEETING, 11, 1, 6)),
        Current(Kind.RESOURCE, 21, None, ("D1", 4, PERSONAL, None, 2, 1)),
    )  # fmt: skip
    asked = {str(request.url.copy_with(host="x")) for request in script.requests if request.method == "GET"}
    assert asked == {
        f"https://x{API}/countries", f"https://x{API}/regions?countryId=1", f"https://x{API}/groups?countryId=1",
        f"https://x{API}/workspaceTypes", f"https://x{API}/locations?regionId=2",
        f"https://x{API}/floors?locationId=4", f"https://x{API}/rooms?extendedDetails=true&locationId=4",
        f"https://x{API}/desks?extendedDetails=true&locationId=4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("demand", "below"),
    [
        (Demand(False), set()),
        (Demand(True), {"/floors"}),
        (Demand(True, frozenset({PERSONAL})), {"/floors", "/desks"}),
    ],
)
async def test_below_a_location_only_what_is_demanded(demand: Demand, below: set[str]) -> None:
    script = hierarchy()
    await read(script, demand)
    paths = {request.url.path.removeprefix(API) for request in script.requests}
    assert paths & {"/floors", "/rooms", "/desks"} == below


async def test_demand_is_asked_with_the_location() -> None:
    seen: list[Current] = []

    def demand(location: Current) -> Demand:
        seen.append(location)
        return Demand(False)

    async with engage(hierarchy()) as session:
        await EngageReader(session).read(demand)
    assert [location.external_id for location in seen] == ["wp:building:9"]


async def test_every_field_of_every_level_has_a_place_in_the_table() -> None:
    for kind, level in LEVELS.items():
        for (of, _), route in ROUTES.items():
            if of is kind:
                elsewhere = {level.fields[1].name, level.variant}
                linked = {name for owner, name in LINKS if owner is kind}
                assert {f.name for f in level.fields} - elsewhere - linked <= set(route.columns)
                assert bool(route.below) == (level.parent is not None)


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("/countries", {**COUNTRY, "InternalId": "1"}),
        ("/countries", {**COUNTRY, "InternalId": None}),
        ("/countries", {**COUNTRY, "CountryCode": 49}),
        ("/countries", "x"),
        ("/regions", {**REGION, "InternalParentId": 99}),
        ("/locations", {**LOCATION, "InternalParentId": 99}),
        ("/locations", {**LOCATION, "NumberOfFloorsAboveGround": "4"}),
        ("/locations", {**LOCATION, "LocationGroupMappings": [{}]}),
        ("/floors", {**FLOORS[0], "FloorNumber": 1.5}),
        ("/workspaceTypes", {"InternalId": 5, "ResourceName": "x"}),
        ("/workspaceTypes", {"InternalId": 5, "ResourceName": "x", "Family": None}),
        ("/rooms", {**ROOM, "WorkspaceTypeId": "1"}),
        ("/rooms", {**ROOM, "ResourceName": ["x"]}),
    ],
)
async def test_an_item_that_is_not_understood_is_incomplete(path: str, item: Any) -> None:
    error = await failure(hierarchy().on("GET", f"{API}{path}", envelope(item)))
    assert type(error) is IncompleteAnswer
    assert path in error.message


async def test_a_listing_that_ignores_its_parent_is_not_believed() -> None:
    other = {**LOCATION, "InternalId": 5}
    script = hierarchy().on("GET", f"{API}/locations", envelope(LOCATION, other))
    script.on("GET", f"{API}/floors", envelope())
    error = await failure(script)
    assert type(error) is IncompleteAnswer
    assert "2 times" in error.message


@pytest.mark.parametrize(
    "path", ["/countries", "/regions", "/groups", "/workspaceTypes", "/locations", "/rooms"]
)
@pytest.mark.parametrize(
    ("answer", "expected", "calls"),
    [
        (httpx.Response(200, text="<html>"), IncompleteAnswer, 1),
        (httpx.Response(200, content=b""), IncompleteAnswer, 1),
        (httpx.Response(200, json=[]), IncompleteAnswer, 1),
        (httpx.Response(200, json={"Data": []}), IncompleteAnswer, 1),
        (httpx.Response(200, json={"IsError": False, "Data": None}), IncompleteAnswer, 1),
        (httpx.Response(200, json={"IsError": False}), IncompleteAnswer, 1),
        (httpx.Response(200, json={"IsError": True, "Data": [], "Message": CANARY}), IncompleteAnswer, 1),
        (refused(400), IncompleteAnswer, 1),
        (httpx.Response(404, json={"statusCode": 404, "message": "Resource not found"}), IncompleteAnswer, 1),
        (httpx.Response(302, headers={"location": "https://evil.example"}), IncompleteAnswer, 1),
        (httpx.Response(401), CredentialsRejected, 2),
        (httpx.Response(403, json={"message": "no access"}), CredentialsRejected, 1),
        (httpx.Response(403, json={"message": "Out of call volume quota."}), QuotaExhausted, 1),
        (httpx.Response(403, headers={"retry-after": "5"}), QuotaExhausted, 1),
        (httpx.Response(429), RateLimited, 5),
        (httpx.Response(500), TransientError, 5),
        (httpx.ReadError("reset"), TransientError, 5),
    ],
)
async def test_any_listing_that_fails_fails_the_reading(
    path: str, answer: Any, expected: type[SyncError], calls: int
) -> None:
    script = hierarchy().on("GET", f"{API}{path}", answer)
    error = await failure(script)
    assert isinstance(error, expected)
    assert len(script.sent("GET", f"{API}{path}")) == calls


async def test_a_listing_that_is_not_there_names_the_setting_to_correct() -> None:
    gone = httpx.Response(404, json={"statusCode": 404, "message": "Resource not found"})
    error = await failure(hierarchy().on("GET", f"{API}/countries", gone))
    assert error.message == (
        "Engage answered /countries with 404: Resource not found; spec.target.apiURL may be the wrong one"
    )


async def test_status_false_is_no_error_and_a_listing_may_be_empty() -> None:
    script = hierarchy().on("GET", f"{API}/regions", {"IsError": False, "Data": [], "Status": False})
    assert len((await read(script)).items) == 6


async def test_a_429_with_retry_after_makes_every_call_wait_and_counts_as_pacing() -> None:
    time = FakeTime()
    busy = httpx.Response(429, headers={"retry-after": "45"}, json={"statusCode": 429, "message": "slow"})
    script = hierarchy().on("GET", f"{API}/countries", busy, busy, busy, envelope(COUNTRY))
    await read(script, time=time)
    assert time.now >= 3 * 45  # more than the minute after which a call is given up


async def test_a_429_that_asks_for_more_than_a_minute_ends_it() -> None:
    script = hierarchy().on("GET", f"{API}/countries", httpx.Response(429, headers={"retry-after": "3600"}))
    error = await failure(script)
    assert type(error) is RateLimited
    assert error.retry_after == 3600


async def test_the_weeks_end_comes_from_the_server_or_from_our_own_count() -> None:
    script = hierarchy().on("GET", f"{API}/rooms", httpx.Response(403, headers={"retry-after": "7200"}))
    error = await failure(script)
    assert isinstance(error, QuotaExhausted)
    assert error.retry_after == 7200

    script = hierarchy()
    async with engage(script, rate=RateLimit(0, 5), week=WeekQuota(START - 60, 3)) as session:
        with pytest.raises(QuotaExhausted):
            await EngageReader(session).read(lambda _: ALL)
        assert session.week == WeekQuota(START - 60, 5)
        assert session.left_this_week == 0
    assert len([request for request in script.requests if request.method == "GET"]) == 2


async def test_progress_is_told_listing_by_listing() -> None:
    ears = Ears()
    async with engage(hierarchy()) as session:
        await EngageReader(session, observer=ears).read(lambda _: ALL)
    assert Reading("target", "floors", 2) in ears.heard
    assert Reading("target", "desks", 1) in ears.heard


async def test_find_looks_below_one_parent() -> None:
    script = hierarchy()
    async with engage(script) as session:
        reader = EngageReader(session)
        assert await reader.find(Kind.RESOURCE, "wp:room:1", parent=4, variant=MEETING) == 20
        assert await reader.find(Kind.RESOURCE, "wp:room:2", parent=4, variant=MEETING) is None
        assert await reader.find(Kind.REGION, "wp:city:DE:munich", parent=1) == 2


async def test_after_a_429_other_calls_wait_too() -> None:
    time = FakeTime()
    busy = httpx.Response(429, headers={"retry-after": "30"})
    script = hierarchy().on("GET", f"{API}/countries", busy)
    async with engage(script, time) as session:
        with pytest.raises(RateLimited):
            await session.listing(Asked(Kind.COUNTRY))
        told = time.now
        await session.listing(Asked(Kind.WORKSPACE_TYPE))
        assert time.now == told + 30
