"""Listings for whoever must know that a record is not there: whole, or an error."""

import httpx
import pytest

from engage_sync.clients.secrets import Secret, WorkplaceCredentials
from engage_sync.clients.workplace_held import HELD_ROOMS
from engage_sync.clients.workplace_listings import Listings
from engage_sync.clients.workplace_session import WorkplaceSession
from reconcilers.errors import IncompleteAnswer
from tests.unit.clients.fakes import V2, FakeTime, Tenant, pages
from tests.unit.clients.test_workplace import ROOM, rooms


async def whole(tenant: Tenant) -> list[int]:
    async with WorkplaceSession(
        "https://acme.example",
        WorkplaceCredentials(Secret("name"), Secret("word")),
        httpx.MockTransport(tenant.script),
        user_agent="engage-sync/0",
        read_only=True,
        timing=FakeTime().timing,
    ) as session:
        return [room.id for room in await Listings(session).whole(HELD_ROOMS)]


async def test_all_pages_are_put_together() -> None:
    assert await whole(Tenant(rooms=rooms(250))) == list(range(1, 251))


async def test_rooms_that_moved_between_pages_are_not_whole_although_they_add_up() -> None:
    tenant = Tenant(rooms=rooms(150))
    turns = [pages(rooms(150)), pages(rooms(151)[2:])]
    tenant.script.on("GET", f"{V2}/rooms", *turns, *turns)
    with pytest.raises(IncompleteAnswer, match=r"moved .* between the pages of /rooms"):
        await whole(tenant)


async def test_a_room_that_came_twice_stands_for_one_that_did_not_come() -> None:
    tenant = Tenant(rooms=[*rooms(2), rooms(1)[0]])
    with pytest.raises(IncompleteAnswer, match=r"listed 3 .* and counts"):
        await whole(tenant)


async def test_a_room_that_cannot_be_understood_may_be_the_one_that_is_looked_for() -> None:
    tenant = Tenant(rooms=[*rooms(2), {**ROOM, "id": 3, "capacity": "many"}])
    with pytest.raises(IncompleteAnswer, match="3, which cannot be understood"):
        await whole(tenant)
