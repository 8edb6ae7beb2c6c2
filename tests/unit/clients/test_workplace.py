from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from engage_sync.clients.secrets import Secret, WorkplaceCredentials
from engage_sync.clients.workplace import WorkplaceSource
from reconcilers.errors import (
    ConfigError,
    CredentialsRejected,
    IncompleteAnswer,
    RateLimited,
    SyncError,
    TransientError,
)
from reconcilers.events import Reading
from reconcilers.model import Kind
from reconcilers.proof import prove
from reconcilers.source import Building, Center, Floor, Observation, Space, SpaceType, Unreadable
from tests.unit.clients.fakes import CANARY, V2, Ears, FakeTime, Script, Tenant, pages, workplace

VALUE = "a value that is not what it should be"

BUILDING = {
    "id": 2196, "name": "HQ", "code": "mystery", "metric": False, "leaseArea": 0.0,
    "address": {
        "street": "1 Main", "street2": None, "city": "Houston", "postalCode": "77019",
        "country": {"id": 223, "name": "United States of America (the)", "alpha2Code": "US", "isoCode": "US"},
        "state": {"id": 14, "name": "Texas", "code": "TX", "country": {}},
    },
    "centers": [
        {"module": "reservation", "name": "r", "id": 145}, {"module": "maintenance", "name": "m", "id": 7}
    ],
}  # fmt: skip
FLOOR = {"id": 5, "name": "1st Floor", "area": 2000.0, "building": {"id": 2196, "name": "HQ"}}
ROOM = {
    "id": 13, "name": "Röntgen", "capacity": 5, "reservable": True, "type": {"id": 52, "name": "AREA"},
    "floor": {"id": 5, "name": "1st Floor", "building": {"id": 2196}},
}  # fmt: skip
TYPE = {"id": 52, "name": "AREA", "spaceTypeGroup": {"id": 2, "name": "Me Spaces", "roomTypes": [{"id": 4}]}}
CENTER = {
    "id": 145, "name": "Houston", "rules": "{}", "timeZone": {"ID": "America/Chicago"},
    "buildings": [{"id": 2196, "name": "HQ", "centers": [{"module": "reservation", "id": 145}]}],
}  # fmt: skip


def rooms(count: int) -> list[Any]:
    return [{**ROOM, "id": id} for id in range(1, count + 1)]


async def read(tenant: Tenant, known: Iterable[int] | None = None, **options: Any) -> Observation:
    """Read all; `known` are ids of rooms, None: nobody knows what there was."""
    async with workplace(tenant.script, **options) as source:
        return await source.read({} if known is None else {Kind.RESOURCE: frozenset(known)})


def starts(tenant: Tenant) -> list[int]:
    """Where the pages of rooms began, in the order of asking."""
    return [int(request.url.params["startAt"]) for request in tenant.script.sent("GET", f"{V2}/rooms")]


async def failure(script: Script, time: FakeTime | None = None) -> SyncError:
    async with workplace(script, time) as source:
        with pytest.raises(SyncError) as caught:
            await source.read({})
    assert caught.value.system == "source"
    assert CANARY not in caught.value.message
    return caught.value


async def test_a_tenant_is_read_into_records() -> None:
    tenant = Tenant([BUILDING], [FLOOR], [ROOM], [TYPE], [CENTER])
    observed = await read(tenant)

    assert observed.buildings.items == (
        Building(
            2196, "HQ", "mystery", "1 Main", "", "Houston", "Texas", "77019",
            "US", "United States of America (the)", frozenset({145}),
        ),
    )  # fmt: skip
    assert observed.floors.items == (Floor(5, "1st Floor", 2196),)
    assert observed.spaces.items == (Space(13, "Röntgen", 5, True, 52, 5),)
    assert observed.types.items == (SpaceType(52, "AREA", "Me Spaces"),)
    assert observed.centers.items == (Center(145, "America/Chicago", frozenset({2196})),)
    assert observed.buildings.counted == (1, 1)
    assert observed.centers.counted is None
    assert prove(observed, {})[0] is not None


