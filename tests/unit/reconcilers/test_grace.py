"""What is missing from the source is held before it is deleted; back in time, nothing happened."""

from dataclasses import replace

import pytest

from reconcilers.guard import Guards
from reconcilers.model import Entry, State
from reconcilers.policy import GRACE
from reconcilers.source import Floor
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import edit, put, space, synced

DAY = 86_400.0
WEEK = 7 * DAY


def graced(grace: float = WEEK, guards: Guards = UNGUARDED) -> Rig:
    """In step, and from now on with a grace period; its clock stands still."""
    rig = synced().guarded(replace(guards, grace=grace))
    rig.clock.step = 0.0
    return rig


def entry(rig: Rig, key: str) -> Entry:
    return {str(known): value for known, value in (rig.store.entries or {}).items()}[key]


def reasons(rig: Rig) -> dict[str, str]:
    return {str(item.key): item.reason for item in rig.plan().withheld}


def test_missing_is_remembered_and_deleted_when_the_period_is_over() -> None:
    rig = graced()
    start = rig.clock.time
    del rig.source.spaces[101]

    report = rig.sync()
    assert report.writes == 0
    assert report.whole
    assert (entry(rig, "wp:room:101").state, entry(rig, "wp:room:101").missing_since) == (
        State.MISSING,
        int(start),
    )

    rig.clock.time = start + WEEK - 1
    assert rig.writes_of_sync() == []

    rig.clock.time = start + WEEK
    assert [call.external_id for call in rig.writes_of_sync()] == ["wp:room:101"]
    assert "wp:room:101" not in (rig.store.entries or {})


def test_not_a_second_too_early_with_a_clock_that_knows_fractions() -> None:
    rig = graced()
    rig.clock.time += 0.9
    start = rig.clock.time
    del rig.source.spaces[101]
    rig.sync()

    rig.clock.time = start + WEEK - 0.5

    assert rig.writes_of_sync() == []


def test_while_it_waits_no_run_writes_the_mapping_again() -> None:
    rig = graced()
    del rig.source.buildings[20]
    rig.sync()
    commits = rig.store.commits

    for _ in range(3):
        rig.clock.time += 3600
        rig.sync()

    assert rig.store.commits == commits


@pytest.mark.parametrize("what", ["room", "floor", "building"])
def test_back_in_time_nothing_has_happened(what: str) -> None:
    rig = graced()
    source = rig.source
    before, known = rig.target.state(), dict(rig.store.entries or {})
    saved = dict(source.buildings), dict(source.floors), dict(source.spaces)
    if what == "building":
        del source.buildings[20]
    if what in ("building", "floor"):
        del source.floors[4]
    if what in ("building", "floor", "room"):
        del source.spaces[201]
    if what == "building":
        del source.floors[3], source.spaces[200]
    assert rig.writes_of_sync() == []
    rig.clock.time += WEEK - 1
    assert rig.writes_of_sync() == []

    source.buildings, source.floors, source.spaces = saved

    assert rig.writes_of_sync() == []
    assert rig.target.state() == before
    assert {key: replace(value, last_synced=0) for key, value in (rig.store.entries or {}).items()} == {
        key: replace(value, last_synced=0) for key, value in known.items()
    }


def test_missing_again_later_starts_a_new_period() -> None:
    rig = graced()
    gemini = rig.source.spaces.pop(101)
    rig.sync()
    rig.clock.time += WEEK - 1
    put(rig.source, gemini)
    rig.sync()
    del rig.source.spaces[101]
    rig.sync()
    rig.clock.time += WEEK - 1

    assert rig.writes_of_sync() == []
    rig.clock.time += 1
    assert len(rig.writes_of_sync()) == 1


def test_an_incomplete_source_neither_starts_nor_ends_it() -> None:
    rig = graced()
    del rig.source.spaces[101]
    rig.source.hidden = {("spaces", 102)}
    rig.sync()
    assert entry(rig, "wp:room:101").missing_since == 0

    rig.source.hidden = set()
    rig.sync()
    start = entry(rig, "wp:room:101").missing_since
    assert start

    rig.source.hidden = {("spaces", 102)}
    rig.clock.time += 2 * WEEK
    assert rig.writes_of_sync() == []
    assert entry(rig, "wp:room:101").missing_since == start

    rig.source.hidden = set()
    assert [call.external_id for call in rig.writes_of_sync()] == ["wp:room:101"]


