"""One loop per SyncTarget, level-triggered: look at the object as it is now, do what is due, wait.

Woken by any change of the object; otherwise by its own `status.nextSyncTime`. Nothing is remembered
between two looks that a restart would lose.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from engage_sync import conditions, schedule, status
from engage_sync.announce import Announcement, announcements, explanation, starting
from engage_sync.app import RunResult
from engage_sync.cluster_run import Runner
from engage_sync.conditions import Stall
from engage_sync.kube import KubeError
from engage_sync.meter import Standing
from engage_sync.render_steps import printable
from engage_sync.resource import EXPLAIN_MAX, REQUESTED_AT, REQUESTED_AT_MAX, shorten, wrapped
from engage_sync.schedule import Run, Trigger
from engage_sync.spec import InvalidSpec, Mode, Spec, parse_spec
from engage_sync.states import Status
from engage_sync.status import RunFacts
from engage_sync.targets import SyncTargets, Target, Watched
from engage_sync.trust import Trust, check_hosts
from engage_sync.why import answer_lines, answer_sentence
from reconcilers.errors import Halted, QuotaExhausted, SyncError
from reconcilers.plan import Plan

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=60)
"""Longest sleep: wall clocks jump and machines are suspended, which a monotonic sleep does not see."""
IN_USE_AGAIN = timedelta(seconds=30)
AFTER_A_BUG = 30.0
"""Seconds; a loop that met an error of ours goes on, it must never end while its target exists."""
GRACE = 9.0
"""Seconds that calls in flight get at a stop; SIGTERM must end the process within 15."""

Wake = asyncio.Event


@dataclass(slots=True)
class Controller:
    """Follows SyncTargets; shared by all of them, holding nothing that belongs to one."""

    targets: SyncTargets
    runner: Runner
    now: Callable[[], datetime]
    may_write: Callable[[], bool]
    """Are we still the leader?"""
    slots: asyncio.Semaphore
    """How many runs may be under way at once."""
    trust: Trust = field(default_factory=Trust)

    async def follow(self, watched: Watched, stopped: Callable[[], bool]) -> None:
        """Keep one target in step until it is gone or we stop. Never raises."""
        while not stopped():
            watched.wake.clear()
            try:
                wait = await self.look(watched, stopped)
            except asyncio.CancelledError:
                raise
            except KubeError as error:
                log.warning("%s: the Kubernetes API: %s", watched, error)
                wait = timedelta(seconds=AFTER_A_BUG)
            except Exception:
                log.exception("%s: this should not happen, please report it", watched)
                wait = timedelta(seconds=AFTER_A_BUG)
            if wait is None:
                return
            await _sleep(watched.wake, min(wait, LOOK_AGAIN))

    async def look(self, watched: Watched, stopped: Callable[[], bool]) -> timedelta | None:
        """Do what is due; how long to wait before the next look, None when the target is gone."""
        target = await self.targets.get(watched)
        if target is None:
            return None
        watched.see(target.body)
        try:
            spec = parse_spec(target.spec, allow_insecure_http=self.trust.loopback)
            check_hosts(spec, self.trust)
        except InvalidSpec as error:
            await self._refuse(target, Stall.INVALID_SPEC, error.message)
            return LOOK_AGAIN
        if spec.suspend or schedule.paused(target.annotations):
            await self._suspend(target, spec)
            await self._explain(watched, target, spec)
            return LOOK_AGAIN
        if await self._explain(watched, target, spec):
            return timedelta(0)  # that took a while and calls of the week: what is due is seen afresh
        older = await self.targets.older_user(target, spec.target.api_url)
        if older is not None:
            await self._refuse(target, Stall.TARGET_IN_USE, _in_use(older))
            return IN_USE_AGAIN
        await self._warn_of_token(watched, target)
        token = schedule.requested(target.annotations)
        approved = await self.targets.approved(target, watched) if spec.mode is Mode.APPLY else ""
        due = schedule.decide(target.status, target.generation, token, self.now(), approved=bool(approved))
        if not isinstance(due, Run):
            return due.until - self.now()
        queued = partial(status.queued, now=self.now(), generation=target.generation)
        async with self._slot(watched, lambda: self._write(target, queued)) as ours:
            if ours and not stopped():
                watched.ran_for = approved or watched.ran_for
                await self._run(watched, target, spec, due.trigger, token, stopped)
        return timedelta(0)

    @asynccontextmanager
    async def _slot(
        self, watched: Watched, tell: Callable[[], Awaitable[object]] | None = None
    ) -> AsyncIterator[bool]:
        """A slot; False instead as soon as there is news of the target: the wait for one may take hours.

        Where it must be waited for, `tell` says so.
        """
        taking = asyncio.ensure_future(self.slots.acquire())
        news = asyncio.ensure_future(watched.wake.wait())
        try:
            await asyncio.sleep(0)  # one that is free is taken by then
            if tell is not None and not taking.done():
                await tell()
            await asyncio.wait({taking, news}, return_when=asyncio.FIRST_COMPLETED)
            yield taking.done()
        finally:
            # Nothing is awaited here: whoever is cut off in it would keep the slot for good.
            news.cancel()
            if taking.done() and not taking.cancelled():
                self.slots.release()
            else:
                taking.cancel()  # a slot that it was given meanwhile goes back by itself

    async def _run(
        self,
        watched: Watched,
        target: Target,
        spec: Spec,
        trigger: Trigger,
        token: str | None,
        stopped: Callable[[], bool],
    ) -> None:
        run_id, began = secrets.token_hex(5), self.now()
        watched.writing = False
        if conditions.get(target.status.get("conditions", []), conditions.Type.STALLED) is None:
            # A target that is stalled keeps saying why until the cause is seen gone.
            generation = target.generation
            target = await self._write(
                target, lambda old: status.started(old, trigger, began, generation), announce=False
            )
            if target.generation != generation:
                return  # edited in this moment: the next look goes by the new spec

        def gate() -> None:
            if stopped() or not self.may_write():
                raise Halted("this operator is stopping or no longer the leader")
            watched.check_still_wanted(target, spec)
            if self.targets.older_known(target, spec.target.api_url):
                raise Halted("an older SyncTarget has the same spec.target.apiURL")

        def may_tell() -> bool:
            return self.may_write() and not stopped()

        tell = _Tell(self.targets, target, spec, target.generation, self.now, may_tell)
        job = asyncio.ensure_future(self.runner.run(target, spec, gate, tell, run_id))
        result = await _finish_or_stop(job, stopped, watched)
        if result is None or isinstance(result.error, Halted):
            return
        await self._finish(tell.target, spec, result, RunFacts(
            id=run_id,
            trigger=trigger,
            mode=spec.mode.value,
            generation=target.generation,
            started=began,
            finished=self.now(),
            report=result.report,
            error=result.error,
            requests=result.requests,
            mapping=result.mapping,
            quota=result.quota,
            token=token,
            namespace=target.namespace,
            plan_name=result.plan_name,
        ))  # fmt: skip

    async def _finish(self, target: Target, spec: Spec, result: RunResult, facts: RunFacts) -> None:
        def finished(old: Status) -> Status:
            failures = schedule.failures_in_a_row(old) + 1
            retry_after = getattr(result.error, "retry_after", None)

            def next_time(outcome: str) -> datetime:
                regular = schedule.next_regular(target.uid, spec.schedule.interval, facts.finished)
                if outcome not in schedule.FAILED:
                    return regular
                used_up = isinstance(result.error, QuotaExhausted)
                later = schedule.next_window if used_up else schedule.next_retry
                return later(spec.schedule, failures, facts.finished, retry_after)

            return status.finished(old, facts, next_time, _retry_text)

        await self._write(target, finished)

    async def _explain(self, watched: Watched, target: Target, spec: Spec) -> bool:
        """Answer the annotation that asks why an entity is as it is, once for each new text; was it done?"""
        token = schedule.question(target.annotations, target.status)
        if token is None or not target.status.get("conditions"):
            return False  # of one that nobody has looked at yet nothing is known: it is answered afterwards
        key, quota = token.split()[0], None
        try:
            async with self._slot(watched) as ours:
                if not ours:
                    return False
                answer, cost = await self.runner.explain(target, spec, key)
            lines, sentence, quota = answer_lines(answer), answer_sentence(answer), cost.quota
        except SyncError as error:
            lines, sentence = wrapped(printable([error.message])), f"{key}: {error.message}"
        told = shorten(token, EXPLAIN_MAX)
        changed = await self.targets.update_status(
            target, lambda old: status.explained(old, told, key, lines, quota)
        )
        if changed is not None:
            await self.targets.announce(changed[1], explanation(sentence))
        return changed is not None

    async def _warn_of_token(self, watched: Watched, target: Target) -> None:
        token = schedule.unusable_token(target.annotations)
        if token is not None and token != watched.warned_of:
            message = f"{REQUESTED_AT} is ignored: a token may have at most {REQUESTED_AT_MAX} characters"
            await self.targets.announce(target, Announcement("RequestIgnored", message, warning=True))
        watched.warned_of = token

    async def _refuse(self, target: Target, reason: Stall, message: str) -> None:
        await self._write(
            target, lambda old: status.refused(old, reason, message, self.now(), target.generation)
        )

    async def _suspend(self, target: Target, spec: Spec) -> None:
        how = "spec.suspend is true; set it to false" if spec.suspend else (
            "the annotation engage-sync.io/paused is true; remove it"
        )  # fmt: skip
        await self._write(
            target,
            lambda old: status.suspended(old, f"Suspended: {how} to resume", self.now(), target.generation),
        )

    async def _write(
        self, target: Target, change: Callable[[Status], Status], *, announce: bool = True
    ) -> Target:
        """Write the status if it changes; a target that is gone or born again is left alone."""
        changed = await self.targets.update_status(target, change)
        if changed is None:
            return target
        old, written = changed
        if announce:
            for announcement in announcements(old, written.status):
                await self.targets.announce(written, announcement)
        return written


@dataclass(slots=True)
class _Tell:
    """Tells people of a run that is under way."""

    targets: SyncTargets
    target: Target
    """With the status as last written."""
    spec: Spec
    generation: int
    """That the run is about, whatever the target's is by now."""
    now: Callable[[], datetime]
    may_tell: Callable[[], bool]

    async def plan(self, plan: Plan) -> None:
        if self.spec.mode is Mode.APPLY and plan.ready:
            for announcement in starting(plan.summary, plan.digest, Plan(plan.ready).summary):
                await self.targets.announce(self.target, announcement)

    async def progress(self, standing: Standing) -> None:
        """Write it into the status; where that fails the run goes on, and the next word comes soon."""
        if not self.may_tell():
            return
        now = self.now()

        def progressed(old: Status) -> Status:
            return status.progressed(
                old,
                standing.progress,
                standing.message,
                standing.quota,
                now,
                self.generation,
                namespace=self.target.namespace,
                waits=standing.waits,
            )

        try:
            changed = await self.targets.update_status(self.target, progressed)
        except KubeError as error:
            log.warning("%s: its progress could not be written: %s", self.target, error)
            return
        if changed is not None:
            self.target = changed[1]


