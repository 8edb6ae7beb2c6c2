"""The template: what a customer opens, and what of it is read back."""

import os
import re
import stat
import zipfile
from pathlib import Path

import pytest

from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.columns import TEMPLATE_COLUMNS, Column
from engage_sync.spacedata.example import EXAMPLE
from engage_sync.spacedata.grid import Sheet
from engage_sync.spacedata.template import write_template
from engage_sync.spacedata.workbook import open_workbook
from reconcilers.errors import ConfigError
from tests.unit.spacedata.books import as_records, found

DOCUMENTED = """Building Name, Building Code, State Code, Address, Address2, City, Zip, Floor, Room,
Space Type, Occupiable, Capacity, Description, Square Feet, Reservable, Rentable Square Feet"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "spaces.xlsx"
    write_template(path)
    return path


def sheets(path: Path) -> dict[str, Sheet]:
    book = open_workbook(path)
    return {name: book.read(index) for index, name in enumerate(book.sheet_names)}


def sheet_one(archive: zipfile.ZipFile) -> str:
    return archive.read("xl/worksheets/sheet1.xml").decode()


def test_headers_are_in_row_4_in_the_documented_order_and_row_3_is_free(path: Path) -> None:
    data = sheets(path)["Space Data"]

    assert data.rows[4] == [header.strip() for header in DOCUMENTED.replace("\n", " ").split(",")]
    assert 3 not in data.rows
    assert max(data.rows) == 4


def test_the_data_come_first_so_that_other_tools_find_them(path: Path) -> None:
    assert list(sheets(path)) == ["Space Data", "Example", "Instructions", "Lists"]


def test_required_columns_are_marked(path: Path) -> None:
    marks = sheets(path)["Space Data"].rows[2]

    marked = {column for column, mark in zip(TEMPLATE_COLUMNS, marks, strict=True) if mark == "required"}
    assert marked == {Column.STATE_CODE, Column.FLOOR, Column.ROOM, Column.SPACE_TYPE}
    assert marks[0] == "required, or code"


def test_there_are_lists_to_choose_from(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        xml = sheet_one(archive)

    assert xml.count('type="list"') == 4
    for column in ("K", "O", "C", "J"):
        assert f'sqref="{column}5:{column}200000"' in xml


def test_text_columns_keep_leading_zeros(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        formats = archive.read("xl/styles.xml").decode().partition("<cellXfs")[2]
        styles = re.findall(r'<xf numFmtId="(\d+)"', formats)
        columns = re.findall(r'<col min="(\d+)" max="(\d+)"[^>]* style="(\d+)"', sheet_one(archive))

    text = {number for first, last, style in columns if styles[int(style)] == "49"
            for number in range(int(first), int(last) + 1)}  # fmt: skip
    assert text == set(range(1, 17)) - {12, 14, 16}


def test_a_blank_template_has_nothing_to_upload(path: Path) -> None:
    assert found(check_file(path)) == [("NoRows", "A5")]


def test_the_worked_example_checks_as_it_says(path: Path, tmp_path: Path) -> None:
    filled = tmp_path / "filled.xlsx"
    write_template(filled, records=EXAMPLE)

    data = check_file(filled)

    assert found(data) == [("WithoutRooms", "I8"), ("WithoutRooms", "I9")]
    assert (len(data.buildings), len(data.floors), len(data.rooms)) == (2, 3, 3)
    assert {key: value for key, value in as_records(data)[0].items() if value != ""} == EXAMPLE[0]
    example = sheets(path)["Example"]
    assert {number: row for number, row in example.rows.items() if number > 3} == {
        number: row for number, row in sheets(filled)["Space Data"].rows.items() if number > 3
    }


def test_text_that_looks_like_a_formula_or_a_link_is_written_as_text(tmp_path: Path) -> None:
    filled = tmp_path / "filled.xlsx"
    odd = "=1+1", "https://example.com", "-1", "0042"
    write_template(filled, records=[{Column.DESCRIPTION: text} for text in odd])

    assert [row[12] for number, row in sheets(filled)["Space Data"].rows.items() if number > 4] == list(odd)


def test_a_file_is_not_overwritten_unless_forced(path: Path) -> None:
    path.write_bytes(b"mine")

    with pytest.raises(ConfigError, match=r"exists already.*--force"):
        write_template(path)
    assert path.read_bytes() == b"mine"

    write_template(path, force=True)
    assert path.read_bytes().startswith(b"PK")


def test_who_may_read_a_file_stays_when_it_is_overwritten(path: Path) -> None:
    path.chmod(0o640)

    write_template(path, force=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    there, link = tmp_path / "there.xlsx", tmp_path / "link.xlsx"
    there.write_text("as it was")
    link.symlink_to(there)

    write_template(link, force=True)

    assert link.is_symlink()
    assert there.read_bytes().startswith(b"PK")


def test_no_other_file_is_in_its_way(tmp_path: Path) -> None:
    other = tmp_path / "spaces.xlsx.tmp"
    other.write_text("mine")

    write_template(tmp_path / "spaces.xlsx")

    assert other.read_text() == "mine"


def test_what_is_no_file_is_refused_and_stays(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder.xlsx", tmp_path / "pipe.xlsx"
    folder.mkdir()
    os.mkfifo(pipe)

    for path in (folder, pipe):
        with pytest.raises(ConfigError, match="is there and is no file; name another"):
            write_template(path, force=True)

    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.xlsx"):
        write_template(tmp_path / "spaces.xls")


def test_who_may_read_it_is_as_for_any_other_file(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "spaces.xlsx"
    other.touch()

    write_template(path)

    assert path.stat().st_mode == other.stat().st_mode


def test_what_a_full_disk_cuts_off_does_not_stay_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spaces.xlsx"
    path.write_text("as it was")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_template(path, force=True)

    assert caught.value.filename == str(path)
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]
