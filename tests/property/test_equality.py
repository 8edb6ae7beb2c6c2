"""After a run Engage holds what the contract says; after another run nothing has happened."""

from hypothesis import example, given
from hypothesis import strategies as st

from reconcilers.model import Kind
from reconcilers.policy import TIED
from reconcilers.report import Report
from reconcilers.source import Floor, SpaceType
from reconcilers.steps import Action
from tests.engine import oracle
from tests.engine.memory_source import MemorySource
from tests.engine.rig import Rig
from tests.engine.samples import ME, ROOM, WE, building, edit, put, space, synced, two_buildings
from tests.property.laws import builtins, difference, edit_all, settings_of, sync_or_refuse
from tests.strategies import Edit, histories, murky_histories, tidy_worlds, worlds

rules = st.builds(
    oracle.Rules,
    require_center=st.booleans(),
    reservable_only=st.booleans(),
    countries=st.sampled_from([None, None, frozenset({"US"}), frozenset({"US", "DE"})]),
    default_country=st.sampled_from(["", "IN"]),
    default_zone=st.sampled_from(["", "UTC"]),
)


def check_second_run(rig: Rig) -> None:
    sent, commits = rig.target.sent, rig.store.commits

    again = rig.sync()

    assert again.plan.steps == ()
    assert (rig.target.sent, rig.store.commits) == (sent, commits)


def changing_places(report: Report) -> bool:
    """Do two at least that must be made anew wait for each other?"""
    tied = [item for item in report.plan.withheld if item.reason == TIED and item.action is Action.REPLACE]
    return len({item.key for item in tied if item.kind is not Kind.RESOURCE}) > 1


def change_places(source: MemorySource) -> None:
    """Two floors go to each other's building, a space of each to the other."""
    edit(source.floors, 1, building=20)
    edit(source.floors, 3, building=10)
    edit(source.spaces, 100, floor=3)
    edit(source.spaces, 200, floor=1)


def check_run(rig: Rig, rules: oracle.Rules) -> Report | None:
    before, ours = rig.target.state(), builtins(rig.target)
    wanted = oracle.translate(rig.source.observe(), rules, before, ours)

    report = sync_or_refuse(rig)

    assert rig.target.refusals == []
    if report is None:
        assert rig.target.state() == before
        return None
    assert report.ended_by is None
    assert report.failed == []
    assert {(str(kind), reason): count for (kind, reason), count in report.skips.items()} == wanted.reasons()
    withheld = {str(item.key) for item in report.plan.withheld}
    if not (wanted.kept() & before.keys() or changing_places(report)):
        assert report.plan.withheld == ()
    assert difference(rig.target.state(), oracle.after(wanted, before, ours, withheld)) == {}
    return report


@given(worlds() | tidy_worlds(), rules)
def test_the_first_run_makes_engage_equal_the_translation(source: MemorySource, rules: oracle.Rules) -> None:
    rig = Rig(source, settings=settings_of(rules))

    assert check_run(rig, rules) is not None
    check_second_run(rig)


@given(tidy_worlds(), histories, rules)
@example(two_buildings(), [[Edit("change places", (), change_places)]], oracle.Rules())
def test_every_later_run_does_too(
    source: MemorySource, history: list[list[Edit]], rules: oracle.Rules
) -> None:
    rig = Rig(source, settings=settings_of(rules))
    rig.sync()

    for edits in history:
        edit_all(source, edits)
        if check_run(rig, rules):
            check_second_run(rig)


@given(tidy_worlds(), murky_histories)
def test_what_cannot_be_read_keeps_what_it_has(source: MemorySource, history: list[list[Edit]]) -> None:
    rig = Rig(source)
    rig.sync()

    for edits in history:
        edit_all(source, edits)
        if check_run(rig, oracle.Rules()):
            check_second_run(rig)


def test_a_default_type_is_given_back_though_what_it_stood_for_waits_for_its_name() -> None:
    source = two_buildings()
    put(source, SpaceType(60, "Meeting Room", WE))
    rig = synced(source)
    del source.types[ROOM]  # "Conference" stays, as spaces of it are not understood any more
    put(source, SpaceType(60, "Conference", ME))

    report = check_run(rig, oracle.Rules())

    assert report is not None
    assert {str(item.key): item.reason for item in report.plan.withheld} == {
        "wp:type:52": "NotEmpty",
        "wp:type:60": "NameTaken",
    }
    check_second_run(rig)


def test_a_location_that_waits_for_its_name_waits_for_its_group_too() -> None:
    source = two_buildings()
    put(source, building(30, "Hangar"))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))
    rig = synced(source)
    source.garbled = {("buildings", 20)}
    edit(source.buildings, 30, name="Annex")
    put(source, Floor(9, "1", 30), space(300, "Vostok", 9))

    report = check_run(rig, oracle.Rules())

    assert report is not None
    assert {str(item.key): item.reason for item in report.plan.withheld} == {
        "wp:building:30": "NameTaken",
        "wp:room:300": "WaitsForWithheld",
    }
    check_second_run(rig)
