"""Which steps wait for a person, sentence by sentence of the spec, in worlds that one can count by hand."""

from dataclasses import replace

import pytest

from reconcilers.guard import (
    ALWAYS,
    BELOW,
    BOOKED,
    DESTRUCTIVE,
    QUARANTINED,
    SUBTREE,
    UNKNOWN,
    WAITS,
    Approval,
    Budget,
    Guards,
    Required,
)
from reconcilers.impact import Impact
from reconcilers.model import Key
from reconcilers.plan import Plan
from reconcilers.policy import Policies
from reconcilers.source import Floor
from reconcilers.steps import Create, Update, canonical, key_of
from reconcilers.sync import Settings
from tests.engine.memory_source import MemorySource
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import DESK, ROOM, building, edit, put, space, space_in, synced, two_buildings
from tests.property.laws import difference

NEVER = Guards(required=Required.NEVER)


def tower(rooms: int, buildings: int = 1) -> MemorySource:
    """Buildings of one floor and so many rooms each: building 10 has rooms 1000, 1001 and so on."""
    source = two_buildings()
    for table in (source.buildings, source.floors, source.spaces):
        table.clear()
    for number in range(10, 10 + buildings):
        put(source, building(number, f"House {number}"), Floor(number, "Floor 1", number))
        put(source, *(space(number * 100 + i, f"Room {i}", number) for i in range(rooms)))
    edit(source.centers, 95, buildings=frozenset(source.buildings))
    return source


def lose(rig: Rig, *ids: int) -> None:
    for id in ids:
        del rig.source.spaces[id]


def lose_building(rig: Rig, id: int) -> None:
    del rig.source.buildings[id]
    for floor in [floor.id for floor in rig.source.floors.values() if floor.building == id]:
        del rig.source.floors[floor]
        lose(rig, *[item.id for item in rig.source.spaces.values() if item.floor == floor])


def held(plan: Plan) -> dict[str, str]:
    return {str(key_of(item.step)): item.reason for item in plan.held}


def book(rig: Rig, key: str, *bookings: str) -> None:
    rig.bookings.unknown = False
    rig.bookings.of[rig.target.find(key)["id"]] = frozenset(bookings)


@pytest.mark.parametrize(
    ("budget", "number", "population", "over"),
    [
        (Budget(10, 20, 100), 2, 20, False),
        (Budget(10, 20, 100), 3, 20, True),
        (Budget(10, 20, 100), 19, 19, False),
        (Budget(10, 20, 100), 100, 1000, False),
        (Budget(10, 20, 100), 101, 1011, True),
        (Budget(50, 10), 5, 10, False),
        (Budget(50, 10), 6, 10, True),
        (Budget(50, 10), 9, 9, False),
        (Budget(100, 1), 50, 50, False),
        (Budget(100, 1, 0), 1, 50, True),
        (Budget(0, 1), 1, 1000, True),
        (Budget(0, 1, 0), 0, 0, False),
    ],
)
def test_a_budget_is_overrun_by_more_than_its_count_or_percent(
    budget: Budget, number: int, population: int, over: bool
) -> None:
    assert budget.overrun(number, population) is over


def test_the_defaults_are_those_of_the_spec() -> None:
    assert Guards() == Guards(
        required=Required.DESTRUCTIVE,
        deletions=Budget(percent=10, minimum_population=20, count=100),
        below_location=Budget(percent=50, minimum_population=10),
        updates=Budget(percent=50, minimum_population=20),
        unreadable=Budget(percent=20, minimum_population=20),
        hold_booked=True,
        hold_unknown=False,
        grace=0.0,
    )


def test_one_in_ten_may_go_and_one_more_stops_everything() -> None:
    rig = synced(tower(10, 3)).guarded(Guards())
    lose(rig, 1000, 1100, 1200)
    put(rig.source, space(1, "New", 10))
    assert rig.plan().held == ()

    lose(rig, 1001)
    sent, commits = rig.target.sent, rig.store.commits
    plan = rig.sync().plan

    assert plan.quarantine == (
        "4 of 30 Resources (13 %) would be deleted or replaced, more than spec.deletion.budget allows "
        "(10 % and at most 100)",
    )
    assert set(held(plan).values()) == {QUARANTINED}
    assert len(plan.held) == len(plan.steps) == 5
    assert (rig.target.sent, rig.store.commits) == (sent, commits)


