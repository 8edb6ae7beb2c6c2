from pathlib import Path

import pytest

from engage_sync.spacedata.journal import Journal
from reconcilers.errors import ConfigError


def test_what_was_begun_and_not_ended_is_remembered(tmp_path: Path) -> None:
    with Journal(tmp_path / "new") as journal:
        journal.begin("a", 1.0)
        journal.begin("b", 2.0)
        journal.end("a")
        journal.end("never begun")
    with Journal(tmp_path / "new") as journal:
        assert (journal.begun("a"), journal.begun("b")) == (None, 2.0)
        journal.forget()
    with Journal(tmp_path / "new") as journal:
        assert journal.begun("b") is None


def test_an_intent_is_written_before_the_call_goes_out(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.begin("a", 1.0)
        assert '"a"' in (tmp_path / "upload.jsonl").read_text("utf-8")


@pytest.mark.parametrize("text", ['{"begin": "a", "at": 1.0}\n{"begin": "b"', "garbage\n[]\n7\n", "\0\0"])
def test_a_journal_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path, text: str) -> None:
    (tmp_path / "upload.jsonl").write_text(text, "utf-8")
    with Journal(tmp_path) as journal:
        assert journal.begun("a") == (1.0 if '"a"' in text else None)
        assert journal.begun("b") is None
        journal.begin("c", 3.0)
    with Journal(tmp_path) as journal:
        assert journal.begun("c") == 3.0


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        Journal(tmp_path / "file")


def test_a_journal_that_cannot_be_read_is_not_taken_for_another_upload(tmp_path: Path) -> None:
    (tmp_path / "upload.jsonl").mkdir()
    with pytest.raises(ConfigError, match="cannot be used: Is a directory"):
        Journal(tmp_path)


def test_one_upload_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(ConfigError, match="wait for it to end"):
        Journal(tmp_path)
