"""Runs in the cluster: with Secrets, mapping and plans of the target's own namespace, and told as they go."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from engage_sync.app import Means, RunPlans, RunResult, look_once, run_once
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import WeekQuota
from engage_sync.credentials import ClusterSecrets
from engage_sync.kube import Kube
from engage_sync.meter import Calls, Meter, Standing
from engage_sync.plans.approvals import ClusterApprovals
from engage_sync.plans.cluster import ClusterPlans
from engage_sync.plans.life import Pending
from engage_sync.plans.owner import Owner
from engage_sync.spec import Mode, Spec
from engage_sync.states import MappingStatus
from engage_sync.store.codec import Summary
from engage_sync.store.configmap import ConfigMapStore
from engage_sync.store.index import Identity
from engage_sync.targets import Target
from engage_sync.trust import Trust
from reconcilers.events import Event, Planned
from reconcilers.model import Key
from reconcilers.plan import Plan
from reconcilers.ports import Gate, MappingStore, Observer
from reconcilers.why import Explanation, explain, kind_of_key

log = logging.getLogger(__name__)

TELL_SECONDS = 5.0
"""Between two words on the progress of a run; what ends sooner has none.

The week's calls are written down with it, so that a crash forgets those of so many seconds."""


class Tell(Protocol):
    """Who is told of a run while it is under way."""

    async def plan(self, plan: Plan) -> None:
        """A plan with steps is about to be carried out, or was made to be looked at."""
        ...

    async def progress(self, standing: Standing) -> None:
        """How far it has come, every few seconds."""
        ...


class Runner(Protocol):
    """Carries out one run of a target."""

    async def run(self, target: Target, spec: Spec, gate: Gate, tell: Tell, run_id: str) -> RunResult:
        """Never raises SyncError: how it went is in the result."""
        ...

    async def explain(self, target: Target, spec: Spec, key: str) -> tuple[Explanation, RunResult]:
        """Why one entity is as it is, and what it cost. Raises SyncError when nothing could be planned."""
        ...


class ClusterRunner:
    """Runs targets with Secrets, mapping and plans of their own namespace in the cluster."""

    def __init__(self, kube: Kube, trust: Trust) -> None:
        self._kube = kube
        self._trust = trust

    async def run(self, target: Target, spec: Spec, gate: Gate, tell: Tell, run_id: str) -> RunResult:
        """One run of a target."""
        apply = spec.mode is Mode.APPLY
        listener = _Listener(tell, spec, time.time)

        def plans_of(session: EngageSession) -> RunPlans:
            listener.week = lambda: session.week
            return ClusterPlans(
                self._kube,
                _owner(target),
                run_id,
                _pending(target),
                apply=apply,
                calls_left=lambda: session.left_this_week,
                now=lambda: datetime.now(UTC),
            )

        store = self._store(target, spec)
        try:
            result = await run_once(
                self._means(target, spec, store, listener), plans_of, apply=apply, gate=gate
            )
        finally:
            listener.stop()
        await listener.settled()
        if result.report is not None:  # else it may not have been read, and is as it was
            result.mapping = mapping_status(store.summary)
        return result

    async def explain(self, target: Target, spec: Spec, key: str) -> tuple[Explanation, RunResult]:
        """Why one entity of a target is as it is."""
        kind_of_key(Key(key))  # before anything is read: a key that was mistyped costs no calls
        cost = RunResult()
        means = self._means(target, spec, self._store(target, spec), _Deaf())
        approvals = ClusterApprovals(self._kube, _owner(target), _pending(target))
        view, settings = await look_once(means, cost, approvals)
        return explain(view, Key(key), settings), cost

    def _store(self, target: Target, spec: Spec) -> ConfigMapStore:
        identity = Identity(target.uid, spec.source.base_url, spec.target.api_url)
        return ConfigMapStore(self._kube, target.namespace, target.name, identity)

    def _means(self, target: Target, spec: Spec, store: MappingStore, observer: Observer) -> Means:
        secrets = ClusterSecrets(self._kube, target.namespace)
        return Means(spec, secrets, store, observer, self._trust, target.status.get("quota"))


def _owner(target: Target) -> Owner:
    return Owner(target.namespace, target.name, target.uid)


def _pending(target: Target) -> Pending:
    shown = target.status.get("plan", {})
    return Pending(shown.get("name", ""), shown.get("heldDigest", ""))


def mapping_status(summary: Summary) -> MappingStatus:
    """What the status tells of the mapping."""
    return MappingStatus(entries=summary.entries, shards=summary.shards, digest=summary.digest)


class _Deaf:
    def on(self, event: Event) -> None:
        """Nothing."""


class _Listener:
    """Tells, once, that a plan with steps is about to be carried out, and then how far it has come."""

    def __init__(self, tell: Tell, spec: Spec, now: Callable[[], float]) -> None:
        self._tell, self._spec = tell, spec
        self._meter = Meter(now)
        self._telling: list[asyncio.Future[None]] = []
        self._ticking: asyncio.Future[None] | None = None
        self.week: Callable[[], WeekQuota] = WeekQuota
        """Asked for the week's calls; set once there is a session."""

    def on(self, event: Event) -> None:
        self._meter.on(event)
        if isinstance(event, Planned) and event.plan.steps and not event.refused:
            self._telling.append(asyncio.ensure_future(self._tell.plan(event.plan)))
            if self._spec.mode is Mode.APPLY and event.plan.ready and not event.plan.quarantine:
                self._ticking = asyncio.ensure_future(self._tick())

    def stop(self) -> None:
        """Tell nothing more of the progress."""
        if self._ticking is not None:
            self._ticking.cancel()

    async def settled(self) -> None:
        """All that was begun to be told is told."""
        if self._ticking is not None:
            await asyncio.wait({self._ticking})
        for telling in self._telling:
            await telling

    async def _tick(self) -> None:
        limits = self._spec.target.rate_limit
        while True:
            await asyncio.sleep(TELL_SECONDS)
            standing = self._meter.standing(Calls(limits.per_minute, limits.per_week, self.week()))
            try:
                await self._tell.progress(standing)
            except Exception:
                log.exception("the progress of a run could not be told")
