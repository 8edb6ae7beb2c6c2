"""Killed after any call, a rerun ends as if nothing had happened, and nothing is made twice."""

import copy
from collections import Counter
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconcilers.errors import RefusedError, TransientError
from reconcilers.model import Kind, Origin, State
from reconcilers.report import Report
from reconcilers.sync import Settings
from tests.engine.memory_source import MemorySource
from tests.engine.rig import UNGUARDED, FaultAt, GateAfter, Rig
from tests.engine.samples import DESK, ME, ROOM, WE, building, edit, put, synced, two_buildings
from tests.property.laws import difference, edit_all
from tests.strategies import Edit, histories, tidy_worlds

moments = st.sampled_from(["before", "after"])
kills = st.tuples(st.integers(1, 25), moments)


def creates(rig: Rig) -> Counter[str | None]:
    return Counter(
        call.external_id for call in rig.target.writes if call.verb == "POST" and len(call.fields) > 1
    )


def edited(rig: Rig) -> Rig:
    """Every action at once: create, update, adopt, replace, delete, release, a swap of names and numbers."""
    source = rig.source
    edit(source.buildings, 20, city="Dallas")
    names = source.spaces[100].name, source.spaces[101].name
    edit(source.spaces, 100, name=names[1])
    edit(source.spaces, 101, name=names[0])
    edit(source.floors, 1, name="1st Floor")
    edit(source.floors, 2, name="Ground Floor")
    edit(source.types, 53, name="Pod", group="We Spaces")
    put(source, building(30, "Hangar"))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))
    del source.spaces[201]
    return rig


def turned() -> Rig:
    """Types with the names of what comes with the product, each in the other family; then they change it."""
    source = two_buildings()
    edit(source.types, ROOM, name="Meeting Room", group=ME)
    edit(source.types, DESK, name="Desk", group=WE)
    rig = Rig(source, settings=Settings(guards=UNGUARDED))
    rig.sync()
    edit(source.types, ROOM, group=WE)
    edit(source.types, DESK, group=ME)
    return rig


def undisturbed(rig: Rig) -> tuple[Rig, Report]:
    other = copy.deepcopy(rig)
    return other, other.sync()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "make", [lambda: Rig(two_buildings()), lambda: edited(synced()), turned], ids=["first", "later", "turned"]
)
def test_killed_at_every_write_in_turn(make, moment: str) -> None:  # type: ignore[no-untyped-def]
    aim, _ = undisturbed(make())

    for number in count(1):
        rig = make()
        killed = rig.killed_at(number, moment)
        rig.sync()

        assert difference(rig.target.state(), aim.target.state()) == {}
        assert rig.target.refusals == []
        assert rig.plan().steps == ()
        assert creates(rig) == creates(aim)
        if not killed:
            break
    assert number > 10


def test_killed_between_delete_and_create_and_again_before_the_create() -> None:
    aim, _ = undisturbed(turned())
    for number in count(1):
        rig = turned()
        killed = rig.killed_at(number, "before")
        rig.killed_at(1, "before")
        rig.sync()

        assert difference(rig.target.state(), aim.target.state()) == {}
        if not killed:
            break


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("make", [lambda: edited(synced()), turned], ids=["later", "turned"])
def test_killed_at_every_commit_in_turn(make, moment: str) -> None:  # type: ignore[no-untyped-def]
    aim, _ = undisturbed(make())

    for number in count(1):
        rig = make()
        rig.clock.step = 3.0  # so that it commits after every other answer
        killed = rig.killed_at_commit(number, moment)
        rig.sync()

        assert difference(rig.target.state(), aim.target.state()) == {}
        assert creates(rig) == creates(aim)
        if not killed:
            break
    assert number > 3


@given(tidy_worlds(), st.lists(kills, min_size=1, max_size=3))
def test_killed_again_and_again_nothing_is_made_twice(
    source: MemorySource, deaths: list[tuple[int, str]]
) -> None:
    rig = Rig(source)
    aim, _ = undisturbed(rig)

    for number, moment in deaths:
        rig.killed_at(number, moment)
    rig.sync()

    assert difference(rig.target.state(), aim.target.state()) == {}
    assert set(creates(rig).values()) <= {1}
    assert rig.target.refusals == []
    assert rig.plan().steps == ()


@given(tidy_worlds(), histories, kills)
def test_killed_in_the_middle_of_a_history(
    source: MemorySource, history: list[list[Edit]], kill: tuple[int, str]
) -> None:
    rig = Rig(source)
    rig.sync()
    for edits in history:
        edit_all(source, edits)
        if not source.buildings or not source.centers:
            return
        aim, report = undisturbed(rig)

        rig.killed_at(*kill)
        rig.sync()

        assert rig.target.refusals == []
        assert difference(rig.target.state(), aim.target.state()) == {}
        assert report.failed == []


