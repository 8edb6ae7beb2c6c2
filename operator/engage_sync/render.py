"""A run, or a plan from the cluster, as text, JSON or Markdown. Pure: plain data in, a string out."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from engage_sync.plan_document import PlanDocument, document_of
from engage_sync.states import Requests
from reconcilers.apply import Outcome
from reconcilers.guard import WHY_HELD
from reconcilers.merge import sentence
from reconcilers.model import KINDS, Kind
from reconcilers.policy import BY_POLICY
from reconcilers.report import Report
from reconcilers.steps import Action

Data = dict[str, Any]
"""A run or a plan as the contract's JSON has it, section 8. Of a plan from the cluster there are no `kinds`,
`skips`, `failures`, `withheld`, `leftAlone`, `gaps` and `requests`, but there is a `syncPlan`."""

Renderer = Callable[[Data, str], str]
"""Data, and the command that approves what is held; empty when there is none."""

_SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.ADOPT: "=",
    Action.REBIND: "≈",
    Action.DELETE: "-",
}
_SUMMED = (("+", "create"), ("~", "update"), ("±", "replace"), ("=", "adopt", "rebind"), ("-", "delete"))
"""As `reconcilers.plan.Plan.summary` has it."""
_BOOKABLE = (Kind.LOCATION, Kind.FLOOR, Kind.RESOURCE)
_STEP = ("action", "kind", "key", "externalId", "name", "parent", "changes", "reason")
"""The keys of a step in the contract's order; its canonical line has them sorted."""


def as_data(report: Report, requests: Requests) -> Data:
    """A run as plain data."""
    plan = report.plan
    return {
        **plan_data(document_of(plan), plan.quarantine),
        "withheld": [
            {
                "action": item.action,
                "kind": item.kind,
                "key": item.key,
                "name": item.name,
                "reason": item.reason,
            }
            for item in plan.withheld
        ],
        "leftAlone": [
            {
                "kind": item.kind,
                "key": item.key,
                "name": item.name,
                "reason": item.reason,
                "message": sentence(item),
            }
            for item in plan.left_alone
        ],
        "skips": [
            {"kind": kind, "reason": reason, "count": count} for (kind, reason), count in report.skips.items()
        ],
        "failures": [_failure(outcome) for outcome in report.problems],
        "gaps": [str(gap) for gap in report.gaps],
        "kinds": [
            {
                "kind": row.kind.value,
                "source": row.source,
                "inScope": row.in_scope,
                "target": row.target,
                "mapped": row.mapped,
                "created": row.created,
                "updated": row.updated,
                "deleted": row.deleted,
                "failed": row.failed,
            }
            for row in report.kinds
        ],
        "requests": {"source": requests.get("source", 0), "target": requests.get("target", 0)},
    }


def plan_data(document: PlanDocument, quarantine: Sequence[str] = ()) -> Data:
    """What there is to say of a plan, wherever it was kept."""
    steps = steps_data(document)
    summary = {kind.value: dict.fromkeys((action.value for action in Action), 0) for kind in KINDS}
    for step in steps:
        row = summary.setdefault(step["kind"], {})
        row[step["action"]] = row.get(step["action"], 0) + 1
    return {
        "digest": document.digest,
        "heldDigest": document.held_digest,
        "held": sum("held" in step for step in steps),
        "quarantine": list(quarantine),
        "summary": summary,
        "steps": steps,
    }


def steps_data(document: PlanDocument) -> list[Data]:
    """The steps in their order; those that wait or destroy with what is known of them."""
    steps = [{name: record[name] for name in _STEP if name in record} | record for record in document.records]
    for note in document.notes:
        step = steps[note.index]
        if note.held:
            step["held"] = note.held
        if note.also:
            step["heldAlso"] = list(note.also)
        if note.impact is not None:
            step["floors"] = note.impact.floors
            step["resources"] = note.impact.resources
            if step["kind"] in _BOOKABLE:
                step["bookings"] = note.impact.at_risk
    return steps


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
    lines += [f"> {_inert(remark)}  " for remark in remarks] + ([""] if remarks else [])
    lines += _markdown_row(("Kind", *(action.value for action in Action)))
    lines += _markdown_row(("---",) * (len(Action) + 1))
    for kind, counts in data["summary"].items():
        lines += _markdown_row((kind, *(str(counts.get(action.value, 0)) for action in Action)))
    if data["steps"]:
        lines += ["", "<details><summary>Steps</summary>", ""]
        lines += _markdown_row(("", "Kind", "Name", "Key", "Change"))
        lines += _markdown_row(("---",) * 5)
        for step in data["steps"]:
            cells = (step["action"], step["kind"], step["name"], f"`{step['key']}`")
            lines += _markdown_row((*cells, "; ".join((*_risk(step), *_what(step)))))
        lines += ["", "</details>"]
    remarks = [*_withheld(data), *_left_alone(data), *_gaps(data), *_skips(data), *_failures(data)]
    lines += ["", *(f"- {_inert(remark)}" for remark in remarks)] if remarks else []
    lines += ["", f"{_waiting(data)}:", "", f"    {approve}"] if approve and data["held"] else []
    lines += ["", f"`{data['digest']}`"]
    return printable(lines)


