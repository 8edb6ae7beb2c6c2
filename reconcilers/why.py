"""Why is one entity as it is? Found in the source, in scope, matched, field by field, and what will happen.

Reads what a run knows before it acts, decides nothing anew and changes nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from reconcilers.errors import ConfigError
from reconcilers.guard import QUARANTINED, WHY_HELD
from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.model import Current, Entry, Key, Kind, Origin, State
from reconcilers.plan import UNPROVEN, Withheld
from reconcilers.policy import BY_POLICY, GRACE, INCOMPLETE
from reconcilers.report import WHY_WITHHELD
from reconcilers.steps import Action, Create, Delete, Destructive, Rebind, Release, Replace, Step
from reconcilers.sync import Settings, View
from reconcilers.why_case import Case
from reconcilers.why_fields import FieldAnswer, answers
from reconcilers.why_scope import in_scope, in_source

_NUMBER, _CODE = "0|[1-9][0-9]*", "[A-Z]{2}"
_FORMS = {
    Kind.COUNTRY: (_CODE, "US"),
    Kind.REGION: (f"{_CODE}:.+", "US:houston"),
    Kind.GROUP: (_CODE, "US"),
    Kind.WORKSPACE_TYPE: (_NUMBER, "52"),
    Kind.LOCATION: (_NUMBER, "2196"),
    Kind.FLOOR: (_NUMBER, "5"),
    Kind.RESOURCE: (_NUMBER, "13"),
}
FORMS = ", ".join(LEVELS[kind].key(example) for kind, (_, example) in _FORMS.items())
"""How keys look, an example of each kind."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer about one key, in sentences; references are told as keys."""

    key: Key
    kind: Kind
    name: str
    """As it shall be, else as it is in the target; empty when nobody has a name for it."""
    source: tuple[str, ...]
    scope: tuple[str, ...]
    match: tuple[str, ...]
    fields: tuple[FieldAnswer, ...]
    outcome: tuple[str, ...]


def explain(view: View, key: Key, settings: Settings) -> Explanation:
    """Everything about one key. Raises ConfigError for what cannot be a key."""
    kind = kind_of_key(key)
    case = Case(view, settings, kind, key)
    if not case.known:
        check_form(kind, key)
    named = case.entity or case.current
    return Explanation(
        key=key,
        kind=kind,
        name=named.name if named is not None else "",
        source=in_source(case),
        scope=in_scope(case),
        match=_match(case),
        fields=answers(case),
        outcome=tuple(_outcome(case)),
    )


def kind_of_key(key: Key) -> Kind:
    """The kind that a key is of, by how it begins. Raises ConfigError for what cannot be a key."""
    for kind, level in LEVELS.items():
        if key.startswith(level.prefix):
            return kind
    raise ConfigError(f'"{key}" is not a key; a key looks like one of these: {FORMS}')


def check_form(kind: Kind, key: Key) -> None:
    """Raises ConfigError for a key that nothing of this kind can have."""
    form, example = _FORMS[kind]
    if not re.fullmatch(form, LEVELS[kind].source_key(key)):
        raise ConfigError(
            f'"{key}" is not the key of a {kind}; such a key looks like {LEVELS[kind].key(example)}'
        )


def _match(case: Case) -> tuple[str, ...]:
    return _matched(case), _remembered(case)


def _matched(case: Case) -> str:
    current = case.current
    if current is None:
        return _unmatched(case)
    found = f'{case.kind} "{current.name}", internal id {current.id}'
    if current.external_id == case.key:
        return f"Matched by its external id: {found}."
    carried = (
        f"carries the external id {current.external_id}" if current.external_id else "carries no external id"
    )
    if Action.REBIND in _actions(case):
        return f"Matched by its path, as the source made it anew under another id: {found}, {carried}."
    if Action.ADOPT in _actions(case) or case.entry is None or case.entry.id != current.id:
        return f"Matched by {_likeness(case, current)} (adopted): {found}, {carried}."
    return f"Matched by the mapping, which knows its internal id: {found}, {carried}."


def _unmatched(case: Case) -> str:
    if case.bound_to is not None:
        return f"What stood for it in the target stands for {case.name_of(case.bound_to)} now."
    if case.entry is not None and case.entry.id is not None:
        known = f"internal id {case.entry.id}, by which the mapping knows it"
        return f"Not matched: the target does not list {known}."
    return "Not matched: nothing in the target bears its external id."


def _likeness(case: Case, current: Current) -> str:
    """By what an entity of the target was taken for it, as nobody else claimed it."""
    if case.kind is Kind.COUNTRY and case.entity is not None and current.values[2] == case.entity.values[2]:
        return "its country code"
    return "its name and family, as it came with the product" if current.builtin else "its name"


def _actions(case: Case) -> set[Action]:
    return {step.action for step in case.steps} | {item.action for item in case.withheld}


_STATES = {
    State.CREATING: "a create was intended; whether it happened is told by its external id",
    State.REMOVING: "a removal was intended, perhaps to make it anew; the target tells whether it happened",
    State.SYNCED: "synchronised",
    State.MISSING: "missing from the source",
}
_ORIGINS = {
    Origin.CREATED: "created by this sync",
    Origin.ADOPTED: "adopted",
    Origin.RECOVERED: "found by its external id",
    Origin.MATCHED: "adopted without an external id, which the target would not take",
}


