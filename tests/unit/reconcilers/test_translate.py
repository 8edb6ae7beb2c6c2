from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from reconcilers.model import Desired, Key, Kind, Value
from reconcilers.source import Center, Floor, SpaceType, Unreadable
from reconcilers.translate import Defaults, Scope, translate
from tests.engine.memory_source import MemorySource
from tests.engine.samples import DESK, HALL, ROOM, building, edit, put, space, two_buildings


def desired(source: MemorySource, scope: Scope | None = None, defaults: Defaults | None = None) -> Desired:
    return translate(source.observe(), scope or Scope(), defaults or Defaults())


def value(source: MemorySource, key: str, place: int = 0, **options: Any) -> Value:
    return desired(source, **options).entities[Key(key)].values[place]


def one_building(**values: Any) -> MemorySource:
    source = MemorySource()
    put(source, building(**{"id": 1, "name": "Tower", **values}), Center(9, "UTC", frozenset({1})))
    return source


def skips(source: MemorySource, **options: Any) -> Counter[tuple[str, str]]:
    return Counter((skip.key, skip.reason) for skip in desired(source, **options).skips)


# Countries and regions


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("United States of America (the)", "United States of America"),
        ("  Germany ", "Germany"),
        ("Korea (the Republic of)", "Korea (the Republic of)"),
        ("", "United States"),
    ],
)
def test_a_country_is_named_without_the_article(written: str, name: str) -> None:
    assert value(one_building(country_name=written), "wp:country:US") == name


def test_a_country_is_named_as_its_lowest_building_says_it() -> None:
    source = one_building(country_name="")
    put(source, building(2, "B", country_name="USA"), building(3, "C", country_name="Amerika"))
    put(source, Center(9, "UTC", frozenset({1, 2, 3})))

    assert value(source, "wp:country:US") == "USA"


def test_a_code_is_upper_case_and_of_two_letters() -> None:
    assert Key("wp:country:DE") in desired(one_building(country_code=" de ")).entities
    assert skips(one_building(country_code="USA")) == {("wp:building:1", "NoCountry"): 1}


def test_countries_of_one_name_are_told_apart_by_code() -> None:
    source = one_building(country_name="Congo", country_code="CD")
    put(
        source, building(2, "B", country_name="Congo", country_code="CG"), Center(9, "UTC", frozenset({1, 2}))
    )

    assert [entity.name for entity in desired(source).of(Kind.COUNTRY)] == ["Congo", "Congo (CG)"]


@pytest.mark.parametrize(
    ("city", "state", "key", "name"),
    [
        (" New  York", "", "wp:city:US:new-york", "New York"),
        ("MÜNCHEN", "", "wp:city:US:munchen", "MÜNCHEN"),
        ("", "Texas", "wp:city:US:texas", "Texas"),
        (" ", "", "wp:city:US:unspecified", "Unspecified"),
    ],
)
def test_a_region_is_the_city_else_the_state_else_unspecified(
    city: str, state: str, key: str, name: str
) -> None:
    assert value(one_building(city=city, state=state), key) == name


def test_spellings_of_a_city_are_one_region_named_by_the_lowest_building_in_scope() -> None:
    source = one_building(city="HOUSTON", id=2)
    put(source, building(1, "No center", city="houston"), building(3, "C", city="Houston"))
    put(source, Center(9, "UTC", frozenset({2, 3})))

    assert [entity.name for entity in desired(source).of(Kind.REGION)] == ["HOUSTON"]


def test_the_default_group_is_named_by_the_template() -> None:
    defaults = Defaults(group_name=" {country}  people ")

    assert value(one_building(), "wp:group:US", defaults=defaults) == "United States of America people"


# Locations


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [(" Main  Tower", "T", "Main Tower"), ("", "T", "T"), ("  ", " ", "Building 1")],
)
def test_a_location_is_named_by_name_code_or_id(name: str, code: str, expected: str) -> None:
    assert value(one_building(name=name, code=code), "wp:building:1") == expected


