"""Faults: which request they hit, and what each kind does to answer and state."""

import asyncio
from typing import Any

import httpx
import pytest

from engage_sync.sandbox import Fault, Sandbox, read_faults
from tests.sandbox.sandbox_helpers import (
    TOKEN,
    WORKPLACE,
    engage,
    make_hierarchy,
    make_sandbox,
    token_form,
    workplace,
    workplace_headers,
)


def with_rooms(number: int = 5) -> tuple[Sandbox, httpx.Client]:
    sandbox, _ = make_sandbox()
    floor = sandbox.seed.floor(sandbox.seed.building("Tower"))
    kind = sandbox.seed.space_type("Meeting")
    for index in range(1, number + 1):
        sandbox.seed.room(floor, kind, f"R{index}")
    return sandbox, workplace(sandbox)


def names(response: httpx.Response) -> list[str]:
    return [item["name"] for item in response.json()]


@pytest.mark.parametrize(
    ("occurrences", "hit"),
    [
        (2, [2]),
        ([1, 4], [1, 4]),
        ("3", [3]),
        ("2-3", [2, 3]),
        ("4+", [4, 5, 6]),
        ("every 2", [2, 4, 6]),
        ("all", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_fault_hits_the_occurrences_it_names(occurrences: Any, hit: list[int]) -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(path="/rooms", occurrences=occurrences, what="503"))
    statuses = [client.get("/rooms").status_code for _ in range(6)]

    assert [number for number, status in enumerate(statuses, 1) if status == 503] == hit


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (Fault(what="500"), True),
        (Fault(what="500", system="engage"), False),
        (Fault(what="500", system="workplace", method="get", path="/rooms/{id}"), True),
        (Fault(what="500", path="/rooms/1/"), True),
        (Fault(what="500", path="/rooms*"), True),
        (Fault(what="500", path="/rooms"), False),
        (Fault(what="500", method="POST"), False),
    ],
)
def test_a_fault_hits_the_requests_it_describes(fault: Fault, hit: bool) -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(fault)

    assert (client.get("/rooms/1").status_code == 500) is hit


def test_the_first_fault_that_fires_decides_and_all_count() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="500", occurrences=1), Fault(what="503", occurrences="1-2"))

    assert [client.get("/rooms").status_code for _ in range(3)] == [500, 503, 200]
    assert [fault["met"] for fault in sandbox.faults.report()] == [3, 3]


def test_a_status_comes_with_retry_after_and_without_effect() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(method="DELETE", what="429", retry_after=7))
    response = client.delete("/rooms/1")

    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert response.json()["status"] == 429
    assert len(sandbox.workplace.items("rooms")) == 5


def test_reset_drops_the_connection_before_anything_happens() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="reset", occurrences=1))
    with pytest.raises(httpx.RemoteProtocolError):
        client.delete("/rooms/1")

    assert len(sandbox.workplace.items("rooms")) == 5
    assert sandbox.journal.count(status=0) == 1


def test_commit_then_reset_carries_out_what_it_never_answers() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="commit-then-reset"))
    with pytest.raises(httpx.RemoteProtocolError):
        client.delete("/rooms/1")

    assert len(sandbox.workplace.items("rooms")) == 4
    assert [write.method for write in sandbox.writes] == ["DELETE"]


@pytest.mark.parametrize("status", [504, 500])
def test_commit_then_a_status_carries_out_what_it_denies(status: int) -> None:
    sandbox, _ = make_sandbox()
    client = engage(sandbox)
    sandbox.faults.add(Fault(what=f"commit-then-{status}", method="POST"))
    response = client.post("/countries", json={"ResourceName": "France", "CountryCode": "FR"})

    assert response.status_code == status
    assert [country["ResourceName"] for country in sandbox.engage.items("countries")] == ["France"]


def test_a_truncated_body_is_a_protocol_error_after_the_effect() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="truncated", method="DELETE"))
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        client.delete("/rooms/1")

    assert len(sandbox.workplace.items("rooms")) == 4


def test_empty_shows_nothing_in_lists_envelopes_and_counts() -> None:
    sandbox, client = with_rooms()
    make_hierarchy(sandbox)
    target = engage(sandbox)
    sandbox.faults.add(Fault(what="empty"))

    assert client.get("/rooms").json() == []
    assert client.get("/rooms/count").json() == {"count": 0}
    body = target.get("/countries").json()
    assert (body["IsError"], body["Data"]) == (False, [])


def test_short_leaves_out_one_item_from_the_middle() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="short"))

    assert names(client.get("/rooms")) == ["R1", "R2", "R4", "R5"]