def _remembered(case: Case) -> str:
    entry = case.entry
    if entry is None:
        rebuilt = ", which is rebuilt in this run" if case.view.mapping.rebuilt else ""
        return f"The mapping has no entry of it{rebuilt}."
    since = f" since {_time(entry.missing_since)}" if entry.missing_since else ""
    return (
        f"The mapping has it as {entry.state} ({_STATES[entry.state]}{since}), {_ORIGINS[entry.origin]}, "
        f"first synchronised {_time(entry.first_synced)}, last {_time(entry.last_synced)}."
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _outcome(case: Case) -> Iterator[str]:
    for step in case.steps:
        yield from _step(step, case)
    for item in case.withheld:
        yield f"It is withheld to {_VERBS[item.action]}: {_why_withheld(item, case)}."
    if case.steps or case.withheld:
        return
    if case.bound_to is not None:
        bound = any(isinstance(step, Rebind) and step.old == case.key for step in case.view.plan.steps)
        nothing = "" if bound else "Nothing will be done under this key: "
        yield f"{nothing}{'I' if bound else 'i'}t goes on as {case.name_of(case.bound_to)}; ask about that."
    else:
        yield f"Nothing will be done: {_why_nothing(case)}."


def _step(step: Step, case: Case) -> Iterator[str]:
    plan = case.view.plan
    held = next((item.reasons for item in plan.held if item.step is step), ())
    own = "; ".join(WHY_HELD[reason] for reason in held if reason != QUARANTINED)
    if not held:
        yield f"A run that applies will {_deed(step)}."
    elif QUARANTINED in held:
        yield f"The plan is quarantined, so it waits for an approval to {_deed(step)}."
        yield from (f"{sentence.rstrip('.')}." for sentence in plan.quarantine)
        yield from [f"It would wait without that, too: {own}."] if own else []
    else:
        yield f"It waits for an approval to {_deed(step)}: {own}."
    if any(one is step for one in plan.beyond):
        yield "That is more than what was approved, so the approval does not hold for it."
    impact = plan.impacts.get(case.key)
    if isinstance(step, Destructive) and impact is not None and (told := _told(impact, case)):
        yield told


def _told(impact: Impact, case: Case) -> str:
    if case.kind is Kind.RESOURCE:
        return f"Bookings at risk: {impact.at_risk}."
    if impact.floors or impact.resources:
        return (
            f"With it go {impact.floors} floors and {impact.resources} resources; "
            f"bookings at risk: {impact.at_risk}."
        )
    return ""


def _deed(step: Step) -> str:
    if isinstance(step, Release):
        return f"clear its external id ({step.reason})"
    if isinstance(step, Delete | Replace):
        return f"{_VERBS[step.action]} ({step.reason})"
    if isinstance(step, Create):
        return _VERBS[step.action]
    changed = ", ".join(change.field for change in step.changes)
    before = f", which was {step.old}" if isinstance(step, Rebind) else ""
    return f"{_VERBS[step.action]} ({changed}{before})"


_VERBS = {
    Action.CREATE: "create it",
    Action.UPDATE: "update it",
    Action.ADOPT: "adopt what is there",
    Action.REBIND: "bind what is there to its new id",
    Action.REPLACE: "delete it and make it anew",
    Action.DELETE: "delete it",
}


def _why_withheld(item: Withheld, case: Case) -> str:
    if item.reason == BY_POLICY:
        return "spec.managementPolicies does not allow it"
    why = WHY_WITHHELD.get(item.reason, item.reason)
    if item.reason in (INCOMPLETE, UNPROVEN) and case.view.gaps:
        return f"{why} ({case.view.gaps[0]})"
    if item.reason == GRACE and case.entry is not None and case.entry.missing_since:
        return f"{why}; that is over at {_time(case.entry.missing_since + case.settings.guards.grace)}"
    return why


def _why_nothing(case: Case) -> str:
    if case.entity is not None:
        return "the target holds it as it shall be"
    if case.current is not None:
        return _why_it_stays(case, case.current, case.entry)
    if case.skip is not None:
        return "it is left out, and the target does not hold it"
    if case.known:
        return "it is not asked for, and the target does not hold it"
    return f"nobody knows this key, neither the source nor the target nor the mapping; keys look like {FORMS}"


def _why_it_stays(case: Case, current: Current, entry: Entry | None) -> str:
    """Why something in the target that is not asked for is not removed either."""
    above = case.skips.get(entry.parent) if entry is not None and entry.parent is not None else None
    if case.skip is not None and case.skip.kept:
        return "it is there but not understood, so what the target holds of it stays"
    if above is not None and above.kept:
        return f"{above.key}, below which it is, is there but not understood, so all of it stays"
    if case.view.gaps:
        return f"the source is not complete ({case.view.gaps[0]}), so nothing counts as gone"
    if case.view.mapping.rebuilt:
        return "the mapping is rebuilt in this run, which deletes nothing; the next one judges it"
    if entry is None:
        return "the mapping does not own it, so it is not ours to delete"
    if LEVELS[case.kind].container and entry.origin is not Origin.CREATED:
        return f"it was {_ORIGINS[entry.origin]} and not created by this sync, so it is not ours to delete"
    return f'"{current.name}" is not asked for, but something that stays is below it or uses it'
