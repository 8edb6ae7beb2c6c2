"""A sync and an upload read the same records, each only what it needs."""

from typing import Any

import pytest
from pydantic import ValidationError

from engage_sync.clients.workplace_held import HeldAddress, HeldBuilding, HeldRoom, HeldType, held_room
from engage_sync.clients.workplace_records import building, space
from reconcilers.source import Space
from tests.unit.clients.test_workplace import BUILDING, ROOM, TYPE


@pytest.mark.parametrize("spoiled", [{"area": "big"}, {"description": 7}, {"longDescription": ["x"]}])
def test_what_only_an_upload_reads_makes_no_space_unreadable_for_a_sync(spoiled: dict[str, Any]) -> None:
    assert space({**ROOM, **spoiled}) == Space(13, "Röntgen", 5, True, 52, 5)
    with pytest.raises(ValidationError):
        held_room({**ROOM, **spoiled})


def test_a_sync_needs_no_ids_in_an_address() -> None:
    address = {"country": {"name": "France"}, "state": {"id": "x", "name": "Var"}}
    found = building({**BUILDING, "address": address})
    assert (found.country_name, found.state) == ("France", "Var")
    with pytest.raises(ValidationError):
        HeldBuilding.model_validate({**BUILDING, "address": address})


def test_an_upload_reads_all_that_it_may_write() -> None:
    held = HeldBuilding.model_validate(BUILDING)
    assert (held.address.country_id, held.address.state.id, held.address.state.code) == (223, 14, "TX")
    assert held.reservation_centers == {145}
    assert held_room(
        {**ROOM, "area": 250.5, "description": "by the lobby", "longDescription": None}
    ) == HeldRoom(13, "Röntgen", "by the lobby", "", 250.5, 5, True, 52, 5)
    assert (HeldType.model_validate(TYPE).group.id, HeldType.model_validate(TYPE).group.name) == (
        2,
        "Me Spaces",
    )


def test_what_is_not_said_stays_unsaid() -> None:
    assert held_room({"id": 1}) == HeldRoom(1, "", "", "", None, None, None, None, None)
    assert HeldBuilding.model_validate({"id": 1, "address": None}).address == HeldAddress()
    assert HeldBuilding.model_validate({"id": 1, "address": {"state": None}}).address == HeldAddress()
    assert HeldType.model_validate({"id": 1, "spaceTypeGroup": None}).group.id is None
    assert HeldType.model_validate({"id": 1}).group.name == ""
