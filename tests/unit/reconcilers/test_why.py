import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcilers.errors import ConfigError, SyncError
from reconcilers.guard import WHY_HELD, Budget, Guards, Required
from reconcilers.levels import LEVELS
from reconcilers.model import Key
from reconcilers.policy import Policies
from reconcilers.source import Center, SpaceType, Unreadable
from reconcilers.steps import EXTERNAL_ID, Create, Delete, Rebind, Release, Step, key_of
from reconcilers.sync import Settings, View, look
from reconcilers.translate import Defaults, Scope, translate
from reconcilers.why import FORMS, Explanation, explain
from reconcilers.why_fields import UNEXPLAINED, FieldAnswer
from tests.engine.memory_source import MemorySource
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import DESK, HALL, building, edit, put, space, synced, two_buildings
from tests.strategies import Edit, Hand, hands, murky_histories, tidy_worlds

ABSENT = ["wp:country:ZZ", "wp:city:ZZ:nowhere", "wp:group:ZZ", "wp:type:999", "wp:building:999",
          "wp:floor:999", "wp:room:999"]  # fmt: skip


def seen(rig: Rig) -> View:
    return asyncio.run(look(rig.ports(), rig.settings))


def why(rig: Rig, key: str) -> Explanation:
    """The answer; asking must neither write nor remember."""
    before = len(rig.target.writes), rig.store.commits
    answer = explain(seen(rig), Key(key), rig.settings)
    assert (len(rig.target.writes), rig.store.commits) == before
    return answer


# The law


def told_differences(fields: tuple[FieldAnswer, ...]) -> set[tuple[str, object, object]]:
    return {(field.field, field.held, field.wanted) for field in fields if field.differs}


def changes_of(steps: list[Step]) -> set[tuple[str, object, object]]:
    """What the plan says of the entity itself; a release beside another step is of another entity."""
    own = [step for step in steps if not isinstance(step, Release)] or steps
    found: set[tuple[str, object, object]] = set()
    for step in own:
        if isinstance(step, Create):
            fields = LEVELS[step.entity.kind].fields
            pairs = zip(fields, step.entity.values, strict=True)
            found |= {(field.name, None, value) for field, value in pairs if value is not None}
        elif not isinstance(step, Delete):
            found |= {(change.field, change.old, change.new) for change in step.changes}
    return found


def keys_of(view: View) -> Iterator[Key]:
    yield from view.desired.entities
    yield from view.pairing.current_of
    yield from (skip.key for skip in view.desired.skips)
    yield from view.mapping.entries
    yield from map(Key, ABSENT)


def check(view: View, settings: Settings) -> None:
    """Every answer agrees with the plan."""
    plan = view.plan
    withheld = {item.key for item in plan.withheld}
    held = {key_of(item.step): item.reason for item in plan.held}
    for key in set(keys_of(view)):
        answer = explain(view, key, settings)
        steps = [step for step in plan.steps if key_of(step) == key]
        bound_away = [step for step in plan.steps if isinstance(step, Rebind) and step.old == key]
        idle = any(sentence.startswith("Nothing will be done") for sentence in answer.outcome)
        assert idle == (not steps and not bound_away and key not in withheld), answer
        if key not in withheld:
            assert told_differences(answer.fields) == changes_of(steps), answer
        assert UNEXPLAINED not in [field.why for field in answer.fields if field.wanted is not None], answer
        assert all((answer.source, answer.scope, answer.match, answer.outcome))
        assert ("waits for an approval" in " ".join(answer.outcome)) == (key in held), answer


