"""The clients against the sandbox as a black box: two readings of one contract must agree."""

from collections.abc import Callable, Coroutine
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit
from engage_sync.sandbox import Fault, load_csv
from reconcilers.errors import CredentialsRejected, Halted, QuotaExhausted, RefusedError
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Key, Kind, Value
from reconcilers.proof import prove
from reconcilers.source import Listing
from tests.sandbox.bench import bench, held, make

DATA = Path(__file__).parents[3] / "shared" / "data"
LMU = DATA / "lmu_munich_2015.csv.gz"


@pytest.mark.skipif(not LMU.exists(), reason="the shared data are not here")
async def test_a_whole_university_is_read_complete_and_within_budget() -> None:
    here = bench()
    load_csv(here.sandbox.workplace.data, LMU)
    async with here.workplace() as source:
        observed = await source.read({})
        met = source.requests
        listings: list[Listing[Any]] = [observed.buildings, observed.floors, observed.spaces, observed.types]
        kinds = (Kind.LOCATION, Kind.FLOOR, Kind.RESOURCE, Kind.WORKSPACE_TYPE)
        known = {
            kind: frozenset(item.id for item in listing.items)
            for kind, listing in zip(kinds, listings, strict=True)
        }
        again = await source.read(known)
    assert prove(observed, {})[1] == prove(again, known)[1] == ()
    assert len(observed.spaces.items) == len(again.spaces.items) == 20_714
    sizes = [len(listing.items) for listing in listings]
    # Where nobody knows what there was, each page shows one record of the page before once more.
    besides = 2 * len(listings) + 1 + len(observed.centers.items)
    assert met == sum(1 + max(0, ceil((size - 100) / 99)) for size in sizes) + besides
    assert source.requests - met == sum(max(1, ceil(size / 100)) for size in sizes) + besides
    assert all(not listing.unreadable for listing in listings)


async def test_wrong_passwords_are_told_apart_from_everything_else() -> None:
    here = bench()
    async with here.workplace(password="wrong") as source:
        with pytest.raises(CredentialsRejected) as caught:
            await source.read({})
        assert caught.value.system == "source"
    async with here.engage(password="wrong") as session:
        with pytest.raises(CredentialsRejected) as caught:
            await held(session)
        assert caught.value.system == "target"


async def test_a_new_engage_holds_the_two_default_types() -> None:
    async with bench().engage() as session:
        items = await held(session)
    assert [(item.kind, item.name, item.values[2], item.builtin) for item in items] == [
        (Kind.WORKSPACE_TYPE, "Meeting Room", "Hourly", True),
        (Kind.WORKSPACE_TYPE, "Desk", "AllDay", True),
    ]


async def test_what_is_written_is_read_back() -> None:
    async with bench().engage() as session:
        made = await make(EngageWriter(session))
        items = {item.external_id: item for item in await held(session)}
    assert items["wp:country:DE"].values == ("Germany", None, "DE")
    assert items["wp:city:DE:m"].values == ("Munich", made.country)
    assert items["wp:group:DE"].values == ("Default", made.country)
    assert items["wp:type:1"].values == ("Lab", None, "Hourly")
    assert items["wp:building:1"].values == (
        "HQ", made.region, "", "80539", "Munich", "Germany", "W. Europe Standard Time", 1, 0, made.group,
    )  # fmt: skip
    assert items["wp:floor:1"].values == ("1st", made.location, "1")
    assert items["wp:room:1"].values == ("R1", made.location, MEETING, made.floor, made.type, 6)


