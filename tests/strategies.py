"""Hypothesis strategies: whole hierarchies, edit histories, and hands that meddle with Engage.

Ids are few and names are fewer, so that everything collides with everything.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from reconcilers.source import Building, Center, Floor, Space, SpaceType
from tests.engine.memory_source import MemorySource
from tests.engine.memory_target import SPACES, MemoryTarget

# Hypothesis imports this strategy where it is first used. In a law of crashes Python 3.11.7 cannot parse it
# for pytest (AST constructor recursion depth) unless its byte code is there: so it is used here first.
st.randoms(use_true_random=False).validate()

TABLES = ("buildings", "floors", "spaces", "types", "centers")

# Twins by case and blanks, what suffixes make of them, and what is no name at all.
names = st.sampled_from(
    ["A", "a", " A  ", "A (2)", "a (3)", "A (2) (2)", "A (X)", "A (Floor 1)", "B", "b", "Ä", "ä", "STRASSE",
     "Straße", "", "  ", "Desk", "Meeting Room", "A (moving 1)"]
)  # fmt: skip
floor_names = st.sampled_from(
    ["3", "3rd Floor", "Floor 3", " level  3", "OG 03", "3. OG", "1st Floor", "Floor 1", "2", "G", "Lobby",
     "EG", "B2", "UG 02", "-2", "Basement 1", "Mezzanine", "mezzanine", "Room 3 B", "", "Floor 0", "A"]
)  # fmt: skip
cities = st.sampled_from(
    ["Houston", "houston ", "München", "Munchen", "MÜNCHEN", "New  York", "new york", "", " "]
)
codes = st.sampled_from(["US", "us", "DE", "IN", ""])
zones = st.sampled_from(["America/Chicago", "Europe/Berlin", "Asia/Kolkata", "UTC", "Mars/Olympus", ""])
groups = st.sampled_from(["We Spaces", "Me Spaces", "we spaces ", "None", ""])

building_ids, floor_ids, type_ids, space_ids, center_ids = (
    st.integers(1, top) for top in (4, 6, 4, 9, 3)
)  # fmt: skip

buildings = st.builds(
    Building,
    id=building_ids,
    name=names,
    code=st.sampled_from(["", "X", "2"]),
    street=st.sampled_from(["", "Main  St 1"]),
    street2=st.sampled_from(["", "Wing B"]),
    city=cities,
    state=st.sampled_from(["", "Texas", "houston"]),
    postal_code=st.sampled_from(["", "77019"]),
    country_code=codes,
    country_name=st.sampled_from(["", "United States of America (the)", "Deutschland"]),
)
floors = st.builds(Floor, id=floor_ids, name=floor_names, building=st.none() | building_ids)
spaces = st.builds(
    Space,
    id=space_ids,
    name=names,
    capacity=st.sampled_from([None, 0, 1, 4]),
    reservable=st.sampled_from([True, True, True, False]),
    type=type_ids,
    floor=floor_ids,
)
types = st.builds(SpaceType, id=type_ids, name=names, group=groups)
centers = st.builds(Center, id=center_ids, time_zone=zones, buildings=st.frozensets(building_ids))
RECORDS: dict[str, SearchStrategy[Any]] = {
    "buildings": buildings,
    "floors": floors,
    "spaces": spaces,
    "types": types,
    "centers": centers,
}


@dataclass(frozen=True)
class Edit:
    """One change in Workplace, with a name for the counterexample."""

    name: str
    args: tuple[Any, ...]
    do: Callable[..., None]

    def __call__(self, source: MemorySource) -> None:
        self.do(source, *self.args)

    def __repr__(self) -> str:
        return f"{self.name}{self.args}"


def _put(source: MemorySource, table: str, record: Any) -> None:
    getattr(source, table)[record.id] = record


def _remove(source: MemorySource, table: str, id: int) -> None:
    getattr(source, table).pop(id, None)


def _change(source: MemorySource, table: str, name: str, record: Any) -> None:
    """One field alone, as in the record that was drawn."""
    records = getattr(source, table)
    if record.id in records:
        records[record.id] = replace(records[record.id], **{name: getattr(record, name)})


def _rotate(source: MemorySource, table: str, name: str, count: int) -> None:
    """A swap for two, a chain or a ring for more."""
    records = getattr(source, table)
    ids = sorted(records)[:count]
    values = [getattr(records[id], name) for id in ids]
    for id, value in zip(ids, values[1:] + values[:1], strict=True):
        records[id] = replace(records[id], **{name: value})


def _garble(source: MemorySource, table: str, id: int) -> None:
    source.garbled ^= {(table, id)}


_ROTATED = ("name", "time_zone", "floor", "type", "building")


def _edits(table: str) -> SearchStrategy[Edit]:
    records = RECORDS[table]
    names = [item.name for item in fields(_class_of(table)) if item.name not in ("id", "centers")]
    return st.one_of(
        st.builds(lambda r: Edit("put", (table, r), _put), records),
        st.builds(lambda r: Edit("remove", (table, r.id), _remove), records),
        st.builds(lambda n, r: Edit("change", (table, n, r), _change), st.sampled_from(names), records),
        st.builds(lambda n, r: Edit("change", (table, n, r), _change), st.sampled_from(names), records),
        st.builds(
            lambda name, count: Edit("rotate", (table, name, count), _rotate),
            st.sampled_from([name for name in names if name in _ROTATED]),
            st.integers(2, 4),
        ),
    )


def _class_of(table: str) -> type:
    return {"buildings": Building, "floors": Floor, "spaces": Space, "types": SpaceType, "centers": Center}[
        table
    ]


edits = st.one_of([_edits(table) for table in ("spaces", "floors", "buildings", "types", "centers")])
garblings = st.builds(
    lambda table, id: Edit("garble", (table, id), _garble),
    st.sampled_from(["buildings", "floors", "spaces", "types"]),
    st.integers(1, 4),
)


@st.composite
def worlds(draw: st.DrawFn) -> MemorySource:
    """A whole Workplace; most of it hangs together, some of it does not."""
    source = MemorySource()
    for table, records in RECORDS.items():
        size = {"spaces": 9, "floors": 6}.get(table, 4)
        for record in draw(st.lists(records, max_size=size, unique_by=lambda record: record.id)):
            getattr(source, table)[record.id] = record
    if draw(st.booleans()):
        everywhere = frozenset(source.buildings)
        source.centers[1] = Center(1, draw(st.sampled_from(["America/Chicago", "UTC"])), everywhere)
    return source


@st.composite
def tidy_worlds(draw: st.DrawFn) -> MemorySource:
    """A Workplace in which much is in scope: one center for all, floors and spaces that hang somewhere."""
    source = draw(worlds())
    for id in draw(st.sets(building_ids, min_size=1, max_size=3)):
        source.buildings[id] = replace(draw(buildings), id=id, country_code="US")
    for id, floor in source.floors.items():
        home = draw(st.sampled_from(sorted(source.buildings)))
        source.floors[id] = replace(floor, building=home)
    source.types[1] = SpaceType(1, draw(names), "We Spaces")
    source.types[2] = SpaceType(2, draw(names), "Me Spaces")
    if source.floors:
        for id, space in source.spaces.items():
            source.spaces[id] = replace(
                space, floor=draw(st.sampled_from(sorted(source.floors))), type=draw(st.integers(1, 2)),
                reservable=True,
            )  # fmt: skip
    source.centers[1] = Center(1, "America/Chicago", frozenset(range(1, 5)) & frozenset(source.buildings))
    return source


histories = st.lists(st.lists(edits, min_size=1, max_size=5), min_size=1, max_size=4)
murky_histories = st.lists(st.lists(edits | garblings, min_size=1, max_size=5), min_size=1, max_size=4)


@dataclass(frozen=True)
class Hand:
    """One change that a person makes in Engage, refusals permitting."""

    name: str
    args: tuple[Any, ...]
    do: Callable[..., None]

    def __call__(self, target: MemoryTarget) -> None:
        self.do(target, *self.args)

    def __repr__(self) -> str:
        return f"{self.name}{self.args}"


def _ours(target: MemoryTarget, table: str, pick: int) -> dict[str, Any] | None:
    rows = [row for row in target.tables[table].values() if str(row["ExternalId"]).startswith("wp:")]
    return rows[pick % len(rows)] if rows else None


def _rename(target: MemoryTarget, table: str, pick: int, name: str) -> None:
    row = _ours(target, table, pick)
    if row is not None and name not in {other["ResourceName"].casefold() for _, other in target.rows()}:
        row["ResourceName"] = name


def _forget_id(target: MemoryTarget, table: str, pick: int) -> None:
    row = _ours(target, table, pick)
    if row is not None:
        row["ExternalId"] = None


def _delete_space(target: MemoryTarget, table: str, pick: int) -> None:
    row = _ours(target, table, pick)
    if row is not None:
        del target.tables[table][row["id"]]


def _set(target: MemoryTarget, table: str, pick: int, name: str, value: Any) -> None:
    row = _ours(target, table, pick)
    if row is not None:
        row[name] = value


engage_tables = st.sampled_from(
    ["countries", "regions", "groups", "workspaceTypes", "locations", "floors", "rooms", "desks"]
)
picks = st.integers(0, 9)
hands = st.one_of(
    st.builds(
        lambda *args: Hand("rename", args, _rename), engage_tables, picks, st.sampled_from(["zz", "zz (2)"])
    ),
    st.builds(lambda *args: Hand("forget_id", args, _forget_id), engage_tables, picks),
    st.builds(lambda *args: Hand("delete_space", args, _delete_space), st.sampled_from(SPACES), picks),
    st.builds(lambda pick: Hand("set", ("rooms", pick, "MaxCapacity", 7), _set), picks),
    st.builds(lambda pick: Hand("set", ("locations", pick, "TimeZone", "X"), _set), picks),
)


# Edits as imports and whole-sale mistakes make them.


def again(source: MemorySource, building: int, step: int, kinds: frozenset[str]) -> None:
    """A building's records are made again under new ids: the building, its floors, its spaces, or some."""
    floors = [floor for floor in source.floors.values() if floor.building == building]
    spaces = [space for space in source.spaces.values() if space.floor in {floor.id for floor in floors}]
    new_floor = {floor.id: floor.id + step if "floors" in kinds else floor.id for floor in floors}
    new_building = building + step if "buildings" in kinds else building
    for floor in floors:
        del source.floors[floor.id]
    for floor in floors:
        source.floors[new_floor[floor.id]] = replace(floor, id=new_floor[floor.id], building=new_building)
    for space in spaces:
        del source.spaces[space.id]
    for space in spaces:
        id = space.id + step if "spaces" in kinds else space.id
        source.spaces[id] = replace(space, id=id, floor=new_floor[int(str(space.floor))])
    if new_building != building and building in source.buildings:
        source.buildings[new_building] = replace(source.buildings.pop(building), id=new_building)
        for center in source.centers.values():
            if building in center.buildings:
                named = center.buildings - {building} | {new_building}
                source.centers[center.id] = replace(center, buildings=named)


