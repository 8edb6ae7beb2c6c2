"""The CLI against a server, data and an oracle that are not ours: initial sync, no-op, single edits."""

import copy
import json
import os
import random
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.e2e.foreign_server import CODES, ForeignServer, Json, Quirks, Workplace

WINDOWS = {
    "America/Chicago": "Central Standard Time",
    "America/New_York": "Eastern Standard Time",
    "US/Pacific": "Pacific Standard Time",
    "America/Phoenix": "US Mountain Standard Time",
    "America/Indiana/Indianapolis": "US Eastern Standard Time",
    "Europe/Berlin": "W. Europe Standard Time",
    "Europe/London": "GMT Standard Time",
    "Europe/Paris": "Romance Standard Time",
    "Asia/Tokyo": "Tokyo Standard Time",
    "Asia/Kolkata": "India Standard Time",
    "UTC": "UTC",
    "America/Sao_Paulo": "E. South America Standard Time",
    "Asia/Singapore": "Singapore Standard Time",
    "Europe/Amsterdam": "W. Europe Standard Time",
    "Africa/Abidjan": "Greenwich Standard Time",
    "Europe/Oslo": "W. Europe Standard Time",
    "Europe/Kyiv": "FLE Standard Time",
}
ONE_ZONE = {
    "JP": "Asia/Tokyo",
    "IN": "Asia/Kolkata",
    "SG": "Asia/Singapore",
    "FR": "Europe/Paris",
    "NL": "Europe/Amsterdam",
    "GB": "Europe/London",
}
ZONES = {
    "US": [
        "America/Chicago",
        "America/New_York",
        "US/Pacific",
        "America/Phoenix",
        "America/Indiana/Indianapolis",
    ],
    "DE": ["Europe/Berlin"],
    "GB": ["Europe/London", "UTC"],
    "FR": ["Europe/Paris"],
    "JP": ["Asia/Tokyo"],
    "IN": ["Asia/Kolkata"],
    "BR": ["America/Sao_Paulo"],
    "SG": ["Asia/Singapore"],
    "NL": ["Europe/Amsterdam"],
}

# ---- the oracle: contract section 4, simple and slow


