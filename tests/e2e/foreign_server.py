"""A Workplace and an Engage that are not ours: contract sections 5 and 6, written from them alone.

They share no code with the product or its sandbox, and wherever the contract leaves room they can be told to
choose differently (`Quirks`). Tests reach into `server.workplace` and `server.engage` directly.
"""

import asyncio
import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from aiohttp import web

from tests.e2e.foreign_workplace import CODES, Json, Refused, Workplace, WorkplaceQuirks

__all__ = ["CODES", "Json", "Workplace"]

Fields = tuple[str, ...]


@dataclass
class Quirks(WorkplaceQuirks):
    """Choices that the contract leaves to the server."""

    overlapping_ids: bool = True  # every Engage list counts from 1 (rooms and desks too)
    post_data: Literal["list", "object"] = "list"
    put_data: Literal["list", "object", "null"] = "list"
    delete_status: Literal[200, 204] = 200
    bad_token_status: Literal[400, 401] = 401
    refuse_with_200: bool = False  # a refusal is told by IsError alone
    extra_fields: bool = False
    null_mappings: bool = True  # LocationGroupMappings: null where there are none
    resource_parent_zero: bool = True  # as in the vendor's fixture
    capacity_as_string: bool = False
    floor_number_as_int: bool = False
    ids_as_strings: bool = False
    extended_only_when_asked: bool = True
    expires_in_as_string: bool = False
    token_calls: int = 0  # a token is refused after so many calls; 0 = never
    delay: float = 0.0005