def test_a_quarantine_is_released_by_the_approval_of_exactly_this_plan() -> None:
    rig = synced(tower(10, 3)).guarded(Guards())
    lose(rig, 1000, 1001, 1100, 1200)
    rig.plans.approve(rig.sync().plan)

    report = rig.sync()

    assert report.plan.quarantine == ()
    assert report.plan.approved
    assert report.writes == 4


def test_a_quarantine_ends_by_itself() -> None:
    rig = synced(tower(10, 3)).guarded(Guards())
    spaces = dict(rig.source.spaces)
    lose(rig, *range(1000, 1005))
    assert rig.sync().plan.quarantine

    rig.source.spaces = spaces

    assert rig.sync().plan == Plan()


def test_updates_have_a_budget_and_rebinds_and_adoptions_are_none() -> None:
    rig = synced(tower(20)).guarded(Guards())
    for id in range(1000, 1010):
        edit(rig.source.spaces, id, capacity=9)
    assert rig.plan().quarantine == ()

    edit(rig.source.spaces, 1010, capacity=9)

    assert rig.plan().quarantine == (
        "11 of 20 Resources (55 %) would be updated, more than spec.update.budget allows (50 %)",
    )


def test_a_budget_of_updates_takes_no_deletion_and_the_other_way_round() -> None:
    rig = synced(tower(20)).guarded(Guards(deletions=Budget(0, 1, 0)))
    for id in range(1000, 1005):
        edit(rig.source.spaces, id, capacity=9)
    assert rig.plan().quarantine == ()

    rig.guarded(Guards(updates=Budget(0, 1), deletions=Budget(100, 1)))
    rig.source.spaces = tower(20).spaces
    lose(rig, 1000)
    assert rig.plan().quarantine == ()


def test_a_replacement_counts_as_a_deletion() -> None:
    rig = synced(tower(20)).guarded(NEVER)
    for id in (1000, 1001, 1002):
        edit(rig.source.spaces, id, type=DESK)

    assert "3 of 20 Resources" in rig.plan().quarantine[0]


def test_what_goes_with_its_location_counts_for_that_alone() -> None:
    rig = synced(tower(12, 10)).guarded(Guards())
    lose_building(rig, 10)  # 12 of 120 rooms: at the budget with nothing else
    lose(rig, *range(1100, 1105), *range(1200, 1205), 1300, 1400)  # 12 more

    plan = rig.plan()

    assert plan.quarantine == ()
    assert {str(key_of(item.step)) for item in plan.held if SUBTREE in item.reasons} == {
        "wp:building:10",
        *(f"wp:room:{id}" for id in range(1000, 1012)),
        "wp:floor:10",
    }


@pytest.mark.parametrize("guards", [Guards(), NEVER])
def test_more_than_half_of_a_building_waits_and_the_rest_goes_on(guards: Guards) -> None:
    rig = synced(tower(10, 10)).guarded(guards)
    lose(rig, *range(1000, 1006), 1100)
    put(rig.source, space(1, "New", 10))

    report = rig.sync()

    assert held(report.plan) == {f"wp:room:{id}": SUBTREE for id in range(1000, 1006)}
    assert report.writes == 2
    assert "wp:room:1100" not in rig.target.state()


def test_half_of_a_building_or_all_of_a_small_one_may_go() -> None:
    rig = synced(tower(10, 10)).guarded(Guards())
    lose(rig, *range(1000, 1005))
    assert rig.plan().held == ()

    small = synced(tower(9, 2)).guarded(Guards())
    lose(small, *range(1000, 1009))
    assert small.plan().held == ()


