"""The commands: exit codes, what is printed, and that nothing unchecked gets through."""

import json
from pathlib import Path

import pytest

from engage_sync.cli import main
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.model import CheckedSpaceData, SpaceDataRejected, checked
from tests.unit.spacedata.books import GOOD, check, grid, xlsx


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["engage-sync", "spacedata", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "spaces.xlsx"


def test_clean_is_0_with_warnings_too(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_bytes(xlsx(grid({**GOOD, Column.ROOM: "301 "})))

    assert run(monkeypatch, "check", str(book)) == 0
    out = capsys.readouterr().out
    assert out.startswith('warning  Data!I5  Room "301 ": it has blanks')
    assert "0 errors, 1 warning; 1 row, 1 building, 1 floor, 1 room; nothing stops the upload" in out


def test_errors_are_2_and_each_names_sheet_cell_column_value_and_cure(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_bytes(xlsx(grid({**GOOD, Column.CAPACITY: "\x1b[31mmany", Column.FLOOR: ""})))

    assert run(monkeypatch, "check", str(book)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'error    Data!H5  Floor "": the room has no floor; fill in its floor'
    assert lines[1].startswith(
        'error    Data!L5  Capacity "\\x1b[31mmany": it is not a number; write a whole'
    )
    assert "2 errors" in lines[2]


def test_what_cannot_be_read_is_1_in_one_sentence(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_text("Building Name,City\n")

    assert run(monkeypatch, "check", str(book)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "CSV" in captured.err
    assert run(monkeypatch, "check", str(book) + ".xls") == 1
    assert "No such file" in capsys.readouterr().err


def test_json_says_everything(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_bytes(xlsx(grid({**GOOD, Column.FLOOR: ""}) | {"J3": "Kind"}))

    assert run(monkeypatch, "check", str(book), "-o", "json") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["counts"] == {"NoFloor": 1}
    assert document["renames"] == {"Space Type": "Kind"}
    assert document["problems"] == [
        {
            "severity": "error", "reason": "NoFloor", "sheet": "Data", "row": 5, "column": "H",
            "header": "Floor", "cell": "H5", "value": "", "message": "the room has no floor",
            "cure": "fill in its floor",
        }
    ]  # fmt: skip


def test_many_warnings_of_a_reason_are_counted(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_bytes(xlsx(grid(*({**GOOD, Column.ROOM: f"{number} "} for number in range(30)))))

    assert run(monkeypatch, "check", str(book)) == 0
    out = capsys.readouterr().out
    assert out.count("warning  Data!") == 10
    assert "warning  … and 20 more of Blanks; see -o json" in out


def test_a_country_is_told_by_code_or_name(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_bytes(xlsx(grid({**GOOD, Column.STATE_CODE: "BY"})))

    assert run(monkeypatch, "check", str(book), "--country", "germany") == 0
    assert run(monkeypatch, "check", str(book), "--country", "Atlantis") == 1
    assert "ISO 3166" in capsys.readouterr().err


def test_the_template_command_says_what_is_next(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "template", str(book)) == 0
    assert f"engage-sync spacedata check {book}" in capsys.readouterr().out
    assert run(monkeypatch, "template", str(book)) == 1
    assert "--force" in capsys.readouterr().err
    assert run(monkeypatch, "template", "--force", str(book)) == 0
    assert run(monkeypatch, "check", str(book)) == 2


def test_only_space_data_without_an_error_become_checked(tmp_path: Path) -> None:
    clean = check(tmp_path, xlsx(grid({**GOOD, Column.ROOM: "301 "})))
    assert checked(clean).data is clean

    with pytest.raises(SpaceDataRejected, match=r"1 error, the first in Data!H5: the room has no floor"):
        checked(check(tmp_path, xlsx(grid({**GOOD, Column.FLOOR: ""}))))
    with pytest.raises(TypeError, match="checked"):
        CheckedSpaceData(clean, object())
