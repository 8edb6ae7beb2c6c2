import json
import re
from hashlib import sha256

import pytest

from reconcilers.model import Kind
from reconcilers.plan import Plan
from reconcilers.source import SpaceType
from reconcilers.steps import Action, Replace, key_of, natural, step_record
from tests.engine.rig import GateAfter, Rig
from tests.engine.samples import DESK, building, edit, put, space, synced, two_buildings


def records(rig: Rig) -> list[dict[str, object]]:
    return [step_record(step) for step in rig.plan().steps]


def test_a_plan_of_nothing_is_in_sync() -> None:
    assert Plan().summary == "in sync"
    assert synced().plan().summary == "in sync"


def test_a_plan_is_summarised_by_what_it_does() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="Dallas")
    edit(rig.source.spaces, 100, name="Vostok")
    del rig.source.spaces[101]

    assert rig.plan().summary == "+1 ~1 ±5 -1"
    assert Rig(two_buildings()).plan().summary == "+15 =1"


def test_a_digest_is_of_the_steps_and_of_nothing_else() -> None:
    rig, other = synced(), synced()
    other.clock.time += 1_000_000
    for each in (rig, other):
        edit(each.source.spaces, 100, name="Vostok")

    assert rig.plan().digest == other.plan().digest
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", rig.plan().digest)
    assert Plan(rig.plan().steps, ()).digest == rig.plan().digest


def test_a_digest_is_of_sorted_json_a_step_a_line_as_anyone_can_compute_it() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Zürich")
    del rig.source.spaces[101]
    lines = [json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n" for record in records(rig)]

    assert rig.plan().digest == "sha256:" + sha256("".join(lines).encode()).hexdigest()
    assert "Zürich" in lines[0]
    assert len(lines) == 2


def test_another_value_is_another_digest() -> None:
    rig, other = synced(), synced()
    edit(rig.source.spaces, 100, name="Vostok")
    edit(other.source.spaces, 100, name="Mercury")

    assert rig.plan().digest != other.plan().digest != Plan().digest


def test_a_step_says_field_by_field_what_changes() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Vostok", floor=2)

    assert records(rig) == [
        {
            "action": "update",
            "kind": "Resource",
            "key": "wp:room:100",
            "externalId": "wp:room:100",
            "name": "Vostok",
            "parent": "wp:building:10",
            "changes": [
                {"field": "ResourceName", "from": "Apollo", "to": "Vostok"},
                {"field": "FloorNumber", "from": "wp:floor:1", "to": "wp:floor:2"},
            ],
            "reason": "differs",
        }
    ]


def test_a_create_lists_all_its_fields() -> None:
    rig = synced()
    put(rig.source, space(300, "Vostok", 1))

    (record,) = records(rig)
    assert record["action"] == "create"
    assert [change["field"] for change in record["changes"]] == [  # type: ignore[attr-defined]
        "ResourceName", "LocationId", "ResourceType", "FloorNumber", "WorkspaceTypeId", "MaxCapacity",
    ]  # fmt: skip


def test_a_delete_says_why() -> None:
    rig = synced()
    del rig.source.spaces[100]
    edit(rig.source.spaces, 101, reservable=False)

    assert [(record["key"], record["reason"]) for record in records(rig)] == [
        ("wp:room:100", "gone from the source"),
        ("wp:room:101", "NotReservable"),
    ]


def test_we_to_me_is_one_replacement() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, type=DESK)

    (step,) = rig.plan().steps
    assert isinstance(step, Replace)
    assert step.reason == "ResourceType cannot be changed in place"


def test_what_hangs_below_a_replacement_is_replaced_with_it() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="Dallas")

    replaced = {key_of(step): step.reason for step in rig.plan().steps if isinstance(step, Replace)}
    assert replaced == {
        "wp:building:20": "InternalParentId cannot be changed in place",
        "wp:floor:3": "its parent is replaced",
        "wp:floor:4": "its parent is replaced",
        "wp:room:200": "its parent is replaced",
        "wp:room:201": "its parent is replaced",
    }


def test_keys_are_ordered_by_number() -> None:
    keys = ["wp:room:10", "wp:room:9", "wp:city:US:b", "wp:room:100", "wp:city:US:a"]

    assert sorted(keys, key=lambda key: natural(key)) == [  # type: ignore[arg-type]
        "wp:city:US:a", "wp:city:US:b", "wp:room:9", "wp:room:10", "wp:room:100",
    ]  # fmt: skip


