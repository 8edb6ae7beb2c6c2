"""Which environments a first run takes, and that it does not judge again after the first activation."""

import asyncio
from dataclasses import replace

import pytest

from reconcilers.demand import EVERYTHING, demand
from reconcilers.errors import UnsupportedEnvironment
from reconcilers.match import match
from reconcilers.model import Key, Kind, MappingState
from reconcilers.onboarding import Onboarding
from reconcilers.ports import Demand
from reconcilers.report import Report
from reconcilers.source import Floor
from reconcilers.steps import Action
from reconcilers.translate import translate
from tests.engine.by_hand import filled, named, twin
from tests.engine.rig import Rig, planned
from tests.engine.samples import put, space, synced, two_buildings


def new(rig: Rig) -> Rig:
    rig.settings = replace(rig.settings, onboarding=Onboarding.NEW)
    return rig


def existing(rig: Rig, minimum_match: int = 80) -> Rig:
    rig.settings = replace(rig.settings, onboarding=Onboarding.EXISTING, minimum_match=minimum_match)
    return rig


def refused(rig: Rig, report: Report) -> str:
    """What a refused run says. Nothing was written nor remembered, and the plan is shown."""
    assert isinstance(report.ended_by, UnsupportedEnvironment)
    assert report.ended_by.system is None
    assert rig.target.writes == []
    assert rig.store.entries is None
    assert rig.plans.shown[-1] == report.plan == planned(rig)
    assert report.problems == []  # advice on single steps would lead nowhere
    return report.ended_by.message


def fine(rig: Rig) -> None:
    """A run that is let through and does all there is to do."""
    report = rig.sync()
    assert report.ended_by is None
    assert report.whole


def test_new_stops_before_an_engage_that_holds_something() -> None:
    rig = new(filled())
    message = refused(rig, rig.sync())
    assert "holds 2 locations and 5 resources that this sync did not make" in message
    assert "Set spec.onboarding: Existing" in message


@pytest.mark.parametrize("left", ["locations", "rooms"])
def test_one_location_or_resource_is_enough_for_new(left: str) -> None:
    rig = new(filled())
    keep = next(iter(rig.target.tables[left].values()))
    home = keep.get("LocationId", keep["id"])
    for table in ("rooms", "desks", "locations"):
        for id, row in list(rig.target.tables[table].items()):
            if row is not keep and not (table == "locations" and id == home):
                del rig.target.tables[table][id]
    refused(rig, rig.sync())


def test_countries_regions_groups_and_types_do_not_make_an_engage_used() -> None:
    rig = new(filled())
    for table in ("rooms", "desks", "floors", "locations"):
        rig.target.tables[table].clear()
    fine(rig)


def test_a_lost_mapping_is_no_such_case_even_beside_what_engage_alone_holds() -> None:
    rig = synced()
    twin(rig.target, "rooms", named(rig.target, "rooms", "Gemini"), ResourceName="Board", ExternalId=None)
    rig.store.entries = None
    fine(rig)
    rig.store.entries = None
    existing(rig, 100)
    fine(rig)


def test_a_run_that_was_killed_goes_on() -> None:
    for number in range(1, 12):
        rig = Rig(two_buildings())
        assert rig.killed_at(number, "after")
        fine(rig)
        rig = filled()
        assert rig.killed_at(number, "after")
        fine(rig)


def test_after_the_first_activation_anything_may_be_added() -> None:
    rig = filled()
    rig.sync()
    room = rig.target.find("wp:room:101")
    for number in range(20):
        twin(rig.target, "rooms", room, ResourceName=f"Extra {number}", ExternalId=None)
        put(rig.source, space(500 + number, f"Other {number}", 2))
    fine(rig)


def test_existing_stops_where_too_little_of_the_target_matches() -> None:
    rig = filled()
    room = named(rig.target, "rooms", "Gemini")
    twin(rig.target, "rooms", room, ResourceName="Extra")  # 7 of 8 match
    assert rig.plan().steps
    fine(rig)

    rig = filled()
    room = named(rig.target, "rooms", "Gemini")
    for number in range(2):
        twin(rig.target, "rooms", room, ResourceName=f"Extra {number}")  # 7 of 9: 77.8 %
    message = refused(rig, rig.sync())
    assert "7 of 7 locations and resources of the source (100 %)" in message
    assert "7 of 9 of the target (77 %)" in message
    assert "spec.merge.minimumMatchPercent (80 %)" in message
    assert rig.sync().ended_by is not None
    fine(existing(rig, 77))


