"""Single edits in Workplace: the fewest writes that can do it, counted by a server that is not ours."""

import re
from collections import Counter
from collections.abc import Callable

from tests.e2e.foreign_server import ForeignServer, Json, Workplace
from tests.e2e.test_foreign_sync import Command, address, command, differences, room, server, small

__all__ = ["command", "server"]  # the fixtures


def kind(name: str) -> Json:
    return {"id": 1, "name": name}


def rename(wp: Workplace, **names: str) -> bool:
    for key, name in names.items():
        wp.rooms[int(key[1:])]["name"] = name
    return True


def forget(wp: Workplace, *rooms: int) -> bool:
    for key in rooms:
        del wp.rooms[key]
    return True


def swap_floors(wp: Workplace) -> bool:
    wp.floors[101]["name"], wp.floors[102]["name"] = wp.floors[102]["name"], wp.floors[101]["name"]
    return True


def drop_building(wp: Workplace, building: int, floor: int, *rooms: int) -> None:
    forget(wp, *rooms)
    del wp.floors[floor], wp.buildings[building]


def no_center(wp: Workplace) -> bool:
    wp.buildings[40] = {"id": 40, "name": "New", "address": address("JP", "Tokyo")}
    return True


# One after the other on one Engage: the edit, and the writes that it costs.
EDITS: list[tuple[str, Callable[[Workplace], object], dict[str, int]]] = [
    (
        "whitespace only, a building without a center",
        lambda wp: (rename(wp, r1000="  A "), no_center(wp)),
        {},
    ),
    (
        "swap of a room's and a desk's name",
        lambda wp: rename(wp, r1000="C", r1002="A"),
        {"PUT rooms": 2, "PUT desks": 1},
    ),
    ("chain", lambda wp: rename(wp, r1000="B", r1001="A", r1002="Z"), {"PUT rooms": 2, "PUT desks": 1}),
    (
        "floors swap numbers, and a room moves to one",
        lambda wp: (swap_floors(wp), wp.rooms[1000].update(floor={"id": 102})),
        {"PUT floors": 3, "PUT rooms": 1},
    ),
    (
        "a floor becomes a basement",
        lambda wp: wp.floors[102].update(name="B1"),
        {"PUT floors": 1, "PUT locations": 1},
    ),
    (
        "a room becomes a desk",
        lambda wp: wp.rooms[1000].update(type={"id": 2}),
        {"DELETE rooms": 1, "POST desks": 1},
    ),
    ("a new room with a taken name", lambda wp: room(wp, 5, 102, 2, "A"), {"PUT rooms": 1, "POST desks": 1}),
    (
        "a room goes, another takes its name",
        lambda wp: (forget(wp, 1001), rename(wp, r1002="A (EG)")),
        {"DELETE rooms": 1, "PUT desks": 1},
    ),
    (
        "a building gets its first center",
        lambda wp: wp.centers[5]["buildings"].append(30),
        {
            "POST regions": 1,
            "POST locations": 1,
            "POST locations/groups": 1,
            "POST floors": 1,
            "POST rooms": 1,
        },
    ),
    (
        "and loses it",
        lambda wp: wp.centers[5]["buildings"].remove(30),
        {"DELETE regions": 1, "DELETE locations": 1, "DELETE floors": 1, "DELETE rooms": 1},
    ),
    (
        "a building moves to another country",
        lambda wp: wp.buildings[11].update(address=address("FR", "Lyon")),
        {
            "DELETE rooms": 1,
            "DELETE desks": 1,
            "DELETE floors": 1,
            "DELETE locations": 1,
            "POST locations": 1,
            "POST locations/groups": 1,
            "POST floors": 1,
            "POST rooms": 1,
            "POST desks": 1,
        },
    ),
    (
        "a type from We to Me",
        lambda wp: wp.types[1].update(spaceTypeGroup=kind("Me Spaces")),
        {"DELETE rooms": 3, "DELETE workspaceTypes": 1, "POST workspaceTypes": 1, "POST desks": 3},
    ),
    (
        "the last building of a country",
        lambda wp: drop_building(wp, 10, 100, 1000, 1002, 1010, 5),
        {
            "DELETE desks": 4,
            "DELETE floors": 3,
            "DELETE locations": 1,
            "DELETE groups": 1,
            "DELETE regions": 1,
            "DELETE countries": 1,
        },
    ),
]


def test_the_fewest_writes(server: ForeignServer, command: Command) -> None:
    wp = server.workplace
    small(wp)
    command()
    for name, edit, cost in EDITS:
        edit(wp)
        if name == "the last building of a country":
            del wp.floors[101], wp.floors[102]
        command()
        paths = (re.fullmatch(r"/(\w+)(?:/\d+)?(/\w+)?", call.path) for call in server.writes())
        spent = [f"{c.method} {m[1]}{m[2] or ''}" for c, m in zip(server.writes(), paths, strict=True) if m]
        assert dict(Counter(spent)) == cost, name
        assert server.refusals() == [], name
        assert differences(server) == [], name
    command()
    assert server.writes() == []
