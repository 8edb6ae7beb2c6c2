"""The same thing under a new id of the source: one write of the external id, and everything else stays."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconcilers.guard import Guards, Required
from reconcilers.model import Entry, State
from reconcilers.plan import Plan
from reconcilers.policy import TIED, Policies
from reconcilers.source import Floor, SpaceType
from reconcilers.steps import Action, Rebind, key_of
from reconcilers.sync import Settings
from tests.engine.memory_source import MemorySource
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import DESK, NONE, ROOM, WE, building, edit, put, space, synced, two_buildings
from tests.property.laws import difference, expected_after


def again(source: MemorySource, old: int, new: int, **values: object) -> None:
    """A space that the source deleted and made again under a new id."""
    source.spaces[new] = replace(source.spaces.pop(old), id=new, **values)  # type: ignore[arg-type]


def building_again(source: MemorySource, old: int, new: int) -> None:
    """A building that was made again with all that hangs below it, every id raised by a thousand."""
    source.buildings[new] = replace(source.buildings.pop(old), id=new)
    floors = [floor for floor in source.floors.values() if floor.building == old]
    ids = {floor.id for floor in floors}
    for floor in floors:
        del source.floors[floor.id]
        put(source, replace(floor, id=floor.id + 1000, building=new))
    for item in [item for item in source.spaces.values() if item.floor in ids]:
        again(source, item.id, item.id + 1000, floor=int(str(item.floor)) + 1000)
    for center in source.centers.values():
        if old in center.buildings:
            edit(source.centers, center.id, buildings=center.buildings - {old} | {new})


def actions(plan: Plan) -> dict[str, Action]:
    return {str(key_of(step)): step.action for step in plan.steps}


def entry_of(rig: Rig, key: str) -> Entry:
    return {str(known): entry for known, entry in (rig.store.entries or {}).items()}[key]


def ids_of(rig: Rig) -> list[tuple[str, int]]:
    return [(table, row["id"]) for table, row in rig.target.rows()]


def test_a_space_made_again_is_one_write_of_its_external_id() -> None:
    rig = synced()
    id = rig.target.find("wp:room:101")["id"]
    again(rig.source, 101, 300)

    calls = rig.writes_of_sync()

    assert [(call.verb, call.table, call.fields) for call in calls] == [("PUT", "rooms", ("ExternalId",))]
    assert rig.target.find("wp:room:300")["id"] == id
    assert rig.plan().steps == ()
    assert {"wp:room:300"} == {
        key for key in rig.store.entries or {} if key in ("wp:room:300", "wp:room:101")
    }


def test_a_building_made_again_with_all_below_keeps_every_internal_id() -> None:
    rig = synced()
    before = ids_of(rig)
    building_again(rig.source, 20, 1020)
    aim = expected_after(rig)

    calls = rig.writes_of_sync()

    assert {(call.verb, call.fields) for call in calls} == {("PUT", ("ExternalId",))}
    assert len(calls) == 5
    assert ids_of(rig) == before
    assert set(rig.target.state()) == set(aim)
    assert rig.plan().steps == ()


def test_the_old_key_stays_known_until_the_new_one_is_written() -> None:
    rig = synced()
    first = entry_of(rig, "wp:room:101").first_synced
    again(rig.source, 101, 300)
    rig.sync()

    assert entry_of(rig, "wp:room:300").first_synced == first


def test_a_type_made_again_and_a_builtin_that_was_adopted() -> None:
    rig = synced()
    put(rig.source, SpaceType(152, "Conference", WE), SpaceType(153, "Desk", "Me Spaces"))
    del rig.source.types[ROOM], rig.source.types[DESK]
    for id in rig.source.spaces:
        edit(rig.source.spaces, id, type=int(str(rig.source.spaces[id].type)) + 100)
    before = ids_of(rig)

    plan = rig.plan()
    calls = rig.writes_of_sync()

    assert actions(plan) == {"wp:type:152": Action.REBIND, "wp:type:153": Action.REBIND}
    assert [call.fields for call in calls] == [("ExternalId",)] * 2
    assert ids_of(rig) == before
    assert rig.plan().steps == ()


def test_names_that_swap_among_those_made_again_follow_the_name() -> None:
    rig = synced()
    apollo = rig.target.find("wp:room:100")["id"]
    again(rig.source, 100, 301)
    again(rig.source, 101, 300)
    edit(rig.source.spaces, 300, name="Apollo")
    edit(rig.source.spaces, 301, name="Gemini")

    calls = rig.writes_of_sync()

    assert len(calls) == 2
    assert rig.target.find("wp:room:300")["id"] == apollo


def test_a_building_alone_made_again_keeps_its_floors_and_spaces() -> None:
    rig = synced()
    source = rig.source
    source.buildings[30] = replace(source.buildings.pop(20), id=30)
    for id in (3, 4):
        edit(source.floors, id, building=30)
    edit(source.centers, 95, buildings=frozenset({10, 30}))

    calls = rig.writes_of_sync()

    assert [(call.table, call.fields) for call in calls] == [("locations", ("ExternalId",))]
    assert rig.plan().steps == ()


def gone_out_of_scope(source: MemorySource) -> None:
    put(source, replace(source.spaces[101], id=300))
    edit(source.spaces, 101, reservable=False)


def still_listed_unreadable(source: MemorySource) -> None:
    put(source, replace(source.spaces[101], id=300))
    source.garbled = {("spaces", 101)}


def type_no_longer_bookable(source: MemorySource) -> None:
    put(source, SpaceType(152, "Conference", WE))
    edit(source.types, ROOM, group=NONE)
    for id in (100, 101, 200):
        edit(source.spaces, id, type=152)


NO_REBIND: dict[str, Callable[[MemorySource], object]] = {
    "another name": lambda s: again(s, 101, 300, name="Vostok"),
    "another floor": lambda s: again(s, 101, 300, floor=2),
    "another building": lambda s: again(s, 101, 300, floor=3),
    "another variant": lambda s: again(s, 101, 300, type=DESK),
    "still listed, out of scope": gone_out_of_scope,
    "still listed, unreadable": still_listed_unreadable,
    "a type still listed, not bookable any more": type_no_longer_bookable,
}


@pytest.mark.parametrize("name", NO_REBIND)
def test_what_is_not_the_same_or_not_gone_is_not_rebound(name: str) -> None:
    rig = synced()
    NO_REBIND[name](rig.source)

    assert Action.REBIND not in actions(rig.plan()).values()


def test_a_location_that_is_still_listed_is_not_rebound() -> None:
    rig = synced()
    put(rig.source, building(30, "Annex"))
    edit(rig.source.centers, 95, buildings=frozenset({10, 30}))

    assert Action.REBIND not in actions(rig.plan()).values()


@pytest.mark.parametrize("listing", ["spaces", "floors", "buildings", "types"])
def test_an_incomplete_source_rebinds_nothing(listing: str) -> None:
    rig = synced()
    again(rig.source, 101, 300)
    put(
        rig.source,
        building(77, "Ghost"),
        Floor(77, "77", 77),
        space(77, "Ghost", 77),
        SpaceType(77, "", NONE),
    )
    rig.source.hidden = {(listing, 77)}

    assert Action.REBIND not in actions(rig.plan()).values()
    rig.sync()
    assert rig.target.find("wp:room:101")["ResourceName"] == "Gemini"


def test_two_that_are_gone_with_one_path_are_nobodys() -> None:
    rig = synced()
    twin = {**rig.target.find("wp:room:101"), "ExternalId": "wp:room:999"}
    del twin["id"]
    rig.target.insert("rooms", twin)
    again(rig.source, 101, 300)

    assert Action.REBIND not in actions(rig.plan()).values()


def test_a_rebind_that_waits_for_an_approval_disturbs_no_later_run() -> None:
    rig = synced().guarded(Guards(required=Required.ALWAYS))
    known = dict(rig.store.entries or {})
    building_again(rig.source, 20, 1020)

    first = rig.sync().plan
    second = rig.sync().plan

    assert first.digest == second.digest
    assert set(actions(second).values()) == {Action.REBIND}
    assert rig.store.entries == known

    rig.plans.approve(second)
    rig.sync()
    assert rig.plan().steps == ()


def test_a_rebind_that_the_policies_forbid_disturbs_no_later_run() -> None:
    rig = synced()
    rig.settings = Settings(guards=UNGUARDED, policies=Policies(frozenset({"Observe", "Create", "Delete"})))
    known = dict(rig.store.entries or {})
    building_again(rig.source, 20, 1020)

    for _ in range(2):
        report = rig.sync()
        assert report.plan.steps == ()
        assert {item.action for item in report.plan.withheld} == {Action.REBIND}
        assert rig.store.entries == known


def test_a_rebind_counts_for_no_budget_and_waits_for_nobody() -> None:
    rig = synced().guarded(Guards())
    building_again(rig.source, 10, 1010)
    building_again(rig.source, 20, 1020)

    plan = rig.plan()

    assert plan.quarantine == ()
    assert plan.held == ()
    assert set(actions(plan).values()) == {Action.REBIND}


def test_a_rebind_also_writes_what_differs_in_the_same_call() -> None:
    rig = synced()
    again(rig.source, 101, 300, capacity=9)

    calls = rig.writes_of_sync()

    assert [sorted(call.fields) for call in calls] == [["ExternalId", "MaxCapacity"]]


def test_made_again_in_a_building_that_moves_is_replaced_with_it() -> None:
    rig = synced()
    again(rig.source, 200, 300)
    edit(rig.source.buildings, 20, city="Dallas")
    aim = expected_after(rig)

    rig.sync()

    assert difference(rig.target.state(), aim) == {}
    assert rig.plan().steps == ()


def test_made_again_under_a_name_in_other_letters_takes_the_new_spelling_along() -> None:
    rig = synced()
    again(rig.source, 101, 300, name="GEMINI")

    plan = rig.plan()
    calls = rig.writes_of_sync()

    assert [type(step) for step in plan.steps] == [Rebind]
    assert [sorted(call.fields) for call in calls] == [["ExternalId", "ResourceName"]]


def test_without_a_proof_nothing_is_parted() -> None:
    rig = Rig(two_buildings())
    assert Action.REBIND not in actions(rig.plan()).values()


def problems(rig: Rig) -> set[str]:
    """Reasons of what one run leaves undone; it refuses nothing and destroys nothing that is tied."""
    report = rig.sync()
    assert report.failed == []
    return {problem.reason for problem in report.problems}


def test_two_types_that_change_their_numbers_across_families() -> None:
    source = two_buildings()
    put(source, SpaceType(ROOM, "Conference", WE), SpaceType(DESK, "Pod", "Me Spaces"))
    rig = synced(source)
    put(source, SpaceType(DESK, "Conference", WE), SpaceType(ROOM, "Pod", "Me Spaces"))
    for id, item in source.spaces.items():
        edit(source.spaces, id, type=DESK if item.type == ROOM else ROOM)

    assert problems(rig) == {TIED}


def test_two_floors_that_change_their_numbers_across_buildings() -> None:
    rig = synced()
    source = rig.source
    edit(source.floors, 1, building=20)
    edit(source.floors, 3, building=10)
    for id, floor in ((100, 3), (101, 3), (200, 1)):
        edit(source.spaces, id, floor=floor)

    before = rig.target.state()
    assert TIED in problems(rig)
    assert rig.target.state() == before

    edit(source.floors, 1, building=10)  # as the sentence says: one move after the other
    for id in (100, 101):
        edit(source.spaces, id, floor=1)
    rig.sync()
    edit(source.floors, 1, building=20)
    for id in (100, 101):
        edit(source.spaces, id, floor=3)
    rig.sync()
    assert rig.plan().steps == ()


@pytest.mark.parametrize("killed", [False, True])
def test_what_is_not_understood_stays_in_a_building_made_again(killed: bool) -> None:
    rig = synced()
    rig.source.garbled = {("spaces", 200)}
    source = rig.source
    source.buildings[30] = replace(source.buildings.pop(20), id=30)
    for id in (3, 4):
        edit(source.floors, id, building=30)
    edit(source.centers, 95, buildings=frozenset({10, 30}))
    if killed:
        rig.killed_at(1, "after")

    for _ in range(3):
        rig.sync()
        assert rig.target.find("wp:room:200")["ResourceName"] == "Apollo"
        assert entry_of(rig, "wp:room:200").parent == "wp:building:30"
    commits = rig.store.commits
    assert rig.sync().plan.steps == ()
    assert rig.store.commits == commits

    del source.buildings[30]
    rig.sync()
    assert "wp:room:200" not in rig.target.state()


def test_a_new_name_is_not_the_place_of_something_gone() -> None:
    rig = synced()
    apollo = rig.target.find("wp:room:100")["id"]
    del rig.source.spaces[101]
    edit(rig.source.spaces, 100, name="Gemini")

    plan = rig.plan()
    rig.sync()

    assert actions(plan) == {"wp:room:100": Action.UPDATE, "wp:room:101": Action.DELETE}
    assert rig.target.find("wp:room:100")["id"] == apollo


def test_an_incomplete_source_forgets_nothing_that_both_sides_miss() -> None:
    rig = synced()
    del rig.target.tables["rooms"][rig.target.find("wp:room:101")["id"]]
    rig.source.hidden = {("spaces", 101)}

    rig.sync()

    assert "wp:room:101" in (rig.store.entries or {})


def test_a_rebind_that_waits_leaves_what_was_intended_under_the_new_key_alone() -> None:
    """A create of the new record was intended and never sent; then its twin turns out to be gone."""
    rig = synced()
    put(rig.source, space(300, "Gemini 2", 1))
    rig.killed_at(1, "before")
    del rig.source.spaces[300]
    again(rig.source, 101, 300)
    rig.guarded(Guards(required=Required.ALWAYS))

    plans = [rig.sync().plan for _ in range(3)]

    assert len({plan.digest for plan in plans}) == 1
    assert set(actions(plans[-1]).values()) == {Action.REBIND}
    assert entry_of(rig, "wp:room:300").state is State.CREATING


def test_a_country_of_a_building_that_is_not_understood_is_no_other_country() -> None:
    rig = synced()
    source = rig.source
    edit(source.buildings, 10, country_code="DE")  # under the same name: one record of two was corrected
    edit(source.centers, 95, time_zone="Mars/Olympus")  # and 20 has no time zone now, nor a country with one
    annex = rig.target.state()["wp:building:20"]

    rig.sync()

    assert rig.target.state()["wp:building:20"] == annex
    assert rig.target.find("wp:country:US")["CountryCode"] == "US"
    assert Action.REBIND not in actions(rig.plan()).values()


def test_what_is_not_understood_stays_in_a_building_whose_country_was_given_another_code() -> None:
    rig = synced()
    rig.source.garbled = {("spaces", 200)}
    before = ids_of(rig)
    for id in (10, 20):
        edit(rig.source.buildings, id, country_code="DE")
    aim = expected_after(rig)

    plan = rig.plan()
    rig.sync()

    assert set(actions(plan).values()) == {Action.REBIND}
    assert ids_of(rig) == before
    assert difference(rig.target.state(), aim) == {}
    assert rig.plan().steps == ()
