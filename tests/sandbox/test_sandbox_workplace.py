"""The simulated Workplace: authentication, listings, filters, writes and refusals."""

import asyncio
from typing import Any

import httpx
import pytest

from engage_sync.sandbox import Account, Sandbox
from tests.sandbox.sandbox_helpers import WORKPLACE, make_sandbox, workplace, workplace_headers


def fill(sandbox: Sandbox) -> None:
    """Two buildings, three floors, four rooms, two types, one center."""
    seed = sandbox.seed
    center = seed.center("Berlin Center", zone="Europe/Berlin")
    one = seed.building("Tower", city="Berlin", code="T1", center=center)
    two = seed.building("Annex", country="US", city="Houston")
    floors = [seed.floor(one, "1st Floor"), seed.floor(one, "2nd Floor"), seed.floor(two, "Lobby")]
    we = seed.space_type("Meeting", "We Spaces")
    me = seed.space_type("Desk", "Me Spaces", occupiable=True)
    seed.room(floors[0], we, "Alpha", capacity=8)
    seed.room(floors[0], me, "D1", description="window seat")
    seed.room(floors[1], me, "D2", reservable=False)
    seed.room(floors[2], we, "Beta", capacity=4)


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()]


@pytest.mark.parametrize("header", ["x-auth-username", "x-auth-password"])
def test_wrong_credentials_are_401_with_the_vendors_error_body(header: str) -> None:
    sandbox, _ = make_sandbox()
    response = workplace(sandbox).get("/buildings", headers={header: "wrong"})

    assert response.status_code == 401
    assert set(response.json()) == {"status", "error", "errorDescription"}


def test_credentials_are_compared_as_utf8_bytes() -> None:
    sandbox, _ = make_sandbox(account=Account(workplace_password="pässwörd"))
    client = httpx.Client(transport=sandbox.transport(), base_url=WORKPLACE)
    user = sandbox.account.workplace_username.encode()

    def status(password: bytes) -> int:
        headers = {b"x-auth-username": user, b"x-auth-password": password}
        return client.get("/buildings", headers=headers).status_code

    assert status("pässwörd".encode()) == 200
    assert status("pässwörd".encode("latin-1")) == 401


def test_lists_are_bare_arrays_of_fifty_unless_told_otherwise() -> None:
    sandbox, _ = make_sandbox()
    client = workplace(sandbox)

    assert len(client.get("/countries").json()) == 50
    assert len(client.get("/countries/?limit=100").json()) == 100
    assert len(client.get("/countries?limit=100&startAt=200").json()) == 49
    assert client.get("/countries?startAt=300").json() == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=101",
        "limit=0",
        "limit=x",
        "startAt=-1",
        "orderBy=nonsense",
        "orderByType=up",
        "modifiedOrCreatedAfter=yesterday",
        "includeReservable=yes",
        "floorid=1",
        "type=a,b",
        "includeOccupiable=true",
        "nearLatitude=1",
    ],
)
def test_a_parameter_that_makes_no_sense_is_400(query: str) -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)

    assert workplace(sandbox).get(f"/rooms?{query}").status_code == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Alpha", "D1", "D2", "Beta"]),
        ("buildingId=1", ["Alpha", "D1", "D2"]),
        ("floorId=2", ["D2"]),
        ("floorId=2&buildingId=2", ["D2"]),
        ("floorId=99", []),
        ("includeReservable=true&includeNonReservable=false", ["Alpha", "D1", "Beta"]),
        ("includeReservable=false&includeNonReservable=true", ["D2"]),
        ("includeReservable=true&includeNonReservable=true", ["Alpha", "D1", "D2", "Beta"]),
        ("type=2", ["D1", "D2"]),
        ("type=1,2&includeNonOccupiable=false", ["D1", "D2"]),
        ("numberOfPeople=5", ["Alpha"]),
        ("search=WINDOW", ["D1"]),
        ("room=meeting", ["Alpha", "Beta"]),
        ("orderBy=name&orderByType=desc", ["D2", "D1", "Beta", "Alpha"]),
        ("orderBy=name&limit=2&startAt=1", ["Beta", "D1"]),
    ],
)
def test_rooms_are_filtered_ordered_and_paged(query: str, expected: list[str]) -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)

    assert names(workplace(sandbox).get(f"/rooms?{query}")) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/buildings?search=hous", []),
        ("/buildings?search=t1", ["Tower"]),
        ("/buildings?module=reservation", ["Tower"]),
        ("/buildings?includeReservable=false&includeNonReservable=true", ["Tower"]),
        ("/floors?buildingId=1", ["1st Floor", "2nd Floor"]),
        ("/rooms/types?includeReservable=false", ["Desk"]),
        ("/rooms/types?includeOccupiable=false", ["Meeting"]),
    ],
)
def test_the_other_lists_have_their_filters(path: str, expected: list[str]) -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)

    assert names(workplace(sandbox).get(path)) == expected


