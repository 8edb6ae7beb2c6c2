"""`/_sandbox/…`: state, counts and writes, faults at run time, centers, bookings."""

from typing import Any

import httpx
import pytest

from engage_sync.sandbox import Sandbox
from tests.sandbox.sandbox_helpers import engage, make_hierarchy, make_sandbox, workplace


def admin(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(transport=sandbox.transport(), base_url="http://sandbox.test/_sandbox")


def test_state_shows_what_both_sides_hold() -> None:
    sandbox, _ = make_sandbox()
    make_hierarchy(sandbox)
    sandbox.seed.building("Tower", center=sandbox.seed.center("C"))
    state = admin(sandbox).get("/state").json()

    assert state["workplace"]["buildings"][0]["centers"][0]["name"] == "C"
    assert state["workplace"]["centers"][0]["buildings"][0]["name"] == "Tower"
    assert [floor["FloorNumber"] for floor in state["engage"]["floors"]] == ["1"]
    assert state["engage"]["bookings"] == []


def test_requests_are_counted_by_system_method_path_and_status() -> None:
    sandbox, _ = make_sandbox()
    client = workplace(sandbox)
    for building in (1, 2, 2):
        client.get(f"/buildings/{building}")
    report = admin(sandbox).get("/requests").json()

    assert report["totals"] == {"workplace": 3}
    rows = [(row["path"], row["template"], row["status"], row["count"]) for row in report["requests"]]
    assert rows == [
        ("/buildings/1", "/buildings/{id}", 404, 1),
        ("/buildings/2", "/buildings/{id}", 404, 2),
    ]
    assert sandbox.journal.count("workplace", "GET", "/buildings/{id}") == 3
    assert sandbox.journal.count("engage") == 0


def test_committed_writes_are_listed_in_order_and_refused_ones_are_not() -> None:
    sandbox, _ = make_sandbox()
    client = engage(sandbox)
    body = {"ResourceName": "France", "CountryCode": "FR"}
    made = client.post("/countries", json=body).json()["Data"][0]["InternalId"]
    client.post("/countries", json=body)
    client.delete(f"/countries/{made}")
    writes = admin(sandbox).get("/requests").json()["writes"]

    assert writes == [
        {"system": "engage", "method": "POST", "path": "/countries", "body": body, "id": made},
        {"system": "engage", "method": "DELETE", "path": f"/countries/{made}", "body": None, "id": made},
    ]


def test_counting_starts_anew_and_the_state_stays() -> None:
    sandbox, _ = make_sandbox()
    engage(sandbox).post("/countries", json={"ResourceName": "France", "CountryCode": "FR"})
    admin(sandbox).delete("/requests")

    assert admin(sandbox).get("/requests").json() == {"totals": {}, "requests": [], "writes": []}
    assert len(sandbox.engage.items("countries")) == 1


def test_faults_are_set_shown_and_cleared_at_run_time() -> None:
    sandbox, _ = make_sandbox()
    client = admin(sandbox)
    assert client.post("/faults", json={"path": "/rooms", "what": 503}).status_code == 201
    assert client.post("/faults", json=[{"what": "reset", "system": "engage"}]).status_code == 201
    assert workplace(sandbox).get("/rooms").status_code == 503
    assert [fault["met"] for fault in client.get("/faults").json()] == [1, 0]

    client.delete("/faults")
    assert workplace(sandbox).get("/rooms").status_code == 200


def test_a_wrong_fault_at_run_time_is_400_and_sets_nothing() -> None:
    sandbox, _ = make_sandbox()
    response = admin(sandbox).post("/faults", json=[{"what": 503}, {"what": "explode"}])

    assert response.status_code == 400
    assert "entry 2: what" in response.json()["message"]
    assert sandbox.faults.report() == []


def test_centers_are_made_changed_and_removed() -> None:
    sandbox, _ = make_sandbox()
    one, two = sandbox.seed.building("One"), sandbox.seed.building("Two")
    client = admin(sandbox)

    body = {"name": "C", "timeZone": "Asia/Kolkata", "buildings": [one]}
    center = client.post("/workplace/centers", json=body).json()
    assert center["timeZone"] == {"ID": "Asia/Kolkata"}
    assert [building["id"] for building in center["buildings"]] == [one]

    changed = client.put(f"/workplace/centers/{center['id']}", json={"buildings": [two], "name": "D"}).json()
    assert (changed["name"], [building["id"] for building in changed["buildings"]]) == ("D", [two])

    client.delete(f"/workplace/centers/{center['id']}")
    assert sandbox.workplace.item("buildings", two)["centers"] == []
    assert workplace(sandbox).get("/centers?module=reservation").json() == []


def test_a_building_is_put_into_a_center_and_taken_out() -> None:
    sandbox, clock = make_sandbox()
    building, center = sandbox.seed.building("One"), sandbox.seed.center()
    clock.advance(1)
    link = f"/workplace/centers/{center}/buildings/{building}"

    assert len(admin(sandbox).put(link).json()["buildings"]) == 1
    assert sandbox.workplace.item("buildings", building)["dateUpdated"] == int(clock() * 1000)
    assert admin(sandbox).delete(link).json()["buildings"] == []


def test_a_country_without_a_code_can_be_added() -> None:
    sandbox, _ = make_sandbox()
    country = admin(sandbox).post("/workplace/countries", json={"name": "Atlantis"}).json()

    assert "alpha2Code" not in workplace(sandbox).get(f"/countries/{country['id']}").json()


def test_bookings_are_seeded() -> None:
    sandbox, _ = make_sandbox()
    room = sandbox.seed.engage("rooms", **make_hierarchy(sandbox).room())
    body = {"roomId": room, "startDateTime": "2030-01-01 09:00:00", "endDateTime": "2030-01-01 10:00:00"}

    assert admin(sandbox).post("/engage/bookings", json=body).status_code == 201
    assert [booking["roomID"] for booking in admin(sandbox).get("/engage/bookings").json()] == [room]


def test_tokens_are_revoked() -> None:
    sandbox, _ = make_sandbox()
    client = engage(sandbox)
    admin(sandbox).delete("/engage/tokens")

    assert client.get("/countries").status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/workplace/centers", {}),
        ("/workplace/centers", {"name": "C", "buildings": [99]}),
        ("/workplace/centers", {"name": "C", "buildings": "all"}),
        ("/workplace/centers", {"name": "C", "module": "nonsense"}),
        ("/engage/bookings", {"roomId": 1}),
        ("/engage/bookings", {"roomId": 1, "startDateTime": "2030-01-01", "endDateTime": "2030-01-02"}),
    ],
)
def test_what_makes_no_sense_is_400_and_changes_nothing(path: str, body: dict[str, Any]) -> None:
    sandbox, _ = make_sandbox()
    before = admin(sandbox).get("/state").json()

    assert admin(sandbox).post(path, json=body).status_code == 400
    assert admin(sandbox).get("/state").json() == before


def test_an_unknown_address_answers_the_known_ones() -> None:
    sandbox, _ = make_sandbox()
    response = admin(sandbox).get("/nothing")

    assert response.status_code == 404
    assert "GET /_sandbox/state" in response.json()["message"]


def test_admin_requests_are_not_counted() -> None:
    sandbox, _ = make_sandbox()
    admin(sandbox).get("/state")

    assert sandbox.journal.count() == 0
