"""Why is one entity as it is? The command, and the answer as text, JSON, status lines and one sentence."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from engage_sync.local_run import one_look
from engage_sync.manifests import read_manifests
from engage_sync.options import FILES, STATE, state_directory
from engage_sync.progress import ProgressBar
from engage_sync.render_steps import printable
from engage_sync.resource import LINES_MAX, shorten, wrapped
from reconcilers.model import Key, Value
from reconcilers.why import Explanation, explain, kind_of_key
from reconcilers.why_fields import FieldAnswer

SENTENCE_MAX = 512


def as_text(answer: Explanation) -> str:
    """The answer for people; a star marks what differs."""
    sections: list[tuple[str, Iterable[str]]] = [
        ("In Workplace", answer.source),
        ("In scope?", answer.scope),
        ("In Engage", answer.match),
        ("Field by field (Engage holds → shall hold)", map(_field_line, answer.fields)),
        ("What will happen", answer.outcome),
    ]
    lines = [_title(answer)]
    for head, told in sections:
        if body := [f"  {line}" for line in told]:
            lines += ["", head, *body]
    return printable(lines)


def as_json(answer: Explanation) -> str:
    """The answer for programs."""
    data = {
        "key": answer.key,
        "kind": answer.kind.value,
        "name": answer.name,
        "source": answer.source,
        "scope": answer.scope,
        "match": answer.match,
        "fields": [
            {
                "field": each.field,
                "from": each.held,
                "to": each.wanted,
                "differs": each.differs,
                "why": each.why,
            }
            for each in answer.fields
        ],
        "outcome": answer.outcome,
    }
    text = json.dumps(data, indent=2, ensure_ascii=False)
    # A name cut in the middle of a character cannot be printed; this writes it as JSON's own escape.
    return text.encode("utf-8", "backslashreplace").decode()


def answer_lines(answer: Explanation) -> list[str]:
    """The answer as ``status.explain.lines`` has it: what will happen first, then why."""
    lines = [
        *_lines([_title(answer)], 1),
        *_lines(answer.outcome, 3),
        *_lines(answer.source, 2),
        *_lines(answer.scope, 2),
        *_lines(answer.match, 2),
    ]
    differing = [_difference(each) for each in answer.fields if each.differs]
    return lines + _lines([f"Differs: {'; '.join(differing)}."] if differing else [], LINES_MAX - len(lines))


def _lines(sentences: Sequence[str], most: int) -> list[str]:
    return wrapped(printable([" ".join(sentences)]), most)


def answer_sentence(answer: Explanation) -> str:
    """The answer as the message of an Event."""
    told = (*answer.outcome, *answer.source, *answer.scope, *answer.match)
    return shorten(printable([f"{_title(answer)}: {' '.join(told)}"]), SENTENCE_MAX)


RENDERERS: dict[str, Callable[[Explanation], str]] = {"text": as_text, "json": as_json}


@click.command(
    "why",
    epilog="""
\b
Exit codes: 0 it was explained, 1 error.

\b
Examples:
  engage-sync why -f target.yaml -f secrets.yaml wp:room:13
  engage-sync why -f target.yaml -f secrets.yaml -o json wp:building:2196
""",
)
@FILES
@STATE
@click.option(
    "-o", "--output", type=click.Choice(sorted(RENDERERS)), default="text", help="How to print the answer."
)
@click.argument("key")
def why_command(files: tuple[Path, ...], state: Path | None, output: str, key: str) -> None:
    """Explain one entity: found, in scope, matched, field by field, and what will happen.

    KEY is its external id, such as wp:room:13. Writes nothing and remembers nothing.
    """
    kind_of_key(Key(key))  # before anything is read: a key that was mistyped costs no calls
    manifests = read_manifests(files)
    with ProgressBar() as progress:
        view, settings = asyncio.run(one_look(manifests, state or state_directory(manifests), progress))
    click.echo(RENDERERS[output](explain(view, Key(key), settings)))


def _title(answer: Explanation) -> str:
    return f'{answer.key}: {answer.kind} "{answer.name}"' if answer.name else f"{answer.key}: {answer.kind}"


def _field_line(each: FieldAnswer) -> str:
    values = _change(each) if each.differs else each.refers_to or _shown(each.wanted)
    return f"{'*' if each.differs else ' '} {each.field}: {values} ({each.why})"


def _difference(each: FieldAnswer) -> str:
    return f"{each.field} {_change(each)} ({each.why})"


def _change(each: FieldAnswer) -> str:
    return f"{each.refers_from or _shown(each.held)} → {each.refers_to or _shown(each.wanted)}"


def _shown(value: Value) -> str:
    return "none" if value is None else f'"{value}"' if isinstance(value, str) else str(value)
