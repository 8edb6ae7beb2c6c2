"""What is drawn on a terminal, and that nothing is drawn elsewhere."""

import io
import sys

import pytest

from engage_sync.progress import ProgressBar
from reconcilers.events import Event, Planned, Progress, Reading, Remembered
from reconcilers.model import Kind
from reconcilers.plan import Plan
from reconcilers.steps import Action

EVENTS: tuple[Event, ...] = (
    Reading("source", "buildings", 100),
    Reading("source", "rooms", 50),
    Reading("source", "rooms", 150),
    Reading("target", "rooms", 7),
    Planned(Plan()),
    Progress(Kind.RESOURCE, Action.CREATE, 3, 12),
    Remembered(12),
)


class Terminal(io.StringIO):
    """A stderr of a person, or of a file."""

    def __init__(self, person: bool) -> None:
        super().__init__()
        self.person = person

    def isatty(self) -> bool:
        return self.person


def drawn(monkeypatch: pytest.MonkeyPatch, stderr: Terminal, *events: Event) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressBar() as bar:
        for event in events:
            bar.on(event)
    return stderr.getvalue()


@pytest.mark.parametrize("variable", ["", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"])
def test_elsewhere_nothing_is_drawn_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")

    assert drawn(monkeypatch, Terminal(person=False), *EVENTS) == ""


@pytest.mark.parametrize(
    ("count", "shows"),
    [
        (0, ["Starting"]),
        (1, ["Reading Workplace", "100/?"]),
        (3, ["Reading Workplace", "250/?"]),
        (4, ["Reading Engage", "7/?"]),
        (5, ["Plan in sync"]),
        (6, ["create Resource", "3/12"]),
        (7, ["create Resource", "3/12"]),
    ],
)
def test_a_person_sees_how_far_it_has_come(
    monkeypatch: pytest.MonkeyPatch, count: int, shows: list[str]
) -> None:
    shown = drawn(monkeypatch, Terminal(person=True), *EVENTS[:count])

    for text in shows:
        assert text in shown


def test_it_clears_up_after_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(monkeypatch, Terminal(person=True), *EVENTS)

    assert shown.endswith("\x1b[1A\x1b[2K")  # the last line is taken back
    assert "\x1b[?25h" in shown  # the cursor is there again
