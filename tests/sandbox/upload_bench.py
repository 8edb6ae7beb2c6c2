"""A sandbox, a workbook, and the upload between them, killed wherever a test wants."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from engage_sync.clients.secrets import Secret, WorkplaceCredentials
from engage_sync.clients.timing import Timing
from engage_sync.clients.workplace_listings import Listings
from engage_sync.clients.workplace_session import WorkplaceSession
from engage_sync.clients.workplace_writer import WorkplaceWriter
from engage_sync.sandbox import ManualClock, Sandbox
from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.columns import EXTRA_COLUMNS, Column
from engage_sync.spacedata.engage_ids import read_engage_ids
from engage_sync.spacedata.example import Record
from engage_sync.spacedata.journal import Journal
from engage_sync.spacedata.match import plan_upload
from engage_sync.spacedata.model import checked
from engage_sync.spacedata.template import write_template
from engage_sync.spacedata.upload import Outcome, Upload
from engage_sync.spacedata.work import UploadPlan
from engage_sync.spacedata.world import read_world

TYPES: Mapping[str, str] = {"Meeting": "We Spaces", "Desk": "Me Spaces", "Store": "None"}
WRITES = ("POST", "PUT", "DELETE")
Moment = Literal["before", "after", "lost", "late"]
"""Killed before the write is sent; when it was carried out; its answer lost; carried out after the death."""


class Killed(BaseException):
    """kill -9, as far as one process can show it."""


class Ambush(httpx.AsyncBaseTransport):
    """Lets all pass but the write of one number."""

    def __init__(self, inner: httpx.AsyncBaseTransport, number: int, moment: Moment) -> None:
        self.writes = 0
        self.held: httpx.Request | None = None
        self._inner, self._number, self._moment = inner, number, moment

    async def carry_out(self) -> None:
        """What was sent before the death."""
        if self.held is not None:
            request, self.held = self.held, None
            await self._inner.handle_async_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.writes += request.method in WRITES
        if request.method in WRITES:
            await self.carry_out()
        if request.method not in WRITES or self.writes != self._number:
            return await self._inner.handle_async_request(request)
        if self._moment == "before":
            raise Killed
        if self._moment == "late":
            await request.aread()
            self.held = request
            raise Killed
        await self._inner.handle_async_request(request)
        if self._moment == "lost":
            raise httpx.ReadError("gone", request=request)
        raise Killed


@dataclass
class Bench:
    """A sandbox whose clock never waits, a folder for the state, and one for workbooks."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    while_asleep: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.clock, sleep=self.clock.sleep)
        self.state = self.folder / "state"

    def book(self, records: Iterable[Record], name: str = "book.xlsx") -> Path:
        path = self.folder / name
        write_template(path, force=True, records=records, extra=EXTRA_COLUMNS)
        return path

    async def upload(
        self,
        book: Path,
        types: Mapping[str, str] = TYPES,
        transport: httpx.AsyncBaseTransport | None = None,
        country: str = "",
    ) -> tuple[UploadPlan, Outcome | None]:
        """One run of the command's inside; its outcome is None where the plan has errors."""
        data = check_file(book, country)
        ids, _ = read_engage_ids(book, data)
        with Journal(self.state) as journal:
            async with (
                self.session() as reading,
                self.session(transport or self.sandbox.transport()) as writing,
            ):
                listings = Listings(reading)
                plan = plan_upload(checked(data), await read_world(listings), types, ids)
                if plan.errors:
                    return plan, None
                upload = Upload(listings, WorkplaceWriter(writing), journal, timing=self._timing)
                return plan, await upload.run(plan)

    def session(self, writes: httpx.AsyncBaseTransport | None = None) -> WorkplaceSession:
        return WorkplaceSession(
            self.sandbox.addresses.workplace, self._credentials, writes or self.sandbox.transport(),
            user_agent="engage-sync/0 (test)", read_only=writes is None, timing=self._timing,
        )  # fmt: skip

    def paths(self) -> Counter[tuple[str, ...]]:
        """What Workplace holds, by its names from the top; more than once is a duplicate."""
        data = self.sandbox.workplace.data
        buildings = {id: (one["code"], one["name"]) for id, one in data.tables["buildings"].items()}
        floors = {
            id: (*buildings[one["buildingId"]], one["name"]) for id, one in data.tables["floors"].items()
        }
        rooms = [(*floors[one["floorId"]], one["name"]) for one in data.tables["rooms"].values()]
        types = [("type", one["name"]) for one in data.tables["types"].values()]
        return Counter([*buildings.values(), *floors.values(), *rooms, *types])

    def held(self) -> dict[str, list[dict[str, object]]]:
        """All records without ids and dates, as people would compare two tenants."""
        return {
            kind: sorted(
                (_without_ids(one) for one in self.sandbox.workplace.items(kind)),
                key=lambda one: str(sorted(one.items())),
            )
            for kind in ("types", "buildings", "floors", "rooms")
        }

    def requests(self, method: str) -> int:
        return self.sandbox.journal.count("workplace", method)

    @property
    def writes(self) -> int:
        return sum(self.requests(method) for method in WRITES)

    @property
    def _timing(self) -> Timing:
        return Timing(self.clock, self.clock, self._sleep, lambda: 0.5)

    @property
    def _credentials(self) -> WorkplaceCredentials:
        account = self.sandbox.account
        return WorkplaceCredentials(Secret(account.workplace_username), Secret(account.workplace_password))

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        if self.while_asleep is not None:
            await self.while_asleep()


def row(building: str, floor: str = "", room: str = "", **columns: str | float) -> Record:
    """A row; further columns by the name of their member, such as city=."""
    record: dict[Column, str | int | float] = {
        Column.BUILDING_NAME: building, Column.COUNTRY: "DE", Column.FLOOR: floor, Column.ROOM: room,
    }  # fmt: skip
    if room:
        record[Column.SPACE_TYPE] = "Meeting"
    return record | {Column[name.upper()]: value for name, value in columns.items()}


SMALL: Sequence[Record] = (
    row("HQ", "1", "101", building_code="0042", city="Munich", zip="01067", address="Main Street 1",
        capacity=8, reservable="Yes", description="by the lobby", square_feet=250.5),
    row("HQ", "1", "102", building_code="0042", space_type="Desk", reservable="Yes"),
    row("HQ", "-1", "B01", building_code="0042", space_type="Store"),
    row("HQ", "Büro", "101", building_code="0042", engage_resource_id=41),
    row("Annex", "1", "101", city="Ulm", state_code="BW"),
    row("Annex", "2", city="Ulm"),
    row("Plot", city="Ulm"),
)  # fmt: skip


def _without_ids(value: object) -> dict[str, object]:
    stripped = _stripped(value)
    assert isinstance(stripped, dict)
    return stripped


def _stripped(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: _stripped(inner)
            for name, inner in value.items()
            if name not in ("id", "dateCreated", "dateUpdated", "sortOrder")
        }
    return [_stripped(inner) for inner in value] if isinstance(value, list) else value