def test_short_leaves_a_building_out_of_a_centers_detail() -> None:
    sandbox, client = with_rooms()
    center = sandbox.seed.center()
    sandbox.workplace.data.assign(center, 1)
    sandbox.faults.add(Fault(path="/centers/{id}", what="short"))

    assert client.get(f"/centers/{center}?selector=buildings").json()["buildings"] == []


def test_duplicated_shows_the_page_before_once_more() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="duplicated", occurrences=2))

    assert names(client.get("/rooms?limit=2")) == ["R1", "R2"]
    assert names(client.get("/rooms?limit=2&startAt=2")) == ["R1", "R2"]


def test_duplicated_doubles_the_items_of_an_unpaged_listing() -> None:
    sandbox, _ = make_sandbox()
    make_hierarchy(sandbox)
    client = engage(sandbox)
    sandbox.faults.add(Fault(what="duplicated"))

    assert len(client.get("/countries").json()["Data"]) == 2


def test_html_is_a_page_with_status_200_and_no_effect() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="html"))
    response = client.delete("/rooms/1")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(sandbox.workplace.items("rooms")) == 5


def test_garbage_says_it_is_json_but_is_not() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="garbage"))
    response = client.get("/rooms")

    assert response.headers["Content-Type"].startswith("application/json")
    with pytest.raises(ValueError, match="Expecting"):
        response.json()


def test_401_hits_a_good_token_once() -> None:
    sandbox, _ = make_sandbox()
    client = engage(sandbox)
    sandbox.faults.add(Fault(system="engage", path="/countries", occurrences=1, what="401"))

    assert [client.get("/countries").status_code for _ in range(2)] == [401, 200]


def test_the_token_endpoint_can_fail_too() -> None:
    sandbox, _ = make_sandbox()
    sandbox.faults.add(Fault(system="engage", path="/tokenproviderapi/token", what="503"))
    with httpx.Client(transport=sandbox.transport()) as client:
        assert client.post(TOKEN, data=token_form(sandbox)).status_code == 503


async def test_a_delay_passes_on_the_injected_clock() -> None:
    sandbox, clock = make_sandbox()
    sandbox.faults.add(Fault(what="delay", delay=2))
    before = clock()
    headers = workplace_headers(sandbox)
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url=WORKPLACE, headers=headers
    ) as client:
        assert (await client.get("/rooms")).status_code == 200

    assert clock() - before == 2


async def test_a_delay_beyond_the_clients_patience_is_a_timeout_after_the_effect() -> None:
    sandbox, _ = with_rooms()
    sandbox.faults.add(Fault(what="delay", delay=120))
    headers = workplace_headers(sandbox)
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url=WORKPLACE, headers=headers
    ) as client:
        with pytest.raises(httpx.ReadTimeout):
            await asyncio.wait_for(client.delete("/rooms/1", timeout=30), 5)

    assert len(sandbox.workplace.items("rooms")) == 4


def test_cleared_faults_are_over() -> None:
    sandbox, client = with_rooms()
    sandbox.faults.add(Fault(what="500"))
    sandbox.faults.clear()

    assert client.get("/rooms").status_code == 200


def test_faults_are_read_from_yaml() -> None:
    text = """
    - {system: workplace, method: GET, path: /rooms, occurrences: [2, 3], what: 429, retryAfter: 5}
    - {system: engage, what: delay, delay: 1m30s}
    """
    first, second = read_faults(text, "faults.yaml")

    assert (first.what, first.occurrences, first.retry_after) == ("429", [2, 3], 5)
    assert (second.what, second.delay) == ("delay", 90.0)
    assert read_faults("", "faults.yaml") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {what: explode}", "entry 1: what: unknown fault 'explode'"),
        ("- {what: 200}", "entry 1: what"),
        ("- {what: 503}\n- {path: /rooms}", "entry 2: what: Field required"),
        ("- {what: 503, when: 3}", "entry 1: when"),
        ("- {what: 503, occurrences: some}", "entry 1: occurrences"),
        ("- {what: 503, occurrences: every 0}", "entry 1: occurrences"),
        ("- {what: 503, system: engaged}", "entry 1: system"),
        ("- {what: delay, delay: soon}", "entry 1: delay: 'soon' is not a duration"),
        ("- just text", "entry 1"),
        ("{what: 503}", "must hold a list"),
        ("- [", "is not YAML"),
    ],
)
def test_a_wrong_fault_is_named_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"faults\.yaml") as caught:
        read_faults(text, "faults.yaml")

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