guard_choices = st.sampled_from(
    [UNGUARDED, Guards(), Guards(required=Required.ALWAYS), Guards(deletions=Budget(1, 1), hold_unknown=True),
     replace(UNGUARDED, grace=1000.0)]
)  # fmt: skip
policy_choices = st.sampled_from([{"*"}, {"*"}, {"Observe"}, {"Observe", "Create"}]).map(
    lambda allowed: Policies(frozenset(allowed))
)
scope_choices = st.sampled_from([Scope(), Scope(False, False), Scope(countries=frozenset({"US"}))])
default_choices = st.sampled_from([Defaults(), Defaults("DE", "Europe/Berlin", "Everyone")])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    tidy_worlds(),
    murky_histories,
    st.lists(hands, max_size=3),
    guard_choices,
    policy_choices,
    scope_choices,
    default_choices,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "floors", "spaces", "buildings"]),
)
def test_every_answer_agrees_with_the_plan(
    source: MemorySource,
    history: list[list[Edit]],
    meddling: list[Hand],
    guards: Guards,
    policies: Policies,
    scope: Scope,
    defaults: Defaults,
    forgotten: bool,
    made_anew: bool,
    hidden: str,
) -> None:
    rig = Rig(source)
    rig.settings = Settings(guards=UNGUARDED, scope=scope, defaults=defaults)
    check(seen(rig), rig.settings)
    rig.sync()
    for hand in meddling:
        hand(rig.target)
    rig.settings = Settings(guards=guards, policies=policies, scope=scope, defaults=defaults)
    for edits in history:
        for each in edits:
            each(source)
        if made_anew and source.spaces:
            first = min(source.spaces)
            source.spaces[first + 20] = replace(source.spaces.pop(first), id=first + 20)
        if hidden and (ids := sorted(getattr(source, hidden))):
            source.hidden = {(hidden, ids[0])}
        writes, commits = len(rig.target.writes), rig.store.commits
        try:
            check(seen(rig), rig.settings)
        except SyncError:
            return  # nothing can be planned, so there is nothing to explain
        assert (len(rig.target.writes), rig.store.commits) == (writes, commits)
        rig.sync()
        if forgotten:
            rig.store.entries = None


# Where it is in the source


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("wp:country:US", "it comes from the buildings that are there: wp:building:10, wp:building:20."),
        ("wp:city:US:houston", "it comes from the buildings that are there: wp:building:10, wp:building:20."),
        ("wp:group:US", "it comes from the buildings that are there: wp:building:10, wp:building:20."),
        ("wp:type:53", 'type 53 "Desk" in the group "Me Spaces".'),
        ("wp:building:10", 'building 10 "Tower", city Houston, country code US.'),
        ("wp:floor:4", 'floor 4 "B1" of building 20 "Annex".'),
        ("wp:room:201", 'space 201 "D-1", on floor 4 "B1" of building 20 "Annex", '
                        'type 53 "Desk" in the group "Me Spaces", reservable.'),
    ],
)  # fmt: skip
def test_each_kind_is_told_as_the_source_lists_it_and_as_in_step(key: str, told: str) -> None:
    answer = why(synced(), key)

    assert answer.source[0].endswith(told)
    assert answer.scope[0].startswith("In scope: ")
    assert answer.match[0].startswith("Matched by its external id: ")
    assert answer.match[1].startswith("The mapping has it as Synced (synchronised), ")
    assert "first synchronised 2023-11-14T22:1" in answer.match[1]
    assert not any(field.differs for field in answer.fields)
    assert answer.outcome == ("Nothing will be done: the target holds it as it shall be.",)


def test_a_record_that_cannot_be_read_is_there_and_keeps_what_it_has() -> None:
    rig = synced()
    rig.source.garbled = {("spaces", 100)}
    answer = why(rig, "wp:room:100")

    assert answer.source == ("The source lists it, but it cannot be read: garbled.",)
    assert answer.scope[0] == "Left out (Invalid): its record cannot be read; correct it in the source."
    assert answer.outcome == (
        "Nothing will be done: it is there but not understood, so what the target holds of it stays.",
    )


def test_what_an_incomplete_source_does_not_list_is_not_proven_gone() -> None:
    rig = synced()
    rig.source.hidden = {("spaces", 100)}
    answer = why(rig, "wp:room:100")

    assert "which does not prove that it is gone" in answer.source[0]
    assert "4 records were listed, but the source counts 5" in answer.source[0]
    assert "nothing counts as gone" in answer.outcome[0]


