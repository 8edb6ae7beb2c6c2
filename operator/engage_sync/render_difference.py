"""Two plans, one against the other, as text, JSON or Markdown. Pure."""

from collections.abc import Iterable, Sequence

from engage_sync.render import Renderer, as_json
from engage_sync.render_steps import difference_line, inert, printable, step_head, step_lines
from engage_sync.run_data import Data


def difference_as_text(data: Data, approve: str = "") -> str:
    """Two plans for people; `approve` is ignored."""
    parts = _difference_parts(data)
    lines = [line for head, steps in parts for line in ("", f"{head}:", *steps)][1:]
    return printable(lines or [_same(data)])


def difference_as_markdown(data: Data, approve: str = "") -> str:
    """Two plans as a comment on a pull request; `approve` is ignored."""
    lines = [f"### engage-sync: {data['plan']} against {data['against']}"]
    for head, steps in _difference_parts(data):
        # Indented, not fenced: no name can end it.
        lines += ["", f"{inert(head)}:", "", *(f"    {step}" for step in steps)]
    return printable(lines if len(lines) > 1 else [*lines, "", _same(data)])


DIFFERENCE_RENDERERS: dict[str, Renderer] = {
    "text": difference_as_text,
    "json": as_json,
    "markdown": difference_as_markdown,
}


def _same(data: Data) -> str:
    return f"{data['plan']} and {data['against']} hold the same steps"


def _difference_parts(data: Data) -> list[tuple[str, list[str]]]:
    """Headings and what belongs below them; nothing where there is no difference."""
    found: list[tuple[str, list[Data], list[str]]] = [
        (f"Only in {data[where]}", steps, [line for step in steps for line in step_lines(step)])
        for where, steps in (("plan", data["added"]), ("against", data["removed"]))
    ]
    lines = [line for step in data["changed"] for line in _changed_lines(step)]
    found.append((f"In both, but different in {data['plan']}", data["changed"], lines))
    return [(f"{head} ({_destroying(steps)})", lines) for head, steps, lines in found if steps]


def _destroying(steps: Sequence[Data]) -> str:
    number, destroying = len(steps), sum(step["destroys"] for step in steps)
    verb = "destroys" if destroying < 2 else "destroy"
    return f"{number} step{'s' if number > 1 else ''}, of which {destroying or 'none'} {verb}"


def _changed_lines(step: Data) -> Iterable[str]:
    yield step_head(step)
    yield from (f"    {difference_line(difference)}" for difference in step["differences"])
