"""One run, wired as in production: what it reads, writes, refuses and tells."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engage_sync import __version__, app
from engage_sync.app import ClusterRunner, RunResult, one_run
from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import WEEK, WeekQuota
from engage_sync.kube import Forbidden, Invalid, Unavailable
from engage_sync.meter import Standing, quota_status
from engage_sync.spec import Mode, parse_spec
from engage_sync.states import Quota
from engage_sync.targets import Target
from engage_sync.trust import A_PERSON
from reconcilers.errors import Halted, QuotaExhausted, SyncError
from reconcilers.plan import Plan
from reconcilers.ports import Gate, Ports, Writer
from reconcilers.report import Report
from reconcilers.sync import Settings, sync_once
from tests.engine.rig import GateAfter, Heard
from tests.synctargets import CANARY, manifest, spec
from tests.unit.operator.cluster import Json
from tests.unit.operator.plans_stage import FakePlansApi
from tests.unit.operator.wired import World


async def test_a_run_that_applies_writes_and_one_that_plans_does_not(world: World) -> None:
    plan = await world.run(apply=False)
    assert (plan.error, world.writes) == (None, 0)
    done = await world.run(apply=True)

    assert done.error is None
    assert done.require_report().plan.digest == plan.require_report().plan.digest
    assert world.writes >= len(done.require_report().plan.steps) == 51


async def test_a_run_that_plans_cannot_write_even_if_something_tries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[EngageSession] = []

    class Spying(EngageReader):
        def __init__(self, session: EngageSession, **options: Any) -> None:
            sessions.append(session)
            super().__init__(session, **options)

    async def treacherous(ports: Ports, settings: Settings, writer: Writer | None, gate: Gate) -> Report:
        assert writer is None
        return await real(ports, settings, EngageWriter(sessions[0]), gate)

    real = sync_once
    monkeypatch.setattr(app, "EngageReader", Spying)
    monkeypatch.setattr(app, "sync_once", treacherous)
    result = await world.run(apply=False)

    assert isinstance(result.error, Halted)
    assert world.sandbox.writes == []
    methods = {(asked.system, asked.method, asked.path) for asked in world.sandbox.journal.requests}
    assert {each for each in methods if each[1] != "GET"} == {("engage", "POST", "/tokenproviderapi/token")}


async def test_a_run_that_plans_remembers_nothing(world: World) -> None:
    await world.run(apply=False)

    assert world.store.commits == 0


async def test_a_gate_that_closes_ends_the_run_with_what_was_done(world: World) -> None:
    result = await world.run(apply=True, gate=GateAfter(10))  # the engine asks, and every attempt

    assert isinstance(result.error, Halted)
    done = result.require_report().writes
    assert 0 < done <= 5
    assert world.writes == done
    again = await world.run(apply=True)
    assert again.error is None
    assert len(again.require_report().plan.steps) == 51 - done


async def test_credentials_are_read_at_the_start_of_each_run(world: World) -> None:
    good = dict(world.manifests.secrets)
    bad = {**good, "acme-engage": {**good["acme-engage"], "password": f"{CANARY}!"}}

    rejected = await world.run(apply=True, secrets=replace(world.manifests, secrets=bad))
    rotated = await world.run(apply=True)

    assert rejected.error is not None
    assert (rejected.error.reason, rejected.error.system) == ("CredentialsRejected", "target")
    assert CANARY not in str(rejected.error)
    assert rotated.error is None


@pytest.mark.parametrize(
    ("field", "secret", "key"),
    [
        ("source.credentialsSecretRef", "acme-workplace", "username"),
        ("source.credentialsSecretRef", "acme-workplace", "password"),
        ("target.credentialsSecretRef", "acme-engage", "clientId"),
        ("target.credentialsSecretRef", "acme-engage", "password"),
        ("target.subscriptionKeysSecretRef", "acme-keys", "HierarchyMapping"),
    ],
)
async def test_a_missing_key_is_told_before_anything_is_asked(
    world: World, field: str, secret: str, key: str
) -> None:
    secrets = {name: dict(keys) for name, keys in world.manifests.secrets.items()}
    del secrets[secret][key]
    result = await world.run(apply=True, secrets=replace(world.manifests, secrets=secrets))

    assert result.error is not None
    assert result.error.reason == "SecretMissing"
    assert result.error.message == f'spec.{field}: Secret "{secret}" has no key "{key}"; add it'
    assert not world.sandbox.journal.requests


async def test_calls_tell_which_product_and_whose(world: World) -> None:
    agents: set[str] = set()
    respond = world.sandbox.respond

    def listen(request: Any) -> Any:
        agents.add(request.text(b"user-agent"))
        return respond(request)

    world.sandbox.respond = listen  # type: ignore[method-assign]
    await world.run(apply=True)

    assert agents == {f"engage-sync/{__version__} (acme)"}


async def test_the_settings_of_the_spec_reach_the_engine(world: World) -> None:
    only_germany = world.manifests.spec.model_copy(
        update={"scope": world.manifests.spec.scope.model_copy(update={"countries": ("DE",)})}
    )
    result = await world.run(apply=False, spec=only_germany)
    rows = {row.kind.value: row.in_scope for row in result.require_report().kinds}

    assert (rows["Country"], rows["Location"]) == (1, 2)


def test_every_field_of_a_spec_that_the_engine_needs_is_passed_on() -> None:
    settings = app.settings_of(
        parse_spec(
            spec(
                scope={"requireReservationCenter": False, "reservableOnly": False, "countries": ["US"]},
                defaults={"country": "DE", "timeZone": "Europe/Berlin", "groupName": "All"},
                managementPolicies=["Observe", "Create"],
            )
        )
    )

    assert (settings.scope.require_reservation_center, settings.scope.reservable_only) == (False, False)
    assert settings.scope.countries == frozenset({"US"})
    assert (settings.defaults.country, settings.defaults.time_zone) == ("DE", "Europe/Berlin")
    assert settings.defaults.group_name == "All"
    assert settings.policies.allowed == frozenset({"Observe", "Create"})


# The week's calls


async def test_the_weeks_count_goes_on_through_the_status(world: World) -> None:
    first = await world.run(apply=True)
    second = await world.run(apply=False, quota=first.quota)

    assert first.quota is not None
    assert second.quota is not None
    engage = sum(n for asked, n in world.sandbox.journal.requests.items() if asked.system == "engage")
    tokens = 2
    assert second.quota["used"] == engage - tokens
    assert second.quota["weekStart"] == first.quota["weekStart"]


async def test_a_week_that_is_used_up_ends_the_run_before_a_write(world: World) -> None:
    target = world.manifests.spec.target
    limited = target.model_copy(update={"rate_limit": target.rate_limit.model_copy(update={"per_week": 100})})
    used = Quota(weekStart=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), used=100)
    result = await world.run(
        apply=True, spec=world.manifests.spec.model_copy(update={"target": limited}), quota=used
    )

    assert isinstance(result.error, QuotaExhausted)
    assert result.error.retry_after == pytest.approx(WEEK, abs=60)
    assert result.quota == used
    assert world.writes == 0


@pytest.mark.parametrize("week", [WeekQuota(1_795_000_000.0, 1), WeekQuota(1_795_000_000.0, 50_000)])
def test_a_count_survives_being_written_down(week: WeekQuota) -> None:
    assert app.week_quota(quota_status(week)) == week


@pytest.mark.parametrize("quota", [None, Quota(), Quota(used=5), Quota(weekStart="yesterday", used=5)])
def test_a_count_that_cannot_be_read_begins_anew(quota: Quota | None) -> None:
    assert app.week_quota(quota) == WeekQuota()


def test_no_calls_are_no_count() -> None:
    assert quota_status(WeekQuota()) is None


# Without a cluster


async def test_the_mapping_is_kept_in_the_folder_and_the_folder_let_go_of(
    world: World, tmp_path: Path
) -> None:
    results = [
        await one_run(world.manifests, tmp_path / "state", apply=True, observer=Heard()) for _ in range(2)
    ]

    assert [result.error for result in results] == [None, None]
    assert results[1].require_report().plan == Plan()
    assert results[1].requests["target"] < results[0].requests["target"]


# In a cluster


class FakeKube(FakePlansApi):
    """Secrets, config maps and plans of one namespace, as far as a run needs them."""

    def __init__(self, secrets: Mapping[str, Mapping[str, str]], error: Exception | None = None) -> None:
        super().__init__(lambda: datetime.now(UTC))
        self.secrets, self.error = secrets, error
        self.asked: set[str] = set()

    @property
    def maps(self) -> dict[str, Json]:
        """The mapping, without the chunks of plans."""
        return {name: found for (_, name), found in self.objects.items() if "-plan-" not in name}

    async def get_secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        self.asked.add(namespace)
        if self.error is not None:
            raise self.error
        return self.secrets.get(name)


def target_of(world: World, **status: Any) -> Target:
    body = manifest()
    body["metadata"] |= {"namespace": "tenants", "uid": "0" * 36, "resourceVersion": "1"}
    return Target({**body, "status": status})


class Told:
    """What was told of a run while it was under way."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.standings: list[Standing] = []

    async def plan(self, plan: Plan) -> None:
        for _ in range(5_000):  # as slow as an API server may be
            await asyncio.sleep(0)
        self.plans.append(plan)

    async def progress(self, standing: Standing) -> None:
        self.standings.append(standing)


