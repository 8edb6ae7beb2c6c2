"""Bad answers, lost answers, kills and lost state, against a server that is not ours."""

import shutil
import subprocess
from collections import Counter

import pytest

from tests.e2e.foreign_server import Fault, ForeignServer
from tests.e2e.test_foreign_sync import Command, command, differences, room, server, small, world

__all__ = ["command", "server"]  # the fixtures


def deletes(server: ForeignServer) -> list[str]:
    return [call.path for call in server.writes() if call.method == "DELETE"]


BAD_READS = [
    Fault("truncated", "/rooms", times=99),
    Fault("short", "/rooms", times=99),
    Fault("empty", "/centers/5", times=99),
    Fault("item-twice", "/rooms", times=99),
    Fault("count", "/rooms/types/count", times=99),
]


def test_a_bad_read_deletes_nothing_and_the_next_run_recovers(
    server: ForeignServer, command: Command
) -> None:
    small(server.workplace)
    command()
    for number, fault in enumerate(BAD_READS):
        what = f"{fault.system}{fault.path} {fault.what}"
        victim = sorted(server.workplace.rooms)[-1]
        del server.workplace.rooms[victim]
        room(server.workplace, 7000 + number, 110, 1, f"N{number}")
        server.faults = [fault]
        ran = command(check=False)
        assert ran.code in (1, 3), what
        assert deletes(server) == [], what
        sentence = ran.err if ran.code == 1 else "\n".join(ran.json["gaps"]) + "\n"
        assert sentence.strip(), what
        assert ran.err.count("\n") <= 1, what
        server.faults = []
        command()
        assert differences(server) == [], what
        assert server.refusals() == [], what


@pytest.mark.parametrize("path", ["/groups"])
def test_an_empty_engage_listing_is_not_believed(server: ForeignServer, command: Command, path: str) -> None:
    small(server.workplace)
    command()
    del server.workplace.rooms[1000]
    server.faults = [Fault("empty", path, "engage", times=99)]
    ran = command(check=False)
    assert ran.code != 0
    assert server.writes() == []
    server.faults = []
    command()
    assert differences(server) == []


@pytest.mark.parametrize("what", ["commit-reset", "commit-504"])
def test_a_lost_answer_makes_no_duplicate(server: ForeignServer, command: Command, what: str) -> None:
    small(server.workplace)
    server.faults = [Fault(what, "/(rooms|desks|floors|locations|regions)", "engage", "POST", times=99)]
    command()
    assert differences(server) == []
    created = Counter(
        call.body["ExternalId"] for call in server.writes() if "ExternalId" in (call.body or {})
    )
    assert set(created.values()) == {1}


@pytest.mark.parametrize("point", [9, 40])
def test_killed_in_the_initial_sync(server: ForeignServer, command: Command, point: int) -> None:
    world(server.workplace, 3, buildings=12, floors=30, rooms=60)
    with subprocess.Popen(command.argv("sync"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        server.on_write = lambda count: run.kill() if count == point else None
        run.communicate(timeout=60)
        assert run.returncode == -9
    server.on_write = lambda count: None
    command()
    assert differences(server) == []
    assert server.refusals() == []


def test_a_lost_mapping_is_rebuilt(server: ForeignServer, command: Command) -> None:
    small(server.workplace)
    command()
    del server.workplace.rooms[1000]
    server.workplace.rooms[1001]["name"] = "renamed"
    shutil.rmtree(command.state)
    command()
    assert [(call.method, call.body) for call in server.writes()] == [("PUT", {"ResourceName": "renamed"})]
    command()
    assert len(deletes(server)) == len(server.writes()) == 1
    assert differences(server) == []
