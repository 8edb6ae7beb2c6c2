"""What goes with a step: what hangs below it, and the bookings; what nobody can know is never none."""

import asyncio
from dataclasses import replace

import pytest

from reconcilers.errors import CredentialsRejected, TransientError
from reconcilers.impact import Impact, NobodyKnows, assess
from reconcilers.match import match
from reconcilers.model import Holdings, MappingState
from reconcilers.plan import Plan
from reconcilers.source import Floor
from tests.engine.rig import Rig
from tests.engine.samples import DESK, building, edit, put, remove_building, space, synced, two_buildings


def impacts(rig: Rig) -> dict[str, Impact]:
    return {str(key): impact for key, impact in rig.plan().impacts.items()}


def booked(rig: Rig, **bookings: set[str]) -> Rig:
    """Bookings by the source id of the room, as in ``r100={"b1"}``; all others are known to be free."""
    rig.bookings.unknown = False
    for name, ids in bookings.items():
        rig.bookings.of[rig.target.find(f"wp:room:{name[1:]}")["id"]] = frozenset(ids)
    return rig


def test_a_building_goes_with_its_floors_spaces_and_their_bookings() -> None:
    rig = booked(synced(), r200={"b1", "b2"}, r100={"b3"})
    remove_building(rig.source, 20)

    assert impacts(rig) == {
        "wp:building:20": Impact(floors=2, resources=2, bookings=frozenset({"b1", "b2"}), unknown=1),
        "wp:floor:3": Impact(resources=1, bookings=frozenset({"b1", "b2"})),
        "wp:floor:4": Impact(resources=1, unknown=1),
        "wp:room:200": Impact(bookings=frozenset({"b1", "b2"})),
        "wp:room:201": Impact(unknown=1),
    }


def test_a_replacement_takes_as_much_with_it_as_a_deletion() -> None:
    rig = booked(synced(), r200={"b1"})
    edit(rig.source.buildings, 20, city="Dallas")

    found = impacts(rig)
    assert found["wp:building:20"] == Impact(floors=2, resources=2, bookings=frozenset({"b1"}), unknown=1)
    assert found["wp:room:200"] == Impact(bookings=frozenset({"b1"}))


def test_a_floor_that_goes_takes_no_bookings_of_rooms_that_stay() -> None:
    rig = booked(synced(), r200={"b1"})
    put(rig.source, Floor(5, "Floor 5", 20))
    edit(rig.source.spaces, 200, floor=5)
    del rig.source.floors[3]

    assert impacts(rig) == {"wp:floor:3": Impact(resources=1)}


def test_a_room_is_told_from_a_desk_of_the_same_internal_id() -> None:
    rig = synced()
    desk = rig.target.find("wp:room:102")["id"]
    assert desk in rig.target.tables["rooms"]
    rig.bookings.unknown = False
    rig.bookings.of = {desk: frozenset({"b1"})}
    del rig.source.spaces[102]

    assert impacts(rig) == {"wp:room:102": Impact(unknown=1)}


def test_what_adds_or_changes_has_no_impact() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Vostok")
    put(rig.source, space(300, "Mir", 1), building(30, "Hangar"))

    assert rig.plan().impacts == {}


def test_only_what_goes_is_asked_after() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, type=DESK)
    del rig.source.spaces[102]
    plan = rig.plan()

    assert rig.bookings.asked == [rig.target.find("wp:room:100")["id"]]
    assert set(plan.impacts.values()) == {Impact(unknown=1)}


def test_what_will_not_pass_by_itself_is_unknown_with_its_reason() -> None:
    rig = synced()
    remove_building(rig.source, 20)
    rig.bookings.error = CredentialsRejected("the key is refused", system="target")

    found = impacts(rig)

    unread = Impact(unknown=1, problem="the key is refused", problem_reason="CredentialsRejected")
    assert found["wp:room:200"] == unread
    assert found["wp:room:201"] == Impact(unknown=1)
    assert found["wp:building:20"] == replace(unread, floors=2, resources=2, unknown=2)


def test_what_passes_by_itself_ends_the_run() -> None:
    rig = synced()
    remove_building(rig.source, 20)
    rig.bookings.error = TransientError("reset", system="target")

    with pytest.raises(TransientError):
        rig.plan()


@pytest.mark.parametrize(
    ("impact", "word"),
    [
        (Impact(), "0"),
        (Impact(bookings=frozenset("abc")), "3"),
        (Impact(unknown=1), "unknown"),
        (Impact(bookings=frozenset("a"), unknown=2), "1 and unknown"),
    ],
)
def test_bookings_at_risk_in_a_word(impact: Impact, word: str) -> None:
    assert impact.at_risk == word


def test_a_plan_of_nothing_asks_nobody() -> None:
    pairing = match(Holdings(), MappingState())

    assert asyncio.run(assess(Plan().steps, pairing, NobodyKnows())) == {}
    assert asyncio.run(NobodyKnows().future([1, 2])) == {1: None, 2: None}
    assert Rig(two_buildings()).plan().impacts == {}
