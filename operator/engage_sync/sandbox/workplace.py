"""The simulated Eptura Workplace: request in, response out (contract section 5, domain.md section 2).

Holds no clock, socket or fault of its own, and must not know Engage.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from engage_sync.sandbox import workplace_bodies as bodies
from engage_sync.sandbox.wire import Json, Record, RefusedError, Reply, Request, Write, json_reply, read_json
from engage_sync.sandbox.workplace_data import WorkplaceData
from engage_sync.sandbox.workplace_lists import PAGING, Listings
from engage_sync.sandbox.workplace_views import view

API = "/external/api/rest/v2"

# Listing path to kind; /rooms/types must be tried before /rooms.
_LISTS = {
    "/rooms/types": "types",
    "/rooms": "rooms",
    "/buildings": "buildings",
    "/floors": "floors",
    "/countries": "countries",
}
# Modules of centers seen in the documents (domain.md 2.4).
MODULES = ("reservation", "maintenance", "move", "space", "mail", "visitor")
_PHRASES = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}

ListingKey = tuple[str, frozenset[tuple[str, str]]]


class Workplace:
    """One tenant's Workplace site."""

    def __init__(
        self, *, clock: Callable[[], float], username: str, password: str, wrote: Callable[[Write], None]
    ) -> None:
        self.data = WorkplaceData(clock)
        self.username = username
        self.password = password
        self._listings = Listings(self.data)
        self._wrote = wrote

    def items(self, kind: str, selector: str = "centers(module)") -> list[Record]:
        """Everything of a kind (buildings, floors, rooms, types, countries, centers) as the API shows it."""
        return [view(self.data, kind, one, selector) for one in self.data.tables[kind].values()]

    def item(self, kind: str, record_id: int, selector: str = "centers(module)") -> Record:
        """One thing as the API shows it."""
        return view(self.data, kind, self.data.get(kind, record_id), selector)

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        try:
            self._authenticate(request)
            return self._route(request)
        except RefusedError as refusal:
            return self.error(refusal.status, refusal.message, refusal.headers)

    @staticmethod
    def error(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
        """The vendor's error body (domain.md 2.5)."""
        phrase = _PHRASES.get(status, "Error")
        return json_reply(status, {"status": status, "error": phrase, "errorDescription": message}, headers)

    @staticmethod
    def listing(request: Request) -> ListingKey | None:
        """Which listing a request asks a page of, if it does: pages of one must come one after the other."""
        if request.method != "GET" or request.path not in _LISTS:
            return None
        filters = ((name, value) for name, value in request.query.items() if name not in PAGING)
        return request.path, frozenset(filters)

    def _authenticate(self, request: Request) -> None:
        for header, expected in ((b"x-auth-username", self.username), (b"x-auth-password", self.password)):
            if not hmac.compare_digest(request.headers.get(header, b""), expected.encode()):
                raise RefusedError(401, "The user name or password is wrong.")

    def _route(self, request: Request) -> Reply:
        if request.path == "/centers" or request.path.startswith("/centers/"):
            return self._centers(request)
        for base, kind in _LISTS.items():
            if request.path == base:
                return self._collection(kind, request)
            if request.path.startswith(base + "/"):
                rest = request.path[len(base) + 1 :]
                if rest == "count" and request.method == "GET":
                    return json_reply(200, {"count": len(self._listings.ids(kind, request.query))})
                if rest.isdecimal():
                    return self._single(kind, int(rest), request)
        raise RefusedError(404, f"There is nothing at {request.path}.")

    def _collection(self, kind: str, request: Request) -> Reply:
        if request.method == "GET":
            selector = request.query.get("selector", "")
            page = self._listings.page(kind, request.query)
            return json_reply(200, [view(self.data, kind, one, selector) for one in page])
        _refuse_country_edit(kind)
        body = read_json(request) if request.method in ("POST", "PUT") else None
        if request.method == "POST":
            record = self.data.add(kind, **bodies.read_new(self.data, kind, body))
            return self._written(kind, record, request, body, 201)
        if request.method == "PUT" and kind == "types":  # the documented form: the id is in the body
            if not isinstance(body, dict) or not isinstance(body.get("id"), int):
                raise RefusedError(400, "id is required.")
            return self._edit(kind, body["id"], request, body)
        raise RefusedError(405, f"{request.method} is not allowed at {request.path}.")

    def _single(self, kind: str, record_id: int, request: Request) -> Reply:
        record = self.data.get(kind, record_id)
        if request.method == "GET":
            return json_reply(200, view(self.data, kind, record, request.query.get("selector", "")))
        _refuse_country_edit(kind)
        if request.method == "PUT":
            return self._edit(kind, record_id, request, read_json(request))
        if request.method == "DELETE":
            self.data.remove(kind, record_id)
            self._wrote(Write("workplace", "DELETE", request.path, None, record_id))
            return json_reply(200, {"response": "Successfully removed"})
        raise RefusedError(405, f"{request.method} is not allowed at {request.path}.")

    def _edit(self, kind: str, record_id: int, request: Request, body: Json) -> Reply:
        record = self.data.get(kind, record_id)
        values = bodies.read_change(self.data, kind, record, body)
        return self._written(kind, self.data.change(kind, record_id, **values), request, body, 200)

    def _written(self, kind: str, record: Record, request: Request, body: Json, status: int) -> Reply:
        self._wrote(Write("workplace", request.method, request.path, body, record["id"]))
        return json_reply(status, view(self.data, kind, record))

    def _centers(self, request: Request) -> Reply:
        """Read only, never paged, no count (contract section 5); edited under /_sandbox instead."""
        if request.method != "GET":
            raise RefusedError(405, f"{request.method} is not allowed at {request.path}.")
        rest = request.path[len("/centers/") :]
        if rest.isdecimal():
            return json_reply(200, self.item("centers", int(rest), request.query.get("selector", "")))
        if rest:
            raise RefusedError(404, f"There is nothing at {request.path}.")
        module = request.query.get("module")
        if module not in MODULES:
            raise RefusedError(400, f"module is required, one of {', '.join(MODULES)}.")
        centers = self.data.tables["centers"].values()
        return json_reply(200, [{"id": c["id"], "name": c["name"]} for c in centers if c["module"] == module])


def _refuse_country_edit(kind: str) -> None:
    if kind == "countries":  # documented as a 500 (domain.md 2.4)
        raise RefusedError(500, "Countries cannot be created or edited.")