def test_a_default_type_of_the_same_name_and_family_is_adopted() -> None:
    plan = Rig(two_buildings()).plan()

    adopted = [step for step in plan.steps if step.action is Action.ADOPT]
    assert [(key_of(step), step.current.id) for step in adopted] == [("wp:type:53", 2)]  # type: ignore[union-attr]


def test_a_default_type_of_the_other_family_keeps_its_name() -> None:
    source = two_buildings()
    edit(source.types, 52, name="desk")
    edit(source.types, 53, name="Pod")
    rig = synced(source)

    assert rig.target.find("wp:type:52")["ResourceName"] == "desk (52)"
    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] is None


def test_an_adopted_default_type_is_released_when_it_is_gone() -> None:
    rig = synced()
    for id in (102, 201):
        del rig.source.spaces[id]
    del rig.source.types[DESK]

    calls = rig.writes_of_sync()

    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] is None
    assert [f"{call.verb} {call.table}" for call in calls].count("PUT workspaceTypes") == 1
    assert "wp:type:53" not in (rig.store.entries or {})


def test_a_default_type_that_is_given_up_is_another_one_to_what_had_it() -> None:
    rig = synced()
    edit(rig.source.types, DESK, group="We Spaces")

    (step,) = [step for step in rig.plan().steps if key_of(step) == "wp:room:102"]

    assert isinstance(step, Replace)
    assert ("WorkspaceTypeId", "id:2", "wp:type:53") in [(c.field, c.old, c.new) for c in step.changes]


def test_a_default_type_that_is_not_understood_is_not_released() -> None:
    rig = synced()
    rig.source.garbled = {("types", DESK)}

    assert rig.writes_of_sync() == []
    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] == "wp:type:53"


def test_a_default_type_that_is_given_up_is_there_for_the_next_of_its_name() -> None:
    rig = synced()
    edit(rig.source.types, DESK, group="None")
    edit(rig.source.types, 54, name="DESK", group="Me Spaces")
    edit(rig.source.spaces, 102, type=54)

    rig.sync()

    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] == "wp:type:54"
    assert rig.target.refusals == []


def test_a_default_type_stands_in_for_one_of_its_name_that_a_hand_deleted() -> None:
    source = two_buildings()
    put(source, SpaceType(DESK, "Pod", "Me Spaces"), SpaceType(60, "Cabin", "Me Spaces"))
    rig = synced(source)
    del rig.target.tables["workspaceTypes"][rig.target.find("wp:type:60")["id"]]
    edit(source.types, 60, name="Desk")

    rig.sync()

    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] == "wp:type:60"


@pytest.mark.parametrize("fault", ["stopped", "refused"])
def test_a_default_type_stands_in_for_one_whose_create_was_meant_and_never_done(fault: str) -> None:
    source = two_buildings()
    put(source, SpaceType(DESK, "Pod", "Me Spaces"), SpaceType(60, "Desk", "We Spaces"))
    rig = Rig(source)
    if fault == "stopped":
        rig.gate = GateAfter(0)
    else:
        rig.target.refused = {"wp:type:60"}
    rig.sync()
    rig.gate, rig.target.refused = lambda: None, set()
    edit(source.types, 60, group="Me Spaces")

    rig.sync()

    assert rig.target.tables["workspaceTypes"][2]["ExternalId"] == "wp:type:60"


def test_countries_and_regions_that_are_there_are_used() -> None:
    rig = Rig(two_buildings())
    country = rig.target.insert("countries", {"ResourceName": "USA", "CountryCode": "US"})
    region = rig.target.insert("regions", {"ResourceName": "HOUSTON", "InternalParentId": country})
    group = rig.target.insert("groups", {"ResourceName": "Everyone", "InternalParentId": country})

    rig.sync()

    assert rig.target.find("wp:country:US")["id"] == country
    assert rig.target.find("wp:city:US:houston")["id"] == region
    assert {row["GroupId"] for row in rig.target.tables["rooms"].values()} == {group}
    assert "wp:group:US" not in rig.target.state()


def test_what_another_system_claims_is_not_used() -> None:
    rig = Rig(two_buildings())
    rig.target.insert("countries", {"ResourceName": "USA", "CountryCode": "US", "ExternalId": "hr:1"})

    rig.sync()

    assert rig.target.find("hr:1")["ResourceName"] == "USA"
    assert rig.target.find("wp:country:US")["ResourceName"] == "United States of America"


