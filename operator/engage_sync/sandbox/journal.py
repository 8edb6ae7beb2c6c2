"""What was asked of the sandbox and what was committed: counts and writes for tests and demos to look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import NamedTuple

from engage_sync.sandbox.wire import Json, Write, template


class Asked(NamedTuple):
    """One row of the counts; status 0 means that the connection was dropped without an answer."""

    system: str
    method: str
    path: str
    status: int


class Journal:
    """Counts of requests, and the committed writes in order."""

    def __init__(self) -> None:
        self.requests: Counter[Asked] = Counter()
        self.writes: list[Write] = []

    def reset(self) -> None:
        """Start counting anew; what the systems hold stays."""
        self.requests.clear()
        self.writes.clear()

    def count(
        self,
        system: str | None = None,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
    ) -> int:
        """How many requests fit; `path` may be a template such as `/rooms/{id}`."""
        return sum(
            number
            for asked, number in self.requests.items()
            if system in (None, asked.system)
            and method in (None, asked.method)
            and path in (None, asked.path, template(asked.path))
            and status in (None, asked.status)
        )

    def report(self) -> Json:
        """All of it as JSON."""
        rows = [
            {**asked._asdict(), "template": template(asked.path), "count": number}
            for asked, number in sorted(self.requests.items())
        ]
        systems = Counter[str]()
        for asked, number in self.requests.items():
            systems[asked.system] += number
        return {
            "totals": dict(sorted(systems.items())),
            "requests": rows,
            "writes": [asdict(write) for write in self.writes],
        }
