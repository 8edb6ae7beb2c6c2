"""The simulated Eptura Engage: request in, response out (contract section 6, domain.md section 3).

Holds no clock, socket or fault of its own, and must not know Workplace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from engage_sync.sandbox.bookings import read_time, read_window
from engage_sync.sandbox.engage_data import EngageData
from engage_sync.sandbox.engage_kinds import KINDS
from engage_sync.sandbox.fields import integer, read_fields, require
from engage_sync.sandbox.gateway import CallLimits, Tokens, check_key, gateway_error
from engage_sync.sandbox.wire import Json, Record, RefusedError, Reply, Request, Write, json_reply, read_json

TENANT = "Acme"
API = f"/{TENANT}/api/V1"
TOKEN = "/tokenproviderapi/token"  # noqa: S105 - a path
HIERARCHY = "HierarchyMapping"
BOOKINGS = "ExternalBookings"

_DETAILS = ("LocationId", "FloorNumber", "FloorName", "GroupId", "WorkspaceTypeId", "WorkspaceTypeName")


class Engage:
    """One tenant's Engage, behind its gateway."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        keys: Mapping[str, str],
        tokens: Tokens,
        limits: CallLimits,
        wrote: Callable[[Write], None],
    ) -> None:
        self.data = EngageData(clock)
        self.keys = dict(keys)
        self.tokens = tokens
        self.limits = limits
        self._wrote = wrote

    def items(self, kind: str) -> list[Record]:
        """Everything of a kind (countries, …, rooms, desks) as the API shows it with all details."""
        return [self._view(kind, item) for item in self.data.tables[kind].values()]

    def item(self, kind: str, item_id: int) -> Record:
        """One item as the API shows it with all details."""
        return self._view(kind, self.data.get(kind, item_id))

    def bookings(self) -> list[Record]:
        """Every booking."""
        return self.data.bookings.all()

    def respond(self, request: Request) -> Reply:
        """Answer one request to the API (its path without the tenant) or to the token endpoint."""
        if request.path == TOKEN:
            return self._token(request)
        head, *rest = request.path.lstrip("/").split("/")
        if head not in KINDS and head != "bookings":
            return gateway_error(404, "Resource not found")
        try:
            check_key(request, self.keys[BOOKINGS if head == "bookings" else HIERARCHY])
            self.limits.take()
        except RefusedError as refused:
            return gateway_error(refused.status, refused.message, refused.headers)
        try:
            self.tokens.check(request)
            return self._bookings(request) if head == "bookings" else self._route(head, rest, request)
        except RefusedError as refused:
            return _envelope(refused.status, [], error=refused.message)

    @staticmethod
    def error(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
        """An error from the gateway, for faults."""
        return gateway_error(status, message, headers)

    def book(self, resource_id: int, start: object, end: object, title: str = "Meeting") -> Record:
        """Book a meeting or personal space, as a user of Engage would."""
        kind = "rooms" if resource_id in self.data.tables["rooms"] else "desks"
        resource = self.data.get(kind, resource_id, status=400)
        moments = read_time("startDateTime", start), read_time("endDateTime", end)
        return self.data.bookings.add(resource, *moments, title)

    def _token(self, request: Request) -> Reply:
        if request.method != "POST":
            return json_reply(405, {"error": "method_not_allowed"})
        if not request.text(b"content-type").startswith("application/x-www-form-urlencoded"):
            return json_reply(400, {"error": "invalid_request"})
        return self.tokens.give(dict(parse_qsl(request.body.decode("utf-8", "replace"))))

    def _route(self, kind: str, rest: list[str], request: Request) -> Reply:
        match request.method, rest:
            case "GET", []:
                return self._list(kind, request.query)
            case "POST", []:
                body = read_json(request)
                item = self.data.add(kind, read_fields(body, KINDS[kind].fields))
                return self._written(kind, item, request, body, 201)
            case "PUT", [item_id] if item_id.isdecimal():
                body = read_json(request)
                item = self.data.change(kind, int(item_id), read_fields(body, KINDS[kind].fields))
                return self._written(kind, item, request, body, 200)
            case "DELETE", [item_id] if item_id.isdecimal():
                self.data.remove(kind, int(item_id))
                self._wrote(Write("engage", "DELETE", request.path, None, int(item_id)))
                return _envelope(200, [])
            case "POST", [item_id, "groups"] if kind == "locations" and item_id.isdecimal():
                return self._add_group(int(item_id), request)
        raise RefusedError(405, f"{request.method} is not supported at {request.path}.")

    def _list(self, kind: str, query: Mapping[str, str]) -> Reply:
        spec = KINDS[kind]
        known = {spec.query, "extendedDetails" if spec.family else None}
        for name in query:
            if name not in known:
                raise RefusedError(400, f"Unknown parameter '{name}'.")
        if spec.query is None or spec.parent is None:
            return _envelope(200, self.items(kind))
        parent_id = _id(query, spec.query)
        self.data.get(spec.parent, parent_id, status=400)
        details = query.get("extendedDetails") == "true"
        items = self.data.children(kind, parent_id)
        return _envelope(200, [self._view(kind, item, details=details) for item in items])

    def _add_group(self, location_id: int, request: Request) -> Reply:
        body = read_json(request)
        values = read_fields(body, {"GroupId": integer})
        require(values, ("GroupId",))
        location = self.data.add_group(location_id, values["GroupId"])
        return self._written("locations", location, request, body, 201)

    def _written(self, kind: str, item: Record, request: Request, body: Json, status: int) -> Reply:
        self._wrote(Write("engage", request.method, request.path, body, item["InternalId"]))
        return _envelope(status, [self._view(kind, item)])

    def _bookings(self, request: Request) -> Reply:
        """Bookings of one meeting space; a bare array (domain.md 3.3: no envelope here)."""
        if request.method != "GET" or request.path != "/bookings":
            raise RefusedError(405, f"{request.method} is not supported at {request.path}.")
        window = read_window(request.query)
        room = self.data.get("rooms", _id(request.query, "roomId"), status=400)
        return json_reply(200, self.data.bookings.between(room["InternalId"], *window))

    def _view(self, kind: str, item: Record, *, details: bool = True) -> Record:
        """An item as its listing shows it; without extendedDetails a resource shows no more than its name."""
        shown = {name: value for name, value in item.items() if name not in ("groups", "FloorId")}
        shown.setdefault("InternalParentId", 0)  # as the rooms of the fixture (domain.md 3.4)
        if kind == "locations":
            groups = self.data.tables["groups"]
            shown["LocationGroupMappings"] = [
                {"GroupId": group_id, "GroupIdExternal": groups[group_id]["ExternalId"]}
                for group_id in sorted(item["groups"])
            ]
        if KINDS[kind].family:
            floor = self.data.tables["floors"][item["FloorId"]]
            shown["FloorNumber"], shown["FloorName"] = floor["FloorNumber"], floor["ResourceName"]
            type_ = self.data.tables["workspaceTypes"][item["WorkspaceTypeId"]]
            shown["WorkspaceTypeName"] = type_["ResourceName"]
            if not details:
                shown = {n: v for n, v in shown.items() if n not in (*_DETAILS, "MaxCapacity")}
        return shown


def _envelope(status: int, items: list[Record], *, error: str | None = None) -> Reply:
    """The hierarchy's envelope. Status is false even on success, as in the real fixtures (domain.md 3.3)."""
    return json_reply(
        status, {"IsError": error is not None, "Data": items, "Status": False, "Message": error or ""}
    )


def _id(query: Mapping[str, str], name: str) -> int:
    value = query.get(name, "")
    if not value.isdecimal():
        raise RefusedError(400, f"{name} is required and must be a whole number.")
    return int(value)