def test_an_address_is_joined_and_blank_parts_left_out() -> None:
    both = one_building(street="1  Main", street2="Wing B", postal_code=" 770 ")
    one = one_building(street=" ", street2="Wing B")

    assert value(both, "wp:building:1", 2) == "1 Main, Wing B"
    assert value(both, "wp:building:1", 3) == "770"
    assert value(one, "wp:building:1", 2) == "Wing B"
    assert value(one_building(), "wp:building:1", 2) == ""


def test_buildings_of_one_name_in_a_region_get_their_code_or_id() -> None:
    source = MemorySource()
    put(source, *(building(id, "A", code=code) for id, code in ((1, "X"), (2, "Y"), (3, ""), (4, "Y"))))
    put(source, building(5, "a", city="Dallas"), Center(9, "UTC", frozenset(range(1, 6))))

    names = [entity.name for entity in desired(source).of(Kind.LOCATION)]
    assert names == ["A", "A (Y)", "A (3)", "A (4)", "a"]


@pytest.mark.parametrize(
    ("zones", "default", "code", "expected"),
    [
        ({1: "Europe/Berlin"}, "", "US", "W. Europe Standard Time"),
        ({2: "Europe/Berlin", 1: "UTC"}, "", "US", "UTC"),
        ({1: "Mars/Olympus", 2: "Asia/Calcutta"}, "", "US", "India Standard Time"),
        ({1: " UTC "}, "", "US", "UTC"),
        ({1: ""}, "Europe/London", "US", "GMT Standard Time"),
        ({1: ""}, "", "DE", "W. Europe Standard Time"),
        ({1: ""}, "UTC", "DE", "UTC"),
    ],
    ids=["the center's", "the lowest center's", "the first that CLDR knows", "blanks are nothing",
         "the default", "the country's only one", "the default goes before the country's"],
)  # fmt: skip
def test_a_time_zone(zones: dict[int, str], default: str, code: str, expected: str) -> None:
    source = one_building(country_code=code)
    source.centers.clear()
    put(source, *(Center(id, zone, frozenset({1})) for id, zone in zones.items()))

    assert value(source, "wp:building:1", 6, defaults=Defaults(time_zone=default)) == expected


def test_floors_are_counted_above_and_below_ground() -> None:
    source = one_building()
    put(source, *(Floor(id, name, 1) for id, name in enumerate(["G", "1", "B1", "B2", "Roof"])))

    assert desired(source).entities[Key("wp:building:1")].values[7:9] == (3, 2)


# Floors, types, resources


def test_floors_of_one_name_get_their_id_and_nameless_ones_their_number() -> None:
    source = one_building()
    put(source, *(Floor(id, name, 1) for id, name in enumerate(["Roof", "roof", "", "7"])))

    found = [entity.values[::2] for entity in desired(source).of(Kind.FLOOR)]
    assert found == [("Roof", "8"), ("roof (1)", "9"), ("Floor 10", "10"), ("7", "7")]


def test_types_of_we_and_me_are_hourly_and_all_day_and_others_none() -> None:
    source = MemorySource()
    named = enumerate(["We Spaces", " me  SPACES ", "None", "", "Wee Spaces"])
    put(source, *(SpaceType(id, "A", group) for id, group in named))

    found = [entity.values for entity in desired(source).of(Kind.WORKSPACE_TYPE)]
    assert found == [("A", None, "Hourly"), ("A (1)", None, "AllDay")]


def test_spaces_of_one_name_get_their_floor_or_id_whatever_their_kind() -> None:
    source = two_buildings()
    put(source, space(103, "apollo", 2), space(104, "APOLLO", 2, DESK), space(105, " ", 2))

    names = {entity.key: entity.name for entity in desired(source).of(Kind.RESOURCE)}
    assert [names[Key(f"wp:room:{id}")] for id in (100, 103, 104, 105, 200)] == [
        "Apollo",
        "apollo (1st Floor)",
        "APOLLO (104)",
        "Space 105",
        "Apollo",
    ]


@pytest.mark.parametrize(
    ("type", "capacity", "expected"),
    [(ROOM, 7, 7), (ROOM, 0, 1), (ROOM, None, 1), (ROOM, -3, 1), (DESK, 7, 1)],
)
def test_a_capacity_is_at_least_1_and_a_desk_s_always(type: int, capacity: int | None, expected: int) -> None:
    source = two_buildings()
    edit(source.spaces, 100, type=type, capacity=capacity)

    assert value(source, "wp:room:100", 5) == expected


