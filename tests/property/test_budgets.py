"""Never more goes at once than the budgets allow, counted at the target; over them nothing is written."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconcilers.guard import SUBTREE, Budget, Guards, Required
from tests.engine.memory_source import MemorySource
from tests.engine.rig import UNGUARDED, Rig
from tests.property.guarding import damage_of, overruns, twin
from tests.property.laws import difference, edit_all, some
from tests.strategies import Edit, built_up_worlds, losses, rough_histories, tidy_worlds

budgets = st.builds(
    Budget,
    percent=st.sampled_from([0, 10, 34, 50, 100]),
    minimum_population=st.integers(1, 6),
    count=st.sampled_from([None, 0, 1, 3, 100]),
)
any_world = tidy_worlds() | built_up_worlds()


@some
@given(any_world, rough_histories, budgets, budgets)
def test_quarantined_exactly_when_a_budget_would_be_overrun_and_then_nothing_is_written(
    source: MemorySource, history: list[list[Edit]], deletions: Budget, updates: Budget
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(replace(UNGUARDED, deletions=deletions, updates=replace(updates, count=None)))
    for edits in history:
        edit_all(source, edits)
        other = twin(rig)
        would, free = damage_of(other)
        sent, commits = rig.target.sent, rig.store.commits
        did, report = damage_of(rig)

        assert (report is None) == (free is None)
        if report is None:
            return
        over = overruns(deletions, would.deleted, would.population) or overruns(
            replace(updates, count=None), would.updated, would.population
        )
        assert bool(report.plan.quarantine) == over
        if over:
            assert (rig.target.sent, rig.store.commits) == (sent, commits)
            assert set(report.plan.steps) == {item.step for item in report.plan.held}
        else:
            assert report.plan.held == ()
            assert not overruns(deletions, did.deleted, did.population)
            assert difference(rig.target.state(), other.target.state()) == {}


@some
@given(any_world, rough_histories, budgets)
def test_below_one_location_its_share_at_most_and_the_rest_goes_on(
    source: MemorySource, history: list[list[Edit]], share: Budget
) -> None:
    share = replace(share, count=None)
    rig = Rig(source)
    rig.sync()
    rig.guarded(replace(UNGUARDED, below_location=share))
    for edits in history:
        edit_all(source, edits)
        would, free = damage_of(twin(rig))
        did, report = damage_of(rig)
        if report is None or free is None:
            return

        crowded = {
            place[0]
            for place, number in would.below.items()
            if overruns(
                share, Counter({place[1]: number}), Counter({place[1]: would.population_below[place]})
            )
        }
        assert report.plan.quarantine == ()
        assert bool(crowded) == bool(report.plan.held)
        assert bool(crowded) == any(SUBTREE in item.reasons for item in report.plan.held)
        for id in did.gone:
            assert id not in {("locations", location) for location in crowded}
        assert not {place[0] for place in did.below} & crowded
        assert rig.target.refusals == []
        assert report.failed == []


@some
@given(built_up_worlds(), st.lists(losses, min_size=1, max_size=4))
def test_with_the_defaults_of_the_spec_no_building_goes_and_a_quarantine_ends_by_itself(
    source: MemorySource, edits: list[Edit]
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(Guards())
    whole = dict(source.buildings), dict(source.floors), dict(source.spaces)
    before, locations = rig.target.state(), set(rig.target.tables["locations"])
    edit_all(source, edits)

    did, report = damage_of(rig)

    assert set(rig.target.tables["locations"]) == locations
    assert not overruns(Guards().deletions, did.deleted, did.population)
    quarantined = report is None or bool(report.plan.quarantine)
    if quarantined:
        assert rig.target.state() == before

    source.buildings, source.floors, source.spaces = whole
    healed = rig.sync()

    assert healed.plan.quarantine == ()
    assert set(rig.target.state()) == set(before)
    if quarantined:
        assert healed.plan.steps == ()


@some
@given(
    tidy_worlds(), st.sets(st.integers(1, 9)), st.sampled_from(["spaces", "floors", "types"]), st.booleans()
)
def test_a_share_of_unreadable_records_stops_everything_until_it_is_gone(
    source: MemorySource, ids: set[int], listing: str, always: bool
) -> None:
    rig = Rig(source)
    guards = replace(UNGUARDED, unreadable=Budget(20, 3))
    rig.guarded(replace(guards, required=Required.ALWAYS) if always else guards)
    total = len(getattr(source, listing))
    garbled = ids & getattr(source, listing).keys()
    source.garbled = {(listing, id) for id in garbled}

    report = rig.sync()

    over = total >= 3 and len(garbled) / total > 0.2
    assert bool(report.plan.quarantine) == over
    if over:
        assert (rig.target.sent, rig.store.commits) == (0, 0)
        assert listing in report.plan.quarantine[0]

    source.garbled = set()
    assert rig.sync().plan.quarantine == ()