# In scope, or why not


@pytest.mark.parametrize(
    ("key", "change", "reason", "told"),
    [
        ("wp:building:20", lambda s: put(s, Center(95, "UTC", frozenset({10}))), "NoReservationCenter",
         "add the building to a center, or set spec.scope.requireReservationCenter: false"),
        ("wp:building:20", lambda s: edit(s.buildings, 20, country_code="DE"), "OutOfScope",
         "its country DE is not in spec.scope.countries (US); add it there"),
        ("wp:building:20", lambda s: edit(s.buildings, 20, country_code="USA"), "NoCountry",
         'the country code of its address, "USA", is not one of two letters, and spec.defaults.country is'),
        ("wp:building:20", lambda s: put(s, Center(95, "Mars/X", frozenset({20}))), "NoTimeZone",
         'center 95 says "Mars/X"), spec.defaults.timeZone is not set'),
        ("wp:floor:3", lambda s: edit(s.floors, 3, building=7), "Orphan",
         "it is on building 7, which cannot be read or is not listed; put it on one that is listed"),
        ("wp:room:200", lambda s: edit(s.spaces, 200, floor=7), "Orphan",
         "it is on floor 7, which cannot be read or is not listed; put it on one that is listed"),
        ("wp:room:200", lambda s: edit(s.spaces, 200, floor=None), "Orphan",
         "it is on no floor; put it on one that is listed"),
        ("wp:room:200", lambda s: edit(s.spaces, 200, type=HALL), "NotBookableType",
         'its type 54 "Hall" in the group "None" is neither in We Spaces nor in Me Spaces'),
        ("wp:room:200", lambda s: edit(s.spaces, 200, reservable=False), "NotReservable",
         "it is not reservable; make it so, or set spec.scope.reservableOnly: false"),
        ("wp:room:200", lambda s: edit(s.spaces, 200, type=9), "Invalid",
         "it has type 9, which cannot be read or is not listed"),
        ("wp:room:200", lambda s: edit(s.buildings, 20, country_code=""), "NoCountry",
         "its building wp:building:20 is: the country code of its address"),
        ("wp:room:200", lambda s: edit(s.floors, 3, building=None), "Orphan",
         "its floor wp:floor:3 is: it is on no building"),
        ("wp:room:200", lambda s: s.garbled.add(("floors", 3)), "Invalid",
         "its floor wp:floor:3 is: its record cannot be read"),
    ],
)  # fmt: skip
def test_what_is_left_out_says_which_field_decides_and_what_to_do(
    key: str, change: Any, reason: str, told: str
) -> None:
    rig = synced()
    rig.settings = Settings(guards=UNGUARDED, scope=Scope(countries=frozenset({"US"})))
    change(rig.source)
    answer = why(rig, key)

    assert answer.scope[0].startswith(f"Left out ({reason}): ")
    assert told in answer.scope[0]
    kept = reason in ("NoCountry", "NoTimeZone", "Orphan", "Invalid")
    assert ("stays" in answer.scope[1]) == kept
    assert answer.outcome[0].startswith(
        "Nothing will be done" if kept else "A run that applies will delete it"
    )


def test_the_rule_by_which_a_building_is_in_scope_is_named() -> None:
    rig = synced()
    assert "reservation center 95 names its building, and every country is allowed (US)" in str(
        why(rig, "wp:building:10").scope
    )
    rig.settings = Settings(guards=UNGUARDED, scope=Scope(False, False, frozenset({"US"})))
    edit(rig.source.spaces, 100, reservable=False)
    assert "spec.scope.requireReservationCenter is false" in str(why(rig, "wp:building:10").scope)
    assert "spec.scope.countries names its country (US)" in str(why(rig, "wp:building:10").scope)
    assert "spec.scope.reservableOnly is false" in str(why(rig, "wp:room:100").scope)