def test_what_left_the_scope_is_missing_too() -> None:
    rig = graced()
    edit(rig.source.spaces, 101, reservable=False)

    assert reasons(rig) == {"wp:room:101": GRACE}


def test_a_building_that_is_gone_goes_with_what_nobody_understands_below_it() -> None:
    rig = graced()
    del rig.source.buildings[20]  # its floors and spaces are listed still: orphans, which are kept
    for _ in range(3):
        assert rig.writes_of_sync() == []
        rig.clock.time += WEEK / 3

    rig.sync()

    assert not {"wp:building:20", "wp:floor:3", "wp:room:200"} & set(rig.target.state())


def test_a_building_that_moves_waits_for_no_grace_of_what_nobody_understands() -> None:
    rig = graced()
    edit(rig.source.buildings, 20, city="Dallas")
    rig.source.garbled = {("spaces", 200)}

    rig.sync()

    assert "wp:room:200" not in rig.target.state()
    assert rig.target.find("wp:building:20")["LocationCity"] == "Dallas"


def test_what_takes_the_name_of_something_missing_waits_as_long() -> None:
    rig = graced()
    del rig.source.spaces[101]
    put(rig.source, space(300, "Gemini", 2))

    report = rig.sync()

    assert report.writes == 0
    assert reasons(rig) == {"wp:room:101": GRACE, "wp:room:300": GRACE}
    assert report.whole


def test_a_floor_number_that_only_shifts_because_a_floor_is_missing_waits() -> None:
    rig = synced()
    put(rig.source, Floor(8, "Floor 7", 10), Floor(9, "Mezzanine", 10))
    rig.sync()
    rig.guarded(replace(UNGUARDED, grace=WEEK))
    assert rig.target.find("wp:floor:9")["FloorNumber"] == "8"
    del rig.source.floors[8]

    assert rig.writes_of_sync() == []


def test_a_region_is_not_renamed_because_a_building_is_missing() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="HOUSTON")
    rig.sync()
    rig.guarded(replace(UNGUARDED, grace=WEEK))
    del rig.source.buildings[10]
    for id in (1, 2):
        del rig.source.floors[id]
    for id in (100, 101, 102):
        del rig.source.spaces[id]

    assert rig.writes_of_sync() == []


def test_a_real_change_beside_something_missing_goes_ahead() -> None:
    rig = graced()
    del rig.source.floors[4], rig.source.spaces[201]
    edit(rig.source.buildings, 20, name="Extension")
    edit(rig.source.spaces, 200, capacity=9)
    put(rig.source, space(300, "Vostok", 3))

    calls = rig.writes_of_sync()

    assert sorted(str(call.external_id) for call in calls) == ["wp:building:20", "wp:room:200", "wp:room:300"]


def test_a_missing_space_holds_back_no_count_of_floors() -> None:
    rig = graced()
    del rig.source.spaces[101]
    put(rig.source, Floor(9, "Floor 9", 10))

    assert sorted(call.table for call in rig.writes_of_sync()) == ["floors", "locations"]


def test_without_a_period_nothing_is_remembered_as_missing() -> None:
    rig = graced(grace=0.0)
    del rig.source.spaces[101]

    assert [call.external_id for call in rig.writes_of_sync()] == ["wp:room:101"]


def test_a_crash_forgets_no_period() -> None:
    rig = graced()
    start = rig.clock.time
    del rig.source.spaces[101]
    put(rig.source, space(300, "Vostok", 1))
    rig.killed_at(1, "after")
    assert entry(rig, "wp:room:101").missing_since == int(start)

    rig.clock.time = start + WEEK
    rig.sync()

    assert "wp:room:101" not in rig.target.state()


def test_a_clock_that_runs_back_deletes_nothing() -> None:
    rig = graced()
    del rig.source.spaces[101]
    rig.sync()
    rig.clock.time -= 10 * WEEK

    assert rig.writes_of_sync() == []


def test_what_was_missing_and_is_made_again_is_rebound() -> None:
    rig = graced()
    gemini = rig.source.spaces.pop(101)
    rig.sync()
    rig.clock.time += DAY
    put(rig.source, replace(gemini, id=300))

    assert [call.fields for call in rig.writes_of_sync()] == [("ExternalId",)]
    assert rig.plan().steps == ()
    assert entry(rig, "wp:room:300").missing_since == 0