def test_count_follows_the_same_filters() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)

    assert client.get("/rooms/count").json() == {"count": 4}
    assert client.get("/rooms/count?buildingId=1&includeNonReservable=false").json() == {"count": 2}
    assert client.get("/rooms/types/count/").json() == {"count": 2}


def test_modified_or_created_after_sees_edits_and_never_deletions() -> None:
    sandbox, clock = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)
    before = int(clock() * 1000)
    assert names(client.get(f"/rooms?modifiedOrCreatedAfter={before}")) == []

    clock.advance(1)
    client.put("/rooms/2", json={"name": "D1b"})
    client.delete("/rooms/1")

    assert names(client.get(f"/rooms?modifiedOrCreatedAfter={before}")) == ["D1b"]


def test_a_listing_shows_what_changed_since_it_was_last_asked_for() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)
    client.get("/rooms")
    client.delete("/rooms/1")

    assert names(client.get("/rooms")) == ["D1", "D2", "Beta"]


def test_a_building_has_the_documented_shape() -> None:
    sandbox, clock = make_sandbox()
    fill(sandbox)
    building = workplace(sandbox).get("/buildings/1?selector=centers(module)").json()

    assert building["address"]["country"]["alpha2Code"] == "DE"
    assert building["address"]["city"] == "Berlin"
    assert "state" not in building["address"]
    assert building["centers"] == [{"module": "reservation", "name": "Berlin Center", "id": 1}]
    assert building["dateCreated"] == int(clock() * 1000)


def test_buildings_show_their_centers_only_when_the_selector_asks() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)

    assert [b["centers"] for b in client.get("/buildings").json()] == [[], []]
    selected = client.get("/buildings", params={"selector": "centers(module)"}).json()
    assert [len(b["centers"]) for b in selected] == [1, 0]


def test_rooms_and_floors_nest_what_they_belong_to() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)
    room = client.get("/rooms/1").json()

    assert room["floor"]["building"]["id"] == 1
    assert room["type"]["name"] == "Meeting"
    assert "spaceTypeGroup" not in room["type"]
    assert client.get("/floors/1").json()["building"] == {"id": 1, "name": "Tower", "code": "T1"}
    assert client.get("/rooms/types").json()[0]["spaceTypeGroup"]["name"] == "We Spaces"


def test_centers_answer_whole_whatever_page_is_asked_for() -> None:
    sandbox, _ = make_sandbox()
    for number in range(120):
        sandbox.seed.center(f"Center {number}")
    client = workplace(sandbox)

    assert len(client.get("/centers?module=reservation&limit=10&startAt=5").json()) == 120
    assert client.get("/centers?module=move").json() == []
    assert client.get("/centers").status_code == 400
    assert client.get("/centers/count?module=reservation").status_code == 404


def test_a_centers_detail_has_buildings_rules_and_time_zone() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    selector = {"selector": "buildings(centers(module)),rules"}
    center = workplace(sandbox).get("/centers/1", params=selector).json()

    assert center["timeZone"] == {"ID": "Europe/Berlin"}
    assert isinstance(center["rules"], str)
    assert center["buildings"][0]["centers"][0]["id"] == 1
    assert "buildings" not in workplace(sandbox).get("/centers/1").json()


@pytest.mark.parametrize(
    ("path", "body", "missing"),
    [
        ("/buildings", {"code": "x"}, "name"),
        ("/floors", {"name": "x"}, "building"),
        ("/rooms", {"name": "x", "floor": {"id": 1}}, "type"),
        ("/rooms/types", {"name": "x", "contentFlag": 1}, "typeCode"),
    ],
)
def test_a_required_field_that_is_missing_is_named(path: str, body: dict[str, Any], missing: str) -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    response = workplace(sandbox).post(path, json=body)

    assert response.status_code == 400
    assert missing in response.json()["errorDescription"]


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/rooms/1", {"colour": "red"}, "colour"),
        ("/rooms/1", {"floor": {"id": 99}}, "99"),
        ("/rooms/1", {"floor": 2}, "floor"),
        ("/rooms/1", {"capacity": "5"}, "capacity"),
        ("/rooms/1", {"reservable": 1}, "reservable"),
        ("/rooms/1", {"name": " "}, "name"),
        ("/rooms/1", {"id": 2}, "id"),
        ("/buildings/1", {"address": {"country": {"id": 999}}}, "999"),
        ("/buildings/1", {"address": {"town": "x"}}, "town"),
        ("/rooms/types/1", {"spaceTypeGroup": {"id": 9}}, "9"),
    ],
)
def test_a_field_that_makes_no_sense_is_400_and_changes_nothing(
    path: str, body: dict[str, Any], named: str
) -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)
    before = client.get(path).json()
    response = client.put(path, json=body)

    assert response.status_code == 400
    assert named in response.json()["errorDescription"]
    assert client.get(path).json() == before
    assert sandbox.writes == []