def tidy(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""


def folded(city: str) -> str:
    text = unicodedata.normalize("NFKC", tidy(city)).casefold()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return "-".join(unicodedata.normalize("NFC", text).split())


def digits(text: str) -> int:
    return int(re.findall(r"\d+", text)[0])


def below(text: str) -> int:
    return -digits(text)


def zero(text: str) -> int:
    return 0


FLOOR_FORMS: list[tuple[re.Pattern[str], Callable[[str], int]]] = [
    (re.compile(r"-?\d+"), int),
    (re.compile(r"(\d+)(?:st|nd|rd|th) floor"), digits),
    (re.compile(r"(?:floor|level|og) (\d+)"), digits),
    (re.compile(r"(\d+)\. og"), digits),
    (re.compile(r"g|ground|ground floor|lobby|eg"), zero),
    (re.compile(r"b\d+|basement \d+|ug \d+"), below),
]


def floor_numbers(floors: list[Json]) -> dict[int, int]:
    """The numbers of one building's floors, by id."""
    parsed: dict[int, int] = {}
    for floor in floors:
        for pattern, value in FLOOR_FORMS:
            if pattern.fullmatch(tidy(floor.get("name")).casefold()):
                parsed[floor["id"]] = value(tidy(floor.get("name")).casefold())
    out: dict[int, int] = {}
    for key in sorted(parsed):
        if parsed[key] not in out.values():
            out[key] = parsed[key]
    free = max(parsed.values(), default=-1) + 1
    for floor in sorted(floors, key=lambda f: int(f["id"])):
        if floor["id"] not in out:
            out[floor["id"]] = free
            free += 1
    return out


def uniquely(wanted: list[tuple[str, list[str]]]) -> list[str]:
    """Names in order: the later ones of the same name get the first suffix that does not collide."""
    taken: set[str] = set()
    out = []
    for name, suffixes in wanted:
        choices = [name, *(f"{name} ({s})" for s in suffixes if s)]
        chosen = next((c for c in choices if c.casefold() not in taken), choices[-1])
        taken.add(chosen.casefold())
        out.append(chosen)
    return out


@dataclass
class Rules:
    """What the SyncTarget says, as far as the oracle cares."""

    require_center: bool = True
    reservable_only: bool = True
    countries: tuple[str, ...] = ()
    country: str = ""
    zone: str = ""
    group: str = "{country} Default Group"


Expected = dict[str, dict[str, Json]]


def oracle(wp: Workplace, rules: Rules | None = None) -> Expected:
    rules = rules or Rules()
    out: Expected = {
        k: {} for k in ("countries", "regions", "groups", "types", "locations", "floors", "resources")
    }
    centers = {i: c for i, c in wp.centers.items() if c["module"] == "reservation"}
    own: dict[int, list[int]] = {
        b: sorted(i for i in centers if b in centers[i]["buildings"]) for b in wp.buildings
    }
    scope: list[tuple[Json, str, str, str]] = []
    for key in sorted(wp.buildings):
        building = wp.buildings[key]
        address = building.get("address") or {}
        country = address.get("country") or {}
        code = tidy(country.get("alpha2Code")).upper()
        name = tidy(country.get("name")).removesuffix(" (the)")
        if not code and rules.country:
            code, name = rules.country, CODES[rules.country].removesuffix(" (the)")
        if rules.require_center and not own[key]:
            continue
        if not code or (rules.countries and code not in rules.countries):
            continue
        zones = [tidy((centers[i].get("timeZone") or {}).get("ID")) for i in own[key]]
        zone = next((WINDOWS[z] for z in zones if z in WINDOWS), "")
        zone = zone or WINDOWS.get(rules.zone, "") or WINDOWS.get(ONE_ZONE.get(code, ""), "")
        if zone:
            scope.append((building, code, name, zone))
    family = {"We Spaces": "Hourly", "Me Spaces": "AllDay"}
    types = {i: t for i, t in wp.types.items() if (t.get("spaceTypeGroup") or {}).get("name") in family}
    fresh = {"meeting room": "Hourly", "desk": "AllDay"}
    adopted: set[str] = set()
    wanted = []
    for key in sorted(types):
        name, fam = tidy(types[key]["name"]), family[types[key]["spaceTypeGroup"]["name"]]
        default = fresh.get(name.casefold())
        if default and default != fam:
            wanted.append((f"{name} ({key})", [""]))
            continue
        if default:
            adopted.add(name.casefold())
        wanted.append((name, [str(key)]))
    for key, name in zip(sorted(types), uniquely(wanted), strict=True):
        fam = family[types[key]["spaceTypeGroup"]["name"]]
        out["types"][f"wp:type:{key}"] = {"name": name, "family": fam}
    by_region: dict[str, list[tuple[Json, str, str, str]]] = {}
    for building, code, name, zone in scope:
        out["countries"].setdefault(f"wp:country:{code}", {"name": name, "code": code})
        group = rules.group.replace("{country}", name)
        out["groups"].setdefault(f"wp:group:{code}", {"name": group, "parent": f"wp:country:{code}"})
        address = building.get("address") or {}
        city = tidy(address.get("city")) or tidy((address.get("state") or {}).get("name")) or "Unspecified"
        region = f"wp:city:{code}:{folded(city)}"
        out["regions"].setdefault(region, {"name": city, "parent": f"wp:country:{code}"})
        by_region.setdefault(region, []).append((building, code, name, zone))
    for region, members in by_region.items():
        names = uniquely(
            [
                (
                    tidy(b.get("name")) or tidy(b.get("code")) or f"Building {b['id']}",
                    [tidy(b.get("code")), str(b["id"])],
                )
                for b, *_ in members
            ]
        )
        for (building, code, country_name, zone), name in zip(members, names, strict=True):
            _location(wp, rules, out, types, building, code, country_name, zone, name, region)
    return out


def _location(
    wp: Workplace,
    rules: Rules,
    out: Expected,
    types: dict[int, Json],
    building: Json,
    code: str,
    country_name: str,
    zone: str,
    name: str,
    region: str,
) -> None:
    me, address = f"wp:building:{building['id']}", building.get("address") or {}
    floors = [f for f in wp.floors.values() if (f.get("building") or {}).get("id") == building["id"]]
    floors.sort(key=lambda f: int(f["id"]))
    numbers = floor_numbers(floors)
    street = ", ".join(s for s in (tidy(address.get("street")), tidy(address.get("street2"))) if s)
    out["locations"][me] = {
        "name": name,
        "parent": region,
        "address": street,
        "postcode": tidy(address.get("postalCode")),
        "city": tidy(address.get("city")),
        "country": country_name,
        "zone": zone,
        "above": sum(n >= 0 for n in numbers.values()),
        "below": sum(n < 0 for n in numbers.values()),
        "groups": [],
    }
    names = uniquely([(tidy(f.get("name")) or f"Floor {numbers[f['id']]}", [str(f["id"])]) for f in floors])
    floor_name = {f["id"]: n for f, n in zip(floors, names, strict=True)}
    for floor in floors:
        fid = floor["id"]
        out["floors"][f"wp:floor:{fid}"] = {"name": floor_name[fid], "number": numbers[fid], "parent": me}
    rooms = sorted(
        (r for r in wp.rooms.values() if (r.get("floor") or {}).get("id") in floor_name),
        key=lambda r: int(r["id"]),
    )
    rooms = [r for r in rooms if (r.get("type") or {}).get("id") in types]
    rooms = [r for r in rooms if r.get("reservable") or not rules.reservable_only]
    names = uniquely(
        [
            (tidy(r.get("name")) or f"Space {r['id']}", [floor_name[r["floor"]["id"]], str(r["id"])])
            for r in rooms
        ]
    )
    for room, name in zip(rooms, names, strict=True):
        kind = {"Hourly": "rooms", "AllDay": "desks"}[out["types"][f"wp:type:{room['type']['id']}"]["family"]]
        out["resources"][f"wp:room:{room['id']}"] = {
            "kind": kind,
            "name": name,
            "location": me,
            "floor": f"wp:floor:{room['floor']['id']}",
            "type": f"wp:type:{room['type']['id']}",
            "group": f"wp:group:{code}",
            "capacity": max(1, room.get("capacity") or 1) if kind == "rooms" else 1,
        }
        out["locations"][me]["groups"] = [f"wp:group:{code}"]


def held(server: ForeignServer) -> Expected:
    """What Engage holds, in the oracle's words; what has no external id is left out."""
    tables = server.engage.tables
    ext = {kind: {n: i["ExternalId"] for n, i in rows.items()} for kind, rows in tables.items()}
    out: Expected = {
        k: {} for k in ("countries", "regions", "groups", "types", "locations", "floors", "resources")
    }
    for i in tables["countries"].values():
        out["countries"][i["ExternalId"]] = {"name": i["ResourceName"], "code": i["CountryCode"]}
    for kind in ("regions", "groups"):
        for i in tables[kind].values():
            parent = ext["countries"][i["InternalParentId"]]
            out[kind][i["ExternalId"]] = {"name": i["ResourceName"], "parent": parent}
    for i in tables["workspaceTypes"].values():
        out["types"][i["ExternalId"]] = {"name": i["ResourceName"], "family": i["Family"]}
    for n, i in tables["locations"].items():
        out["locations"][i["ExternalId"]] = {
            "name": i["ResourceName"],
            "parent": ext["regions"][i["InternalParentId"]],
            "address": i["LocationAddress"] or "",
            "postcode": i["PostCode"] or "",
            "city": i["LocationCity"] or "",
            "country": i["LocationCountry"] or "",
            "zone": i["TimeZone"],
            "above": int(i["NumberOfFloorsAboveGround"] or 0),
            "below": int(i["NumberOfFloorsBelowGround"] or 0),
            "groups": [ext["groups"][g] for g in server.engage.location_groups.get(n, [])],
        }
    for i in tables["floors"].values():
        parent = ext["locations"][i["InternalParentId"]]
        out["floors"][i["ExternalId"]] = {
            "name": i["ResourceName"],
            "number": int(i["FloorNumber"]),
            "parent": parent,
        }
    for kind in ("rooms", "desks"):
        for i in tables[kind].values():
            if i["ExternalId"] is None:
                continue  # made by hand
            assert i["ExternalId"] not in out["resources"], f"two resources {i['ExternalId']}"
            out["resources"][i["ExternalId"]] = {
                "kind": kind,
                "name": i["ResourceName"],
                "location": ext["locations"][i["LocationId"]],
                "floor": ext["floors"][i["floor"]],
                "type": ext["workspaceTypes"][i["WorkspaceTypeId"]],
                "group": ext["groups"][i["GroupId"]],
                "capacity": i["MaxCapacity"],
            }
    for rows in out.values():
        rows.pop(None, None)  # type: ignore[call-overload]
    return out


def differences(server: ForeignServer, rules: Rules | None = None) -> list[str]:
    want, have, out = oracle(server.workplace, rules), held(server), []
    for kind in want:
        for key in sorted(want[kind].keys() | have[kind].keys()):
            left, right = want[kind].get(key), have[kind].get(key)
            if left is None or right is None:
                out.append(
                    f"{key}: {'should not be there' if left is None else 'is missing'}: {right or left}"
                )
            else:
                left, right = dict(left), dict(right)
                if kind == "locations" and not left["groups"]:
                    right["groups"] = []  # a group may be added to a location that has no resource yet
                if kind == "types" and left["name"].casefold() in ("desk", "meeting room"):
                    left["name"], right["name"] = left["name"].casefold(), right["name"].casefold()
                out += [f"{key}.{f}: want {left[f]!r}, has {right[f]!r}" for f in left if left[f] != right[f]]
    return out


# ---- data of our own invention

NASTY = [
    "Straße",
    "STRASSE",
    "strasse",
    "O'Brien; DROP TABLE rooms;--",
    'Say "hi"',
    "Büro \N{BLACK STAR}",
    "a, b, c",
    "x\ty",
    "  padded   inside  ",
    "null",
    "None",
    "0",
    "007",
    "a/b?c=d&e#f%20",
    "{country}",
    "<b>bold</b>",
    "İzmir",
    "\N{LATIN SMALL LIGATURE FI}ve",
    "\N{KELVIN SIGN}elvin",
    "kelvin",
    "会議室",
    "غرفة",
    "A" * 120,
    "\N{NO-BREAK SPACE}nbsp\N{NO-BREAK SPACE}",
    "Room (1)",
    "Room",
    "room",
]
FLOORS = [
    "3",
    "3rd Floor",
    "Floor 3",
    "Level 7",
    "OG 03",
    "3. OG",
    "G",
    "Ground",
    "EG",
    "B2",
    "Basement 2",
    "UG 01",
    "-2",
    "Penthouse",
    "3A",
    "Floor 3 East",
    "",
    "Roof",
    "Level 07",
    "1st Floor",
    "2nd Floor",
    "LOBBY",
    "roof",
    None,
]
CITIES = [
    "São Paulo",
    "SAO  PAULO",
    "Sao Paulo",
    "Zürich",
    "zurich",
    "New York",
    " new  york ",
    "St. Louis",
    "",
    "東京",
    "Ōsaka",
]


def address(code: str, city: str | None = "Town", **more: Any) -> Json:
    country = {"id": 200 + list(CODES).index(code), "name": CODES[code], "alpha2Code": code, "isoCode": code}
    return {
        "street": "1 High St",
        "street2": "",
        "city": city,
        "postalCode": "12345",
        "country": country,
        **more,
    }


def world(wp: Workplace, seed: int, buildings: int, floors: int, rooms: int) -> None:
    rnd = random.Random(seed)
    groups = [(7, "None"), (3, "Me Spaces"), (2, "We Spaces")]
    names = [
        "Meeting Room",
        "Desk",
        "desk",
        "Phone booth",
        "PHONE  BOOTH",
        "Corridor",
        "Board",
        "Straße",
        "STRASSE",
        "one",
        "one",
    ]
    for n, name in enumerate(names):
        group = groups[0] if name == "Corridor" else groups[1 + n % 2] if n > 1 else groups[2 - n]
        nested = {
            "id": group[0],
            "name": group[1],
            "hexColor": "f29373",
            "roomTypes": [{"id": 4, "name": "KITCHEN"}],
        }
        wp.types[10 + n] = {
            "id": 10 + n,
            "name": name,
            "typeCode": "",
            "contentFlag": 1,
            "spaceTypeGroup": nested,
        }
    wp.types[90] = {"id": 90, "name": "Groupless", "spaceTypeGroup": None}
    codes = list(ZONES)
    center = 0
    for code, zones in ZONES.items():
        for zone in zones:
            center += 1
            wp.centers[center] = {
                "name": f"{code} center",
                "module": "reservation",
                "timeZone": {"ID": zone},
                "buildings": [],
            }
    wp.centers[60] = {
        "name": "Wear",
        "module": "maintenance",
        "timeZone": {"ID": "Europe/Kyiv"},
        "buildings": [],
    }
    wp.centers[61] = {"name": "No zone", "module": "reservation", "timeZone": None, "buildings": []}
    wp.centers[62] = {
        "name": "Mars",
        "module": "reservation",
        "timeZone": {"ID": "Mars/Base"},
        "buildings": [],
    }
    of_code: dict[str, list[int]] = {}
    for number, c in wp.centers.items():
        of_code.setdefault(c["name"][:2], []).append(number)
    for n in range(buildings):
        key, code = 1000 + 7 * n, codes[n % len(codes)]
        where = address(code, rnd.choice(CITIES), street2=rnd.choice(["", "Suite  9", None]))
        where["state"] = rnd.choice(
            [None, {"id": 14, "name": "Alabama", "code": "AL"}, {"id": 3, "name": " "}]
        )
        row: Json = {
            "id": key,
            "name": rnd.choice([*NASTY, f"HQ {n}", "Tower", "tower"]),
            "code": rnd.choice(["", "C1", f"c{n}", None]),
            "metric": False,
            "address": where,
            "location": {},
            "fields": [],
            "dateCreated": 1676557102793,
        }
        if n % 13 == 12:
            where["country"] = None
        if n % 17 == 16:
            row["address"] = None
        wp.buildings[key] = row
        if n % 9 != 8:
            wp.centers[rnd.choice(of_code[code])]["buildings"].append(key)
        if n % 6 == 0:  # several centers share it
            wp.centers[rnd.choice(of_code[code])]["buildings"].append(key)
        if n % 7 == 0:
            wp.centers[60]["buildings"].append(key)
        if n % 11 == 10:
            wp.centers[61 + n % 2]["buildings"].append(key)
    for c in wp.centers.values():
        c["buildings"] = sorted(set(c["buildings"]))
    for n in range(floors):
        key, owner = 5 + 3 * n, rnd.choice(list(wp.buildings))
        wp.floors[key] = {
            "id": key,
            "name": rnd.choice(FLOORS),
            "area": 2000.0,
            "building": {"id": owner, "name": "?"},
        }
        if n % 40 == 39:
            wp.floors[key]["building"] = {"id": 999999, "name": "gone"}
    for n in range(rooms):
        key, floor = 13 + 2 * n, wp.floors[rnd.choice(list(wp.floors))]
        kind = wp.types[rnd.choice(list(wp.types))]
        row = {
            "id": key,
            "name": rnd.choice([*NASTY, f"R{n}", f"R{n}", f"R{n}", "", None]),
            "description": "",
            "area": 0.0,
            "capacity": rnd.choice([5, 12, 1, 0, None, -3]),
            "reservable": rnd.random() < 0.85,
            "occupied": False,
            "type": {"id": kind["id"], "name": kind["name"], "typeCode": ""},
            "floor": copy.deepcopy(floor),
        }
        if n % 50 == 49:
            row["floor"] = {"id": 888888, "name": "gone", "building": {"id": 1000}}
        wp.rooms[key] = row


# ---- running the command

CLI = os.environ.get("FOREIGN_CLI", "").split() or [sys.executable, "-m", "engage_sync"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        answer: Json = json.loads(self.out)
        return answer

    def steps(self) -> list[str]:
        return sorted(f"{s['action']} {s['key']}" for s in self.json["steps"])


def merge(base: Json, over: Json) -> Json:
    out = dict(base)
    for key, value in over.items():
        out[key] = merge(out.get(key, {}), value) if isinstance(value, dict) else value
    return out


UNGUARDED: Json = {
    "approval": {"required": "Never"},
    "deletion": {
        "budget": {"percent": 100, "count": 1_000_000},
        "subtreeBudget": {"percent": 100},
        "precondition": "None",
    },
    "update": {"budget": {"percent": 100}},
}
"""What lets every step go: these tests are about what is planned, not about who approves it."""


class Command:
    """`engage-sync plan|sync` against one server, with one state folder."""

    def __init__(self, server: ForeignServer, folder: Path) -> None:
        self.server, self.folder, self.state = server, folder, folder / "state"
        self.spec: Json = {
            "tenant": "foreign",
            "mode": "Apply",
            "source": {"baseURL": f"{server.url}/wp", "credentialsSecretRef": {"name": "a"}},
            "target": {
                "applicationURL": f"{server.url}/front",
                "apiURL": f"{server.url}/api/Ten_Ant",
                "credentialsSecretRef": {"name": "b"},
                "subscriptionKeysSecretRef": {"name": "c"},
                "rateLimit": {"perMinute": 0, "perWeek": 0},
            },
        }

    def secrets(self) -> list[Json]:
        wp, en = self.server.workplace, self.server.engage
        rows = {
            "a": {"username": wp.user, "password": wp.password},
            "b": {"clientId": en.client, "password": en.password},
            "c": en.keys,
        }
        return [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": n, "namespace": "x"}, "stringData": d}
            for n, d in rows.items()
        ]

    def files(self, spec: Json | None = None) -> list[str]:
        target = {
            "apiVersion": "engage-sync.io/v1alpha1",
            "kind": "SyncTarget",
            "metadata": {"name": "foreign", "namespace": "x"},
            "spec": merge(merge(UNGUARDED, self.spec), spec or {}),
        }
        (self.folder / "target.yaml").write_text(yaml.safe_dump(target), "utf-8")
        (self.folder / "secrets.yaml").write_text(
            yaml.safe_dump_all(self.secrets(), allow_unicode=True), "utf-8"
        )
        return ["-f", str(self.folder / "target.yaml"), "-f", str(self.folder / "secrets.yaml")]

    def argv(self, verb: str, spec: Json | None = None) -> list[str]:
        return [*CLI, verb, *self.files(spec), "--state", str(self.state), "-o", "json"]

    def __call__(self, verb: str = "sync", spec: Json | None = None, check: bool = True) -> Ran:
        self.server.reset_log()
        done = subprocess.run(self.argv(verb, spec), capture_output=True, text=True, timeout=120, check=False)
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ran.err + ran.out
        assert "CANARY" not in ran.err + ran.out
        if check:
            assert (ran.code, ran.err) == (0, ""), (ran.code, ran.err, ran.out[-3000:])
            assert not self.server.parallel_pages
        return ran


def small(wp: Workplace) -> None:
    """Two countries, three buildings, all of it in scope; ids far apart."""
    for key, name, group in ((1, "Board", "We Spaces"), (2, "Seat", "Me Spaces"), (3, "Hall", "None")):
        wp.types[key] = {"id": key, "name": name, "spaceTypeGroup": {"id": key, "name": group}}
    for key, code, city in ((10, "DE", "Ulm"), (11, "DE", "Ulm"), (20, "FR", "Lyon"), (30, "DE", "Bonn")):
        wp.buildings[key] = {"id": key, "name": f"B{key}", "code": f"K{key}", "address": address(code, city)}
    wp.centers[5] = {
        "name": "D",
        "module": "reservation",
        "timeZone": {"ID": "Europe/Berlin"},
        "buildings": [10, 11],
    }
    wp.centers[6] = {
        "name": "F",
        "module": "reservation",
        "timeZone": {"ID": "Europe/Paris"},
        "buildings": [20],
    }
    for key, building, name in (
        (100, 10, "EG"),
        (101, 10, "1"),
        (102, 10, "2"),
        (110, 11, "1"),
        (200, 20, "1"),
        (300, 30, "1"),
    ):
        wp.floors[key] = {"id": key, "name": name, "building": {"id": building}}
    for key, floor, kind, name in (
        (1000, 100, 1, "A"),
        (1001, 100, 1, "B"),
        (1002, 100, 2, "C"),
        (1010, 101, 1, "D"),
        (1100, 110, 1, "E"),
        (1101, 110, 2, "F"),
        (2000, 200, 1, "G"),
        (2001, 200, 2, "H"),
        (3000, 300, 1, "I"),
    ):
        room(wp, key, floor, kind, name)


def room(wp: Workplace, key: int, floor: int, kind: int, name: str) -> None:
    wp.rooms[key] = {
        "id": key,
        "name": name,
        "capacity": 4,
        "reservable": True,
        "type": {"id": kind},
        "floor": {"id": floor},
    }


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    with ForeignServer() as server:
        yield server


@pytest.fixture
def command(server: ForeignServer, tmp_path: Path) -> Command:
    return Command(server, tmp_path)


def pages(count: int) -> int:
    """Each page after the first begins with the last record of the one before."""
    return 1 + -(-max(0, count - 100) // 99)


def reads(server: ForeignServer) -> Counter[str]:
    return Counter(f"{c.system}{re.sub('[0-9]+', 'N', c.path)}" for c in server.calls if c.method == "GET")


OTHER = Quirks(
    overlapping_ids=False,
    post_data="object",
    put_data="null",
    delete_status=204,
    bad_token_status=400,
    refuse_with_200=True,
    extra_fields=True,
    null_mappings=False,
    resource_parent_zero=False,
    ids_as_strings=False,
    expires_in_as_string=True,
    token_calls=100,
    default_reservable="other",
)


@pytest.mark.parametrize("quirks", [Quirks(), OTHER], ids=["quirks", "other-quirks"])
def test_initial_sync_then_nothing(quirks: Quirks, tmp_path: Path) -> None:
    with ForeignServer(quirks) as server:
        wp = server.workplace
        world(wp, 1, buildings=40, floors=100, rooms=200)
        command = Command(server, tmp_path)
        plan = command("plan", check=False)
        assert plan.code == 2
        assert not server.writes()
        ran = command()
        assert "\n".join(differences(server)) == ""
        assert server.refusals() == []
        assert ran.json["digest"] == plan.json["digest"]
        again = command()
        assert server.writes() == []
        assert again.steps() == []
        want, seen = held(server), reads(server)
        centers = [i for i, c in wp.centers.items() if c["module"] == "reservation"]
        assert seen["workplace/buildings"] <= pages(40)
        assert seen["workplace/floors"] <= pages(100)
        assert seen["workplace/rooms"] <= pages(200)
        assert seen["workplace/rooms/types"] == 1
        assert seen["workplace/centers/N"] == len(centers)
        assert seen["workplace/centers"] == 1
        assert sum(n for k, n in seen.items() if k.startswith("workplace") and "count" in k) <= 8
        bound = 3 * len(want["locations"]) + len(want["regions"]) + 2 * len(want["countries"]) + 2
        assert quirks.token_calls or sum(n for k, n in seen.items() if k.startswith("engage")) <= bound
        if quirks is OTHER:
            return
        wp.reverse = True
        for table in (wp.buildings, wp.floors, wp.rooms, wp.types, wp.centers):
            rows = list(table.items())
            table.clear()
            table.update(reversed(rows))
        assert command("plan").json["digest"] == again.json["digest"]
