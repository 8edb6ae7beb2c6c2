"""What may not happen: nothing foreign is touched, nothing goes without proof, nothing against the policy."""

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from reconcilers.errors import EmptySource, IncompleteAnswer
from reconcilers.policy import Policies
from reconcilers.source import Floor, SpaceType
from reconcilers.steps import Delete, Rebind, Replace
from reconcilers.sync import Settings
from tests.engine.memory_source import MemorySource
from tests.engine.memory_target import Call, MemoryTarget
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import (
    DESK,
    ME,
    ROOM,
    WE,
    building,
    edit,
    put,
    space,
    space_in,
    synced,
    two_buildings,
)
from tests.property.laws import builtins, difference, edit_all, sync_or_refuse
from tests.strategies import Edit, Hand, hands, histories, murky_histories, tidy_worlds

LISTINGS = ("buildings", "floors", "spaces", "types", "centers")
PAGED = {"buildings": "wp:building:", "floors": "wp:floor:", "spaces": "wp:room:", "types": "wp:type:"}


@given(tidy_worlds(), murky_histories, st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(
    source: MemorySource, history: list[list[Edit]], random: random.Random
) -> None:
    rig = Rig(source)
    for edits in [[], *history]:
        edit_all(source, edits)
        if not source.buildings or not source.centers:
            return
        plan = rig.plan()
        source.order = lambda items: random.sample(list(items), len(items))
        shuffled = rig.plan()

        assert (shuffled.digest, shuffled.withheld) == (plan.digest, plan.withheld)
        rig.sync()


def add_foreigners(target: MemoryTarget) -> None:
    """Hand-made entities at every level, with and without an external id of their own."""
    country = target.insert(
        "countries", {"ResourceName": "Narnia", "CountryCode": "NA", "ExternalId": "hr:1"}
    )
    region = target.insert("regions", {"ResourceName": "Cair", "InternalParentId": country})
    group = target.insert("groups", {"ResourceName": "Kings", "InternalParentId": country})
    lobby = {"ResourceName": "Lobby", "InternalParentId": region, "GroupIds": [group], "ExternalId": "hr:9"}
    location = target.insert("locations", lobby)
    floor = {"ResourceName": "0", "InternalParentId": location, "FloorNumber": "0"}
    target.insert("floors", floor)
    kind = target.insert("workspaceTypes", {"ResourceName": "Throne", "Family": "Hourly"})
    target.insert("rooms", space_in(location, group, kind, "0", "Hall"))


def settle_in(target: MemoryTarget, pick: int) -> None:
    """Hand-made floors, groups and rooms below what is ours, under names that ours want too."""
    locations = list(target.tables["locations"].values())
    if not locations:
        return
    location = locations[pick % len(locations)]
    country = target.tables["regions"][location["InternalParentId"]]["InternalParentId"]
    group = target.insert("groups", {"ResourceName": f"Team {pick}", "InternalParentId": country})
    location["GroupIds"].append(group)
    number = str(40 + pick)
    floor = {"ResourceName": f"Roof {pick}", "InternalParentId": location["id"], "FloorNumber": number}
    target.insert("floors", floor)
    names = {row["ResourceName"].casefold() for row in target.tables["rooms"].values()}
    names |= {row["ResourceName"].casefold() for row in target.tables["desks"].values()}
    name = "B" if "b" not in names else f"Nest {pick}"
    target.insert("rooms", {**space_in(location["id"], group, 1, number, name), "ExternalId": "hr:5"})


def foreign_rows(target: MemoryTarget) -> dict[tuple[str, int], dict[str, Any]]:
    return {
        (table, row["id"]): dict(row)
        for table, row in target.rows()
        if not str(row["ExternalId"]).startswith("wp:") and not row.get("builtin")
    }


@given(tidy_worlds(), murky_histories, st.integers(0, 5))
def test_what_is_not_ours_is_never_touched(
    source: MemorySource, history: list[list[Edit]], pick: int
) -> None:
    rig = Rig(source)
    add_foreigners(rig.target)
    rig.sync()
    settle_in(rig.target, pick)
    theirs = foreign_rows(rig.target)

    for edits in history:
        edit_all(source, edits)
        sync_or_refuse(rig)

        assert foreign_rows(rig.target) == theirs
        assert rig.target.refusals == []


def lose(target: MemoryTarget, external_id: str, *rooms: str) -> None:
    """A person takes away an external id, and rooms."""
    target.find(external_id)["ExternalId"] = None
    for room in rooms:
        del target.tables["rooms"][target.find(room)["id"]]


def losing(*external_ids: str) -> list[Hand]:
    return [Hand("lose", external_ids, lose)]


@example(two_buildings(), losing("wp:building:10", "wp:room:100", "wp:room:101"))
@example(two_buildings(), losing("wp:group:US", "wp:room:100", "wp:room:101"))
@example(two_buildings(), losing("wp:floor:1", "wp:room:100", "wp:room:101"))
@example(two_buildings(), losing("wp:city:US:houston", "wp:room:100", "wp:room:101"))
@given(tidy_worlds(), st.lists(hands, min_size=1, max_size=4))
def test_what_hands_did_to_ours_is_healed(source: MemorySource, meddling: list[Hand]) -> None:
    rig = Rig(source)
    rig.sync()
    aim = rig.target.state()

    for hand in meddling:
        hand(rig.target)
    before, sent = rig.target.state(), rig.target.sent
    nobodys: dict[tuple[str, int], dict[str, Any]] = {}
    try:
        rig.sync()
    except IncompleteAnswer:
        # So much is missing at once that the listing is not believed; the sentence says what to do.
        assert rig.target.sent == sent
        nobodys = foreign_rows(rig.target)
        rig.store.entries = None
        rig.sync()

    if nobodys:  # what lost its external id was known by the mapping alone: now it is as if made by hand
        assert {key for key in before if key.startswith("wp:")} <= set(rig.target.state())
        left = foreign_rows(rig.target)
        assert left == {place: row for place, row in nobodys.items() if place in left}
        assert {table for table, _ in nobodys.keys() - left.keys()} <= {"countries", "regions"}
    else:
        assert difference(rig.target.state(), aim) == {}
    assert rig.target.refusals == []
    assert rig.plan().steps == ()


def removable(target: MemoryTarget) -> set[str]:
    """What could be lost: all but what came with the product, which is given back at the most."""
    return set(target.state()) - builtins(target).keys()


def without_free_builtins(target: MemoryTarget) -> set[str]:
    """All but what came with the product and stands for nothing."""
    return set(target.state()) - set(builtins(target).values())


def misreadings(
    rig: Rig, other: Rig, history: list[list[Edit]], listing: str, lost: int
) -> Iterator[tuple[list[int], int]]:
    """After each edit the ids of a listing, and one of them to be lost; then both rigs end alike.

    But for what came with the product and stands for nothing in one of them: who seemed to have its name
    alone adopted it meanwhile.
    """
    source = rig.source
    for edits in history:
        edit_all(source, edits)
        records = sorted(getattr(source, listing))
        if not source.buildings or not source.centers or not records:
            return
        yield records, records[lost % len(records)]
        source.hidden, source.slipped = set(), set()
        rig.sync()
        other.sync()
        ends = without_free_builtins(rig.target), without_free_builtins(other.target)
        assert ends[0] == ends[1] or rig.plan().withheld


def no_desk() -> MemorySource:
    source = two_buildings()
    edit(source.types, DESK, name="Pod")
    return source


def two_desks(source: MemorySource) -> None:
    """Of two families; what came with the product has the name of both."""
    put(source, SpaceType(ROOM, "Desk", WE), SpaceType(60, "Desk", ME))


@given(tidy_worlds(), histories, st.sampled_from(LISTINGS), st.integers(1, 9))
@example(no_desk(), [[Edit("two desks", (), two_desks)]], "types", 0)
def test_an_incomplete_source_deletes_and_replaces_nothing_and_the_next_run_recovers(
    source: MemorySource, history: list[list[Edit]], listing: str, lost: int
) -> None:
    rig, other = Rig(source), Rig(source)
    rig.sync()
    other.sync()
    for _, id in misreadings(rig, other, history, listing, lost):
        source.hidden = {(listing, id)}
        before = removable(rig.target)

        report = sync_or_refuse(rig)

        assert rig.target.refusals == []
        if report is not None and report.gaps:
            assert not any(isinstance(step, Delete | Replace) for step in report.plan.steps)
            assert before <= set(rig.target.state())
        else:
            # A center that names no building is missed by nobody.
            assert report is None or (
                listing == "centers" and not source.centers[id].buildings & source.buildings.keys()
            )


def turn_the_desk(source: MemorySource) -> None:
    """What stands for a type that came with the product changes its family, and its new name is taken."""
    del source.types[ROOM]
    edit(source.types, DESK, name="Conference", group=WE)


@given(tidy_worlds(), histories, st.sampled_from(sorted(PAGED)), st.integers(1, 9))
@example(two_buildings(), [[Edit("turn the desk", (), turn_the_desk)]], "buildings", 1)
def test_what_slipped_from_page_to_page_is_not_gone_though_the_counts_agree(
    source: MemorySource, history: list[list[Edit]], listing: str, lost: int
) -> None:
    rig, other = Rig(source), Rig(source)
    rig.sync()
    other.sync()
    for records, id in misreadings(rig, other, history, listing, lost):
        source.slipped = {(listing, id)}
        shown = {f"{PAGED[listing]}{number}" for number in records if number != id}
        known = {key for key in rig.store.entries or {} if key.startswith(PAGED[listing])}
        before = removable(rig.target)

        report = sync_or_refuse(rig)

        assert rig.target.refusals == []
        if not known <= shown:
            assert report is None or "page to page" in " ".join(map(str, report.gaps))
            assert before <= set(rig.target.state())


def recode(source: MemorySource) -> None:
    """Another code beside the same name of a country: its path is known in the target."""
    for id in source.buildings:
        edit(source.buildings, id, country_code="DE")


@given(tidy_worlds(), histories.map(lambda history: history[0]), st.booleans())
@example(two_buildings(), [Edit("recode", (), recode)], False)
def test_a_lost_mapping_is_rebuilt_without_duplicates_and_that_run_deletes_nothing(
    source: MemorySource, changes: list[Edit], killed: bool
) -> None:
    rig = Rig(source)
    if killed:
        rig.killed_at(5, "after")
    else:
        rig.sync()
    rig.store.entries = None
    before = removable(rig.target)
    edit_all(source, changes)

    report = rig.sync()

    assert not any(isinstance(step, Delete | Replace) for step in report.plan.steps)
    renamed = {str(step.old): str(step.entity.key) for step in report.plan.steps if isinstance(step, Rebind)}
    assert {renamed.get(key, key) for key in before} <= set(rig.target.state())
    assert rig.target.refusals == []
    ours = [row["ExternalId"] for _, row in rig.target.rows() if row["ExternalId"]]
    assert len(ours) == len(set(ours))
    entries = rig.store.entries
    assert entries is not None
    assert {str(entry.key) for entry in entries.values() if entry.id is not None} == set(ours)


@given(tidy_worlds(), murky_histories, st.sets(st.sampled_from(["Create", "Update", "Delete"])))
def test_management_policies_are_kept(
    source: MemorySource, history: list[list[Edit]], allowed: set[str]
) -> None:
    rig = Rig(source)
    rig.sync()
    rig.settings = Settings(guards=UNGUARDED, policies=Policies(frozenset({"Observe", *allowed})))
    for edits in history:
        edit_all(source, edits)
        before = len(rig.target.writes)
        sync_or_refuse(rig)

        assert policies_of(rig.target.writes[before:]) <= allowed
        assert rig.target.refusals == []


def policies_of(calls: list[Call]) -> set[str]:
    """What must be allowed for the calls of one run; a location that is made is given its group with that."""
    made = {call.external_id for call in calls if (call.verb, call.table) == ("POST", "locations")}
    word = {"POST": "Create", "PUT": "Update", "DELETE": "Delete"}
    return {
        "Update" if call.table == "locations/groups" and call.external_id not in made else word[call.verb]
        for call in calls
    }


def test_a_location_that_is_made_is_given_its_group_without_the_right_to_update() -> None:
    rig = synced()
    rig.settings = Settings(guards=UNGUARDED, policies=Policies(frozenset({"Observe", "Create"})))
    put(rig.source, building(30, "Hangar"), Floor(9, "1", 30), space(300, "Vostok", 9))
    edit(rig.source.centers, 95, buildings=frozenset({10, 20, 30}))

    calls = rig.writes_of_sync()

    assert [call.table for call in calls] == ["locations", "locations/groups", "floors", "rooms"]
    assert policies_of(calls) == {"Create"}


@given(tidy_worlds(), st.sampled_from(["buildings", "centers"]))
def test_an_empty_source_is_not_believed(source: MemorySource, listing: str) -> None:
    rig = Rig(source)
    rig.sync()
    known = any(str(key).startswith("wp:building:") for key in rig.store.entries or {})
    before, sent = rig.target.state(), rig.target.sent
    getattr(source, listing).clear()

    try:
        rig.sync()
        assert not known
    except EmptySource:
        assert known
        assert (rig.target.state(), rig.target.sent) == (before, sent)
