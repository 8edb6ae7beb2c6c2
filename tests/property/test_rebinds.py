"""What the source makes again under new ids stays what it is in Engage: one write of the id, and no more."""

import random
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from reconcilers.guard import Guards, Required
from reconcilers.steps import Action, Rebind
from tests.engine.memory_source import MemorySource
from tests.engine.rig import Rig
from tests.property.guarding import damage_of, rows_of, settle, twin
from tests.property.laws import difference, edit_all, expected_after, some, sync_or_refuse
from tests.strategies import (
    Edit,
    built_up_worlds,
    edits,
    garblings,
    made_again,
    remakings,
    rough_histories,
    tidy_worlds,
)

TABLES = ("buildings", "floors", "spaces", "types")
tables = st.frozensets(st.sampled_from(TABLES), min_size=1)
again_and_again = st.lists(remakings, min_size=1, max_size=2)
WORDS = {"building": "buildings", "floor": "floors", "room": "spaces", "type": "types"}
kills = st.tuples(st.integers(1, 25), st.sampled_from(["before", "after"]))


def shifted(source: MemorySource, kinds: frozenset[str], step: int) -> dict[str, dict[int, int]]:
    return {
        table: {id: id + step if table in kinds else id for id in getattr(source, table)} for table in TABLES
    }


def alike(source: MemorySource, table: str) -> list[list[int]]:
    """Ids that may change places: floors of one building and types of one family, else all of a table."""
    groups: dict[object, list[int]] = {}
    home = {"floors": "building", "types": "group"}.get(table, "")
    for id, record in getattr(source, table).items():
        groups.setdefault(getattr(record, home) if home else 0, []).append(id)
    return list(groups.values())


def without_ids(rig: Rig) -> object:
    """Everything in the target but the external ids."""
    return {id: {**row, "ExternalId": None} for id, row in rows_of(rig.target).items()}