def made_again(source: MemorySource, new: dict[str, dict[int, int]]) -> None:
    """Every record under its new id: by table, the new id by the old one."""
    floors, types, buildings = new["floors"], new["types"], new["buildings"]
    source.buildings = {
        buildings[id]: replace(building, id=buildings[id]) for id, building in source.buildings.items()
    }
    source.floors = {
        floors[id]: replace(floor, id=floors[id], building=buildings[int(str(floor.building))])
        for id, floor in source.floors.items()
    }
    source.types = {types[id]: replace(type, id=types[id]) for id, type in source.types.items()}
    source.spaces = {
        new["spaces"][id]: replace(
            space, id=new["spaces"][id], floor=floors[int(str(space.floor))], type=types[int(str(space.type))]
        )
        for id, space in source.spaces.items()
    }
    for center in source.centers.values():
        named = frozenset(buildings[id] for id in center.buildings)
        source.centers[center.id] = replace(center, buildings=named)


def _thin_out(source: MemorySource, building: int, percent: int) -> None:
    """A share of a building's spaces is gone, the lowest ids first."""
    floors = {floor.id for floor in source.floors.values() if floor.building == building}
    spaces = sorted(space.id for space in source.spaces.values() if space.floor in floors)
    for id in spaces[: -(-len(spaces) * percent // 100)]:
        del source.spaces[id]


def _demolish(source: MemorySource, building: int) -> None:
    """A building is gone with all that is in it."""
    _thin_out(source, building, 100)
    for floor in [floor.id for floor in source.floors.values() if floor.building == building]:
        del source.floors[floor]
    source.buildings.pop(building, None)


def _lose_zeros(source: MemorySource, table: str) -> None:
    """A spreadsheet took names for numbers."""
    records = getattr(source, table)
    for id, record in records.items():
        records[id] = replace(record, name=record.name.lstrip("0"))


def _move(source: MemorySource, building: int, city: str) -> None:
    if building in source.buildings:
        source.buildings[building] = replace(source.buildings[building], city=city)


some_building = st.integers(1, 4)
remakings = st.builds(
    lambda building, kinds: Edit("made again", (building, 1000, kinds), again),
    some_building,
    st.frozensets(st.sampled_from(["buildings", "floors", "spaces"]), min_size=1),
)
losses = st.one_of(
    st.builds(
        lambda building, percent: Edit("thin out", (building, percent), _thin_out),
        some_building,
        st.sampled_from([10, 34, 50, 67, 100]),
    ),
    st.builds(lambda building: Edit("demolish", (building,), _demolish), some_building),
)
blunders = st.one_of(
    losses,
    remakings,
    st.builds(lambda table: Edit("lose zeros", (table,), _lose_zeros), st.sampled_from(["spaces", "floors"])),
    st.builds(
        lambda building, city: Edit("move", (building, city), _move),
        some_building,
        st.sampled_from(["Houston", "Dallas"]),
    ),
)
rough_histories = st.lists(
    st.lists(edits | blunders | blunders, min_size=1, max_size=4), min_size=1, max_size=3
)


@st.composite
def built_up_worlds(draw: st.DrawFn) -> MemorySource:
    """Buildings in one city or two, each with floors and many spaces under names of their own."""
    source = MemorySource()
    source.types = {1: SpaceType(1, "Room", "We Spaces"), 2: SpaceType(2, "Desk", "Me Spaces")}
    for id in range(1, draw(st.integers(1, 4)) + 1):
        city = draw(st.sampled_from(["Houston", "Houston", "Dallas"]))
        source.buildings[id] = Building(id, f"House {id}", city=city, country_code="US")
        for number in range(draw(st.integers(1, 2))):
            floor = id * 10 + number
            source.floors[floor] = Floor(floor, f"Floor {number}", id)
            for place in range(draw(st.integers(0, 4))):
                space = floor * 10 + place
                type = draw(st.sampled_from([1, 1, 2]))
                source.spaces[space] = Space(space, f"00{space}", 4, True, type, floor)
    source.centers[1] = Center(1, "America/Chicago", frozenset(source.buildings))
    return source