async def in_cluster(
    world: World, kube: FakeKube, mode: str = "Apply", gate: Gate = lambda: None, **status: Any
) -> tuple[RunResult, list[Plan]]:
    result, told = await telling_run(world, mode, kube, gate, **status)
    return result, told.plans


async def telling_run(
    world: World,
    mode: str = "Apply",
    kube: FakeKube | None = None,
    gate: Gate = lambda: None,
    **status: Any,
) -> tuple[RunResult, Told]:
    kube, told = kube or FakeKube(world.manifests.secrets), Told()
    runner = ClusterRunner(kube, A_PERSON)  # type: ignore[arg-type]
    changed = world.manifests.spec.model_copy(update={"mode": Mode(mode)})
    run_id = f"{len(kube.plans):010x}"
    return await runner.run(target_of(world, **status), changed, gate, told, run_id), told


async def test_a_run_in_the_cluster_reads_its_own_namespace_and_keeps_its_mapping_there(world: World) -> None:
    kube = FakeKube(world.manifests.secrets)
    first, told = await in_cluster(world, kube)
    second, told_again = await in_cluster(world, kube)

    assert (first.error, second.error) == (None, None)
    assert kube.asked == {"tenants"}
    assert kube.maps
    assert first.mapping is not None
    assert first.mapping["entries"] == 51
    assert first.mapping == second.mapping
    assert [len(plan.steps) for plan in told] == [51]
    assert told_again == []


