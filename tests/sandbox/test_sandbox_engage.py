"""The simulated Engage: gateway, tokens, reads, writes and every refusal of contract section 6."""

from typing import Any

import httpx
import pytest

from engage_sync.sandbox import Sandbox
from tests.sandbox.sandbox_helpers import (
    ENGAGE,
    TOKEN,
    Hierarchy,
    engage,
    make_hierarchy,
    make_sandbox,
    token_form,
)


def setup() -> tuple[Sandbox, httpx.Client, Hierarchy]:
    sandbox, _ = make_sandbox()
    return sandbox, engage(sandbox), make_hierarchy(sandbox)


def item(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, response.text
    (only,) = response.json()["Data"]
    return dict(only)


def refusal(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["IsError"] is True
    assert body["Data"] == []
    return response.status_code, body["Message"]


# Token and gateway


def test_a_token_is_given_for_a_form() -> None:
    sandbox, _ = make_sandbox()
    with httpx.Client(transport=sandbox.transport()) as client:
        answer = client.post(TOKEN, data=token_form(sandbox)).json()

    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] == 43_199


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"client_id": "wrong"}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_token_request_is_400(changes: dict[str, str], error: str) -> None:
    sandbox, _ = make_sandbox()
    with httpx.Client(transport=sandbox.transport()) as client:
        response = client.post(TOKEN, data=token_form(sandbox, **changes))

    assert (response.status_code, response.json()) == (400, {"error": error})


def test_a_token_request_must_be_a_posted_form() -> None:
    sandbox, _ = make_sandbox()
    with httpx.Client(transport=sandbox.transport()) as client:
        assert client.post(TOKEN, json=token_form(sandbox)).status_code == 400
        assert client.get(TOKEN).status_code == 405


def test_a_token_is_good_for_its_life_and_no_longer() -> None:
    sandbox, clock = make_sandbox(token_life=60)
    client = engage(sandbox)
    clock.advance(59.9)
    assert client.get("/countries").status_code == 200

    clock.advance(0.1)
    assert client.get("/countries").status_code == 401
    assert engage(sandbox).get("/countries").status_code == 200


@pytest.mark.parametrize("value", ["", "Bearer nonsense", "Basic sandbox-token-1"])
def test_a_missing_or_wrong_token_is_401(value: str) -> None:
    sandbox, _ = make_sandbox()

    assert engage(sandbox).get("/countries", headers={"Authorization": value}).status_code == 401


def test_revoked_tokens_are_401() -> None:
    sandbox, _ = make_sandbox()
    client = engage(sandbox)
    sandbox.engage.tokens.revoke()

    assert client.get("/countries").status_code == 401


@pytest.mark.parametrize("key", ["", "nonsense", "sandbox-bookings-key"])
def test_the_key_must_be_that_of_the_product(key: str) -> None:
    sandbox, _ = make_sandbox()
    response = engage(sandbox).get("/countries", headers={"Ocp-Apim-Subscription-Key": key})

    assert response.status_code == 401
    assert response.json()["statusCode"] == 401


def test_the_minute_limit_is_429_until_the_oldest_call_is_a_minute_ago() -> None:
    sandbox, clock = make_sandbox(per_minute=3)
    client = engage(sandbox)
    assert [client.get("/countries").status_code for _ in range(3)] == [200] * 3

    clock.advance(10)
    refused = client.get("/countries")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "50")
    assert refused.json()["statusCode"] == 429

    clock.advance(50)
    assert client.get("/countries").status_code == 200


def test_the_week_limit_is_403_until_the_week_is_over() -> None:
    sandbox, clock = make_sandbox(per_minute=0, per_week=2)
    client = engage(sandbox)
    client.get("/countries")
    client.get("/countries")
    refused = client.get("/countries")
    assert (refused.status_code, refused.headers["Retry-After"]) == (403, "604800")
    assert "6.23:59:59" not in refused.json()["message"]

    clock.advance(604_800)
    assert engage(sandbox).get("/countries").status_code == 200


