"""SyncPlans read by whoever looks at them: whole and verified, or not at all."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engage_sync.kube import Forbidden, KubeError, NotFound, SyncPlans
from engage_sync.kube_http import Json
from engage_sync.plan_document import NotThisPlan, PlanDocument, read_document
from engage_sync.plans import life
from engage_sync.plans.chunks import join
from engage_sync.plans.owner import Owner
from engage_sync.together import all_of
from reconcilers.errors import SyncError, TransientError

IN_FLIGHT = 8
"""Requests at once; the API server serves others, too."""


class PlansUnavailable(TransientError):
    """SyncPlans could not be read or written; nothing is lost."""

    reason = "Failed"  # neither of the two systems: their conditions are not concerned


class PlanUnreadable(SyncError):
    """There is no such SyncPlan, or not all of it."""


async def needs_a_run(kube: SyncPlans, namespace: str, name: str) -> bool:
    """Has something become of the plan that the status of a SyncTarget names, which that does not tell?

    It was approved; or a run that was to carry out what was approved did not come to its end; or it did, and
    died before it could say so.

    Raises KubeError.
    """
    try:
        this = await kube.get_sync_plan(namespace, name)
    except NotFound:
        return False
    if life.is_newly_approved(this) or life.is_over(this):
        return True
    labels = Owner(namespace, this["spec"]["synctarget"], "").labels
    return any(
        life.is_unfinished(body)
        for body in await kube.list_sync_plans(namespace, labels)
        if body["spec"]["synctargetUID"] == this["spec"]["synctargetUID"]
    )


async def read_plan(kube: SyncPlans, namespace: str, name: str) -> tuple[Json, PlanDocument]:
    """A SyncPlan as it is, and all its steps.

    Raises:
        PlanUnreadable: there is none, or not all of it, or we may not read it.
        PlansUnavailable: the API server did not answer.
    """
    try:
        body = await kube.get_sync_plan(namespace, name)
        spec = body["spec"]
        if not life.state_of(body):
            raise PlanUnreadable(f"SyncPlan {name} is still being made; look again once it has a state")
        owner = Owner(namespace, spec["synctarget"], spec["synctargetUID"])
        return body, await read_chunks(kube, owner, body)
    except NotFound as error:
        raise PlanUnreadable(
            f'there is no SyncPlan "{name}" in namespace {namespace}; `kubectl get syncplans -n {namespace}` '
            "lists those that there are"
        ) from error
    except NotThisPlan as error:
        raise PlanUnreadable(
            f"SyncPlan {name} cannot be shown: {error}; the next run of its SyncTarget makes a new one"
        ) from error
    except Forbidden as error:
        raise PlanUnreadable(
            f"SyncPlan {name} cannot be shown: {error}; it takes the right to get syncplans and configmaps "
            f"in namespace {namespace}"
        ) from error
    except KubeError as error:
        raise PlansUnavailable(
            f"SyncPlan {name} could not be read: {error}", retry_after=error.retry_after
        ) from error


async def plans_of(kube: SyncPlans, owner: Owner) -> dict[str, Json]:
    """All SyncPlans of this very SyncTarget by name, the oldest first.

    Raises:
        PlansUnavailable: the API server does not know SyncPlans.
        KubeError: it did not answer.
    """
    try:
        found = await kube.list_sync_plans(owner.namespace, owner.labels)
    except NotFound as error:
        raise PlansUnavailable(
            "the API server does not know SyncPlans; install what it has to know: "
            "`engage-sync crd | kubectl apply -f -`"
        ) from error
    ours = [
        body
        for body in found
        if body["spec"]["synctargetUID"] == owner.uid and not body["metadata"].get("deletionTimestamp")
    ]
    return {str(body["metadata"]["name"]): body for body in sorted(ours, key=_age)}


def _age(body: Json) -> tuple[str, str]:
    return str(body["metadata"].get("creationTimestamp", "")), str(body["metadata"]["name"])


async def read_chunks(kube: SyncPlans, owner: Owner, body: Json) -> PlanDocument:
    """The steps of a SyncPlan, verified by its digests. Raises NotThisPlan when they are not (all) there."""
    spec = body["spec"]
    names: Sequence[str] = spec["chunks"]
    if list(names) != [owner.chunk(spec["runID"], number) for number in range(len(names))]:
        raise NotThisPlan("it names ConfigMaps that are no chunks of it")

    async def read(name: str) -> Json:
        try:
            return await kube.get_config_map(owner.namespace, name)
        except NotFound as error:
            raise NotThisPlan(f"ConfigMap {name} with steps of it is gone") from error

    chunks = await all_of(map(read, names), IN_FLIGHT)
    document = await asyncio.to_thread(_verified, chunks, spec["digest"], spec.get("riskDigest", ""))
    if document.held_digest != spec.get("heldDigest", ""):
        raise NotThisPlan("the stored held steps do not hash to heldDigest")
    return document


def _verified(chunks: Sequence[Json], digest: str, risk_digest: str) -> PlanDocument:
    return read_document(*join(chunks), digest, risk_digest)


@contextmanager
def in_our_words(done: str) -> Iterator[None]:
    """Tell the engine what went wrong, as one of its errors."""
    try:
        yield
    except KubeError as error:
        raise PlansUnavailable(
            f"the plan (SyncPlan, ConfigMaps) could not be {done}: {error}", retry_after=error.retry_after
        ) from error