def test_a_type_that_nobody_books_and_a_city_without_a_building_in_scope_are_left_out() -> None:
    rig = synced()
    put(rig.source, building(30, "Far", "Dallas"))

    assert 'its group "None" is neither We Spaces nor Me Spaces' in why(rig, "wp:type:54").scope[0]
    city = why(rig, "wp:city:US:dallas")
    assert "left out are wp:building:30 (NoReservationCenter)" in city.scope[0]
    assert city.source[0].endswith("it comes from the buildings that are there: wp:building:30.")


def test_a_country_with_groups_of_its_own_gets_no_default_group() -> None:
    rig = Rig(two_buildings())
    country = rig.target.insert("countries", {"ResourceName": "USA", "CountryCode": "US"})
    rig.target.insert("groups", {"ResourceName": "Team", "InternalParentId": country})
    answer = why(rig, "wp:group:US")

    assert "has groups of its own in the target, so no default group is made" in answer.scope[0]
    assert answer.outcome[0].startswith("Nothing will be done")
    told = {field.field: field.why for field in why(rig, "wp:building:10").fields}
    assert told["GroupId"] == "the lowest group that its country has, added before its first resource"


# How it is matched


def test_the_mapping_fills_in_for_an_external_id_that_is_empty_or_another() -> None:
    for held, carried in ((None, "carries no external id"), ("hr:7", "carries the external id hr:7")):
        rig = synced()
        rig.target.find("wp:floor:1")["ExternalId"] = held
        answer = why(rig, "wp:floor:1")

        assert answer.match[0].startswith("Matched by the mapping, which knows its internal id: ")
        assert answer.match[0].endswith(f"{carried}.")
        assert [(f.field, f.held, f.wanted) for f in answer.fields if f.differs] == [
            (EXTERNAL_ID, held, "wp:floor:1")
        ]
        assert answer.outcome == ("A run that applies will update it (ExternalId).",)


@pytest.mark.parametrize(
    ("key", "by"),
    [
        ("wp:country:US", "its country code (adopted)"),
        ("wp:city:US:houston", "its name (adopted)"),
        ("wp:type:53", "its name and family, as it came with the product (adopted)"),
    ],
)
def test_what_is_adopted_says_by_what(key: str, by: str) -> None:
    rig = Rig(two_buildings())
    country = rig.target.insert("countries", {"ResourceName": "USA", "CountryCode": "US"})
    rig.target.insert("regions", {"ResourceName": "HOUSTON", "InternalParentId": country})
    answer = why(rig, key)

    assert answer.match[0].startswith(f"Matched by {by}: ")
    assert answer.outcome[0].startswith("A run that applies will adopt what is there (")


def test_a_country_of_another_code_is_adopted_by_its_name() -> None:
    rig = Rig(two_buildings())
    row = {"ResourceName": "United States of America", "CountryCode": ""}
    rig.target.insert("countries", row)

    assert "Matched by its name (adopted)" in why(rig, "wp:country:US").match[0]


def test_what_the_source_made_anew_is_told_under_both_keys() -> None:
    rig = synced()
    rig.source.spaces[300] = replace(rig.source.spaces.pop(100), id=300)
    new, old = why(rig, "wp:room:300"), why(rig, "wp:room:100")

    assert new.match[0].startswith("Matched by its path, as the source made it anew under another id: ")
    assert new.outcome == (
        "A run that applies will bind what is there to its new id (ExternalId, which was wp:room:100).",
    )
    assert old.match[0] == 'What stood for it in the target stands for wp:room:300 "Apollo" now.'
    assert old.outcome == ('It goes on as wp:room:300 "Apollo"; ask about that.',)

    rig.settings = replace(rig.settings, policies=Policies(frozenset({"Observe"})))
    assert why(rig, "wp:room:300").match == new.match
    assert (
        why(rig, "wp:room:100").outcome[0].startswith("Nothing will be done under this key: it goes on as ")
    )


