"""In which order things happen: parents first, swaps through one detour, deletes last and upwards."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from reconcilers.demand import EVERYTHING
from reconcilers.match import match
from reconcilers.model import RANK
from reconcilers.order import Part, schedule
from reconcilers.plan import Plan
from reconcilers.source import Floor
from reconcilers.steps import Delete, kind_of
from tests.engine.memory_source import MemorySource
from tests.engine.rig import Rig
from tests.engine.samples import building, edit, put, space, synced, two_buildings
from tests.property.laws import difference, edit_all, expected_after
from tests.strategies import Edit, histories, tidy_worlds

orders = st.permutations(range(5))


@given(tidy_worlds(), histories)
def test_parents_are_made_before_and_removed_after_their_children(
    source: MemorySource, history: list[list[Edit]]
) -> None:
    rig = Rig(source)
    for edits in [[], *history]:
        edit_all(source, edits)
        if not source.buildings or not source.centers:
            return
        before, writes = rig.target.state(), len(rig.target.writes)
        rig.sync()
        made, gone = [], []
        for call in rig.target.writes[writes:]:
            if call.verb == "DELETE":
                gone.append(call.external_id)
            elif call.verb == "POST" and call.table != "locations/groups":
                made.append(call.external_id)
        after = rig.target.state()
        for key in made:
            above = after[str(key)].get("LocationId") or after[str(key)].get("InternalParentId")
            assert above not in made or made.index(above) < made.index(key)
        for key in gone:
            above = before[str(key)].get("LocationId") or before[str(key)].get("InternalParentId")
            assert above not in gone or gone.index(above) > gone.index(key)


def parked(rig: Rig, writes: int) -> int:
    """Temporary writes: what was written beyond one call an entity."""
    told = [call for call in rig.target.writes[writes:] if call.verb == "PUT"]
    return len(told) - len({(call.table, call.external_id) for call in told})


def cycles(old: list[int], new: list[int]) -> int:
    """Rings of two or more in a permutation."""
    where = {value: place for place, value in enumerate(old)}
    seen: set[int] = set()
    found = 0
    for start in range(len(new)):
        length, place = 0, start
        while place not in seen:
            seen.add(place)
            length, place = length + 1, where[new[place]]
        found += length > 1
    return found


def check_detours(rig: Rig, order: list[int]) -> None:
    aim, writes = expected_after(rig), len(rig.target.writes)

    rig.sync()

    assert difference(rig.target.state(), aim) == {}
    assert rig.target.refusals == []
    assert parked(rig, writes) == cycles(list(range(5)), order)


@given(orders)
def test_names_permute_with_one_detour_a_ring(order: list[int]) -> None:
    source = two_buildings()
    put(source, *(space(300 + place, f"Room {place}", 1) for place in range(5)))
    rig = synced(source)
    for place, name in enumerate(order):
        edit(source.spaces, 300 + place, name=f"ROOM {name}")
    check_detours(rig, order)


@given(orders)
def test_floor_numbers_permute_with_one_detour_a_ring(order: list[int]) -> None:
    source = two_buildings()
    put(source, *(Floor(30 + place, f"Floor {place + 3}", 10) for place in range(5)))
    put(source, *(space(300 + place, f"Room {place}", 30 + place) for place in range(5)))
    rig = synced(source)
    for place, number in enumerate(order):
        edit(source.floors, 30 + place, name=f"Level {number + 3}")
    check_detours(rig, order)


def test_a_floor_that_goes_lends_its_number_to_the_one_its_rooms_move_to() -> None:
    rig = synced()
    put(rig.source, Floor(9, "Lobby", 10))
    for id in (100, 101):
        edit(rig.source.spaces, id, floor=9)
    del rig.source.floors[1]
    aim = expected_after(rig)

    rig.sync()

    assert difference(rig.target.state(), aim) == {}
    assert rig.target.refusals == []


def test_rooms_that_swap_names_may_both_move_to_a_new_floor() -> None:
    rig = synced()
    put(rig.source, Floor(9, "Floor 9", 10))
    edit(rig.source.spaces, 100, name="Gemini", floor=9)
    edit(rig.source.spaces, 101, name="Apollo", floor=9)
    aim = expected_after(rig)

    calls = [f"{call.verb} {call.table}" for call in rig.writes_of_sync()]

    assert sorted(calls) == ["POST floors", "PUT locations", "PUT rooms", "PUT rooms", "PUT rooms"]
    assert difference(rig.target.state(), aim) == {}


def test_a_spare_value_is_one_that_nobody_has_or_wants() -> None:
    rig = synced()
    put(rig.source, space(102, "Apollo (moving 1)", 1), space(103, "Gemini (moving 2)", 1))
    rig.sync()
    edit(rig.source.spaces, 100, name="Gemini")
    edit(rig.source.spaces, 101, name="Apollo")
    edit(rig.source.spaces, 103, name="Apollo (moving 2)")

    rig.sync()

    assert rig.target.refusals == []
    assert rig.target.find("wp:room:100")["ResourceName"] == "Gemini"


def test_a_replacement_is_removed_before_it_is_made_even_where_names_go_in_a_ring() -> None:
    source = two_buildings()
    rig = synced(source)
    edit(source.spaces, 100, name="Gemini", type=53)
    edit(source.spaces, 101, name="Apollo", type=53)
    put(source, building(10, "Annex"), building(20, "Tower"))
    aim = expected_after(rig)

    rig.sync()

    assert difference(rig.target.state(), aim) == {}
    assert rig.target.refusals == []


def canonical(plan: Plan) -> list[tuple[bool, int]]:
    return [
        (isinstance(step, Delete), RANK[kind_of(step)] * (-1 if isinstance(step, Delete) else 1))
        for step in plan.steps
    ]


@given(tidy_worlds(), histories)
def test_a_plan_lists_down_the_hierarchy_and_deletes_up(
    source: MemorySource, history: list[list[Edit]]
) -> None:
    rig = Rig(source)
    for edits in [[], *history]:
        edit_all(source, edits)
        if not source.buildings or not source.centers:
            return
        plan = rig.sync().plan

        assert canonical(plan) == sorted(canonical(plan))


def test_every_node_waits_only_for_those_before_it() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="Dallas")
    holdings = asyncio.run(rig.target.read(lambda _: EVERYTHING))
    pairing = match(holdings, asyncio.run(rig.store.load()))

    nodes = schedule(rig.plan().steps, pairing)

    assert all(before < index for index, node in enumerate(nodes) for before in node.after)
    assert [node.part for node in nodes].count(Part.REMOVE) == 5


def test_the_same_run_makes_the_same_calls_in_the_same_order() -> None:
    keep: list[object] = []  # so that every run has other addresses
    runs = set()
    for number in range(40):
        keep.append([object() for _ in range(number % 17)])
        runs.add(tuple((call.verb, call.external_id) for call in synced().target.writes))

    assert len(runs) == 1
