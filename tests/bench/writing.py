"""Measures an initial sync against the sandbox, beside what the bare HTTP client reaches against it.

Both run in this process, in turns, each against a fresh sandbox in a process of its own. Both use httpx over
the same transport with the same number of requests in flight.
"""

import asyncio
import contextlib
import csv
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from engage_sync.clients.transport import network_transport
from engage_sync.local_run import one_run
from engage_sync.manifests import read_manifests
from engage_sync.sandbox.account import Account, Addresses
from engage_sync.sandbox.engage import HIERARCHY
from engage_sync.sandbox.load import COLUMNS
from engage_sync.trust import A_PERSON
from reconcilers.events import Event, Planned, Remembered

ROUNDS = 2
RESOURCES, BUILDINGS, FLOORS = 5_000, 40, 5
LATENCY, IN_FLIGHT = "20ms", 8
_API = "/api/V1"


class Pace:
    """How many writes there were, in how many seconds, and what of them was CPU of this process."""

    def __init__(self) -> None:
        self.writes = 0
        self.whole = self._start = self._cpu = 0.0
        self.seconds = self.cpu = 0.0

    def start(self) -> None:
        self._start, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """May be called again: the last time counts."""
        self.seconds = time.perf_counter() - self._start
        self.cpu = time.process_time() - self._cpu

    @property
    def a_second(self) -> float:
        return self.writes / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        return self.cpu / self.writes * 1_000


def race(folder: Path) -> tuple[Pace, Pace]:
    """The best of a few turns of the bare client and of the sync."""
    write_rooms(folder / "rooms.csv")
    bare, synced = [], []
    for turn in range(ROUNDS):
        with sandbox(folder / f"bare-{turn}") as base:
            bare.append(asyncio.run(bare_client(Addresses(base))))
        with sandbox(folder / f"sync-{turn}", "--load", str(folder / "rooms.csv")) as base:
            synced.append(asyncio.run(initial_sync(base, folder / f"sync-{turn}")))
    return max(bare, key=lambda pace: pace.a_second), max(synced, key=lambda pace: pace.a_second)


def write_rooms(path: Path) -> None:
    """5,000 rooms and desks in a few dozen buildings of one country."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS, restval="")
        rows.writeheader()
        for number in range(RESOURCES):
            building, kind = number % BUILDINGS, "Meeting Room" if number % 3 else "Desk"
            rows.writerow({
                "country_code": "US", "country": "United States", "city": f"City {building % 7}",
                "building_code": f"B{building}", "building_name": f"Building {building}",
                "floor_label": f"Floor {number // BUILDINGS % FLOORS}", "room_code": f"R{number}",
                "room_name": f"{kind} {number}", "space_type": kind, "capacity": 8 if number % 3 else 1,
            })  # fmt: skip


@contextlib.contextmanager
def sandbox(folder: Path, *options: str) -> Iterator[str]:
    """A fresh sandbox without limits, in a process of its own; manifests that fit it are in the folder."""
    command = [sys.executable, "-m", "engage_sync", "sandbox", "--no-limits", "--latency", LATENCY]
    process = subprocess.Popen(
        [*command, "--write", str(folder), *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


async def initial_sync(base: str, folder: Path) -> Pace:
    """The product's own run as the command line makes it; its apply phase starts when the plan is known."""
    pace = Pace()

    class Watch:
        def on(self, event: Event) -> None:
            if isinstance(event, Planned):
                pace.start()
            elif isinstance(event, Remembered):
                pace.stop()  # the last commit ends the apply phase

    manifests = read_manifests([folder / "target.yaml", folder / "secrets.yaml"])
    start = time.perf_counter()
    result = await one_run(manifests, folder / "state", apply=True, observer=Watch())
    pace.whole = time.perf_counter() - start
    result.require_report()
    if result.error is not None:
        raise SystemExit(f"bench: the sync failed: {result.error}")
    pace.writes = await _writes(base)
    return pace


async def bare_client(addresses: Addresses) -> Pace:
    """httpx alone: the same number of creates, one after the other in each of so many lanes."""
    pace = Pace()
    async with _engage(addresses) as post:
        bodies = [body async for body in _prepared(post)]
        waiting = iter(bodies)

        async def lane() -> None:
            for body in waiting:
                await post("/rooms", body)

        pace.start()
        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))
        pace.stop()
    pace.writes, pace.whole = len(bodies), pace.seconds
    return pace


Post = Callable[[str, dict[str, Any]], Awaitable[int]]


@contextlib.asynccontextmanager
async def _engage(addresses: Addresses) -> AsyncIterator[Post]:
    """POST to Engage with a token; what is answered is read, and its id taken, as any client must."""
    account = Account()
    async with httpx.AsyncClient(transport=network_transport(A_PERSON), timeout=30.0) as client:
        form = {
            "grant_type": "password",
            "client_id": account.engage_client_id,
            "password": account.engage_password,
        }
        answer = await client.post(f"{addresses.engage_application}/tokenproviderapi/token", data=form)
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        client.headers["Ocp-Apim-Subscription-Key"] = account.subscription_keys[HIERARCHY]

        async def post(path: str, body: dict[str, Any]) -> int:
            answer = await client.post(addresses.engage_api + _API + path, json=body)
            answer.raise_for_status()
            return int(answer.json()["Data"][0]["InternalId"])

        yield post


async def _prepared(post: Post) -> AsyncIterator[dict[str, Any]]:
    """The bodies of all resources; what they hang below is made first and not measured."""
    country = await post("/countries", {"ResourceName": "United States", "CountryCode": "US"})
    region = await post("/regions", {"ResourceName": "City", "InternalParentId": country})
    group = await post("/groups", {"ResourceName": "Group", "InternalParentId": country})
    family = await post("/workspaceTypes", {"ResourceName": "Room", "Family": "Hourly"})
    locations = []
    for building in range(BUILDINGS):
        place = {"ResourceName": f"Building {building}", "InternalParentId": region}
        place |= {"TimeZone": "Central Standard Time", "LocationCity": "City"}
        locations.append(await post("/locations", place))
        await post(f"/locations/{locations[-1]}/groups", {"GroupId": group})
        for floor in range(FLOORS):
            await post(
                "/floors",
                {"ResourceName": f"{floor}", "FloorNumber": f"{floor}", "InternalParentId": locations[-1]},
            )
    for number in range(RESOURCES):
        yield {
            "ResourceName": f"Room {number}", "LocationId": locations[number % BUILDINGS],
            "FloorNumber": str(number // BUILDINGS % FLOORS), "WorkspaceTypeId": family, "MaxCapacity": 8,
            "GroupId": group, "ExternalId": f"wp:room:{number}",
        }  # fmt: skip


async def _writes(base: str) -> int:
    """Writes that the sandbox was asked for, by its own journal."""
    async with httpx.AsyncClient(transport=network_transport(A_PERSON)) as client:
        report = (await client.get(f"{base}/_sandbox/requests")).json()
    rows = [row for row in report["requests"] if row["system"] == "engage" and row["method"] != "GET"]
    return sum(row["count"] for row in rows if "token" not in row["path"])