RENDERERS: dict[str, Renderer] = {"text": as_text, "json": as_json, "markdown": as_markdown}


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
        lines += ["", f"{_inert(head)}:", "", *(f"    {step}" for step in steps)]
    return printable(lines if len(lines) > 1 else [*lines, "", _same(data)])


DIFFERENCE_RENDERERS: dict[str, Renderer] = {
    "text": difference_as_text,
    "json": as_json,
    "markdown": difference_as_markdown,
}


def step_lines(step: Data) -> Iterable[str]:
    """A step for people: what is done, what waits and goes with it, field by field what changes."""
    held, destroys = "[held] " if step.get("held") else "", step["action"] in (Action.REPLACE, Action.DELETE)
    yield _head(step, held) + (f": {step['reason']}" if destroys else "")
    yield from (f"    {risk}" for risk in _risk(step))
    if step["action"] != Action.CREATE:
        yield from (f"    {change}" for change in _changes(step))


def printable(lines: Iterable[str]) -> str:
    """Lines as one text, without what a terminal would obey: a name may hold anything."""
    return "\n".join(
        "".join(char if char.isprintable() else repr(char)[1:-1] for char in line) for line in lines
    )


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
    return [f"more than was approved: {_named(step)} was not approved" for step in beyond["added"]] + [
        f"more than was approved: {_named(step)}: {', '.join(map(_was, step['differences']))}"
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
    return [f"{item['status']}: {_named(item)}: {item['message']}" for item in data.get("failures", ())]


def _failure(outcome: Outcome) -> dict[str, str]:
    return {
        "kind": outcome.kind,
        "key": outcome.key,
        "name": outcome.name,
        "action": outcome.action,
        "status": outcome.status,
        "reason": outcome.reason,
        "message": outcome.message,
    }


def _named(step: Mapping[str, Any]) -> str:
    return f"{step['action']} {step['kind']} {step['name']} ({step['key']})"


def _head(step: Data, mark: str = "") -> str:
    # An action of a later version may have no sign here.
    sign = _SIGNS.get(step["action"], f"? {step['action']}")
    return f"{sign} {mark}{step['kind']} {step['name']} ({step['key']})"


def _risk(step: Data) -> Iterable[str]:
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


def _what(step: Data) -> list[str]:
    """What a step changes, or why it is there; what it creates is too much for one cell."""
    return [] if step["action"] == Action.CREATE else _changes(step) or [step["reason"]]


def _changes(step: Data) -> list[str]:
    return [f"{change['field']}: {_from_to(change)}" for change in step["changes"]]


def _from_to(change: Mapping[str, Any]) -> str:
    return f"{_shown(change['from'])} → {_shown(change['to'])}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value) if not isinstance(value, str) else f'"{value}"'


def _table(data: Data) -> list[str]:
    if "kinds" not in data:
        return []
    heads = ("Kind", "Source", "In scope", "Engage", "Mapped", "Created", "Changed", "Deleted", "Failed")
    rows = [tuple(row.values()) for row in data["kinds"]]
    return [f"{cells[0]:<14}" + "".join(f"{cell:>10}" for cell in cells[1:]) for cells in [heads, *rows]]


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
    yield _head(step)
    yield from (f"    {_was(difference)}" for difference in step["differences"])


def _was(difference: Data) -> str:
    now, before = (_side(difference[side]) for side in ("to", "from"))
    more = f" ({difference['more']} more, {difference['fewer']} fewer)" if "more" in difference else ""
    return f"{difference['what']}: {now}, was {before}{more}"


def _side(value: object) -> str:
    return _from_to(value) if isinstance(value, dict) else "none" if value is None else str(value)


def _markdown_row(cells: Iterable[str]) -> list[str]:
    return ["| " + " | ".join(_inert(cell).replace("|", "\\|") for cell in cells) + " |"]


def _inert(text: str) -> str:
    """Without what would be a tag in Markdown."""
    return text.replace("<", "&lt;")
