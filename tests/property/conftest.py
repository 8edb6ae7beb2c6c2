"""How many histories: few and always the same in CI, as many as you like with HISTORIES=n."""

import os

from hypothesis import HealthCheck, Phase, settings

_MORE = int(os.environ.get("HISTORIES", "0"))

settings.register_profile(
    "engage-sync",
    max_examples=_MORE or 400,
    derandomize=not _MORE,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("engage-sync")

some = settings(max_examples=_MORE or 60)
"""For laws whose every history runs the engine several times over."""