async def test_requests_carry_the_documented_headers_and_parameters() -> None:
    tenant = Tenant([BUILDING], [FLOOR], [ROOM], [TYPE], [CENTER])
    async with workplace(tenant.script) as source:
        await source.read({})
        # four listings of one page with two counts each, the list of centers, one detail
        assert source.requests == len(tenant.script.requests) == 4 * 3 + 1 + 1
    for request in tenant.script.requests:
        raw = {name.lower(): value for name, value in request.headers.raw}
        assert raw[b"x-auth-username"] == "jürgen".encode()
        assert raw[b"x-auth-password"] == CANARY.encode()
        assert raw[b"user-agent"] == b"engage-sync/0 (acme)"
    paging = {"limit": "100", "startAt": "0", "orderBy": "id", "orderByType": "asc"}
    both = {"includeReservable": "true", "includeNonReservable": "true"}
    [listed] = tenant.script.sent("GET", f"{V2}/rooms")
    assert dict(listed.url.params) == {**paging, **both}
    assert dict(tenant.script.sent("GET", f"{V2}/rooms/count")[0].url.params) == both
    [listed] = tenant.script.sent("GET", f"{V2}/buildings")
    assert dict(listed.url.params) == {**paging, "selector": "centers(module)"}
    assert dict(tenant.script.sent("GET", f"{V2}/buildings/count")[0].url.params) == {}
    assert dict(tenant.script.sent("GET", f"{V2}/centers")[0].url.params) == {"module": "reservation"}
    [detail] = tenant.script.sent("GET", f"{V2}/centers/145")
    assert dict(detail.url.params) == {"selector": "buildings(centers(module)),rules"}


@pytest.mark.parametrize(
    ("count", "calls"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (1000, 10)]
)
async def test_a_listing_takes_as_many_pages_as_it_fills(count: int, calls: int) -> None:
    tenant = Tenant(rooms=rooms(count))
    observed = await read(tenant, known=range(1, count + 1))
    assert len(observed.spaces.items) == count
    assert starts(tenant) == [100 * page for page in range(calls)]


@pytest.mark.parametrize("count", [150, 200, 250])
async def test_a_listing_of_which_nobody_knows_what_it_held_is_read_with_pages_that_meet(count: int) -> None:
    tenant = Tenant(rooms=rooms(count))
    observed = await read(tenant)
    assert [space.id for space in observed.spaces.items] == list(range(1, count + 1))
    assert starts(tenant) == list(range(0, count - 1, 99))
    assert observed.spaces.seamless


async def test_a_listing_that_lacks_what_is_known_is_read_again_with_pages_that_meet() -> None:
    tenant = Tenant(rooms=rooms(150))
    observed = await read(tenant, known=[7, 151])
    assert starts(tenant) == [0, 100, 0, 99]
    assert observed.spaces.seamless
    assert len(observed.spaces.items) == 150


async def test_one_page_that_is_not_full_hides_nothing_so_what_is_not_on_it_is_gone() -> None:
    tenant = Tenant(rooms=rooms(99))
    observed = await read(tenant, known=[7, 151])
    assert starts(tenant) == [0]
    assert observed.spaces.seamless


@pytest.mark.parametrize(("count", "begun"), [(100, [0, 0, 99]), (199, [0, 100, 0, 99, 198])])
async def test_that_something_is_gone_is_believed_only_at_a_page_that_is_not_full(
    count: int, begun: list[int]
) -> None:
    tenant = Tenant(rooms=rooms(count))
    observed = await read(tenant, known=[7, 999])
    assert starts(tenant) == begun
    assert observed.spaces.seamless
    assert len(observed.spaces.items) == count


@pytest.mark.parametrize("count", [100, 199])
async def test_a_room_that_slipped_off_a_full_last_page_is_not_gone(count: int) -> None:
    """One room comes before the pages are read and one goes after: the counts tell of neither."""
    listed = [{**ROOM, "id": 999}, *rooms(count)[::-1]]  # the newest first, whatever was asked for
    tenant = Tenant(rooms=rooms(count))
    tenant.script.on("GET", f"{V2}/rooms", pages(listed))
    known = frozenset(range(1, count + 1))
    observed = await read(tenant, known)
    assert 1 in observed.spaces.ids or prove(observed, {Kind.RESOURCE: known})[0] is None


