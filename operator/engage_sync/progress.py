"""Shows on a terminal how far a run has come; elsewhere it says nothing."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from reconcilers.events import Event, Planned, Reading
from reconcilers.events import Progress as StepProgress

_READING = {"source": "Reading Workplace", "target": "Reading Engage"}


class ProgressBar:
    """An Observer that draws on stderr while the block runs, and only if that is a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),  # rich would believe FORCE_COLOR
        )
        self._task = self._progress.add_task("Starting", total=None)
        self._read: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on(self, event: Event) -> None:
        """Draw what happened."""
        match event:
            case Reading(system=system, what=what, done=done):
                self._read[system, what] = done
                total = sum(count for (of, _), count in self._read.items() if of == system)
                self._progress.update(self._task, description=_READING[system], completed=total)
            case Planned(plan=plan):
                self._progress.update(self._task, description=f"Plan {plan.summary}", completed=0)
            case StepProgress(kind=kind, action=action, done=done, total=total):
                self._progress.update(self._task, description=f"{action} {kind}", completed=done, total=total)
            case _:
                pass