async def _finish_or_stop(
    job: "asyncio.Future[RunResult]", stopped: Callable[[], bool], watched: Watched
) -> RunResult | None:
    """The result of the run; None when we stopped first. Calls in flight get a grace to be remembered."""
    stop = asyncio.ensure_future(watched.stopping.wait())
    first: set[asyncio.Future[Any]] = {job, stop}
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            await asyncio.wait({job}, timeout=GRACE if watched.writing else 0)
        if not job.done():
            job.cancel()
            with suppress(asyncio.CancelledError):
                await job
            return None
        return await _answer(job, watched)
    finally:
        stop.cancel()
        if not job.done():  # we are cut off ourselves
            job.cancel()
            await asyncio.wait({job}, timeout=1.0)


async def _answer(job: "asyncio.Future[RunResult]", watched: Watched) -> RunResult:
    """The result; a bug of ours is a failed run, so that the status never says Progressing for ever."""
    try:
        return await job
    except Exception:
        log.exception("%s: this should not happen, please report it", watched)
        return RunResult(
            error=SyncError("the run ended by an error of engage-sync itself; see the operator's log")
        )


async def _sleep(wake: Wake, wait: timedelta) -> None:
    if wait > timedelta(0):
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await wake.wait()


def _retry_text(due: datetime) -> str:
    return f"The next try is at {conditions.timestamp(due)}"


def _in_use(older: str) -> str:
    return (
        f"SyncTarget {older} was there first with the same spec.target.apiURL; "
        "two would undo each other's work, so delete one of them or change its apiURL"
    )
