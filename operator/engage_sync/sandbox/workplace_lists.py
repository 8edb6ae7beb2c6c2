"""Filters, order and pages of Workplace's listings (domain.md 2.2 and 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engage_sync.sandbox.wire import Record, RefusedError
from engage_sync.sandbox.workplace_data import WorkplaceData

MAX_LIMIT = 100  # documented; 500 in an older edition (domain.md 2.2)
DEFAULT_LIMIT = 50

PAGING = frozenset({"limit", "startAt"})
_COMMON = PAGING | {"search", "orderBy", "orderByType", "modifiedOrCreatedAfter", "selector"}
_RESERVABLE = {"includeReservable", "includeNonReservable"}
_OCCUPIABLE = {"includeOccupiable", "includeNonOccupiable", "includeParking"}
_OWN: dict[str, set[str]] = {
    "buildings": _RESERVABLE | {"module"},
    "floors": {"buildingId"},
    "rooms": _RESERVABLE | _OCCUPIABLE | {"room", "numberOfPeople", "buildingId", "floorId", "type"},
    "types": _RESERVABLE | _OCCUPIABLE,
    "countries": set(),
}
# Documented, but without a counterpart here: refused rather than ignored.
_NOT_SIMULATED = {"locationSearch", "nearLatitude", "nearLongitude", "startDate", "endDate"}

_SEARCHED = {"rooms": ("name", "description"), "buildings": ("name", "code")}

Keep = Callable[[Record], bool]


class Listings:
    """Answers which ids a listing holds; remembers the whole-table ones until something changes."""

    def __init__(self, data: WorkplaceData) -> None:
        self._data = data
        self._known: dict[tuple[str, frozenset[tuple[str, str]]], list[int]] = {}
        self._version = -1

    def page(self, kind: str, query: Mapping[str, str]) -> list[Record]:
        """One page of a listing."""
        limit = whole_number(query, "limit", DEFAULT_LIMIT)
        start = whole_number(query, "startAt", 0)
        if not 1 <= limit <= MAX_LIMIT:
            raise RefusedError(400, f"limit must be from 1 to {MAX_LIMIT}.")
        table = self._data.tables[kind]
        return [table[one] for one in self.ids(kind, query)[start : start + limit]]

    def ids(self, kind: str, query: Mapping[str, str]) -> list[int]:
        """The ids of a whole listing, in its order."""
        _check_names(kind, query)
        if "buildingId" in query or "floorId" in query:
            return self._select(kind, query)  # already small through its index
        if self._version != self._data.version:
            self._known.clear()
            self._version = self._data.version
        key = (kind, frozenset((name, value) for name, value in query.items() if name not in PAGING))
        if key not in self._known:
            self._known[key] = self._select(kind, query)
        return self._known[key]

    def _select(self, kind: str, query: Mapping[str, str]) -> list[int]:
        table = self._data.tables[kind]
        keeps = list(self._filters(kind, query))
        found = [table[one] for one in self._candidates(kind, query)]
        return [one["id"] for one in _ordered(found, query) if all(keep(one) for keep in keeps)]

    def _candidates(self, kind: str, query: Mapping[str, str]) -> Iterable[int]:
        if kind == "rooms" and "floorId" in query:  # wins over buildingId (domain.md 2.4)
            return self._data.rooms_on(whole_number(query, "floorId", 0))
        if "buildingId" in query:
            building_id = whole_number(query, "buildingId", 0)
            return self._data.rooms_in(building_id) if kind == "rooms" else self._data.floors_of(building_id)
        return self._data.tables[kind]

    def _filters(self, kind: str, query: Mapping[str, str]) -> Iterable[Keep]:
        if "modifiedOrCreatedAfter" in query:
            after = whole_number(query, "modifiedOrCreatedAfter", 0)
            yield lambda one: _last_change(one) > after
        if query.get("search"):
            yield self._containing(kind, query["search"])
        if query.get("room"):
            yield self._containing(kind, query["room"])
        if query.get("type"):
            wanted = _ids(query["type"])
            yield lambda one: one["typeId"] in wanted
        if "numberOfPeople" in query:
            people = whole_number(query, "numberOfPeople", 0)
            yield lambda one: bool(one["capacity"] >= people)
        if "module" in query:
            module = query["module"]
            yield lambda one: any(c["module"] == module for c in self._data.centers_of(one["id"]))
        yield from self._reservable(kind, query)
        yield from self._occupiable(kind, query)

    def _containing(self, kind: str, text: str) -> Keep:
        wanted = text.casefold()
        fields = _SEARCHED.get(kind, ("name",))

        def keep(one: Record) -> bool:
            texts = [one[field] for field in fields]
            if kind == "rooms":
                texts.append(self._data.tables["types"][one["typeId"]]["name"])
            return any(wanted in text.casefold() for text in texts)

        return keep

    def _reservable(self, kind: str, query: Mapping[str, str]) -> Iterable[Keep]:
        """ASSUMED: each is true when absent; the documents leave it open (domain.md 2.4)."""
        if not _RESERVABLE & query.keys():
            return
        wanted = _wanted(query, "includeReservable", "includeNonReservable")
        if kind == "rooms":
            yield lambda one: one["reservable"] in wanted
        if kind == "buildings":
            rooms = self._data.tables["rooms"]
            yield lambda one: any(rooms[r]["reservable"] in wanted for r in self._data.rooms_in(one["id"]))
        if kind == "types":
            having = {
                room["typeId"] for room in self._data.tables["rooms"].values() if room["reservable"] in wanted
            }
            yield lambda one: one["id"] in having

    def _occupiable(self, kind: str, query: Mapping[str, str]) -> Iterable[Keep]:
        types = self._data.tables["types"]

        def type_of(one: Record) -> Record:
            return one if kind == "types" else types[one["typeId"]]

        pair = ("includeOccupiable", "includeNonOccupiable")
        if query.keys() & set(pair):
            if kind == "rooms" and "type" not in query:
                raise RefusedError(400, f"{pair[0]} and {pair[1]} require type.")
            wanted = _wanted(query, *pair)
            yield lambda one: type_of(one)["occupiable"] in wanted
        if "includeParking" in query and not flag(query, "includeParking"):
            yield lambda one: not type_of(one)["parkingSpace"]


def _check_names(kind: str, query: Mapping[str, str]) -> None:
    for name in query:
        if name in _NOT_SIMULATED:
            raise RefusedError(400, f"{name} is documented, but this sandbox does not simulate it.")
        if name not in _COMMON and name not in _OWN[kind]:
            raise RefusedError(400, f"Unknown parameter '{name}'.")


def _last_change(one: Record) -> int:
    changed: int = one.get("dateUpdated") or one["dateCreated"]
    return changed


def _ordered(found: list[Record], query: Mapping[str, str]) -> list[Record]:
    field = query.get("orderBy", "id")
    direction = query.get("orderByType", "asc")
    if direction not in ("asc", "desc"):
        raise RefusedError(400, "orderByType must be asc or desc.")
    scalars = (str, int, float)
    if found and field != "dateUpdated" and not isinstance(found[0].get(field), scalars):
        raise RefusedError(400, f"orderBy cannot be '{field}'.")

    def rank(one: Record) -> tuple[bool, str | float, int]:
        value = one.get(field)
        if value is None:
            return False, 0, one["id"]
        return True, value.casefold() if isinstance(value, str) else value, one["id"]

    return sorted(found, key=rank, reverse=direction == "desc")


def whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    """A parameter that must be a whole number of zero or more."""
    value = query.get(name, str(default))
    if not value.isascii() or not value.isdecimal():
        raise RefusedError(400, f"{name} must be a whole number.")
    return int(value)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A parameter that must be true or false; true when absent."""
    value = query.get(name, "true")
    if value not in ("true", "false"):
        raise RefusedError(400, f"{name} must be true or false.")
    return value == "true"


def _wanted(query: Mapping[str, str], when_true: str, when_false: str) -> set[bool]:
    return {value for value, name in ((True, when_true), (False, when_false)) if flag(query, name)}


def _ids(text: str) -> set[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise RefusedError(400, "type must be a comma-separated list of ids.")
    return {int(part) for part in parts}
