from dataclasses import replace

import pytest

from reconcilers.errors import EmptySource, TransientError
from reconcilers.model import Key, MappingState, Origin, State, content_digest
from reconcilers.plan import UNPROVEN
from reconcilers.policy import TAKEN
from reconcilers.steps import Update
from tests.engine.by_hand import twin
from tests.engine.rig import GateAfter, Rig
from tests.engine.samples import DESK, edit, put, space, space_in, synced, two_buildings

APOLLO = Key("wp:room:100")


def entries(rig: Rig):  # type: ignore[no-untyped-def]
    assert rig.store.entries is not None
    return rig.store.entries


def test_equal_content_has_an_equal_digest_and_other_content_another() -> None:
    assert (
        content_digest(("A", None, 1)) == content_digest(("A", None, 1)) != content_digest(("A", "1", None))
    )
    assert content_digest(("1",)) != content_digest((1,))


def test_a_mapping_is_dirty_only_where_something_changed() -> None:
    rig = synced()
    mapping = MappingState(dict(entries(rig)))

    mapping.put(entries(rig)[APOLLO])
    mapping.forget(Key("wp:room:999"))
    assert not mapping.dirty

    mapping.forget(APOLLO)
    assert mapping.dirty


def test_an_entry_says_what_where_and_since_when() -> None:
    entry = entries(synced())[APOLLO]

    assert (entry.parent, entry.variant) == ("wp:building:10", "MeetingSpace")
    assert (entry.state, entry.origin) == (State.SYNCED, Origin.CREATED)
    assert entry.first_synced <= entry.last_synced


def test_an_update_keeps_the_first_time_and_the_origin() -> None:
    rig = synced()
    before = entries(rig)
    rig.clock.time += 1000
    edit(rig.source.spaces, 100, name="Vostok")
    edit(rig.source.types, 53, name="Pod")

    rig.sync()

    after = entries(rig)
    assert after[APOLLO].first_synced == before[APOLLO].first_synced
    assert after[APOLLO].last_synced > before[APOLLO].last_synced
    assert after[APOLLO].digest != before[APOLLO].digest
    assert after[Key("wp:type:53")].origin is Origin.ADOPTED
    assert after[Key("wp:room:101")] == before[Key("wp:room:101")]


def test_what_is_gone_on_both_sides_is_forgotten() -> None:
    rig = synced()
    del rig.source.spaces[100]
    del rig.target.tables["rooms"][rig.target.find("wp:room:100")["id"]]

    rig.sync()

    assert APOLLO not in entries(rig)


def test_what_an_incomplete_source_misses_is_not_forgotten() -> None:
    rig = synced()
    rig.source.hidden = {("spaces", 100)}
    del rig.target.tables["rooms"][rig.target.find("wp:room:100")["id"]]

    rig.sync()

    assert APOLLO in entries(rig)


def test_what_cannot_be_read_is_not_forgotten() -> None:
    rig = synced()
    rig.source.garbled = {("spaces", 100)}
    del rig.target.tables["rooms"][rig.target.find("wp:room:100")["id"]]

    rig.sync()

    assert APOLLO in entries(rig)


def test_what_lost_its_external_id_is_known_by_its_internal_one() -> None:
    rig = synced()
    room = rig.target.find("wp:room:100")
    room["ExternalId"] = None

    (call,) = rig.writes_of_sync()

    assert (call.verb, call.fields) == ("PUT", ("ExternalId",))
    assert room["ExternalId"] == "wp:room:100"


def test_an_internal_id_is_told_apart_from_that_of_a_desk() -> None:
    rig = synced()
    aim = rig.target.state()
    room, desk = rig.target.tables["rooms"][1], rig.target.tables["desks"][1]
    room["ExternalId"] = desk["ExternalId"] = None

    rig.sync()

    assert rig.target.state() == aim


def test_an_external_id_given_to_another_one_by_hand_is_believed() -> None:
    rig = synced()
    aim = rig.target.state()
    room, gone = rig.target.find("wp:room:100"), rig.target.find("wp:room:101")
    del rig.target.tables["rooms"][gone["id"]]
    room["ExternalId"] = "wp:room:101"

    rig.sync()

    assert rig.target.state() == aim
    assert room["ResourceName"] == "Gemini"
    assert rig.target.refusals == []
    assert rig.plan().steps == ()


def test_of_two_with_one_external_id_the_older_is_it() -> None:
    rig = synced()
    older = rig.target.find(APOLLO)
    twin(rig.target, "rooms", older, ResourceName="Copied by hand")

    edit(rig.source.spaces, 100, name="Soyuz")

    (step,) = rig.plan().steps
    assert isinstance(step, Update)
    assert step.current.id == older["id"]


def test_an_external_id_of_another_system_makes_nothing_ours() -> None:
    rig = synced()
    hall = space_in(rig.target.find("wp:building:10")["id"], 1, 1, "0", "Hall")
    rig.target.insert("rooms", {**hall, "ExternalId": "hr:5"})

    rig.sync()

    assert not any(key.startswith("hr:") for key in entries(rig))
    assert rig.plan().steps == ()


