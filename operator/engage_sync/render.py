"""A run as text, JSON or Markdown. Pure: a report in, a string out."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from engage_sync.states import Requests
from reconcilers.apply import Outcome
from reconcilers.model import KINDS
from reconcilers.policy import BY_POLICY
from reconcilers.report import Report
from reconcilers.steps import Action, Step, step_record

Renderer = Callable[[Report, Requests], str]

_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.ADOPT: "=",
    Action.DELETE: "-",
}


def as_json(report: Report, requests: Requests) -> str:
    """The plan for programs; the shape is the contract's, section 8."""
    text = json.dumps(as_data(report, requests), indent=2, ensure_ascii=False)
    # A name cut in the middle of a character cannot be printed; this writes it as JSON's own escape.
    return text.encode("utf-8", "backslashreplace").decode()


def as_data(report: Report, requests: Requests) -> dict[str, Any]:
    """What `as_json` writes, as plain data."""
    steps = [step_record(step) for step in report.plan.steps]
    summary = {kind.value: dict.fromkeys((action.value for action in Action), 0) for kind in KINDS}
    for step in steps:
        summary[step["kind"]][step["action"]] += 1
    return {
        "digest": report.plan.digest,
        "summary": summary,
        "steps": steps,
        "withheld": [
            {
                "action": item.action,
                "kind": item.kind,
                "key": item.key,
                "name": item.name,
                "reason": item.reason,
            }
            for item in report.plan.withheld
        ],
        "skips": [
            {"kind": kind, "reason": reason, "count": count} for (kind, reason), count in report.skips.items()
        ],
        "failures": [_failure(outcome) for outcome in report.problems],
        "gaps": [str(gap) for gap in report.gaps],
        "requests": {"source": requests.get("source", 0), "target": requests.get("target", 0)},
    }


def as_text(report: Report, requests: Requests) -> str:
    """The plan for people, one line a step, as `terraform plan` would say it."""
    lines = [line for step in report.plan.steps for line in _step_lines(step)]
    lines += [f"! {line}" for line in _withheld(report) + _gaps(report)]
    lines += [""] if lines else []
    lines += [*_table(report), *_skips(report), *_failures(report)]
    lines += ["", f"Plan: {_summary(report)}   {report.plan.digest}"]
    lines.append(f"Calls: {requests.get('source', 0)} to Workplace, {requests.get('target', 0)} to Engage")
    return "\n".join(map(_printable, lines))


def as_markdown(report: Report, requests: Requests) -> str:
    """The plan as a comment on a pull request."""
    lines = [f"### engage-sync: {_summary(report)}", ""]
    lines += _markdown_row(("Kind", *(action.value for action in Action)))
    lines += _markdown_row(("---",) * (len(Action) + 1))
    data = as_data(report, requests)
    for kind in KINDS:
        lines += _markdown_row((kind.value, *(str(count) for count in data["summary"][kind.value].values())))
    if report.plan.steps:
        lines += ["", "<details><summary>Steps</summary>", ""]
        lines += _markdown_row(("", "Kind", "Name", "Key", "Change"))
        lines += _markdown_row(("---",) * 5)
        for step, record in zip(report.plan.steps, data["steps"], strict=True):
            change = "; ".join(_change(change) for change in record["changes"]) or record["reason"]
            lines += _markdown_row((record["action"], record["kind"], record["name"], f"`{record['key']}`",
                                    "" if step.action is Action.CREATE else change))  # fmt: skip
        lines += ["", "</details>"]
    remarks = [*_withheld(report), *_gaps(report), *_skips(report), *_failures(report)]
    lines += ["", *(f"- {_inert(remark)}" for remark in remarks)] if remarks else []
    lines += ["", f"`{report.plan.digest}`"]
    return "\n".join(map(_printable, lines))


RENDERERS: dict[str, Renderer] = {"text": as_text, "json": as_json, "markdown": as_markdown}


def _summary(report: Report) -> str:
    withheld = len(report.plan.withheld)
    return report.plan.summary + (f", {withheld} withheld" if withheld else "")


def _withheld(report: Report) -> list[str]:
    """What nobody wants carried out; the rest of what is withheld is told as a problem, with what to do."""
    return [f"{item.kind} {item.name} ({item.key}): {item.action} is withheld, {item.reason}"
            for item in report.plan.withheld if item.reason == BY_POLICY]  # fmt: skip


def _gaps(report: Report) -> list[str]:
    return [f"the source is not complete: {gap}" for gap in report.gaps]


def _skips(report: Report) -> list[str]:
    return [f"left out: {count} {kind}, {reason}" for (kind, reason), count in report.skips.items()]


def _failures(report: Report) -> list[str]:
    return [f"{item.status}: {item.action} {item.kind} {item.name} ({item.key}): {item.message}"
            for item in report.problems]  # fmt: skip


def _failure(outcome: Outcome) -> dict[str, str]:
    return {
        "kind": outcome.kind,
        "key": outcome.key,
        "name": outcome.name,
        "action": outcome.action,
        "reason": outcome.reason,
        "message": outcome.message,
    }


def _step_lines(step: Step) -> Iterable[str]:
    record = step_record(step)
    yield f"{_SIGNS[step.action]} {record['kind']} {record['name']} ({record['key']})" + (
        f": {record['reason']}" if step.action in (Action.REPLACE, Action.DELETE) else ""
    )
    if step.action is not Action.CREATE:
        yield from (f"    {_change(change)}" for change in record["changes"])


def _change(change: dict[str, Any]) -> str:
    return f"{change['field']}: {_shown(change['from'])} → {_shown(change['to'])}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value) if not isinstance(value, str) else f'"{value}"'


def _table(report: Report) -> list[str]:
    heads = ("Kind", "Source", "In scope", "Engage", "Mapped", "Created", "Changed", "Deleted", "Failed")
    rows = [
        (row.kind.value, row.source, row.in_scope, row.target, row.mapped,
         row.created, row.updated, row.deleted, row.failed)
        for row in report.kinds
    ]  # fmt: skip
    return [f"{cells[0]:<14}" + "".join(f"{cell:>10}" for cell in cells[1:]) for cells in [heads, *rows]]


def _markdown_row(cells: Iterable[str]) -> list[str]:
    return ["| " + " | ".join(_inert(cell).replace("|", "\\|") for cell in cells) + " |"]


def _inert(text: str) -> str:
    """Without what would be a tag in Markdown."""
    return text.replace("<", "&lt;")


def _printable(text: str) -> str:
    """Without what a terminal would obey: a name may hold anything."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
