"""The one place that wires settings, credentials, clients, store and engine into a run."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from engage_sync import __version__
from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_bookings import EngageBookings
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import EngageCredentials, WorkplaceCredentials
from engage_sync.clients.transport import network_transport
from engage_sync.clients.workplace import WorkplaceSource
from engage_sync.credentials import Secrets, read_credentials
from engage_sync.meter import quota_status, week_quota
from engage_sync.settings import settings_of
from engage_sync.spec import Spec
from engage_sync.states import MappingStatus, Quota, Requests
from engage_sync.trust import Trust, check_hosts
from reconcilers.errors import ConfigError, SyncError
from reconcilers.ports import Gate, MappingStore, Observer, Plans, Ports
from reconcilers.report import Report
from reconcilers.sync import Settings, View, look, sync_once


@dataclass(slots=True)
class RunResult:
    """How a run went: a report, an error, or both when it ended early."""

    report: Report | None = None
    error: SyncError | None = None
    requests: Requests = field(default_factory=lambda: Requests(source=0, target=0))
    mapping: MappingStatus | None = None
    quota: Quota | None = None
    plan_name: str = ""
    """Of the SyncPlan that shows the plan; empty when there is none."""

    def require_report(self) -> Report:
        """The report. Raises the error when there is none."""
        if self.report is None:
            raise self.error or ConfigError("the run ended without a report")
        return self.report


class RunPlans(Plans, Protocol):
    """Where the plan of one run is shown, and what became of it."""

    published: str
    """The name under which people find it; empty when there is nothing to show."""

    async def close(self, report: Report | None, error: SyncError | None) -> None:
        """Say how the run ended, and that what was approved is spent."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a run needs of its surroundings."""

    spec: Spec
    secrets: Secrets
    store: MappingStore
    observer: Observer
    trust: Trust
    quota: Quota | None = None
    """The week's calls so far."""


async def run_once(
    means: Means, plans_of: Callable[[EngageSession], RunPlans], *, apply: bool, gate: Gate
) -> RunResult:
    """One run: credentials, clients, engine. Without `apply` nothing can be written."""
    result = RunResult()
    try:
        async with _connected(means, result, apply=apply) as (ports, session):
            plans = plans_of(session)
            writer = EngageWriter(session, gate) if apply else None
            try:
                settings = settings_of(means.spec)
                result.report = await sync_once(replace(ports, plans=plans), settings, writer, gate)
                result.error = result.report.ended_by
            except SyncError as error:
                result.error = error
            result.plan_name = plans.published
            await plans.close(result.report, result.error)
    except SyncError as error:
        result.error = result.error or error
    return result


async def look_once(means: Means, cost: RunResult, plans: Plans) -> tuple[View, Settings]:
    """What a run would find, over clients that cannot write; its calls are in `cost`.

    Of `plans` only what is approved is read.

    Raises SyncError when it could not plan.
    """
    settings = settings_of(means.spec)
    async with _connected(means, cost, apply=False) as (ports, _):
        return await look(replace(ports, plans=plans), settings), settings


@asynccontextmanager
async def _connected(
    means: Means, result: RunResult, *, apply: bool
) -> AsyncIterator[tuple[Ports, EngageSession]]:
    """The ports of a run; at the end its calls are in the result.

    Nothing is read or sent where the spec names a host that is not trusted.
    """
    check_hosts(means.spec, means.trust)
    workplace, engage = await read_credentials(means.spec, means.secrets)
    async with _clients(means, workplace, engage, apply=apply) as (source, session):
        try:
            clock = _SystemClock()
            reader = EngageReader(session, observer=means.observer.on)
            bookings = EngageBookings(session, clock.now, means.spec.deletion.bookings_window)
            yield Ports(source, reader, means.store, clock, means.observer, bookings), session
        finally:
            result.requests = Requests(source=source.requests, target=session.requests)
            result.quota = quota_status(session.week)


@asynccontextmanager
async def _clients(
    means: Means, workplace: WorkplaceCredentials, engage: EngageCredentials, *, apply: bool
) -> AsyncIterator[tuple[WorkplaceSource, EngageSession]]:
    """Both clients; without `apply` over a transport that refuses everything but reads."""
    spec, trust = means.spec, means.trust
    user_agent = f"engage-sync/{__version__} ({spec.tenant})"
    hidden = Hidden()
    async with (
        WorkplaceSource(
            spec.source.base_url,
            workplace,
            network_transport(trust),
            user_agent=user_agent,
            default_country=spec.defaults.country,
            observer=means.observer.on,
            hidden=hidden,
        ) as source,
        EngageSession(
            spec.target.application_url,
            spec.target.api_url,
            engage,
            network_transport(trust),
            user_agent=user_agent,
            rate_limit=RateLimit(spec.target.rate_limit.per_minute, spec.target.rate_limit.per_week),
            week=week_quota(means.quota),
            read_only=not apply,
            hidden=hidden,
        ) as session,
    ):
        yield source, session


class _SystemClock:
    def now(self) -> float:
        return time.time()