# Skips


def make(change: str) -> MemorySource:
    source = two_buildings()
    del source.buildings[20], source.floors[3], source.floors[4], source.spaces[200], source.spaces[201]
    edit(source.centers, 95, buildings=frozenset({10}))
    match change:
        case "NoReservationCenter":
            edit(source.centers, 95, buildings=frozenset())
        case "NoCountry":
            edit(source.buildings, 10, country_code=" ")
        case "NoTimeZone":
            edit(source.centers, 95, time_zone="")
        case "NotBookableType":
            edit(source.spaces, 100, type=HALL)
        case "NotReservable":
            edit(source.spaces, 100, reservable=False)
        case "Orphan":
            edit(source.spaces, 100, floor=77)
        case "Invalid":
            source.garbled = {("spaces", 100)}
    return source


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("NotBookableType", False), ("NotReservable", False), ("Orphan", True), ("Invalid", True)],
)
def test_a_space_is_left_out_with_its_reason(reason: str, kept: bool) -> None:
    (skip,) = desired(make(reason)).skips

    assert (skip.kind, skip.key, skip.reason, skip.kept) == (Kind.RESOURCE, "wp:room:100", reason, kept)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("NoReservationCenter", False), ("OutOfScope", False), ("NoCountry", True), ("NoTimeZone", True)],
)
def test_a_building_is_left_out_with_all_that_hangs_below(reason: str, kept: bool) -> None:
    scope = Scope(countries=frozenset({"DE"})) if reason == "OutOfScope" else Scope()
    found = desired(make(reason), scope)

    assert Counter(skip.kind for skip in found.skips) == {Kind.LOCATION: 1, Kind.FLOOR: 2, Kind.RESOURCE: 3}
    assert {(skip.reason, skip.kept) for skip in found.skips} == {(reason, kept)}
    assert not list(found.of(Kind.LOCATION))


def test_what_cannot_be_read_takes_what_hangs_below_with_it() -> None:
    source = make("")
    source.garbled = {("floors", 1), ("types", DESK)}

    assert skips(source) == {
        ("wp:floor:1", "Invalid"): 1,
        (f"wp:type:{DESK}", "Invalid"): 1,
        ("wp:room:100", "Invalid"): 1,
        ("wp:room:101", "Invalid"): 1,
        ("wp:room:102", "Invalid"): 1,
    }


def test_a_floor_of_no_listed_building_is_an_orphan() -> None:
    source = make("")
    put(source, Floor(7, "7", None), Floor(8, "8", 77))

    assert skips(source) == {("wp:floor:7", "Orphan"): 1, ("wp:floor:8", "Orphan"): 1}


def test_switches_of_the_scope_let_everything_in() -> None:
    source = make("NotReservable")
    edit(source.centers, 95, buildings=frozenset())
    scope = Scope(require_reservation_center=False, reservable_only=False)

    assert skips(source, scope=scope, defaults=Defaults(time_zone="UTC")) == {}


def test_defaults_are_used_only_where_the_source_has_no_value() -> None:
    defaults = Defaults(country="DE", time_zone="Europe/Berlin")

    assert Key("wp:country:DE") in desired(make("NoCountry"), defaults=defaults).entities
    assert Key("wp:country:US") in desired(make(""), defaults=defaults).entities
    assert value(make(""), "wp:building:10", 6, defaults=defaults) == "Central Standard Time"


def test_the_source_is_counted_as_it_lists() -> None:
    source = make("Invalid")
    counts = desired(source).source_counts

    assert [counts[kind] for kind in Kind] == [1, 1, 1, 3, 1, 2, 3]


def test_a_record_without_an_id_is_left_out_too() -> None:
    observed = make("").observe()
    nameless = replace(observed.floors, unreadable=(Unreadable(None, "no id"),))
    found = translate(replace(observed, floors=nameless), Scope(), Defaults())

    assert [(skip.kind, skip.reason, skip.kept) for skip in found.skips] == [(Kind.FLOOR, "Invalid", True)]
