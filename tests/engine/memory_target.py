"""Engage in memory, written from sections 4 and 6 of the contract and from nothing else.

It refuses what Engage refuses, however an engine may have come to ask for it. Entities are plain
rows by the contract's own tables; only the two ports speak the engine's words.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconcilers.errors import RefusedError
from reconcilers.model import Current, Holdings, Key, Kind, Value
from reconcilers.ports import Demand, DemandOf

HOURLY, ALL_DAY = "Hourly", "AllDay"
TABLES = ("countries", "regions", "groups", "workspaceTypes", "locations", "floors", "rooms", "desks")
SPACES = ("rooms", "desks")

_TABLE_OF_KIND = {
    Kind.COUNTRY: "countries",
    Kind.REGION: "regions",
    Kind.GROUP: "groups",
    Kind.WORKSPACE_TYPE: "workspaceTypes",
    Kind.LOCATION: "locations",
    Kind.FLOOR: "floors",
}
_TABLE_OF_VARIANT = {"MeetingSpace": "rooms", "PersonalSpace": "desks"}
_FAMILY_OF_TABLE = {"rooms": HOURLY, "desks": ALL_DAY}

# Where an entity hangs, and in which table its parent is.
_PARENT = {
    "regions": ("InternalParentId", "countries"),
    "groups": ("InternalParentId", "countries"),
    "locations": ("InternalParentId", "regions"),
    "floors": ("InternalParentId", "locations"),
    "rooms": ("LocationId", "locations"),
    "desks": ("LocationId", "locations"),
}
_IMMUTABLE = {
    "regions": {"InternalParentId"},
    "groups": {"InternalParentId"},
    "locations": {"InternalParentId"},
    "floors": {"InternalParentId"},
    "workspaceTypes": {"Family"},
    "rooms": {"LocationId"},
    "desks": {"LocationId"},
}
_FIELDS = {
    "countries": ("ResourceName", "CountryCode"),
    "regions": ("ResourceName", "InternalParentId"),
    "groups": ("ResourceName", "InternalParentId"),
    "workspaceTypes": ("ResourceName", "Family"),
    "locations": (
        "ResourceName", "InternalParentId", "LocationAddress", "PostCode", "LocationCity", "LocationCountry",
        "TimeZone", "NumberOfFloorsAboveGround", "NumberOfFloorsBelowGround",
    ),
    "floors": ("ResourceName", "InternalParentId", "FloorNumber"),
    "rooms": ("ResourceName", "LocationId", "FloorNumber", "GroupId", "WorkspaceTypeId", "MaxCapacity"),
    "desks": ("ResourceName", "LocationId", "FloorNumber", "GroupId", "WorkspaceTypeId", "MaxCapacity"),
}  # fmt: skip

Row = dict[str, Any]


class Killed(BaseException):
    """The process is gone: nothing it does afterwards happens."""


@dataclass(slots=True)
class Call:
    """One write that was committed."""

    verb: str
    table: str
    external_id: str | None
    fields: tuple[str, ...] = ()


Fault = Callable[[int, str], None]
"""Called before ("before") and after ("after") each write with its number; may raise."""


def no_fault(number: int, moment: str) -> None:
    """Everything works."""


@dataclass(slots=True)
class MemoryTarget:
    """Both ports of the target, over eight tables."""

    tables: dict[str, dict[int, Row]] = field(default_factory=lambda: {table: {} for table in TABLES})
    next_id: Counter[str] = field(default_factory=Counter)
    writes: list[Call] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    reads: int = 0
    sent: int = 0
    refused: set[str] = field(default_factory=set)
    """External ids of what it will not create, whatever the contract says."""
    takes_external_ids: bool = True
    """Will it let anybody set the external id of what is there?"""
    fault: Fault = no_fault
    dead: bool = False

    def __post_init__(self) -> None:
        for name, family in (("Meeting Room", HOURLY), ("Desk", ALL_DAY)):
            self.insert("workspaceTypes", {"ResourceName": name, "Family": family, "builtin": True})

    # What tests do to it by hand, without the refusals.

    def insert(self, table: str, row: Row) -> int:
        """Put a row there; rooms and desks count their ids apart, so these overlap."""
        self.next_id[table] += 1
        id = self.next_id[table]
        blank: Row = {"GroupIds": []} if table == "locations" else {}
        self.tables[table][id] = {"id": id, "ExternalId": None, **blank, **row}
        return id

    def find(self, external_id: str) -> Row:
        """The one row with this external id."""
        rows = [row for _, row in self.rows() if row["ExternalId"] == external_id]
        assert len(rows) == 1, f"{external_id} is there {len(rows)} times"
        return rows[0]

    def rows(self) -> Iterator[tuple[str, Row]]:
        """All rows with their tables."""
        return ((table, row) for table in TABLES for row in self.tables[table].values())

    def state(self) -> dict[str, Row]:
        """All rows by external id (else table and internal id), references told by the same names."""

        def label(table: str, id: int | None) -> str | None:
            row = self.tables[table].get(id) if id is not None else None
            return None if row is None else str(row["ExternalId"] or f"{table}/{row['id']}")

        told: dict[str, Row] = {}
        for table, row in self.rows():
            item = {name: value for name, value in row.items() if name in _FIELDS[table]}
            item["table"] = table
            if table in _PARENT:
                name, above = _PARENT[table]
                item[name] = label(above, row[name])
            if table in SPACES:
                item["WorkspaceTypeId"] = label("workspaceTypes", row["WorkspaceTypeId"])
                item["GroupId"] = label("groups", row["GroupId"])
                item["Floor"] = label("floors", self._floor_id(row))
                del item["FloorNumber"]
            if table == "locations":
                item["Groups"] = sorted(str(label("groups", id)) for id in row["GroupIds"])
            told[str(label(table, row["id"]))] = item
        return told

    # The Reader port.

    async def read(self, demand: DemandOf) -> Holdings:
        """Everything above locations, and below each what is asked for."""
        self._alive()
        self.reads += 1
        items: list[Current] = []
        for table, row in self.rows():
            if table not in ("floors", *SPACES):
                items.append(self._current(table, row))
        for row in self.tables["locations"].values():
            items += self._below(row, demand(self._current("locations", row)))
        return Holdings(tuple(items))

    def _below(self, location: Row, wanted: Demand) -> Iterator[Current]:
        tables = [table for variant, table in _TABLE_OF_VARIANT.items() if variant in wanted.variants]
        for table in [*(["floors"] if wanted.floors else []), *tables]:
            for row in self.tables[table].values():
                if row[_PARENT[table][0]] == location["id"]:
                    yield self._current(table, row)

    def _current(self, table: str, row: Row) -> Current:
        id, external_id = row["id"], row["ExternalId"]
        name, above = row["ResourceName"], row.get("InternalParentId")
        match table:
            case "countries":
                return Current(Kind.COUNTRY, id, external_id, (name, None, row["CountryCode"]))
            case "regions":
                return Current(Kind.REGION, id, external_id, (name, above))
            case "groups":
                return Current(Kind.GROUP, id, external_id, (name, above))
            case "workspaceTypes":
                values: tuple[Value, ...] = (name, None, row["Family"])
                return Current(
                    Kind.WORKSPACE_TYPE, id, external_id, values, builtin=row.get("builtin", False)
                )
            case "locations":
                group = min(row["GroupIds"], default=None)
                values = tuple(row.get(field, "") for field in _FIELDS["locations"])
                return Current(Kind.LOCATION, id, external_id, (*values, group))
            case "floors":
                return Current(Kind.FLOOR, id, external_id, (name, above, row["FloorNumber"]))
            case _:
                variant = "MeetingSpace" if table == "rooms" else "PersonalSpace"
                values = (
                    name, row["LocationId"], variant, self._floor_id(row), row["WorkspaceTypeId"],
                    row["MaxCapacity"],
                )  # fmt: skip
                return Current(Kind.RESOURCE, id, external_id, values)

    def _floor_id(self, row: Row) -> int | None:
        for floor in self.tables["floors"].values():
            if (floor["InternalParentId"], floor["FloorNumber"]) == (row["LocationId"], row["FloorNumber"]):
                return int(floor["id"])
        return None

    # The Writer port.

    async def create(self, kind: Kind, external_id: Key, fields: Mapping[str, Value]) -> int:
        """POST."""
        return await self._write(lambda: self._create(kind, external_id, dict(fields)))

    async def update(self, kind: Kind, id: int, fields: Mapping[str, Value], *, variant: str = "") -> None:
        """PUT; for a location's group, POST of the mapping."""
        await self._write(lambda: self._update(_table(kind, variant), id, dict(fields)))

    async def delete(self, kind: Kind, id: int, *, variant: str = "") -> None:
        """DELETE; what is gone already is no error."""
        await self._write(lambda: self._delete(_table(kind, variant), id))

    def _alive(self) -> None:
        if self.dead:
            raise Killed

    async def _write(self, change: Callable[[], int]) -> int:
        """One call: others may come between its being sent, carried out and answered."""
        self._alive()
        self.sent += 1
        number = self.sent
        try:
            self.fault(number, "before")
            await asyncio.sleep(0)
            self._alive()
            result = change()
            self.fault(number, "after")
            await asyncio.sleep(0)
            self._alive()
        except Killed:
            self.dead = True
            raise
        except RefusedError as error:
            self.refusals.append(error.message)
            raise
        return result

    def _create(self, kind: Kind, external_id: Key, fields: Row) -> int:
        table = _table(kind, str(fields.pop("ResourceType", "")))
        if table in ("countries", "workspaceTypes"):
            assert fields.pop("InternalParentId", None) is None
        _refuse_unless(
            set(fields) == set(_FIELDS[table]), f"{table} wants other fields than {sorted(fields)}"
        )
        row = {"ExternalId": external_id, **fields, **({"GroupIds": []} if table == "locations" else {})}
        _refuse_unless(external_id not in self.refused, f"409 {external_id} is refused")
        self._check(table, None, row)
        id = self.insert(table, row)
        self.writes.append(Call("POST", table, external_id, tuple(fields)))
        return id

    def _update(self, table: str, id: int, fields: Row) -> int:
        row = self.tables[table].get(id)
        if row is None:
            raise RefusedError(f"404 no {table} {id}", system="target")
        if table == "locations" and "GroupId" in fields:
            return self._add_group(row, fields)
        assert fields, "an update of nothing is a wasted call"
        _refuse_unless(self.takes_external_ids or "ExternalId" not in fields, "400 ExternalId cannot be set")
        known = {*_FIELDS[table], "ExternalId"} - ({"GroupId"} if table in SPACES else set())
        _refuse_unless(set(fields) <= known, f"{table} has no {sorted(set(fields) - known)}")
        for name in _IMMUTABLE.get(table, set()) & set(fields):
            _refuse_unless(fields[name] == row[name], f"400 {name} of {table} cannot change")
        assert any(row[name] != value for name, value in fields.items()), "an update without a change"
        self._check(table, row, {**row, **fields})
        if table == "floors" and "FloorNumber" in fields:
            self._renumber(row["InternalParentId"], row["FloorNumber"], fields["FloorNumber"])
        row.update(fields)
        self.writes.append(Call("PUT", table, row["ExternalId"], tuple(fields)))
        return id

    def _add_group(self, location: Row, fields: Row) -> int:
        assert set(fields) == {"GroupId"}, "a group is added by a call of its own"
        group = self.tables["groups"].get(fields["GroupId"])
        country = self.tables["regions"][location["InternalParentId"]]["InternalParentId"]
        _refuse_unless(group is not None and group["InternalParentId"] == country, "400 no such group")
        assert fields["GroupId"] not in location["GroupIds"], "an update without a change"
        location["GroupIds"].append(fields["GroupId"])
        self.writes.append(Call("POST", "locations/groups", location["ExternalId"], ("GroupId",)))
        return int(location["id"])

    def _delete(self, table: str, id: int) -> int:
        row = self.tables[table].get(id)
        if row is None:
            return id
        _refuse_unless(not row.get("builtin"), "409 the default workspace types stay")
        _refuse_unless(
            not self._has_children(table, row), f"409 {table} {row['ResourceName']!r} has children"
        )
        del self.tables[table][id]
        self.writes.append(Call("DELETE", table, row["ExternalId"]))
        return id

    # The refusals.

    def _check(self, table: str, row: Row | None, wanted: Row) -> None:
        others = [other for other in self.tables[table].values() if other is not row]
        _refuse_unless(bool(str(wanted["ResourceName"]).strip()), "400 a name is missing")
        external_id = wanted["ExternalId"]
        taken = any(external_id is not None and other["ExternalId"] == external_id for other in others)
        _refuse_unless(not taken, f"409 {external_id} is used already")
        if table in _PARENT:
            name, above = _PARENT[table]
            _refuse_unless(wanted[name] in self.tables[above], f"400 {above} {wanted[name]} is missing")
        for sibling in self._siblings(table, row, wanted):
            same = sibling["ResourceName"].casefold() == wanted["ResourceName"].casefold()
            _refuse_unless(not same, f"409 {table} {wanted['ResourceName']!r} is there already")
        if table == "floors":
            self._check_floor(row, wanted, others)
        if table in SPACES:
            self._check_space(table, row, wanted)

    def _siblings(self, table: str, row: Row | None, wanted: Row) -> Iterator[Row]:
        """Meeting and personal spaces of one location share their names."""
        for other in SPACES if table in SPACES else (table,):
            for item in self.tables[other].values():
                name = _PARENT[table][0] if table in _PARENT else ""
                if item is not row and (not name or item[name] == wanted[name]):
                    yield item

    def _check_floor(self, row: Row | None, wanted: Row, others: list[Row]) -> None:
        number = wanted["FloorNumber"]
        _refuse_unless(isinstance(number, str) and str(int(number)) == number, f"400 {number!r} is no number")
        for other in others:
            if other["InternalParentId"] == wanted["InternalParentId"]:
                _refuse_unless(other["FloorNumber"] != number, f"400 floor number {number} is taken")

    def _check_space(self, table: str, row: Row | None, wanted: Row) -> None:
        _refuse_unless(self._floor_id(wanted) is not None, f"400 no floor {wanted['FloorNumber']!r}")
        kind = self.tables["workspaceTypes"].get(wanted["WorkspaceTypeId"])
        _refuse_unless(kind is not None and kind["Family"] == _FAMILY_OF_TABLE[table], "400 wrong family")
        groups = self.tables["locations"][wanted["LocationId"]]["GroupIds"]
        _refuse_unless(wanted["GroupId"] in groups, "400 the group is not one of the location's")

    def _has_children(self, table: str, row: Row) -> bool:
        id = row["id"]
        spaces = [space for name in SPACES for space in self.tables[name].values()]
        if table == "floors":
            return any(self._floor_id(space) == id for space in spaces)
        if table == "workspaceTypes":
            return any(space["WorkspaceTypeId"] == id for space in spaces)
        if table == "groups":
            in_location = any(id in location["GroupIds"] for location in self.tables["locations"].values())
            return in_location or any(space["GroupId"] == id for space in spaces)
        return any(
            child[name] == id
            for below, (name, above) in _PARENT.items()
            if above == table
            for child in self.tables[below].values()
        )

    def _renumber(self, location: int, old: str, new: str) -> None:
        for table in SPACES:
            for space in self.tables[table].values():
                if (space["LocationId"], space["FloorNumber"]) == (location, old):
                    space["FloorNumber"] = new


def _table(kind: Kind, variant: str) -> str:
    return _TABLE_OF_VARIANT[variant] if kind is Kind.RESOURCE else _TABLE_OF_KIND[kind]


def _refuse_unless(condition: bool, message: str) -> None:
    if not condition:
        raise RefusedError(message, system="target")
