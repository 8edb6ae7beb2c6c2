"""What must hold for the status of a SyncTarget at any moment, whoever wrote it and why.

In the manner of Flux's `conditions/check`. FAIL0001 to FAIL0009 and FAIL0011 are its rules, changed where our
contract differs: a run under way leaves Ready as it was (so FAIL0003 is about retries alone, and FAIL0007 to
FAIL0009 about targets at rest), and Suspended keeps what was true. FAIL0008 is one with FAIL0009 then, and
FAIL0010 contradicts retries. The rules from FAIL0101 on are our own.

Use `assert_sound(status, generation=…)` wherever a test has a status in its hands.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engage_sync.conditions import (
    NOT_CONTACTED,
    PROGRESSING,
    PROGRESSING_WITH_RETRY,
    READY_STATUS,
    SUSPENDED,
    SourceHealth,
    Stall,
    TargetHealth,
    Type,
)
from engage_sync.crd import schema
from reconcilers.model import KINDS

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """A status, the generation of its object if known, and the status before it if known."""

    status: JSON
    generation: int | None
    before: JSON | None

    def get(self, kind: str) -> JSON:
        return next((each for each in self.conditions if each["type"] == kind), {})

    def is_true(self, kind: str) -> bool:
        return bool(self.get(kind).get("status") == "True")

    @property
    def conditions(self) -> list[JSON]:
        return list(self.status.get("conditions", ()))

    @property
    def ready(self) -> JSON:
        return self.get(Type.READY)

    @property
    def observed(self) -> int:
        return int(self.status.get("observedGeneration", -1))

    @property
    def at_rest(self) -> bool:
        """No run is under way and none is withheld, so everything speaks of the same generation."""
        return not self.is_true(Type.RECONCILING) and self.ready.get("reason") != SUSPENDED


Rule = Callable[[Seen], object]
"""Answers something true, best something telling, if the rule is broken."""

RULES: dict[str, tuple[str, Rule]] = {}


def rule(name: str, text: str) -> Callable[[Rule], Rule]:
    def keep(broken: Rule) -> Rule:
        RULES[name] = (text, broken)
        return broken

    return keep


def violations(status: JSON, *, generation: int | None = None, before: JSON | None = None) -> list[str]:
    """One line for each rule that the status breaks.

    `generation` is the object's `metadata.generation`, `before` the status written just before this one.
    """
    seen = Seen(status, generation, before)
    found = {name: (text, broken(seen)) for name, (text, broken) in RULES.items()}
    return [f"{name} {text}: {what!r}" for name, (text, what) in found.items() if what]


def assert_sound(status: JSON, *, generation: int | None = None, before: JSON | None = None) -> None:
    """Fails with every rule that is broken; see `violations`."""
    broken = violations(status, generation=generation, before=before)
    assert not broken, "\n".join([*broken, *map(str, status.get("conditions", ()))])


@rule("FAIL0001", "while Ready is True nothing is Stalled or waits for a retry")
def _(seen: Seen) -> object:
    retrying = seen.get(Type.RECONCILING).get("reason") == PROGRESSING_WITH_RETRY
    return seen.is_true(Type.READY) and (seen.is_true(Type.STALLED) or retrying)


@rule("FAIL0002", "Ready, SourceHealthy and TargetHealthy are always present")
def _(seen: Seen) -> object:
    return [kind for kind in (Type.READY, Type.SOURCE_HEALTHY, Type.TARGET_HEALTHY) if not seen.get(kind)]


@rule("FAIL0003", "while a retry is waited for Ready is False")
def _(seen: Seen) -> object:
    retrying = seen.get(Type.RECONCILING).get("reason") == PROGRESSING_WITH_RETRY
    return retrying and seen.ready.get("status") != "False" and seen.ready


@rule("FAIL0004", "while Stalled is True Ready is False with the same reason and message")
def _(seen: Seen) -> object:
    stalled, ready = seen.get(Type.STALLED), seen.ready
    wanted = ("False", stalled.get("reason"), stalled.get("message"))
    return stalled and (ready.get("status"), ready.get("reason"), ready.get("message")) != wanted and ready


@rule("FAIL0005", "Reconciling and Stalled are never present together")
def _(seen: Seen) -> object:
    return bool(seen.get(Type.RECONCILING) and seen.get(Type.STALLED))


@rule("FAIL0006", "no observedGeneration is ahead of the object")
def _(seen: Seen) -> object:
    if seen.generation is None:
        return None
    ahead = [each["type"] for each in seen.conditions if each.get("observedGeneration", -1) > seen.generation]
    return ahead + (["status"] if seen.observed > seen.generation else [])


@rule("FAIL0007", "status.observedGeneration and Ready's move together")
def _(seen: Seen) -> object:
    if not seen.ready or seen.ready.get("observedGeneration", -1) == seen.observed:
        return None
    return seen.observed, seen.ready


@rule("FAIL0009", "at rest and Ready, every condition speaks of the generation that the status speaks of")
def _(seen: Seen) -> object:
    if not seen.is_true(Type.READY) or not seen.at_rest:
        return None
    return [each["type"] for each in seen.conditions if each.get("observedGeneration", -1) != seen.observed]


@rule("FAIL0011", "Ready is Unknown only while a run is under way or withheld")
def _(seen: Seen) -> object:
    return seen.ready.get("status") == "Unknown" and seen.at_rest


@rule("FAIL0101", "Reconciling and Stalled are present only while True")
def _(seen: Seen) -> object:
    return [
        each
        for each in seen.conditions
        if each["type"] in (Type.RECONCILING, Type.STALLED) and each["status"] != "True"
    ]


@rule("FAIL0102", "every reason is one of its type, and fits the status")
def _(seen: Seen) -> object:
    return [
        (each["type"], each["status"], each["reason"])
        for each in seen.conditions
        if each["type"] in list(Type) and (each["status"], each["reason"]) not in _allowed(each["type"])
    ]


@rule("FAIL0103", "conditions are complete, one of a type, and in order")
def _(seen: Seen) -> object:
    kinds = [each["type"] for each in seen.conditions]
    ours = [kind.value for kind in Type if kind in kinds]
    complete = {"type", "status", "reason", "message", "lastTransitionTime", "observedGeneration"}
    incomplete = [each for each in seen.conditions if not complete <= set(each)]
    return incomplete or ((kinds[: len(ours)] != ours or len(kinds) != len(set(kinds))) and kinds)


@rule("FAIL0104", "a reason or message says something")
def _(seen: Seen) -> object:
    return [each for each in seen.conditions if not each["reason"] or not each["message"].strip()]


@rule("FAIL0105", "times are RFC 3339 in UTC and whole seconds")
def _(seen: Seen) -> object:
    return [each for each in seen.conditions if not _is_time(each["lastTransitionTime"])]


@rule("FAIL0106", "lastTransitionTime moves when status changes, forward, and only then")
def _(seen: Seen) -> object:
    return [] if seen.before is None else list(_wrong_moves(Seen(seen.before, None, None), seen))


@rule("FAIL0107", "observedGeneration never goes back")
def _(seen: Seen) -> object:
    if seen.before is None or (earlier := Seen(seen.before, None, None).observed) <= seen.observed:
        return None
    return earlier, seen.observed


@rule("FAIL0108", "everything is within the bounds of the CRD")
def _(seen: Seen) -> object:
    return list(_beyond("status", seen.status, schema()["properties"]["status"]))


@rule("FAIL0109", "kinds are in the order of the hierarchy, each once")
def _(seen: Seen) -> object:
    kinds = [row["kind"] for row in seen.status.get("kinds", ())]
    return kinds != [kind.value for kind in KINDS if kind in kinds] and kinds


@rule("FAIL0110", "the first line of the summary repeats Ready's reason")
def _(seen: Seen) -> object:
    summary = seen.status.get("summary")
    return summary and seen.ready and seen.ready["reason"] not in summary[0] and summary[0]


def _allowed(kind: str) -> set[tuple[str, str]]:
    match kind:
        case Type.READY:
            suspended = {(status, SUSPENDED) for status in ("True", "False", "Unknown")}
            return suspended | {(status, str(reason)) for reason, status in READY_STATUS.items()}
        case Type.RECONCILING:
            return {("True", PROGRESSING), ("True", PROGRESSING_WITH_RETRY)}
        case Type.STALLED:
            return {("True", reason) for reason in Stall}
        case Type.SOURCE_HEALTHY:
            return _health(SourceHealth, SourceHealth.COMPLETE)
        case _:
            return _health(TargetHealth, TargetHealth.REACHABLE)


def _health(reasons: type[SourceHealth] | type[TargetHealth], good: str) -> set[tuple[str, str]]:
    known = {("True" if reason == good else "False", reason.value) for reason in reasons}
    return known | {("Unknown", NOT_CONTACTED)}


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return False


def _wrong_moves(before: Seen, after: Seen) -> Iterator[tuple[JSON, JSON]]:
    for new in after.conditions:
        old = before.get(new["type"]) or new
        moved = old["lastTransitionTime"] != new["lastTransitionTime"]
        back = old["lastTransitionTime"] > new["lastTransitionTime"]
        # A change within the same second cannot be told from the time.
        if back or (moved and old["status"] == new["status"]):
            yield old, new


def _beyond(path: str, value: Any, bounds: JSON) -> Iterator[str]:
    if isinstance(value, str) and len(value) > bounds.get("maxLength", len(value)):
        yield f"{path} has {len(value)} characters"
    elif isinstance(value, list):
        if len(value) > bounds["maxItems"]:
            yield f"{path} has {len(value)} entries"
        for number, entry in enumerate(value):
            yield from _beyond(f"{path}[{number}]", entry, bounds["items"])
    elif isinstance(value, Mapping):
        for name, field in value.items():
            if name not in bounds["properties"]:
                yield f"{path}.{name} is not in the schema"
            else:
                yield from _beyond(f"{path}.{name}", field, bounds["properties"][name])
