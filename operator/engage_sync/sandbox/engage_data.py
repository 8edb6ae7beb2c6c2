"""What the simulated Engage holds: items by id, their indexes, and every refusal of a write.

Knows nothing of HTTP, keys or tokens. A resource remembers its floor by id, so that renumbering a floor
renumbers its resources (contract section 6, ASSUMED).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from engage_sync.sandbox.bookings import Bookings
from engage_sync.sandbox.engage_kinds import ALL_DAY, DEFAULTS, HOURLY, KINDS, Kind
from engage_sync.sandbox.fields import require
from engage_sync.sandbox.wire import Record, RefusedError

# Known ids of the two default types (domain.md 3.4); they cannot be deleted (domain.md 5).
DEFAULT_TYPES = {1: ("Meeting Room", HOURLY), 2: ("Desk", ALL_DAY)}
RESOURCES = ("rooms", "desks")

# One sequence over all kinds, so that an id used for the wrong kind never fits by accident.
_FIRST_ID = 101


class EngageData:
    """The items of one tenant."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.tables: dict[str, dict[int, Record]] = {kind: {} for kind in KINDS}
        self.bookings = Bookings(clock)
        self._next_id = _FIRST_ID
        self._names: dict[tuple[str, int, str], int] = {}
        self._external: dict[tuple[str, str], int] = {}
        self._floors: dict[tuple[int, str], int] = {}
        self._users: dict[tuple[str, int], set[int]] = defaultdict(set)  # (field, id) to who refers to it
        for type_id, (name, family) in DEFAULT_TYPES.items():
            self._store(KINDS["workspaceTypes"], type_id, {"ResourceName": name, "Family": family})

    # Reads

    def get(self, kind: str, item_id: int, *, status: int = 404) -> Record:
        """The item, or a refusal that names what is missing."""
        item = self.tables[kind].get(item_id)
        if item is None:
            raise RefusedError(status, f"There is no {KINDS[kind].one} with id {item_id}.")
        return item

    def children(self, kind: str, parent_id: int) -> Iterable[Record]:
        """The items of a kind under one parent, lowest id first."""
        table = self.tables[kind]
        return [table[one] for one in sorted(self._users[_child_key(KINDS[kind]), parent_id])]

    # Writes

    def add(self, kind: str, values: Record) -> Record:
        """Store a new item, or refuse it."""
        spec = KINDS[kind]
        require(values, spec.required)
        item = self._resolved(spec, values)
        self._check(spec, item)
        self._next_id += 1
        return self._store(spec, self._next_id - 1, item)

    def change(self, kind: str, item_id: int, values: Record) -> Record:
        """Set some fields of an item, or refuse all of it."""
        spec = KINDS[kind]
        item = self.get(kind, item_id)
        for field in spec.fixed:
            if field in values and values[field] != item[field]:
                raise RefusedError(400, f"{field} of a {spec.one} cannot be changed.")
        changed = {**item, **self._resolved(spec, values, before=item)}
        self._unlink(spec, item)
        try:
            self._check(spec, changed)
            item.update(changed)
        finally:
            self._link(spec, item)
        return item

    def remove(self, kind: str, item_id: int) -> None:
        """Delete an item that nothing depends on; a resource takes its future bookings with it."""
        item = self.get(kind, item_id)
        if kind == "workspaceTypes" and item_id in DEFAULT_TYPES:
            raise RefusedError(
                400, f"{item['ResourceName']} is a default workspace type and cannot be deleted."
            )
        for field, what in _DEPENDENTS.get(kind, ()):
            if self._users[field, item_id]:
                raise RefusedError(409, f"{item['ResourceName']} still has {what}.")
        if kind in RESOURCES:
            self.bookings.drop_future(item_id)
        if kind == "locations":
            for group_id in item["groups"]:
                self._users["mapped group", group_id].discard(item_id)
        self._unlink(KINDS[kind], item)
        del self.tables[kind][item_id]

    def add_group(self, location_id: int, group_id: int) -> Record:
        """Add a group to a location of its own country; adding it again changes nothing."""
        location = self.get("locations", location_id)
        group = self.get("groups", group_id, status=400)
        region = self.tables["regions"][location["InternalParentId"]]
        if group["InternalParentId"] != region["InternalParentId"]:
            raise RefusedError(400, f"{group['ResourceName']} is a group of another country.")
        location["groups"][group_id] = None
        self._users["mapped group", group_id].add(location_id)
        return location

    # Rules

    def _resolved(self, spec: Kind, values: Record, *, before: Record | None = None) -> Record:
        """The values with a resource's floor number turned into the floor that it names."""
        values = dict(values)
        if spec.family and "FloorNumber" in values:
            location_id = before["LocationId"] if before else values["LocationId"]
            number = values.pop("FloorNumber")
            floor_id = self._floors.get((location_id, number))
            if floor_id is None:
                self.get("locations", location_id, status=400)
                raise RefusedError(400, f"FloorNumber {number} is not a floor of the location.")
            values["FloorId"] = floor_id
        return values

    def _check(self, spec: Kind, item: Record) -> None:
        if spec.parent:
            self.get(spec.parent, item[spec.parent_field], status=400)
        if spec.family:
            self._check_resource(spec, item)
        if spec.name == "floors" and (item["InternalParentId"], item["FloorNumber"]) in self._floors:
            raise RefusedError(400, f"FloorNumber {item['FloorNumber']} is taken in the location.")
        if _name_key(spec, item) in self._names:
            raise RefusedError(409, f"The name {item['ResourceName']} is taken.")
        if item.get("ExternalId") and (spec.shared, item["ExternalId"]) in self._external:
            raise RefusedError(409, f"The external id {item['ExternalId']} is taken.")

    def _check_resource(self, spec: Kind, item: Record) -> None:
        type_ = self.get("workspaceTypes", item["WorkspaceTypeId"], status=400)
        if type_["Family"] != spec.family:
            raise RefusedError(400, f"WorkspaceTypeId of a {spec.one} must be of family {spec.family}.")
        group = self.get("groups", item["GroupId"], status=400)
        if group["InternalId"] not in self.tables["locations"][item["LocationId"]]["groups"]:
            raise RefusedError(400, f"GroupId {item['GroupId']} is not a group of the location.")

    # Upkeep

    def _store(self, spec: Kind, item_id: int, values: Record) -> Record:
        item = {"InternalId": item_id, **DEFAULTS.get(spec.name, {}), "ExternalId": None, **values}
        if spec.name == "locations":
            item["groups"] = {}
        self.tables[spec.name][item_id] = item
        self._link(spec, item)
        return item

    def _link(self, spec: Kind, item: Record) -> None:
        self._names[_name_key(spec, item)] = item["InternalId"]
        if item["ExternalId"]:
            self._external[spec.shared, item["ExternalId"]] = item["InternalId"]
        if spec.name == "floors":
            self._floors[item["InternalParentId"], item["FloorNumber"]] = item["InternalId"]
        for key in _references(spec, item):
            self._users[key].add(item["InternalId"])

    def _unlink(self, spec: Kind, item: Record) -> None:
        del self._names[_name_key(spec, item)]
        if item["ExternalId"]:
            del self._external[spec.shared, item["ExternalId"]]
        if spec.name == "floors":
            del self._floors[item["InternalParentId"], item["FloorNumber"]]
        for key in _references(spec, item):
            self._users[key].discard(item["InternalId"])


# What keeps an item from being deleted (409, contract section 6), and the words for it.
_DEPENDENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "countries": (("parent of regions", "regions"), ("parent of groups", "groups")),
    "regions": (("parent of locations", "locations"),),
    "locations": (
        ("parent of floors", "floors"),
        ("parent of rooms", "meeting spaces"),
        ("parent of desks", "personal spaces"),
    ),
    "floors": (("FloorId", "resources"),),
    "workspaceTypes": (("WorkspaceTypeId", "resources"),),
    "groups": (("GroupId", "resources"), ("mapped group", "locations")),
}


def _child_key(spec: Kind) -> str:
    return f"parent of {spec.name}"


def _references(spec: Kind, item: Record) -> Iterable[tuple[str, int]]:
    if spec.parent:
        yield _child_key(spec), item[spec.parent_field]
    if spec.family:
        for field in ("FloorId", "WorkspaceTypeId", "GroupId"):
            yield field, item[field]


def _name_key(spec: Kind, item: Record) -> tuple[str, int, str]:
    """Siblings of one name, whatever its case; meeting and personal spaces are siblings of each other."""
    parent_id = item[spec.parent_field] if spec.parent else 0
    return spec.shared, parent_id, item["ResourceName"].strip().casefold()
