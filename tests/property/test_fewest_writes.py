"""A single edit in Workplace costs the fewest writes that can do it, and each is the right one."""

from collections.abc import Callable

import pytest

from reconcilers.source import Floor
from tests.engine.memory_source import MemorySource
from tests.engine.samples import DESK, building, edit, put, space, synced, two_buildings
from tests.property.laws import difference, expected_after


def both(source: MemorySource, *ids: int) -> None:
    names = [source.spaces[id].name for id in ids]
    for id, name in zip(ids, names[1:] + names[:1], strict=True):
        edit(source.spaces, id, name=name)


def swap_floors(source: MemorySource) -> None:
    edit(source.floors, 1, name="1st Floor")
    edit(source.floors, 2, name="Ground Floor")


def move_name_on(source: MemorySource) -> None:
    edit(source.spaces, 100, name="Gemini")
    edit(source.spaces, 101, name="Vostok")


def open_hangar(source: MemorySource) -> None:
    put(source, building(30, "Hangar"))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))


def empty_annex(source: MemorySource) -> None:
    for id in (200, 201):
        del source.spaces[id]


EDITS: dict[str, tuple[Callable[[MemorySource], object], list[str]]] = {
    "nothing": (lambda s: None, []),
    "a building is renamed": (lambda s: edit(s.buildings, 10, name="Spire"), ["PUT locations"]),
    "a building changes only its case": (lambda s: edit(s.buildings, 10, name="TOWER"), ["PUT locations"]),
    "a room is renamed": (lambda s: edit(s.spaces, 100, name="Mercury"), ["PUT rooms"]),
    "a desk is renamed": (lambda s: edit(s.spaces, 102, name="D-9"), ["PUT desks"]),
    "a floor is renamed and renumbered": (lambda s: edit(s.floors, 2, name="Floor 7"), ["PUT floors"]),
    "a room moves to another floor": (lambda s: edit(s.spaces, 100, floor=2), ["PUT rooms"]),
    "two rooms swap names": (lambda s: both(s, 100, 101), ["PUT rooms"] * 3),
    "two floors swap numbers": (
        swap_floors,
        ["PUT floors"] * 3,
    ),
    "a name moves on": (
        move_name_on,
        ["PUT rooms"] * 2,
    ),
    "a room is deleted": (lambda s: s.spaces.pop(101), ["DELETE rooms"]),
    "a room is no longer reservable": (lambda s: edit(s.spaces, 101, reservable=False), ["DELETE rooms"]),
    "a new room": (lambda s: put(s, space(300, "Vostok", 1)), ["POST rooms"]),
    "a new desk": (lambda s: put(s, space(300, "D-2", 1, DESK)), ["POST desks"]),
    "a new building without a center": (lambda s: put(s, building(30, "Hangar")), []),
    "a new building with a center": (
        open_hangar,
        ["POST locations"],
    ),
    "a room changes its type": (lambda s: edit(s.spaces, 102, type=52), ["DELETE desks", "POST rooms"]),
    "a capacity": (lambda s: edit(s.spaces, 100, capacity=9), ["PUT rooms"]),
    "a desk's capacity": (lambda s: edit(s.spaces, 102, capacity=9), []),
    "a floor is added above": (
        lambda s: put(s, Floor(9, "2nd Floor", 10)), ["PUT locations", "POST floors"]
    ),
    "a building loses its center": (
        lambda s: edit(s.centers, 95, buildings=frozenset({10})),
        ["DELETE rooms", "DELETE desks", "DELETE floors", "DELETE floors", "DELETE locations"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_one_edit(name: str) -> None:
    change, expected = EDITS[name]
    rig = synced()
    change(rig.source)
    aim = expected_after(rig)

    calls = rig.writes_of_sync()

    assert sorted(f"{call.verb} {call.table}" for call in calls) == sorted(expected)
    assert difference(rig.target.state(), aim) == {}
    assert rig.plan().steps == ()


def test_the_first_room_of_a_location_costs_one_group_more() -> None:
    source = two_buildings()
    empty_annex(source)
    rig = synced(source)
    put(source, space(300, "Vostok", 3))

    calls = rig.writes_of_sync()

    assert [f"{call.verb} {call.table}" for call in calls] == ["POST locations/groups", "POST rooms"]


def test_an_initial_sync_writes_each_entity_once_and_each_group_once() -> None:
    rig = synced()

    calls = [f"{call.verb} {call.table}" for call in rig.target.writes]

    assert calls.count("POST locations/groups") == 2
    assert len(calls) == len(rig.store.entries or {}) + 2
    assert rig.store.commits >= 1


def test_a_building_that_moves_to_another_city_is_one_replacement_with_what_hangs_below() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="Dallas")
    aim = expected_after(rig)

    report = rig.sync()

    assert report.plan.summary == "+1 ±5"
    assert difference(rig.target.state(), aim) == {}
