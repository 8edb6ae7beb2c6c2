"""`engage-sync show-plan` on a real API server, as a command; approved with the very words that it prints."""

import asyncio
import json
import os
import subprocess
from datetime import UTC, datetime

import pytest

from engage_sync.plans.cluster import ClusterPlans
from engage_sync.plans.life import Pending
from engage_sync.plans.owner import Owner
from reconcilers.plan import Plan
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane
from tests.e2e.harness import CLI
from tests.engine.samples import put, space
from tests.kube.sync_targets import connection, make_sync_target
from tests.unit.operator.kept_plans import annex_gone

pytestmark = pytest.mark.cluster


async def publish(plane: ControlPlane, owner: Owner, run_id: str, plan: Plan) -> None:
    """As the operator does it in a run that only plans."""
    async with connection(plane) as kube:
        plans = ClusterPlans(
            kube,
            owner,
            run_id,
            Pending(),
            apply=False,
            calls_left=lambda: 1000,
            now=lambda: datetime.now(UTC),
        )
        await plans.publish(plan)


def test_plans_are_shown_and_compared_as_commands(
    plane: ControlPlane, control_plane_assets: Assets, namespace: str
) -> None:
    metadata = make_sync_target(plane, namespace)["metadata"]
    owner = Owner(namespace, metadata["name"], metadata["uid"])
    old, new = annex_gone().plan, annex_gone(lambda rig: put(rig.source, space(103, "Skylab", 1))).plan
    for run_id, plan in (("0000000001", old), ("0000000002", new)):
        asyncio.run(publish(plane, owner, run_id, plan))
    names = [owner.plan(run_id) for run_id in ("0000000001", "0000000002")]
    env = plane.environment()

    def run(*arguments: str, config: str = env["KUBECONFIG"]) -> subprocess.CompletedProcess[str]:
        command = [*CLI, "show-plan", *arguments, "-n", namespace]
        return subprocess.run(command, capture_output=True, text=True, env=env | {"KUBECONFIG": config})

    shown = run(names[1])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"{new.summary}, 5 held   {new.digest}" in shown.stdout
    assert len(json.loads(run(names[1], "-o", "json").stdout)["steps"]) == len(new.steps) == 7
    assert run(names[0]).stdout.startswith(
        f"SyncPlan {namespace}/{names[0]} of SyncTarget {owner.name}: Superseded by"
    )

    compared = run(names[1], "--against", names[0])
    assert (compared.returncode, compared.stderr) == (0, "")
    assert compared.stdout.startswith(
        f"Only in {names[1]} (1 step, of which none destroys):\n+ Resource Skylab "
    )

    path = f"{control_plane_assets.kubectl.parent}{os.pathsep}{env['PATH']}"
    command = ["sh", "-c", shown.stdout.splitlines()[-1]]
    subprocess.run(command, env=env | {"PATH": path}, check=True, capture_output=True)
    again = run(names[1])
    assert ", approved by " in again.stdout.splitlines()[0]
    assert "kubectl patch" not in again.stdout

    plane.kubectl("create", "serviceaccount", "stranger", "-n", namespace)
    stranger = plane.service_account_kubeconfig(namespace, "stranger")
    for name, config, says in (
        (owner.name, env["KUBECONFIG"], "has no plan to show"),
        ("nothing", env["KUBECONFIG"], 'there is no SyncPlan and no SyncTarget "nothing"'),
        (names[1], str(stranger), "it takes the right to get syncplans"),
    ):
        refused = run(name, config=config)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("engage-sync: ")
        assert refused.stderr.count("\n") == 1
        assert says in refused.stderr
