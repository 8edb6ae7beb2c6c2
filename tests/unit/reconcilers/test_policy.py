import pytest

from reconcilers.demand import demand
from reconcilers.model import Current, Kind, MappingState
from reconcilers.policy import Policies
from reconcilers.ports import Demand
from reconcilers.source import Floor
from reconcilers.steps import Action
from reconcilers.sync import Settings
from reconcilers.translate import translate
from tests.engine.memory_target import MemoryTarget
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import DESK, building, edit, put, space, space_in, synced, two_buildings


def withheld(rig: Rig) -> dict[str, str]:
    return {str(item.key): item.reason for item in rig.plan().withheld}


def allow(rig: Rig, *policies: str) -> Rig:
    rig.settings = Settings(guards=UNGUARDED, policies=Policies(frozenset(policies)))
    return rig


@pytest.mark.parametrize(
    ("policy", "forbidden"),
    [
        ("*", set()),
        ("Observe", set(Action)),
        ("Create", {Action.UPDATE, Action.ADOPT, Action.REBIND, Action.DELETE, Action.REPLACE}),
        ("Update", {Action.CREATE, Action.DELETE, Action.REPLACE}),
        ("Delete", {Action.CREATE, Action.UPDATE, Action.ADOPT, Action.REBIND, Action.REPLACE}),
    ],
)
def test_a_policy_allows_what_it_says(policy: str, forbidden: set[Action]) -> None:
    policies = Policies(frozenset({policy}))

    assert {action for action in Action if policies.forbids(action)} == forbidden


def test_to_replace_one_must_create_and_delete() -> None:
    assert not Policies(frozenset({"Create", "Delete"})).forbids(Action.REPLACE)


def test_what_waits_for_a_withheld_step_is_withheld_too() -> None:
    rig = allow(synced(), "Observe", "Create", "Delete")
    edit(rig.source.spaces, 100, name="Vostok")
    put(rig.source, space(300, "Apollo", 1))

    assert withheld(rig) == {"wp:room:100": "ManagementPolicies", "wp:room:300": "WaitsForWithheld"}


def test_what_is_kept_stays_when_the_location_it_would_go_with_stays() -> None:
    rig = allow(synced(), "Observe", "Delete")
    edit(rig.source.buildings, 20, city="Dallas")
    rig.source.garbled = {("spaces", 200)}

    assert rig.plan().steps == ()
    assert withheld(rig)["wp:room:200"] == "WaitsForWithheld"


def test_what_is_kept_stays_when_its_location_is_not_empty() -> None:
    rig = synced()
    annex = rig.target.find("wp:building:20")
    rig.target.insert("rooms", space_in(annex["id"], 1, 1, "0", "Hall"))
    edit(rig.source.buildings, 20, city="Dallas")
    rig.source.garbled = {("spaces", 200)}
    rig.sync()

    assert {"wp:room:200", "wp:floor:3", "wp:building:20"} <= set(rig.target.state())
    assert withheld(rig)["wp:building:20"] == "NotEmpty"
    assert rig.target.refusals == []


def test_what_is_kept_goes_with_its_location() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="Dallas")
    rig.source.garbled = {("spaces", 200)}

    rig.sync()

    assert "wp:room:200" not in rig.target.state()
    assert rig.target.find("wp:building:20")["InternalParentId"] == rig.target.find("wp:city:US:dallas")["id"]


def test_a_name_that_something_kept_holds_is_not_asked_for() -> None:
    rig = synced()
    rig.source.garbled = {("spaces", 100)}
    put(rig.source, space(300, "APOLLO", 2))

    rig.sync()

    assert withheld(rig) == {"wp:room:300": "NameTaken"}
    assert rig.target.refusals == []


def test_a_name_that_a_hand_made_space_of_the_other_sort_holds_is_not_asked_for() -> None:
    rig = Rig(two_buildings())
    del rig.source.spaces[201]  # the Annex has rooms alone
    rig.sync()
    annex, room = (rig.target.find(key) for key in ("wp:building:20", "wp:room:200"))
    desk = space_in(annex["id"], room["GroupId"], room["WorkspaceTypeId"], "0", "Atlas")
    rig.target.insert("desks", desk)
    put(rig.source, space(300, "Atlas", 3))

    rig.sync()

    assert withheld(rig) == {"wp:room:300": "NameTaken"}
    assert rig.target.refusals == []


def test_a_number_that_a_hand_made_floor_holds_is_not_asked_for() -> None:
    rig = synced()
    tower = rig.target.find("wp:building:10")["id"]
    roof = {"ResourceName": "Roof", "InternalParentId": tower, "FloorNumber": "7"}
    rig.target.insert("floors", roof)
    put(rig.source, Floor(9, "Floor 7", 10), space(300, "Vostok", 9))

    rig.sync()

    assert withheld(rig) == {"wp:floor:9": "NameTaken", "wp:room:300": "WaitsForWithheld"}
    assert rig.target.refusals == []


def test_names_elsewhere_are_nobody_s_business() -> None:
    rig = synced()
    put(rig.source, space(300, "D-1", 1), Floor(9, "B1", 10))

    assert withheld(rig) == {}


def test_an_incomplete_source_withholds_what_is_missing_and_its_siblings() -> None:
    rig = synced()
    rig.source.hidden = {("spaces", 101)}
    edit(rig.source.spaces, 100, name="Vostok")
    edit(rig.source.spaces, 200, name="Vostok")

    assert withheld(rig) == {"wp:room:100": "SourceIncomplete"}
    assert [step.action for step in rig.plan().steps] == [Action.UPDATE]