def test_too_many_unreadable_records_stop_everything_until_they_can_be_read() -> None:
    rig = synced(tower(20)).guarded(Guards())
    edit(rig.source.spaces, 1019, capacity=9)
    rig.source.garbled = {("spaces", id) for id in range(1000, 1004)}
    assert rig.plan().quarantine == ()

    rig.source.garbled |= {("spaces", 1004)}
    sent, commits = rig.target.sent, rig.store.commits
    plan = rig.sync().plan
    assert plan.quarantine == (
        "5 of 20 records of the source's spaces cannot be read (25 % is more than 20 %); "
        "this ends by itself when the source can be read again",
    )
    assert (rig.target.sent, rig.store.commits) == (sent, commits)

    rig.source.garbled = set()
    assert rig.sync().writes == 1


def test_an_unreadable_share_stops_a_run_that_has_nothing_to_do_too() -> None:
    rig = synced(tower(20)).guarded(Guards())
    rig.source.garbled = {("spaces", id) for id in range(1000, 1010)}

    plan = rig.plan()

    assert plan.steps == ()
    assert len(plan.quarantine) == 1


@pytest.mark.parametrize("required", Required)
def test_an_approval_of_another_plan_does_not_make_an_unreadable_source_believed(required: Required) -> None:
    rig = synced(tower(20, 2)).guarded(Guards(required=required, unreadable=Budget(20, 20)))
    lose_building(rig, 11)
    first = rig.plan()
    rig.plans.approve(first)
    put(rig.source, space(1, "New", 10))
    edit(rig.source.spaces, 1019, capacity=9)
    rig.source.garbled = {("spaces", id) for id in range(1000, 1010)}
    sent, commits = rig.target.sent, rig.store.commits

    plan = rig.sync().plan

    assert plan.quarantine
    assert {key_of(step) for step in plan.beyond} >= {"wp:room:1", "wp:room:1019"}
    assert (rig.target.sent, rig.store.commits) == (sent, commits)


def test_exactly_this_plan_may_be_released_though_the_source_is_half_unreadable() -> None:
    rig = synced(tower(20)).guarded(Guards())
    edit(rig.source.spaces, 1019, capacity=9)
    rig.source.garbled = {("spaces", id) for id in range(1000, 1010)}
    rig.plans.approve(rig.sync().plan)

    assert rig.sync().writes == 1


def test_a_building_waits_with_all_below_it_and_the_rest_goes_ahead() -> None:
    rig = synced().guarded(Guards())
    lose_building(rig, 20)
    lose(rig, 101)
    edit(rig.source.spaces, 100, name="Vostok")

    report = rig.sync()

    assert held(report.plan) == {
        "wp:building:20": DESTRUCTIVE,
        "wp:floor:3": BELOW,
        "wp:floor:4": BELOW,
        "wp:room:200": BELOW,
        "wp:room:201": BELOW,
    }
    assert report.writes == 2


def test_every_replacement_waits_and_with_it_what_wants_its_name() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 101, name="Apollo 2", type=DESK)
    put(rig.source, space(300, "Gemini", 1))

    assert held(rig.sync().plan) == {"wp:room:101": DESTRUCTIVE, "wp:room:300": WAITS}


def test_where_no_approval_is_asked_for_only_budgets_and_bookings_hold() -> None:
    rig = synced().guarded(NEVER)
    edit(rig.source.buildings, 20, city="Dallas")
    lose(rig, 101)
    assert rig.plan().held == ()

    book(rig, "wp:room:101", "b1")
    assert held(rig.plan()) == {"wp:room:101": BOOKED}


def test_where_every_step_is_asked_for_not_one_runs_without() -> None:
    rig = Rig(two_buildings()).guarded(Guards(required=Required.ALWAYS))
    plan = rig.sync().plan
    assert set(held(plan).values()) == {ALWAYS}
    assert rig.target.sent == 0

    rig.plans.approve(plan)
    report = rig.sync()

    assert report.plan.held == ()
    assert report.writes == len(plan.steps)
    assert rig.plan().steps == ()
    assert difference(rig.target.state(), synced().target.state()) == {}


def test_a_held_adoption_stays_an_adoption() -> None:
    rig = Rig(two_buildings()).guarded(Guards(required=Required.ALWAYS))

    assert rig.sync().plan.digest == rig.sync().plan.digest == rig.sync().plan.digest


