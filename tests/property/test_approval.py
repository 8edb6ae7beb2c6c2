"""What waits for a person never runs without one, runs with one, and ends where an unguarded run ends."""

import random
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from reconcilers.guard import Guards, Required
from reconcilers.impact import Impact
from reconcilers.plan import Plan
from reconcilers.policy import GRACE
from reconcilers.source import Floor
from reconcilers.steps import Delete, Destructive, canonical, digest_of, key_of
from tests.engine import oracle
from tests.engine.memory_source import MemorySource
from tests.engine.memory_target import MemoryTarget, Row
from tests.engine.rig import UNGUARDED, WIDE, Rig
from tests.engine.samples import edit, put, two_buildings
from tests.property.guarding import (
    Damage,
    Id,
    damage_of,
    emptied,
    home_of,
    is_ours,
    rows_of,
    settle,
    twin,
)
from tests.property.laws import builtins, difference, edit_all, some
from tests.strategies import (
    Edit,
    again,
    blunders,
    built_up_worlds,
    edits,
    losses,
    rough_histories,
    tidy_worlds,
)

FIRM = ("locations", "regions", "countries")
any_world = tidy_worlds() | built_up_worlds()
changes = st.lists(edits | blunders | blunders, min_size=1, max_size=4)
NO_TYPES = Edit("clear", ("types",), lambda source, table: getattr(source, table).clear())
ORPHAN = Edit("put", (Floor(2, "1st Floor", None),), put)
"""One floor less in its location, which is an update."""
GONE = Edit("pop", ("buildings", 20), lambda source, table, id: getattr(source, table).pop(id))
kills = st.tuples(st.integers(1, 15), st.sampled_from(["before", "after"]))


def known(rig: Rig, *picks: int) -> Rig:
    """Bookings of every meeting space can be read; some have any."""
    rig.bookings.unknown = False
    ids = sorted(rig.target.tables["rooms"])
    rig.bookings.of = {ids[pick % len(ids)]: frozenset({f"b{pick}"}) for pick in picks if ids}
    return rig


def replaced(damage: Damage) -> set[str]:
    """External ids of what is gone and was made anew."""
    made = {row["ExternalId"] for row in damage.after.values() if is_ours(row)}
    return made & {damage.before[id]["ExternalId"] for id in damage.gone}


def lines(plan: Plan) -> list[str]:
    return [canonical(item.step) for item in plan.held]


def check_unapproved(rig: Rig, damage: Damage, plan: Plan) -> None:
    """Nothing firm, nothing replaced, nothing booked, nothing below what stays for a person."""
    assert not [id for id in damage.gone if id[0] in FIRM]
    assert replaced(damage) == set()
    assert not [id for id in damage.gone if id[0] == "rooms" and rig.bookings.of.get(id[1])]
    held_places = {item.step.current.id for item in plan.held if isinstance(item.step, Destructive)
                   and item.step.current.kind == "Location"}  # fmt: skip
    assert not [id for id in damage.gone if home_of(id, damage.before[id]) in held_places]


@some
@given(any_world, rough_histories, st.sets(st.integers(0, 9), max_size=3))
@example(two_buildings(), [[NO_TYPES, ORPHAN]], set())
def test_nothing_that_cannot_be_undone_runs_unapproved_and_all_else_goes_ahead(
    source: MemorySource, history: list[list[Edit]], picks: set[int]
) -> None:
    rig = Rig(source)
    rig.sync()
    known(rig, *picks).guarded(WIDE)
    for change in history:
        edit_all(source, change)
        quarantined = emptied(rig)
        damage, report = damage_of(rig)
        if report is None:
            return

        check_unapproved(rig, damage, report.plan)
        assert rig.target.refusals == []
        assert report.failed == []
        assert report.writes == len(report.plan.ready) == len(report.plan.steps) - len(report.plan.held)
        assert bool(report.plan.quarantine) == quarantined
        if quarantined:
            assert report.plan.ready == ()
        elif report.plan.held:
            assert any(isinstance(item.step, Destructive) for item in report.plan.held)
        sent, commits = rig.target.sent, rig.store.commits
        again = rig.sync().plan
        assert again.ready == ()
        assert (rig.target.sent, rig.store.commits) == (sent, commits)


