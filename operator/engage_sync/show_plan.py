"""Plans that the operator keeps in the cluster, for people: one whole, or two side by side."""

from collections.abc import Iterable
from typing import Protocol

from engage_sync.kube import Forbidden, KubeError, NotFound, SyncPlans
from engage_sync.kube_http import Json
from engage_sync.plan_document import PlanDocument, document_of
from engage_sync.plans import life
from engage_sync.plans.messages import approve_command
from engage_sync.plans.reading import read_plan
from engage_sync.run_data import Data, plan_data, steps_data
from reconcilers.errors import ConfigError, TransientError
from reconcilers.impact import Impact
from reconcilers.model import RANK, Key
from reconcilers.plan import Plan
from reconcilers.steps import Action, key_of, natural

_DESTROYS = (Action.DELETE, Action.REPLACE)
_RANK = {kind.value: rank for kind, rank in RANK.items()}
_COMPARED = ("name", "parent", "reason", "held", "floors", "resources")


class Cluster(SyncPlans, Protocol):
    """What is read here."""

    async def get_sync_target(self, namespace: str, name: str) -> Json:
        """Raises NotFound."""
        ...


async def show(kube: Cluster, namespace: str, name: str) -> tuple[Data, str]:
    """A plan as data, and the command that approves it; empty where there is nothing to approve.

    Raises SyncError when there is none, or it cannot be read.
    """
    found, document = await find(kube, namespace, name)
    return cluster_plan_data(found, document), how_to_approve(found)


async def compare(kube: Cluster, namespace: str, name: str, other: str) -> Data:
    """How a plan differs from another one of the same namespace. Raises SyncError as `show`."""
    (ours, new), (theirs, old) = [await find(kube, namespace, each) for each in (name, other)]
    names = {"plan": ours["metadata"]["name"], "against": theirs["metadata"]["name"]}
    return {**names, **difference(old, new)}


async def find(kube: Cluster, namespace: str, name: str) -> tuple[Json, PlanDocument]:
    """The SyncPlan of this name, else the current one of the SyncTarget of this name.

    Raises SyncError as `show`.
    """
    return await read_plan(kube, namespace, await _resolve(kube, namespace, name))


def cluster_plan_data(found: Json, document: PlanDocument) -> Data:
    """A SyncPlan and its steps as plain data, in the shape of a run's plan."""
    metadata, spec, status = found["metadata"], found["spec"], found["status"]
    about = {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "synctarget": spec["synctarget"],
        "state": status["state"],
        "supersededBy": status.get("supersededBy", ""),
        "approvedBy": (spec.get("approval") or {}).get("by", ""),
        "estimatedCalls": spec.get("estimatedCalls", 0),
        "quotaLeft": spec.get("quotaLeft"),
    }
    return {"syncPlan": about, **plan_data(document, spec.get("quarantine") or ())}


def how_to_approve(found: Json) -> str:
    """What approves a SyncPlan; empty when nothing of it waits, or it can be approved no more."""
    metadata, spec = found["metadata"], found["spec"]
    superseded = (found.get("status") or {}).get("supersededBy")
    if not (spec.get("heldDigest") and life.is_open(found)) or spec.get("approval") or superseded:
        return ""
    return approve_command(metadata["name"], metadata["namespace"], spec["heldDigest"])


def difference(old: PlanDocument, new: PlanDocument) -> Data:
    """What the new plan does more, less and otherwise than the old one; order plays no part.

    A step is the same step when it does the same to the same key.
    """
    before, after = _by_identity(old), _by_identity(new)
    changed = [_changed(before[each], after[each]) for each in after.keys() & before.keys()]
    return {
        "added": _sorted(_step(after[each]) for each in after.keys() - before.keys()),
        "removed": _sorted(_step(before[each]) for each in before.keys() - after.keys()),
        "changed": _sorted(step for step in changed if step["differences"]),
    }


def beyond(approved: PlanDocument, plan: Plan) -> Data:
    """What a plan destroys more than was approved, in comparison to that."""
    keys = {str(key_of(step)) for step in plan.beyond}
    found = difference(approved, document_of(plan))
    return {part: [step for step in found[part] if step["key"] in keys] for part in ("added", "changed")}


_Known = tuple[Data, Impact]


def _by_identity(document: PlanDocument) -> dict[tuple[str, str], _Known]:
    impacts = {note.index: note.impact for note in document.notes if note.impact is not None}
    return {
        (step["key"], step["action"]): (step, impacts.get(index, Impact()))
        for index, step in enumerate(steps_data(document))
    }


def _step(known: _Known) -> Data:
    step, _ = known
    return {**step, "destroys": step["action"] in _DESTROYS}


def _changed(before: _Known, after: _Known) -> Data:
    (old, risked), (new, risks) = before, after
    about = {name: new[name] for name in ("action", "kind", "key", "name")}
    return {
        **about,
        "destroys": new["action"] in _DESTROYS,
        "differences": [*_differences(old, new), *_bookings(risked, risks)],
    }


def _differences(old: Data, new: Data) -> Iterable[Data]:
    for what in _COMPARED:
        if old.get(what) != new.get(what):
            yield {"what": what, "from": old.get(what), "to": new.get(what)}
    fields_before, fields = ({change["field"]: _value(change) for change in step["changes"]}
                             for step in (old, new))  # fmt: skip
    for field in dict.fromkeys((*fields, *fields_before)):
        if fields_before.get(field) != fields.get(field):
            yield {"what": field, "from": fields_before.get(field), "to": fields.get(field)}


def _value(change: Data) -> Data:
    return {"from": change["from"], "to": change["to"]}


def _bookings(before: Impact, after: Impact) -> Iterable[Data]:
    if before.bookings != after.bookings:
        yield {
            "what": "bookings",
            "from": str(len(before.bookings)),
            "to": str(len(after.bookings)),
            "more": len(after.bookings - before.bookings),
            "fewer": len(before.bookings - after.bookings),
        }
    if before.unknown != after.unknown:
        yield {"what": "spaces with unknown bookings", "from": before.unknown, "to": after.unknown}


def _sorted(steps: Iterable[Data]) -> list[Data]:
    """In the canonical order of steps."""
    return sorted(steps, key=_place)


def _place(step: Data) -> tuple[bool, int, tuple[str, int, str], str]:
    deletes = step["action"] == Action.DELETE
    rank = _RANK.get(step["kind"], len(_RANK))
    return deletes, -rank if deletes else rank, natural(Key(step["key"])), step["action"]


async def _resolve(kube: Cluster, namespace: str, name: str) -> str:
    """The name of the SyncPlan that is meant. Raises ConfigError or TransientError when there is none."""
    try:
        try:
            await kube.get_sync_plan(namespace, name)
            return name
        except NotFound:
            target = await kube.get_sync_target(namespace, name)
    except NotFound:
        raise ConfigError(
            f'there is no SyncPlan and no SyncTarget "{name}" in namespace "{namespace}"; '
            f"kubectl get syncplans -n {namespace} lists those that there are, -n names another namespace"
        ) from None
    except Forbidden as error:
        raise ConfigError(
            f'"{name}" cannot be looked up in namespace "{namespace}": {error}; it takes the right to get '
            "syncplans, synctargets and configmaps there"
        ) from None
    except KubeError as error:
        raise TransientError(f'"{name}" could not be looked up: {error}') from None
    plan = ((target.get("status") or {}).get("plan") or {}).get("name")
    if not plan:
        raise ConfigError(
            f"SyncTarget {namespace}/{name} has no plan to show: there was no run yet, or the last one "
            "found nothing to do"
        )
    return str(plan)