async def test_updates_deletes_and_repetitions() -> None:
    async with bench().engage() as session:
        writer = EngageWriter(session)
        made = await make(writer)
        await writer.update(Kind.LOCATION, made.location, {"GroupId": made.group})
        await writer.update(
            Kind.RESOURCE, made.room, {"ResourceName": "R2", "MaxCapacity": 2}, variant=MEETING
        )
        await writer.update(Kind.WORKSPACE_TYPE, 1, {"ExternalId": "wp:type:7"})
        await writer.update(Kind.WORKSPACE_TYPE, 1, {"ExternalId": None})
        with pytest.raises(RefusedError):
            await writer.delete(Kind.LOCATION, made.location)
        for _ in range(2):
            await writer.delete(Kind.RESOURCE, made.room, variant=MEETING)
        with pytest.raises(RefusedError):
            await writer.update(Kind.RESOURCE, made.room, {"MaxCapacity": 3}, variant=MEETING)
        items = await held(session)
    assert [item.kind for item in items].count(Kind.RESOURCE) == 0
    assert all(item.external_id is None for item in items if item.builtin)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_every_attempt_of_a_write_asks_whether_it_may_still_start(method: str) -> None:
    """A leader that was frozen between two attempts is none any more at the second."""
    path = "/countries" if method == "POST" else "/workspaceTypes/{id}"
    here = bench()
    here.sandbox.faults.add(Fault(system="engage", method=method, path=path, what="503", occurrences=1))
    asked = 0

    def gate() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise Halted("no longer the leader")

    async with here.engage() as session:
        writer = EngageWriter(session, gate)
        attempts: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "POST": lambda: writer.create(Kind.COUNTRY, Key("wp:country:DE"), {"ResourceName": "Germany"}),
            "PUT": lambda: writer.update(Kind.WORKSPACE_TYPE, 1, {"ExternalId": "wp:type:7"}),
            "DELETE": lambda: writer.delete(Kind.WORKSPACE_TYPE, 1),
        }
        with pytest.raises(Halted):
            await attempts[method]()
    sent = here.sandbox.journal.count(system="engage", method=method, path=path)
    assert (asked, sent) == (2, 1)


async def test_the_same_create_twice_is_one_entity_and_a_taken_name_is_refused() -> None:
    async with bench().engage() as session:
        writer = EngageWriter(session)
        made = await make(writer)
        fields: dict[str, Value] = {"ResourceName": "Munich", "InternalParentId": made.country}
        assert await writer.create(Kind.REGION, Key("wp:city:DE:m"), fields) == made.region
        with pytest.raises(RefusedError):
            await writer.create(Kind.REGION, Key("wp:city:DE:other"), fields)


FAULTS = [
    "reset", "commit-then-reset", "commit-then-504", "504", "500", "429", "garbage", "html",
    "truncated", "empty",
]  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("occurrence", range(2, 10))  # the first asks for the token
async def test_a_create_that_goes_wrong_makes_one_entity(what: str, occurrence: int) -> None:
    here = bench()
    here.sandbox.faults.add(Fault(system="engage", method="POST", occurrences=occurrence, what=what))
    async with here.engage() as session:
        made = await make(EngageWriter(session))
        items = await held(session)
    names = sorted(item.name for item in items if not item.builtin)
    assert names == ["1st", "Default", "Germany", "HQ", "Lab", "Munich", "R1"]
    assert {item.id for item in items if item.kind is Kind.RESOURCE} == {made.room}


async def test_a_token_that_ends_early_is_replaced() -> None:
    here = bench(token_life=3600)
    async with here.engage() as session:
        await held(session)
        await here.clock.sleep(3599)
        await held(session)
        await here.clock.sleep(100_000)
        await held(session)


async def many(session: EngageSession) -> None:
    for _ in range(100):
        await held(session)


async def test_the_minute_is_paced_and_the_week_ends_the_run() -> None:
    here = bench(per_minute=10, per_week=40)
    async with here.engage(RateLimit(10, 0)) as session:
        for _ in range(10):
            await held(session)  # two calls each
        assert session.requests == 20 + 1
    async with here.engage() as careless:
        with pytest.raises(QuotaExhausted) as caught:
            await many(careless)
        assert caught.value.retry_after


async def test_desks_and_rooms_are_two_listings_of_one_kind() -> None:
    async with bench().engage() as session:
        writer = EngageWriter(session)
        made = await make(writer)
        fields: dict[str, Value] = {
            "ResourceName": "D1", "LocationId": made.location, "ResourceType": PERSONAL, "FloorNumber": "1",
            "WorkspaceTypeId": 2, "MaxCapacity": 1, "GroupId": made.group,
        }  # fmt: skip
        desk = await writer.create(Kind.RESOURCE, Key("wp:room:2"), fields)
        found = await EngageReader(session).find(
            Kind.RESOURCE, "wp:room:2", parent=made.location, variant=PERSONAL
        )
        assert found == desk
        await writer.delete(Kind.RESOURCE, desk, variant=PERSONAL)