@some
@given(any_world, rough_histories, st.sampled_from(Required), st.sets(st.integers(0, 9), max_size=3))
@example(two_buildings(), [[NO_TYPES]], Required.NEVER, set())
def test_everything_approved_ends_where_an_unguarded_run_ends(
    source: MemorySource, history: list[list[Edit]], required: Required, picks: set[int]
) -> None:
    rig = Rig(source)
    rig.sync()
    known(rig, *picks).guarded(Guards(required=required))
    for change in history:
        edit_all(source, change)
        other = twin(rig)
        if damage_of(other)[1] is None:
            return

        assert settle(rig) <= 2
        assert difference(rig.target.state(), other.target.state()) == {}
        assert rig.target.refusals == []
        quarantined = emptied(rig)
        again = rig.sync().plan
        assert (again.steps, bool(again.quarantine)) == ((), quarantined)


@some
@given(any_world, changes, st.booleans())
def test_where_every_step_is_asked_for_not_one_write_goes_without(
    source: MemorySource, change: list[Edit], started: bool
) -> None:
    rig = Rig(source)
    if started:
        rig.sync()
        edit_all(source, change)
    rig.guarded(Guards(required=Required.ALWAYS))
    other = twin(rig)
    sent = rig.target.sent
    if damage_of(other)[1] is None:
        return

    plans = [rig.sync().plan for _ in range(3)]

    assert rig.target.sent == sent
    assert len({plan.digest for plan in plans}) == 1
    assert len(plans[0].held) == len(plans[0].steps)

    rig.plans.approve(plans[-1])
    report = rig.sync()

    assert report.plan.held == ()
    assert report.writes == len(plans[0].steps)
    assert difference(rig.target.state(), other.target.state()) == {}