async def test_progress_is_told_page_by_page() -> None:
    ears = Ears()
    await read(Tenant(rooms=rooms(150)), observer=ears)
    assert [event for event in ears.heard if isinstance(event, Reading) and event.what == "spaces"] == [
        Reading("source", "spaces", 100),
        Reading("source", "spaces", 150),
    ]


async def test_a_listing_that_does_not_add_up_is_read_once_more() -> None:
    tenant = Tenant(rooms=rooms(3))
    tenant.script.on("GET", f"{V2}/rooms/count", {"count": 4}, {"count": 3})
    observed = await read(tenant)
    assert observed.spaces.counted == (3, 3)
    assert len(tenant.script.sent("GET", f"{V2}/rooms")) == 2


async def test_a_room_that_came_twice_makes_it_read_once_more() -> None:
    tenant = Tenant(rooms=rooms(3))
    tenant.script.on("GET", f"{V2}/rooms", [*rooms(2), rooms(1)[0]], pages(rooms(3)))
    observed = await read(tenant)
    assert [space.id for space in observed.spaces.items] == [1, 2, 3]


async def test_an_exchange_that_no_count_tells_of_is_seen_where_pages_meet() -> None:
    """One room goes and one comes while the pages are read: room 101 slips over the border."""
    later = [*rooms(150)[1:], {**ROOM, "id": 151}]
    for known in (None, [101]):
        tenant = Tenant(rooms=rooms(150))
        tenant.script.on("GET", f"{V2}/rooms", pages(rooms(150)), pages(later))
        observed = await read(tenant, known)
        assert [space.id for space in observed.spaces.items] == [room["id"] for room in later]
        assert len(starts(tenant)) == 4


async def test_what_one_look_saw_is_not_gone_before_the_next_run() -> None:
    """In order of names 120 comes before the border by a new one, 5 goes and 151 comes: the pages meet."""
    tenant = Tenant(rooms=rooms(150))
    later = pages([room for room in rooms(151) if room["id"] != 120])
    tenant.script.on("GET", f"{V2}/rooms", pages(rooms(150)), pages(rooms(150)), pages(rooms(150)), later)
    known = frozenset({7, 120, 999})
    observed = await read(tenant, known)
    assert 120 not in observed.spaces.ids
    assert prove(observed, {Kind.RESOURCE: known})[0] is None


async def test_rooms_that_never_stand_still_prove_nothing() -> None:
    tenant = Tenant(rooms=rooms(150))
    turns = [pages(rooms(150)), pages(rooms(151)[1:]), pages(rooms(151)[1:]), pages(rooms(152)[2:])]
    tenant.script.on("GET", f"{V2}/rooms", *turns)
    observed = await read(tenant)
    assert {room["id"] for room in rooms(151)[1:]} <= {space.id for space in observed.spaces.items}
    assert prove(observed, {})[0] is None


async def test_rooms_that_moved_and_still_add_up_are_not_believed() -> None:
    tenant = Tenant(rooms=rooms(150))
    # Two went and one came before the second page, so 102 is the first on it and 101 was missed.
    shifted = pages(rooms(151)[2:])
    tenant.script.on("GET", f"{V2}/rooms", pages(rooms(150)), shifted, pages(rooms(150)), shifted)
    observed = await read(tenant)
    assert len(observed.spaces.items) == 150, "the numbers say that nothing is missing"
    assert [str(gap) for gap in prove(observed, {Kind.RESOURCE: frozenset({101})})[1]] == [
        "spaces: records moved from page to page, so some may have been missed"
    ]


