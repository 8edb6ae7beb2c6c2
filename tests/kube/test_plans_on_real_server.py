"""SyncPlans on a real API server, by the CRD as it is and with the rights of the chart and no more."""

import asyncio
import base64
import gzip
import os
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from engage_sync.kube import Conflict, Kube, KubeError, NotFound
from engage_sync.kube_config import load_configuration
from engage_sync.plan_document import document_of
from engage_sync.plans.chunks import MAX_CHUNK
from engage_sync.plans.cluster import (
    KEEP_FINISHED,
    ClusterPlans,
)
from engage_sync.plans.life import Pending
from engage_sync.plans.messages import approve_command
from engage_sync.plans.owner import Owner
from engage_sync.plans.reading import PlanUnreadable, needs_a_run, read_plan
from engage_sync.plans.record import spec_of
from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.model import Current, Kind
from reconcilers.plan import Held, Plan
from reconcilers.proof import prove
from reconcilers.report import Report
from reconcilers.steps import Delete, canonical
from reconcilers.sync import Settings, sync_once
from tests.chart_roles import install_roles
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane
from tests.engine.rig import Rig
from tests.engine.samples import edit, remove_building, two_buildings
from tests.kube.sync_targets import make_sync_target
from tests.unit.operator.plans_stage import campus
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

MANY = 30_000


@pytest.fixture
def owner(plane: ControlPlane, namespace: str) -> Owner:
    metadata = make_sync_target(plane, namespace)["metadata"]
    return Owner(namespace, metadata["name"], metadata["uid"])


@pytest.fixture
def rig() -> Rig:
    return campus()


@dataclass
class Runs:
    """Run after run of one SyncTarget, and what its status says in between."""

    kube: Kube
    owner: Owner
    rig: Rig
    name: str = ""
    held: str = ""
    count: int = 0
    last: list[ClusterPlans] = field(default_factory=list)

    def plans(self) -> ClusterPlans:
        self.count += 1
        return ClusterPlans(
            self.kube,
            self.owner,
            f"{self.count:010x}",
            Pending(self.name, self.held),
            apply=True,
            calls_left=lambda: 50_000,
            now=lambda: datetime.now(UTC),
        )

    async def run(self) -> Report:
        plans = self.plans()
        ports = replace(self.rig.ports(), plans=plans)
        report = await sync_once(ports, Settings(), self.rig.target, lambda: None)
        await plans.close(report, None)
        self.name, self.held = plans.published, report.plan.held_digest
        return report

    async def plan(self, name: str = "") -> dict[str, Any]:
        return await self.kube.get_sync_plan(self.owner.namespace, name or self.name)

    async def states(self) -> list[str]:
        found = await self.kube.list_sync_plans(self.owner.namespace, self.owner.labels)
        found.sort(key=lambda body: str(body["metadata"]["name"]))
        return [body.get("status", {}).get("state", "unfinished") for body in found]


def approve(plane: ControlPlane, assets: Assets, runs: Runs) -> None:
    """With the very command that people are told."""
    env = plane.environment()
    subprocess.run(
        ["sh", "-c", approve_command(runs.name, runs.owner.namespace, runs.held)],
        env=env | {"PATH": f"{assets.kubectl.parent}{os.pathsep}{env['PATH']}"},
        check=True,
        capture_output=True,
    )


async def test_a_life_with_the_rights_of_the_chart_and_no_more(
    plane: ControlPlane, owner: Owner, control_plane_assets: Assets, rig: Rig
) -> None:
    operator = install_roles(plane, owner.namespace)
    async with Kube(await load_configuration({"KUBECONFIG": str(operator.kubeconfig)})) as kube:
        runs = Runs(kube, owner, rig)
        await runs.run()
        assert await runs.states() == []

        remove_building(rig.source, 20)
        edit(rig.source.spaces, 100, name="Apollo 2")
        await runs.run()
        first = runs.name
        assert await runs.states() == ["ApprovalRequired"]
        assert (await runs.plan())["spec"]["counts"][0] == {"kind": "Location", "delete": 1, "held": 1}
        assert not await needs_a_run(kube, owner.namespace, runs.name)

        remove_building(rig.source, 30)
        await runs.run()
        assert await runs.states() == ["Superseded", "ApprovalRequired"]
        superseded = await runs.plan(first)
        assert superseded["status"]["supersededBy"] == runs.name

        approve(plane, control_plane_assets, runs)
        assert await needs_a_run(kube, owner.namespace, runs.name)
        await runs.run()
        assert await runs.states() == ["Superseded", "Applied"]
        assert len(rig.target.tables["locations"]) == 1

        for number in range(KEEP_FINISHED + 1):
            edit(rig.source.spaces, 100, name=f"Apollo {number}")
            await runs.run()
        assert await runs.states() == ["Superseded"] + ["Applied"] * KEEP_FINISHED
        chunks = await kube.list_config_maps(owner.namespace, owner.chunk_labels)
        assert len(chunks) == KEEP_FINISHED + 1


async def test_a_superseded_plan_sends_who_approves_it_to_its_successor(
    plane: ControlPlane, kube: Kube, owner: Owner, control_plane_assets: Assets, rig: Rig
) -> None:
    runs = Runs(kube, owner, rig)
    remove_building(rig.source, 20)
    await runs.run()
    former = replace(runs)
    remove_building(rig.source, 30)
    await runs.run()

    with pytest.raises(subprocess.CalledProcessError) as refused:
        approve(plane, control_plane_assets, former)

    assert runs.name in refused.value.stderr.decode()