def test_no_limits_means_none() -> None:
    sandbox, _ = make_sandbox(per_minute=0, per_week=0)
    client = engage(sandbox)

    assert {client.get("/countries").status_code for _ in range(600)} == {200}


def test_limits_and_tokens_are_the_documented_ones_by_default() -> None:
    sandbox, _ = make_sandbox()

    assert (sandbox.engage.limits.per_minute, sandbox.engage.limits.per_week) == (500, 50_000)


# Reads


def test_the_envelope_says_status_false_even_on_success() -> None:
    _, client, _ = setup()
    body = client.get("/countries").json()

    assert (body["IsError"], body["Status"], body["Message"]) == (False, False, "")
    assert [country["ResourceName"] for country in body["Data"]] == ["Germany"]


def test_two_workspace_types_are_there_from_the_start() -> None:
    sandbox, _ = make_sandbox()
    types = engage(sandbox).get("/workspaceTypes").json()["Data"]

    assert [(t["InternalId"], t["ResourceName"], t["Family"], t["ExternalId"]) for t in types] == [
        (1, "Meeting Room", "Hourly", None),
        (2, "Desk", "AllDay", None),
    ]


@pytest.mark.parametrize(
    ("path", "parent"),
    [
        ("/regions?countryId=", "country"),
        ("/groups?countryId=", "country"),
        ("/locations?regionId=", "region"),
        ("/floors?locationId=", "location"),
        ("/rooms?extendedDetails=true&locationId=", "location"),
        ("/desks?extendedDetails=true&locationId=", "location"),
    ],
)
def test_children_are_listed_by_their_parent(path: str, parent: str) -> None:
    sandbox, client, ids = setup()
    sandbox.seed.engage("rooms", **ids.room())
    sandbox.seed.engage("desks", **ids.desk())
    items = client.get(f"{path}{getattr(ids, parent)}").json()["Data"]

    assert len(items) == 1
    assert {"InternalId", "InternalParentId", "ResourceName", "ExternalId"} <= items[0].keys()


@pytest.mark.parametrize(
    "path",
    ["/regions", "/regions?countryId=x", "/locations?regionId=99", "/rooms?locationid=1", "/countries?a=1"],
)
def test_a_listing_of_nothing_that_exists_is_400(path: str) -> None:
    _, client, _ = setup()

    assert refusal(client.get(path))[0] == 400


def test_a_resource_shows_its_details_only_when_asked() -> None:
    sandbox, client, ids = setup()
    sandbox.seed.engage("rooms", **ids.room())
    (bare,) = client.get(f"/rooms?locationId={ids.location}").json()["Data"]
    (full,) = client.get(f"/rooms?locationId={ids.location}&extendedDetails=true").json()["Data"]

    assert "MaxCapacity" not in bare
    assert (full["FloorNumber"], full["FloorName"], full["MaxCapacity"]) == ("1", "First", 4)
    assert (full["WorkspaceTypeId"], full["WorkspaceTypeName"], full["GroupId"]) == (
        1,
        "Meeting Room",
        ids.group,
    )


def test_a_location_shows_its_groups() -> None:
    _, client, ids = setup()
    client.put(f"/groups/{ids.group}", json={"ExternalId": "wp:group:DE"})
    (location,) = client.get(f"/locations?regionId={ids.region}").json()["Data"]

    assert location["LocationGroupMappings"] == [{"GroupId": ids.group, "GroupIdExternal": "wp:group:DE"}]


# Writes


