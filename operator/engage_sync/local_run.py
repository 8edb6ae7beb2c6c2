"""Runs without a cluster: with manifests, and a folder for the mapping, the plan and the week's calls."""

import time
from collections.abc import Callable
from pathlib import Path

from engage_sync.app import Means, RunResult, look_once, run_once
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import WeekQuota
from engage_sync.manifests import Manifests
from engage_sync.meter import quota_status
from engage_sync.plans.file import FilePlans
from engage_sync.store.file import FileStore
from engage_sync.store.index import Identity
from engage_sync.store.quota import read_quota, write_quota
from engage_sync.trust import A_PERSON
from reconcilers.events import Event
from reconcilers.ports import MappingStore, NoPlans, Observer
from reconcilers.sync import Settings, View

TALLY_SECONDS = 5.0
"""Between two writings of the week's calls: a kill forgets those of so many seconds."""


async def one_run(
    manifests: Manifests, state: Path, *, apply: bool, observer: Observer, approve: str | None = None
) -> RunResult:
    """One run without a cluster; mapping, plan and the week's count of calls are kept in a folder."""
    tally = _Tally(observer, state, time.monotonic)

    def plans_of(session: EngageSession) -> FilePlans:
        tally.week = lambda: session.week
        return FilePlans(state, _identity_of(manifests), approve, apply=apply)

    with _file_store(manifests, state) as store:
        means = _means_of_files(manifests, state, store, tally)
        result = await run_once(means, plans_of, apply=apply, gate=lambda: None)
        write_quota(state, result.quota)
        return result


async def one_look(manifests: Manifests, state: Path, observer: Observer) -> tuple[View, Settings]:
    """What a run without a cluster would find; nothing but its calls is remembered."""
    cost = RunResult()
    with _file_store(manifests, state) as store:
        try:
            # Nothing is approved there before the very run that carries it out.
            return await look_once(_means_of_files(manifests, state, store, observer), cost, NoPlans())
        finally:
            write_quota(state, cost.quota)


def _file_store(manifests: Manifests, state: Path) -> FileStore:
    return FileStore(state, _identity_of(manifests))


def _identity_of(manifests: Manifests) -> Identity:
    spec, owner = manifests.spec, f"{manifests.namespace}/{manifests.name}"
    return Identity(owner, spec.source.base_url, spec.target.api_url)


def _means_of_files(manifests: Manifests, state: Path, store: MappingStore, observer: Observer) -> Means:
    return Means(manifests.spec, manifests, store, observer, A_PERSON, read_quota(state))


class _Tally:
    """Passes on what is heard, and writes the week's calls down every few seconds, in case it is killed."""

    def __init__(self, observer: Observer, state: Path, now: Callable[[], float]) -> None:
        self._observer, self._state, self._now = observer, state, now
        self._next = now() + TALLY_SECONDS
        self.week: Callable[[], WeekQuota] = WeekQuota
        """Asked for the week's calls; set once there is a session."""

    def on(self, event: Event) -> None:
        self._observer.on(event)
        if self._now() >= self._next:
            self._next = self._now() + TALLY_SECONDS
            write_quota(self._state, quota_status(self.week()))
