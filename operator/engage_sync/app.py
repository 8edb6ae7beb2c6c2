"""The one place that wires settings, credentials, clients, store and engine into a run."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from engage_sync import __version__
from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit, WeekQuota
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials
from engage_sync.clients.transport import network_transport
from engage_sync.clients.workplace import WorkplaceSource
from engage_sync.conditions import timestamp
from engage_sync.kube import Forbidden, Invalid, Kube, KubeError
from engage_sync.manifests import Manifests
from engage_sync.schedule import read_time
from engage_sync.spec import Mode, Spec
from engage_sync.states import MappingStatus, Quota, Requests
from engage_sync.store.codec import Summary
from engage_sync.store.configmap import ConfigMapStore
from engage_sync.store.file import FileStore
from engage_sync.store.index import Identity
from engage_sync.store.quota import read_quota, write_quota
from engage_sync.targets import Target
from engage_sync.trust import A_PERSON, Trust, check_hosts
from reconcilers.errors import ConfigError, SyncError, TransientError
from reconcilers.events import Event, Planned
from reconcilers.plan import Plan
from reconcilers.policy import Policies
from reconcilers.ports import Gate, MappingStore, Observer, Ports
from reconcilers.report import Report
from reconcilers.sync import Settings, sync_once
from reconcilers.translate import Defaults, Scope

REQUIRED_KEY = "HierarchyMapping"


class SecretMissing(ConfigError):
    """A Secret or a key of it is not there."""

    reason = "SecretMissing"


@dataclass(slots=True)
class RunResult:
    """How a run went: a report, an error, or both when it ended early."""

    report: Report | None = None
    error: SyncError | None = None
    requests: Requests = field(default_factory=lambda: Requests(source=0, target=0))
    mapping: MappingStatus | None = None
    quota: Quota | None = None

    def require_report(self) -> Report:
        """The report. Raises the error when there is none."""
        if self.report is None:
            raise self.error or ConfigError("the run ended without a report")
        return self.report


class Secrets(Protocol):
    """Where Secrets are read; only ever in the SyncTarget's own namespace."""

    async def secret(self, name: str) -> Mapping[str, str] | None:
        """The keys of a Secret; None when there is none."""
        ...


class Runner(Protocol):
    """Carries out one run of a target."""

    async def run(
        self, target: Target, spec: Spec, gate: Gate, on_plan: Callable[[Plan], Awaitable[None]]
    ) -> RunResult:
        """Never raises SyncError: how it went is in the result."""
        ...


class ClusterRunner:
    """Runs targets with Secrets and mapping of their own namespace in the cluster."""

    def __init__(self, kube: Kube, trust: Trust) -> None:
        self._kube = kube
        self._trust = trust

    async def run(
        self, target: Target, spec: Spec, gate: Gate, on_plan: Callable[[Plan], Awaitable[None]]
    ) -> RunResult:
        """One run of a target."""
        identity = Identity(target.uid, spec.source.base_url, spec.target.api_url)
        store = ConfigMapStore(self._kube, target.namespace, target.name, identity)
        listener = _PlanListener(on_plan)
        result = await run_once(
            spec,
            _ClusterSecrets(self._kube, target.namespace),
            store,
            apply=spec.mode is Mode.APPLY,
            gate=gate,
            observer=listener,
            trust=self._trust,
            quota=target.status.get("quota"),
        )
        await listener.settled()
        if result.report is not None:  # else it may not have been read, and is as it was
            result.mapping = mapping_status(store.summary)
        return result


async def one_run(manifests: Manifests, state: Path, *, apply: bool, observer: Observer) -> RunResult:
    """One run without a cluster; the mapping and the week's count of calls are kept in a folder."""
    spec, owner = manifests.spec, f"{manifests.namespace}/{manifests.name}"
    identity = Identity(owner, spec.source.base_url, spec.target.api_url)
    with FileStore(state, identity) as store:
        result = await run_once(
            spec,
            manifests,
            store,
            apply=apply,
            gate=lambda: None,
            observer=observer,
            trust=A_PERSON,
            quota=read_quota(state),
        )
        write_quota(state, result.quota)
        return result


async def run_once(
    spec: Spec,
    secrets: Secrets,
    store: MappingStore,
    *,
    apply: bool,
    gate: Gate,
    observer: Observer,
    trust: Trust,
    quota: Quota | None = None,
) -> RunResult:
    """One run: credentials, clients, engine. Without `apply` nothing can be written.

    Nothing is read or sent where the spec names a host that is not trusted.
    """
    result = RunResult()
    try:
        check_hosts(spec, trust)
        workplace, engage = await read_credentials(spec, secrets)
        clients = _clients(spec, workplace, engage, apply, observer, week_quota(quota), trust)
        async with clients as (source, session):
            try:
                ports = Ports(
                    source, EngageReader(session, observer=observer.on), store, _SystemClock(), observer
                )
                writer = EngageWriter(session) if apply else None
                result.report = await sync_once(ports, settings_of(spec), writer, gate)
                result.error = result.report.ended_by
            finally:
                result.requests = Requests(source=source.requests, target=session.requests)
                result.quota = quota_status(session.week)
    except SyncError as error:
        result.error = error
    return result


