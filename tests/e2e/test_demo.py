"""The demo's script, as `make demo` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.cluster
def test_the_demo_shows_the_main_job() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Ready=True InSync" in "\n".join(done.stdout.splitlines()[-45:])
    assert "Engage: PUT /locations/" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
