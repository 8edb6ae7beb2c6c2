"""What all tests share: Hypothesis' patience, and the real control plane."""

import os
import signal

import pytest
from hypothesis import HealthCheck, Phase, settings


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist and jobs in the background ignore SIGINT, and what a test starts would, too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


pytest_plugins = ["tests.controlplane.fixtures"]

# One profile for all, as a second one would hold for whatever is collected after it. Few examples and always
# the same ones, as many others as you like with HISTORIES=n; no time limits, which a busy machine breaks.
settings.register_profile(
    "engage-sync",
    max_examples=int(os.environ.get("HISTORIES", "200")),
    derandomize="HISTORIES" not in os.environ,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("engage-sync")


@pytest.fixture(autouse=True)
def _private_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's own mapping."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
