"""Fills Workplace from a CSV of buildings, floors and rooms (contract section 7, data/README.md).

Values are kept as the file has them, blanks and all: tidying them is what the product is tried for.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from engage_sync.sandbox.geography import first_zones
from engage_sync.sandbox.workplace_data import WorkplaceData

COLUMNS = (
    "country_code",
    "country",
    "state",
    "city",
    "postal_code",
    "street",
    "building_code",
    "building_name",
    "floor_label",
    "room_code",
    "room_name",
    "space_type",
    "capacity",
    "area_sqm",
)
Row = Mapping[str, str]

DEFAULT_TYPE = "Room"
# For rooms that name no floor. No number can be read from it, so that the product has to find one.
DEFAULT_FLOOR = "Main floor"
# For buildings without any country: they need a center to be looked at at all.
NO_COUNTRY_CENTER = "Reservation Center without country"
_SQUARE_METERS_PER_SQUARE_FOOT = 0.09290304
_ME, _WE = 2, 3

# Words in a type's name that say several people, in the languages of the known files.
_SEVERAL_PEOPLE = re.compile(
    r"meeting|conference|board ?room|class ?room|lecture|auditorium|training|team|huddle|besprech|bespr\."
    r"|sitzung|konferenz|seminar|h(ö|oe)rsaal|h(ö|oe)rs\.|unterricht|(ü|ue)bung|praktikum|gruppe|schulung"
    r"|versammlung|\baula\b",
    re.IGNORECASE,
)


def load_csv(data: WorkplaceData, path: Path) -> None:
    """Read a .csv or .csv.gz; ValueError with one sentence naming row and column when it does not fit."""
    try:
        with _open(path) as file:
            reader = csv.DictReader(file, strict=True, restval="")
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"{path}: the column {missing[0]} is missing.")
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8: {error}.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    Loader(data, str(path)).load(rows)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


class Loader:
    """Turns rows into records; ids follow the order of the file."""

    def __init__(self, data: WorkplaceData, name: str) -> None:
        self._data = data
        self._name = name
        self._types: dict[str, int] = {}
        self._countries: dict[str, int] = {}
        self._named: set[int] = set()  # countries whose name the file has given
        self._centers: dict[str, int] = {}
        self._buildings: dict[tuple[str, ...], int] = {}
        self._floors: dict[tuple[int | None, str], int] = {}

    def load(self, rows: Iterable[Row]) -> None:
        """Store all rows."""
        for number, row in enumerate(rows, 2):  # the header is row 1
            self._load_row(number, row)

    def _load_row(self, number: int, row: Row) -> None:
        capacity = self._number(number, row, "capacity", whole=True)
        area = self._number(number, row, "area_sqm") / _SQUARE_METERS_PER_SQUARE_FOOT
        type_id = self._type(row["space_type"], capacity)
        building_id = self._building(row)
        label = row["floor_label"]
        if row["room_code"].strip() or row["room_name"].strip():
            self._room(row, self._floor(building_id, label), type_id, capacity, area)
        elif label.strip():
            self._floor(building_id, label)
        elif building_id is None:
            raise ValueError(f"{self._name}, row {number}: there is no building_code, floor or room.")
        elif area:
            self._data.change("buildings", building_id, leaseArea=round(area, 2))

    def _room(self, row: Row, floor_id: int, type_id: int, capacity: float, area: float) -> None:
        named = bool(row["room_name"].strip())
        self._data.add(
            "rooms",
            name=row["room_name"] if named else row["room_code"],
            description=row["room_code"] if named else "",
            capacity=int(capacity) or 1,
            area=round(area, 2),
            reservable=True,
            floorId=floor_id,
            typeId=type_id,
        )

    def _type(self, name: str, capacity: float) -> int:
        """One space type per distinct text; one of its rooms for several people makes it a We type."""
        name = name if name.strip() else DEFAULT_TYPE
        several = capacity > 1 or bool(_SEVERAL_PEOPLE.search(name))
        if name not in self._types:
            group = _WE if several else _ME
            self._types[name] = self._data.add("types", name=name, groupId=group, occupiable=not several)[
                "id"
            ]
        elif several and self._data.tables["types"][self._types[name]]["groupId"] == _ME:
            self._data.tables["types"][self._types[name]] |= {"groupId": _WE, "occupiable": False}
        return self._types[name]

    def _floor(self, building_id: int | None, label: str) -> int:
        label = label if label.strip() else DEFAULT_FLOOR
        key = (building_id, label)
        if key not in self._floors:
            self._floors[key] = self._data.add("floors", name=label, buildingId=building_id)["id"]
        return self._floors[key]

    def _building(self, row: Row) -> int | None:
        code, name = row["building_code"].strip(), row["building_name"].strip()
        if not code and not name:
            return None
        key = (code,) if code else (name, row["country"].strip(), row["city"].strip())
        if key not in self._buildings:
            self._buildings[key] = self._new_building(row)
        return self._buildings[key]

    def _new_building(self, row: Row) -> int:
        country_id = self._country(row)
        state = row["state"].strip()
        building = self._data.add(
            "buildings",
            name=row["building_name"] if row["building_name"].strip() else row["building_code"],
            code=row["building_code"],
            street=row["street"],
            city=row["city"],
            postalCode=row["postal_code"],
            countryId=country_id,
            stateId=self._data.state_id(state, state if len(state) <= 3 else "", country_id)
            if state
            else None,
        )
        self._data.assign(self._center(country_id), building["id"])
        del building["dateUpdated"]  # it comes into being with its center
        return int(building["id"])

    def _country(self, row: Row) -> int | None:
        """The country by its code, else by its name alone, else none."""
        code, name = row["country_code"].strip().upper(), row["country"].strip()
        key = code or name
        if not key:
            return None
        if key not in self._countries:
            known = self._data.country_by_code.get(code)
            if known is None:
                known = self._data.add("countries", name=name or code, alpha2Code=code or None)["id"]
            elif name:
                self._data.tables["countries"][known]["name"] = name
            self._countries[key] = known
        return self._countries[key]

    def _center(self, country_id: int | None) -> int:
        """The reservation center of a country, with the first time zone listed for it, else UTC."""
        key = str(country_id)
        if key not in self._centers:
            name, zone = NO_COUNTRY_CENTER, "UTC"
            if country_id is not None:
                country = self._data.tables["countries"][country_id]
                name = f"{country['name']} Reservation Center"
                zone = first_zones().get(country["alpha2Code"] or "", "UTC")
            self._centers[key] = self._data.add("centers", name=name, timeZone=zone)["id"]
        return self._centers[key]

    def _number(self, number: int, row: Row, column: str, *, whole: bool = False) -> float:
        value = row[column].strip() or "0"
        if not re.fullmatch(r"\d+" if whole else r"\d+(\.\d+)?", value, re.ASCII):
            what = "a whole number" if whole else "a number"
            raise ValueError(f"{self._name}, row {number}: {column} is {value!r}, not {what}.")
        return float(value)
