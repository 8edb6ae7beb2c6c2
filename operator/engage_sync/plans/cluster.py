"""Keeps plans as SyncPlans beside their SyncTarget, the steps in ConfigMaps, and reads approvals there.

A SyncPlan is made first, as its chunks belong to it and so need its uid; then the chunks; then its state.
That last write is what makes it readable: whoever meets one without a state leaves it alone, and the next run
removes it. What gave way to another is superseded only then, so that there is always one to approve.

What counts as an approval: one of the SyncPlan that the status of the SyncTarget names, with the held digest
that stands there; tenants can write neither. Once it counts, the SyncPlan's own status says so (condition
Approved), and it counts until it is spent, whatever becomes of the SyncTarget's status: so a run goes on
where another was killed. It is spent by the first run that comes to its end with it. Only a crash between the
last step and the writing of that leaves it open; then the next run finds nothing of it left to do.

"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from engage_sync.kube import NotFound, SyncPlans
from engage_sync.kube_http import Json
from engage_sync.plan_document import NotThisPlan, PlanDocument, document_of
from engage_sync.plans import life
from engage_sync.plans.approvals import as_one
from engage_sync.plans.chunks import count_chunks, cut
from engage_sync.plans.life import Pending, Reason
from engage_sync.plans.messages import beyond_message
from engage_sync.plans.objects import PlanObjects
from engage_sync.plans.owner import Owner
from engage_sync.plans.reading import in_our_words
from engage_sync.plans.record import spec_of
from engage_sync.syncplan import CHUNKS_MAX, State, SyncPlanStatus
from reconcilers.errors import ConfigError, SyncError
from reconcilers.guard import Approval
from reconcilers.plan import Plan
from reconcilers.report import Report
from reconcilers.steps import Destructive

KEEP_FINISHED, KEEP_SUPERSEDED = 5, 3
"""SyncPlans of one SyncTarget that stay after they were applied or superseded."""


class ClusterPlans:
    """The Plans port of one run. Raises PlansUnavailable when the API server does not let us."""

    def __init__(
        self,
        kube: SyncPlans,
        owner: Owner,
        run_id: str,
        pending: Pending,
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
            pending: what the status of the SyncTarget says that waits.
            apply: whether steps are carried out.
            calls_left: calls to Engage that are left of the week; None without a limit.
            now: the time.
        """
        self.published = ""
        """The SyncPlan that shows the plan of this run; empty when there is none."""
        self.approved_meanwhile = ""
        """A SyncPlan that was approved while this run was under way: the next one uses that."""
        self._owner = owner
        self._objects = PlanObjects(kube, owner)
        self._run_id = run_id
        self._pending = pending
        self._apply = apply
        self._calls_left = calls_left
        self._status = life.StatusWriter(now)
        self._taken: dict[str, Approval] = {}

    async def approved(self) -> Approval | None:
        """What was approved and is not spent, of all plans; it has the name of the newest."""
        with in_our_words("read"):
            await self._objects.refresh()
            for body in list(self._objects.known.values()):
                if life.counts(body, self._pending):
                    await self._take_up(body)
        return as_one(self._taken)

    async def publish(self, plan: Plan) -> None:
        """Show a plan; nothing for one without steps, nothing new for one that is shown already.

        Raises:
            ConfigError: it is too large to be kept.
        """
        if not plan.steps:
            return
        document = await asyncio.to_thread(document_of, plan)
        with in_our_words("written"):
            await self._objects.ensure_listed()
            body = await self._same(plan, document)
            new = body is None
            if body is None:
                body = await self._make(plan, document)
            name = str(body["metadata"]["name"])
            approved = list(self._taken)[-1] if self._taken else self._pending.name
            beyond = beyond_message(plan, name, self._owner.namespace, approved) if plan.beyond else ""
            state = life.state_at_start(plan) if self._apply else State.PLANNED if new else None
            shown = await self._objects.update(body, lambda found: self._status.shown(found, state, beyond))
            if shown is None:
                raise NotFound(f"SyncPlan {name} was deleted by somebody while it was made")
            self.published = name
            if any(isinstance(step, Destructive) for step in plan.beyond):
                self._taken.clear()  # else it may hold again, as once the source can be read again
            for other in list(self._objects.known.values()):
                await self._supersede(other, name)

    async def close(self, report: Report | None, error: SyncError | None) -> None:
        """Say what became of the plans, and remove those that are of no use any more."""
        with in_our_words("written"):
            await self._objects.refresh()
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
            document = await self._objects.read(body)
        except NotThisPlan as problem:
            why = str(problem)
            await self._objects.update(body, lambda found: self._status.damaged(found, why))
            return

        def take_up(found: Json) -> SyncPlanStatus | None:
            if not (life.is_open(found) and life.is_approved(found)):
                return None
            return self._status.taken_up(found, apply=self._apply)

        if await self._objects.update(body, take_up) is not None:
            name = str(body["metadata"]["name"])
            self._taken[name] = await asyncio.to_thread(document.approval, name)

    # Publishing

    async def _same(self, plan: Plan, document: PlanDocument) -> Json | None:
        """The newest open SyncPlan that says the same and is whole.

        Where nothing but what waits is left to do, that is one of which just this waits: the command that
        somebody was sent must not end to work because the safe steps are done.
        """
        only_waits = bool(plan.held) and not plan.ready and not plan.beyond
        for name, body in reversed(self._objects.known.items()):
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
                stored = await self._objects.read(body)
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
        return await self._objects.make(self._run_id, spec, lambda: cut(steps, notes))

    async def _supersede(self, body: Json, by: str) -> None:
        """Unless it is that itself, its approval counts, or it was approved a moment ago."""
        name = body["metadata"]["name"]
        if name == by or name in self._taken:
            return

        def supersede(found: Json) -> SyncPlanStatus | None:
            if not life.is_open(found):
                return None
            if life.is_newly_approved(found) and life.is_pending(found, self._pending):
                self.approved_meanwhile = name
                return self._status.taken_up(found, apply=False, meanwhile=True)
            return self._status.superseded(found, by)

        await self._objects.update(body, supersede)

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
            for body in list(self._objects.known.values()):
                await self._supersede(body, "")

    async def _end_early(self, report: Report, error: SyncError) -> None:
        if self._apply and self.published and report.plan.ready:
            await self._tell(self.published, *life.ended_early(report, error))

    async def _tell(self, name: str, state: State | None, reason: Reason, text: str) -> None:
        body = self._objects.known.get(name)
        if body is not None:
            await self._objects.update(
                body,
                lambda found: (
                    self._status.applied(found, state, reason, text) if life.is_open(found) else None
                ),
            )

    async def _tidy(self) -> None:
        """Delete what was never finished, and what is finished for long."""
        newest = sorted(self._objects.known.values(), key=life.changed_at, reverse=True)
        finished = [body for body in newest if life.state_of(body) in life.FINISHED]
        superseded = [body for body in newest if life.state_of(body) == State.SUPERSEDED]
        useless = [body for body in newest if not life.state_of(body)]
        await self._objects.remove(useless + finished[KEEP_FINISHED:] + superseded[KEEP_SUPERSEDED:])