def test_what_is_new_since_an_approval_of_every_step_waits_for_the_next() -> None:
    rig = synced().guarded(Guards(required=Required.ALWAYS))
    edit(rig.source.spaces, 100, name="Vostok")
    rig.plans.approve(rig.sync().plan)
    edit(rig.source.spaces, 101, name="Apollo")  # waits for the name that 100 lets go of
    put(rig.source, space(300, "Gemini", 1))

    report = rig.sync()

    assert held(report.plan) == {"wp:room:101": ALWAYS, "wp:room:300": ALWAYS}
    assert report.writes == 1


@pytest.mark.parametrize("required", [Required.NEVER, Required.DESTRUCTIVE])
def test_a_booked_room_waits_and_a_building_with_one_waits_whole(required: Required) -> None:
    rig = synced().guarded(Guards(required=required))
    book(rig, "wp:room:200", "b1")
    lose(rig, 101)
    lose_building(rig, 20)

    plan = rig.sync().plan

    assert held(plan) == {
        "wp:building:20": BOOKED,
        "wp:floor:3": BOOKED,
        "wp:floor:4": BELOW,
        "wp:room:200": BOOKED,
        "wp:room:201": BELOW,
    }
    assert "wp:room:101" not in rig.target.state()

    rig.bookings.of.clear()
    assert held(rig.plan()).get("wp:building:20") == (
        DESTRUCTIVE if required is Required.DESTRUCTIVE else None
    )


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        (Guards(required=Required.NEVER, hold_booked=False), {}),
        (Guards(required=Required.NEVER, hold_booked=True), {"wp:room:101": BOOKED}),
        (Guards(required=Required.DESTRUCTIVE, hold_booked=False), {"wp:room:101": BOOKED}),
        (Guards(required=Required.ALWAYS, hold_booked=False), {"wp:room:101": ALWAYS}),
    ],
)
def test_bookings_let_go_only_where_neither_asks(guards: Guards, expected: dict[str, str]) -> None:
    rig = synced().guarded(guards)
    book(rig, "wp:room:101", "b1")
    lose(rig, 101)

    assert held(rig.plan()) == expected


@pytest.mark.parametrize("required", [Required.NEVER, Required.DESTRUCTIVE])
def test_what_nobody_can_know_waits_where_the_spec_says_so(required: Required) -> None:
    rig = synced().guarded(Guards(required=required))
    rig.bookings.unknown = False
    lose(rig, 101, 102)
    assert held(rig.plan()) == {}

    rig.guarded(Guards(required=required, hold_unknown=True))
    assert held(rig.plan()) == {"wp:room:102": UNKNOWN}

    rig.bookings.unknown = True
    assert held(rig.plan()) == {"wp:room:101": UNKNOWN, "wp:room:102": UNKNOWN}


@pytest.mark.parametrize("required", [Required.DESTRUCTIVE, Required.NEVER])
def test_a_booking_made_after_the_approval_voids_it(required: Required) -> None:
    rig = synced().guarded(Guards(required=required))
    book(rig, "wp:room:200", "b1")
    lose_building(rig, 20)
    rig.plans.approve(rig.sync().plan)
    book(rig, "wp:room:200", "b1", "b2")

    plan = rig.sync().plan

    assert plan.approved == ""
    assert {"wp:room:200", "wp:building:20", "wp:floor:3"} == {key_of(step) for step in plan.beyond}
    assert "wp:room:201" in rig.target.state()
    assert rig.plans.spent == []


def test_a_booking_that_was_cancelled_does_not() -> None:
    rig = synced().guarded(Guards())
    book(rig, "wp:room:101", "b1", "b2")
    lose(rig, 101)
    rig.plans.approve(rig.sync().plan)
    book(rig, "wp:room:101", "b2")

    assert rig.sync().writes == 1


def test_a_booking_on_what_nobody_held_voids_an_approval_too() -> None:
    rig = synced().guarded(Guards())
    lose_building(rig, 20)
    plan = rig.plan()
    lose(rig, 101)
    rig.plans.approve(plan)
    book(rig, "wp:room:101", "b1")

    assert [key_of(step) for step in rig.sync().plan.beyond] == ["wp:room:101"]
    assert "wp:building:20" in rig.target.state()


