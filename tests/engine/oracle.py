"""What Engage must hold after a run: section 4 of the contract, sentence by sentence, slow and simple.

Independent on purpose: it shares no code, no table and no idea with the engine. Rows look like those of
`MemoryTarget.state`. It knows only the time zones and countries that the strategies use.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from reconcilers.source import Building, Floor, Observation, Space

Row = dict[str, Any]
State = dict[str, Row]

WINDOWS = {
    "America/Chicago": "Central Standard Time",
    "Europe/Berlin": "W. Europe Standard Time",
    "Asia/Kolkata": "India Standard Time",
    "UTC": "UTC",
}
ONLY_ZONE = {"DE": "W. Europe Standard Time", "IN": "India Standard Time"}
ENGLISH = {"US": "United States", "DE": "Germany", "IN": "India"}

LEAVES_SCOPE = {"NoReservationCenter", "OutOfScope", "NotReservable", "NotBookableType"}
DOWN = ("countries", "regions", "groups", "workspaceTypes", "locations", "floors", "rooms", "desks")
REFERENCES = ("InternalParentId", "LocationId", "Floor", "WorkspaceTypeId", "GroupId")


@dataclass(frozen=True)
class Rules:
    """The parts of a spec that section 4 mentions."""

    require_center: bool = True
    reservable_only: bool = True
    countries: frozenset[str] | None = None
    default_country: str = ""
    default_zone: str = ""
    group_name: str = "{country} Default Group"


@dataclass
class Expected:
    """The rows that are desired, and what was left out by (kind, external id)."""

    rows: State = field(default_factory=dict)
    skips: dict[tuple[str, str], str] = field(default_factory=dict)
    adopted: dict[str, str] = field(default_factory=dict)
    """Default workspace types by their label before: the external id they get."""
    free: set[str] = field(default_factory=set)
    """Default workspace types, by their label before, that nobody adopts."""
    types: set[str] = field(default_factory=set)
    """Every type that is listed, whether anybody can book it or not."""

    def reasons(self) -> Counter[tuple[str, str]]:
        return Counter((kind, reason) for (kind, _), reason in self.skips.items())

    def kept(self) -> set[str]:
        return {key for (_, key), reason in self.skips.items() if reason not in LEAVES_SCOPE}


def clean(text: str) -> str:
    return " ".join(text.split())


def folded_city(text: str) -> str:
    plain = {"ü": "u", "ö": "o", "ä": "a"}
    return "".join(plain.get(letter, letter) for letter in clean(text).casefold()).replace(" ", "-")


def floor_number(name: str) -> int | None:
    """The number that a whole floor name tells."""
    text = clean(name).casefold()
    if text in ("g", "ground", "ground floor", "lobby", "eg"):
        return 0
    for ending in ("st floor", "nd floor", "rd floor", "th floor", ". og"):
        if text.endswith(ending) and _digits(text.removesuffix(ending)):
            return int(text.removesuffix(ending))
    for beginning in ("", "floor ", "level ", "og "):
        if text.startswith(beginning) and _digits(text.removeprefix(beginning)):
            return int(text.removeprefix(beginning))
    for beginning in ("-", "b", "basement ", "ug "):
        if text.startswith(beginning) and _digits(text.removeprefix(beginning)):
            return -int(text.removeprefix(beginning))
    return None


def _digits(text: str) -> bool:
    return text != "" and all(letter in "0123456789" for letter in text)


def floor_numbers(floors: list[Floor]) -> dict[int, int]:
    """By id, for the floors of one building."""
    parsed = {floor.id: floor_number(floor.name) for floor in floors}
    numbers: dict[int, int] = {}
    for id in sorted(parsed):
        if parsed[id] is not None and parsed[id] not in numbers.values():
            numbers[id] = parsed[id]  # type: ignore[assignment]
    told = [number for number in parsed.values() if number is not None]
    free = max(told) + 1 if told else 0
    for id in sorted(parsed):
        if id not in numbers:
            numbers[id] = free
            free += 1
    return numbers


def unique(names: dict[int, str], suffixes: Callable[[int], Iterable[str]]) -> dict[int, str]:
    """Whoever has a name first keeps it; then the later ones get a suffix, in order of id."""
    result: dict[int, str] = {}
    for id in sorted(names):
        if names[id].casefold() not in {name.casefold() for name in result.values()}:
            result[id] = names[id]
    for id in sorted(names):
        if id in result:
            continue
        taken = {name.casefold() for name in result.values()}
        tries = [f"{names[id]} ({suffix})" for suffix in suffixes(id) if suffix]
        while all(name.casefold() in taken for name in tries):
            tries.append(f"{tries[-1]} ({id})")
        result[id] = next(name for name in tries if name.casefold() not in taken)
    return result


@dataclass
class _Translation:
    observed: Observation
    rules: Rules
    before: State
    builtins: dict[str, str]
    """The two types that came with the product: label in `before` -> label without an external id."""
    out: Expected = field(default_factory=Expected)

    def run(self) -> Expected:
        for kind, prefix, listing in (
            ("Location", "wp:building:", self.observed.buildings),
            ("Floor", "wp:floor:", self.observed.floors),
            ("WorkspaceType", "wp:type:", self.observed.types),
            ("Resource", "wp:room:", self.observed.spaces),
        ):
            for record in listing.unreadable:
                self.out.skips[kind, f"{prefix}{record.id}"] = "Invalid"
        self.buildings = {building.id: building for building in self.observed.buildings.items}
        self.code = {id: self._code(building) for id, building in self.buildings.items()}
        self.zone = {id: self._zone(id) for id in self.buildings}
        for id in self.buildings:
            reason = self._building_reason(id)
            if reason:
                self.out.skips["Location", f"wp:building:{id}"] = reason
        self.scope = sorted(
            id for id in self.buildings if ("Location", f"wp:building:{id}") not in self.out.skips
        )
        self._countries_and_regions()
        self._types()
        self._locations_and_floors()
        self._resources()
        return self.out

    def _centers(self, building: int) -> list[int]:
        return sorted(c.id for c in self.observed.centers.items if building in c.buildings)

    def _code(self, building: Building) -> str:
        return clean(building.country_code).upper() or self.rules.default_country

    def _zone(self, id: int) -> str | None:
        zones = {center.id: center.time_zone for center in self.observed.centers.items}
        known = [WINDOWS[zones[c]] for c in self._centers(id) if zones[c] in WINDOWS]
        default = WINDOWS.get(self.rules.default_zone)
        return known[0] if known else default or ONLY_ZONE.get(self.code[id])

    def _building_reason(self, id: int) -> str | None:
        if self.rules.require_center and not self._centers(id):
            return "NoReservationCenter"
        if not self.code[id]:
            return "NoCountry"
        if self.rules.countries is not None and self.code[id] not in self.rules.countries:
            return "OutOfScope"
        return None if self.zone[id] else "NoTimeZone"

    def _city(self, id: int) -> str:
        building = self.buildings[id]
        return clean(building.city) or clean(building.state) or "Unspecified"

    def _region(self, id: int) -> str:
        return f"wp:city:{self.code[id]}:{folded_city(self._city(id))}"

    def _countries_and_regions(self) -> None:
        self.country_name: dict[str, str] = {}
        for code in sorted({self.code[id] for id in self.scope}):
            told = [
                clean(self.buildings[id].country_name).removesuffix(" (the)")
                for id in self.scope
                if self.code[id] == code and clean(self.buildings[id].country_code)
            ]
            name = next((name for name in told if name), ENGLISH[code])
            if name.casefold() in {other.casefold() for other in self.country_name.values()}:
                name = f"{name} ({code})"  # the contract does not say, but Engage would refuse it
            self.country_name[code] = name
            self.out.rows[f"wp:country:{code}"] = {
                "table": "countries", "ResourceName": name, "CountryCode": code,
            }  # fmt: skip
            self.out.rows[f"wp:group:{code}"] = {
                "table": "groups",
                "ResourceName": clean(self.rules.group_name.replace("{country}", name)),
                "InternalParentId": f"wp:country:{code}",
            }
        for id in reversed(self.scope):  # the lowest writes last, so it is the one that stays
            self.out.rows[self._region(id)] = {
                "table": "regions",
                "ResourceName": self._city(id),
                "InternalParentId": f"wp:country:{self.code[id]}",
            }

    def _types(self) -> None:
        family = {"we spaces": "Hourly", "me spaces": "AllDay"}
        self.family = {
            type.id: family.get(clean(type.group).casefold()) for type in self.observed.types.items
        }
        self.out.types = {f"wp:type:{id}" for id in self.family}
        names = unique(
            {
                type.id: clean(type.name) or f"Type {type.id}"
                for type in self.observed.types.items
                if self.family[type.id]
            },
            lambda id: [str(id)],
        )
        free = self._free_builtins()
        has_one = {f"wp:type:{id}" for id in names} & set(self.before)
        has_one -= {label for label in free if label in self.before}
        renamed = {}
        for id in sorted(names):
            for label in sorted(free):
                row = self.before[label]
                same = row["ResourceName"].casefold() == names[id].casefold()
                if same and row["Family"] == self.family[id] and f"wp:type:{id}" not in has_one:
                    self.out.adopted[label] = f"wp:type:{id}"
                    free = free - {label}
                    break
        self.out.free = free
        taken = {self.before[label]["ResourceName"].casefold() for label in free}
        settled = {name.casefold() for name in names.values()} | taken
        for id in sorted(names):
            if names[id].casefold() in taken:
                renamed[id] = f"{names[id]} ({id})"
                while renamed[id].casefold() in settled:
                    renamed[id] += f" ({id})"
                settled.add(renamed[id].casefold())
        for id, name in {**names, **renamed}.items():
            self.out.rows[f"wp:type:{id}"] = {
                "table": "workspaceTypes", "ResourceName": name, "Family": self.family[id],
            }  # fmt: skip

    def _free_builtins(self) -> set[str]:
        """Default types that carry no id of ours, or one that they can carry no longer."""
        kept = {key for (kind, key) in self.out.skips if kind == "WorkspaceType"}
        free = set()
        for label in self.builtins:
            number = label.removeprefix("wp:type:")
            if label == number or (
                label not in kept and self.family.get(int(number)) != self.before[label]["Family"]
            ):
                free.add(label)
        return free

    def _locations_and_floors(self) -> None:
        told: dict[int, str] = {}
        for region in {self._region(id) for id in self.scope}:
            siblings = [id for id in self.scope if self._region(id) == region]
            code = {id: clean(self.buildings[id].code) for id in siblings}
            told |= unique(
                {id: clean(self.buildings[id].name) or code[id] or f"Building {id}" for id in siblings},
                lambda id, code=code: [code[id], str(id)],  # type: ignore[misc]
            )
        self.floors: dict[int, int] = {}
        for id in self.scope:
            floors = [floor for floor in self.observed.floors.items if floor.building == id]
            numbers = floor_numbers(floors)
            building = self.buildings[id]
            self.out.rows[f"wp:building:{id}"] = {
                "table": "locations",
                "ResourceName": told[id],
                "InternalParentId": self._region(id),
                "LocationAddress": ", ".join(
                    part for part in (clean(building.street), clean(building.street2)) if part
                ),
                "PostCode": clean(building.postal_code),
                "LocationCity": clean(building.city),
                "LocationCountry": self.country_name[self.code[id]],
                "TimeZone": self.zone[id],
                "NumberOfFloorsAboveGround": len([n for n in numbers.values() if n >= 0]),
                "NumberOfFloorsBelowGround": len([n for n in numbers.values() if n < 0]),
            }
            names = unique(
                {floor.id: clean(floor.name) or f"Floor {numbers[floor.id]}" for floor in floors},
                lambda id: [str(id)],
            )
            for floor in floors:
                self.floors[floor.id] = id
                self.out.rows[f"wp:floor:{floor.id}"] = {
                    "table": "floors",
                    "ResourceName": names[floor.id],
                    "InternalParentId": f"wp:building:{id}",
                    "FloorNumber": str(numbers[floor.id]),
                }
        for floor in self.observed.floors.items:
            if floor.id not in self.floors:
                reason = self.out.skips.get(("Location", f"wp:building:{floor.building}"), "Orphan")
                self.out.skips["Floor", f"wp:floor:{floor.id}"] = reason

    def _resources(self) -> None:
        by_location: dict[int, list[Space]] = {}
        for space in self.observed.spaces.items:
            reason = self._space_reason(space)
            if reason:
                self.out.skips["Resource", f"wp:room:{space.id}"] = reason
            else:
                assert space.floor is not None
                by_location.setdefault(self.floors[space.floor], []).append(space)
        for location, spaces in by_location.items():
            floor_name = {s.id: self.out.rows[f"wp:floor:{s.floor}"]["ResourceName"] for s in spaces}
            names = unique(
                {space.id: clean(space.name) or f"Space {space.id}" for space in spaces},
                lambda id, floor_name=floor_name: [floor_name[id], str(id)],  # type: ignore[misc]
            )
            for space in spaces:
                assert space.type is not None
                we = self.family[space.type] == "Hourly"
                self.out.rows[f"wp:room:{space.id}"] = {
                    "table": "rooms" if we else "desks",
                    "ResourceName": names[space.id],
                    "LocationId": f"wp:building:{location}",
                    "Floor": f"wp:floor:{space.floor}",
                    "WorkspaceTypeId": f"wp:type:{space.type}",
                    "MaxCapacity": max(space.capacity or 1, 1) if we else 1,
                }

    def _space_reason(self, space: Space) -> str | None:
        if space.floor not in self.floors:
            return self.out.skips.get(("Floor", f"wp:floor:{space.floor}"), "Orphan")
        if space.type not in self.family:
            return "Invalid"
        if not self.family[space.type]:
            return "NotBookableType"
        return "NotReservable" if self.rules.reservable_only and not space.reservable else None


def translate(observed: Observation, rules: Rules, before: State, builtins: dict[str, str]) -> Expected:
    """Everything that is desired but for groups of locations and resources."""
    return _Translation(observed, rules, before, builtins).run()


def after(wanted: Expected, before: State, builtins: dict[str, str], withheld: Iterable[str] = ()) -> State:
    """What Engage holds after a run that began with `before`; `withheld` stays as it was."""
    held = set(withheld)
    again = _made_again(wanted, before, builtins)
    before = _relabelled(before, again)
    labels = {label: builtins[label] for label in wanted.free} | wanted.adopted
    before = {key: _renamed(row, labels) for key, row in before.items()}
    rows: State = {key: dict(row) for key, row in wanted.rows.items() if key not in held}
    staying = {key for key in before if key in held or _stays(key, wanted, before)}
    staying -= wanted.free  # given back: who waits under that label is another
    rows |= {key: before[key] for key in staying}
    rows |= {builtins[label]: before[label] for label in wanted.free}
    leftover = {key for key in before if key not in rows and key not in builtins}
    while more := {key for key in leftover if any(_refers(row, key) for row in rows.values())}:
        rows |= {key: before[key] for key in more}
        leftover -= more
    _give_groups(rows, wanted, before, held)
    return _relabelled(rows, {new: old for old, new in again.items() if new in held})


def _made_again(wanted: Expected, before: State, builtins: dict[str, str]) -> dict[str, str]:
    """What has the path of something that is gone is that thing: its new label by the one it had."""
    there = wanted.rows.keys() | {key for _, key in wanted.skips} | wanted.types | builtins.keys()
    for key in wanted.kept() & before.keys():  # what is not understood is where it is
        while before[key]["table"] in ("locations", "regions"):
            key = before[key]["InternalParentId"]
            there = there | {key}
    again: dict[str, str] = {}
    for table in DOWN:
        seen = _relabelled(before, again)  # a path begins with a parent that is known by now
        gone = [
            key
            for key, row in before.items()
            if row["table"] == table and key.startswith("wp:") and key not in there
        ]
        for new, row in wanted.rows.items():
            same = [key for key in gone if _path(seen[key]) == _path(row)]
            if row["table"] == table and new not in before and len(same) == 1:
                again[same[0]] = new
    return again


def _path(row: Row) -> tuple[object, ...]:
    names = ("table", "InternalParentId", "LocationId", "Floor", "Family")
    return (row["ResourceName"].casefold(), *(row.get(name) for name in names))


def _relabelled(state: State, labels: dict[str, str]) -> State:
    """The same rows under other labels."""
    if not labels:
        return state
    told: State = {}
    for key, row in state.items():
        other: Row = {name: labels.get(row[name], row[name]) for name in REFERENCES if name in row}
        if "Groups" in row:
            other["Groups"] = sorted(labels.get(group, group) for group in row["Groups"])
        told[labels.get(key, key)] = {**row, **other}
    return told


def _renamed(row: Row, labels: dict[str, str]) -> Row:
    """The same row after default types got or lost their external id."""
    used = row.get("WorkspaceTypeId")
    return {**row, "WorkspaceTypeId": labels.get(used, used)} if used else row


def _stays(key: str, wanted: Expected, before: State) -> bool:
    """What is not understood keeps what it has; what hangs below a location goes only with that."""
    kept = wanted.kept()
    location = before[key].get("LocationId") or (
        before[key].get("InternalParentId") if before[key]["table"] == "floors" else None
    )
    if location is None:
        return key in kept
    if key in wanted.rows:
        return False
    desired = wanted.rows.get(location)
    stays = desired is not None and desired["InternalParentId"] == before[location]["InternalParentId"]
    return location in kept or (key in kept and stays)


def _refers(row: Row, key: str) -> bool:
    return any(row.get(name) == key for name in REFERENCES) or key in row.get("Groups", ())


def _give_groups(rows: State, wanted: Expected, before: State, held: set[str]) -> None:
    """A location gets its group before its first resource; a resource gets it when it is made."""
    for key, row in rows.items():
        if row["table"] == "locations" and "Groups" not in row:
            old = before.get(key)
            stayed = old is not None and old["InternalParentId"] == row["InternalParentId"]
            row["Groups"] = list(old["Groups"]) if old is not None and stayed else []
    spaces = {**rows, **{key: wanted.rows[key] for key in held & wanted.rows.keys()}}
    for key, row in spaces.items():
        if row["table"] in ("rooms", "desks") and "GroupId" not in row:
            old, location = before.get(key), rows.get(row["LocationId"])
            if location is None:
                continue
            gone = old is None or old["LocationId"] != row["LocationId"] or old["table"] != row["table"]
            above = before.get(row["LocationId"])
            if above is None or above["InternalParentId"] != location["InternalParentId"]:
                gone = True
            if gone and not location["Groups"] and row["LocationId"] not in held:
                location["Groups"] = ["wp:group:" + location["InternalParentId"].split(":")[2]]
            if key not in held:
                row["GroupId"] = location["Groups"][0] if gone or old is None else old["GroupId"]