@given(tidy_worlds(), st.integers(1, 25), moments)
def test_a_lost_answer_ends_the_run_and_the_next_one_finds_what_happened(
    source: MemorySource, number: int, moment: str
) -> None:
    rig = Rig(source)
    aim, _ = undisturbed(rig)
    rig.target.fault = FaultAt(number, TransientError("reset", system="target"), moment)

    first = rig.sync()
    rig.revive()
    rig.sync()

    assert first.ended_by is None or isinstance(first.ended_by, TransientError)
    assert difference(rig.target.state(), aim.target.state()) == {}
    assert set(creates(rig).values()) <= {1}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_after_an_error_that_ends_the_run_nothing_more_is_started(concurrency: int) -> None:
    rig = Rig(two_buildings(), settings=Settings(guards=UNGUARDED, concurrency=concurrency))
    rig.target.fault = FaultAt(5, TransientError("reset", system="target"))

    report = rig.sync()

    assert isinstance(report.ended_by, TransientError)
    assert rig.target.sent <= 4 + concurrency


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_no_more_calls_are_in_flight_than_allowed(concurrency: int) -> None:
    rig = Rig(two_buildings(), settings=Settings(guards=UNGUARDED, concurrency=concurrency))
    flying: list[int] = []

    def count_in(number: int, moment: str) -> None:
        flying.append((flying[-1] if flying else 0) + (1 if moment == "before" else -1))

    rig.target.fault = count_in
    rig.sync()

    assert max(flying) == concurrency


@given(tidy_worlds(), st.integers(0, 25))
def test_a_closed_gate_starts_no_further_write(source: MemorySource, writes: int) -> None:
    rig = Rig(source, gate=GateAfter(writes))

    report = rig.sync()

    assert rig.target.sent <= writes
    assert (report.ended_by is None) == (rig.plan().steps == ())


def test_what_was_in_flight_when_the_run_ended_is_remembered() -> None:
    rig = Rig(two_buildings(), gate=GateAfter(4))

    rig.sync()

    made = {call.external_id for call in rig.target.writes}
    known = rig.store.entries or {}
    assert {str(key) for key, entry in known.items() if entry.state is State.SYNCED} == made


def known_to_the_mapping_alone(rig: Rig) -> dict[str, int]:
    """Internal ids of the default types that were adopted, but for their external ids."""
    matched = [entry for entry in (rig.store.entries or {}).values() if entry.origin is Origin.MATCHED]
    assert all(entry.kind is Kind.WORKSPACE_TYPE for entry in matched)
    return {str(entry.key): entry.id or 0 for entry in matched}


def one_default_type() -> MemorySource:
    source = two_buildings()
    edit(source.types, ROOM, name="Meeting Room")
    return source


@given(tidy_worlds(), st.integers(1, 25))
@example(one_default_type(), 2)
@example(one_default_type(), 3)
def test_a_refusal_skips_only_what_hangs_below(source: MemorySource, number: int) -> None:
    rig = Rig(source)
    aim, _ = undisturbed(rig)
    rig.target.fault = FaultAt(number, RefusedError("no", system="target"))

    report = rig.sync()
    rig.revive()

    lost = aim.target.state().keys() - rig.target.state().keys()
    failed = (
        {str(outcome.key) for outcome in report.applied.outcomes if outcome.message}
        if report.applied
        else set()
    )
    unmarked = known_to_the_mapping_alone(rig)
    assert report.ended_by is None
    assert len(report.failed) == len(failed)
    assert unmarked.keys() <= lost <= failed | unmarked.keys()
    assert not (failed and unmarked)
    assert len([o for o in (report.applied.outcomes if report.applied else ()) if o.status == "failed"]) <= 1

    rig.sync()

    assert known_to_the_mapping_alone(rig) == unmarked
    assert rig.plan().steps == ()
    for key, id in unmarked.items():
        rig.target.tables["workspaceTypes"][id]["ExternalId"] = key
    assert difference(rig.target.state(), aim.target.state()) == {}


def test_a_failed_location_skips_its_floors_and_spaces_and_nothing_else() -> None:
    rig = Rig(two_buildings())
    rig.target.refused = {"wp:building:20"}

    report = rig.sync()

    assert report.applied is not None
    assert {str(told.key): told.status.value for told in report.applied.outcomes if told.message} == {
        "wp:building:20": "failed",
        "wp:floor:3": "skipped",
        "wp:floor:4": "skipped",
        "wp:room:200": "skipped",
        "wp:room:201": "skipped",
    }
    assert [str(told.key) for told in report.applied.outcomes if told.status == "done"] != []