def test_bookings_that_can_be_read_no_more_void_an_approval_that_knew_them() -> None:
    rig = synced().guarded(Guards(hold_unknown=True))
    book(rig, "wp:room:101", "b1")
    lose(rig, 101)
    rig.plans.approve(rig.sync().plan)
    rig.bookings.unknown = True

    assert [key_of(step) for step in rig.sync().plan.beyond] == ["wp:room:101"]


def test_an_approval_covers_a_step_with_the_bookings_that_were_seen() -> None:
    rig = synced().guarded(Guards())
    lose(rig, 101)
    (step,) = rig.plan().steps
    seen = Impact(bookings=frozenset({"b1"}), unknown=1)
    approval = Approval("p", frozenset({canonical(step)}), {Key("wp:room:101"): seen})

    assert approval.covers(step, seen)
    assert approval.covers(step, Impact())
    assert not approval.covers(step, Impact(bookings=frozenset({"b2"})))
    assert not approval.covers(step, Impact(unknown=2))
    assert not Approval("p", frozenset(), approval.impacts).covers(step, Impact())
    assert not Approval("p", approval.lines).covers(step, Impact(unknown=1))


def test_a_part_of_what_was_approved_runs() -> None:
    rig = synced().guarded(Guards())
    gemini = rig.source.spaces[101]
    edit(rig.source.spaces, 101, type=DESK)
    edit(rig.source.spaces, 100, type=DESK)
    rig.plans.approve(rig.sync().plan)
    put(rig.source, gemini)

    report = rig.sync()

    assert report.plan.held == ()
    assert report.writes == 1
    assert len(rig.plans.spent) == 1


def test_if_more_would_be_destroyed_than_approved_nothing_held_runs() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 101, type=DESK)
    rig.plans.approve(rig.sync().plan)
    edit(rig.source.spaces, 100, type=DESK)
    put(rig.source, space(300, "Vostok", 1))

    report = rig.sync()

    assert [key_of(step) for step in report.plan.beyond] == ["wp:room:100"]
    assert held(report.plan) == {"wp:room:100": DESTRUCTIVE, "wp:room:101": DESTRUCTIVE}
    assert report.plan.approved == ""
    assert report.writes == 1
    assert rig.plans.spent == []


def test_what_only_adds_goes_with_an_approved_plan() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 101, name="Vostok", type=DESK)
    rig.plans.approve(rig.sync().plan)
    put(rig.source, space(300, "Gemini", 1))

    report = rig.sync()

    assert (report.plan.held, report.writes) == ((), 2)


def test_more_updates_than_approved_stay_in_quarantine() -> None:
    rig = synced(tower(20)).guarded(Guards())
    for id in range(1000, 1012):
        edit(rig.source.spaces, id, capacity=9)
    rig.plans.approve(rig.sync().plan)
    edit(rig.source.spaces, 1015, capacity=9)

    plan = rig.sync().plan

    assert [key_of(step) for step in plan.beyond] == ["wp:room:1015"]
    assert all(isinstance(step, Update) for step in plan.steps)
    assert plan.quarantine
    assert rig.target.find("wp:room:1000")["MaxCapacity"] == 4


def test_an_approval_is_spent_once() -> None:
    rig = synced().guarded(Guards())
    hangar = building(20, "Annex")
    floors = {id: rig.source.floors[id] for id in (3, 4)}
    spaces = {id: rig.source.spaces[id] for id in (200, 201)}
    lose_building(rig, 20)
    first = rig.sync().plan
    rig.plans.approve(first)
    rig.sync()
    put(rig.source, hangar, *floors.values(), *spaces.values())
    rig.sync()
    lose_building(rig, 20)

    report = rig.sync()

    assert report.plan.held_digest == first.held_digest
    assert "wp:building:20" in rig.target.state()
    assert report.writes == 0