async def test_pages_that_meet_again_make_none_of_those_before_meet() -> None:
    tenant = Tenant(rooms=rooms(250))
    # Two go and one comes back: 101 was missed, although the third page begins where the second ended.
    turns = [pages(rooms(250)), pages(rooms(251)[2:]), pages(rooms(251)[1:])]
    tenant.script.on("GET", f"{V2}/rooms", *turns, *turns)
    observed = await read(tenant)
    assert starts(tenant) == [0, 99, 199] * 2
    assert 101 not in {space.id for space in observed.spaces.items}
    assert observed.spaces.counted == (250, 250)
    assert len(observed.spaces.items) == 250
    assert not observed.spaces.seamless


async def test_what_still_does_not_add_up_is_left_to_the_engine_to_judge() -> None:
    tenant = Tenant(rooms=rooms(3))
    tenant.script.on("GET", f"{V2}/rooms", [])
    observed = await read(tenant)
    assert observed.spaces.items == ()
    assert observed.spaces.counted == (3, 3)
    assert prove(observed, {})[0] is None


@pytest.mark.parametrize("body", [{}, [], {"count": -1}, {"count": "3"}, {"count": None}, 3, {"count": True}])
async def test_a_count_that_is_none_is_incomplete(body: Any) -> None:
    tenant = Tenant(rooms=rooms(3))
    tenant.script.on("GET", f"{V2}/rooms/count", body)
    error = await failure(tenant.script)
    assert type(error) is IncompleteAnswer
    assert "/rooms/count" in error.message


@pytest.mark.parametrize(
    "path", ["/buildings", "/floors", "/rooms", "/rooms/types", "/centers", "/centers/145"]
)
@pytest.mark.parametrize(
    ("answer", "expected", "calls"),
    [
        (httpx.Response(200, text="<html>login</html>"), IncompleteAnswer, 1),
        (httpx.Response(200, content=b""), IncompleteAnswer, 1),
        (httpx.Response(200, content=b'[{"id": 1'), IncompleteAnswer, 1),
        (httpx.Response(200, json="x"), IncompleteAnswer, 1),
        (httpx.Response(400, json={"error": "Bad", "errorDescription": CANARY}), IncompleteAnswer, 1),
        (httpx.Response(302, headers={"location": "/login"}), IncompleteAnswer, 1),
        (httpx.Response(401), CredentialsRejected, 1),
        (httpx.Response(403), CredentialsRejected, 1),
        (httpx.Response(429), RateLimited, 5),
        (httpx.Response(500), TransientError, 5),
        (httpx.ReadError("reset"), TransientError, 5),
    ],
)  # fmt: skip
async def test_any_listing_that_fails_fails_the_reading(
    path: str, answer: Any, expected: type[SyncError], calls: int
) -> None:
    tenant = Tenant([BUILDING], [FLOOR], [ROOM], [TYPE], [CENTER])
    tenant.script.on("GET", f"{V2}{path}", answer)
    error = await failure(tenant.script)
    assert type(error) is expected
    assert expected is CredentialsRejected or path in error.message
    assert len(tenant.script.sent("GET", f"{V2}{path}")) == calls


async def test_a_listing_that_is_not_there_names_the_setting_to_correct() -> None:
    tenant = Tenant()
    tenant.script.on("GET", f"{V2}/buildings", httpx.Response(404))
    error = await failure(tenant.script)
    assert error.message == (
        "Workplace answered /buildings with 404; spec.source.baseURL may be the wrong one"
    )


async def test_a_listing_in_an_envelope_is_not_an_empty_list() -> None:
    tenant = Tenant()
    tenant.script.on("GET", f"{V2}/rooms", {"items": []})
    assert type(await failure(tenant.script)) is IncompleteAnswer


async def test_a_server_that_ignores_the_limit_or_the_start_is_not_believed() -> None:
    tenant = Tenant(rooms=rooms(150))
    tenant.script.on("GET", f"{V2}/rooms", rooms(150))
    assert "150 records where 100 were asked for" in (await failure(tenant.script)).message
    tenant.script.on("GET", f"{V2}/rooms", rooms(100))
    assert "counts 150" in (await failure(tenant.script)).message