async def test_an_approval_between_reading_and_superseding_is_not_lost(
    plane: ControlPlane, kube: Kube, owner: Owner, control_plane_assets: Assets, rig: Rig
) -> None:
    runs = Runs(kube, owner, rig)
    remove_building(rig.source, 20)
    await runs.run()
    first = replace(runs)
    edit(rig.source.spaces, 100, name="Apollo 2")
    plans = runs.plans()
    original = plans.approved

    async def approved_then() -> Any:
        found = await original()
        approve(plane, control_plane_assets, first)
        return found

    plans.approved = approved_then  # type: ignore[method-assign]
    report = await sync_once(replace(rig.ports(), plans=plans), Settings(), rig.target, lambda: None)
    await plans.close(report, None)
    runs.name, runs.held = plans.published, report.plan.held_digest

    assert plans.approved_meanwhile == first.name
    assert await needs_a_run(kube, owner.namespace, runs.name)
    assert len(rig.target.tables["locations"]) == 3
    await runs.run()
    assert len(rig.target.tables["locations"]) == 2


def large_plan() -> Plan:
    """All deletes, all held, with names that hardly compress."""
    proof, _ = prove(two_buildings().observe(), {})
    assert proof is not None
    level = LEVELS[Kind.RESOURCE]
    steps = []
    for number in range(MANY):
        name = sha256(str(number).encode()).hexdigest() * 2
        blank: tuple[None, ...] = (None,) * (len(level.fields) - 1)
        steps.append(
            Delete(
                level.key(number),
                Current(Kind.RESOURCE, number, level.key(number), (name, *blank)),
                proof,
                "gone from the source",
            )
        )
    return Plan(
        steps=tuple(steps),
        held=tuple(Held(step, "FutureBookings") for step in steps),
        impacts={step.key: Impact(bookings=frozenset({str(step.current.id)})) for step in steps},
    )


async def test_a_plan_of_30_000_steps_is_stored_read_and_collected(
    plane: ControlPlane, kube: Kube, owner: Owner, rig: Rig
) -> None:
    plan, plans = large_plan(), Runs(kube, owner, rig).plans()
    await plans.publish(plan)
    body, document = await read_plan(kube, owner.namespace, plans.published)
    spec = body["spec"]

    assert document.lines == tuple(map(canonical, plan.steps))
    assert (document.digest, document.held_digest) == (plan.digest, plan.held_digest)
    assert document == document_of(plan)
    # What the server keeps is what was sent: nothing is pruned, cut or filled in.
    assert spec == spec_of(plan, document, owner, f"{1:010x}", spec["chunks"], 50_000)
    assert (len(spec["destructive"]), spec["destructiveTruncated"]) == (100, MANY - 100)
    chunks = await asyncio.gather(*(kube.get_config_map(owner.namespace, name) for name in spec["chunks"]))
    packed = [base64.b64decode(data) for chunk in chunks for data in chunk["binaryData"].values()]
    assert sum(map(len, packed)) > 1024 * 1024
    assert len(chunks) > 10
    steps = b"".join(
        gzip.decompress(base64.b64decode(chunk["binaryData"].get("steps", ""))) for chunk in chunks
    )
    assert f"sha256:{sha256(steps).hexdigest()}" == plan.digest
    assert len(steps) > 10 * MAX_CHUNK

    plane.kubectl("delete", "syncplan", plans.published, "-n", owner.namespace)
    with pytest.raises(PlanUnreadable, match="there is no SyncPlan"):
        await read_plan(kube, owner.namespace, plans.published)
    await asyncio.to_thread(
        wait_until, "the chunks to be collected", lambda: not config_maps(plane, owner.namespace)
    )


async def test_plans_go_with_their_target(plane: ControlPlane, kube: Kube, owner: Owner, rig: Rig) -> None:
    runs = Runs(kube, owner, rig)
    remove_building(rig.source, 20)
    await runs.run()
    assert config_maps(plane, owner.namespace)

    plane.kubectl("delete", "synctarget", owner.name, "-n", owner.namespace)

    await asyncio.to_thread(
        wait_until, "plan and chunks to be collected", lambda: not config_maps(plane, owner.namespace)
    )
    with pytest.raises(NotFound):
        await runs.plan()


def config_maps(plane: ControlPlane, namespace: str) -> str:
    label = "app.kubernetes.io/component=plan"
    return plane.kubectl("get", "configmap", "-n", namespace, "-l", label, "-o", "name").stdout


async def test_what_was_changed_or_made_anew_since_is_neither_written_nor_deleted(
    kube: Kube, owner: Owner, rig: Rig
) -> None:
    runs = Runs(kube, owner, rig)
    remove_building(rig.source, 20)
    await runs.run()
    found = await runs.plan()
    metadata = found["metadata"]
    fresh = await kube.replace_sync_plan_status({**found, "status": {**found["status"], "state": "Planned"}})

    with pytest.raises(Conflict):
        await kube.replace_sync_plan_status(found)
    with pytest.raises(Conflict):
        await kube.delete_sync_plan(
            owner.namespace, runs.name, uid=metadata["uid"], resource_version=metadata["resourceVersion"]
        )
    version = fresh["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await kube.delete_sync_plan(owner.namespace, runs.name, uid="another", resource_version=version)
    stranger = {**fresh, "metadata": {**fresh["metadata"], "uid": "another"}}
    with pytest.raises(KubeError):
        await kube.replace_sync_plan_status(stranger)
    assert (await runs.plan())["metadata"]["resourceVersion"] == version
