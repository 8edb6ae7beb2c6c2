"""A run, or a plan from the cluster, as text, JSON or Markdown. Pure: plain data in, a string out."""

import json
from collections import Counter
from collections.abc import Callable

from engage_sync.render_steps import (
    difference_line,
    effects,
    inert,
    markdown_row,
    named_step,
    printable,
    risks,
    step_lines,
)
from engage_sync.run_data import Data
from reconcilers.policy import BY_POLICY
from reconcilers.steps import Action

Renderer = Callable[[Data, str], str]
"""Data, and the command that approves what is held; empty when there is none."""

_SUMMED = (("+", "create"), ("~", "update"), ("±", "replace"), ("=", "adopt", "rebind"), ("-", "delete"))
"""As `reconcilers.plan.Plan.summary` has it."""


def as_json(data: Data, approve: str = "") -> str:
    """For programs; the shape is the contract's, section 8."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    # A name cut in the middle of a character cannot be printed; this writes it as JSON's own escape.
    return text.encode("utf-8", "backslashreplace").decode()


def as_text(data: Data, approve: str = "") -> str:
    """For people, one line a step, as `terraform plan` would say it."""
    lines = [*_title(data), *(f"! {line}" for line in _quarantine(data))]
    lines += [line for step in data["steps"] for line in step_lines(step)]
    lines += [f"! {line}" for line in _withheld(data) + _left_alone(data) + _gaps(data)]
    lines += [""] if lines else []
    lines += [*_table(data), *_skips(data), *_failures(data)]
    lines += ["", *_beyond(data), f"Plan: {_summary(data)}   {data['digest']}", *_calls(data)]
    lines += ["", f"{_waiting(data)}:", f"  {approve}"] if approve and data["held"] else []
    return printable(lines)


def as_markdown(data: Data, approve: str = "") -> str:
    """As a comment on a pull request."""
    lines = [f"### engage-sync: {_summary(data)}", ""]
    remarks = [*_title(data), *_quarantine(data), *_beyond(data)]
    lines += [f"> {inert(remark)}  " for remark in remarks] + ([""] if remarks else [])
    lines += markdown_row(("Kind", *(action.value for action in Action)))
    lines += markdown_row(("---",) * (len(Action) + 1))
    for kind, counts in data["summary"].items():
        lines += markdown_row((kind, *(str(counts.get(action.value, 0)) for action in Action)))
    if data["steps"]:
        lines += ["", "<details><summary>Steps</summary>", ""]
        lines += markdown_row(("", "Kind", "Name", "Key", "Change"))
        lines += markdown_row(("---",) * 5)
        for step in data["steps"]:
            cells = (step["action"], step["kind"], step["name"], f"`{step['key']}`")
            lines += markdown_row((*cells, "; ".join((*risks(step), *effects(step)))))
        lines += ["", "</details>"]
    remarks = [*_withheld(data), *_left_alone(data), *_gaps(data), *_skips(data), *_failures(data)]
    lines += ["", *(f"- {inert(remark)}" for remark in remarks)] if remarks else []
    lines += ["", f"{_waiting(data)}:", "", f"    {approve}"] if approve and data["held"] else []
    lines += ["", f"`{data['digest']}`"]
    return printable(lines)


RENDERERS: dict[str, Renderer] = {"text": as_text, "json": as_json, "markdown": as_markdown}


def _summary(data: Data) -> str:
    count: Counter[str] = Counter()
    for row in data["summary"].values():
        count.update(row)
    sums = ((sign, sum(count[action] for action in actions)) for sign, *actions in _SUMMED)
    parts = [" ".join(f"{sign}{number}" for sign, number in sums if number) or "in sync"]
    parts += [f"{len(data['withheld'])} withheld"] if data.get("withheld") else []
    parts += [f"{data['held']} held"] if data["held"] else []
    return ", ".join(parts)


def _title(data: Data) -> list[str]:
    """Which plan of the cluster this is, and what became of it."""
    if "syncPlan" not in data:
        return []
    plan = data["syncPlan"]
    title = f"SyncPlan {plan['namespace']}/{plan['name']} of SyncTarget {plan['synctarget']}: {plan['state']}"
    title += f" by {plan['supersededBy']}" if plan["supersededBy"] else ""
    return [title + (f", approved by {plan['approvedBy']}" if plan["approvedBy"] else "")]


def _quarantine(data: Data) -> list[str]:
    return [f"quarantined, nothing is written: {sentence}" for sentence in data["quarantine"]]


def _waiting(data: Data) -> str:
    number = data["held"]
    steps, these = ("1 step waits", "this one") if number == 1 else (f"{number} steps wait", "these")
    return f"{steps} for an approval. To approve exactly {these}"


def _beyond(data: Data) -> list[str]:
    """What stopped an approval from being enough, in comparison to what was approved."""
    beyond = data.get("beyond", {"added": [], "changed": []})
    return [f"more than was approved: {named_step(step)} was not approved" for step in beyond["added"]] + [
        f"more than was approved: {named_step(step)}: {', '.join(map(difference_line, step['differences']))}"
        for step in beyond["changed"]
    ]


def _calls(data: Data) -> list[str]:
    if "requests" in data:
        calls = data["requests"]
        return [f"Calls: {calls['source']} to Workplace, {calls['target']} to Engage"]
    plan = data["syncPlan"]
    return [f"Calls: {plan['estimatedCalls']} to Engage for all steps{_left(plan['quotaLeft'])}"]


def _left(calls: int | None) -> str:
    if calls is None:
        return ""
    return f", {calls} left of this week after them" if calls >= 0 else f", {-calls} more than this week has"


def _withheld(data: Data) -> list[str]:
    """What nobody wants carried out; the rest of what is withheld is told as a problem, with what to do."""
    return [f"{item['kind']} {item['name']} ({item['key']}): {item['action']} is withheld, {item['reason']}"
            for item in data.get("withheld", ()) if item["reason"] == BY_POLICY]  # fmt: skip


def _left_alone(data: Data) -> list[str]:
    return [f"{item['reason']}: {item['kind']} {item['name']} ({item['key']}): {item['message']}"
            for item in data.get("leftAlone", ())]  # fmt: skip


def _gaps(data: Data) -> list[str]:
    return [f"the source is not complete: {gap}" for gap in data.get("gaps", ())]


def _skips(data: Data) -> list[str]:
    return [f"left out: {skip['count']} {skip['kind']}, {skip['reason']}" for skip in data.get("skips", ())]


def _failures(data: Data) -> list[str]:
    return [f"{item['status']}: {named_step(item)}: {item['message']}" for item in data.get("failures", ())]


def _table(data: Data) -> list[str]:
    if "kinds" not in data:
        return []
    heads = ("Kind", "Source", "In scope", "Engage", "Mapped", "Created", "Changed", "Deleted", "Failed")
    rows = [tuple(row.values()) for row in data["kinds"]]
    return [f"{cells[0]:<14}" + "".join(f"{cell:>10}" for cell in cells[1:]) for cells in [heads, *rows]]
