"""Which sheet, which row, which column; and the customers' own names in row 3."""

from pathlib import Path

import pytest

from engage_sync.spacedata.columns import TEMPLATE_COLUMNS, Column
from tests.unit.spacedata.books import (
    GOOD,
    Broken,
    Cells,
    Computed,
    check,
    found,
    grid,
    packed,
    parts,
    sheet_xml,
    xlsx,
)


@pytest.mark.parametrize("text", ["building name", " Building  Name ", "Building\nName", "BUILDING\xa0NAME"])
def test_a_header_of_another_spelling_is_that_header(tmp_path: Path, text: str) -> None:
    assert found(check(tmp_path, xlsx(grid(GOOD) | {"A4": text}))) == [("HeaderSpelling", "A4")]


@pytest.mark.parametrize("column", TEMPLATE_COLUMNS)
def test_a_renamed_header_is_missing_there(tmp_path: Path, column: Column) -> None:
    cells = {key: "Our own" if value == column else value for key, value in grid(GOOD).items()}

    data = check(tmp_path, xlsx(cells))

    place = next(key for key, value in cells.items() if value == "Our own")
    assert found(data) == [("MissingHeader", place)]
    assert f'"{column}"' in data.problems[0].message
    assert data.problems[0].value == "Our own"


@pytest.mark.parametrize("column", TEMPLATE_COLUMNS)
def test_a_column_left_out_is_a_missing_header_and_nothing_else(tmp_path: Path, column: Column) -> None:
    columns = [other for other in TEMPLATE_COLUMNS if other is not column]
    row = {key: value for key, value in GOOD.items() if key is not column}

    data = check(tmp_path, xlsx(grid(row, columns=columns)))

    assert [reason for reason, _ in found(data)] == ["MissingHeader"]
    assert data.problems[0].place.header == column


def test_columns_in_another_order_are_fine(tmp_path: Path) -> None:
    columns = list(reversed(TEMPLATE_COLUMNS))

    data = check(tmp_path, xlsx(grid(GOOD, columns=columns)))

    assert found(data) == []
    assert data.rooms[0].name == "301"


@pytest.mark.parametrize("row", [1, 3, 5, 9])
def test_headers_in_another_row(tmp_path: Path, row: int) -> None:
    data = check(tmp_path, xlsx(grid(GOOD, header_row=row)))

    assert found(data) == [("HeaderRow", f"A{row}")]
    assert len(data.rooms) == 1


def test_a_duplicate_header(tmp_path: Path) -> None:
    assert found(check(tmp_path, xlsx(grid(GOOD) | {"Q4": "City"}))) == [("DuplicateHeader", "Q4")]


def test_an_unknown_column_is_left_alone(tmp_path: Path) -> None:
    cells = grid(GOOD) | {"Q4": "Engage Id", "Q5": Computed("1+1")}
    assert found(check(tmp_path, xlsx(cells))) == [("UnknownColumn", "Q4")]


def test_a_header_that_is_a_formula(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid(GOOD) | {"F4": Computed('"City"')}))
    assert ("Formula", "F4") in found(data)


def test_names_in_row_3_rename_and_change_nothing(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid(GOOD) | {"J3": " Kind ", "F3": "Town"}))

    assert found(data) == []
    assert data.renames == {Column.SPACE_TYPE: "Kind", Column.CITY: "Town"}


@pytest.mark.parametrize(("cell", "reason"), [(Computed("1+1"), "Formula"), (Broken(), "ErrorValue")])
def test_names_in_row_3_are_texts(tmp_path: Path, cell: Computed | Broken, reason: str) -> None:
    assert found(check(tmp_path, xlsx(grid(GOOD) | {"J3": cell}))) == [(reason, "J3")]


def test_no_sheet_with_headers(tmp_path: Path) -> None:
    assert found(check(tmp_path, xlsx({"A1": "hello"}))) == [("NoDataSheet", "")]
    assert found(check(tmp_path, xlsx({}))) == [("NoDataSheet", "")]


def test_nothing_below_the_headers(tmp_path: Path) -> None:
    assert found(check(tmp_path, xlsx(grid()))) == [("NoRows", "A5")]


def book(*sheets: tuple[str, Cells, bool]) -> bytes:
    return packed(parts(*((name, sheet_xml(cells), hidden) for name, cells, hidden in sheets)))


def test_several_data_sheets_are_an_error_at_the_second(tmp_path: Path) -> None:
    data = check(tmp_path, book(("One", grid(GOOD), False), ("Two", grid(GOOD), True)))

    assert found(data) == [("SeveralDataSheets", "")]
    assert data.problems[0].place.sheet == "Two"
    assert data.sheet == "One"


def test_a_second_sheet_with_headers_alone_is_fine(tmp_path: Path) -> None:
    assert found(check(tmp_path, book(("Empty", grid(), True), ("Notes", {"A1": "x"}, False),
                                      ("Two", grid(GOOD), False)))) == []  # fmt: skip


def test_a_hidden_data_sheet_is_read_and_said(tmp_path: Path) -> None:
    data = check(tmp_path, book(("Notes", {"A1": "x"}, False), ("Data", grid(GOOD), True)))

    assert found(data) == [("HiddenSheet", "")]
    assert len(data.rooms) == 1


def test_the_sheets_that_help_are_no_data(tmp_path: Path) -> None:
    data = check(tmp_path, book(("Example", grid(GOOD), False), ("Mine", grid(GOOD), False)))

    assert found(data) == []
    assert data.sheet == "Mine"


def test_renamed_headers_beside_each_other_are_each_told_at_their_own_cell(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid(GOOD) | {"A4": "Gebäude", "B4": "Kürzel", "C4": "Land"}))

    told = [(problem.place.cell, problem.value, problem.place.header) for problem in data.problems]
    assert told == [
        ("A4", "Gebäude", "Building Name"), ("B4", "Kürzel", "Building Code"), ("C4", "Land", "State Code")
    ]  # fmt: skip
