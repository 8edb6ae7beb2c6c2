"""What all tests share: Hypothesis' patience, and the real control plane."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist and jobs in the background ignore SIGINT, and what a test starts would, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


pytest_plugins = ["tests.controlplane.fixtures"]

# Time limits per example would fail on a busy machine; tests/property has a profile of its own.
settings.register_profile(
    "engage-sync-tests",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("engage-sync-tests")


@pytest.fixture(autouse=True)
def _private_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's own mapping."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