@some
@given(any_world, changes, st.lists(edits | losses, max_size=3), st.sampled_from(Required))
@example(two_buildings(), [GONE], [NO_TYPES, ORPHAN], Required.DESTRUCTIVE)
def test_after_an_approval_the_source_changes_again(
    source: MemorySource, change: list[Edit], later: list[Edit], required: Required
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(replace(WIDE, required=required))
    edit_all(source, change)
    _, first = damage_of(rig)
    if first is None or not first.plan.held:
        return
    seen = set(lines(rig.plans.shown[-1]))
    rig.plans.approve(first.plan)
    edit_all(source, later)
    quarantined = emptied(rig)
    damage, report = damage_of(rig)
    if report is None:
        return

    steps = rig.plans.shown[-1].steps
    counting = {canonical(step) for step in steps if quarantined or isinstance(step, Destructive)}
    if report.plan.beyond:
        assert {canonical(step) for step in report.plan.beyond} <= counting - seen
        assert report.plan.approved == ""
        assert rig.plans.spent == []
        check_unapproved(rig, damage, report.plan)
    elif report.plan.approved:
        assert rig.plans.spent == [report.plan.approved]
        approved_keys = {key_of(item.step) for item in first.plan.held}
        firm = [row["ExternalId"] for id, row in damage.before.items() if id in damage.gone and id[0] in FIRM]
        if required is not Required.NEVER:
            assert set(firm) | replaced(damage) <= approved_keys
    else:
        assert rig.plans.spent == []
    if required is Required.ALWAYS:
        assert {canonical(step) for step in report.plan.ready} <= seen
    assert rig.target.refusals == []
    assert settle(rig) <= 2
    assert rig.sync().plan.steps == ()


@some
@given(any_world, changes, kills, st.sampled_from(Required))
def test_killed_in_the_middle_of_an_approved_plan_it_needs_another_approval_and_ends_the_same(
    source: MemorySource, change: list[Edit], kill: tuple[int, str], required: Required
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(Guards(required=required))
    edit_all(source, change)
    other = twin(rig)
    _, first = damage_of(rig)
    if first is None or damage_of(other)[1] is None:
        return
    rig.plans.approve(first.plan)

    rig.killed_at(*kill)
    rig.plans.given = None  # whether it was spent or not, it was for that plan alone
    settle(rig)

    assert difference(rig.target.state(), other.target.state()) == {}
    assert rig.target.refusals == []
    assert rig.sync().plan.steps == ()


@some
@given(built_up_worlds(), changes, st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.booleans())
def test_no_booking_is_lost_that_the_approval_did_not_see(
    source: MemorySource, change: list[Edit], seen: set[int], later: set[int], never: bool
) -> None:
    rig = Rig(source)
    rig.sync()
    known(rig, *seen).guarded(replace(WIDE, required=Required.NEVER) if never else WIDE)
    edit_all(source, change)
    damage, first = damage_of(rig)
    if first is None:
        return
    assert not [id for id in damage.gone if id[0] == "rooms" and rig.bookings.of.get(id[1])]
    shown = dict(rig.bookings.of)
    rig.plans.approve(first.plan)
    ids = sorted(rig.target.tables["rooms"])
    for pick in later if ids else ():
        id = ids[pick % len(ids)]
        rig.bookings.of[id] = rig.bookings.of.get(id, frozenset()) | {f"new {pick}"}

    damage, report = damage_of(rig)

    assert report is not None
    for table, id in damage.gone:
        if table == "rooms":
            assert rig.bookings.of.get(id, frozenset()) <= shown.get(id, frozenset())
    assert bool(report.plan.beyond) <= (report.plan.approved == "" and not damage.gone)


@some
@given(built_up_worlds(), changes)
def test_under_hold_no_desk_goes_without_an_approval(source: MemorySource, change: list[Edit]) -> None:
    rig = Rig(source)
    rig.sync()
    known(rig).guarded(replace(UNGUARDED, hold_unknown=True))
    edit_all(source, change)
    damage, report = damage_of(rig)

    assert not [id for id in damage.gone if id[0] == "desks"]
    if report is not None:
        places = {home_of(id, row) for id, row in damage.before.items() if id[0] == "desks"}
        assert not {id for table, id in damage.gone if table == "locations"} & places


@some
@given(any_world, changes)
def test_where_neither_asks_nothing_waits(source: MemorySource, change: list[Edit]) -> None:
    rig = Rig(source)
    rig.sync()
    known(rig, 1, 2, 3).guarded(UNGUARDED)
    edit_all(source, change)
    _, report = damage_of(rig)

    assert report is None or (report.plan.held, report.plan.quarantine) == ((), ())


@some
@given(any_world, rough_histories, st.sets(st.integers(0, 9), max_size=2), st.randoms(use_true_random=False))
def test_a_digest_is_of_the_steps_in_their_order_and_of_nothing_else(
    source: MemorySource, history: list[list[Edit]], picks: set[int], dice: random.Random
) -> None:
    rig = Rig(source)
    rig.sync()
    known(rig, *picks).guarded(Guards())
    for change in history:
        edit_all(source, change)
        if not source.buildings or not source.centers:
            return
        plan = rig.plan()
        rig.clock.time += 10_000
        source.order = lambda items: dice.sample(list(items), len(items))
        shuffled = rig.plan()
        free = twin(rig).plan()

        assert plan.digest == shuffled.digest == free.digest == digest_of(plan.steps)
        assert plan.held_digest == shuffled.held_digest
        assert plan.held_digest == (digest_of(item.step for item in plan.held) if plan.held else "")
        assert [item.step for item in plan.held] == [
            step for step in plan.steps if step in {item.step for item in plan.held}
        ]
        assert replace(plan, impacts={step: Impact() for step in plan.impacts}).digest == plan.digest
        rig.sync()


GRACE_PERIOD = 1000.0
MOVED = Edit("move", (20, "Dallas"), lambda source, id, city: edit(source.buildings, id, city=city))
FLOORS_AGAIN = Edit("made again", (20, 1000, frozenset({"floors"})), again)


def taken_over(id: Id, before: dict[Id, Row], target: MemoryTarget) -> bool:
    """Is there a namesake in its place, new to us? What is made again goes on so below a replaced one."""
    after, known = rows_of(target), {row["ExternalId"] for row in before.values()}
    return any(
        is_ours(row) and row["ExternalId"] not in known and told(other, after) == told(id, before)
        for other, row in after.items()
    )


def told(id: Id, rows: dict[Id, Row]) -> tuple[str, object, object]:
    """A thing by its table, its name and the external id of its location."""
    home = rows.get(("locations", home_of(id, rows[id]) or 0), {})
    return id[0], rows[id]["ResourceName"], home.get("ExternalId")


@some
@given(any_world, rough_histories, st.lists(st.sampled_from([1.0, 400.0, 999.0, 1000.0]), min_size=3), kills)
@example(two_buildings(), [[MOVED, FLOORS_AGAIN]], [1.0, 1.0, 1.0], (1, "before"))
def test_nothing_is_deleted_before_it_was_missing_for_the_grace_period(
    source: MemorySource, history: list[list[Edit]], pauses: list[float], kill: tuple[int, str]
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(replace(UNGUARDED, grace=GRACE_PERIOD))
    missed: dict[str, float] = {}
    for change, pause in zip(history * 2, pauses, strict=False):
        edit_all(source, change)
        if not source.buildings or not source.centers:
            return
        before, ours = rows_of(rig.target), builtins(rig.target)
        wanted = oracle.translate(source.observe(), oracle.Rules(), rig.target.state(), ours)
        there = {str(row["ExternalId"]) for row in before.values() if is_ours(row)}
        start = rig.clock.time
        missed = {key: missed.get(key, start) for key in there - wanted.rows.keys() - wanted.kept()}
        rig.killed_at(*kill)
        rig.sync()

        kept = {str(row["ExternalId"]) for _, row in rig.target.rows()}
        for key in missed.keys() - kept - wanted.kept():
            [id] = [id for id, row in before.items() if row["ExternalId"] == key]
            moved = id in rows_of(rig.target) or taken_over(id, before, rig.target)
            assert moved or rig.clock.time - missed[key] >= GRACE_PERIOD
        assert rig.target.refusals == []
        rig.clock.time += pause

    aim = twin(rig).guarded(UNGUARDED)
    aim.sync()
    for _ in range(3):
        rig.sync()
        rig.clock.time += GRACE_PERIOD
    report = rig.sync()

    assert not [item for item in report.plan.withheld if item.reason == GRACE]
    assert difference(rig.target.state(), aim.target.state()) == {}


@some
@given(built_up_worlds(), st.lists(losses, min_size=1, max_size=3), st.integers(1, 3))
def test_back_within_the_grace_period_nothing_has_happened(
    source: MemorySource, edits: list[Edit], runs: int
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.guarded(replace(Guards(), grace=GRACE_PERIOD))
    whole = dict(source.buildings), dict(source.floors), dict(source.spaces)
    sent = rig.target.sent
    edit_all(source, edits)
    if not source.buildings:
        return
    for _ in range(runs):
        report = rig.sync()
        assert not any(isinstance(step, Delete) for step in report.plan.steps)
        assert report.whole
        rig.clock.time += 200

    source.buildings, source.floors, source.spaces = whole
    rig.sync()

    assert rig.target.sent == sent
    assert all(not entry.missing_since for entry in (rig.store.entries or {}).values())