def test_a_whole_hierarchy_can_be_made_through_the_api() -> None:
    sandbox, _ = make_sandbox()
    client = engage(sandbox)

    def make(path: str, **fields: object) -> int:
        response = client.post(path, json=fields)
        assert response.status_code == 201
        return int(item(response)["InternalId"])

    country = make("/countries", ResourceName="Germany", CountryCode="DE", ExternalId="wp:country:DE")
    group = make("/groups", ResourceName="All", InternalParentId=country)
    region = make("/regions", ResourceName="Berlin", InternalParentId=country)
    zone = "W. Europe Standard Time"
    location = make("/locations", ResourceName="HQ", InternalParentId=region, TimeZone=zone, PostCode="10115")
    assert make(f"/locations/{location}/groups", GroupId=group) == location
    make("/floors", ResourceName="Ground", InternalParentId=location, FloorNumber="0")
    type_ = make("/workspaceTypes", ResourceName="Lab", Family="Hourly")
    where = {"LocationId": location, "FloorNumber": "0", "GroupId": group}
    room = make(
        "/rooms", ResourceName="R", **where, WorkspaceTypeId=type_, MaxCapacity=3, ExternalId="wp:room:1"
    )

    assert sandbox.engage.item("rooms", room)["ExternalId"] == "wp:room:1"
    assert sandbox.engage.item("locations", location)["PostCode"] == "10115"
    assert [write.path for write in sandbox.writes][:3] == ["/countries", "/groups", "/regions"]
    assert sandbox.writes[-1].body["MaxCapacity"] == 3


def test_no_two_items_share_an_id_whatever_their_kind() -> None:
    _, _, ids = setup()

    assert len({ids.country, ids.group, ids.region, ids.location, ids.floor}) == 5


def test_a_put_is_partial_and_answers_the_item() -> None:
    _, client, ids = setup()
    changed = item(client.put(f"/locations/{ids.location}", json={"LocationCity": "Berlin"}))

    assert (changed["LocationCity"], changed["ResourceName"]) == ("Berlin", "Tower")


def test_an_external_id_is_cleared_by_null() -> None:
    sandbox, client, _ = setup()
    client.put("/workspaceTypes/1", json={"ExternalId": "wp:type:1"})
    client.put("/workspaceTypes/1", json={"ExternalId": None})

    assert sandbox.engage.item("workspaceTypes", 1)["ExternalId"] is None
    assert client.put("/workspaceTypes/2", json={"ExternalId": "wp:type:1"}).status_code == 200


def test_renumbering_a_floor_renumbers_its_resources() -> None:
    sandbox, client, ids = setup()
    room = sandbox.seed.engage("rooms", **ids.room())
    client.put(f"/floors/{ids.floor}", json={"FloorNumber": "7"})

    assert sandbox.engage.item("rooms", room)["FloorNumber"] == "7"
    assert client.post("/rooms", json=ids.room("New")).status_code == 400
    assert client.post("/rooms", json=ids.room("New", FloorNumber="7")).status_code == 201


def test_a_resource_moves_between_floors_of_its_location() -> None:
    sandbox, client, ids = setup()
    room = sandbox.seed.engage("rooms", **ids.room())
    sandbox.seed.engage("floors", ResourceName="Second", InternalParentId=ids.location, FloorNumber="2")

    assert item(client.put(f"/rooms/{room}", json={"FloorNumber": "2"}))["FloorName"] == "Second"
    assert client.delete(f"/floors/{ids.floor}").status_code == 200


def test_adding_a_group_twice_changes_nothing() -> None:
    sandbox, client, ids = setup()
    client.post(f"/locations/{ids.location}/groups", json={"GroupId": ids.group})

    assert len(sandbox.engage.item("locations", ids.location)["LocationGroupMappings"]) == 1


def test_a_field_that_cannot_change_may_be_sent_unchanged() -> None:
    _, client, ids = setup()

    assert client.put(f"/locations/{ids.location}", json={"InternalParentId": ids.region}).is_success


def test_an_empty_hierarchy_is_deleted_from_the_bottom_up() -> None:
    sandbox, client, ids = setup()
    for path in (f"/floors/{ids.floor}", f"/locations/{ids.location}", f"/groups/{ids.group}"):
        response = client.delete(path)
        assert (response.status_code, response.json()["Data"]) == (200, [])
    assert client.delete(f"/regions/{ids.region}").is_success
    assert client.delete(f"/countries/{ids.country}").is_success

    assert [sandbox.engage.items(kind) for kind in ("countries", "regions", "groups", "locations")] == [
        []
    ] * 4


# Refusals: 409


