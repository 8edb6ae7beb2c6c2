"""A real university in three yearly snapshots, made from the master data of LMU Munich (2015).

The data has neither space types nor capacities, so a fifth of the rooms are taken for meeting rooms; every
other word is the university's own. The edits are those that issue trackers of such systems tell of.
"""

import csv
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.foreign_server import ForeignServer, Json
from tests.e2e.foreign_workplace import Workplace

DATA = Path(__file__).parents[3] / "shared" / "data" / "lmu_munich_2015.csv.gz"
BOARD, DESK, CENTER = 1, 2, 5
MEETING = 5
"""One room in so many is a meeting room."""

GENERATION = 1_000_000
"""Added to an id that is written anew."""

SAMPLE = frozenset(
    {"bw0334", "bw0460", "bw0505", "bw0820", "bw0828", "bw1640", "bw2980", "bw4925", "bw7045", "bw9958"}
)
"""Ten buildings with 563 rooms; in one of them rooms of one floor share a name."""

Rows = list[dict[str, str]]
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def university(codes: frozenset[str] | None) -> Workplace:
    """The first year: these buildings, or with None all, with whatever hangs nowhere."""
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if codes is None or row["building_code"] in codes]
    wp = Workplace()
    for key, name, group in ((BOARD, "Meeting Room", "We Spaces"), (DESK, "Office", "Me Spaces")):
        wp.types[key] = {"id": key, "name": name, "spaceTypeGroup": {"id": key, "name": group}}
    wp.centers[CENTER] = {
        "name": "LMU",
        "module": "reservation",
        "timeZone": {"ID": "Europe/Berlin"},
        "buildings": [],
    }
    ids = {code: 100 + n for n, code in enumerate(dict.fromkeys(_codes(rows)))}
    floors: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows):
        code, label = row["building_code"], row["floor_label"]
        if code and ids[code] not in wp.buildings:
            _add_building(wp, ids[code], row)
        if code and (code, label) not in floors:
            floor = floors[code, label] = 1000 + len(floors)
            wp.floors[floor] = {"id": floor, "name": label, "building": {"id": ids[code]}}
        if row["room_code"]:
            key = 10_000 + number
            wp.rooms[key] = {
                "id": key,
                "name": row["room_name"],
                "capacity": 8,
                "reservable": True,
                "type": {"id": DESK if number % MEETING else BOARD},
                "floor": {"id": floors.get((code, label), 9)},
            }
    return wp


@contextmanager
def served(wp: Workplace) -> Iterator[ForeignServer]:
    """A university and an empty Engage."""
    with ForeignServer() as server:
        server.workplace.__dict__.update(wp.__dict__)
        yield server


def _codes(rows: Rows) -> Iterator[str]:
    return (row["building_code"] for row in rows if row["building_code"])


def _add_building(wp: Workplace, key: int, row: dict[str, str]) -> None:
    wp.buildings[key] = {
        "id": key,
        "name": row["building_name"],
        "code": row["building_code"],
        "address": {
            "street": row["street"],
            "street2": None,
            "city": row["city"],
            "postalCode": row["postal_code"],
            "state": None,
            "country": {"id": 201, "name": "Germany", "alpha2Code": row["country_code"]},
        },
    }
    wp.centers[CENTER]["buildings"].append(key)


def building_of(wp: Workplace, code: str) -> int:
    """The id of the building with this code."""
    return next(key for key, row in wp.buildings.items() if row["code"] == code)


def floors_in(wp: Workplace, building: int) -> list[int]:
    """The ids of a building's floors."""
    return [key for key, row in wp.floors.items() if row["building"]["id"] == building]


def rooms_in(wp: Workplace, building: int) -> list[int]:
    """The ids of a building's rooms."""
    floors = set(floors_in(wp, building))
    return [key for key, row in wp.rooms.items() if row["floor"]["id"] in floors]


def lose_zeros(wp: Workplace, but: frozenset[int]) -> int:
    """As a spreadsheet does: 007 becomes 7, in every building but these. How many names changed."""
    spared = {key for building in but for key in rooms_in(wp, building)}
    changed = 0
    for key, row in wp.rooms.items():
        name = _LEADING_ZEROS.sub("", row["name"])
        if key not in spared and name != row["name"]:
            row["name"] = name
            changed += 1
    return changed


def move(wp: Workplace, building: int, **address: str) -> None:
    """Change an address."""
    wp.buildings[building]["address"] = {**wp.buildings[building]["address"], **address}


def write_keys_anew(wp: Workplace, keys: list[int], table: dict[int, Json]) -> None:
    """The same records under new ids."""
    for key in keys:
        row = table.pop(key)
        table[key + GENERATION] = {**row, "id": key + GENERATION}


def create_again(wp: Workplace, building: int) -> None:
    """A building, deleted with all that is in it and imported again: the same, but every id is new."""
    floors, rooms = floors_in(wp, building), rooms_in(wp, building)
    write_keys_anew(wp, rooms, wp.rooms)
    write_keys_anew(wp, floors, wp.floors)
    write_keys_anew(wp, [building], wp.buildings)
    for key in floors:
        wp.floors[key + GENERATION]["building"] = {"id": building + GENERATION}
    for key in rooms:
        row = wp.rooms[key + GENERATION]
        row["floor"] = {"id": row["floor"]["id"] + GENERATION}
    named = wp.centers[CENTER]["buildings"]
    named[named.index(building)] = building + GENERATION


def close(wp: Workplace, building: int) -> int:
    """All rooms of a building go, the building and its floors stay. How many went."""
    gone = rooms_in(wp, building)
    for key in gone:
        del wp.rooms[key]
    return len(gone)
