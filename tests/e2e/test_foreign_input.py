"""What people get wrong: one sentence, exit code 1, no traceback, no secret."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.foreign_server import ForeignServer
from tests.e2e.test_foreign_sync import Command, command, server, small

__all__ = ["command", "server"]  # the fixtures


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), "utf-8")

    return change


def twice(folder: Path) -> None:
    text = (folder / "target.yaml").read_text("utf-8")
    (folder / "target.yaml").write_text(f"{text}---\n{text.replace('name: foreign', 'name: other')}", "utf-8")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing file": (lambda folder: (folder / "secrets.yaml").unlink(), "secrets.yaml"),
    "bad YAML": (lambda folder: (folder / "secrets.yaml").write_text("a: ['CANARY\n b: c: d"), "not YAML"),
    "two targets": (twice, "2 SyncTargets"),
    "missing Secret": (replaced("secrets.yaml", "name: b", "name: z"), '"b"'),
    "not base64": (replaced("secrets.yaml", "stringData", "data"), "base64"),
    "wrong password": (replaced("secrets.yaml", "CANARY-wp-", "CANARY-wrong&"), "Workplace does not accept"),
    "wrong client": (replaced("secrets.yaml", "CANARY-engage-pw", "CANARY-wrong%"), "Engage does not accept"),
    "wrong path": (replaced("target.yaml", "/wp", "/nowhere"), "404"),
}


@pytest.mark.parametrize("what", WRONG)
def test_one_sentence(server: ForeignServer, command: Command, what: str) -> None:
    change, part = WRONG[what]
    small(server.workplace)
    argv = command.argv("plan")
    change(command.folder)
    run = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("engage-sync: ")
    assert part in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert "CANARY" not in run.stderr
