from pathlib import Path

import pytest

from engage_sync.states import Quota
from engage_sync.store.quota import read_quota, write_quota

USED = Quota(weekStart="2026-11-22T12:00:00Z", used=41)


def test_the_next_run_knows_what_the_last_one_used(tmp_path: Path) -> None:
    write_quota(tmp_path, USED)

    assert read_quota(tmp_path) == USED


def test_a_run_that_counted_nothing_leaves_what_was(tmp_path: Path) -> None:
    write_quota(tmp_path, USED)
    write_quota(tmp_path, None)

    assert read_quota(tmp_path) == USED


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"weekStart": 1}', '{"weekStart": "x", "used": "many"}']
)
def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "quota.json").write_text(content)

    assert read_quota(tmp_path) is None


def test_a_folder_that_cannot_be_written_fails_no_run(tmp_path: Path) -> None:
    write_quota(tmp_path / "not there", USED)

    assert read_quota(tmp_path / "not there") is None
