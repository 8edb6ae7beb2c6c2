"""The Dockerfile as far as it can be tried without a container engine.

Its COPY and RUN steps are carried out here, in its order, with its absolute paths moved to a temporary
folder and from a context that .dockerignore has made. Not tried: the base image, USER, ENV.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engage_sync import __version__
from engage_sync.crd import crd_text

ROOT = Path(__file__).parents[2]
PLACES = ("/venv", "/build", "/wheels", "/src")
"""The absolute paths that the Dockerfile uses."""


def instructions() -> list[tuple[str, str]]:
    """The instructions with their arguments; there are no continued lines."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [
        (word, rest) for line in lines if line and line[0] != "#" for word, _, rest in [line.partition(" ")]
    ]


def last(instruction: str) -> str:
    return [rest for word, rest in instructions() if word == instruction][-1]


def copy_context(target: Path) -> None:
    """What .dockerignore, which is a list of exceptions, lets through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert "**/__pycache__" in lines
    for name in (line[1:] for line in lines if line.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target / name)


def copy(arguments: str, context: Path, workdir: Path) -> None:
    *sources, destination = arguments.split()
    for source in sources:
        if (context / source).is_dir():
            shutil.copytree(context / source, workdir / destination)
        else:
            folder = workdir / destination
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(context / source, folder)


@pytest.mark.skipif(shutil.which("awk") is None, reason="one step needs awk")
def test_its_steps_give_an_entry_point_that_answers(tmp_path: Path) -> None:
    context, root = tmp_path / "context", tmp_path / "image"
    context.mkdir()
    (root / "src").mkdir(parents=True)
    copy_context(context)
    # As in the image: `python` is on PATH, and nothing of this checkout is.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    env["PIP_NO_COMPILE"] = "1"  # for the time it takes
    env["PATH"] = f"{tmp_path / 'bin'}:{env['PATH']}"

    def moved(command: str) -> str:
        return re.sub(rf"(?<![\w./])({'|'.join(PLACES)})(?=[\s/]|$)", rf"{root}\1", command)

    def run(command: str, folder: Path) -> str:
        done = subprocess.run(
            ["sh", "-c", moved(command)], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    for word, arguments in instructions():
        if word == "COPY" and not arguments.startswith("--from"):
            copy(arguments, context, root / "src")
        elif word == "RUN":
            run(arguments, root / "src")

    def answer(*options: str) -> str:
        return run(shlex.join([*json.loads(last("ENTRYPOINT")), *options]), Path("/"))

    assert answer("--version").strip().endswith(__version__)
    assert answer("crd") == crd_text()
    assert "--health-port" in answer(*json.loads(last("CMD")), "--help")


def test_the_image_runs_as_nobody_and_names_no_registry() -> None:
    uid, _, gid = last("USER").partition(":")
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]

    assert int(uid) > 0
    assert int(gid) > 0
    assert set(bases) == {"python:${PYTHON}-slim"}
    assert "://" not in (ROOT / "Dockerfile").read_text()


def test_what_runs_is_all_that_is_copied_into_the_image() -> None:
    steps = [(word, rest) for word, rest in instructions() if word in ("FROM", "COPY", "RUN")]
    final = steps[max(number for number, (word, _) in enumerate(steps) if word == "FROM") + 1 :]

    assert final == [("COPY", "--from=build /venv /venv")]
