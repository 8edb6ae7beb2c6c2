"""Runs in a cluster: whose Secrets are read, what is kept where, and what is told meanwhile."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from engage_sync import cluster_run
from engage_sync.app import RunResult
from engage_sync.cluster_run import ClusterRunner
from engage_sync.kube import Forbidden, Invalid, Unavailable
from engage_sync.meter import Standing
from engage_sync.spec import Mode
from engage_sync.targets import Target
from engage_sync.trust import A_PERSON
from reconcilers.errors import Halted, SyncError, UnsupportedEnvironment
from reconcilers.plan import Plan
from reconcilers.ports import Gate
from tests.engine.rig import GateAfter
from tests.synctargets import manifest
from tests.unit.operator.cluster import Json
from tests.unit.operator.plans_stage import FakePlansApi
from tests.unit.operator.test_merge import forget
from tests.unit.operator.wired import World


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


async def test_a_run_that_stops_before_an_engage_in_use_does_not_tell_of_a_start(world: World) -> None:
    await world.run(apply=True)
    await forget(world)
    result, told = await in_cluster(world, FakeKube(world.manifests.secrets))

    assert isinstance(result.error, UnsupportedEnvironment)
    assert told == []


async def test_a_run_that_takes_its_time_tells_how_far_it_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_run, "TELL_SECONDS", 0.0)
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


@pytest.mark.parametrize(("mode", "seconds"), [("Plan", 0.0), ("Apply", cluster_run.TELL_SECONDS)])
async def test_a_run_that_plans_or_ends_soon_tells_of_no_progress(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: str, seconds: float
) -> None:
    monkeypatch.setattr(cluster_run, "TELL_SECONDS", seconds)
    _, told = await telling_run(world, mode)

    assert told.standings == []
    assert len(told.plans) == 1


async def test_a_progress_that_cannot_be_told_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_run, "TELL_SECONDS", 0.01)

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
