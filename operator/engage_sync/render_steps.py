"""Steps in words, for text and Markdown. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from engage_sync.run_data import Data
from reconcilers.guard import WHY_HELD
from reconcilers.steps import Action

_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.ADOPT: "=",
    Action.REBIND: "≈",
    Action.DELETE: "-",
}


def step_lines(step: Data) -> Iterable[str]:
    """A step for people: what is done, what waits and goes with it, field by field what changes."""
    held, destroys = "[held] " if step.get("held") else "", step["action"] in (Action.REPLACE, Action.DELETE)
    yield step_head(step, held) + (f": {step['reason']}" if destroys else "")
    yield from (f"    {risk}" for risk in risks(step))
    if step["action"] != Action.CREATE:
        yield from (f"    {change}" for change in _changes(step))


def printable(lines: Iterable[str]) -> str:
    """Lines as one text, without what a terminal would obey: a name may hold anything."""
    return "\n".join(
        "".join(char if char.isprintable() else repr(char)[1:-1] for char in line) for line in lines
    )


def named_step(step: Mapping[str, Any]) -> str:
    """Action, kind, name and key, within a sentence."""
    return f"{step['action']} {step['kind']} {step['name']} ({step['key']})"


def step_head(step: Data, mark: str = "") -> str:
    """One line: the action's sign, the kind, the name and the key."""
    # An action of a later version may have no sign here.
    sign = _SIGNS.get(step["action"], f"? {step['action']}")
    return f"{sign} {mark}{step['kind']} {step['name']} ({step['key']})"


def risks(step: Data) -> Iterable[str]:
    """Why a step waits, and what goes with it."""
    if step.get("held"):
        reasons = (step["held"], *step.get("heldAlso", ()))
        yield f"held: {'; '.join(WHY_HELD.get(reason, reason) for reason in reasons)}"
    below = [f"{step[what]} {what if step[what] > 1 else what[:-1]}"
             for what in ("floors", "resources") if step.get(what)]  # fmt: skip
    if below:
        yield f"goes with it: {' and '.join(below)}"
    if "bookings" in step:
        yield f"future bookings: {step['bookings']}"


def effects(step: Data) -> list[str]:
    """What a step changes, or why it is there; what it creates is too much for one cell."""
    return [] if step["action"] == Action.CREATE else _changes(step) or [step["reason"]]


def _changes(step: Data) -> list[str]:
    return [f"{change['field']}: {_from_to(change)}" for change in step["changes"]]


def _from_to(change: Mapping[str, Any]) -> str:
    return f"{_shown(change['from'])} → {_shown(change['to'])}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value) if not isinstance(value, str) else f'"{value}"'


def difference_line(difference: Data) -> str:
    """What of a step is different: as it is, and as it was."""
    now, before = (_side(difference[side]) for side in ("to", "from"))
    more = f" ({difference['more']} more, {difference['fewer']} fewer)" if "more" in difference else ""
    return f"{difference['what']}: {now}, was {before}{more}"


def _side(value: object) -> str:
    return _from_to(value) if isinstance(value, dict) else "none" if value is None else str(value)


def markdown_row(cells: Iterable[str]) -> list[str]:
    """One row of a table, as lines."""
    return ["| " + " | ".join(inert(cell).replace("|", "\\|") for cell in cells) + " |"]


def inert(text: str) -> str:
    """Without what would be a tag in Markdown."""
    return text.replace("<", "&lt;")
