"""What the page for new customers shows of a check; its commands are tried in tests/e2e."""

from pathlib import Path

import pytest

from engage_sync.spacedata import cells, limits
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.template import write_template
from tests.unit.spacedata.books import GOOD
from tests.unit.spacedata.test_command import run

PAGE = Path(__file__).resolve().parents[3] / "docs" / "onboarding-new.md"


def test_the_lines_it_shows_are_those_that_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {column: value for column, value in GOOD.items() if isinstance(value, str | int | float)}
    records = [{**row, Column.ROOM: str(300 + number)} for number in range(16)]
    records[7] |= {Column.FLOOR: ""}
    records[10] |= {Column.CAPACITY: "many"}
    records[15] |= {Column.ROOM: "301 ", Column.FLOOR: "4"}
    monkeypatch.chdir(tmp_path)
    write_template(Path("spaces.xlsx"), records=records)

    assert run(monkeypatch, "check", "spaces.xlsx") == 2

    shown = PAGE.read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0].splitlines()
    assert capsys.readouterr().out.splitlines()[:3] == shown[:3]


def test_the_limits_it_names_are_those_that_hold() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"{limits.MAX_FILE_BYTES >> 20} MiB, {limits.MAX_CELLS:,} cells" in page
    assert f"{cells.MAX_NAME} characters ({cells.MAX_DESCRIPTION:,} in Description)" in page
