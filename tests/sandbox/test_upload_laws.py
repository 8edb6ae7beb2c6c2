"""Laws of every upload, over random workbooks and a Workplace that holds others."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync.sandbox import Fault
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.example import Record
from engage_sync.spacedata.upload import Done
from reconcilers.text import clean
from tests.sandbox.upload_bench import TYPES, Ambush, Bench, row

# Twins by case, accents and blanks; a few cities, so that buildings move.
NAMES = st.sampled_from(["A", "a", "Á", "B", "b  1", "B 1", "=1", "Straße", "STRASSE", "0042", "-1", "部屋"])
BUILDINGS = st.sampled_from([("A", ""), ("a b", ""), ("A", "X1"), ("B", "x2"), ("", "X3"), ("Á b", "X2")])
GROUPS = {**TYPES, "desk": "Me Spaces", "DESK": "Me Spaces"}
FAULTS = st.sampled_from(["reset", "commit-then-reset", "commit-then-504", "500", "429", "garbage"])


@st.composite
def books(draw: st.DrawFn) -> list[Record]:
    """Rows that a check lets pass: buildings that agree with themselves, no room twice."""
    chosen: dict[str, tuple[str, str, str]] = {}
    for name, code in draw(st.lists(BUILDINGS, min_size=1, max_size=4)):
        if not {name.casefold(), code.casefold()} & chosen.keys() - {""}:
            city = draw(st.sampled_from(["Ulm", "ulm", "Bonn", ""]))
            chosen |= {key.casefold(): (name, code, city) for key in (name, code) if key}
    records: dict[tuple[str, ...], Record] = {}
    for _ in range(draw(st.integers(1, 8))):
        name, code, city = draw(st.sampled_from(sorted(chosen.values())))
        floor, room = draw(NAMES), draw(NAMES | st.just(""))
        columns: dict[str, str | float] = {"building_code": code, "city": city}
        if room:
            columns |= {
                "space_type": draw(st.sampled_from(sorted(GROUPS))),
                "capacity": draw(st.integers(0, 3)),
                "reservable": draw(st.sampled_from(["Yes", "No", ""])),
                "square_feet": draw(st.sampled_from([0, 250.504, 1e6 / 3])),
            }
        records[name, code, clean(floor).casefold(), clean(room)] = row(name, floor, room, **columns)
    return list(records.values())


def wanted(records: list[Record]) -> set[tuple[str, str]]:
    """Floors and rooms that must be there, by their own names."""
    return {
        (clean(str(record[column])).casefold(), column)
        for record in records
        for column in (Column.FLOOR, Column.ROOM)
        if record[column]
    }


def there(here: Bench) -> set[tuple[str, str]]:
    tables = here.sandbox.workplace.data.tables
    return {(clean(one["name"]).casefold(), Column.FLOOR) for one in tables["floors"].values()} | {
        (clean(one["name"]).casefold(), Column.ROOM) for one in tables["rooms"].values()
    }


async def law(folder: Path, first: list[Record], second: list[Record], fault: Fault) -> None:
    here = Bench(folder)
    _, outcome = await here.upload(here.book(first), GROUPS)
    assert outcome is not None
    assert not outcome.failures
    assert wanted(first) <= there(here)
    before = here.paths()
    here.sandbox.journal.reset()
    here.sandbox.faults.add(fault)
    book = here.book(second)
    plan, outcome = await here.upload(book, GROUPS)
    if plan.errors:
        assert here.writes == 0
        assert all(error.place.row and error.cure for error in plan.errors)
        return
    assert outcome is not None
    assert outcome.ended_by is None
    assert not outcome.failures
    made = {what: counts[Done.CREATED] for what, counts in outcome.counts.items()}
    assert sum(here.paths().values()) == sum(before.values()) + sum(made.values())
    here.sandbox.faults.clear()
    here.sandbox.journal.reset()
    plan, outcome = await here.upload(book, GROUPS)
    assert outcome is not None
    assert here.writes == 0
    assert not plan.errors


@settings(max_examples=40)
@given(books(), books(), FAULTS, st.integers(1, 12))
def test_a_second_upload_writes_nothing_whatever_was_there(
    first: list[Record], second: list[Record], what: str, occurrence: int
) -> None:
    fault = Fault(system="workplace", method="POST", occurrences=occurrence, what=what)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(law(Path(folder), first, second, fault))


async def killed(folder: Path, records: list[Record], number: int, after: bool) -> None:
    here, clean_one = Bench(folder), Bench(folder)
    clean_one.state = folder / "other"
    book = here.book(records)
    await clean_one.upload(book, GROUPS)
    try:
        await here.upload(
            book, GROUPS, Ambush(here.sandbox.transport(), number, "after" if after else "before")
        )
    except BaseExceptionGroup:
        plan, outcome = await here.upload(book, GROUPS)
        assert not plan.errors
        assert outcome is not None
        assert not outcome.failures
    assert here.held() == clean_one.held()


@settings(max_examples=40)
@given(books(), st.integers(1, 20), st.booleans())
def test_a_killed_upload_comes_to_the_end_of_one_that_was_not(
    records: list[Record], number: int, after: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(killed(Path(folder), records, number, after))