def test_what_the_target_lost_is_told_by_what_the_mapping_knows() -> None:
    rig = synced()
    id = rig.target.find("wp:room:101")["id"]
    del rig.target.tables["rooms"][id]
    answer = why(rig, "wp:room:101")

    assert answer.match[0] == (
        f"Not matched: the target does not list internal id {id}, by which the mapping knows it."
    )
    assert answer.outcome == ("A run that applies will create it.",)


def test_a_create_that_was_only_intended_is_told_as_such() -> None:
    rig = Rig(two_buildings())
    assert rig.killed_at(1, "before")
    answer = why(rig, "wp:room:100")

    told = "Creating (a create was intended; whether it happened is told by its external id)"
    assert told in answer.match[1]
    assert answer.match[0] == "Not matched: nothing in the target bears its external id."


# Field by field


def reasons(source: MemorySource, key: str, **options: Any) -> dict[str, str]:
    rig = Rig(source, settings=Settings(guards=UNGUARDED, **options))
    return {field.field: field.why for field in why(rig, key).fields}


@pytest.mark.parametrize(
    ("key", "field", "change", "told"),
    [
        ("wp:building:20", "ResourceName", lambda s: edit(s.buildings, 20, name="Tower", code="X"),
         'the building\'s name, "Tower", is taken by wp:building:10, so its code is added'),
        ("wp:building:20", "ResourceName", lambda s: edit(s.buildings, 20, name="Tower"),
         "so its id is added"),
        ("wp:building:20", "ResourceName", lambda s: edit(s.buildings, 20, name="", code="X"),
         "the building's code, as it has no name"),
        ("wp:building:20", "ResourceName", lambda s: edit(s.buildings, 20, name=" "),
         "its id, as it has neither name nor code"),
        ("wp:room:101", "ResourceName", lambda s: edit(s.spaces, 101, name="Apollo"),
         'the space\'s name, "Apollo", is taken by wp:room:100, so its floor\'s name is added'),
        ("wp:room:101", "MaxCapacity", lambda s: edit(s.spaces, 101, capacity=0), "at least 1; it says 0"),
        ("wp:room:101", "MaxCapacity", lambda s: edit(s.spaces, 101, capacity=None),
         "it has no capacity, so 1"),
        ("wp:room:102", "MaxCapacity", lambda s: None, "a personal space is for one"),
        ("wp:floor:2", "ResourceName", lambda s: edit(s.floors, 2, name=""), "its number, as it has no name"),
        ("wp:floor:2", "FloorNumber", lambda s: edit(s.floors, 2, name="Mezzanine"),
         "its name tells no number, so the next free one above the highest that a name there tells"),
        ("wp:floor:2", "FloorNumber", lambda s: edit(s.floors, 2, name="Lobby"),
         "its name tells 0, but wp:floor:1 has that, so the next free one above the highest"),
        ("wp:floor:4", "FloorNumber", lambda s: None, "read from its name"),
        ("wp:city:US:houston", "ResourceName", lambda s: None,
         "the city as building 10 writes it, the lowest id in scope there"),
        ("wp:city:US:unspecified", "ResourceName", lambda s: edit(s.buildings, 20, city=""),
         "building 20 has neither city nor state"),
        ("wp:city:US:texas", "ResourceName", lambda s: edit(s.buildings, 20, city="", state="Texas"),
         "the state of building 20, as it has no city"),
        ("wp:country:US", "ResourceName", lambda s: edit(s.buildings, 10, country_name=""),
         "as building 20 writes it, the lowest id that does"),
        ("wp:country:DE", "ResourceName", lambda s: edit(s.buildings, 20, country_code="DE", country_name=""),
         "the tz database's name of it, as the source has none"),
        ("wp:type:52", "ResourceName", lambda s: put(s, SpaceType(40, "Conference", "We Spaces")),
         'the type\'s name, "Conference", is taken by wp:type:40, so its id is added'),
        ("wp:type:53", "ResourceName", lambda s: put(s, SpaceType(53, "Desk", "We Spaces")),
         "is taken by internal id 2, which is not ours, so its id is added"),
        ("wp:group:US", "ResourceName", lambda s: None,
         'spec.defaults.groupName, "{country} Default Group", with the country\'s name'),
        ("wp:building:10", "TimeZone", lambda s: put(s, Center(7, "Mars/X", frozenset({10}))),
         "reservation center 95 says America/Chicago, the lowest id of 7, 95 that tells one; "
         "this is its Windows name"),
        ("wp:building:10", "TimeZone",
         lambda s: put(s, Center(95, "", frozenset({10})), building(10, "Tower", country_code="DE")),
         "the only zone of DE, as no center of it tells one and spec.defaults.timeZone is not set"),
        ("wp:building:10", "GroupId", lambda s: None, "the default group of its country"),
        ("wp:building:30", "GroupId",
         lambda s: put(s, building(30, "Bare"), Center(5, "UTC", frozenset({30}))), None),
    ],
)  # fmt: skip
def test_every_value_names_the_rule_that_gives_it(
    key: str, field: str, change: Any, told: str | None
) -> None:
    source = two_buildings()
    change(source)
    found = reasons(source, key).get(field)

    if told is None:
        assert found is None
    else:
        assert told in str(found)


