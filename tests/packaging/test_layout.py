"""`operator/` is a source root and must never hide Python's own `operator`."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_standard_librarys_operator_is_what_the_root_imports() -> None:
    # -S: a start-up file in site-packages may have loaded the real one before, and would hide the fault.
    code = "import operator; operator.itemgetter; print(operator.__spec__.origin)"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()

    assert found.startswith(sysconfig.get_path("stdlib"))


def test_no_module_lies_loose_in_the_source_root() -> None:
    assert list((ROOT / "operator").glob("*.py")) == []


def test_no_package_of_ours_has_the_name_of_a_standard_module() -> None:
    ours = {path.name for path in (ROOT / "operator").iterdir() if path.is_dir()}

    assert not ours & sys.stdlib_module_names


def test_no_file_names_a_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "proxy.golang" + ".org", "registry.npmjs" + ".org")
    guilty = [
        name
        for name in tracked.splitlines()
        if (ROOT / name).is_file()
        and any(host in (ROOT / name).read_text("utf-8", errors="ignore") for host in hosts)
    ]

    assert guilty == []
