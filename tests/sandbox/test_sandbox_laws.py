"""Laws of the sandbox: whatever is sent, it is answered, and a refusal changes nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync.sandbox import Sandbox
from engage_sync.sandbox.admin import state
from engage_sync.sandbox.engage_kinds import KINDS
from tests.sandbox.sandbox_helpers import Hierarchy, engage, make_hierarchy, make_sandbox, workplace

SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 120) | st.text(max_size=3) | st.sampled_from(["1", "UTC"])
)
VALUES = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name"]), inner),
    max_leaves=4,
)
WORKPLACE_FIELDS = [
    "id",
    "name",
    "floor",
    "type",
    "building",
    "address",
    "state",
    "capacity",
    "spaceTypeGroup",
]


def filled() -> tuple[Sandbox, Hierarchy]:
    sandbox, _ = make_sandbox(per_minute=0, per_week=0)
    ids = make_hierarchy(sandbox)
    sandbox.seed.engage("rooms", **ids.room())
    floor = sandbox.seed.floor(sandbox.seed.building("Tower"))
    sandbox.seed.room(floor, sandbox.seed.space_type("Meeting"), "R")
    return sandbox, ids


def bodies(fields: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(fields), VALUES, max_size=6)


lawful = settings(max_examples=60)


@pytest.mark.parametrize("kind", sorted(KINDS))
@lawful
@given(data=st.data())
def test_engage_answers_any_body_and_a_refusal_changes_nothing(kind: str, data: st.DataObject) -> None:
    sandbox, _ = filled()
    client = engage(sandbox)
    target = data.draw(st.sampled_from(["", *(f"/{one}" for one in sandbox.engage.data.tables[kind])]))
    before = state(sandbox)
    body = data.draw(bodies(sorted(KINDS[kind].fields)))
    response = client.request("PUT" if target else "POST", f"/{kind}{target}", json=body)

    assert response.status_code in (200, 201, 400, 409)
    if response.is_error:
        assert state(sandbox) == before
    assert len(sandbox.writes) == (0 if response.is_error else 1)


@pytest.mark.parametrize("path", ["/buildings", "/floors", "/rooms", "/rooms/types"])
@lawful
@given(body=bodies(WORKPLACE_FIELDS), edit=st.booleans())
def test_workplace_answers_any_body_and_a_refusal_changes_nothing(
    path: str, body: dict[str, Any], edit: bool
) -> None:
    sandbox, _ = filled()
    before = state(sandbox)
    response = workplace(sandbox).request("PUT" if edit else "POST", path + "/1" * edit, json=body)

    assert response.status_code in (200, 201, 400)
    if response.is_error:
        assert state(sandbox) == before
    assert workplace(sandbox).get(path).status_code == 200


@lawful
@given(
    query=st.dictionaries(
        st.sampled_from(["limit", "startAt", "orderBy", "type", "floorId", "search", "numberOfPeople"]),
        st.integers(-1, 101).map(str) | st.text(max_size=3) | st.sampled_from(["id", "name", "²"]),
    )
)
def test_workplace_answers_any_query(query: dict[str, str]) -> None:
    sandbox, _ = filled()

    assert workplace(sandbox).get("/rooms", params=query).status_code in (200, 400)


@lawful
@given(number=st.integers(0, 7), limit=st.integers(1, 4))
def test_pages_put_together_are_the_whole_listing(number: int, limit: int) -> None:
    sandbox, _ = make_sandbox()
    for index in range(number):
        sandbox.seed.building(f"B{index}")
    client = workplace(sandbox)
    found: list[int] = []
    while True:
        page = client.get(f"/buildings?limit={limit}&startAt={len(found)}").json()
        found += [building["id"] for building in page]
        if len(page) < limit:
            break

    assert found == list(range(1, number + 1))