def test_an_approval_beside_a_plan_that_holds_nothing_is_not_spent() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 101, type=DESK)
    rig.plans.approve(rig.sync().plan)
    edit(rig.source.spaces, 101, type=ROOM)
    edit(rig.source.spaces, 100, name="Vostok")

    report = rig.sync()

    assert (report.plan.approved, rig.plans.spent, report.writes) == ("", [], 1)


def test_nothing_goes_from_below_a_location_that_only_waits() -> None:
    """The last room of Annex moves into a building that is held: Annex waits, and all that is in it."""
    source = two_buildings()
    put(source, building(30, "Hangar"), Floor(5, "Floor 1", 30), space(300, "Mir", 5))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))
    rig = synced(source).guarded(NEVER)
    book(rig, "wp:room:300", "b1")
    edit(source.buildings, 30, city="Dallas")
    edit(source.spaces, 200, floor=5, name="Soyuz")
    del source.buildings[20], source.floors[3], source.floors[4], source.spaces[201]

    plan = rig.sync().plan

    assert held(plan)["wp:building:20"] == WAITS
    assert held(plan)["wp:room:201"] == BELOW
    assert {"wp:building:20", "wp:floor:4", "wp:room:201"} <= set(rig.target.state())

    rig.plans.approve(plan)
    rig.sync()
    assert rig.plan().steps == ()


def test_what_a_held_step_needs_is_made_and_what_needs_it_waits() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.buildings, 20, city="Dallas")
    put(rig.source, Floor(9, "Floor 9", 20), space(300, "Vostok", 9))

    plan = rig.sync().plan

    assert held(plan) == {
        "wp:building:20": DESTRUCTIVE,
        "wp:floor:3": DESTRUCTIVE,
        "wp:floor:4": DESTRUCTIVE,
        "wp:room:200": DESTRUCTIVE,
        "wp:room:201": DESTRUCTIVE,
        "wp:floor:9": WAITS,
        "wp:room:300": WAITS,
    }
    assert [key_of(step) for step in plan.ready] == ["wp:city:US:dallas"]
    assert isinstance(plan.ready[0], Create)


def test_a_city_corrected_by_hand_and_back_costs_no_more_than_an_empty_city() -> None:
    rig = synced().guarded(Guards())
    before = {(table, row["id"]) for table, row in rig.target.rows()}
    edit(rig.source.buildings, 20, city="Dallas")
    rig.sync()
    edit(rig.source.buildings, 20, city="Houston")
    report = rig.sync()

    assert held(report.plan) == {"wp:city:US:dallas": DESTRUCTIVE}
    assert {(table, row["id"]) for table, row in rig.target.rows()} - before == {("regions", 2)}


def test_an_empty_country_waits_for_a_person_though_nothing_is_in_it() -> None:
    source = two_buildings()
    edit(source.buildings, 20, country_code="DE", country_name="Germany", city="Berlin")
    rig = synced(source).guarded(Guards())
    lose_building(rig, 20)
    reasons = held(rig.plan())

    assert {reasons[key] for key in ("wp:country:DE", "wp:city:DE:berlin", "wp:building:20")} == {DESTRUCTIVE}
    assert reasons["wp:group:DE"] == WAITS


def test_a_withheld_deletion_counts_for_no_budget() -> None:
    rig = synced(tower(20))
    rig.settings = Settings(guards=Guards(), policies=Policies(frozenset({"Observe", "Create", "Update"})))
    lose(rig, *range(1000, 1010))

    assert rig.plan().quarantine == ()


def test_digests_tell_all_steps_and_the_held_ones_alone() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 101, type=DESK)
    edit(rig.source.spaces, 100, name="Vostok")
    guarded, free = rig.plan(), rig.guarded(UNGUARDED).plan()

    assert guarded.digest == free.digest
    assert guarded.held_digest == Plan(steps=tuple(item.step for item in guarded.held)).digest
    assert guarded.held_digest != guarded.digest
    assert free.held_digest == ""
    assert replace(guarded, approved="p", quarantine=("because",)).digest == guarded.digest