@pytest.mark.parametrize(
    ("path", "fields", "parent"),
    [
        ("/countries", {"ResourceName": "GERMANY", "CountryCode": "DE"}, None),
        ("/regions", {"ResourceName": "berlin"}, "country"),
        ("/groups", {"ResourceName": " Everyone "}, "country"),
        ("/workspaceTypes", {"ResourceName": "desk", "Family": "Hourly"}, None),
        ("/locations", {"ResourceName": "TOWER", "TimeZone": "UTC"}, "region"),
        ("/floors", {"ResourceName": "first", "FloorNumber": "9"}, "location"),
    ],
)
def test_a_sibling_of_the_same_name_is_409(path: str, fields: dict[str, Any], parent: str | None) -> None:
    _, client, ids = setup()
    if parent:
        fields = {**fields, "InternalParentId": getattr(ids, parent)}

    assert refusal(client.post(path, json=fields))[0] == 409


def test_meeting_and_personal_spaces_share_names_and_external_ids() -> None:
    sandbox, client, ids = setup()
    sandbox.seed.engage("rooms", **ids.room("One", ExternalId="wp:room:1"))

    assert refusal(client.post("/desks", json=ids.desk("ONE")))[0] == 409
    assert refusal(client.post("/desks", json=ids.desk("Two", ExternalId="wp:room:1")))[0] == 409
    assert client.post("/desks", json=ids.desk("Two", ExternalId="wp:room:2")).status_code == 201


def test_the_same_name_is_fine_under_another_parent_and_after_a_rename() -> None:
    _, client, ids = setup()
    other = item(client.post("/regions", json={"ResourceName": "Bonn", "InternalParentId": ids.country}))
    fields = {"ResourceName": "Tower", "TimeZone": "UTC", "InternalParentId": other["InternalId"]}
    assert client.post("/locations", json=fields).status_code == 201

    client.put(f"/regions/{ids.region}", json={"ResourceName": "Potsdam"})
    assert client.put(f"/regions/{other['InternalId']}", json={"ResourceName": "Berlin"}).is_success


def test_an_external_id_of_the_kind_is_unique_and_others_may_use_it() -> None:
    _, client, ids = setup()
    client.put(f"/countries/{ids.country}", json={"ExternalId": "x"})

    new = {"ResourceName": "France", "CountryCode": "FR", "ExternalId": "x"}
    assert refusal(client.post("/countries", json=new))[0] == 409
    assert client.put(f"/regions/{ids.region}", json={"ExternalId": "x"}).is_success


@pytest.mark.parametrize(
    ("path", "id_of"),
    [
        ("/countries", "country"),
        ("/regions", "region"),
        ("/groups", "group"),
        ("/locations", "location"),
        ("/floors", "floor"),
    ],
)
def test_what_still_has_children_cannot_be_deleted(path: str, id_of: str) -> None:
    sandbox, client, ids = setup()
    sandbox.seed.engage("rooms", **ids.room())

    assert refusal(client.delete(f"{path}/{getattr(ids, id_of)}"))[0] == 409
    assert sandbox.writes == []


def test_a_workspace_type_in_use_and_a_default_one_cannot_be_deleted() -> None:
    sandbox, client, ids = setup()
    lab = sandbox.seed.engage("workspaceTypes", ResourceName="Lab", Family="Hourly")
    room = sandbox.seed.engage("rooms", **ids.room(WorkspaceTypeId=lab))
    assert refusal(client.delete(f"/workspaceTypes/{lab}"))[0] == 409

    client.delete(f"/rooms/{room}")
    assert client.delete(f"/workspaceTypes/{lab}").status_code == 200
    assert refusal(client.delete("/workspaceTypes/1"))[0] == 400


def test_a_refused_change_leaves_the_item_as_it_was() -> None:
    sandbox, client, ids = setup()
    sandbox.seed.engage("rooms", **ids.room("One"))
    two = sandbox.seed.engage("rooms", **ids.room("Two"))
    before = sandbox.engage.item("rooms", two)

    assert refusal(client.put(f"/rooms/{two}", json={"MaxCapacity": 9, "ResourceName": "one"}))[0] == 409
    assert sandbox.engage.item("rooms", two) == before
    assert refusal(client.post("/rooms", json=ids.room("TWO")))[0] == 409


