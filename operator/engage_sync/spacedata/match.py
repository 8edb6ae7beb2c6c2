"""Compares a workbook with what Workplace holds: what is missing, what differs, what nobody can tell. Pure.

A building is found by its code, else by its name; a floor by its name within the building, a room by its
name on the floor. A blank cell is nothing to change in a record that is there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from engage_sync.clients.workplace_held import HeldBuilding, HeldRoom
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.match_places import Places, address_changes, new_address
from engage_sync.spacedata.match_types import TypeMatcher
from engage_sync.spacedata.model import (
    DEFAULT_CAPACITY,
    DEFAULT_RESERVABLE,
    Building,
    CheckedSpaceData,
    Floor,
    Room,
    SpaceData,
)
from engage_sync.spacedata.pairs import Pairs, pair
from engage_sync.spacedata.work import UploadPlan, What, Work
from engage_sync.spacedata.world import World
from reconcilers import source
from reconcilers.text import clean, fold

T = TypeVar("T")

_NEVER_CARRIED = {
    Column.OCCUPIABLE: "it belongs to the space type in Workplace, not to the room",
    Column.RENTABLE_SQUARE_FEET: "Workplace's API has no field for it",
}
_SAME_AREA = 0.006
"""Square feet by which two areas may differ and be one: servers round to hundredths."""


def plan_upload(
    space_data: CheckedSpaceData,
    world: World,
    type_groups: Mapping[str, str],
    engage_ids: Mapping[int, int],
) -> UploadPlan:
    """What an upload has to do.

    Args:
        space_data: A workbook without errors.
        world: What Workplace holds.
        type_groups: The group of each space type that may be created, by its name.
        engage_ids: Engage's ids of rooms by their rows.
    """
    return _Planner(space_data.data, world, type_groups, engage_ids).plan()


class _Planner:
    def __init__(
        self, data: SpaceData, world: World, type_groups: Mapping[str, str], engage_ids: Mapping[int, int]
    ) -> None:
        self._data = data
        self._world = world
        self._engage_ids = engage_ids
        self._plan = UploadPlan()
        self._types = TypeMatcher(data, world.types, type_groups)
        self._places = Places(data, world)

    def plan(self) -> UploadPlan:
        plan = self._plan
        rooms_on = _by(self._data.rooms, lambda room: room.floor.row)
        floors_of = _by(self._data.floors, lambda floor: floor.building.row)
        for building, building_work in self._match_buildings():
            for floor, floor_work in self._match_floors(floors_of[building.row], building_work):
                self._match_rooms(rooms_on[floor.row], floor_work)
        plan.types = self._types.created
        plan.findings += [*self._types.findings, *self._places.findings, *self._not_carried()]
        plan.findings.sort(key=lambda finding: (finding.place.row, finding.place.column))
        return plan

    # Buildings

    def _match_buildings(self) -> Iterable[tuple[Building, Work]]:
        found, missing = self._pair_buildings()
        works = {one.row: self._changed_building(one, held) for one, held in found}
        works |= {one.row: self._new_building(one) for one in missing}
        for building in self._data.buildings:
            if building.row in works:
                work = works[building.row]
                self._plan.buildings.append(work)
                yield building, work

    def _pair_buildings(self) -> tuple[list[tuple[Building, HeldBuilding]], list[Building]]:
        """What is found, and what is missing."""
        held = self._world.buildings
        coded = [one for one in self._data.buildings if one.code]
        by_code = pair(coded, [one for one in held if clean(one.code)], _code, _code)
        self._ambiguous(by_code, Column.BUILDING_CODE, "building", "code")
        taken = {one.id for _, one in by_code.found}
        taken.update(one.id for _, ones in by_code.ambiguous for one in ones)
        # First those that have nothing but a name; of the rest a code may still be given to one without.
        named = [one for one in self._data.buildings if not one.code]
        free = [one for one in held if one.id not in taken]
        by_name = pair(named, free, _name, _name)
        self._ambiguous(by_name, Column.BUILDING_NAME, "building", "name")
        taken.update(one.id for _, one in by_name.found)
        uncoded = [one for one in free if one.id not in taken and not clean(one.code)]
        given = pair([one for one in by_code.missing if one.name], uncoded, _name, _name)
        self._ambiguous(given, Column.BUILDING_NAME, "building", "name")
        nameless = [one for one in by_code.missing if not one.name]
        return (
            [*by_code.found, *by_name.found, *given.found],
            [*by_name.missing, *given.missing, *nameless],
        )

    def _new_building(self, building: Building) -> Work:
        body: dict[str, object] = {"name": building.label}
        if building.code:
            body["code"] = building.code
        address = new_address(building, self._places)
        if address:
            body["address"] = address
        self._places.note_building(building, None)
        return Work(What.BUILDING, building.label, self._cell(building), body, code=building.code)

    def _changed_building(self, building: Building, held: HeldBuilding) -> Work:
        body: dict[str, object] = {}
        if building.name and fold(held.name) != fold(building.name):
            body["name"] = building.name
        elif building.name:
            self._note_spelling(building, Column.BUILDING_NAME, building.name, held.name)
        if building.code and not clean(held.code):
            body["code"] = building.code
        address = address_changes(building, held.address, self._places)
        if address:
            body["address"] = address
        self._places.note_building(building, held)
        return Work(What.BUILDING, building.label, self._cell(building), body, id=held.id, code=building.code)

    # Floors

    def _match_floors(self, floors: Sequence[Floor], parent: Work) -> Iterable[tuple[Floor, Work]]:
        held: Sequence[source.Floor] = self._world.floors.get(parent.id, ()) if parent.id is not None else ()
        pairs = pair(floors, held, _name, _name)
        self._ambiguous(pairs, Column.FLOOR, "floor", "name")
        works = {}
        for floor, other in pairs.found:
            self._note_spelling(floor, Column.FLOOR, floor.name, other.name)
            works[floor.row] = Work(What.FLOOR, floor.name, self._cell(floor), parent=parent, id=other.id)
        for floor in pairs.missing:
            body: dict[str, object] = {"name": floor.name}
            works[floor.row] = Work(What.FLOOR, floor.name, self._cell(floor), body, parent)
        for floor in floors:
            if floor.row in works:
                self._plan.floors.append(works[floor.row])
                yield floor, works[floor.row]

    # Rooms

    def _match_rooms(self, rooms: Sequence[Room], parent: Work) -> None:
        held: Sequence[HeldRoom] = self._world.rooms.get(parent.id, ()) if parent.id is not None else ()
        pairs = pair(rooms, held, _name, _name)
        self._ambiguous(pairs, Column.ROOM, "room", "name")
        works = {room.row: self._changed_room(room, other, parent) for room, other in pairs.found}
        works |= {room.row: self._new_room(room, parent) for room in pairs.missing}
        self._plan.rooms += [works[room.row] for room in rooms if room.row in works]

    def _new_room(self, room: Room, parent: Work) -> Work:
        body: dict[str, object] = {
            "name": room.name,
            "capacity": DEFAULT_CAPACITY if room.capacity is None else room.capacity,
            "reservable": DEFAULT_RESERVABLE if room.reservable is None else room.reservable,
        }
        if room.description:
            body["description"] = room.description
        if room.square_feet is not None:
            body["area"] = float(room.square_feet)
        if room.row in self._engage_ids:
            body["longDescription"] = engage_note(self._engage_ids[room.row])
        return Work(
            What.ROOM, room.name, self._cell(room), body, parent, self._types.of(room, None)
        )  # fmt: skip

    def _changed_room(self, room: Room, held: HeldRoom, parent: Work) -> Work:
        self._note_spelling(room, Column.ROOM, room.name, held.name)
        body: dict[str, object] = {}
        if room.capacity is not None and room.capacity != held.capacity:
            body["capacity"] = room.capacity
        if room.reservable is not None and room.reservable != held.reservable:
            body["reservable"] = room.reservable
        if room.description and room.description != clean(held.description):
            body["description"] = room.description
        if room.square_feet is not None:
            area = float(room.square_feet)
            if held.area is None or abs(area - held.area) > _SAME_AREA:
                body["area"] = area
        # Only where nobody wrote anything else: the field is the customer's.
        if room.row in self._engage_ids and not clean(held.long_description):
            body["longDescription"] = engage_note(self._engage_ids[room.row])
        type = self._types.of(room, held.type)
        changed = type if type is not None and type.id != held.type else None
        return Work(What.ROOM, room.name, self._cell(room), body, parent, changed, held.id)

    # What is said of it

    def _ambiguous(
        self, pairs: Pairs[Building, HeldBuilding] | Pairs[Floor, source.Floor] | Pairs[Room, HeldRoom],
        column: Column, what: str, by: str,
    ) -> None:  # fmt: skip
        for wanted, held in pairs.ambiguous:
            ids = ", ".join(str(one.id) for one in held[:5]) + ("…" if len(held) > 5 else "")
            for one in wanted:
                others = [str(other.row) for other in wanted if other is not one]
                rivals = f", and so could row{'s' * (len(others) > 1)} {', '.join(others)}" if others else ""
                count = f"{len(held)} {what}s" if len(held) > 1 else f"the {what}"
                self._add(
                    Ground.AMBIGUOUS_MATCH, one, column,
                    f"it could be {count} of this {by} in Workplace (id {ids}){rivals}",
                    "make the names in Workplace differ, or write the one that is meant exactly",
                )  # fmt: skip

    def _note_spelling(self, item: Building | Floor | Room, column: Column, name: str, held: str) -> None:
        if name != clean(held):
            self._add(
                Ground.OTHER_SPELLING, item, column, f'Workplace spells it "{clean(held)}", which is kept',
                "nothing is needed, or rename it in Workplace",
            )  # fmt: skip

    def _not_carried(self) -> Iterable[Finding]:
        for column, why in _NEVER_CARRIED.items():
            rooms = [room for room in self._data.rooms if _told(room, column) is not None]
            if rooms:
                yield Finding(
                    Ground.NOT_CARRIED, self._data.place(rooms[0], column), str(_told(rooms[0], column)),
                    f"the column is not uploaded ({len(rooms):,} cell{'s' * (len(rooms) > 1)}): {why}",
                    "nothing is needed",
                )  # fmt: skip

    def _add(
        self, ground: Ground, item: Building | Floor | Room, column: Column, message: str, cure: str
    ) -> None:
        value = item.label if isinstance(item, Building) else item.name
        self._plan.findings.append(Finding(ground, self._data.place(item, column), value, message, cure))

    def _cell(self, item: Building | Floor | Room) -> str:
        column = {Building: Column.BUILDING_NAME, Floor: Column.FLOOR, Room: Column.ROOM}[type(item)]
        return str(self._data.place(item, column))


def engage_note(id: int) -> str:
    """How Workplace keeps Engage's id of a room: in its long description, the one free text it has."""
    return f"Engage resource {id}"


def _name(one: Building | HeldBuilding | Floor | source.Floor | Room | HeldRoom) -> str:
    return one.name


def _code(one: Building | HeldBuilding) -> str:
    return one.code


def _told(room: Room, column: Column) -> object:
    return room.occupiable if column is Column.OCCUPIABLE else room.rentable_square_feet


def _by(items: Iterable[T], row_of: Callable[[T], int]) -> Mapping[int, Sequence[T]]:
    groups = defaultdict[int, list[T]](list)
    for item in items:
        groups[row_of(item)].append(item)
    return groups