def test_existing_stops_where_too_little_of_the_source_matches() -> None:
    rig = filled()
    put(rig.source, Floor(9, "Roof", 10), space(110, "X", 9), space(111, "Y", 9))
    assert "7 of 9 locations and resources of the source (77 %)" in refused(rig, rig.sync())


def test_exactly_the_minimum_is_enough() -> None:
    rig = existing(filled(), 70)
    put(rig.source, *(space(110 + number, f"X{number}", 1) for number in range(3)))  # 7 of 10
    fine(rig)
    rig = existing(filled(), 71)
    put(rig.source, *(space(110 + number, f"X{number}", 1) for number in range(3)))
    refused(rig, rig.sync())


def test_what_could_be_several_does_not_count_as_matched_and_is_told() -> None:
    rig = existing(filled(), 100)
    put(rig.source, space(101, "GÉMINI", 1))
    twin(rig.target, "rooms", named(rig.target, "rooms", "Gemini"), ResourceName="gemini ")
    message = refused(rig, rig.sync())
    assert "6 of 7 locations and resources of the source (85 %)" in message
    assert "(1 could be several or belong to other systems)" in message


def test_an_empty_engage_is_not_merged_with_but_new() -> None:
    rig = existing(Rig(two_buildings()))
    message = refused(rig, rig.sync())
    assert message.endswith("The target is empty: set spec.onboarding: New")
    fine(new(rig))


def test_nothing_on_either_side_is_fine() -> None:
    rig = existing(Rig(two_buildings()))
    rig.source.buildings.clear()
    assert rig.sync().ended_by is None


def test_a_plan_is_shown_and_says_the_same() -> None:
    rig = filled()
    for number in range(9):
        put(rig.source, space(110 + number, f"X{number}", 1))
    plan = rig.plan()
    assert {step.action for step in plan.steps} == {Action.ADOPT, Action.CREATE}
    assert rig.plans.shown == [plan]


def test_with_nobody_asking_for_a_match_it_merges_whatever_it_finds() -> None:
    rig = existing(filled(), 0)
    rig.source.spaces.clear()
    fine(rig)


def test_a_mapping_that_holds_locations_is_enough_where_no_external_id_can_be_written() -> None:
    rig = filled()
    rig.target.takes_external_ids = False
    fine(rig)
    room = named(rig.target, "rooms", "Gemini")
    for number in range(20):
        twin(rig.target, "rooms", room, ResourceName=f"Extra {number}")
    fine(rig)


def test_below_a_location_that_nobody_seeks_nothing_is_read() -> None:
    rig = filled()
    fine(rig)
    tower = rig.target.find("wp:building:10")
    extra = twin(rig.target, "locations", tower, ResourceName="Depot", ExternalId=None)
    wanted = translate(rig.source.observe(), rig.settings.scope, rig.settings.defaults)
    mapping = MappingState(dict(rig.store.entries or {}))
    place = match(asyncio.run(rig.target.read(lambda _: Demand(floors=False))), mapping)
    depot = next(item for item in place.of(Kind.LOCATION) if item.id == extra["id"])
    nothing, twins = Demand(floors=False), replace(depot, values=("TOWER", *depot.values[1:]))
    assert demand(wanted, mapping, Onboarding.EXISTING)(depot) == nothing
    assert demand(wanted, mapping, Onboarding.EXISTING)(twins) == nothing  # the Tower is known to be there
    mapping.forget(Key("wp:building:10"))
    assert demand(wanted, mapping, Onboarding.EXISTING)(twins) == EVERYTHING
    assert demand(wanted, mapping, Onboarding.EXISTING)(depot) == nothing
    assert demand(wanted, mapping)(twins) == nothing
    assert demand(wanted, MappingState())(depot) == EVERYTHING  # nothing is known of any location