# Refusals: 400


@pytest.mark.parametrize(
    ("path", "id_of", "change"),
    [
        ("/regions", "region", {"InternalParentId": 5}),
        ("/groups", "group", {"InternalParentId": 5}),
        ("/locations", "location", {"InternalParentId": 5}),
        ("/floors", "floor", {"InternalParentId": 5}),
    ],
)
def test_a_parent_cannot_change(path: str, id_of: str, change: dict[str, Any]) -> None:
    _, client, ids = setup()
    status, message = refusal(client.put(f"{path}/{getattr(ids, id_of)}", json=change))

    assert status == 400
    assert "InternalParentId" in message


def test_family_and_location_of_a_resource_cannot_change() -> None:
    sandbox, client, ids = setup()
    room = sandbox.seed.engage("rooms", **ids.room())

    assert "Family" in refusal(client.put("/workspaceTypes/1", json={"Family": "AllDay"}))[1]
    assert "LocationId" in refusal(client.put(f"/rooms/{room}", json={"LocationId": 5}))[1]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/regions", {"ResourceName": "x"}),
        ("/regions", {"ResourceName": "x", "InternalParentId": 999}),
        ("/locations", {"ResourceName": "x", "InternalParentId": 999, "TimeZone": "UTC"}),
        ("/locations", {"ResourceName": "x", "TimeZone": "UTC"}),
        ("/floors", {"ResourceName": "x", "InternalParentId": 999, "FloorNumber": "1"}),
        ("/countries", {"ResourceName": "x"}),
        ("/countries", {"ResourceName": "x", "CountryCode": "GERMANY"}),
        ("/countries", {"ResourceName": "", "CountryCode": "DE"}),
        ("/workspaceTypes", {"ResourceName": "x", "Family": "hourly"}),
        ("/countries", []),
    ],
)
def test_a_body_that_makes_no_sense_is_400(path: str, fields: Any) -> None:
    sandbox, client, _ = setup()

    assert refusal(client.post(path, json=fields))[0] == 400
    assert sandbox.writes == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"LocationId": 999}, "999"),
        ({"FloorNumber": "5"}, "FloorNumber"),
        ({"FloorNumber": 1}, "FloorNumber"),
        ({"FloorNumber": "1st"}, "FloorNumber"),
        ({"GroupId": 999}, "999"),
        ({"WorkspaceTypeId": 999}, "999"),
        ({"WorkspaceTypeId": 2}, "family"),
        ({"MaxCapacity": 0}, "MaxCapacity"),
        ({"MaxCapacity": "4"}, "MaxCapacity"),
        ({"MaxCapacity": True}, "MaxCapacity"),
        ({"Colour": "red"}, "Colour"),
        ({"InternalId": 7}, "InternalId"),
    ],
)
def test_a_resource_that_does_not_fit_is_400_and_the_field_is_named(
    changes: dict[str, Any], named: str
) -> None:
    _, client, ids = setup()
    status, message = refusal(client.post("/rooms", json=ids.room(**changes)))

    assert status == 400
    assert named in message


def test_a_desk_needs_an_all_day_type_and_holds_one_person() -> None:
    _, client, ids = setup()

    assert refusal(client.post("/desks", json=ids.desk(WorkspaceTypeId=1)))[0] == 400
    assert refusal(client.post("/desks", json=ids.desk(MaxCapacity=2)))[0] == 400


def test_a_floor_number_is_taken_once_in_a_location() -> None:
    _, client, ids = setup()
    floor = {"ResourceName": "Other", "InternalParentId": ids.location, "FloorNumber": "01"}

    assert refusal(client.post("/floors", json=floor))[0] == 400
    second = item(client.post("/floors", json={**floor, "FloorNumber": "-2"}))["InternalId"]
    assert refusal(client.put(f"/floors/{second}", json={"FloorNumber": "1"}))[0] == 400


