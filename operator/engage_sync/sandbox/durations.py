"""Go durations (`20ms`, `12h`, `1h30m`), the way the contract writes every span of time."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds(text: str) -> float:
    """Seconds of a duration; ValueError with a sentence when it is none."""
    if text == "0":
        return 0.0
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write it like 20ms, 90s or 12h")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