@dataclass
class Fault:
    """What goes wrong, where, and how many times (after `skip` calls that go right)."""

    what: str
    path: str
    system: str = "workplace"
    method: str = "GET"
    times: int = 1
    skip: int = 0
    hits: int = 0

    def takes(self, system: str, method: str, path: str) -> bool:
        if (system, method) != (self.system, self.method) or not re.fullmatch(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.hits >= self.times:
            return False
        self.hits += 1
        return True


class Call(NamedTuple):
    system: str
    method: str
    path: str
    query: dict[str, str]
    status: int
    body: Any


Fate = Literal["done", "dropped", "late"]
"""Of a write; `late` is done long after the connection is gone, as by a gateway that had taken it on."""
BASE = ("ResourceName", "ExternalId")
LOCATION = ("LocationAddress", "PostCode", "LocationCity", "LocationCountry", "TimeZone")
WRITABLE: dict[str, Fields] = {
    "countries": (*BASE, "CountryCode"),
    "regions": (*BASE, "InternalParentId"),
    "groups": (*BASE, "InternalParentId"),
    "workspaceTypes": (*BASE, "Family"),
    "locations": (
        *BASE,
        "InternalParentId",
        *LOCATION,
        "NumberOfFloorsAboveGround",
        "NumberOfFloorsBelowGround",
    ),
    "floors": (*BASE, "InternalParentId", "FloorNumber"),
    "rooms": (*BASE, "LocationId", "FloorNumber", "GroupId", "WorkspaceTypeId", "MaxCapacity"),
    "desks": (*BASE, "LocationId", "FloorNumber", "GroupId", "WorkspaceTypeId", "MaxCapacity"),
}
FROZEN: dict[str, Fields] = {
    "regions": ("InternalParentId",),
    "groups": ("InternalParentId",),
    "locations": ("InternalParentId",),
    "floors": ("InternalParentId",),
    "workspaceTypes": ("Family",),
    "rooms": ("LocationId",),
    "desks": ("LocationId",),
}
PARENT = {"regions": "countries", "groups": "countries", "locations": "regions", "floors": "locations"}
CHILDREN = {"countries": ("regions", "groups"), "regions": ("locations",), "locations": ("floors",)}
RESOURCES = ("rooms", "desks")
FILTERS = {
    "regions": "countryId",
    "groups": "countryId",
    "locations": "regionId",
    "floors": "locationId",
    "rooms": "locationId",
    "desks": "locationId",
}


class Engage:
    """The target, with every refusal that the contract names."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks
        self.tables: dict[str, dict[int, Json]] = {kind: {} for kind in WRITABLE}
        self.under: defaultdict[tuple[str, int], dict[int, None]] = defaultdict(dict)
        """Ids by kind and parent, in order: thousands of siblings are looked through for every name."""
        self.external: dict[tuple[str, str], int] = {}
        self.location_groups: dict[int, list[int]] = {}
        self.counters: Counter[str] = Counter()
        self.client, self.password = "client+id=&1", "CANARY-engage-pw&=+%ß"
        self.bookings: dict[int, list[Json]] = {}
        """By room id; whatever the window."""
        self.keys = {"HierarchyMapping": "CANARY-key-hierarchy", "ExternalBookings": "CANARY-key-bookings"}
        self.tokens: dict[str, int] = {}
        self.issued = 0
        self.defaults: set[int] = set()
        for name, family in (("Meeting Room", "Hourly"), ("Desk", "AllDay")):
            item = {"ResourceName": name, "Family": family, "ExternalId": None}
            self.defaults.add(self.insert("workspaceTypes", item))

    def insert(self, kind: str, item: Json) -> int:
        counter = kind if self.quirks.overlapping_ids else "all"
        self.counters[counter] += 1
        number = self.counters[counter]
        self.tables[kind][number] = item
        self.under[kind, self.location_of(kind, item)][number] = None
        if item["ExternalId"]:
            self.external[kind, item["ExternalId"]] = number
        return number

    def token(self) -> str:
        self.issued += 1
        token = f"CANARY-token-{self.issued}"
        self.tokens[token] = 0
        return token

    def admits(self, token: str) -> bool:
        if token not in self.tokens:
            return False
        self.tokens[token] += 1
        return not self.quirks.token_calls or self.tokens[token] <= self.quirks.token_calls

    def shown(self, kind: str, number: int, extended: bool = True) -> Json:
        item = self.tables[kind][number]
        text: Callable[[int], Any] = str if self.quirks.ids_as_strings else int
        out: Json = {"InternalId": text(number), **item}
        if "InternalParentId" in item:
            out["InternalParentId"] = text(item["InternalParentId"])
        elif kind not in RESOURCES:
            out["InternalParentId"] = 0
        if kind == "locations":
            groups = self.location_groups.get(number, [])
            external = [self.tables["groups"][g]["ExternalId"] for g in groups]
            rows = [{"GroupId": text(g), "GroupIdExternal": e} for g, e in zip(groups, external, strict=True)]
            out["LocationGroupMappings"] = None if not rows and self.quirks.null_mappings else rows
            out["IsCostCentreMandatory"] = False
        if kind == "floors":
            out["FloorNumber"] = self._floor_number(number)
        if kind in RESOURCES:
            floor = out.pop("floor")
            out["FloorNumber"] = self._floor_number(floor)
            out["FloorName"] = self.tables["floors"][floor]["ResourceName"]
            out["InternalParentId"] = 0 if self.quirks.resource_parent_zero else item["LocationId"]
            out["MaxCapacity"] = (
                str(item["MaxCapacity"]) if self.quirks.capacity_as_string else item["MaxCapacity"]
            )
            if not extended and self.quirks.extended_only_when_asked:
                del out["MaxCapacity"]
        if self.quirks.extra_fields:
            out |= {
                "@odata.type": "#x",
                "Nested": {"a": [None, 1.5]},
                "externalid": "decoy",
                "Id": 99999,
                "Name": None,
            }
        return out

    def _floor_number(self, floor: int) -> str | int:
        number = self.tables["floors"][floor]["FloorNumber"]
        return int(number) if self.quirks.floor_number_as_int else str(number)

    def location_of(self, kind: str, item: Json) -> int:
        """The id of its parent; 0 for what has none."""
        return int(item["LocationId"] if kind in RESOURCES else item.get("InternalParentId", 0))

    def listing(self, kind: str, query: Mapping[str, str]) -> list[Json]:
        rows = self.tables[kind]
        wanted = FILTERS.get(kind)
        extended = query.get("extendedDetails", "").lower() == "true"
        if wanted is None:
            return [self.shown(kind, n) for n in rows]
        if wanted not in query:
            raise Refused(400, f"{wanted} is required")
        parent = int(query[wanted])
        return [self.shown(kind, n, extended) for n in self.under[kind, parent]]

    # writes

    def create(self, kind: str, body: Json) -> Json:
        self._known_fields(kind, body)
        if not str(body.get("ResourceName") or "").strip():
            raise Refused(400, "ResourceName is required")
        self._parent(kind, body)
        if kind == "workspaceTypes" and body.get("Family") not in ("Hourly", "AllDay"):
            raise Refused(400, "Family must be Hourly or AllDay")
        item: Json = {name: body.get(name) for name in WRITABLE[kind]}
        for name in ("InternalParentId", "LocationId", "GroupId", "WorkspaceTypeId"):
            if name in item:
                item[name] = int(body[name])
        if kind == "floors":
            item["FloorNumber"] = str(int(body["FloorNumber"]))
        if kind in RESOURCES:
            item["floor"] = self._floor(item["LocationId"], body.get("FloorNumber"))
            item["MaxCapacity"] = int(body.get("MaxCapacity") or 1)
            del item["FloorNumber"]
        self._check(kind, None, item)
        return self.shown(kind, self.insert(kind, item))

    def update(self, kind: str, number: int, body: Json) -> Json:
        if number not in self.tables[kind]:
            raise Refused(404, f"{kind} {number} does not exist")
        body = {k: v for k, v in body.items() if k != "InternalId"}
        self._known_fields(kind, body)
        old = self.tables[kind][number]
        for name in FROZEN.get(kind, ()):
            if name in body and str(body[name]) != str(old[name]):
                raise Refused(400, f"{name} cannot change")
        item = {
            **old,
            **{k: v for k, v in body.items() if k in WRITABLE[kind] and k not in FROZEN.get(kind, ())},
        }
        if kind == "floors":
            item["FloorNumber"] = str(int(item["FloorNumber"]))
        if kind in RESOURCES:
            if "FloorNumber" in body:
                item["floor"] = self._floor(item["LocationId"], body["FloorNumber"])
                del item["FloorNumber"]
            item["WorkspaceTypeId"], item["GroupId"] = int(item["WorkspaceTypeId"]), int(item["GroupId"])
            item["MaxCapacity"] = int(item["MaxCapacity"])
        self._check(kind, number, item)
        self.tables[kind][number] = item
        if item["ExternalId"]:
            self.external[kind, item["ExternalId"]] = number
        return self.shown(kind, number)

    def delete(self, kind: str, number: int) -> None:
        if number not in self.tables[kind]:
            raise Refused(404, f"{kind} {number} does not exist")
        if kind == "workspaceTypes" and number in self.defaults:
            raise Refused(400, "a default workspace type cannot be deleted")
        for child in CHILDREN.get(kind, ()):
            if any(item["InternalParentId"] == number for item in self.tables[child].values()):
                raise Refused(409, f"{kind} {number} still has {child}")
        column = {
            "locations": "LocationId",
            "floors": "floor",
            "groups": "GroupId",
            "workspaceTypes": "WorkspaceTypeId",
        }
        for child in RESOURCES if kind in column else ():
            if any(item[column[kind]] == number for item in self.tables[child].values()):
                raise Refused(409, f"{kind} {number} still has {child}")
        if kind == "groups" and any(number in groups for groups in self.location_groups.values()):
            raise Refused(409, f"group {number} is still a location's")
        item = self.tables[kind].pop(number)
        del self.under[kind, self.location_of(kind, item)][number]
        self.location_groups.pop(number, None) if kind == "locations" else None

    def add_group(self, location: int, body: Json) -> Json:
        if location not in self.tables["locations"]:
            raise Refused(404, "no such location")
        group = int(body["GroupId"])
        if group not in self.tables["groups"]:
            raise Refused(400, "no such group")
        region = self.tables["regions"][self.tables["locations"][location]["InternalParentId"]]
        if self.tables["groups"][group]["InternalParentId"] != region["InternalParentId"]:
            raise Refused(400, "the group belongs to another country")
        groups = self.location_groups.setdefault(location, [])
        if group in groups:
            raise Refused(409, "the group is there already")
        groups.append(group)
        return self.shown("locations", location)

    def _known_fields(self, kind: str, body: Json) -> None:
        unknown = set(body) - set(WRITABLE[kind])
        if unknown:
            raise Refused(400, f"unknown fields {sorted(unknown)}")

    def _parent(self, kind: str, body: Json) -> None:
        parents = {
            "InternalParentId": PARENT.get(kind),
            "LocationId": "locations" if kind in RESOURCES else None,
        }
        for name, table in parents.items():
            if table and int(body.get(name) or 0) not in self.tables[table]:
                raise Refused(400, f"{name}: no such parent")

    def _floor(self, location: int, number: Any) -> int:
        for key, floor in self.tables["floors"].items():
            if floor["InternalParentId"] == location and floor["FloorNumber"] == str(number):
                return key
        raise Refused(400, f"the location has no floor {number}")

    def _check(self, kind: str, me: int | None, item: Json) -> None:
        name = " ".join(str(item["ResourceName"]).split()).casefold()
        if not name:
            raise Refused(400, "ResourceName is required")
        holder = self.external.get((kind, item["ExternalId"] or ""))
        if (
            holder not in (None, me)
            and self.tables[kind].get(holder, {}).get("ExternalId") == item["ExternalId"]
        ):
            raise Refused(409, f"ExternalId {item['ExternalId']} is used already")
        parent = self.location_of(kind, item)
        for table in RESOURCES if kind in RESOURCES else (kind,):
            for key in self.under[table, parent]:
                if table == kind and key == me:
                    continue
                other = self.tables[table][key]
                if " ".join(str(other["ResourceName"]).split()).casefold() == name:
                    raise Refused(409, f"a sibling is called {item['ResourceName']!r} already")
                if kind == "floors" and other["FloorNumber"] == item["FloorNumber"]:
                    raise Refused(400, f"floor number {item['FloorNumber']} is taken")
        if kind in RESOURCES:
            family = self.tables["workspaceTypes"].get(item["WorkspaceTypeId"], {}).get("Family")
            if family != ("Hourly" if kind == "rooms" else "AllDay"):
                raise Refused(400, f"workspace type {item['WorkspaceTypeId']} is of the family {family}")
            if item["GroupId"] not in self.location_groups.get(item["LocationId"], []):
                raise Refused(400, "the group is not the location's")


class ForeignServer:
    """Both vendors on one loopback port, in a thread of its own."""

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.quirks = quirks or Quirks()
        self.workplace = Workplace(self.quirks)
        self.engage = Engage(self.quirks)
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.parallel_pages = 0
        self.port = 0
        self.before_write: Callable[[int], Fate] = lambda count: "done"
        """Told that a write has arrived, the how manieth; decides what becomes of it."""
        self.release_late = False
        """Late writes are done before the next write, or the next look at the children of one parent."""
        self.held_back: list[Callable[[], object]] = []
        self.on_write: Callable[[int], None] = lambda count: None
        """Told that it is done, before it is answered."""
        self._writes = 0
        self._in_flight: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ForeignServer":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset_log(self) -> None:
        self.calls.clear()
        self.parallel_pages = 0

    def writes(self, system: str = "engage") -> list[Call]:
        """What was asked of a system beyond reading, refused or not (a token is not a write)."""
        return [c for c in self.calls if c.system == system and c.method != "GET"]

    def refusals(self, system: str = "engage") -> list[Call]:
        return [c for c in self.writes(system) if c.status in (400, 404, 405, 409, 415, -409)]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        path = request.path.rstrip("/")
        if path == "/front/tokenproviderapi/token" and request.method == "POST":
            return await self._token(request)
        if path.startswith("/wp/external/api/rest/v2/"):
            return await self._serve("workplace", path.removeprefix("/wp/external/api/rest/v2"), request, raw)
        if path.startswith("/api/Ten_Ant/api/V1/"):
            return await self._serve("engage", path.removeprefix("/api/Ten_Ant/api/V1"), request, raw)
        self.calls.append(Call("elsewhere", request.method, path, dict(request.query), 404, None))
        return web.Response(status=404, text="<html>no such site</html>", content_type="text/html")

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        fault = next((f for f in self.faults if f.takes("token", "POST", "/token")), None)
        right = form.get("client_id") == self.engage.client and form.get("password") == self.engage.password
        status: int = 200 if right and form.get("grant_type") == "password" else self.quirks.bad_token_status
        if fault:
            status = int(fault.what)
        self.calls.append(Call("token", "POST", "/token", {}, status, None))
        if status != 200:
            # as bad servers do, it echoes what it was given
            echo = f"wrong password {form.get('password')!r}"
            return web.json_response({"error": "invalid_grant", "error_description": echo}, status=status)
        life = "43199" if self.quirks.expires_in_as_string else 43199
        return web.json_response(
            {"access_token": self.engage.token(), "token_type": "bearer", "expires_in": life}
        )

    async def _serve(self, system: str, path: str, request: web.Request, raw: bytes) -> web.StreamResponse:
        if self.release_late and (request.method != "GET" or {"buildingId", "floorId"} & set(request.query)):
            while self.held_back:
                self.held_back.pop(0)()
        if request.method != "GET":
            self._writes += 1
            number = self._writes
            fate = self.before_write(number)
            if fate == "late":
                query = dict(request.query)
                self.held_back.append(partial(self._answer, system, path, request, query, raw, "", False))
            if fate != "done":
                return self._cut_off(request)
        fault = next((f for f in self.faults if f.takes(system, request.method, path)), None)
        query = dict(request.query)
        what = fault.what if fault else ""
        key = f"{system}{path}"
        paged = system == "workplace" and "limit" in query
        self._in_flight[key] += paged
        try:
            if self.quirks.delay:
                await asyncio.sleep(self.quirks.delay)
            status, answer = self._answer(system, path, request, query, raw, what, self._in_flight[key] > 1)
        finally:
            self._in_flight[key] -= paged
        seen = -409 if status == 200 and isinstance(answer, dict) and answer.get("IsError") else status
        self.calls.append(Call(system, request.method, path, query, seen, readable(raw)))
        if request.method != "GET":
            self.on_write(number)
        if what in ("reset", "commit-reset"):
            return self._cut_off(request)
        headers = {"Retry-After": "0"} if status in (429, 403) else {}
        if what in ("html", "html-ok"):
            return web.Response(
                status=200, text="<html><h1>Maintenance</h1></html>", content_type="text/html"
            )
        text = "" if status == 204 or answer == "" else json.dumps(answer, ensure_ascii=False)
        if what == "truncated":
            text = text[: max(1, len(text) // 2)]
        if what == "cut":  # says more than it sends
            response = web.StreamResponse(
                headers={"Content-Type": "application/json", "Content-Length": str(len(text.encode()))}
            )
            await response.prepare(request)
            await response.write(text.encode()[: len(text) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    @staticmethod
    def _cut_off(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _answer(
        self,
        system: str,
        path: str,
        request: web.Request,
        query: dict[str, str],
        raw: bytes,
        what: str,
        crowd: bool,
    ) -> tuple[int, Any]:
        if what in ("500", "502", "503", "504", "429", "403", "401"):
            return int(what), {
                "statusCode": int(what),
                "message": "out of order",
                "status": int(what),
                "error": "x",
            }
        if what == "reset":
            return 0, None
        try:
            if system == "workplace":
                if crowd:
                    self.parallel_pages += 1
                    raise Refused(429, "parallel pages")
                status, answer = self.workplace.answer(
                    request.method, path.strip("/"), request.headers, query, raw, what == "same-page"
                )
            else:
                status, answer = self._engage(path, request, query, json.loads(raw) if raw else None)
        except Refused as refused:
            status = refused.status
            if system == "workplace":
                return status, {
                    "status": status,
                    "error": "refused",
                    "errorDescription": str(refused),
                    "localized": "x",
                }
            if self.quirks.refuse_with_200 and status in (400, 409):
                status = 200
            return status, {"IsError": True, "Data": None, "Status": False, "Message": str(refused)}
        if what == "commit-504":
            return 504, {"statusCode": 504, "message": "gateway timeout"}
        return status, self._spoilt(what, answer)

    @staticmethod
    def _spoilt(what: str, answer: Any) -> Any:
        if isinstance(answer, dict) and "buildings" in answer and what in ("empty", "short"):
            return {
                **answer,
                "buildings": answer["buildings"][: len(answer["buildings"]) // 2 if what == "short" else 0],
            }
        rows: list[Any] = answer.get("Data") or [] if isinstance(answer, dict) else answer
        if what == "empty":
            rows = []
        elif what == "short":
            rows = rows[: len(rows) // 2]
        elif what == "null":
            return None
        elif what == "object":
            return {"message": "come back later"}
        elif what == "iserror":
            return {"IsError": True, "Data": [], "Status": False, "Message": "temporarily unavailable"}
        elif what == "count":
            return {"count": answer["count"] + 3}
        elif what == "count-low":
            return {"count": max(0, answer["count"] - 1)}
        elif what == "count-zero":
            return {"count": 0}
        elif what == "garbage-item":
            rows = [*rows[:-1], {"id": "not a number"}]
        elif what == "item-twice":
            rows = [*rows[:-1], rows[0]]
        else:
            return answer
        return {**answer, "Data": rows} if isinstance(answer, dict) else rows

    def _engage(self, path: str, request: web.Request, query: dict[str, str], body: Any) -> tuple[int, Any]:
        product = "ExternalBookings" if path == "/bookings" else "HierarchyMapping"
        if request.headers.get("Ocp-Apim-Subscription-Key") != self.engage.keys[product]:
            return 401, {"statusCode": 401, "message": "Access denied due to invalid subscription key."}
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.engage.admits(token):
            return 401, {"statusCode": 401, "message": f"token {token} is not valid"}
        if path == "/bookings" and request.method == "GET":
            return 200, self.engage.bookings.get(int(query["roomId"]), [])
        match = re.fullmatch(r"/(\w+)(?:/(\d+)(/groups)?)?", path)
        if not match or match[1] not in WRITABLE:
            raise Refused(404, f"no such operation {path}")
        kind, number = match[1], int(match[2] or 0)
        if match[3] and kind == "locations" and request.method == "POST":
            return 201, self._envelope(self.engage.add_group(number, body), self.quirks.post_data)
        if request.method == "GET" and not number:
            return 200, {
                "IsError": False,
                "Data": self.engage.listing(kind, query),
                "Status": False,
                "Message": "",
            }
        if request.method == "POST" and not number:
            return 201, self._envelope(self.engage.create(kind, body), self.quirks.post_data)
        if request.method == "PUT" and number:
            return 200, self._envelope(self.engage.update(kind, number, body), self.quirks.put_data)
        if request.method == "DELETE" and number:
            self.engage.delete(kind, number)
            return self.quirks.delete_status, self._envelope({}, "null")
        raise Refused(405, "method not allowed")

    @staticmethod
    def _envelope(item: Json, form: str) -> Json:
        data: Any = {"list": [item], "object": item}.get(form)
        return {"IsError": False, "Data": data, "Status": False, "Message": ""}


def readable(raw: bytes) -> Any:
    """A body as JSON; None when there is none, or it is something else."""
    try:
        return json.loads(raw)
    except ValueError:
        return None