def test_a_lost_mapping_is_learnt_again_as_recovered() -> None:
    rig = synced()
    known = set(entries(rig))
    rig.store.entries = None

    assert rig.writes_of_sync() == []
    assert set(entries(rig)) == known
    assert {entry.origin for entry in entries(rig).values()} == {Origin.RECOVERED}


def test_a_run_without_a_mapping_deletes_nothing_and_the_next_one_does() -> None:
    rig = synced()
    rig.store.entries = None
    del rig.source.spaces[100]

    assert rig.writes_of_sync() == []
    assert [call.verb for call in rig.writes_of_sync()] == ["DELETE"]


def test_a_container_whose_origin_is_not_known_any_more_stays() -> None:
    rig = synced()
    rig.store.entries = None
    rig.sync()
    edit(rig.source.buildings, 10, city="Dallas")
    edit(rig.source.buildings, 20, city="Dallas")

    rig.sync()

    assert "wp:city:US:houston" in rig.target.state()
    assert rig.plan().steps == ()


def test_an_entry_that_points_elsewhere_is_put_right() -> None:
    rig = synced()
    right = entries(rig)[APOLLO].id
    entries(rig)[APOLLO] = replace(entries(rig)[APOLLO], id=77)

    assert rig.writes_of_sync() == []
    assert entries(rig)[APOLLO].id == right


def test_what_was_withheld_is_not_remembered_as_done() -> None:
    rig = synced()
    before = entries(rig)[APOLLO]
    rig.source.hidden = {("spaces", 101)}
    edit(rig.source.spaces, 100, name="Vostok")

    rig.sync()

    assert entries(rig)[APOLLO] == before


def test_an_intention_is_remembered_before_the_create_is_sent() -> None:
    rig = Rig(two_buildings())
    rig.killed_at(1, "before")

    assert entries(rig)[APOLLO].state is State.CREATING
    assert entries(rig)[APOLLO].id is None


def test_what_was_removed_to_be_made_anew_and_was_not_is_nowhere_in_the_target() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, type=DESK)
    rig.target.refused.add(APOLLO)

    rig.sync()

    assert APOLLO not in rig.target.state()
    assert (entries(rig)[APOLLO].state, entries(rig)[APOLLO].id) == (State.REMOVING, None)


def test_letting_go_of_a_default_type_forgets_no_type_that_goes_on() -> None:
    rig = synced()
    desk = Key("wp:type:53")
    since = entries(rig)[desk].first_synced
    edit(rig.source.types, DESK, group="We Spaces")

    rig.sync()

    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] is None
    assert entries(rig)[desk].first_synced == since


def test_what_hangs_below_a_location_that_nobody_knows_any_more_is_read_there_until_it_can_move() -> None:
    rig = synced()
    aim = rig.target.state()
    annex = rig.target.find("wp:building:20")
    annex["ExternalId"] = None
    rig.store.entries = None
    waiting = {"wp:building:20": TAKEN, "wp:floor:3": UNPROVEN, "wp:room:200": UNPROVEN}
    assert {item.key: item.reason for item in rig.sync().plan.withheld}.items() >= waiting.items()

    assert {item.key for item in rig.sync().plan.withheld} >= waiting.keys()
    assert "wp:room:200" in rig.target.state()

    annex["ExternalId"] = "wp:building:20"
    rig.sync()

    assert rig.target.state() == aim
    assert rig.writes_of_sync() == []


def test_a_create_that_is_refused_again_commits_nothing_more() -> None:
    rig = synced()
    put(rig.source, space(300, "Vostok", 1))
    rig.target.refused = {"wp:room:300"}
    rig.sync()
    commits = rig.store.commits

    report = rig.sync()

    assert len(report.failed) == 1
    assert rig.store.commits == commits


def test_a_mapping_that_cannot_be_stored_ends_the_run_before_the_first_write() -> None:
    rig = Rig(two_buildings())

    def full(number: int, moment: str) -> None:
        raise TransientError("etcd is full", system="target")

    rig.store.fault = full
    report = rig.sync()

    assert isinstance(report.ended_by, TransientError)
    assert rig.target.writes == []


def test_a_mapping_is_committed_along_the_way() -> None:
    rig = Rig(two_buildings())
    rig.clock.step = 2.0

    rig.sync()

    assert rig.store.commits > 3


@pytest.mark.parametrize("listing", ["buildings", "centers"])
def test_an_empty_source_is_not_believed_where_the_mapping_knows_locations(listing: str) -> None:
    rig = synced()
    getattr(rig.source, listing).clear()

    with pytest.raises(EmptySource, match="nothing was written"):
        rig.sync()


def test_an_empty_source_is_fine_where_nothing_is_known() -> None:
    rig = Rig(two_buildings())
    rig.source.buildings.clear()

    assert rig.sync().ended_by is None


def test_buildings_that_cannot_be_read_are_not_none() -> None:
    rig = synced()
    rig.source.garbled = {("buildings", 10), ("buildings", 20)}

    assert rig.writes_of_sync() == []


def test_what_was_to_be_removed_and_came_back_is_synced_again() -> None:
    rig = synced()
    room = rig.source.spaces.pop(100)
    rig.gate = GateAfter(0)
    rig.sync()
    put(rig.source, room)
    rig.gate = lambda: None

    assert rig.writes_of_sync() == []
    assert entries(rig)[APOLLO].state is State.SYNCED