@pytest.mark.parametrize(
    ("path", "bad", "id", "problem"),
    [
        ("/rooms", {**ROOM, "capacity": "many"}, 13, "capacity"),
        ("/rooms", {key: ROOM[key] for key in ROOM if key != "reservable"}, 13, "reservable"),
        ("/rooms", {**ROOM, "reservable": None}, 13, "reservable"),
        ("/rooms", {**ROOM, "name": {"x": VALUE}}, 13, "name"),
        ("/rooms", {**ROOM, "name": "\ud800"}, 13, "name"),
        ("/rooms", {**ROOM, "floor": 5}, 13, "floor"),
        ("/rooms", {**ROOM, "id": None}, None, "id"),
        ("/rooms", {**ROOM, "id": True}, None, "id"),
        ("/rooms", "x", None, ""),
        ("/rooms", None, None, ""),
        ("/rooms/types", {"id": 52, "name": "AREA"}, 52, "spaceTypeGroup"),
        ("/buildings", {**BUILDING, "address": "here"}, 2196, "address"),
        ("/buildings", {**BUILDING, "centers": [{"module": "reservation"}]}, 2196, "centers.0.id"),
        ("/floors", {**FLOOR, "building": {"name": "HQ"}}, 5, "building.id"),
    ],
)
async def test_one_bad_record_is_unreadable_and_no_more(
    path: str, bad: Any, id: int | None, problem: str
) -> None:
    tenant = Tenant()
    tenant.script.on("GET", f"{V2}{path}", [bad])
    tenant.script.on("GET", f"{V2}{path}/count", {"count": 1})
    observed = await read(tenant)
    [record] = [
        record
        for listing in (observed.buildings, observed.floors, observed.spaces, observed.types)
        for record in listing.unreadable
    ]
    assert record.id == id
    assert record.problem.startswith(problem)
    assert VALUE not in record.problem


async def test_our_own_password_among_the_data_is_no_data() -> None:
    tenant = Tenant()
    tenant.script.on("GET", f"{V2}/rooms", [{**ROOM, "name": f"we got {CANARY}"}])
    tenant.script.on("GET", f"{V2}/rooms/count", {"count": 1})
    with pytest.raises(IncompleteAnswer, match="our own credentials") as caught:
        await read(tenant)
    assert CANARY not in caught.value.message


async def test_what_may_be_missing_may_be_missing() -> None:
    tenant = Tenant(
        [{"id": 1}, {"id": 2, "address": None, "centers": None}, {"id": 3, "address": {"country": None}}],
        [{"id": 4, "building": None}],
        [{"id": 5, "reservable": False, "capacity": None, "type": None, "floor": None}],
        [{"id": 6, "spaceTypeGroup": None}],
    )
    observed = await read(tenant)
    assert observed.buildings.items == (Building(1), Building(2), Building(3))
    assert observed.floors.items == (Floor(4),)
    assert observed.spaces.items == (Space(5),)
    assert observed.types.items == (SpaceType(6),)


async def test_a_center_takes_its_time_zone_from_the_list_if_the_detail_has_none() -> None:
    tenant = Tenant(centers=[{"id": 145, "buildings": []}, {"id": 146, "buildings": []}])
    listed = [{"id": 145, "timeZone": {"ID": "Europe/London"}}, {"id": 146, "timeZone": None}]
    tenant.script.on("GET", f"{V2}/centers", listed)
    observed = await read(tenant)
    assert [center.time_zone for center in observed.centers.items] == ["Europe/London", ""]


@pytest.mark.parametrize(
    "detail",
    [
        httpx.Response(404, json={}),
        {"id": 145},
        {"id": 145, "buildings": [{}]},
        {"id": 145, "buildings": None},
    ],
)
async def test_a_center_without_its_buildings_is_unreadable(detail: Any) -> None:
    tenant = Tenant(centers=[CENTER])
    tenant.script.on("GET", f"{V2}/centers/145", detail)
    observed = await read(tenant)
    assert observed.centers.items == ()
    assert [record.id for record in observed.centers.unreadable] == [145]