def test_the_group_of_a_location_is_the_lowest_that_it_has() -> None:
    rig = synced()
    country = rig.target.find("wp:country:US")["id"]
    groups = [rig.target.insert("groups", {"ResourceName": n, "InternalParentId": country}) for n in "AB"]
    rig.target.find("wp:building:10")["GroupIds"] = groups[::-1]
    put(rig.source, space(300, "Vostok", 1))

    calls = rig.writes_of_sync()

    assert [call.table for call in calls] == ["rooms"]
    assert rig.target.find("wp:room:300")["GroupId"] == groups[0]


def test_a_location_without_a_group_is_given_the_lowest_of_its_country() -> None:
    rig = synced()
    (first,) = rig.target.tables["groups"]
    country = rig.target.find("wp:country:US")["id"]
    rig.target.insert("groups", {"ResourceName": "Another", "InternalParentId": country})
    rig.target.find("wp:building:10")["GroupIds"] = []
    put(rig.source, space(300, "Vostok", 1))

    rig.sync()

    assert rig.target.find("wp:building:10")["GroupIds"] == [first]


def test_the_group_of_a_resource_is_left_alone() -> None:
    rig = synced()
    rig.target.find("wp:room:100")["GroupId"] = 77

    assert rig.plan().steps == ()


@pytest.mark.parametrize("kind", [Kind.LOCATION, Kind.REGION, Kind.COUNTRY, Kind.GROUP])
def test_containers_go_with_the_last_building(kind: Kind) -> None:
    source = two_buildings()
    put(source, building(30, "Solo", city="Berlin", country_code="DE", country_name="Germany"))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))
    rig = synced(source)
    edit(source.centers, 95, buildings=frozenset({10, 20}))

    deleted = [step.current.kind for step in rig.plan().steps if step.action is Action.DELETE]  # type: ignore[union-attr]
    assert kind in deleted
    rig.sync()
    assert not any(":DE" in key or key == "wp:building:30" for key in rig.target.state())


def test_a_container_that_was_there_before_us_stays() -> None:
    source = two_buildings()
    put(source, building(30, "Solo", city="Berlin", country_code="DE", country_name="Germany"))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))
    rig = Rig(source)
    country = rig.target.insert("countries", {"ResourceName": "Deutschland", "CountryCode": "DE"})
    rig.sync()
    edit(source.centers, 95, buildings=frozenset({10, 20}))

    rig.sync()

    assert rig.target.tables["countries"][country]["ExternalId"] == "wp:country:DE"
    assert "wp:city:DE:berlin" not in rig.target.state()
    assert rig.plan().steps == ()


def test_a_country_of_the_same_name_is_used_whatever_its_code_and_no_other() -> None:
    rig = Rig(two_buildings())
    other = rig.target.insert("countries", {"ResourceName": "Narnia", "CountryCode": "NA"})
    same = rig.target.insert("countries", {"ResourceName": "united states OF america", "CountryCode": "USA"})

    rig.sync()

    assert rig.target.find("wp:country:US")["id"] == same
    assert rig.target.tables["countries"][same]["CountryCode"] == "US"
    assert rig.target.tables["countries"][other]["ExternalId"] is None


def test_a_country_of_the_same_code_goes_before_one_of_the_same_name() -> None:
    rig = Rig(two_buildings())
    rig.target.insert("countries", {"ResourceName": "United States of  America", "CountryCode": "XX"})
    code = rig.target.insert("countries", {"ResourceName": "USA", "CountryCode": "US"})

    rig.sync()

    assert rig.target.find("wp:country:US")["id"] == code


def test_a_hand_made_location_of_the_same_name_is_not_taken_over() -> None:
    rig = synced()
    region = rig.target.find("wp:city:US:houston")["id"]
    hangar = rig.target.insert("locations", {"ResourceName": "Hangar", "InternalParentId": region})
    put(rig.source, building(30, "HANGAR"))
    edit(rig.source.centers, 95, buildings=frozenset({10, 20, 30}))

    rig.sync()

    assert rig.target.tables["locations"][hangar]["ExternalId"] is None
    assert [item.reason for item in rig.plan().withheld] == ["NameTaken"]


def test_a_location_without_new_resources_is_given_no_group() -> None:
    rig = synced()
    rig.target.find("wp:building:10")["GroupIds"] = []

    assert rig.plan().steps == ()


def test_a_location_without_a_group_is_given_one_before_a_resource_changes_its_sort() -> None:
    rig = synced()
    rig.target.find("wp:building:10")["GroupIds"] = []
    edit(rig.source.spaces, 100, type=DESK)

    report = rig.sync()

    assert report.whole
    assert rig.target.find("wp:room:100")["GroupId"] in rig.target.find("wp:building:10")["GroupIds"]
