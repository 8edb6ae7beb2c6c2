"""Pytest fixtures: one control plane per run, one namespace per test.

A conftest or a test module asks for them with `pytest_plugins = ["tests.controlplane.fixtures"]`, or
imports them by name; both at once is fine, too (hence PYTEST_DONT_REWRITE: no warning that the module
was imported before pytest could rewrite its asserts; it has none).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.controlplane.build import Assets, ensure, to_stderr
from tests.controlplane.server import ControlPlane


@pytest.fixture(scope="session")
def control_plane_assets(request: pytest.FixtureRequest) -> Assets:
    """The binaries; when they must be built first, the progress is seen at once, not captured."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def progress(line: str) -> None:
        if capture is None:
            to_stderr(line)
        else:
            with capture.global_and_fixture_disabled():
                to_stderr(line)

    return ensure(progress)


@pytest.fixture(scope="session")
def control_plane(control_plane_assets: Assets) -> Iterator[ControlPlane]:
    """A running control plane, shared by the tests of this run."""
    with ControlPlane(control_plane_assets) as plane:
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A fresh namespace. It stays until the control plane goes.

    Deleted, it would be looked through ever again for what has a finalizer and no operator any more, at half
    a core for all of them.
    """
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    return name
