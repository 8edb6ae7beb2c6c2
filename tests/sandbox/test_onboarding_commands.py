"""Onboarding that cannot go on, as processes: one sentence that fits, an exit code, and nothing else."""

import json
from pathlib import Path

from tests.e2e.hand_filled import hand_filled
from tests.e2e.harness import SAMPLE, sandbox
from tests.sandbox.test_upload_command import command, target


def test_an_engage_without_a_location_is_not_extracted(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox", "--no-limits") as here:
        book, types = tmp_path / "spaces.xlsx", tmp_path / "types.csv"
        done = command("extract", book, *target(here), "--types", types)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "engage-sync: Engage holds no location, so there is nothing to extract; nothing was written. "
        "Check spec.target, or begin with a blank template: engage-sync spacedata template\n"
    )
    assert not book.exists()
    assert not types.exists()


def test_new_beside_what_engage_holds_says_so_and_shows_no_plan(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox", "--no-limits", "--load", SAMPLE) as here:
        assert command("sync", *target(here)).returncode == 0
        engage = hand_filled(here)
        for (kind, id), item in engage.items().items():
            if item["ExternalId"]:
                engage.change(kind, id, ExternalId=None)
        writes = len(here.engage_writes())
        for verb, form in (("plan", "text"), ("plan", "json"), ("sync", "text")):
            done = command(verb, *target(here)[:4], "--state", tmp_path / verb, "-o", form)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.count("\n") == 1
            assert "so it is not new; nothing was written. Set spec.onboarding: Existing" in done.stderr
        assert len(here.engage_writes()) == writes


def test_too_little_to_merge_shows_what_does_not_match(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox", "--no-limits", "--load", SAMPLE) as here:
        manifest = here.folder / "target.yaml"
        manifest.write_text(manifest.read_text().replace("spec:", "spec:\n  onboarding: Existing", 1))
        done = command("plan", *target(here), "-o", "json")
        assert done.returncode == 1
        assert "minimumMatchPercent" in done.stderr
        assert json.loads(done.stdout)["summary"]["Location"]["create"] > 0


def test_files_that_cannot_be_written_are_refused_before_engage_is_asked(tmp_path: Path) -> None:
    book, nowhere = tmp_path / "spaces.xlsx", tmp_path / "nowhere"
    folder, loop = tmp_path / "folder.xlsx", tmp_path / "loop.xlsx"
    folder.mkdir()
    loop.symlink_to(loop)
    with sandbox(tmp_path / "sandbox", "--no-limits") as here:
        for out, types, said in (
            (tmp_path / "spaces.xls", tmp_path / "types.csv", "spaces.xls: the template is written as .xlsx"),
            (nowhere / "spaces.xlsx", tmp_path / "types.csv", f"{nowhere} is no folder"),
            (book, nowhere / "types.csv", f"{nowhere} is no folder"),
            (folder, tmp_path / "types.csv", f"{folder} is there and is no file"),
            (loop, loop, "loop.xlsx cannot be the workbook and --types at once"),
            (book, book, "spaces.xlsx cannot be the workbook and --types at once"),
        ):
            done = command("extract", out, *target(here), "--types", types, "--force")
            assert (done.returncode, done.stdout) == (1, "")
            assert said in done.stderr
            assert done.stderr.count("\n") == 1
        assert here.admin("GET", "/requests")["requests"] == []
    assert not book.exists()


def test_extract_says_that_the_state_directory_cannot_be_used(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox", "--no-limits") as here:
        state = here.folder / "target.yaml"
        done = command("extract", tmp_path / "spaces.xlsx", *target(here)[:4], "--state", state)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"engage-sync: state directory {state} cannot be used: File exists\n"
