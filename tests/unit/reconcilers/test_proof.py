import asyncio
from dataclasses import replace
from typing import Any

import pytest

from reconcilers.model import Kind
from reconcilers.proof import Proof, known_ids, prove
from reconcilers.source import Center, Floor, Known, Observation, Unreadable
from tests.engine.rig import Rig
from tests.engine.samples import two_buildings


def gaps(**changes: Any) -> list[str]:
    observed: Observation = replace(two_buildings().observe(), **changes)
    proof, found = prove(observed, {})
    assert (proof is None) == bool(found)
    return [str(gap) for gap in found]


def listing(name: str, **changes: Any) -> dict[str, Any]:
    return {name: replace(getattr(two_buildings().observe(), name), **changes)}


def test_a_source_read_to_its_end_is_proven() -> None:
    assert gaps() == []


def test_nobody_else_can_make_a_proof() -> None:
    with pytest.raises(TypeError, match="prove"):
        Proof(object())


@pytest.mark.parametrize("counted", [(5, 5), (3, 3), (4, 5), (5, 4), (0, 0)])
@pytest.mark.parametrize("name", ["floors"])
def test_counts_before_and_after_must_agree_with_what_was_listed(name: str, counted: tuple[int, int]) -> None:
    (gap,) = gaps(**listing(name, counted=counted))

    assert gap.startswith("floors: 4 records were listed, but the source counts")


@pytest.mark.parametrize("name", ["buildings", "floors", "spaces", "types"])
def test_each_listing_is_judged(name: str) -> None:
    assert len(gaps(**listing(name, counted=(9, 9)))) == 1


def test_a_record_that_came_twice_may_stand_for_one_that_was_missed() -> None:
    twice = (*two_buildings().floors.values(), Floor(1, "Ground Floor", 10))

    assert "1 records came twice" in gaps(**listing("floors", items=twice, counted=(5, 5)))[0]


def test_an_unreadable_record_is_present_and_so_no_gap() -> None:
    unreadable = (Unreadable(9, "garbled"),)

    assert gaps(**listing("floors", unreadable=unreadable, counted=(5, 5))) == []


def test_a_record_without_an_id_may_be_any() -> None:
    unreadable = (Unreadable(None, "garbled"),)

    assert gaps(**listing("floors", unreadable=unreadable, counted=(5, 5))) == [
        "floors: a record has no id, so nobody can tell which one it is"
    ]


def test_centers_and_buildings_must_name_each_other() -> None:
    one_sided = (Center(95, "UTC", frozenset({10})),)

    assert gaps(**listing("centers", items=one_sided)) == [
        "centers: building 20 names center 95, which does not name it back"
    ]
    assert gaps(
        **listing("centers", items=(*two_buildings().centers.values(), Center(7, "", frozenset({10}))))
    ) == ["centers: center 7 names building 10, which does not name it back"]


def test_a_center_without_an_id_may_be_any() -> None:
    assert gaps(**listing("centers", unreadable=(Unreadable(None, "garbled"),))) == [
        "centers: a record has no id, so nobody can tell which one it is"
    ]


def test_a_center_may_name_a_building_that_cannot_be_read() -> None:
    source = two_buildings()
    source.garbled = {("buildings", 20)}

    assert prove(source.observe(), {})[0] is not None


def test_many_differences_are_told_in_a_few_words() -> None:
    centers = tuple(Center(id, "", frozenset({10})) for id in range(9))

    assert len(gaps(**listing("centers", items=centers))) == 4


def test_what_is_known_and_not_listed_is_gone_only_where_nothing_can_have_slipped_between_pages() -> None:
    observed = replace(two_buildings().observe(), **listing("floors", seamless=False))
    there = frozenset(floor.id for floor in observed.floors.items)

    def found(floors: frozenset[int]) -> list[str]:
        return [gap.listing for gap in prove(observed, {Kind.FLOOR: floors})[1]]

    assert found(there) == []
    assert found(there | {99}) == ["floors"]
    assert [gap.listing for gap in prove(observed, {})[1]] == ["floors"], "nobody knows what there was"
    assert prove(two_buildings().observe(), {Kind.FLOOR: there | {99}})[0] is not None


def test_an_unreadable_record_is_listed_and_so_not_lost() -> None:
    unreadable = (Unreadable(99, "garbled"),)
    observed = replace(
        two_buildings().observe(),
        **listing("floors", seamless=False, unreadable=unreadable, counted=(5, 5)),
    )

    assert prove(observed, {Kind.FLOOR: frozenset({99})})[0] is not None


async def _known(rig: Rig) -> Known:
    return known_ids(await rig.store.load())


def test_the_mapping_tells_what_the_listings_must_show() -> None:
    rig = Rig(two_buildings())
    assert asyncio.run(_known(rig)) == {}, "there was none, so nobody knows"
    rig.sync()

    known = asyncio.run(_known(rig))

    assert {kind: len(ids) for kind, ids in known.items()} == {
        Kind.LOCATION: 2, Kind.FLOOR: 4, Kind.RESOURCE: 5, Kind.WORKSPACE_TYPE: 2,
    }  # fmt: skip