def test_a_group_must_be_of_the_country_and_of_the_location() -> None:
    sandbox, client, ids = setup()
    france = sandbox.seed.engage("countries", ResourceName="France", CountryCode="FR")
    foreign = sandbox.seed.engage("groups", ResourceName="Tous", InternalParentId=france)
    own = sandbox.seed.engage("groups", ResourceName="Second", InternalParentId=ids.country)

    groups = f"/locations/{ids.location}/groups"
    assert refusal(client.post(groups, json={"GroupId": foreign}))[0] == 400
    assert refusal(client.post("/rooms", json=ids.room(GroupId=own)))[0] == 400
    assert client.post(groups, json={"GroupId": own}).status_code == 201
    assert client.post("/rooms", json=ids.room(GroupId=own)).status_code == 201


@pytest.mark.parametrize("zone", ["Europe/Berlin", "CET", "", None])
def test_a_time_zone_must_be_a_windows_name(zone: str | None) -> None:
    _, client, ids = setup()

    assert refusal(client.put(f"/locations/{ids.location}", json={"TimeZone": zone}))[0] == 400


def test_a_body_must_be_json_and_say_so() -> None:
    _, client, _ = setup()

    assert (
        refusal(client.post("/countries", content=b"{", headers={"Content-Type": "application/json"}))[0]
        == 400
    )
    assert refusal(client.post("/countries", content=b"{}"))[0] == 415


def test_text_that_nobody_could_send_back_is_400() -> None:
    _, client, _ = setup()
    body = b'{"ResourceName": "\\ud800", "CountryCode": "DE"}'
    response = client.post("/countries", content=body, headers={"Content-Type": "application/json"})

    assert refusal(response)[0] == 400


def test_what_is_not_there_is_404_and_what_is_not_offered_405() -> None:
    _, client, ids = setup()

    assert client.get("/nothing").json() == {"statusCode": 404, "message": "Resource not found"}
    assert refusal(client.put("/rooms/999", json={}))[0] == 404
    assert refusal(client.delete("/rooms/999"))[0] == 404
    assert refusal(client.get(f"/countries/{ids.country}"))[0] == 405
    assert client.get(ENGAGE.replace("Acme", "Other") + "/countries").status_code == 404


# Bookings


def test_bookings_are_read_per_room_and_window_with_their_own_key() -> None:
    sandbox, client, ids = setup()
    room = sandbox.seed.engage("rooms", **ids.room())
    sandbox.engage.book(room, "2030-01-10 09:00:00", "2030-01-10 10:00:00")
    sandbox.engage.book(room, "2030-02-10 09:00:00", "2030-02-10 10:00:00")
    window = {"startDateTime": "2030-01-01 00:00:00", "endDateTime": "2030-01-10 09:30:00"}
    bookings = engage(sandbox, "ExternalBookings")

    (booking,) = bookings.get("/bookings", params={"roomId": room, **window}).json()
    assert (booking["roomID"], booking["timeFrom"]) == (room, "2030-01-10T09:00:00")
    assert client.get("/bookings", params={"roomId": room, **window}).status_code == 401
    assert refusal(bookings.get("/bookings", params={"roomId": 999, **window}))[0] == 400
    assert refusal(bookings.get("/bookings", params={"roomId": room}))[0] == 400
    assert refusal(bookings.post("/bookings", json={}))[0] == 405


def test_deleting_a_resource_deletes_its_future_bookings_only() -> None:
    sandbox, client, ids = setup()
    room = sandbox.seed.engage("rooms", **ids.room())
    sandbox.engage.book(room, "2020-01-10 09:00:00", "2020-01-10 10:00:00", title="past")
    sandbox.engage.book(room, "2030-01-10 09:00:00", "2030-01-10 10:00:00", title="future")
    client.delete(f"/rooms/{room}")

    assert [booking["meetingTitle"] for booking in sandbox.engage.bookings()] == ["past"]
