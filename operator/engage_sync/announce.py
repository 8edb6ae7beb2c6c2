"""Which Kubernetes Events a change of status is worth: one per transition, none for an idle run. Pure."""

from dataclasses import dataclass

from engage_sync import conditions
from engage_sync.conditions import SourceHealth, Stall, Type
from engage_sync.resource import shorten
from engage_sync.schedule import FAILED
from engage_sync.states import Status

MESSAGE_MAX = 1000
"""The API server takes 1,024 characters."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One Event: a PascalCase reason and a sentence."""

    reason: str
    message: str
    warning: bool = False


def announcements(old: Status, new: Status) -> list[Announcement]:
    """The Events that lead from one status to the next, in the order in which they happened."""
    found = [_system(old, new, Type.SOURCE_HEALTHY), _system(old, new, Type.TARGET_HEALTHY)]
    if _ran(old, new):
        found += [_planned(old, new), _result(old, new)]
    else:
        found.append(_stalled(old, new))
    return [announcement for announcement in found if announcement is not None]


def _ran(old: Status, new: Status) -> bool:
    return old.get("lastRun", {}).get("id") != new.get("lastRun", {}).get("id")


def explanation(sentence: str) -> Announcement:
    """The answer to the question why an entity is as it is; it begins with the key."""
    return Announcement("Explained", _cut(sentence))


def starting(summary: str, digest: str, ready: str) -> list[Announcement]:
    """What a run says that is about to carry out a plan, or the part of it that is ready."""
    return [_computed(summary, digest), Announcement("SyncStarted", f"carrying out {ready}")]


def _planned(old: Status, new: Status) -> Announcement | None:
    """A plan that is only looked at; one that is carried out was announced when the run started."""
    plan, last = new.get("plan", {}), new.get("lastRun", {})
    if last.get("result") != "Planned" or not _had_steps(new):
        return None
    before = old.get("plan", {})
    if plan.get("digest") == before.get("digest"):
        return None
    if plan.get("name") and plan["name"] == before.get("name"):
        return None  # what waits of a plan that was told
    return _computed(plan["summary"], plan["digest"])


def _computed(summary: str, digest: str) -> Announcement:
    return Announcement("PlanComputed", f"{summary} {digest}")


def _result(old: Status, new: Status) -> Announcement | None:
    result, (reason, message) = new.get("lastRun", {}).get("result"), _ready(new)
    if reason in (Stall.APPROVAL_REQUIRED, Stall.QUARANTINED):
        # The same plan still waiting is no transition.
        return Announcement(reason, message, warning=True) if _ready(old) != _ready(new) else None
    if result in FAILED:
        # The same failure again is no transition.
        return Announcement("SyncFailed", message, warning=True) if _ready(old) != _ready(new) else None
    if result == "Succeeded" and (_had_steps(new) or _was_not_ready(old)):
        return Announcement("SyncSucceeded", message)
    return None


def _was_not_ready(status: Status) -> bool:
    ready = conditions.get(status.get("conditions", []), Type.READY)
    return ready is not None and ready["status"] == conditions.FALSE


def _had_steps(status: Status) -> bool:
    return status.get("plan", {}).get("summary", "in sync") != "in sync"


def _stalled(old: Status, new: Status) -> Announcement | None:
    stalled = conditions.get(new.get("conditions", []), Type.STALLED)
    before = conditions.get(old.get("conditions", []), Type.STALLED)
    if stalled is None or (before is not None and before["message"] == stalled["message"]):
        return None
    return Announcement(stalled["reason"], _cut(stalled["message"]), warning=True)


def _system(old: Status, new: Status, kind: Type) -> Announcement | None:
    now, before = (conditions.get(status.get("conditions", []), kind) for status in (new, old))
    if now is None or now["status"] != conditions.FALSE:
        return None
    if before is not None and (before["status"], before["reason"]) == (now["status"], now["reason"]):
        return None
    prefix = "Source" if kind is Type.SOURCE_HEALTHY else "Target"
    says_it_all = now["reason"] in (SourceHealth.CREDENTIALS_REJECTED, SourceHealth.EMPTY_SOURCE)
    reason = now["reason"] if says_it_all else f"{prefix}{now['reason']}"
    return Announcement(reason, _cut(now["message"]), warning=True)


def _ready(status: Status) -> tuple[str, str]:
    ready = conditions.get(status.get("conditions", []), Type.READY)
    return (ready["reason"], _cut(ready["message"])) if ready else ("", "")


def _cut(message: str) -> str:
    return shorten(message, MESSAGE_MAX)