def test_a_whole_building_can_be_made_through_the_api() -> None:
    sandbox, _ = make_sandbox()
    client = workplace(sandbox)
    germany = client.get("/countries?search=germany").json()[0]["id"]
    address = {"city": "Berlin", "country": {"id": germany}, "state": {"name": "Berlin", "code": "BE"}}
    building = client.post("/buildings/", json={"name": "HQ", "address": address})
    floor = client.post("/floors", json={"name": "EG", "building": {"id": building.json()["id"]}})
    fields = {"contentFlag": 1, "typeCode": "", "defaultRoomType": False, "cost": 0}
    type_ = client.post("/rooms/types", json={"name": "Desk", **fields, "spaceTypeGroup": {"id": 2}})
    links = {"floor": {"id": floor.json()["id"]}, "type": {"id": type_.json()["id"]}}
    room = client.post("/rooms", json={"name": "R", **links})

    assert [r.status_code for r in (building, floor, type_, room)] == [201] * 4
    assert building.json()["address"]["state"]["code"] == "BE"
    assert [(w.path, w.id) for w in sandbox.writes] == [
        ("/buildings", 1),
        ("/floors", 1),
        ("/rooms/types", 1),
        ("/rooms", 1),
    ]


def test_a_put_is_partial_and_an_address_is_merged() -> None:
    sandbox, clock = make_sandbox()
    fill(sandbox)
    clock.advance(5)
    client = workplace(sandbox)
    client.put("/buildings/1", json={"id": 1, "address": {"postalCode": "10115"}})
    building = client.put("/buildings/1", json={"city": "Bonn"}).json()

    assert building["address"]["postalCode"] == "10115"
    assert building["address"]["city"] == "Bonn"
    assert building["name"] == "Tower"
    assert building["dateUpdated"] == int(clock() * 1000)


@pytest.mark.parametrize("path", ["/rooms/types", "/rooms/types/1"])
def test_a_space_type_is_edited_at_either_address(path: str) -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    response = workplace(sandbox).put(path, json={"id": 1, "spaceTypeGroup": {"id": 2}})

    assert response.status_code == 200
    assert sandbox.workplace.item("types", 1)["spaceTypeGroup"]["name"] == "Me Spaces"


def test_a_moved_room_is_found_on_its_new_floor_only() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    client = workplace(sandbox)
    client.put("/rooms/1", json={"floor": {"id": 3}})

    assert names(client.get("/rooms?floorId=1")) == ["D1"]
    assert names(client.get("/rooms?buildingId=2")) == ["Alpha", "Beta"]


def test_deleting_a_building_takes_its_floors_rooms_and_center_link() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    response = workplace(sandbox).delete("/buildings/1")

    assert response.json() == {"response": "Successfully removed"}
    assert [floor["name"] for floor in sandbox.workplace.items("floors")] == ["Lobby"]
    assert [room["name"] for room in sandbox.workplace.items("rooms")] == ["Beta"]
    assert sandbox.workplace.item("centers", 1, "buildings")["buildings"] == []


def test_a_space_type_in_use_stays() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)

    assert workplace(sandbox).delete("/rooms/types/1").status_code == 409


def test_countries_cannot_be_written() -> None:
    sandbox, _ = make_sandbox()
    client = workplace(sandbox)

    assert client.post("/countries", json={"name": "Atlantis"}).status_code == 500
    assert client.put("/countries/1", json={"name": "Atlantis"}).status_code == 500


@pytest.mark.parametrize("path", ["/spaces", "/rooms/99", "/rooms/x", "/buildings/1/floors"])
def test_what_is_not_there_is_404(path: str) -> None:
    sandbox, _ = make_sandbox()

    assert workplace(sandbox).get(path).status_code == 404


def test_the_api_answers_below_its_own_base_only() -> None:
    sandbox, _ = make_sandbox()
    client = workplace(sandbox)

    assert client.get("http://sandbox.test/workplace/rooms").status_code == 404
    assert client.get("http://sandbox.test/elsewhere").status_code == 404


async def test_parallel_pages_of_one_listing_are_429() -> None:
    sandbox, _ = make_sandbox()
    fill(sandbox)
    headers = workplace_headers(sandbox)
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url=WORKPLACE, headers=headers
    ) as client:
        pages = [client.get("/rooms?limit=2"), client.get("/rooms?limit=2&startAt=2")]
        answers = await asyncio.gather(*pages)
        other = await asyncio.gather(client.get("/rooms?floorId=1"), client.get("/rooms?floorId=2"))
        again = await client.get("/rooms?limit=2&startAt=2")

    assert sorted(answer.status_code for answer in answers) == [200, 429]
    assert next(a for a in answers if a.status_code == 429).headers["Retry-After"] == "1"
    assert [answer.status_code for answer in other] == [200, 200]
    assert again.status_code == 200


async def test_latency_passes_on_the_injected_clock() -> None:
    sandbox, clock = make_sandbox(latency=0.25)
    before = clock()
    headers = workplace_headers(sandbox)
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url=WORKPLACE, headers=headers
    ) as client:
        await client.get("/rooms")
        await client.get("/centers?module=reservation")

    assert clock() - before == 0.5