def test_defaults_are_named_where_they_are_used() -> None:
    source = two_buildings()
    edit(source.buildings, 10, country_code="")
    source.centers[95] = replace(source.centers[95], time_zone="")
    defaults = Defaults("DE", "Asia/Kolkata", "All")

    assert reasons(source, "wp:country:DE", defaults=defaults)["CountryCode"] == (
        "spec.defaults.country, as its buildings have none"
    )
    assert reasons(source, "wp:building:10", defaults=defaults)["TimeZone"] == (
        "spec.defaults.timeZone, Asia/Kolkata, as no center of it tells one; this is its Windows name"
    )
    assert reasons(source, "wp:group:DE", defaults=defaults)["ResourceName"] == (
        'spec.defaults.groupName, "All", with the country\'s name'
    )


# What will happen


def outcome(rig: Rig, key: str, guards: Guards | None = None, policies: Policies | None = None) -> str:
    rig.settings = replace(
        rig.settings, guards=guards or rig.settings.guards, policies=policies or rig.settings.policies
    )
    return " ".join(why(rig, key).outcome)


def test_each_step_is_told_as_what_it_does() -> None:
    rig = synced()
    put(rig.source, space(300, "Vostok", 1))
    edit(rig.source.spaces, 100, name="Soyuz")
    edit(rig.source.spaces, 101, type=DESK)
    del rig.source.spaces[200]
    put(rig.source, SpaceType(DESK, "Desk", "None"))

    assert outcome(rig, "wp:room:300") == "A run that applies will create it."
    assert outcome(rig, "wp:room:100") == "A run that applies will update it (ResourceName)."
    assert outcome(rig, "wp:room:200") == (
        "A run that applies will delete it (gone from the source). Bookings at risk: unknown."
    )
    assert outcome(rig, "wp:type:53") == (
        "A run that applies will clear its external id "
        "(came with the product, so it is released and not deleted)."
    )
    put(rig.source, SpaceType(DESK, "Desk", "Me Spaces"))
    assert outcome(rig, "wp:room:101") == (
        "A run that applies will delete it and make it anew (ResourceType cannot be changed in place). "
        "Bookings at risk: unknown."
    )


def test_a_type_whose_family_changes_is_given_back_and_made() -> None:
    rig = synced()
    put(rig.source, SpaceType(DESK, "Desk", "We Spaces"))

    told = outcome(rig, "wp:type:53")
    assert "clear its external id (its family cannot be changed, so it is released)" in told
    assert "A run that applies will create it." in told


