"""Laws of merging: an Engage filled by hand, all names near each other, and a Workplace beside it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconcilers.errors import EmptySource, RefusedError
from reconcilers.levels.floor import parse_number
from reconcilers.merge import AMBIGUOUS, BELOW, CLAIMED
from reconcilers.model import Kind
from reconcilers.source import Floor, SpaceType
from reconcilers.sync import View, look
from reconcilers.translate import translate
from tests.engine.by_hand import Place, filled, named, places
from tests.engine.memory_target import ALL_DAY, HOURLY, SPACES, TABLES, MemoryTarget
from tests.engine.merge_oracle import NEW, Verdict, judge, wanted_rows
from tests.engine.rig import Rig
from tests.engine.samples import DESK, ME, ROOM, WE, edit, put, two_buildings
from tests.property.laws import difference, edit_all
from tests.strategies import Edit, edits, tidy_worlds

SPELLINGS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "blank": lambda name: f" {name}",
    "blanks": lambda name: name.replace(" ", "  ") + " ",
    "accent": lambda name: f"{name[:1]}\u0301{name[1:]}",
    "dash": lambda name: name.replace(" ", "-"),
    "other": lambda name: f"{name} extra",
    "USA": lambda name: "USA",
}
_REASONS = {AMBIGUOUS: "ambiguous", CLAIMED: "claimed", BELOW: "below"}


@dataclass(frozen=True)
class Meddling:
    """One thing that is otherwise in Engage than Workplace has it."""

    what: str
    table: str
    pick: int
    how: str

    def __call__(self, target: MemoryTarget) -> None:
        rows = list(target.tables[self.table].values())
        if not rows:
            return
        row = rows[self.pick % len(rows)]
        if self.what == "rename":
            _try(target, self.table, row, {**row, "ResourceName": SPELLINGS[self.how](row["ResourceName"])})
        elif self.what == "twin":
            name = SPELLINGS[self.how](row["ResourceName"])
            _try(target, self.table, None, {**deepcopy(row), "ResourceName": name, "builtin": False})
        elif self.what == "double":
            name = row["ResourceName"]
            _try(target, self.table, row, {**row, "ResourceName": SPELLINGS[self.how](f"{name} ")})
            _try(target, self.table, None, {**deepcopy(row), "ResourceName": f"  {name}", "builtin": False})
        elif self.what == "claim":
            row["ExternalId"] = f"SAP-{self.table}-{row['id']}"
        elif self.what == "remove" and not target._has_children(self.table, row) and not row.get("builtin"):
            del target.tables[self.table][row["id"]]
        elif self.what == "fields" and self.table in SPACES:
            row["MaxCapacity"] = 7
        elif self.what == "number" and self.table == "floors":
            _renumber(target, row, str(self.pick - 3))
        elif self.what == "fields" and self.table == "countries":
            row["CountryCode"] = ""


def _try(target: MemoryTarget, table: str, row: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    """Unless Engage itself would refuse it."""
    if table == "floors" and row is None:
        wanted["FloorNumber"] = str(50 + len(target.tables["floors"]))
    try:
        target._check(table, row, wanted)
    except RefusedError:
        return
    if row is None:
        del wanted["id"]
        target.insert(table, wanted)
    else:
        row.update(wanted)


def _renumber(target: MemoryTarget, row: dict[str, Any], number: str) -> None:
    """Unless a sibling has it; what is on the floor goes with it."""
    siblings = [
        floor
        for floor in target.tables["floors"].values()
        if floor["InternalParentId"] == row["InternalParentId"]
    ]
    if number in {floor["FloorNumber"] for floor in siblings}:
        return
    for table in SPACES:
        for space in target.tables[table].values():
            if target._floor_id(space) == row["id"]:
                space["FloorNumber"] = number
    row["FloorNumber"] = number


meddlings = st.builds(
    Meddling,
    st.sampled_from(["rename", "rename", "twin", "double", "double", "claim", "remove", "fields", "number"]),
    st.sampled_from([*TABLES, *SPACES, *SPACES, "locations", "floors", "floors"]),
    st.integers(0, 9),
    st.sampled_from(sorted(SPELLINGS)),
)


@st.composite
def handmade(draw: st.DrawFn) -> Rig:
    """Both were kept by hand for a while, and are to be merged."""
    rig = filled(draw(tidy_worlds()), minimum_match=0)
    for meddling in draw(st.lists(meddlings, max_size=8)):
        meddling(rig.target)
    edit_all(rig.source, draw(st.lists(edits, max_size=4)))
    return rig


def verdicts(rig: Rig) -> dict[str, Verdict]:
    wanted = translate(rig.source.observe(), rig.settings.scope, rig.settings.defaults)
    return judge(wanted_rows(wanted), rig.target)


def seen(rig: Rig) -> View:
    return asyncio.run(look(rig.ports(), rig.settings))


def matched(view: View) -> dict[str, Verdict]:
    """The engine's verdicts in the oracle's words."""
    found: dict[str, Verdict] = {
        skip.key: _REASONS[skip.reason] for skip in view.desired.skips if skip.reason in _REASONS
    }
    tables = {
        Kind.COUNTRY: "countries", Kind.REGION: "regions", Kind.GROUP: "groups",
        Kind.WORKSPACE_TYPE: "workspaceTypes", Kind.LOCATION: "locations", Kind.FLOOR: "floors",
    }  # fmt: skip
    for key, current in view.pairing.current_of.items():
        spaces = {"MeetingSpace": "rooms", "PersonalSpace": "desks"}
        table = tables.get(current.kind) or spaces[str(current.values[2])]
        found.setdefault(key, (table, current.id))
    return found


def rows_of(target: MemoryTarget) -> dict[Place, dict[str, Any]]:
    """All rows, but for the number of a space's floor: that is the floor's."""
    told = {}
    for table, row in target.rows():
        told[table, row["id"]] = deepcopy(row)
        if table in SPACES:
            told[table, row["id"]]["FloorNumber"] = target._floor_id(row)
    return told


@given(handmade(), st.lists(st.integers(0, 30), max_size=3))
def test_who_is_who_is_what_the_oracle_says(rig: Rig, marks: list[int]) -> None:
    expected = verdicts(rig)
    certain = [(key, verdict) for key, verdict in expected.items() if isinstance(verdict, tuple)]
    for pick in marks if certain else ():  # as far as a run had come that was killed
        key, (table, id) = certain[pick % len(certain)]
        rig.target.tables[table][id]["ExternalId"] = key
    assert verdicts(rig) == expected
    assert matched(seen(rig)) == {key: told for key, told in expected.items() if told != NEW}


def country_with_a_hyphen() -> Rig:
    rig = filled(two_buildings(), minimum_match=0)
    country = named(rig.target, "countries", "United States of America")
    country.update(ResourceName="United-States", CountryCode="")
    return rig


@example(country_with_a_hyphen())
@given(handmade())
def test_all_that_is_certain_is_adopted_the_rest_listed_and_nothing_lost_or_doubled(rig: Rig) -> None:
    expected, before = verdicts(rig), rows_of(rig.target)

    report = rig.sync()

    after, now = rows_of(rig.target), places(rig.target)
    waiting = {item.key for item in report.plan.withheld} | {item.key for item in report.failed}
    for key, verdict in expected.items():
        if isinstance(verdict, tuple):
            assert now.get(key) == verdict or key in waiting
        elif verdict == NEW:
            assert key not in now or now[key] not in before
        else:
            assert key not in now
    told = {str(item.key): _REASONS[item.reason] for item in report.plan.left_alone}
    assert told == {key: why for key, why in expected.items() if why in ("ambiguous", "claimed")}
    assert before.keys() <= after.keys()
    ours = {verdict for verdict in expected.values() if isinstance(verdict, tuple)}
    for place in before.keys() - ours:
        assert after[place] == before[place]
    made = [after[place]["ExternalId"] for place in after.keys() - before.keys()]
    assert all(expected[key] == NEW for key in made)


@given(handmade())
def test_the_second_run_writes_nothing(rig: Rig) -> None:
    rig.sync()
    assert rig.writes_of_sync() == []


@given(handmade(), st.integers(1, 40), st.sampled_from(["before", "after"]))
def test_killed_after_any_call_it_ends_the_same(rig: Rig, number: int, moment: str) -> None:
    whole = Rig(deepcopy(rig.source), deepcopy(rig.target), settings=rig.settings)
    whole.sync()
    rig.killed_at(number, moment)
    rig.sync()
    assert rig.target.state() == whole.target.state()
    assert rig.writes_of_sync() == []


def accents_changed_sides() -> Rig:
    """Two types of different families, each with the other's name but for its accent."""
    source = two_buildings()
    put(source, SpaceType(ROOM, "Pod", WE), SpaceType(DESK, "Pód", ME))
    rig = filled(source, minimum_match=0)
    put(source, SpaceType(ROOM, "Pód", WE), SpaceType(DESK, "Pod", ME))
    return rig


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_two_that_are_adopted_change_names(moment: str) -> None:
    whole = accents_changed_sides()
    whole.sync()

    for number in count(1):
        rig = accents_changed_sides()
        killed = rig.killed_at(number, moment)
        rig.sync()

        assert difference(rig.target.state(), whole.target.state()) == {}
        assert rig.writes_of_sync() == []
        if not killed:
            break


