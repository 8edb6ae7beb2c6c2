"""Engage's locations, floors and resources as rows of the space data template. Pure.

City is the region's name, because a sync makes regions of cities: the merge finds every location again. The
building code carries the location's id; it also keeps apart two locations of one name.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from unicodedata import category, normalize

from engage_sync.spacedata.columns import FIRST_ROW, Column
from engage_sync.spacedata.example import Record
from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.geography import US, US_STATES, country_code, state_of_name
from engage_sync.spacedata.problems import Place
from engage_sync.spacedata.template import DATA_SHEET
from engage_sync.spacedata.type_groups import ME, WE
from engage_sync.spacedata.zip_codes import state_of_zip
from reconcilers.levels import LEVELS
from reconcilers.levels.resource import PERSONAL
from reconcilers.merge import PERSONAL_SUFFIX
from reconcilers.model import Current, Holdings, Kind
from reconcilers.text import clean, fold

NO_FLOOR = "Unspecified"
"""Of resources whose floor Engage does not list."""
_NAMED = 5


@dataclass(slots=True)
class Extract:
    """The rows, the space types that an upload has to create with their groups, and what to say of it."""

    records: list[Record] = field(default_factory=list)
    type_groups: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    locations: int = 0
    floors: int = 0
    resources: int = 0


def extract(holdings: Holdings) -> Extract:
    """Write down what Engage holds, top down, in an order that is always the same."""
    return _Extractor(holdings).run()


def building_code(location: int) -> str:
    """How a building's code carries Engage's id of its location."""
    return f"engage-{location}"


class _Extractor:
    def __init__(self, holdings: Holdings) -> None:
        self._of: dict[Kind, list[Current]] = defaultdict(list)
        for item in holdings.items:
            self._of[item.kind].append(item)
        self._countries = {item.id: item for item in self._of[Kind.COUNTRY]}
        self._regions = {item.id: item for item in self._of[Kind.REGION]}
        self._floors = _below(self._of[Kind.FLOOR])
        self._resources = _below(self._of[Kind.RESOURCE])
        self._type_names = _type_names(self._of[Kind.WORKSPACE_TYPE], self._of[Kind.RESOURCE])
        self._extract = Extract()

    def run(self) -> Extract:
        for location in sorted(self._of[Kind.LOCATION], key=self._order):
            self._location(location)
        self._extract.type_groups = {
            name: ME if variant == PERSONAL else WE
            for (_, variant), name in sorted(self._type_names.items(), key=lambda item: item[1])
        }
        return self._extract

    def _order(self, location: Current) -> tuple[str, str, str, int]:
        region = self._regions.get(location.parent_id or 0)
        country = self._countries.get(region.parent_id or 0) if region else None
        return country.name if country else "", region.name if region else "", location.name, location.id

    def _location(self, location: Current) -> None:
        self._extract.locations += 1
        building = self._building(location)
        floors: dict[str, list[Current]] = defaultdict(list)
        for floor in sorted(self._floors[location.id], key=_floor_order):
            floors[_floor_name(floor).casefold()].append(floor)
        resources: dict[int | None, list[Current]] = defaultdict(list)
        listed = {floor.id for floor in self._floors[location.id]}
        for resource in self._resources[location.id]:
            floor_id = _number(resource, "FloorNumber")
            resources[floor_id if floor_id in listed else None].append(resource)
        for same in floors.values():
            here = [resource for floor in same for resource in resources[floor.id]]
            self._floor(building, _floor_name(same[0]), here)
            self._note_merged_floors(same)
        if resources[None]:
            self._note(
                Ground.NOT_TOLD, Column.FLOOR, NO_FLOOR,
                f"Engage lists no floor for {_counted(resources[None])} of this location",
                "write the floors that they are on",
            )  # fmt: skip
            self._floor(building, NO_FLOOR, resources[None])
        if not floors and not resources[None]:
            self._extract.records.append(building)

    def _building(self, location: Current) -> dict[Column, str | int | float]:
        region = self._regions.get(location.parent_id or 0)
        country = self._countries.get(region.parent_id or 0) if region else None
        city = tidy(region.name) if region else ""
        code = _country(country)
        zip_code = tidy(_text(location, "PostCode"))
        record: dict[Column, str | int | float] = {
            Column.BUILDING_NAME: tidy(location.name),
            Column.BUILDING_CODE: building_code(location.id),
            Column.ADDRESS: tidy(_text(location, "LocationAddress")),
            Column.CITY: city,
            Column.ZIP: zip_code,
            Column.COUNTRY: code,
            Column.ENGAGE_LOCATION_ID: location.id,
        }
        if code in (US, ""):
            record[Column.STATE_CODE] = _state(city, zip_code)
            if not record[Column.STATE_CODE]:
                self._note(
                    Ground.NOT_TOLD, Column.STATE_CODE, tidy(location.name),
                    "Engage does not tell the state, and neither its region nor its postal code does",
                    "write one such as TX",
                )  # fmt: skip
        held_city = tidy(_text(location, "LocationCity"))
        if held_city and fold(held_city) != fold(city):
            self._note(
                Ground.NOT_CARRIED, Column.CITY, held_city,
                f'the city is "{held_city}" in Engage, but the column has its region "{city}": a sync makes'
                " regions of cities, and would move the location to another one",
                "nothing is needed; correct the city after the merge if the region shall change",
            )  # fmt: skip
        return record

    def _floor(self, building: Record, name: str, resources: Sequence[Current]) -> None:
        self._extract.floors += 1
        by_name: dict[str, list[Current]] = defaultdict(list)
        for resource in sorted(resources, key=lambda one: (one.name, one.id)):
            by_name[tidy(resource.name) or f"Resource {resource.id}"].append(resource)
        if not by_name:
            self._extract.records.append({**building, Column.FLOOR: name})
        for room, same in by_name.items():
            self._extract.resources += 1
            exact = [one for one in same if one.name == room]  # whom the merge will find
            chosen = same if len(exact) != 1 else exact
            if len(same) > 1:
                self._note_left_out(room, same, chosen)
            self._extract.records.append({**building, Column.FLOOR: name, **self._room(room, chosen)})

    def _room(self, name: str, same: Sequence[Current]) -> Record:
        first = same[0]
        variant = LEVELS[Kind.RESOURCE].variant_of(first.values)
        room: dict[Column, str | int | float] = {
            Column.ROOM: name,
            Column.SPACE_TYPE: self._type_names[_number(first, "WorkspaceTypeId"), variant],
            Column.CAPACITY: max(1, _number(first, "MaxCapacity") or 1),
            Column.RESERVABLE: "Yes",
        }
        if len(same) == 1:  # of several, nobody can tell which the row is
            room[Column.ENGAGE_RESOURCE_ID] = first.id
        return room

    def _note_left_out(self, name: str, same: Sequence[Current], chosen: Sequence[Current]) -> None:
        so = "one row stands for all and the merge will not tell which it is"
        if len(chosen) == 1:
            so = f"the row is {chosen[0].id}, whose name is written like this, and Engage keeps the rest"
        self._note(
            Ground.LEFT_OUT, Column.ROOM, name,
            f"{len(same)} resources of this floor have this name (id {_ids(same)}), so {so}",
            "give them different names in Engage and extract again",
        )  # fmt: skip

    def _note_merged_floors(self, same: Sequence[Current]) -> None:
        if len(same) > 1:
            self._note(
                Ground.LEFT_OUT, Column.FLOOR, _floor_name(same[0]),
                f"{len(same)} floors of this location have this name (id {_ids(same)}), so they are one here",
                "give them different names in Engage and extract again",
                back=1,
            )  # fmt: skip

    def _note(
        self, ground: Ground, column: Column, value: str, message: str, cure: str, back: int = 0
    ) -> None:
        """About the row that comes next, or one before it."""
        columns = tuple(Column)
        row = FIRST_ROW + len(self._extract.records) - back
        place = Place(DATA_SHEET, row, columns.index(column) + 1, column)
        self._extract.findings.append(Finding(ground, place, value, message, cure))


def tidy(text: str) -> str:
    """A text as the template takes it: no characters that stand for none, no blanks that do not count."""
    told = clean("".join(" " if c in "\t\n\r" else c for c in text if c in "\t\n\r" or not _is_control(c)))
    seen = any(category(character) not in ("Cf", "Zs") for character in told)
    return normalize("NFC", told) if seen else ""


def _is_control(character: str) -> bool:
    return category(character) in ("Cc", "Cs") or ord(character) & 0xFFFE == 0xFFFE


def _type_names(
    types: Iterable[Current], resources: Iterable[Current]
) -> Mapping[tuple[int | None, str], str]:
    """A name for each workspace type in use and kind of resource: in Workplace a type is either We or Me."""
    names = {type.id: tidy(type.name) for type in types}
    level = LEVELS[Kind.RESOURCE]
    used = sorted(
        {(_number(one, "WorkspaceTypeId"), level.variant_of(one.values)) for one in resources},
        key=lambda pair: (pair[1], pair[0] or 0),  # meeting spaces before personal ones
    )
    settled: dict[tuple[int | None, str], str] = {}
    taken: dict[str, str] = {}
    for id, variant in used:
        name = names.get(id or 0) or (f"Type {id}" if id else "Room")
        if taken.setdefault(name, variant) != variant:
            name += PERSONAL_SUFFIX
            taken.setdefault(name, variant)
        settled[id, variant] = name
    return settled


def _below(items: Iterable[Current]) -> Mapping[int | None, Sequence[Current]]:
    below: dict[int | None, list[Current]] = defaultdict(list)
    for item in items:
        below[item.parent_id].append(item)
    return below


def _floor_order(floor: Current) -> tuple[int, str, int]:
    number = _text(floor, "FloorNumber")
    return int(number) if number.lstrip("-").isdecimal() else 0, number, floor.id


def _floor_name(floor: Current) -> str:
    """Engage shows the number of a floor that has no name."""
    return tidy(floor.name) or tidy(_text(floor, "FloorNumber")) or NO_FLOOR


def _country(country: Current | None) -> str:
    if country is None:
        return ""
    code = tidy(_text(country, "CountryCode"))
    return country_code(code) or country_code(country.name) or tidy(country.name) or code


def _state(region: str, zip_code: str) -> str:
    if region.upper() in US_STATES:
        return region.upper()
    # The code before the name: the city of New York is not in the state of Washington, nor is Washington.
    return state_of_zip(zip_code) or state_of_name(region)


def _text(item: Current, name: str) -> str:
    value = item.values[LEVELS[item.kind].index(name)]
    return "" if value is None else str(value)


def _number(item: Current, name: str) -> int | None:
    value = item.values[LEVELS[item.kind].index(name)]
    return None if value is None else int(value)


def _ids(items: Sequence[Current]) -> str:
    return ", ".join(str(item.id) for item in items[:_NAMED]) + ("…" if len(items) > _NAMED else "")


def _counted(items: Sequence[Current]) -> str:
    return f"{len(items)} resource{'s' * (len(items) > 1)}"


def csv_lines(type_groups: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The rows of a file for --create-types, with its header."""
    yield "type", "group"
    for name, group in type_groups.items():
        yield name, group.removesuffix(" Spaces")