@pytest.mark.parametrize(
    ("guards", "key", "why_held"),
    [
        (Guards(required=Required.ALWAYS), "wp:room:100", "EveryStep"),
        (replace(UNGUARDED, required=Required.DESTRUCTIVE), "wp:building:20", "Destructive"),
        (replace(UNGUARDED, required=Required.DESTRUCTIVE), "wp:room:200", "BelowDestroyed"),
        (replace(UNGUARDED, hold_unknown=True), "wp:room:201", "UnknownBookings"),
        (replace(UNGUARDED, below_location=Budget(1, 1)), "wp:room:200", "SubtreeBudget"),
    ],
)
def test_a_held_step_says_why_it_waits(guards: Guards, key: str, why_held: str) -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Soyuz")
    del rig.source.buildings[20]
    for id in (200, 201):
        del rig.source.spaces[id]
    for id in (3, 4):
        del rig.source.floors[id]
    rig.source.centers[95] = Center(95, "America/Chicago", frozenset({10}))

    told = outcome(rig, key, guards)
    assert told.startswith("It waits for an approval to ")
    assert WHY_HELD[why_held] in told


def test_a_step_that_several_guards_hold_names_them_all() -> None:
    rig = synced()
    rig.bookings.unknown = False
    rig.bookings.of[rig.target.find("wp:room:200")["id"]] = frozenset({"b1"})
    del rig.source.spaces[200]
    guards = replace(UNGUARDED, hold_booked=True, below_location=Budget(1, 1))

    assert outcome(rig, "wp:room:200", guards).startswith(
        "It waits for an approval to delete it (gone from the source): people have booked it; "
        "too much of its location would go at once (spec.deletion.subtreeBudget)."
    )
    assert (
        " It would wait without that, too: people have booked it; too much of its location would go at once "
        "(spec.deletion.subtreeBudget). "
    ) in outcome(rig, "wp:room:200", replace(guards, deletions=Budget(100, 1, 0)))


def test_what_waits_for_a_held_step_says_so() -> None:
    rig = synced()
    del rig.source.spaces[100]
    put(rig.source, space(300, "Apollo", 1, DESK))

    told = outcome(rig, "wp:room:300", replace(UNGUARDED, hold_unknown=True))
    assert told == "It waits for an approval to create it: it waits for a step that is held."


def test_what_is_more_than_was_approved_says_so() -> None:
    rig = synced()
    del rig.source.spaces[100]
    view = seen(rig)
    beyond = replace(view, plan=replace(view.plan, beyond=view.plan.steps))

    told = explain(beyond, Key("wp:room:100"), rig.settings).outcome
    assert "That is more than what was approved, so the approval does not hold for it." in told


def test_what_goes_with_a_location_is_counted() -> None:
    rig = synced()
    rig.source.centers[95] = Center(95, "America/Chicago", frozenset({10}))

    assert "With it go 2 floors and 2 resources; bookings at risk: unknown." in outcome(rig, "wp:building:20")


def test_a_quarantine_is_told_with_its_reason_and_is_not_nothing() -> None:
    rig = synced()
    del rig.source.spaces[100]
    told = outcome(rig, "wp:room:100", Guards(deletions=Budget(1, 1)))

    assert told.startswith("The plan is quarantined, so it waits for an approval to delete it (gone from")
    assert "1 of 5 Resources (20 %) would be deleted or replaced" in told


def test_what_is_withheld_says_by_which_rule() -> None:
    rig = synced()
    del rig.source.spaces[100]
    rig.settings = replace(rig.settings, guards=replace(UNGUARDED, grace=3600.0))
    rig.sync()
    told = outcome(rig, "wp:room:100")
    assert told.startswith(
        "It is withheld to delete it: it is missing from the source, but not yet as long as"
    )
    assert "; that is over at 2023-11-14T23:1" in told
    assert "Missing (missing from the source since 2023-11-14T22:1" in str(why(rig, "wp:room:100").match)

    told = outcome(rig, "wp:room:100", UNGUARDED, Policies(frozenset({"Observe"})))
    assert told == "It is withheld to delete it: spec.managementPolicies does not allow it."


