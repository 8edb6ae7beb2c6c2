"""A workbook into Workplace: all of it, once, whatever happens on the way."""

from pathlib import Path

import pytest

from engage_sync.sandbox import Fault
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.findings import Ground
from engage_sync.spacedata.journal import Journal
from engage_sync.spacedata.upload import Done, Outcome
from engage_sync.spacedata.work import What
from reconcilers.errors import ConfigError, IncompleteAnswer
from tests.sandbox.upload_bench import SMALL, TYPES, Ambush, Bench, Killed, Moment, row

CREATED = {What.TYPE: 3, What.BUILDING: 3, What.FLOOR: 5, What.ROOM: 5}
WRITES = sum(CREATED.values())


def counts(outcome: Outcome | None, done: Done) -> dict[What, int]:
    assert outcome is not None
    return {what: outcome.counts[what][done] for what in What}


async def test_what_is_missing_is_created_once(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    book = here.book(SMALL)
    plan, outcome = await here.upload(book)
    assert counts(outcome, Done.CREATED) == CREATED
    assert here.writes == WRITES
    assert set(here.paths().values()) == {1}
    before = here.held()
    for _ in range(2):
        _, outcome = await here.upload(book)
        assert counts(outcome, Done.UNCHANGED) == {**CREATED, What.TYPE: 0}
    assert here.writes == WRITES
    assert here.held() == before
    grounds = {finding.ground for finding in plan.findings}
    assert grounds == {Ground.NO_RESERVATION_CENTER}


async def test_every_column_arrives(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    await here.upload(here.book(SMALL))
    building = here.sandbox.workplace.items("buildings")[0]
    assert (building["name"], building["code"]) == ("HQ", "0042")
    address = building["address"]
    assert (address["street"], address["city"], address["postalCode"]) == ("Main Street 1", "Munich", "01067")
    assert address["country"]["alpha2Code"] == "DE"
    rooms = {
        (one["floor"]["name"], one["name"]): one
        for one in here.sandbox.workplace.items("rooms")
        if one["floor"]["building"]["name"] == "HQ"
    }
    first = rooms["1", "101"]
    assert (first["capacity"], first["reservable"], first["area"]) == (8, True, 250.5)
    assert (first["description"], first["type"]["name"]) == ("by the lobby", "Meeting")
    assert (rooms["-1", "B01"]["capacity"], rooms["-1", "B01"]["reservable"]) == (1, False)
    assert rooms["Büro", "101"]["longDescription"] == "Engage resource 41"
    annex = here.sandbox.workplace.items("buildings")[1]
    assert annex["address"]["state"]["code"] == "BW"
    groups = {one["name"]: one["spaceTypeGroup"]["name"] for one in here.sandbox.workplace.items("types")}
    assert groups == TYPES


async def test_what_differs_is_changed_and_a_blank_cell_changes_nothing(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    await here.upload(here.book(SMALL))
    changed = [dict(record) for record in SMALL]
    changed[0] |= {
        Column.CAPACITY: 12,
        Column.SQUARE_FEET: "",
        Column.DESCRIPTION: "",
        Column.RESERVABLE: "No",
    }
    changed[1] |= {Column.SPACE_TYPE: "Store"}
    for one in changed[:4]:
        one |= {Column.BUILDING_NAME: "Headquarters", Column.ZIP: "80539", Column.ADDRESS: ""}
    here.sandbox.journal.reset()
    _, outcome = await here.upload(here.book(changed))
    assert (here.requests("POST"), here.requests("PUT")) == (0, 3)
    assert counts(outcome, Done.UPDATED) == {What.TYPE: 0, What.BUILDING: 1, What.FLOOR: 0, What.ROOM: 2}
    building = here.sandbox.workplace.items("buildings")[0]
    assert (building["name"], building["address"]["postalCode"]) == ("Headquarters", "80539")
    assert building["address"]["street"] == "Main Street 1"
    room = here.sandbox.workplace.items("rooms")[0]
    assert (room["capacity"], room["reservable"], room["area"], room["description"]) == (
        12, False, 250.5, "by the lobby",
    )  # fmt: skip
    await here.upload(here.book(changed))
    assert here.writes == 3


@pytest.mark.parametrize("moment", ["before", "after", "lost", "late"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
async def test_killed_at_any_write_it_comes_to_the_same_end(
    tmp_path: Path, number: int, moment: Moment
) -> None:
    here = Bench(tmp_path)
    book = here.book(SMALL)
    ambush = Ambush(here.sandbox.transport(), number, moment)
    if moment == "lost":
        await here.upload(book, transport=ambush)
    else:
        with pytest.raises(BaseExceptionGroup) as caught:
            await here.upload(book, transport=ambush)
        assert caught.group_contains(Killed)

    # At the latest before the next write, and while the next upload waits for it.
    here.while_asleep = ambush.carry_out
    _, outcome = await here.upload(book, transport=ambush)
    assert outcome is not None
    assert not outcome.failures
    assert set(here.paths().values()) == {1}
    clean = Bench(tmp_path / "clean")
    clean.folder.mkdir()
    await clean.upload(clean.book(SMALL))
    assert here.held() == clean.held()
    here.sandbox.journal.reset()
    await here.upload(book)
    assert here.writes == 0


FAULTS = ["reset", "commit-then-reset", "commit-then-504", "504", "500", "429", "garbage", "truncated"]


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("occurrences", [1, 4, 9, 14, "3-4", "every 3"])
async def test_writes_that_go_wrong_are_made_good(tmp_path: Path, what: str, occurrences: int | str) -> None:
    here = Bench(tmp_path)
    here.sandbox.faults.add(Fault(system="workplace", method="POST", occurrences=occurrences, what=what))
    _, outcome = await here.upload(here.book(SMALL))
    assert outcome is not None
    assert (outcome.ended_by, outcome.failures) == (None, [])
    assert counts(outcome, Done.CREATED) == CREATED
    assert set(here.paths().values()) == {1}


async def test_a_workplace_that_takes_nothing_ends_the_upload_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    here = Bench(tmp_path)
    book = here.book([row("HQ", "1", str(number)) for number in range(30)])
    here.sandbox.faults.add(Fault(system="workplace", method="POST", path="/rooms", what="500"))
    _, outcome = await here.upload(book)
    assert outcome is not None
    assert outcome.ended_by is not None
    assert counts(outcome, Done.FAILED)[What.ROOM] < 30
    here.sandbox.faults.clear()
    _, outcome = await here.upload(book)
    assert counts(outcome, Done.CREATED) == {What.TYPE: 0, What.BUILDING: 0, What.FLOOR: 0, What.ROOM: 30}
    assert set(here.paths().values()) == {1}


async def test_a_row_that_is_refused_keeps_none_but_what_is_below_it(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    here.sandbox.faults.add(
        Fault(system="workplace", method="POST", path="/floors", occurrences=1, what="400")
    )
    _, outcome = await here.upload(here.book(SMALL))
    assert outcome is not None
    failed = {failure.work.path: failure.message for failure in outcome.failures}
    assert set(failed) == {"HQ / 1", "HQ / 1 / 101", "HQ / 1 / 102"}
    assert "400" in failed["HQ / 1"]
    assert 'its floor "1" was not created' in failed["HQ / 1 / 101"]
    here.sandbox.faults.clear()
    _, outcome = await here.upload(here.book(SMALL))
    assert counts(outcome, Done.CREATED) == {What.TYPE: 0, What.BUILDING: 0, What.FLOOR: 1, What.ROOM: 2}


async def test_nothing_is_written_while_a_match_is_ambiguous_or_a_type_unknown(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    seed = here.sandbox.seed
    floor = seed.floor(seed.building("hq", center=None), "1")
    kind = seed.space_type("meeting")
    for name in ("BÜRO", "Buro"):
        seed.room(floor, kind, name)
    book = here.book([row("HQ", "1", "Büro"), row("HQ", "1", "Lab", space_type="Lab")])
    plan, outcome = await here.upload(book, types={})
    assert outcome is None
    assert here.writes == 0
    assert {(str(error.ground), error.place.cell) for error in plan.errors} == {
        ("AmbiguousMatch", "I5"), ("UnknownSpaceType", "J6"),
    }  # fmt: skip


async def test_other_spellings_are_found_and_kept(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    seed = here.sandbox.seed
    center = seed.center()
    floor = seed.floor(seed.building(" Büro  Mitte", center=center), "ERDGESCHOSS")
    seed.room(floor, seed.space_type("MEETING"), "Zimmer  1 ", capacity=1)
    plan, outcome = await here.upload(here.book([row("buro mitte", "Erdgeschoß", "zimmer 1")]))
    assert outcome is not None
    assert here.writes == 0
    assert {finding.ground for finding in plan.findings} == {Ground.OTHER_SPELLING}


async def test_a_building_without_a_code_is_given_one_and_no_other_is_taken(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    seed = here.sandbox.seed
    seed.building("HQ", code="other")
    bare = seed.building("HQ")
    await here.upload(here.book([row("HQ", building_code="0042")]))
    data = here.sandbox.workplace.data.tables["buildings"]
    assert [one["code"] for one in data.values()] == ["other", "0042"]
    assert data[bare]["code"] == "0042"


async def test_a_listing_that_is_not_whole_ends_it_before_any_write(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    here.sandbox.seed.building("HQ")
    here.sandbox.seed.building("Annex")
    here.sandbox.faults.add(Fault(system="workplace", method="GET", path="/buildings", what="short"))
    with pytest.raises(IncompleteAnswer):
        await here.upload(here.book(SMALL))
    assert here.writes == 0


async def test_two_uploads_to_one_target_exclude_each_other(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    with Journal(here.state), pytest.raises(ConfigError, match="in use by another upload"):
        await here.upload(here.book(SMALL))


async def test_pages_of_one_listing_come_one_after_the_other(tmp_path: Path) -> None:
    here = Bench(tmp_path)
    rooms = [row("HQ", str(number % 3), f"R{number}") for number in range(450)]
    book = here.book(rooms)
    here.sandbox.faults.add(
        Fault(system="workplace", method="POST", occurrences="every 7", what="commit-then-reset")
    )
    _, outcome = await here.upload(book)
    assert counts(outcome, Done.CREATED)[What.ROOM] == 450
    await here.upload(book)
    assert here.sandbox.journal.count("workplace", status=429) == 0
    assert set(here.paths().values()) == {1}