@some
@given(built_up_worlds(), tables)
def test_keys_written_anew_for_a_whole_tenant_cost_one_write_each_and_no_budget(
    source: MemorySource, kinds: frozenset[str]
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(Guards(required=Required.DESTRUCTIVE))
    before, known = without_ids(rig), len(rig.store.entries or {})
    made_again(source, shifted(source, kinds, 1000))
    number = sum(len(getattr(source, table)) for table in kinds)

    writes = len(rig.target.writes)
    report = rig.sync()
    calls = rig.target.writes[writes:]

    assert [(call.verb, call.fields) for call in calls] == [("PUT", ("ExternalId",))] * number
    assert all(isinstance(step, Rebind) for step in report.plan.steps)
    assert (report.plan.held, report.plan.quarantine) == ((), ())
    assert without_ids(rig) == before
    assert len(rig.store.entries or {}) == known
    commits = rig.store.commits
    assert rig.sync().plan.steps == ()
    assert rig.store.commits == commits


@some
@given(built_up_worlds(), tables, kills, kills)
def test_killed_while_keys_are_written_anew_it_ends_the_same(
    source: MemorySource, kinds: frozenset[str], first: tuple[int, str], second: tuple[int, str]
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(Guards())
    made_again(source, shifted(source, kinds, 1000))
    aim = twin(rig)
    aim.sync()
    ids = rows_of(rig.target).keys()

    rig.killed_at(*first)
    rig.killed_at(*second)
    rig.sync()

    assert difference(rig.target.state(), aim.target.state()) == {}
    assert rows_of(rig.target).keys() == ids
    assert rig.target.refusals == []
    assert rig.sync().plan.steps == ()


@some
@given(built_up_worlds(), tables, st.integers(1, 30), st.randoms(use_true_random=False), st.booleans())
def test_ids_that_move_onto_others_old_ones_converge_and_engage_refuses_nothing(
    source: MemorySource,
    kinds: frozenset[str],
    step: int,
    dice: random.Random,
    permuted: bool,
) -> None:
    rig = Rig(source)
    rig.sync()
    new = shifted(source, kinds, step)
    for table in kinds if permuted and len(kinds) == 1 else ():
        for ids in alike(source, table):
            new[table].update(zip(ids, dice.sample(ids, len(ids)), strict=True))
    made_again(source, new)
    aim = expected_after(rig)

    report = rig.sync()

    assert rig.target.refusals == []
    assert report.failed == []
    assert rig.plan().steps == ()
    assert {key: row for key, row in rig.target.state().items() if key.startswith("wp:")}.keys() == {
        key for key in aim if key.startswith("wp:")
    }


@some
@given(built_up_worlds() | tidy_worlds(), rough_histories, st.lists(remakings, min_size=1, max_size=3))
def test_whatever_is_made_again_beside_other_edits_ends_as_the_contract_says(
    source: MemorySource, history: list[list[Edit]], again: list[Edit]
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(Guards())
    for place, change in enumerate(history):
        edit_all(source, [*change, *again[place : place + 1]])
        if not source.buildings or not source.centers:
            return
        other, aim = twin(rig), expected_after(rig)
        if damage_of(other)[1] is None:
            return
        settle(rig)

        assert rig.target.refusals == []
        assert set(rig.target.state()) == set(other.target.state())
        assert difference(bare(rig.target.state()), bare(aim)) == {} or rig.plan().withheld
        assert rig.sync().plan.steps == ()


def bare(state: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Without groups, which belong to the entity and not to its key."""
    return {
        key: {name: value for name, value in row.items() if name not in ("Groups", "GroupId")}
        for key, row in state.items()
    }


@some
@given(built_up_worlds(), again_and_again, st.sampled_from(TABLES), st.integers(0, 9))
def test_an_incomplete_source_rebinds_nothing(
    source: MemorySource, again: list[Edit], listing: str, lost: int
) -> None:
    rig = Rig(source)
    rig.sync()
    ids = {id: row["ExternalId"] for id, row in rows_of(rig.target).items()}
    edit_all(source, again)
    records = sorted(getattr(source, listing))
    assume(records)
    source.hidden = {(listing, records[lost % len(records)])}

    report = sync_or_refuse(rig)

    if report is not None:
        assert report.gaps
        assert not any(step.action is Action.REBIND for step in report.plan.steps)
    after = rows_of(rig.target)
    assert {id: after[id]["ExternalId"] for id in ids} == ids


@some
@given(built_up_worlds() | tidy_worlds(), st.lists(edits | remakings | garblings, min_size=1, max_size=6))
def test_only_what_is_listed_no_more_gives_its_place_to_the_same_path(
    source: MemorySource, change: list[Edit]
) -> None:
    rig = Rig(source)
    rig.sync()
    before = rig.target.state()
    edit_all(source, change)
    if not source.buildings or not source.centers:
        return
    listed = {f"wp:{word}:{id}" for word, table in WORDS.items() for id in getattr(source, table)}

    for step in rig.plan().steps:
        if isinstance(step, Rebind):
            assert step.old not in listed
            assert step.current.external_id == step.old
            assert before[step.old]["ResourceName"].casefold() == step.entity.name.casefold()
            assert not {"InternalParentId", "LocationId", "ResourceType", "Family"} & {
                item.field for item in step.changes
            }


@some
@given(built_up_worlds(), again_and_again, st.booleans())
def test_what_was_made_again_while_it_was_missing_in_grace_keeps_its_place(
    source: MemorySource, again: list[Edit], waits: bool
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(replace(Guards(), grace=1000.0))
    ids = rows_of(rig.target).keys()
    spaces = dict(source.spaces)
    source.spaces.clear()
    if waits:
        rig.sync()
    source.spaces.update(spaces)
    edit_all(source, again)

    rig.sync()

    assert rows_of(rig.target).keys() == ids
    assert rig.sync().plan.steps == ()
    assert all(not entry.missing_since for entry in (rig.store.entries or {}).values())
