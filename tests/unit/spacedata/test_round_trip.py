"""For any rows: what is written is what is read. For any spoiled cell: one problem, at that cell."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.columns import TEMPLATE_COLUMNS, Column
from engage_sync.spacedata.example import Record as Plain
from engage_sync.spacedata.geography import US_STATES
from engage_sync.spacedata.template import write_template
from reconcilers.text import clean
from tests.unit.spacedata.books import (
    GOOD,
    WRITERS,
    Broken,
    Computed,
    Day,
    Record,
    Value,
    as_records,
    at,
    check,
    found,
    grid,
)

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12).filter(
    lambda text: not text.startswith(("=", "+", "@"))
)
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)
optional = st.one_of(st.just(""), texts)
areas = st.one_of(st.just(""), st.integers(0, 10**6), st.floats(0, 10**6).map(lambda area: round(area, 4)))
yes_no = st.sampled_from(["", "Yes", "No"])
buildings: SearchStrategy[Plain] = st.fixed_dictionaries(
    {
        Column.BUILDING_NAME: optional,
        Column.STATE_CODE: st.sampled_from(sorted(US_STATES)),
        Column.ADDRESS: optional,
        Column.ADDRESS2: optional,
        Column.CITY: optional,
        Column.ZIP: st.integers(10_000, 99_999).map(str),
    }
)
rooms: SearchStrategy[Plain] = st.fixed_dictionaries(
    {
        Column.SPACE_TYPE: texts,
        Column.OCCUPIABLE: yes_no,
        Column.CAPACITY: st.one_of(st.just(""), st.integers(1, 99_999)),
        Column.DESCRIPTION: optional,
        Column.SQUARE_FEET: areas,
        Column.RESERVABLE: yes_no,
        Column.RENTABLE_SQUARE_FEET: areas,
    }
)


@st.composite
def rows(draw: st.DrawFn) -> list[Plain]:
    """Rooms of a few buildings and floors, each spelled one way."""
    found: list[Plain] = []
    codes = draw(st.lists(texts, min_size=1, max_size=3, unique_by=str.casefold))
    for code in codes:
        building = draw(buildings)
        for floor in draw(st.lists(texts, min_size=1, max_size=3, unique_by=str.casefold)):
            for room in draw(st.lists(texts, min_size=1, max_size=4, unique_by=str.casefold)):
                place = {Column.BUILDING_CODE: code, Column.FLOOR: floor, Column.ROOM: room}
                found.append({**building, **place, **draw(rooms)})
    return found


@settings(max_examples=60, deadline=None)
@given(rows())
def test_what_is_written_is_what_is_read(records: list[Plain]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spaces.xlsx"
        write_template(path, records=records)
        data = check_file(path)

    assert found(data) == []
    assert as_records(data) == [{column: record.get(column, "") for column in TEMPLATE_COLUMNS}
                                for record in records]  # fmt: skip
    assert [data.place(room, Column.ROOM).row for room in data.rooms] == [*range(5, 5 + len(records))]


NUMERIC = (Column.CAPACITY, Column.SQUARE_FEET, Column.RENTABLE_SQUARE_FEET)
TEXTUAL = tuple(
    column for column in TEMPLATE_COLUMNS
    if column not in (*NUMERIC, Column.OCCUPIABLE, Column.RESERVABLE, Column.STATE_CODE)
)  # fmt: skip
spoiled_text = st.sampled_from(
    [("a ", "Blanks"), ("\xa0a", "Blanks"), ("a\nb", "Blanks"), ("=a", "FormulaLike"), ("@a", "FormulaLike"),
     ("+1", "FormulaLike"), ("a\x01", "ControlCharacter"), ("a\u202e", "InvisibleCharacter"),
     ("a" * 32_767, "TooLong")]
)  # fmt: skip
spoils: SearchStrategy[tuple[Column, Value, str]] = st.one_of(
    st.tuples(
        st.sampled_from(TEMPLATE_COLUMNS),
        st.sampled_from([(Computed("1+1"), "Formula"), (Broken(), "ErrorValue"), (Day(46_000), "DateValue")]),
    ).map(lambda pair: (pair[0], *pair[1])),
    st.tuples(st.sampled_from(TEXTUAL), spoiled_text).map(lambda pair: (pair[0], *pair[1])),
    st.tuples(st.sampled_from(NUMERIC), texts.filter(lambda text: not text.isascii()), st.just("NotANumber")),
    st.tuples(st.sampled_from(NUMERIC), st.integers(-(10**6), -1), st.just("OutOfRange")),
    st.tuples(st.just(Column.FLOOR), st.just(""), st.just("NoFloor")),
    st.tuples(st.just(Column.SPACE_TYPE), st.just(""), st.just("NoSpaceType")),
    st.tuples(st.just(Column.ROOM), st.just(""), st.just("WithoutRooms")),
    st.tuples(st.just(Column.STATE_CODE), st.sampled_from(["XX", "0", "Ohio"]), st.just("UnknownState")),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5), st.data(), spoils, st.sampled_from(sorted(WRITERS)))
def test_one_spoiled_cell_among_many_rows_is_one_problem_there(
    count: int, data: st.DataObject, spoil: tuple[Column, Value, str], format: str
) -> None:
    column, value, reason = spoil
    records: list[Record] = [{**GOOD, Column.BUILDING_NAME: f"B{i}", Column.BUILDING_CODE: f"C{i}"}
                             for i in range(count)]  # fmt: skip
    index = data.draw(st.integers(0, count - 1))
    records[index] = {**records[index], column: value}
    if isinstance(value, str) and column not in NUMERIC:
        assert value == "" or clean(value)

    with TemporaryDirectory() as folder:
        checked = check(Path(folder), WRITERS[format](grid(*records)))

    assert found(checked) == [(reason, at(column, 5 + index))]