def test_a_destructive_step_that_only_waits_is_more_than_was_approved_too() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 100, type=DESK, floor=2)
    rig.plans.approve(rig.sync().plan)
    lose(rig, 101)
    del rig.source.floors[1]

    plan = rig.sync().plan

    assert held(plan) == {"wp:room:100": DESTRUCTIVE, "wp:floor:1": WAITS}
    assert [key_of(step) for step in plan.beyond] == ["wp:floor:1"]
    assert {"wp:room:100", "wp:floor:1"} <= set(rig.target.state())


def test_what_only_waited_and_was_approved_runs_with_the_rest() -> None:
    rig = synced().guarded(Guards())
    edit(rig.source.spaces, 100, type=DESK, floor=2)
    lose(rig, 101)
    del rig.source.floors[1]
    rig.plans.approve(rig.sync().plan)

    assert rig.sync().writes == 2
    assert rig.plan().steps == ()


def test_what_is_not_ours_makes_no_population_larger() -> None:
    rig = synced(tower(10, 10)).guarded(Guards())
    house = rig.target.find("wp:building:10")["id"]
    for number in range(20):
        rig.target.insert("rooms", space_in(house, 1, 1, "1", f"Theirs {number}"))
    lose(rig, *range(1000, 1006))

    assert set(held(rig.plan()).values()) == {SUBTREE}


def test_a_quarantine_remembers_nothing_either() -> None:
    rig = synced(tower(20)).guarded(Guards())
    rig.store.entries = None
    rig.source.garbled = {("spaces", id) for id in range(1000, 1010)}

    assert rig.sync().plan.quarantine
    assert rig.store.entries is None


def test_every_guard_that_holds_a_step_is_named_the_strongest_first() -> None:
    rig = synced().guarded(Guards(below_location=Budget(1, 1), hold_unknown=True))
    book(rig, "wp:room:200", "b1")
    edit(rig.source.buildings, 20, city="Elsewhere")

    told = {str(key_of(item.step)): item.reasons for item in rig.plan().held}

    assert told["wp:building:20"] == (BOOKED, UNKNOWN, DESTRUCTIVE, SUBTREE)
    assert told["wp:room:200"] == (BOOKED, DESTRUCTIVE, SUBTREE)
    assert told["wp:room:201"] == (UNKNOWN, DESTRUCTIVE, SUBTREE)


def test_of_what_is_quarantined_the_other_guards_are_named_too() -> None:
    rig = synced().guarded(Guards(deletions=Budget(100, 1, 0)))
    book(rig, "wp:room:200", "b1")
    lose(rig, 200, 201)

    told = {str(key_of(item.step)): item.reasons for item in rig.plan().held}

    assert told == {"wp:room:200": (QUARANTINED, BOOKED), "wp:room:201": (QUARANTINED,)}


@pytest.mark.parametrize("listing", ["floors", "spaces", "types"])
def test_an_empty_listing_of_what_the_mapping_holds_is_not_believed(listing: str) -> None:
    rig = synced(tower(3, 2)).guarded(Guards(required=Required.NEVER))
    put(rig.source, space(1, "New", 10))
    rig.sync()
    rows = getattr(rig.source, listing)
    setattr(rig.source, listing, {})
    before = rig.target.state()

    report = rig.sync()

    assert rig.target.state() == before
    (sentence,) = report.plan.quarantine
    assert sentence.startswith("the source lists nothing in its ")
    assert sentence.endswith("; this ends by itself when the source lists some again")

    setattr(rig.source, listing, rows)
    edit(rig.source.spaces, 1, name="Newer")
    report = rig.sync()
    assert (report.plan.quarantine, report.writes) == ((), 1)


def test_what_an_empty_listing_takes_away_can_be_approved() -> None:
    rig = synced(tower(3)).guarded(Guards(required=Required.NEVER))
    rig.source.spaces.clear()
    rig.plans.approve(rig.sync().plan)

    assert rig.sync().writes == 3
    assert rig.sync().plan.quarantine == ()


@pytest.mark.parametrize("listing", ["floors", "spaces", "types"])
def test_a_listing_of_which_nothing_is_understood_is_not_an_empty_one(listing: str) -> None:
    rig = synced().guarded(Guards())
    rig.source.garbled = {(listing, id) for id in getattr(rig.source, listing)}

    assert rig.plan().quarantine == ()