async def test_the_detail_of_another_center_is_incomplete() -> None:
    tenant = Tenant(centers=[CENTER])
    tenant.script.on("GET", f"{V2}/centers/145", {**CENTER, "id": 146})
    assert type(await failure(tenant.script)) is IncompleteAnswer


async def test_a_center_without_id_is_unreadable() -> None:
    tenant = Tenant()
    tenant.script.on("GET", f"{V2}/centers", [{"name": "x"}])
    observed = await read(tenant)
    assert [type(record) for record in observed.centers.unreadable] == [Unreadable]


async def test_countries_are_asked_for_only_where_a_default_is_needed() -> None:
    tenant = Tenant([BUILDING])
    assert (await read(tenant, default_country="DE")).country_names == ()
    tenant = Tenant([{"id": 1}])
    assert (await read(tenant)).country_names == ()
    tenant.script.on("GET", f"{V2}/countries", pages(countries(150)))
    observed = await read(tenant, default_country="DE")
    assert len(observed.country_names) == 150
    assert observed.country_names[0] == ("DE", "C0")
    starts = [request.url.params["startAt"] for request in tenant.script.sent("GET", f"{V2}/countries")]
    assert starts == ["0", "99", "149"]  # the last shows that nothing comes after


def countries(number: int) -> list[Any]:
    return [{"id": n, "name": f"C{n}", "alpha2Code": "XX" if n else "DE"} for n in range(number)]


@pytest.mark.parametrize("wrong", [[], countries(3)[1:], [*countries(3), *countries(1)]])
async def test_countries_that_look_wrong_are_listed_once_more(wrong: list[Any]) -> None:
    tenant = Tenant([{"id": 1}])
    once = [] if not wrong else [wrong[-1:]]
    tenant.script.on("GET", f"{V2}/countries", wrong, *once, pages(countries(3)))
    observed = await read(tenant, default_country="DE")
    assert observed.country_names == (("DE", "C0"), ("XX", "C1"), ("XX", "C2"))


async def test_a_short_page_of_countries_is_not_their_end() -> None:
    tenant = Tenant([{"id": 1}])
    short = [*countries(50), *countries(100)[51:]]
    tenant.script.on("GET", f"{V2}/countries", short, pages(countries(150)))
    observed = await read(tenant, default_country="DE")
    assert len(observed.country_names) == 150


async def test_countries_that_moved_between_pages_are_listed_once_more() -> None:
    tenant = Tenant([{"id": 1}])
    shifted = pages(countries(151)[2:])  # two went, so the hundredth slipped over the border
    tenant.script.on("GET", f"{V2}/countries", pages(countries(150)), shifted, pages(countries(150)))
    observed = await read(tenant, default_country="DE")
    assert [name for _, name in observed.country_names] == [f"C{n}" for n in range(150)]


@pytest.mark.parametrize("wrong", [[], [*countries(3), *countries(1)]])
async def test_countries_that_stay_wrong_name_nothing(wrong: list[Any]) -> None:
    tenant = Tenant([{"id": 1}])
    tenant.script.on("GET", f"{V2}/countries", pages(wrong))
    with pytest.raises(IncompleteAnswer, match="/countries"):
        await read(tenant, default_country="DE")


async def test_pages_of_one_listing_are_never_asked_for_at_once() -> None:
    tenant = Tenant(rooms=rooms(300))
    flying: set[str] = set()

    class Watching(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            import asyncio

            assert request.url.path not in flying
            flying.add(request.url.path)
            await asyncio.sleep(0)
            flying.discard(request.url.path)
            return tenant.script(request)

    credentials = WorkplaceCredentials(Secret("u"), Secret("p"))
    source = WorkplaceSource("https://acme.example/", credentials, Watching(), user_agent="u")
    async with source:
        assert len((await source.read({})).spaces.items) == 300


def test_a_credential_that_cannot_be_a_header_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigError, match="password"):
        WorkplaceSource(
            "https://acme.example",
            WorkplaceCredentials(Secret("u"), Secret("p\n")),
            httpx.MockTransport(lambda _: httpx.Response(200)),
            user_agent="u",
        )