async def test_the_start_is_told_before_the_end_even_of_a_run_that_ends_at_once(world: World) -> None:
    result, told = await in_cluster(world, FakeKube(world.manifests.secrets), gate=GateAfter(0))

    assert isinstance(result.error, Halted)
    assert [len(plan.steps) for plan in told] == [51]


async def test_a_run_that_takes_its_time_tells_how_far_it_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "TELL_SECONDS", 0.0)
    before = asyncio.all_tasks()
    result, told = await telling_run(world)

    assert result.error is None
    assert len(told.standings) > 1
    tellers = {task for task in asyncio.all_tasks() - before if "_tick" in repr(task)}
    assert not tellers, "it tells on after its end"
    done = [standing.progress["done"] for standing in told.standings]
    assert done == sorted(done)
    assert done[-1] > 0
    assert {standing.progress["total"] for standing in told.standings} == {51}
    used = [standing.quota["used"] for standing in told.standings if standing.quota]
    assert used == sorted(used)
    assert result.quota is not None
    assert 0 < used[-1] <= result.quota["used"]


@pytest.mark.parametrize(("mode", "seconds"), [("Plan", 0.0), ("Apply", app.TELL_SECONDS)])
async def test_a_run_that_plans_or_ends_soon_tells_of_no_progress(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: str, seconds: float
) -> None:
    monkeypatch.setattr(app, "TELL_SECONDS", seconds)
    _, told = await telling_run(world, mode)

    assert told.standings == []
    assert len(told.plans) == 1


async def test_a_progress_that_cannot_be_told_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "TELL_SECONDS", 0.01)

    async def bug(self: Told, standing: Standing) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Told, "progress", bug)
    result, _ = await telling_run(world)

    assert result.error is None
    assert result.require_report().writes == 51


async def test_mode_plan_in_the_cluster_writes_nothing_anywhere(world: World) -> None:
    kube = FakeKube(world.manifests.secrets)
    result, _ = await in_cluster(world, kube, mode="Plan")

    assert result.error is None
    assert (kube.maps, world.sandbox.writes) == ({}, [])


async def test_the_quota_of_the_status_counts_in_the_cluster(world: World) -> None:
    start = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kube = FakeKube(world.manifests.secrets)
    result, _ = await in_cluster(world, kube, quota={"weekStart": start, "used": 1000})

    assert result.quota is not None
    assert result.quota["used"] > 1050


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Forbidden("not allowed"), "SecretMissing"),
        (Invalid('Secret acme-engage: the value of "password" is not text'), "SecretMissing"),
        (Unavailable("no answer"), "Unreachable"),
    ],
)
async def test_a_secret_that_cannot_be_read_is_told_by_what_to_do(
    world: World, error: Exception, reason: str
) -> None:
    result, told = await in_cluster(world, FakeKube({}, error))

    assert isinstance(result.error, SyncError)
    assert result.error.reason == reason
    assert str(error) in result.error.message
    assert told == []


async def test_a_run_that_never_read_the_mapping_says_nothing_of_it(world: World) -> None:
    kube = FakeKube(world.manifests.secrets)
    await in_cluster(world, kube)
    kube.error = Unavailable("no answer")
    failed, _ = await in_cluster(world, kube)

    assert failed.mapping is None  # not 0 entries: the status goes on telling what is there
