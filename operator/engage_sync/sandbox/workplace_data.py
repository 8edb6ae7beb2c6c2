"""What the simulated Workplace holds: records by id, and the indexes that keep every read cheap.

Knows nothing of HTTP. Records are plain dicts that refer to others by id; workplace_views.py makes the
documented JSON of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from engage_sync.sandbox.geography import country_names
from engage_sync.sandbox.wire import Record, RefusedError

KINDS = ("countries", "states", "types", "centers", "buildings", "floors", "rooms")
ONE = {
    "countries": "country",
    "states": "state",
    "types": "space type",
    "centers": "center",
    "buildings": "building",
    "floors": "floor",
    "rooms": "room",
}

# The three groups of the official sample (domain.md 2.6).
GROUPS = {1: "None", 2: "Me Spaces", 3: "We Spaces"}

_PARENTS = {"floors": ("buildingId",), "rooms": ("floorId", "typeId")}

_DEFAULTS: dict[str, Record] = {
    "countries": {"alpha2Code": None},
    "states": {"code": "", "countryId": None},
    "types": {
        "typeCode": "",
        "contentFlag": 1,
        "defaultRoomType": False,
        "cost": 0.0,
        "hexColor": "8d55b0",
        "groupId": 1,
        "occupiable": False,
        "parkingSpace": False,
    },
    "centers": {"module": "reservation", "timeZone": None},
    "buildings": {
        "code": "",
        "metric": False,
        "revitLink": "",
        "leaseArea": 0.0,
        "parking": False,
        "street": "",
        "street2": "",
        "city": "",
        "postalCode": "",
        "countryId": None,
        "stateId": None,
    },
    "floors": {"area": 0.0, "interiorGross": 0.0, "leaseArea": 0.0, "buildingId": None},
    "rooms": {
        "description": "",
        "longDescription": "",
        "remoteInfo": "",
        "area": 0.0,
        "capacity": 1,  # the Space Data template's default (domain.md 4.1)
        "reservable": False,  # likewise
        "reservableByRules": False,
        "occupied": False,
    },
}


class WorkplaceData:
    """The records of one tenant. `version` moves with every change, for what callers cache."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.version = 0
        self.tables: dict[str, dict[int, Record]] = {kind: {} for kind in KINDS}
        self._last_id = dict.fromkeys(KINDS, 0)
        self._children: dict[tuple[str, int], set[int]] = defaultdict(set)
        self._centers_of: dict[int, set[int]] = defaultdict(set)
        self._buildings_of: dict[int, set[int]] = defaultdict(set)
        self.country_by_code: dict[str, int] = {}
        self._state_ids: dict[tuple[str, str, int | None], int] = {}
        for code, name in country_names().items():
            self.country_by_code[code] = self.add("countries", name=name, alpha2Code=code)["id"]

    # Records

    def get(self, kind: str, record_id: int, *, status: int = 404) -> Record:
        """The record, or a refusal that names what is missing."""
        record = self.tables[kind].get(record_id)
        if record is None:
            raise RefusedError(status, f"There is no {ONE[kind]} with id {record_id}.")
        return record

    def add(self, kind: str, **values: object) -> Record:
        """Store a new record under the next id of its kind."""
        self._check_references(kind, values)
        self._last_id[kind] += 1
        record: Record = {"id": self._last_id[kind], **_DEFAULTS[kind], **values}
        record["dateCreated"] = self._now()
        if kind == "types":
            record.setdefault("sortOrder", record["id"])
        self.tables[kind][record["id"]] = record
        self._link(kind, record)
        self.version += 1
        return record

    def change(self, kind: str, record_id: int, **values: object) -> Record:
        """Set some fields of a record, leaving the others as they are."""
        record = self.get(kind, record_id)
        self._check_references(kind, values)
        self._unlink(kind, record)
        record.update(values)
        self._link(kind, record)
        self._touch(record)
        return record

    def remove(self, kind: str, record_id: int) -> None:
        """Delete a record and what cannot be without it: a building's floors, a floor's rooms.

        ASSUMED: the vendor's documents are silent on cascades.
        """
        record = self.get(kind, record_id)
        if kind == "types" and self._children["typeId", record_id]:
            raise RefusedError(409, f"The space type {record['name']} is in use.")
        if kind == "buildings":
            for floor_id in self.floors_of(record_id):
                self.remove("floors", floor_id)
            self.assign_building(record_id, [])
        if kind == "floors":
            for room_id in self.rooms_on(record_id):
                self.remove("rooms", room_id)
        if kind == "centers":
            self.assign_center(record_id, [])
        self._unlink(kind, record)
        del self.tables[kind][record_id]
        self.version += 1

    # Relations

    def floors_of(self, building_id: int) -> list[int]:
        """Ids of a building's floors, lowest first."""
        return sorted(self._children["buildingId", building_id])

    def rooms_on(self, floor_id: int) -> list[int]:
        """Ids of a floor's rooms, lowest first."""
        return sorted(self._children["floorId", floor_id])

    def rooms_in(self, building_id: int) -> list[int]:
        """Ids of a building's rooms, lowest first."""
        return sorted(room for floor in self.floors_of(building_id) for room in self.rooms_on(floor))

    def centers_of(self, building_id: int) -> list[Record]:
        """The centers a building is assigned to, lowest id first."""
        return [self.tables["centers"][center] for center in sorted(self._centers_of[building_id])]

    def buildings_of(self, center_id: int) -> list[Record]:
        """The buildings of a center, lowest id first."""
        return [self.tables["buildings"][building] for building in sorted(self._buildings_of[center_id])]

    def assign(self, center_id: int, building_id: int) -> None:
        """Put a building into a center. An edit of the building, as on its Centers tab (domain.md 2.7)."""
        self.get("centers", center_id)
        building = self.get("buildings", building_id, status=400)
        self._centers_of[building_id].add(center_id)
        self._buildings_of[center_id].add(building_id)
        self._touch(building)

    def unassign(self, center_id: int, building_id: int) -> None:
        """Take a building out of a center; nothing happens when it is not in it."""
        self.get("centers", center_id)
        building = self.get("buildings", building_id, status=400)
        self._centers_of[building_id].discard(center_id)
        self._buildings_of[center_id].discard(building_id)
        self._touch(building)

    def assign_center(self, center_id: int, building_ids: Iterable[int]) -> None:
        """Make these the center's buildings, and no others."""
        wanted = set(building_ids)
        for building_id in wanted:
            self.get("buildings", building_id, status=400)
        for building_id in self._buildings_of[center_id] - wanted:
            self.unassign(center_id, building_id)
        for building_id in wanted - self._buildings_of[center_id]:
            self.assign(center_id, building_id)

    def assign_building(self, building_id: int, center_ids: Iterable[int]) -> None:
        """Make these the building's centers, and no others."""
        wanted = set(center_ids)
        for center_id in self._centers_of[building_id] - wanted:
            self.unassign(center_id, building_id)
        for center_id in wanted - self._centers_of[building_id]:
            self.assign(center_id, building_id)

    def state_id(self, name: str, code: str, country_id: int | None) -> int:
        """The id of a state, made on first use: no endpoint for states is documented (domain.md 2.4)."""
        key = (name, code, country_id)
        if key not in self._state_ids:
            self._state_ids[key] = self.add("states", name=name, code=code, countryId=country_id)["id"]
        return self._state_ids[key]

    # Upkeep

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _touch(self, record: Record) -> None:
        record["dateUpdated"] = self._now()
        self.version += 1

    def _check_references(self, kind: str, values: dict[str, object]) -> None:
        for field, target in (("buildingId", "buildings"), ("floorId", "floors"), ("typeId", "types")):
            value = values.get(field)
            if isinstance(value, int):
                self.get(target, value, status=400)

    def _link(self, kind: str, record: Record) -> None:
        for field in _PARENTS.get(kind, ()):
            if record[field] is not None:
                self._children[field, record[field]].add(record["id"])

    def _unlink(self, kind: str, record: Record) -> None:
        for field in _PARENTS.get(kind, ()):
            self._children[field, record[field]].discard(record["id"])
