"""After a run Engage holds what the contract says; after another run nothing has happened."""

from hypothesis import given
from hypothesis import strategies as st

from reconcilers.report import Report
from tests.engine import oracle
from tests.engine.memory_source import MemorySource
from tests.engine.rig import Rig
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
    if not wanted.kept() & before.keys():
        assert report.plan.withheld == ()
    assert difference(rig.target.state(), oracle.after(wanted, before, ours, withheld)) == {}
    return report


@given(worlds() | tidy_worlds(), rules)
def test_the_first_run_makes_engage_equal_the_translation(source: MemorySource, rules: oracle.Rules) -> None:
    rig = Rig(source, settings=settings_of(rules))

    assert check_run(rig, rules) is not None
    check_second_run(rig)


@given(tidy_worlds(), histories, rules)
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
