"""The one place that wires settings, credentials, clients, store and engine into a run."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from engage_sync import __version__
from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_bookings import EngageBookings
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit, WeekQuota
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials
from engage_sync.clients.transport import network_transport
from engage_sync.clients.workplace import WorkplaceSource
from engage_sync.kube import Forbidden, Invalid, Kube, KubeError
from engage_sync.manifests import Manifests
from engage_sync.meter import Calls, Meter, Standing, quota_status
from engage_sync.plans.cluster import ClusterApprovals, ClusterPlans
from engage_sync.plans.file import FilePlans
from engage_sync.plans.owner import Owner
from engage_sync.safeguards import Precondition, UnknownBookings
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
from reconcilers.guard import Budget, Guards, Required
from reconcilers.model import Key
from reconcilers.plan import Plan
from reconcilers.policy import Policies
from reconcilers.ports import Gate, MappingStore, NoPlans, Observer, Plans, Ports
from reconcilers.report import Report
from reconcilers.sync import Settings, View, look, sync_once
from reconcilers.translate import Defaults, Scope
from reconcilers.why import Explanation, explain, kind_of_key

log = logging.getLogger(__name__)

REQUIRED_KEY = "HierarchyMapping"
TELL_SECONDS = 5.0
"""Between two words on the progress of a run; what ends sooner has none.

The week's calls are written down with it, so that a crash forgets those of so many seconds."""


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
    plan_name: str = ""
    """Of the SyncPlan that shows the plan; empty when there is none."""

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


class RunPlans(Plans, Protocol):
    """Where the plan of one run is shown, and what became of it."""

    published: str
    """The name under which people find it; empty when there is nothing to show."""

    async def close(self, report: Report | None, error: SyncError | None) -> None:
        """Say how the run ended, and that what was approved is spent."""
        ...


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
        shown = target.status.get("plan", {})

        listener = _Listener(tell, spec, time.time)

        def plans_of(session: EngageSession) -> RunPlans:
            listener.week = lambda: session.week
            return ClusterPlans(
                self._kube,
                Owner(target.namespace, target.name, target.uid),
                run_id,
                shown.get("name", ""),
                shown.get("heldDigest", ""),
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
        shown, owner = target.status.get("plan", {}), Owner(target.namespace, target.name, target.uid)
        approvals = ClusterApprovals(self._kube, owner, shown.get("name", ""), shown.get("heldDigest", ""))
        view, settings = await look_once(means, cost, approvals)
        return explain(view, Key(key), settings), cost

    def _store(self, target: Target, spec: Spec) -> ConfigMapStore:
        identity = Identity(target.uid, spec.source.base_url, spec.target.api_url)
        return ConfigMapStore(self._kube, target.namespace, target.name, identity)

    def _means(self, target: Target, spec: Spec, store: MappingStore, observer: Observer) -> "Means":
        secrets = _ClusterSecrets(self._kube, target.namespace)
        return Means(spec, secrets, store, observer, self._trust, target.status.get("quota"))


async def one_run(
    manifests: Manifests, state: Path, *, apply: bool, observer: Observer, approve: str | None = None
) -> RunResult:
    """One run without a cluster; mapping, plan and the week's count of calls are kept in a folder."""
    with _file_store(manifests, state) as store:
        plans = FilePlans(state, _identity_of(manifests), approve, apply=apply)
        result = await run_once(
            _means_of_files(manifests, state, store, observer),
            lambda _: plans,
            apply=apply,
            gate=lambda: None,
        )
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
    spec, observer = means.spec, means.observer
    check_hosts(spec, means.trust)
    workplace, engage = await read_credentials(spec, means.secrets)
    clients = _clients(spec, workplace, engage, apply, observer, week_quota(means.quota), means.trust)
    async with clients as (source, session):
        try:
            clock = _SystemClock()
            reader = EngageReader(session, observer=observer.on)
            bookings = EngageBookings(session, clock.now, spec.deletion.bookings_window)
            yield Ports(source, reader, means.store, clock, observer, bookings), session
        finally:
            result.requests = Requests(source=source.requests, target=session.requests)
            result.quota = quota_status(session.week)


def _file_store(manifests: Manifests, state: Path) -> FileStore:
    return FileStore(state, _identity_of(manifests))


def _identity_of(manifests: Manifests) -> Identity:
    spec, owner = manifests.spec, f"{manifests.namespace}/{manifests.name}"
    return Identity(owner, spec.source.base_url, spec.target.api_url)


def _means_of_files(manifests: Manifests, state: Path, store: MappingStore, observer: Observer) -> Means:
    return Means(manifests.spec, manifests, store, observer, A_PERSON, read_quota(state))


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
        guards=guards_of(spec),
        onboarding=spec.onboarding,
        minimum_match=spec.merge.minimum_match_percent,
    )


def guards_of(spec: Spec) -> Guards:
    """What a tenant allows without asking, in the engine's words."""
    deletion, budget, subtree = spec.deletion, spec.deletion.budget, spec.deletion.subtree_budget
    updates = spec.update.budget
    return Guards(
        required=Required(spec.approval.required.value),
        deletions=Budget(budget.percent, budget.minimum_population, budget.count),
        below_location=Budget(subtree.percent, subtree.minimum_population),
        updates=Budget(updates.percent, updates.minimum_population),
        hold_booked=deletion.precondition is Precondition.NO_FUTURE_BOOKINGS,
        hold_unknown=deletion.unknown_bookings is UnknownBookings.HOLD,
        grace=deletion.grace_period.total_seconds(),
    )


def mapping_status(summary: Summary) -> MappingStatus:
    """What the status tells of the mapping."""
    return MappingStatus(entries=summary.entries, shards=summary.shards, digest=summary.digest)


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
        if isinstance(event, Planned) and event.plan.steps:
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
