"""Keeps plans as SyncPlans beside their SyncTarget, the steps in ConfigMaps, and reads approvals there.

A SyncPlan is made first, as its chunks belong to it and so need its uid; then the chunks; then its state.
That last write is what makes it readable: whoever meets one without a state leaves it alone, and the next run
removes it. What gave way to another is superseded only then, so that there is always one to approve.

What counts as an approval: one of the SyncPlan that the status of the SyncTarget names, with the held digest
that stands there; tenants can write neither. Once it counts, the SyncPlan's own status says so (condition
Approved), and it counts until it is spent, whatever becomes of the SyncTarget's status: so a run goes on
where another was killed. It is spent by the first run that comes to its end with it. Only a crash between the
last step and the writing of that leaves it open; then the next run finds nothing of it left to do.

Every write carries the uid and the resourceVersion of what was read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

from engage_sync.kube import Conflict, Forbidden, KubeError, NotFound, SyncPlans, Unavailable
from engage_sync.kube_http import Json
from engage_sync.plan_document import NotThisPlan, PlanDocument, document_of, read_document
from engage_sync.plans import life
from engage_sync.plans.chunks import count_chunks, cut, join
from engage_sync.plans.life import Change, Reason
from engage_sync.plans.messages import beyond_message
from engage_sync.plans.owner import Owner
from engage_sync.plans.record import spec_of
from engage_sync.resource import API_VERSION
from engage_sync.syncplan import CHUNKS_MAX, SYNCPLAN_KIND, State, SyncPlanStatus
from reconcilers.errors import ConfigError, SyncError, TransientError
from reconcilers.guard import Approval
from reconcilers.plan import Plan
from reconcilers.ports import NoPlans
from reconcilers.report import Report
from reconcilers.steps import Destructive

KEEP_FINISHED, KEEP_SUPERSEDED = 5, 3
"""SyncPlans of one SyncTarget that stay after they were applied or superseded."""

IN_FLIGHT = 8
"""Requests at once; the API server serves others, too."""

ATTEMPTS = 5
"""Tries of one write while others write too."""

T = TypeVar("T")


class PlansUnavailable(TransientError):
    """SyncPlans could not be read or written; nothing is lost."""

    reason = "Failed"  # neither of the two systems: their conditions are not concerned


class PlanUnreadable(SyncError):
    """There is no such SyncPlan, or not all of it."""


class ClusterPlans:
    """The Plans port of one run. Raises PlansUnavailable when the API server does not let us."""

    def __init__(
        self,
        kube: SyncPlans,
        owner: Owner,
        run_id: str,
        pending: str = "",
        pending_held: str = "",
        *,
        apply: bool,
        calls_left: Callable[[], int | None],
        now: Callable[[], datetime],
    ) -> None:
        """Plans of one run.

        Args:
            kube: the API.
            owner: the SyncTarget.
            run_id: names the SyncPlan of this run.
            pending: ``status.plan.name`` of the SyncTarget.
            pending_held: ``status.plan.heldDigest`` of it.
            apply: whether steps are carried out.
            calls_left: calls to Engage that are left of the week; None without a limit.
            now: the time.
        """
        self.published = ""
        """The SyncPlan that shows the plan of this run; empty when there is none."""
        self.approved_meanwhile = ""
        """A SyncPlan that was approved while this run was under way: the next one uses that."""
        self._kube = kube
        self._owner = owner
        self._run_id = run_id
        self._pending = (pending, pending_held)
        self._apply = apply
        self._calls_left = calls_left
        self._status = life.StatusWriter(now)
        self._known: dict[str, Json] | None = None
        """All SyncPlans of the SyncTarget, as last seen."""
        self._taken: dict[str, Approval] = {}

    async def approved(self) -> Approval | None:
        """What was approved and is not spent, of all plans; it has the name of the newest."""
        with _in_our_words("read"):
            self._known = await _plans_of(self._kube, self._owner)
            for body in list(self._known.values()):
                if _counts(body, self._pending):
                    await self._take_up(body)
        return _as_one(self._taken)

    async def publish(self, plan: Plan) -> None:
        """Show a plan; nothing for one without steps, nothing new for one that is shown already.

        Raises:
            ConfigError: it is too large to be kept.
        """
        if not plan.steps:
            return
        document = await asyncio.to_thread(document_of, plan)
        with _in_our_words("written"):
            if self._known is None:
                self._known = await _plans_of(self._kube, self._owner)
            body = await self._same(plan, document)
            new = body is None
            if body is None:
                body = await self._make(plan, document)
            name = str(body["metadata"]["name"])
            approved = list(self._taken)[-1] if self._taken else self._pending[0]
            beyond = beyond_message(plan, name, self._owner.namespace, approved) if plan.beyond else ""
            state = life.state_at_start(plan) if self._apply else State.PLANNED if new else None
            shown = await self._update(body, lambda found: self._status.shown(found, state, beyond))
            if shown is None:
                raise NotFound(f"SyncPlan {name} was deleted by somebody while it was made")
            self.published = name
            if any(isinstance(step, Destructive) for step in plan.beyond):
                self._taken.clear()  # else it may hold again, as once the source can be read again
            for other in list(self._known.values()):
                await self._supersede(other, name)

    async def close(self, report: Report | None, error: SyncError | None) -> None:
        """Say what became of the plans, and remove those that are of no use any more."""
        with _in_our_words("written"):
            self._known = await _plans_of(self._kube, self._owner)
            if report is not None:
                early = error or report.ended_by
                if early is not None:
                    await self._end_early(report, early)
                else:
                    await self._end(report)
            await self._tidy()

    # Approvals

    async def _take_up(self, body: Json) -> None:
        try:
            document = await _read_chunks(self._kube, self._owner, body)
        except NotThisPlan as problem:
            why = str(problem)
            await self._update(body, lambda found: self._status.damaged(found, why))
            return

        def take_up(found: Json) -> SyncPlanStatus | None:
            if not (life.is_open(found) and life.is_approved(found)):
                return None
            return self._status.taken_up(found, apply=self._apply)

        if await self._update(body, take_up) is not None:
            name = str(body["metadata"]["name"])
            self._taken[name] = await asyncio.to_thread(document.approval, name)

    # Publishing

    async def _same(self, plan: Plan, document: PlanDocument) -> Json | None:
        """The newest open SyncPlan that says the same and is whole.

        Where nothing but what waits is left to do, that is one of which just this waits: the command that
        somebody was sent must not end to work because the safe steps are done.
        """
        only_waits = bool(plan.held) and not plan.ready and not plan.beyond
        for name, body in reversed((self._known or {}).items()):
            spec = body["spec"]
            if not life.is_open(body):
                continue
            held, risk = spec.get("heldDigest", ""), spec.get("riskDigest", "")
            same_risk = (held, risk) == (document.held_digest, document.risk_digest)
            same = spec["digest"] == document.digest and (
                same_risk or (name in self._taken and not plan.beyond)
            )
            rest = only_waits and held == document.held_digest
            rest = rest and spec.get("quarantine", []) == list(plan.quarantine)
            if not (same or rest):
                continue
            try:
                stored = await _read_chunks(self._kube, self._owner, body)
            except NotThisPlan:
                continue
            if same or stored.waiting == document.waiting:
                return body
        return None

    async def _make(self, plan: Plan, document: PlanDocument) -> Json:
        steps, notes = document.streams()
        number = count_chunks(steps, notes)
        if number > CHUNKS_MAX:
            raise ConfigError(
                f"the plan of {len(plan.steps)} steps is larger than a SyncPlan can hold; narrow "
                "spec.scope.countries of the SyncTarget, and widen it again run by run"
            )
        names = [self._owner.chunk(self._run_id, chunk) for chunk in range(number)]
        spec = spec_of(plan, document, self._owner, self._run_id, names, self._calls_left())
        body = await self._create_plan(
            {
                "apiVersion": API_VERSION,
                "kind": SYNCPLAN_KIND,
                "metadata": self._owner.plan_metadata(self._run_id),
                "spec": dict(spec),
            }
        )
        datas = await asyncio.to_thread(lambda: list(cut(steps, notes)))
        uid = body["metadata"]["uid"]
        await _all(self._create_chunk(uid, chunk, data) for chunk, data in enumerate(datas))
        return body

    async def _create_plan(self, body: Json) -> Json:
        try:
            return await self._kube.create_sync_plan(body)
        except (Conflict, Unavailable) as error:  # perhaps only the answer was lost: look what is there
            try:
                found = await self._kube.get_sync_plan(
                    body["metadata"]["namespace"], body["metadata"]["name"]
                )
            except NotFound:
                raise error from None
            if found["spec"] != body["spec"]:
                raise
            return found

    async def _create_chunk(self, plan_uid: str, number: int, data: dict[str, str]) -> None:
        metadata = self._owner.chunk_metadata(self._run_id, number, plan_uid)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": data,
            "immutable": True,
        }
        for left in reversed(range(ATTEMPTS)):
            try:
                await self._kube.create_config_map(body)
            except (Conflict, Unavailable) as error:
                if await self._is_there(body):
                    return
                if not left:
                    raise error
            else:
                return

    async def _is_there(self, body: Json) -> bool:
        """Was only the answer lost? What has the name and is not ours goes."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            found = await self._kube.get_config_map(namespace, name)
            if found.get("binaryData") == body["binaryData"] and found.get("immutable"):
                return True
            metadata = found["metadata"]
            await self._kube.delete_config_map(
                namespace, name, uid=metadata["uid"], resource_version=metadata["resourceVersion"]
            )
        except (NotFound, Conflict):
            pass
        return False

    async def _supersede(self, body: Json, by: str) -> None:
        """Unless it is that itself, its approval counts, or it was approved a moment ago."""
        name = body["metadata"]["name"]
        if name == by or name in self._taken:
            return

        def supersede(found: Json) -> SyncPlanStatus | None:
            if not life.is_open(found):
                return None
            if life.is_newly_approved(found) and _is(found, self._pending):
                self.approved_meanwhile = name
                return self._status.taken_up(found, apply=False, meanwhile=True)
            return self._status.superseded(found, by)

        await self._update(body, supersede)

    # Closing

    async def _end(self, report: Report) -> None:
        if self._apply:
            for name, approval in self._taken.items():
                told = life.spent(report, approval)
                if told is not None and name != self.published:
                    await self._tell(name, *told)
            if self.published and report.plan.ready:
                await self._tell(self.published, *life.progress(report))
        if not report.plan.steps and life.is_conclusive(report):
            for body in list((self._known or {}).values()):
                await self._supersede(body, "")

    async def _end_early(self, report: Report, error: SyncError) -> None:
        if self._apply and self.published and report.plan.ready:
            await self._tell(self.published, *life.ended_early(report, error.message))

    async def _tell(self, name: str, state: State | None, reason: Reason, text: str) -> None:
        body = (self._known or {}).get(name)
        if body is not None:
            await self._update(
                body,
                lambda found: (
                    self._status.applied(found, state, reason, text) if life.is_open(found) else None
                ),
            )

    async def _tidy(self) -> None:
        """Delete what was never finished, and what is finished for long."""
        newest = sorted((self._known or {}).values(), key=life.changed_at, reverse=True)
        finished = [body for body in newest if life.state_of(body) in life.FINISHED]
        superseded = [body for body in newest if life.state_of(body) == State.SUPERSEDED]
        useless = [body["metadata"] for body in newest if not life.state_of(body)]
        useless += [body["metadata"] for body in finished[KEEP_FINISHED:] + superseded[KEEP_SUPERSEDED:]]
        gone = [metadata["uid"] for metadata in useless if await self._delete_plan(metadata)]
        if not gone:
            return
        # The garbage collector does it, too, if somebody runs it.
        for found in await self._kube.list_config_maps(self._owner.namespace, self._owner.chunk_labels):
            owners = [owner.get("uid") for owner in found["metadata"].get("ownerReferences") or []]
            if any(owner in gone for owner in owners):
                await self._delete_chunk(found["metadata"])

    async def _delete_plan(self, metadata: Json) -> bool:
        try:
            await self._kube.delete_sync_plan(
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except NotFound:
            return True
        except Conflict:
            return False  # somebody touched it; the next run looks again
        return True

    async def _delete_chunk(self, metadata: Json) -> None:
        with suppress(NotFound, Conflict):  # gone already, or left to the garbage collector
            await self._kube.delete_config_map(
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )

    # The API

    async def _update(self, body: Json, change: Change) -> Json | None:
        """Write the changed status; the object as it is then, None when it is gone or `change` leaves it."""
        metadata = body["metadata"]
        for _ in range(ATTEMPTS):
            status = change(body)
            if status is None:
                return None
            if status == (body.get("status") or {}):
                break
            try:
                body = await self._kube.replace_sync_plan_status(
                    {**body, "apiVersion": API_VERSION, "kind": SYNCPLAN_KIND, "status": status}
                )
                break
            except NotFound:
                return None
            except (Conflict, Unavailable):  # perhaps only the answer was lost: look what is there
                try:
                    body = await self._kube.get_sync_plan(metadata["namespace"], metadata["name"])
                except NotFound:
                    return None
                if body["metadata"]["uid"] != metadata["uid"]:
                    return None
        else:
            raise KubeError(f"SyncPlan {metadata['name']}: others write its status all the time")
        if self._known is not None:
            self._known[str(metadata["name"])] = body
        return body


class ClusterApprovals(NoPlans):
    """What is approved and not spent, for those who only look: nothing is written."""

    def __init__(self, kube: SyncPlans, owner: Owner, pending: str, pending_held: str) -> None:
        """Of a SyncTarget; `pending` and `pending_held` as `ClusterPlans` has them."""
        self._kube = kube
        self._owner = owner
        self._pending = (pending, pending_held)

    async def approved(self) -> Approval | None:
        """What the next run would take up; it has the name of the newest plan."""
        taken: dict[str, Approval] = {}
        with _in_our_words("read"):
            for name, body in (await _plans_of(self._kube, self._owner)).items():
                if _counts(body, self._pending):
                    with suppress(NotThisPlan):  # the next run says so, this one writes nothing
                        document = await _read_chunks(self._kube, self._owner, body)
                        taken[name] = await asyncio.to_thread(document.approval, name)
        return _as_one(taken)


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
        return body, await _read_chunks(kube, owner, body)
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


async def _read_chunks(kube: SyncPlans, owner: Owner, body: Json) -> PlanDocument:
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

    chunks = await _all(map(read, names))
    document = await asyncio.to_thread(_verified, chunks, spec["digest"], spec.get("riskDigest", ""))
    if document.held_digest != spec.get("heldDigest", ""):
        raise NotThisPlan("the stored held steps do not hash to heldDigest")
    return document


def _verified(chunks: Sequence[Json], digest: str, risk_digest: str) -> PlanDocument:
    return read_document(*join(chunks), digest, risk_digest)


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, in order; on the first failure the rest is stopped, waited for, and the failure raised."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(coroutine: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await coroutine

    tasks = [asyncio.ensure_future(one(coroutine)) for coroutine in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _plans_of(kube: SyncPlans, owner: Owner) -> dict[str, Json]:
    """All SyncPlans of this very SyncTarget by name, the oldest first."""
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


def _is(body: Json, pending: tuple[str, str]) -> bool:
    return pending == (body["metadata"]["name"], body["spec"].get("heldDigest"))


def _counts(body: Json, pending: tuple[str, str]) -> bool:
    """Is it approved in a way that counts, and not spent?"""
    counts = life.is_taken_up(body) or _is(body, pending)
    return counts and life.is_open(body) and life.is_approved(body)


def _as_one(taken: Mapping[str, Approval]) -> Approval | None:
    """Several approvals as one, by the name of the newest; the oldest comes first."""
    if not taken:
        return None
    lines = frozenset[str]().union(*(approval.lines for approval in taken.values()))
    impacts = {key: impact for approval in taken.values() for key, impact in approval.impacts.items()}
    return Approval(list(taken)[-1], lines, impacts)


def _age(body: Json) -> tuple[str, str]:
    return str(body["metadata"].get("creationTimestamp", "")), str(body["metadata"]["name"])


@contextmanager
def _in_our_words(done: str) -> Iterator[None]:
    """Tell the engine what went wrong, as one of its errors."""
    try:
        yield
    except KubeError as error:
        raise PlansUnavailable(
            f"the plan (SyncPlan, ConfigMaps) could not be {done}: {error}", retry_after=error.retry_after
        ) from error