def test_two_that_are_adopted_change_names_where_external_ids_are_not_taken() -> None:
    rig = accents_changed_sides()
    rig.target.takes_external_ids = False

    assert rig.sync().failed == []

    assert rig.plan().steps == ()
    assert [named(rig.target, "workspaceTypes", name)["Family"] for name in ("Pód", "Pod")] == [
        HOURLY,
        ALL_DAY,
    ]


def one_without_a_name() -> Rig:
    """A floor that is named by its number, beside one that has no number to tell."""
    source = two_buildings()
    del source.floors[1]
    put(source, Floor(2, "3", 10), Floor(5, "", 10), Floor(6, "Mezzanine", 10))
    for id in (100, 101):
        edit(source.spaces, id, floor=2)
    return filled(source, minimum_match=0)


@given(handmade(), st.lists(edits, max_size=4))
@example(one_without_a_name(), [Edit("put", (Floor(1, "3", 10),), put)])
def test_a_floor_keeps_its_number_unless_a_name_tells_another(rig: Rig, later: list[Any]) -> None:
    matched = {key: place for key, place in verdicts(rig).items() if isinstance(place, tuple)}
    held = {
        place: str(row["FloorNumber"]) for place, row in rows_of(rig.target).items() if place[0] == "floors"
    }
    rig.sync()
    _check_numbers(rig, {key: held[at] for key, at in matched.items() if at in held})
    numbers = {row["ExternalId"]: row["FloorNumber"] for row in rig.target.tables["floors"].values()}
    homes = {floor.id: floor.building for floor in rig.source.floors.values()}
    edit_all(rig.source, later)
    with suppress(EmptySource):
        rig.sync()
    stayed = {f"wp:floor:{floor.id}" for floor in rig.source.floors.values()
              if homes.get(floor.id) == floor.building}  # fmt: skip
    _check_numbers(rig, {key: number for key, number in numbers.items() if key in stayed})


