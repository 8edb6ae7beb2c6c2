"""A Workplace that is not ours: contract section 5 and domain 2, written from them alone.

It shares no code with the product or its sandbox, and wherever the documents leave room it can be told to
choose differently (`WorkplaceQuirks`). It allows what they do not forbid: two buildings of one name, say.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

Json = dict[str, Any]

CODES = {
    "US": "United States of America (the)",
    "DE": "Germany",
    "GB": "United Kingdom of Great Britain (the)",
    "FR": "France",
    "JP": "Japan",
    "IN": "India",
    "BR": "Brazil",
    "SG": "Singapore",
    "NL": "Netherlands (the)",
    "CI": "Côte d'Ivoire",
    "NO": "Norway",
}
US_STATES = (
    "ALAKAZARCACOCTDEFLGAHIIDILINIAKSKYLAMEMDMAMIMNMSMOMTNENVNHNJNMNYNCNDOHOKORPARISCSDTNTXUTVTVAWAWVWIWYDC"
    "PRVIGUMPAS"
)
STATES = {
    "US": {code: f"The State of {code}" for code in re.findall("..", US_STATES)},
    "DE": {"BY": "Bayern", "BE": "Berlin", "BW": "Baden-Württemberg", "HE": "Hessen"},
}
"""Names by the codes of ISO 3166-2; no other country has states on this server."""


@dataclass
class WorkplaceQuirks:
    """Choices that the documents leave to the server."""

    default_reservable: Literal["all", "reservable", "other"] = "all"  # when the include flags are not given
    post_answer: Literal["object", "id", "none"] = "object"  # what a 201 says
    put_answer: Literal["object", "none"] = "object"
    address_put: Literal["merge", "replace"] = "merge"  # what a partial PUT means within the address
    city_at: Literal["both", "top", "address"] = "both"  # where it reads city and state of a building
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    trims: bool = False  # text is kept without the blanks around it
    blank: Literal["empty", "null", "absent"] = "empty"  # how text that nobody gave is shown
    area_digits: int = 9  # areas are kept with so many decimals
    nested: bool = False  # a floor shows its building, a room its type, floor and building; else ids only
    group_ids: tuple[int, int, int] = (1, 2, 3)  # None, Me Spaces, We Spaces; a tenant's own


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Form(NamedTuple):
    """What may be written into one kind; all fields are those of the published payloads."""

    required: tuple[str, ...]
    text: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    """Field and the table that it points into."""
    others: tuple[str, ...] = ()
    """Known, and kept as they come."""

    @property
    def fields(self) -> set[str]:
        pointing = {name for name, _ in self.references}
        return {*self.text, *self.numbers, *self.whole, *self.flags, *self.others} | pointing


FORMS = {
    "buildings": Form(
        required=("name",),
        text=("name", "code", "revitLink", "city"),
        numbers=("leaseArea",),
        flags=("metric", "parking"),
        others=("address", "state", "location", "costCenters", "centers", "agreements", "fields"),
    ),
    "floors": Form(
        required=("name", "building"),
        text=("name",),
        numbers=("area", "interiorGross", "leaseArea"),
        flags=("drawingAvailable",),
        references=(("building", "buildings"),),
    ),
    "rooms": Form(
        required=("name", "floor", "type"),
        text=("name", "description", "longDescription", "remoteInfo"),
        numbers=("area",),
        whole=("capacity",),
        flags=("reservable", "reservableByRules", "occupied"),
        references=(("floor", "floors"), ("type", "rooms/types")),
        others=("googleData",),
    ),
    "rooms/types": Form(
        required=("name", "contentFlag", "typeCode", "defaultRoomType", "cost", "spaceTypeGroup"),
        text=("name", "typeCode", "hexColor"),
        numbers=("cost",),
        whole=("contentFlag", "sortOrder"),
        flags=("defaultRoomType", "occupiable", "parkingSpace"),
        others=("spaceTypeGroup", "spaceTypeClassification"),
    ),
}
ALL_OF_A_TYPE = {"id", "sortOrder", "hexColor", *FORMS["rooms/types"].required}
"""What the one documented PUT that is not partial wants."""
ADDRESS = ("street", "street2", "city", "postalCode")
OURS = {"id", "dateCreated", "dateUpdated"}
"""Fields that the server fills; a client that sends back what it has read does not change them."""
CHILDREN = {
    "buildings": ("floors", "building"),
    "floors": ("rooms", "floor"),
    "rooms/types": ("rooms", "type"),
}


@dataclass
class Workplace:
    """The source, as the JSON that it serves, by id."""

    quirks: WorkplaceQuirks = field(default_factory=WorkplaceQuirks)
    buildings: dict[int, Json] = field(default_factory=dict)
    floors: dict[int, Json] = field(default_factory=dict)
    rooms: dict[int, Json] = field(default_factory=dict)
    types: dict[int, Json] = field(default_factory=dict)
    centers: dict[int, Json] = field(default_factory=dict)  # name, module, timeZone, buildings: ids
    reverse: bool = False  # nested lists the other way round
    user: str = "svc-wörkplace"
    password: str = "CANARY-wp-pässwörd€1"
    clock: int = 1676557102793
    """Epoch milliseconds; every write moves it."""

    def __post_init__(self) -> None:
        self.countries: dict[int, Json] = {
            200 + n: {
                "id": 200 + n,
                "name": name,
                "alpha2Code": code,
                "isoCode": code,
                "subdivisionCategoryName": "state",
                "defaultSelected": code == "US",
            }
            for n, (code, name) in enumerate(CODES.items())
        }
        rows = [(country, *state) for country, states in STATES.items() for state in states.items()]
        self.states: dict[int, Json] = {
            14 + n: {
                "id": 14 + n,
                "name": name,
                "code": code,
                "categoryName": "state",
                "defaultSelected": False,
                "country": next(c for c in self.countries.values() if c["alpha2Code"] == country),
            }
            for n, (country, code, name) in enumerate(rows)
        }
        names = ("None", "Me Spaces", "We Spaces")
        self.groups: dict[int, Json] = {
            i: {"id": i, "name": name} for i, name in zip(self.quirks.group_ids, names, strict=True)
        }

    def clear(self) -> None:
        for table in (self.buildings, self.floors, self.rooms, self.types, self.centers):
            table.clear()

    def table(self, kind: str) -> dict[int, Json]:
        tables = {
            "buildings": self.buildings,
            "floors": self.floors,
            "rooms": self.rooms,
            "rooms/types": self.types,
            "countries": self.countries,
        }
        if kind not in tables:
            raise Refused(404, f"no such resource /{kind}")
        return tables[kind]

    # reading

    def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        raw: bytes,
        same_page: bool = False,
    ) -> tuple[int, Any]:
        """Status and body of one call. Raises Refused.

        Args:
            method: of HTTP.
            path: below `/external/api/rest/v2/`, without a slash at either end.
            headers: of the call.
            query: of the call.
            raw: its body.
            same_page: be a server that does not heed `startAt`.
        """
        if (headers.get("x-auth-username"), headers.get("x-auth-password")) != (self.user, self.password):
            raise Refused(401, f"wrong credentials {headers.get('x-auth-password')}")
        kind, _, last = path.rpartition("/")
        if method != "GET":
            one = kind if last.isdecimal() else ""
            return self._write(method, one or path, int(last) if one else 0, headers, raw)
        if path.split("/")[0] == "centers":
            return 200, self._centers(path, query)
        if last == "count":
            return 200, {"count": len(self._selected(kind, query))}
        nested = "centers(module)" in unquote(query.get("selector", ""))
        if last.isdecimal():
            if int(last) not in self.table(kind):
                raise Refused(404, f"no {kind} {last}")
            return 200, self._shown(kind, [self.table(kind)[int(last)]], nested)[0]
        limit, start = int(query.get("limit", "50")), int(query.get("startAt", "0"))
        if not 1 <= limit <= 100:
            raise Refused(400, "limit must be 1 to 100")
        start = 0 if same_page else start
        return 200, self._shown(path, self._selected(path, query)[start : start + limit], nested)

    def _selected(self, kind: str, query: Mapping[str, str]) -> list[Json]:
        rows = list(self.table(kind).values())
        if kind == "rooms":
            rows = self._reservable(rows, query)
        if "search" in query:
            rows = [r for r in rows if query["search"].casefold() in str(r.get("name")).casefold()]
        if "modifiedOrCreatedAfter" in query:
            since = int(query["modifiedOrCreatedAfter"])
            rows = [r for r in rows if int(r.get("dateUpdated") or r.get("dateCreated") or 0) > since]
        if "floorId" in query and kind == "rooms":
            rows = [r for r in rows if r["floor"]["id"] == int(query["floorId"])]
        elif "buildingId" in query and kind == "rooms":
            mine = {f["id"] for f in self.floors.values() if f["building"]["id"] == int(query["buildingId"])}
            rows = [r for r in rows if r["floor"]["id"] in mine]
        elif "buildingId" in query and kind == "floors":
            rows = [r for r in rows if r["building"]["id"] == int(query["buildingId"])]
        by, down = query.get("orderBy", "id"), query.get("orderByType") == "desc"
        return sorted(rows, key=lambda r: r["id"] if by == "id" else (str(r.get(by)), r["id"]), reverse=down)

    def _reservable(self, rows: list[Json], query: Mapping[str, str]) -> list[Json]:
        if "includeReservable" not in query and "includeNonReservable" not in query:
            keep = {"all": (True, False), "reservable": (True,), "other": (False,)}[
                self.quirks.default_reservable
            ]
            return [row for row in rows if bool(row.get("reservable")) in keep]
        wanted = {True: query.get("includeReservable"), False: query.get("includeNonReservable")}
        return [row for row in rows if wanted[bool(row.get("reservable"))] == "true"]

    def _shown(self, kind: str, rows: list[Json], with_centers: bool) -> list[Json]:
        if kind == "buildings" and with_centers:
            rows = self._beside_centers(rows)
        if not self.quirks.nested:
            return rows
        return [self._nested(kind, row) for row in rows]

    def _nested(self, kind: str, row: Json) -> Json:
        out = dict(row)
        for name, table in FORMS[kind].references if kind in FORMS else ():
            found = self.table(table).get((row.get(name) or {}).get("id", 0))
            if found is not None:
                out[name] = self._nested(table, found)
                out[name].pop("spaceTypeGroup", None)  # only the list of the types shows it
        return out

    def _beside_centers(self, rows: list[Json]) -> list[Json]:
        of: dict[int, list[Json]] = {row["id"]: [] for row in rows}
        for number in sorted(self.centers, reverse=self.reverse):
            center = self.centers[number]
            for building in center["buildings"]:
                if building in of:
                    of[building].append({"module": center["module"], "name": center["name"], "id": number})
        return [{**row, "centers": of[row["id"]]} for row in rows]

    def _centers(self, path: str, query: Mapping[str, str]) -> Any:
        if path == "centers":
            if "module" not in query:
                raise Refused(400, "module is required")
            module = query["module"]
            return [{"id": i, "name": c["name"]} for i, c in self.centers.items() if c["module"] == module]
        number = path.removeprefix("centers/")
        if not number.isdecimal() or int(number) not in self.centers:
            raise Refused(404, "no such center")
        return self._center(int(number), "buildings(" in unquote(query.get("selector", "")))

    def _center(self, number: int, with_buildings: bool) -> Json:
        row = self.centers[number]
        out: Json = {"id": number, "name": row["name"], "hoursOfOperation": [], "timeZone": row["timeZone"]}
        if with_buildings:
            out["rules"] = json.dumps({"centerId": number, "ruleList": []})
            ids = sorted(row["buildings"], reverse=self.reverse)
            out["buildings"] = self._beside_centers([self.buildings[b] for b in ids if b in self.buildings])
        return out

    # writing

    def _write(
        self, method: str, kind: str, number: int, headers: Mapping[str, str], raw: bytes
    ) -> tuple[int, Any]:
        if kind == "countries":
            raise Refused(500, "countries cannot be created or edited")
        if kind not in FORMS:
            raise Refused(404, f"no such resource /{kind}")
        if method == "DELETE" and number:
            self._remove(kind, number)
            return 200, {"response": "Successfully removed"}
        if method not in ("POST", "PUT") or (method == "POST" and number):
            raise Refused(405, f"{method} is not for /{kind}")
        body = self._body(headers, raw)
        if method == "POST":
            shown = self._create(kind, body)
            return 201, {"object": shown, "id": {"id": shown["id"]}, "none": ""}[self.quirks.post_answer]
        shown = self._update(kind, number, body)
        return 200, shown if self.quirks.put_answer == "object" else ""

    @staticmethod
    def _body(headers: Mapping[str, str], raw: bytes) -> Json:
        if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "Content-Type must be application/json")
        try:
            body = json.loads(raw.decode("utf-8"))
        except ValueError as error:
            raise Refused(400, f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Refused(400, "the body must be an object")
        return body

    def _create(self, kind: str, body: Json) -> Json:
        missing = [name for name in FORMS[kind].required if body.get(name) is None]
        if missing:
            raise Refused(400, f"{', '.join(missing)} required")
        if "id" in body:
            raise Refused(400, "an id is given by the server")
        number = max(self.table(kind), default=12) + 1
        self.clock += 1
        row = {"id": number, **self._defaults(kind), "dateCreated": self.clock}
        self._fill(kind, row, body)
        self.table(kind)[number] = row
        return self._shown(kind, [row], with_centers=False)[0]

    def _update(self, kind: str, number: int, body: Json) -> Json:
        if kind == "rooms/types" and not number:  # as documented: the id in the body, and all fields
            missing = sorted(ALL_OF_A_TYPE - set(body))
            if missing:
                raise Refused(400, f"{', '.join(missing)} required")
            number = body["id"]
        if number not in self.table(kind):
            raise Refused(404, f"no {kind} {number}")
        if body.get("id") != number:
            raise Refused(400, f"the body's id is {body.get('id')}, the path's {number}")
        row = dict(self.table(kind)[number])
        self._fill(kind, row, body)
        self.clock += 1
        row["dateUpdated"] = self.clock
        self.table(kind)[number] = row
        return self._shown(kind, [row], with_centers=False)[0]

    def _remove(self, kind: str, number: int) -> None:
        if number not in self.table(kind):
            raise Refused(404, f"no {kind} {number}")
        if kind in CHILDREN:
            table, name = CHILDREN[kind]
            if any(row[name]["id"] == number for row in self.table(table).values()):
                raise Refused(409, f"{kind} {number} still has {table}")
        del self.table(kind)[number]

    def _defaults(self, kind: str) -> Json:
        form = FORMS[kind]
        out: Json = dict.fromkeys(form.numbers, 0.0) | dict.fromkeys(form.whole, 0)
        out |= dict.fromkeys(form.flags, False)
        blank = {} if self.quirks.blank == "absent" else dict.fromkeys(form.text, self._nothing())
        out |= {name: value for name, value in blank.items() if name != "city"}
        if kind == "buildings":
            out |= {"location": {}, "costCenters": [], "centers": [], "agreements": [], "fields": []}
            out["address"] = self._blank_address()
        return out

    def _blank_address(self) -> Json:
        return {} if self.quirks.blank == "absent" else dict.fromkeys(ADDRESS, self._nothing())

    def _nothing(self) -> str | None:
        return None if self.quirks.blank == "null" else ""

    def _fill(self, kind: str, row: Json, body: Json) -> None:
        form = FORMS[kind]
        unknown = sorted(set(body) - form.fields - OURS)
        if unknown and self.quirks.unknown_fields == "refuse":
            raise Refused(400, f"unknown fields {unknown} of {kind}")
        for name, value in body.items():
            if name in form.text and name != "city":
                self._put_text(row, name, value)
            elif name in form.numbers or name in form.whole:
                row[name] = self._number(name, value, whole=name in form.whole)
            elif name in form.flags:
                if not isinstance(value, bool):
                    raise Refused(400, f"{name} must be true or false")
                row[name] = value
        for name, table in form.references:
            if name in body:
                row[name] = {"id": self._referred(name, body[name], self.table(table))}
        if "spaceTypeGroup" in body and kind == "rooms/types":
            row["spaceTypeGroup"] = self.groups[
                self._referred("spaceTypeGroup", body["spaceTypeGroup"], self.groups)
            ]
        if kind == "buildings":
            self._put_address(row, body)
        if not str(row.get("name") or "").strip():
            raise Refused(400, f"the name of {kind} must not be blank")

    def _put_text(self, row: Json, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, str):
            raise Refused(400, f"{name} must be text")
        value = (value or "").strip() if self.quirks.trims else value or ""
        if value or self.quirks.blank != "absent":
            row[name] = value or self._nothing()
        else:
            row.pop(name, None)

    def _number(self, name: str, value: Any, *, whole: bool) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < 0:
            raise Refused(400, f"{name} must be a {'whole ' if whole else ''}number of at least 0")
        return int(value) if whole else round(float(value), self.quirks.area_digits)

    @staticmethod
    def _referred(name: str, value: Any, table: Mapping[int, Json]) -> int:
        if not isinstance(value, dict) or type(value.get("id")) is not int:
            raise Refused(400, f'{name} must be {{"id": n}}')
        if value["id"] not in table:
            raise Refused(400, f"{name} {value['id']} does not exist")
        return int(value["id"])

    def _put_address(self, row: Json, body: Json) -> None:
        given = body.get("address", {})
        if not isinstance(given, dict):
            raise Refused(400, "address must be an object")
        unknown = sorted(set(given) - {*ADDRESS, "country", "state"})
        if unknown and self.quirks.unknown_fields == "refuse":
            raise Refused(400, f"unknown fields {unknown} of address")
        place = {
            name: source[name]
            for source in self._places(body)
            for name in ("city", "state")
            if name in source
        }
        given = {k: v for k, v in given.items() if k not in ("city", "state")} | place
        fresh = "address" in body and self.quirks.address_put == "replace"
        address: Json = self._blank_address() if fresh else dict(row.get("address") or {})
        for name in ADDRESS:
            if name in given:
                self._put_text(address, name, given[name])
        if "country" in given:
            address["country"] = (
                given["country"]
                and self.countries[self._referred("country", given["country"], self.countries)]
            )
        if "state" in given:
            address["state"] = given["state"] and self._state(given["state"], address.get("country"))
        row["address"] = address

    def _places(self, body: Json) -> list[Json]:
        """Where city and state are read from, the last first. The published samples have them on top."""
        inner = body.get("address") or {}
        return {"both": [inner, body], "top": [body], "address": [inner]}[self.quirks.city_at]

    def _state(self, value: Any, country: Json | None) -> Json:
        """There is no list of the states, so a code or a name in the building's country will do too."""
        if isinstance(value, dict) and "id" in value:
            return self.states[self._referred("state", value, self.states)]
        told = {value.get("code"), value.get("name")} if isinstance(value, dict) else set()
        for state in self.states.values():
            if country and state["country"]["id"] == country["id"] and {state["code"], state["name"]} & told:
                return state
        raise Refused(400, f"no state {value!r} in {(country or {}).get('name')}")