def test_what_an_incomplete_source_leaves_open_names_the_gap() -> None:
    rig = synced()
    edit(rig.source.spaces, 101, name="Soyuz")
    rig.source.hidden = {("spaces", 100)}

    told = outcome(rig, "wp:room:101")
    assert told.startswith("It is withheld to update it: the source was not complete")
    assert "4 records were listed, but the source counts 5" in told


def test_what_stays_though_nobody_asks_for_it_says_why() -> None:
    rig = Rig(two_buildings())
    country = rig.target.insert("countries", {"ResourceName": "USA", "CountryCode": "US"})
    rig.target.insert("regions", {"ResourceName": "Houston", "InternalParentId": country})
    rig.sync()
    edit(rig.source.buildings, 10, city="Dallas")
    edit(rig.source.buildings, 20, city="Dallas")
    rig.sync()
    rig.target.insert(
        "floors",
        {"ResourceName": "x", "InternalParentId": country, "FloorNumber": "9", "ExternalId": "wp:floor:77"},
    )

    assert "it was adopted and not created by this sync" in outcome(rig, "wp:city:US:houston")
    rig.store.entries = None
    assert "the mapping is rebuilt in this run, which deletes nothing" in outcome(rig, "wp:city:US:houston")


def test_what_the_mapping_does_not_own_and_what_is_still_used_stay() -> None:
    rig = synced()
    location = rig.target.find("wp:building:10")["id"]
    row = {"ResourceName": "x", "InternalParentId": location, "FloorNumber": "9", "ExternalId": "wp:floor:77"}
    rig.target.insert("floors", row)
    assert "the mapping does not own it" in outcome(rig, "wp:floor:77")

    region = rig.target.find("wp:city:US:houston")
    rig.target.insert("locations", {"ResourceName": "Theirs", "InternalParentId": region["id"]})
    edit(rig.source.buildings, 10, city="Dallas")
    edit(rig.source.buildings, 20, city="Dallas")
    assert "something that stays is below it or uses it" in outcome(rig, "wp:city:US:houston")


# Keys


@pytest.mark.parametrize("key", ABSENT)
def test_a_key_that_nobody_knows_is_told_as_such(key: str) -> None:
    answer = why(synced(), key)

    assert answer.outcome[0].startswith("Nothing will be done: nobody knows this key")
    assert FORMS in answer.outcome[0]


@pytest.mark.parametrize(
    "key",
    ["", "13", "room:13", "wp:space:13", "wp:room:", "wp:room:x", "wp:room:007", "wp:country:us",
     "wp:city:US:", "wp:group:USA", "wp:building:-1", "WP:room:13"],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused_with_the_forms_of_keys(key: str) -> None:
    with pytest.raises(ConfigError, match=r"looks like .*wp:[a-z]+:") as refused:
        why(synced(), key)
    assert f'"{key}"' in refused.value.message


def test_a_key_by_hand_that_the_target_holds_is_explained_all_the_same() -> None:
    rig = synced()
    rig.target.insert(
        "workspaceTypes", {"ResourceName": "x", "Family": "Hourly", "ExternalId": "wp:type:by hand"}
    )

    assert why(rig, "wp:type:by hand").match[0].startswith("Matched by its external id: ")


def test_a_record_without_an_id_is_explained_all_the_same() -> None:
    rig = synced()
    view = seen(rig)
    spaces = replace(view.observed.spaces, unreadable=(Unreadable(None, "it has no id"),))
    observed = replace(view.observed, spaces=spaces)
    desired = translate(observed, Scope(), Defaults())
    answer = explain(replace(view, observed=observed, desired=desired), Key("wp:room:?"), rig.settings)

    assert answer.source == ("The source lists it, but it cannot be read: it has no id.",)
    assert answer.outcome == ("Nothing will be done: it is left out, and the target does not hold it.",)
