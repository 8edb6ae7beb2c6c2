"""Keeps the week's count of calls beside a mapping in a folder, so that one command knows of the last.

Only a count: a file that cannot be read or written costs nothing but that knowledge.
"""

import json
from contextlib import suppress
from pathlib import Path

from engage_sync.states import Quota
from engage_sync.store.durable import replace_file

_FILE = "quota.json"


def read_quota(directory: Path) -> Quota | None:
    """What the last run left; None without one, or when it cannot be read."""
    try:
        found = json.loads((directory / _FILE).read_text("utf-8"))
        return Quota(weekStart=str(found["weekStart"]), used=int(found["used"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_quota(directory: Path, quota: Quota | None) -> None:
    """Leave it for the next run; a crash leaves the former one or this one."""
    if quota is not None:
        with suppress(OSError):
            replace_file(directory / _FILE, json.dumps(quota).encode())