def _check_numbers(rig: Rig, before: dict[str, str]) -> None:
    floors = list(rig.target.tables["floors"].values())
    assert len({(row["InternalParentId"], row["FloorNumber"]) for row in floors}) == len(floors)
    now = {row["ExternalId"]: row["FloorNumber"] for row in floors}
    told = {(floor.building, parse_number(floor.name)) for floor in rig.source.floors.values() if floor.name}
    for floor in rig.source.floors.values():  # one without a name is named by its number
        if not floor.name.strip() and f"wp:floor:{floor.id}" in now:
            told.add((floor.building, int(now[f"wp:floor:{floor.id}"])))
    for floor in rig.source.floors.values():
        number = before.get(f"wp:floor:{floor.id}")
        if number is None or not floor.name.strip() or parse_number(floor.name) is not None:
            continue
        if (floor.building, int(number)) not in told:
            assert now.get(f"wp:floor:{floor.id}", number) == number  # it may be out of scope by now


@given(handmade(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_read_changes_nothing(rig: Rig, random: Any) -> None:
    digest, left_alone = rig.plan().digest, rig.plan().left_alone

    def shuffled(items: Sequence[Any]) -> Sequence[Any]:
        return list(random.sample(items, len(items)))

    rig.source = replace(rig.source, order=shuffled)
    for table in TABLES:
        rig.target.tables[table] = dict(shuffled(list(rig.target.tables[table].items())))
    plan = rig.plan()
    assert plan.digest == digest
    assert plan.left_alone == left_alone