def test_without_a_proof_a_replacement_is_withheld_with_what_names_it() -> None:
    rig = synced()
    rig.source.hidden = {("floors", 2)}
    edit(rig.source.buildings, 20, city="Dallas")
    put(rig.source, space(300, "Vostok", 3))

    assert withheld(rig) == {
        "wp:building:10": "SourceIncomplete",
        "wp:building:20": "NotProven",
        "wp:floor:3": "NotProven",
        "wp:floor:4": "NotProven",
        "wp:room:200": "NotProven",
        "wp:room:201": "NotProven",
        "wp:room:300": "WaitsForWithheld",
    }


def test_a_default_type_of_another_family_is_released_even_without_a_proof() -> None:
    rig = synced()
    rig.source.hidden = {("floors", 2)}
    edit(rig.source.types, DESK, group="We Spaces")

    rig.sync()

    assert builtin_ids(rig.target) == [None, None]
    assert rig.target.refusals == []


def builtin_ids(target: MemoryTarget) -> list[str | None]:
    return [row["ExternalId"] for row in target.tables["workspaceTypes"].values() if row.get("builtin")]


def test_a_floor_with_a_hand_made_room_stays() -> None:
    rig = synced()
    annex = rig.target.find("wp:building:20")["id"]
    rig.target.insert("rooms", space_in(annex, 1, 1, "-1", "Hall"))
    del rig.source.floors[4], rig.source.spaces[201]

    rig.sync()

    assert withheld(rig) == {"wp:floor:4": "NotEmpty"}
    assert "wp:room:201" not in rig.target.state()
    assert rig.target.refusals == []


def test_hand_made_desks_are_seen_before_a_location_goes() -> None:
    rig = synced()
    for id in (102, 201):
        del rig.source.spaces[id]
    rig.sync()
    annex = rig.target.find("wp:building:20")["id"]
    rig.target.insert("desks", space_in(annex, 1, 2, "0", "Hall"))
    edit(rig.source.centers, 95, buildings=frozenset({10}))

    rig.sync()

    assert rig.target.refusals == []
    assert withheld(rig)["wp:building:20"] == "NotEmpty"


def test_what_an_incomplete_source_does_mention_is_not_missing() -> None:
    rig = synced()
    rig.source.hidden = {("spaces", 200)}
    rig.source.garbled = {("spaces", 100)}
    edit(rig.source.spaces, 102, reservable=False)
    edit(rig.source.spaces, 101, name="Vostok")

    assert withheld(rig) == {}
    assert [step.action for step in rig.plan().steps] == [Action.UPDATE]


def test_what_an_incomplete_source_misses_on_both_sides_holds_nothing_up() -> None:
    rig = synced()
    rig.source.hidden = {("spaces", 100)}
    del rig.target.tables["rooms"][rig.target.find("wp:room:100")["id"]]
    edit(rig.source.spaces, 101, name="Vostok")

    assert withheld(rig) == {}


def test_a_missing_type_holds_up_no_other_type() -> None:
    rig = synced()
    rig.source.hidden = {("types", 52)}
    edit(rig.source.types, 53, name="Pod")

    assert [step.action for step in rig.plan().steps] == [Action.UPDATE]


def test_what_left_the_scope_goes_whatever_is_withheld_of_its_location() -> None:
    rig = allow(synced(), "Observe", "Delete")
    edit(rig.source.buildings, 10, name="Spire")
    edit(rig.source.spaces, 100, reservable=False)

    assert withheld(rig) == {"wp:building:10": "ManagementPolicies"}
    assert [step.action for step in rig.plan().steps] == [Action.DELETE]


def test_orphans_go_with_their_whole_location() -> None:
    rig = synced()
    del rig.source.buildings[20]

    rig.sync()

    assert withheld(rig) == {}
    assert not {"wp:building:20", "wp:floor:3", "wp:room:200"} & set(rig.target.state())


def test_orphans_stay_when_their_location_turns_out_to_stay() -> None:
    rig = synced()
    annex = rig.target.find("wp:building:20")["id"]
    rig.target.insert("rooms", space_in(annex, 1, 1, "0", "Hall"))
    del rig.source.buildings[20]

    rig.sync()

    assert withheld(rig) == {"wp:building:20": "NotEmpty"}
    assert {"wp:building:20", "wp:floor:4", "wp:room:200", "wp:room:201"} <= set(rig.target.state())


def test_an_empty_building_that_is_not_understood_stays_with_its_region() -> None:
    source = two_buildings()
    put(source, building(30, "Solo", city="Berlin", country_code="DE", country_name="Germany"))
    edit(source.centers, 95, buildings=frozenset({10, 20, 30}))
    rig = synced(source)
    edit(source.buildings, 30, country_code="")

    rig.sync()

    assert {"wp:building:30", "wp:city:DE:berlin", "wp:country:DE"} <= set(rig.target.state())


def test_nothing_is_read_below_what_is_not_ours() -> None:
    rig = synced()
    hangar = Current(Kind.LOCATION, 77, None, ("Hangar", 1))
    desired = translate(rig.source.observe(), rig.settings.scope, rig.settings.defaults)
    assert rig.store.entries is not None

    wanted = demand(desired, MappingState(rig.store.entries))(hangar)

    assert wanted == Demand(floors=False)
