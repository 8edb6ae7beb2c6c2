"""Small worlds that read like a sentence."""

from dataclasses import replace
from typing import Any, TypeVar

from reconcilers.source import Building, Center, Floor, Space, SpaceType
from tests.engine.memory_source import MemorySource
from tests.engine.rig import Rig

WE, ME, NONE = "We Spaces", "Me Spaces", "None"
ROOM, DESK, HALL = 52, 53, 54
_TABLES = {Building: "buildings", Floor: "floors", Space: "spaces", SpaceType: "types", Center: "centers"}
T = TypeVar("T", Building, Floor, Space, SpaceType, Center)


def building(id: int, name: str, city: str = "Houston", **values: Any) -> Building:
    place = {"country_code": "US", "country_name": "United States of America (the)"}
    return Building(id=id, name=name, city=city, **{**place, **values})


def space(id: int, name: str, floor: int, type: int = ROOM, **values: Any) -> Space:
    return Space(id=id, name=name, floor=floor, type=type, **{"capacity": 4, "reservable": True, **values})


def two_buildings() -> MemorySource:
    """Two buildings in Houston, each with two floors; rooms and desks on them; one center."""
    source = MemorySource()
    put(source, building(10, "Tower"), building(20, "Annex"))
    put(source, Floor(1, "Ground Floor", 10), Floor(2, "1st Floor", 10))
    put(source, Floor(3, "Ground Floor", 20), Floor(4, "B1", 20))
    put(source, SpaceType(ROOM, "Conference", WE), SpaceType(DESK, "Desk", ME), SpaceType(HALL, "Hall", NONE))
    put(source, space(100, "Apollo", 1), space(101, "Gemini", 1), space(102, "D-1", 2, DESK))
    put(source, space(200, "Apollo", 3), space(201, "D-1", 4, DESK))
    put(source, Center(95, "America/Chicago", frozenset({10, 20})))
    return source


def put(source: MemorySource, *records: Building | Floor | Space | SpaceType | Center) -> None:
    for record in records:
        getattr(source, _TABLES[type(record)])[record.id] = record


def edit(table: dict[int, T], id: int, **values: Any) -> None:
    table[id] = replace(table[id], **values)


def space_in(location: int, group: int, kind: int, floor: str, name: str) -> dict[str, Any]:
    """A row of Engage: a space that a person made there."""
    return {
        "ResourceName": name, "LocationId": location, "FloorNumber": floor, "GroupId": group,
        "WorkspaceTypeId": kind, "MaxCapacity": 3,
    }  # fmt: skip


def remove_building(source: MemorySource, id: int) -> None:
    """A building is gone from the source, with all that is in it."""
    gone = {floor.id for floor in source.floors.values() if floor.building == id}
    source.buildings.pop(id)
    source.floors = {key: floor for key, floor in source.floors.items() if key not in gone}
    source.spaces = {key: room for key, room in source.spaces.items() if room.floor not in gone}
    edit(source.centers, 95, buildings=source.centers[95].buildings - {id})


def synced(source: MemorySource | None = None) -> Rig:
    """A rig whose target is in step."""
    rig = Rig(source or two_buildings())
    rig.sync()
    return rig