async def read_credentials(spec: Spec, secrets: Secrets) -> tuple[WorkplaceCredentials, EngageCredentials]:
    """The credentials as they are now, so that rotation works. Raises SecretMissing, never with a value."""
    source = await _keys(secrets, "spec.source.credentialsSecretRef", spec.source.credentials_secret_ref.name,
                         ("username", "password"))  # fmt: skip
    target = await _keys(secrets, "spec.target.credentialsSecretRef", spec.target.credentials_secret_ref.name,
                         ("clientId", "password"))  # fmt: skip
    keys = await _keys(secrets, "spec.target.subscriptionKeysSecretRef",
                       spec.target.subscription_keys_secret_ref.name, (REQUIRED_KEY,))  # fmt: skip
    return (
        WorkplaceCredentials(source["username"], source["password"]),
        EngageCredentials(target["clientId"], target["password"], keys),
    )


def settings_of(spec: Spec) -> Settings:
    """What the engine needs to know of a spec."""
    countries = spec.scope.countries
    return Settings(
        scope=Scope(
            require_reservation_center=spec.scope.require_reservation_center,
            reservable_only=spec.scope.reservable_only,
            countries=None if countries is None else frozenset(countries),
        ),
        defaults=Defaults(
            country=spec.defaults.country,
            time_zone=spec.defaults.time_zone,
            group_name=spec.defaults.group_name,
        ),
        policies=Policies(frozenset(policy.value for policy in spec.management_policies)),
    )


def mapping_status(summary: Summary) -> MappingStatus:
    """What the status tells of the mapping."""
    return MappingStatus(entries=summary.entries, shards=summary.shards, digest=summary.digest)


def quota_status(week: WeekQuota) -> Quota | None:
    """The week's count as the status keeps it; None while nothing was counted."""
    if not week.used:
        return None
    return Quota(weekStart=timestamp(datetime.fromtimestamp(week.start, UTC)), used=week.used)


def week_quota(quota: Quota | None) -> WeekQuota:
    """The week's count from the status of the last run."""
    start = read_time(quota.get("weekStart")) if quota else None
    return WeekQuota(start.timestamp(), quota.get("used", 0)) if quota and start else WeekQuota()


@asynccontextmanager
async def _clients(
    spec: Spec,
    workplace: WorkplaceCredentials,
    engage: EngageCredentials,
    apply: bool,
    observer: Observer,
    week: WeekQuota,
    trust: Trust,
) -> AsyncIterator[tuple[WorkplaceSource, EngageSession]]:
    """Both clients; without `apply` over a transport that refuses everything but reads."""
    user_agent = f"engage-sync/{__version__} ({spec.tenant})"
    hidden = Hidden()
    async with (
        WorkplaceSource(
            spec.source.base_url,
            workplace,
            network_transport(trust),
            user_agent=user_agent,
            default_country=spec.defaults.country,
            observer=observer.on,
            hidden=hidden,
        ) as source,
        EngageSession(
            spec.target.application_url,
            spec.target.api_url,
            engage,
            network_transport(trust),
            user_agent=user_agent,
            rate_limit=RateLimit(spec.target.rate_limit.per_minute, spec.target.rate_limit.per_week),
            week=week,
            read_only=not apply,
            hidden=hidden,
        ) as session,
    ):
        yield source, session


async def _keys(secrets: Secrets, path: str, name: str, required: tuple[str, ...]) -> dict[str, Secret]:
    found = await secrets.secret(name)
    if found is None:
        wanted = f"key{'s' if len(required) > 1 else ''} {' and '.join(required)}"
        raise SecretMissing(f'{path}: there is no Secret "{name}"; create it with the {wanted}')
    for key in required:
        if not found.get(key):
            raise SecretMissing(f'{path}: Secret "{name}" has no key "{key}"; add it')
    return {key: Secret(value) for key, value in found.items()}


class _ClusterSecrets:
    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace

    async def secret(self, name: str) -> Mapping[str, str] | None:
        try:
            return await self._kube.get_secret(self._namespace, name)
        except (Forbidden, Invalid) as error:
            raise SecretMissing(f'Secret "{name}" cannot be read: {error}') from None
        except KubeError as error:
            raise TransientError(f'Secret "{name}" could not be read: {error}') from None


class _SystemClock:
    def now(self) -> float:
        return time.time()


class _PlanListener:
    """Tells, once, that a plan with steps is about to be carried out."""

    def __init__(self, on_plan: Callable[[Plan], Awaitable[None]]) -> None:
        self._on_plan = on_plan
        self._telling: asyncio.Future[None] | None = None

    def on(self, event: Event) -> None:
        if isinstance(event, Planned) and event.plan.steps:
            self._telling = asyncio.ensure_future(self._on_plan(event.plan))

    async def settled(self) -> None:
        if self._telling is not None:
            await self._telling
