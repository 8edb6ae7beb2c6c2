"""The clients on a sandbox whose clock never waits, and one entity of each kind that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit
from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials
from engage_sync.clients.timing import Timing
from engage_sync.clients.workplace import WorkplaceSource
from engage_sync.sandbox import ManualClock, Sandbox
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Current, Key, Kind, Value
from reconcilers.ports import Demand

ALL = Demand(True, frozenset({MEETING, PERSONAL}))


@dataclass
class Bench:
    """A sandbox whose clock never waits."""

    sandbox: Sandbox
    clock: ManualClock

    @property
    def timing(self) -> Timing:
        return Timing(self.clock, self.clock, self.clock.sleep, lambda: 0.5)

    def workplace(self, password: str | None = None, **options: Any) -> WorkplaceSource:
        account = self.sandbox.account
        return WorkplaceSource(
            self.sandbox.addresses.workplace,
            WorkplaceCredentials(
                Secret(account.workplace_username), Secret(password or account.workplace_password)
            ),
            self.sandbox.transport(),
            user_agent="engage-sync/0 (test)",
            timing=self.timing,
            **options,
        )

    def engage(
        self,
        rate: RateLimit | None = None,
        password: str | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        read_only: bool = False,
    ) -> EngageSession:
        """A session; by default with all subscription keys and without limits of its own."""
        account = self.sandbox.account
        known = account.subscription_keys if keys is None else keys
        return EngageSession(
            self.sandbox.addresses.engage_application,
            self.sandbox.addresses.engage_api,
            EngageCredentials(
                Secret(account.engage_client_id),
                Secret(password or account.engage_password),
                {product: Secret(key) for product, key in known.items()},
            ),
            transport or self.sandbox.transport(),
            user_agent="engage-sync/0 (test)",
            rate_limit=rate or RateLimit(0, 0),
            timing=self.timing,
            read_only=read_only,
        )


def bench(**options: Any) -> Bench:
    clock = ManualClock()
    return Bench(Sandbox(clock=clock, sleep=clock.sleep, **options), clock)


async def held(session: EngageSession) -> list[Current]:
    return list((await EngageReader(session).read(lambda _: ALL)).items)


@dataclass
class Made:
    """Internal ids of one entity of each kind."""

    country: int
    region: int
    group: int
    type: int
    location: int
    floor: int
    room: int


ROOM: dict[str, Value] = {"ResourceName": "R1", "ResourceType": MEETING, "MaxCapacity": 6}


async def make(writer: EngageWriter) -> Made:
    async def create(kind: Kind, key: str, **fields: Value) -> int:
        return await writer.create(kind, Key(key), fields)

    country = await create(
        Kind.COUNTRY, "wp:country:DE", ResourceName="Germany", InternalParentId=None, CountryCode="DE"
    )
    region = await create(Kind.REGION, "wp:city:DE:m", ResourceName="Munich", InternalParentId=country)
    group = await create(Kind.GROUP, "wp:group:DE", ResourceName="Default", InternalParentId=country)
    type = await create(
        Kind.WORKSPACE_TYPE, "wp:type:1", ResourceName="Lab", InternalParentId=None, Family="Hourly"
    )
    location = await create(
        Kind.LOCATION, "wp:building:1", ResourceName="HQ", InternalParentId=region, LocationAddress="",
        PostCode="80539", LocationCity="Munich", LocationCountry="Germany",
        TimeZone="W. Europe Standard Time", NumberOfFloorsAboveGround=1, NumberOfFloorsBelowGround=0,
    )  # fmt: skip
    await writer.update(Kind.LOCATION, location, {"GroupId": group})
    floor = await create(
        Kind.FLOOR, "wp:floor:1", ResourceName="1st", InternalParentId=location, FloorNumber="1"
    )
    room = await create(
        Kind.RESOURCE, "wp:room:1", **ROOM, LocationId=location, FloorNumber="1", WorkspaceTypeId=type,
        GroupId=group,
    )  # fmt: skip
    return Made(country, region, group, type, location, floor, room)
