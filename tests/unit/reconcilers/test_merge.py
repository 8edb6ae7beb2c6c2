"""Merging with an Engage that people filled by hand: what is certain is adopted, the rest left alone."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from reconcilers.errors import RefusedError
from reconcilers.merge import AMBIGUOUS, BELOW, CLAIMED, sentence
from reconcilers.model import Key, Kind, Origin, Value
from reconcilers.plan import Plan
from reconcilers.policy import INCOMPLETE, TAKEN
from reconcilers.source import Floor, SpaceType
from reconcilers.steps import Action
from reconcilers.sync import look, sync_once
from reconcilers.why import explain
from tests.engine.by_hand import filled, named, places, twin
from tests.engine.memory_target import SPACES, MemoryTarget
from tests.engine.rig import Rig
from tests.engine.samples import DESK, ROOM, building, edit, put, space, synced


def actions(plan: Plan) -> set[Action]:
    return {step.action for step in plan.steps}


def left_alone(plan: Plan) -> dict[str, str]:
    return {str(item.key): item.reason for item in plan.left_alone}


@dataclass(slots=True)
class Refusing:
    """A writer that refuses every value of a field."""

    target: MemoryTarget
    field: str = "MaxCapacity"
    refused: int = 0

    async def create(self, kind: Kind, external_id: Key, fields: Mapping[str, Value]) -> int:
        return await self.target.create(kind, external_id, fields)

    async def update(self, kind: Kind, id: int, fields: Mapping[str, Value], *, variant: str = "") -> None:
        if self.field in fields:
            self.refused += 1
            raise RefusedError("it is being edited", system="target")
        await self.target.update(kind, id, fields, variant=variant)

    async def delete(self, kind: Kind, id: int, *, variant: str = "") -> None:
        await self.target.delete(kind, id, variant=variant)


def without_spaces() -> Rig:
    """The locations are there, empty: each is adopted, and gets its group for the spaces to come."""
    rig = filled(minimum_match=0)
    for table in SPACES:
        rig.target.tables[table].clear()
    for location in rig.target.tables["locations"].values():
        location["GroupIds"] = []
    return rig


def untouched(rig: Rig) -> None:
    """The next run has nothing to do."""
    assert rig.writes_of_sync() == []


def test_what_is_there_by_its_path_is_adopted_in_one_call_each_and_keeps_its_internal_id() -> None:
    rig = filled()
    before = sorted((table, row["id"]) for table, row in rig.target.rows())
    plan = rig.plan()
    assert actions(plan) == {Action.ADOPT}

    report = rig.sync()

    assert report.whole
    assert sorted((table, row["id"]) for table, row in rig.target.rows()) == before
    assert {call.fields for call in rig.target.writes} == {("ExternalId",)}
    assert len(rig.target.writes) == len(plan.steps) == len(places(rig.target))
    entries = rig.store.entries or {}
    assert {entry.origin for entry in entries.values()} == {Origin.ADOPTED}
    untouched(rig)


def test_case_blanks_and_diacritics_do_not_matter_and_are_corrected_with_the_external_id() -> None:
    rig = filled()
    named(rig.target, "regions", "Houston")["ResourceName"] = " HOUSTON "
    named(rig.target, "locations", "Tower")["ResourceName"] = "töwer"
    put(rig.source, space(101, "Café  Ångström", 1))
    row = named(rig.target, "rooms", "Gemini")
    row["ResourceName"] = "cafe ANGSTROM "

    rig.sync()

    assert rig.target.find("wp:room:101") is row
    assert row["ResourceName"] == "Café Ångström"
    assert [set(c.fields) for c in rig.target.writes if c.external_id == "wp:room:101"] == [
        {"ResourceName", "ExternalId"}
    ]
    assert len(rig.target.tables["locations"]) == 2
    untouched(rig)


def test_exact_goes_before_folded() -> None:
    rig = filled()
    put(rig.source, space(101, "Café", 1))
    cafe = named(rig.target, "rooms", "Gemini")
    cafe["ResourceName"] = "Café"
    other = twin(rig.target, "rooms", cafe, ResourceName="CAFE")

    rig.sync()

    assert rig.target.find("wp:room:101") is cafe
    assert (other["ResourceName"], other["ExternalId"]) == ("CAFE", None)
    untouched(rig)


def test_what_two_could_be_is_not_given_to_a_third_nor_made_beside_it() -> None:
    rig = filled(minimum_match=0)
    row = named(rig.target, "countries", "United States of America")
    row["ResourceName"] = "Deutschland"
    twin(rig.target, "countries", row, ResourceName="USA")
    edit(rig.source.buildings, 20, country_code="DE", country_name="Deutschland")

    plan = rig.sync().plan

    assert left_alone(plan) == {"wp:country:DE": AMBIGUOUS, "wp:country:US": AMBIGUOUS}
    assert sentence(plan.left_alone[0]) == (
        'it could be "Deutschland" (id 1) or "USA" (id 2); make its name differ from all but one'
    )
    assert sentence(plan.left_alone[1]) == (
        'it could be "Deutschland" (id 1), and so could wp:country:US; make its name differ from all but one'
    )
    assert [row["ExternalId"] for row in rig.target.tables["countries"].values()] == [None, None]
    untouched(rig)


def test_what_is_not_made_beside_two_that_it_may_be() -> None:
    rig = filled(minimum_match=0)
    one = named(rig.target, "rooms", "Gemini")
    one["ResourceName"] = "Gemini "
    other = twin(rig.target, "rooms", one, ResourceName=" Gemini")
    put(rig.source, space(103, "Gemini", 2))

    plan = rig.sync().plan

    assert left_alone(plan) == {"wp:room:101": AMBIGUOUS, "wp:room:103": AMBIGUOUS}
    assert (one["ExternalId"], other["ExternalId"]) == (None, None)
    untouched(rig)


def test_one_that_could_be_several_is_listed_and_left_alone() -> None:
    rig = filled()
    put(rig.source, space(101, "GÉMINI", 1))
    gemini = named(rig.target, "rooms", "Gemini")
    other = twin(rig.target, "rooms", gemini, ResourceName="Gemini ")
    before = [dict(gemini), dict(other)]

    report = rig.sync()

    assert left_alone(report.plan) == {"wp:room:101": AMBIGUOUS}
    assert [gemini, other] == before
    assert report.skips[Kind.RESOURCE, AMBIGUOUS] == 1
    assert report.whole
    assert not report.problems
    ids = f'"Gemini" (id {gemini["id"]}) or "Gemini " (id {other["id"]})'
    assert sentence(report.plan.left_alone[0]).startswith(f"it could be {ids};")
    untouched(rig)


def test_several_that_could_be_one_are_all_left_alone() -> None:
    rig = filled(minimum_match=10)
    put(rig.source, space(101, "GEMINÎ", 1), space(103, "Gémini", 1))
    gemini = named(rig.target, "rooms", "Gemini")

    report = rig.sync()

    assert left_alone(report.plan) == {"wp:room:101": AMBIGUOUS, "wp:room:103": AMBIGUOUS}
    assert (gemini["ResourceName"], gemini["ExternalId"]) == ("Gemini", None)
    assert "so could wp:room:103" in sentence(report.plan.left_alone[0])
    untouched(rig)


def test_two_of_one_name_are_told_apart_by_their_floor_and_not_by_a_suffix_of_ours() -> None:
    rig = filled()
    put(rig.source, space(100, "Gemini", 2), space(101, "Gemini", 1))  # the second one is to get a suffix
    gemini, apollo = (
        rig.target.tables["rooms"][id]
        for id in sorted(
            (row["id"] for row in rig.target.tables["rooms"].values() if row["LocationId"] == 1),
            key=lambda id: rig.target.tables["rooms"][id]["ResourceName"] != "Gemini",
        )
    )
    apollo |= {"ResourceName": "Gemini ", "FloorNumber": "1"}

    rig.sync()

    assert (gemini["ExternalId"], apollo["ExternalId"]) == ("wp:room:101", "wp:room:100")
    assert (gemini["ResourceName"], apollo["ResourceName"]) == ("Gemini (Ground Floor)", "Gemini")
    untouched(rig)


@pytest.mark.parametrize("blank", [" Apollo 11", "apollo 11  "])
def test_a_name_is_let_go_of_before_another_takes_it_whatever_blanks_it_ends_with(blank: str) -> None:
    rig = filled()
    put(rig.source, space(100, "Apollo 11", 1), space(101, "Apollo 11", 2))  # the second one gets a suffix
    gemini = named(rig.target, "rooms", "Gemini")
    (apollo,) = (
        row
        for row in rig.target.tables["rooms"].values()
        if (row["ResourceName"], row["LocationId"]) == ("Apollo", gemini["LocationId"])
    )
    apollo["ResourceName"], gemini["ResourceName"] = "APOLLO 11", blank
    gemini["FloorNumber"] = "1"

    rig.sync()

    assert (apollo["ResourceName"], gemini["ResourceName"]) == ("Apollo 11", "Apollo 11 (1st Floor)")
    rooms = [call.external_id for call in rig.target.writes if call.table == "rooms"]
    assert rooms.index("wp:room:101") < rooms.index("wp:room:100")
    untouched(rig)


def test_two_of_one_name_where_engage_has_one_elsewhere_are_left_alone() -> None:
    rig = filled()
    put(rig.source, Floor(9, "Roof", 10), space(101, "Gemini", 9), space(103, "Gemini", 9))
    report = rig.sync()
    assert left_alone(report.plan) == {"wp:room:101": AMBIGUOUS, "wp:room:103": AMBIGUOUS}
    untouched(rig)


def test_what_moved_to_another_floor_is_the_same() -> None:
    rig = filled()
    edit(rig.source.spaces, 101, floor=2)
    row = named(rig.target, "rooms", "Gemini")
    rig.sync()
    assert (row["ExternalId"], row["FloorNumber"]) == ("wp:room:101", "1")


def test_nothing_is_done_below_what_is_ambiguous() -> None:
    rig = filled(minimum_match=0)
    edit(rig.source.buildings, 10, name="TOWÉR")
    tower = named(rig.target, "locations", "Tower")
    twin(rig.target, "locations", tower, ResourceName="Tower ")
    here = [row for table in SPACES for row in rig.target.tables[table].values()]
    below = [row for row in here if row["LocationId"] == tower["id"]]
    before = [dict(row) for row in below]
    put(rig.source, Floor(9, "Roof", 10), space(109, "New", 9))

    report = rig.sync()

    assert left_alone(report.plan) == {"wp:building:10": AMBIGUOUS}
    assert report.skips[Kind.FLOOR, BELOW] == 3
    assert report.skips[Kind.RESOURCE, BELOW] == 4
    assert below == before
    assert len(below) == 3
    assert not {"wp:floor:1", "wp:floor:9", "wp:room:109"} & places(rig.target).keys()
    untouched(rig)


def test_what_another_system_finds_by_its_own_external_id_is_not_taken_from_it() -> None:
    rig = filled()
    gemini = named(rig.target, "rooms", "Gemini")
    gemini["ExternalId"] = "SAP-17"

    report = rig.sync()

    assert left_alone(report.plan) == {"wp:room:101": CLAIMED}
    assert gemini["ExternalId"] == "SAP-17"
    assert "another system" in sentence(report.plan.left_alone[0])
    untouched(rig)


def test_a_blank_external_id_is_nobodys() -> None:
    rig = filled()
    named(rig.target, "rooms", "Gemini")["ExternalId"] = " "
    rig.sync()
    assert rig.target.find("wp:room:101")["ResourceName"] == "Gemini"


def test_rooms_of_one_name_in_two_buildings_are_told_apart() -> None:
    rig = filled()
    towers = {
        row["LocationId"]: row["id"]
        for row in rig.target.tables["rooms"].values()
        if row["ResourceName"] == "Apollo"
    }
    rig.sync()
    found = {
        rig.target.find(f"wp:building:{building}")["id"]: rig.target.find(f"wp:room:{room}")["id"]
        for building, room in ((10, 100), (20, 200))
    }
    assert found == towers


def test_a_desk_is_not_taken_for_a_room() -> None:
    rig = filled()
    edit(rig.source.spaces, 101, type=DESK)
    gemini = named(rig.target, "rooms", "Gemini")

    report = rig.sync()

    assert gemini["ExternalId"] is None
    assert [problem.reason for problem in report.problems] == ["NameTaken"]


def test_what_only_engage_holds_is_never_touched() -> None:
    rig = filled()
    extra = twin(rig.target, "rooms", named(rig.target, "rooms", "Gemini"), ResourceName="Board")
    before = dict(extra)
    rig.sync()
    rig.source.spaces.clear()
    rig.sync()
    assert extra == before
    assert rig.target.tables["rooms"] == {extra["id"]: extra}


def test_what_is_added_later_is_matched_too() -> None:
    rig = filled()
    late = rig.source.spaces.pop(200)
    rig.sync()
    row = next(row for row in rig.target.tables["rooms"].values() if row["ExternalId"] is None)

    put(rig.source, late)
    rig.sync()

    assert row["ExternalId"] == "wp:room:200"
    untouched(rig)


def test_a_building_added_later_is_matched_with_all_below_it() -> None:
    rig = filled(minimum_match=0)
    annex = rig.source.buildings.pop(20)
    rig.sync()
    before = sorted((table, row["id"]) for table, row in rig.target.rows())

    put(rig.source, annex)
    rig.sync()

    assert sorted((table, row["id"]) for table, row in rig.target.rows()) == before
    assert rig.target.find("wp:room:200")["ResourceName"] == "Apollo"
    untouched(rig)


@pytest.mark.parametrize("code", ["GB", "UK", "gb", "", "GBR"])
@pytest.mark.parametrize(
    "name", ["UK", "gb", "United Kingdom", "United Kingdom of Great Britain and Northern Ireland (the)"]
)
def test_a_country_is_one_by_whatever_name(name: str, code: str) -> None:
    rig = filled()
    official = "United Kingdom of Great Britain and Northern Ireland (the)"
    for id in rig.source.buildings:
        edit(rig.source.buildings, id, country_code="GB", country_name=official)
    row = named(rig.target, "countries", "United States of America")
    row |= {"ResourceName": name, "CountryCode": code}

    rig.sync()

    assert row["ExternalId"] == "wp:country:GB"
    assert row["CountryCode"] == "GB"
    assert len(rig.target.tables["countries"]) == 1
    untouched(rig)


def test_the_code_of_a_country_goes_before_its_name() -> None:
    rig = filled()
    by_code = named(rig.target, "countries", "United States of America")
    by_code["ResourceName"] = "The States"
    twin(rig.target, "countries", by_code, ResourceName="United States of America", CountryCode="")
    plan = rig.plan()
    adopted = next(step for step in plan.withheld if step.kind is Kind.COUNTRY)
    # Its name is the other's: a person must rename one of them. What is below goes on.
    assert (adopted.action, adopted.reason) == (Action.ADOPT, "NameTaken")
    assert Action.CREATE not in actions(plan)


def test_the_default_group_is_matched_by_its_name() -> None:
    rig = filled()
    (group,) = rig.target.tables["groups"].values()
    rig.sync()
    assert group["ExternalId"] == "wp:group:US"


def test_a_group_that_could_be_two_hinders_nobody() -> None:
    rig = filled()
    (group,) = rig.target.tables["groups"].values()
    group["ResourceName"] = "united states of america default group"
    twin(rig.target, "groups", group, ResourceName="UNITED STATES OF AMERICA DEFAULT  GROUP")
    put(rig.source, space(110, "New", 1))

    report = rig.sync()

    assert left_alone(report.plan) == {"wp:group:US": AMBIGUOUS}
    assert rig.target.find("wp:room:110")["GroupId"] == group["id"]
    untouched(rig)


def test_the_group_of_a_resource_stays_engages() -> None:
    rig = filled()
    gemini = named(rig.target, "rooms", "Gemini")
    (group,) = rig.target.tables["groups"].values()
    other = twin(rig.target, "groups", group, ResourceName="VIP")
    rig.target.tables["locations"][gemini["LocationId"]]["GroupIds"].append(other["id"])
    gemini["GroupId"] = other["id"]
    rig.sync()
    assert gemini["GroupId"] == other["id"]


def test_a_type_that_could_be_two_keeps_its_resources_alone() -> None:
    rig = filled(minimum_match=0)
    edit(rig.source.types, 52, name="Cönference")
    conference = named(rig.target, "workspaceTypes", "Conference")
    twin(rig.target, "workspaceTypes", conference, ResourceName="CONFERENCE ")

    report = rig.sync()

    assert left_alone(report.plan) == {"wp:type:52": AMBIGUOUS}
    assert report.skips[Kind.RESOURCE, BELOW] == 3
    untouched(rig)


def test_what_is_ours_is_not_lost_when_it_comes_to_hang_on_what_is_left_alone() -> None:
    rig = filled()
    rig.sync()
    conference = named(rig.target, "workspaceTypes", "Conference")
    for name in ("Lab", "LAB "):
        twin(rig.target, "workspaceTypes", conference, ResourceName=name, ExternalId=None)
    put(rig.source, SpaceType(60, "Láb", "We Spaces"))
    edit(rig.source.spaces, 101, type=60, name="Renamed")

    untouched(rig)

    assert rig.target.find("wp:room:101")["ResourceName"] == "Gemini"


def test_while_the_source_is_incomplete_nothing_is_adopted_nor_made_beside_it() -> None:
    rig = filled()
    rig.source.hidden.add(("spaces", 100))

    report = rig.sync()

    assert rig.target.writes == []
    assert {item.reason for item in report.plan.withheld} == {INCOMPLETE}
    rig.source.hidden.clear()
    assert actions(rig.plan()) == {Action.ADOPT}


def test_where_external_ids_cannot_be_written_the_mapping_carries_the_match() -> None:
    rig = filled()
    rig.target.takes_external_ids = False
    named(rig.target, "rooms", "Gemini")["MaxCapacity"] = 12

    report = rig.sync()

    assert report.whole
    assert named(rig.target, "rooms", "Gemini")["MaxCapacity"] == 4
    assert {entry.origin for entry in (rig.store.entries or {}).values()} == {Origin.MATCHED}
    sent = rig.target.sent
    assert rig.plan().steps == ()
    untouched(rig)
    assert rig.target.sent == sent
    edit(rig.source.spaces, 101, name="Mercury")
    assert [call.fields for call in rig.writes_of_sync()] == [("ResourceName",)]
    again = rig.source.spaces.pop(101)
    put(rig.source, space(301, again.name, 1))
    assert rig.writes_of_sync() == []
    assert (rig.store.entries or {})[Key("wp:room:301")].origin is Origin.MATCHED
    assert rig.plan().steps == ()
    untouched(rig)
    del rig.source.spaces[301]
    assert [call.verb for call in rig.writes_of_sync()] == ["DELETE"]


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("there", [filled, without_spaces])
def test_every_call_asks_whether_it_may_also_those_without_the_external_id(
    there: Callable[[], Rig], taken: bool
) -> None:
    rig = there()
    rig.target.takes_external_ids = taken
    for row in rig.target.tables["rooms"].values():
        row["MaxCapacity"] = 12
    asked: list[int] = []
    before = rig.target.sent
    rig.gate = lambda: asked.append(rig.target.sent)
    rig.sync()
    assert len(asked) == rig.target.sent - before


def test_where_no_external_id_is_taken_what_a_hand_made_anew_is_adopted_and_stays_so() -> None:
    rig = filled()
    rig.target.takes_external_ids = False
    rig.sync()
    gemini = named(rig.target, "rooms", "Gemini")
    del rig.target.tables["rooms"][gemini["id"]]
    twin(rig.target, "rooms", gemini, MaxCapacity=99)

    assert rig.sync().failed == []

    assert rig.plan().steps == ()


def test_an_external_id_that_was_cleared_by_hand_and_cannot_be_set_again_is_told() -> None:
    rig = filled()
    rig.sync()
    rig.target.find("wp:room:101")["ExternalId"] = None
    rig.target.takes_external_ids = False
    assert [problem.key for problem in rig.sync().problems] == ["wp:room:101"]
    assert [problem.key for problem in rig.sync().problems] == ["wp:room:101"]


def test_a_refusal_of_a_call_without_an_external_id_is_not_tried_again() -> None:
    rig = without_spaces()
    writer = Refusing(rig.target, "GroupId")

    report = asyncio.run(sync_once(rig.ports(), rig.settings, writer, rig.gate))

    assert {problem.message for problem in report.problems if problem.key == "wp:building:10"} == {
        "it is being edited"
    }
    assert writer.refused == len(rig.target.tables["locations"])


def test_a_refusal_that_is_not_about_the_external_id_is_told() -> None:
    rig = filled()
    gemini = named(rig.target, "rooms", "Gemini")
    gemini["MaxCapacity"] = 12

    report = asyncio.run(sync_once(rig.ports(), rig.settings, Refusing(rig.target), rig.gate))

    assert [(problem.key, problem.message) for problem in report.problems] == [
        ("wp:room:101", "it is being edited")
    ]
    assert gemini["ExternalId"] is None
    assert "wp:room:101" not in (rig.store.entries or {})


def test_building_of_another_city_is_another_building() -> None:
    rig = filled(minimum_match=0)
    put(rig.source, building(30, "Tower", city="Dallas"))
    for center in rig.source.centers.values():
        edit(rig.source.centers, center.id, buildings=center.buildings | {30})
    rig.sync()
    assert len([r for r in rig.target.tables["locations"].values() if r["ResourceName"] == "Tower"]) == 2
    untouched(rig)


def test_exact_goes_before_folded_for_places_too() -> None:
    rig = filled(minimum_match=0)
    tower = named(rig.target, "locations", "Tower")
    twin(rig.target, "locations", tower, ResourceName="Töwer")
    rig.sync()
    assert rig.target.find("wp:building:10") is tower
    assert rig.plan().left_alone == ()


@pytest.mark.parametrize(("name", "code"), [("Albion", "UK"), ("RURITANIA  (the)", ""), ("Ruritania", "XX")])
def test_a_country_is_one_by_a_code_that_means_the_same_or_by_its_folded_name(name: str, code: str) -> None:
    rig = filled()
    for id in rig.source.buildings:
        edit(rig.source.buildings, id, country_code="GB", country_name="Ruritania (the)")
    row = named(rig.target, "countries", "United States of America")
    row |= {"ResourceName": name, "CountryCode": code}
    rig.sync()
    assert row["ExternalId"] == "wp:country:GB"


def test_the_very_code_goes_before_one_that_means_the_same() -> None:
    rig = filled()
    for id in rig.source.buildings:
        edit(rig.source.buildings, id, country_code="GB", country_name="Albion")
    row = named(rig.target, "countries", "United States of America")
    row |= {"ResourceName": "England", "CountryCode": "GB"}
    twin(rig.target, "countries", row, ResourceName="Britain", CountryCode="UK")
    rig.sync()
    assert row["ExternalId"] == "wp:country:GB"


def numbers(rig: Rig, location: str = "Tower") -> dict[str, str]:
    """The floor numbers of one location by name."""
    id = named(rig.target, "locations", location)["id"]
    floors = rig.target.tables["floors"].values()
    return {row["ResourceName"]: row["FloorNumber"] for row in floors if row["InternalParentId"] == id}


def renamed(rig: Rig, source_floor: int, old: str, new: str, number: str) -> None:
    """A floor of Tower goes by this name in both, with this number in Engage."""
    edit(rig.source.floors, source_floor, name=new)
    id = named(rig.target, "locations", "Tower")["id"]
    (row,) = (
        row
        for row in rig.target.tables["floors"].values()
        if (row["InternalParentId"], row["ResourceName"]) == (id, old)
    )
    for table in SPACES:
        for one in rig.target.tables[table].values():
            if (one["LocationId"], one["FloorNumber"]) == (id, row["FloorNumber"]):
                one["FloorNumber"] = number
    row.update(ResourceName=new, FloorNumber=number)


def test_a_floor_whose_name_tells_no_number_keeps_the_one_that_engage_has() -> None:
    rig = filled()
    renamed(rig, 2, "1st Floor", "UG", "-1")
    tower = named(rig.target, "locations", "Tower")
    tower.update(NumberOfFloorsAboveGround=1, NumberOfFloorsBelowGround=1)

    report = rig.sync()

    assert report.whole
    assert numbers(rig) == {"Ground Floor": "0", "UG": "-1"}
    view = asyncio.run(look(rig.ports(), rig.settings))
    why = {field.field: field.why for field in explain(view, Key("wp:floor:2"), rig.settings).fields}
    assert why["FloorNumber"] == "its name tells no number, so it keeps the one that the target has"
    assert (tower["NumberOfFloorsAboveGround"], tower["NumberOfFloorsBelowGround"]) == (1, 1)
    untouched(rig)
    rig.store.entries = None  # a lost mapping
    untouched(rig)


def test_a_name_that_tells_the_number_goes_before_the_one_that_is_kept() -> None:
    rig = filled()
    renamed(rig, 1, "Ground Floor", "Mezzanine", "1")
    renamed(rig, 2, "1st Floor", "1st Floor", "4")
    rig.sync()
    assert numbers(rig) == {"1st Floor": "1", "Mezzanine": "2"}
    untouched(rig)


def test_a_floor_that_is_new_takes_no_number_that_is_kept_or_somebody_elses() -> None:
    rig = filled()
    renamed(rig, 2, "1st Floor", "UG", "1")
    twin(rig.target, "floors", named(rig.target, "floors", "UG"), ResourceName="Plant", FloorNumber="2")
    put(rig.source, Floor(5, "Roof", 10))

    report = rig.sync()

    assert report.whole
    assert numbers(rig) == {"Ground Floor": "0", "UG": "1", "Plant": "2", "Roof": "3"}
    untouched(rig)


def test_a_kept_number_gives_way_when_a_name_comes_to_tell_it_and_stays_where_it_went() -> None:
    rig = filled()
    renamed(rig, 2, "1st Floor", "Roof", "1")
    rig.sync()
    put(rig.source, Floor(5, "Floor 1", 10))
    rig.sync()
    assert numbers(rig) == {"Ground Floor": "0", "Floor 1": "1", "Roof": "2"}
    del rig.source.floors[5]
    rig.sync()
    assert numbers(rig) == {"Ground Floor": "0", "Roof": "2"}
    untouched(rig)


def test_a_number_for_the_time_between_is_not_kept() -> None:
    rig = filled()
    renamed(rig, 2, "1st Floor", "Roof", "1007")  # as a run leaves it that was killed while numbers changed
    rig.sync()
    assert numbers(rig) == {"Ground Floor": "0", "Roof": "1"}


def test_two_floors_of_one_number_do_not_both_keep_it() -> None:
    rig = filled()
    renamed(rig, 1, "Ground Floor", "UG", "-1")
    renamed(rig, 2, "1st Floor", "Roof", "-1")
    rig.sync()
    assert numbers(rig) == {"UG": "-1", "Roof": "1"}


def test_new_gives_the_next_free_number_whatever_engage_has() -> None:
    rig = synced()
    renamed(rig, 2, "1st Floor", "UG", "-1")
    rig.sync()
    assert numbers(rig) == {"Ground Floor": "0", "UG": "1"}


def test_a_type_that_an_extract_told_apart_from_its_namesake_is_found_again() -> None:
    rig = filled()
    desk = named(rig.target, "workspaceTypes", "Desk")
    desk.update(ResourceName="Conference")  # of the other family
    edit(rig.source.types, DESK, name="Conference (personal)")
    edit(rig.source.types, ROOM, name="conference")

    plan = rig.plan()
    rig.sync()

    assert actions(plan) == {Action.ADOPT}
    assert (desk["ExternalId"], desk["ResourceName"]) == ("wp:type:53", "Conference (personal)")
    untouched(rig)


def test_the_same_floor_goes_before_the_exact_name_elsewhere() -> None:
    rig = filled()
    cafe = named(rig.target, "rooms", "Gemini")
    cafe["ResourceName"] = "Café"
    alone = twin(rig.target, "rooms", cafe, ResourceName="Cafe", FloorNumber="1")  # Engage's own, upstairs
    before = dict(alone)
    edit(rig.source.spaces, 101, name="Cafe")

    report = rig.sync()

    assert alone == before
    assert [(item.key, item.reason) for item in report.plan.withheld] == [("wp:room:101", TAKEN)]
    alone["ResourceName"] = "Cafe upstairs"
    rig.sync()
    assert cafe["ExternalId"] == "wp:room:101"
    assert alone["ExternalId"] is None
    untouched(rig)


def test_what_could_be_several_is_not_given_to_one_while_another_may_have_slipped_between_pages() -> None:
    rig = filled(minimum_match=10)
    put(rig.source, space(101, "GEMINÎ", 1), space(103, "Gémini", 1))
    rig.sync()
    rig.source.slipped.add(("spaces", 103))  # the mapping never held it, so nothing that it holds is missing

    untouched(rig)

    assert named(rig.target, "rooms", "Gemini")["ExternalId"] is None
