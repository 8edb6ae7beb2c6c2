"""The initial synchronisation on a real API server: looked at, activated, watched, killed, out of calls."""

import json
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart_roles import AuditLog, Operator
from tests.condition_rules import assert_sound
from tests.e2e.harness import SandboxProcess, Tenant, operator, rooms_csv, sandbox
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

ROOMS = 500
CALLS = 380
"""Of the week: too few for all rooms, enough for more than one kill."""


def limits(per_week: int) -> dict[str, int]:
    return {"perMinute": 0, "perWeek": per_week}


def change(tenant: Tenant, **spec: Any) -> None:
    tenant.kubectl("patch", "synctarget", "acme", "--type=merge", "-p", json.dumps({"spec": spec}))


def message(status: dict[str, Any], kind: str) -> str:
    found: str = next(each["message"] for each in status["conditions"] if each["type"] == kind)
    return found


def calls(box: SandboxProcess, system: str = "engage") -> int:
    """Calls that the week counts: all but those for tokens."""
    counts: list[dict[str, Any]] = box.admin("GET", "/requests")["requests"]
    return sum(
        each["count"] for each in counts if each["system"] == system and "tokenprovider" not in each["path"]
    )


def test_from_the_plan_to_the_end_through_a_kill_and_a_used_up_week(
    tenant: Tenant, rights: Operator, audit: AuditLog, tmp_path: Path
) -> None:
    data = rooms_csv(tmp_path / "rooms.csv", buildings=5, rooms=ROOMS // 5)
    log = tmp_path / "operator.log"
    started = partial(operator, tenant.plane, tenant.namespace, log, kubeconfig=rights.kubeconfig)
    with sandbox(tmp_path, "--load", data, "--no-limits", "--latency", "250ms") as box:
        target = yaml.safe_load((tmp_path / "target.yaml").read_text())
        spec = {"target": {**target["spec"]["target"], "rateLimit": limits(CALLS)}}
        with started() as first:
            tenant.apply(box.folder, mode="Plan", **spec)
            tenant.wait_ready("True", "Planned")
            looked = tenant.status()
            plan = planned(tenant, looked["plan"]["name"])
            steps = plan.total()
            assert looked["plan"]["summary"] == f"+{plan['create']} =1"
            assert steps > ROOMS
            assert (box.engage_writes(), "progress" in looked) == ([], False)

            change(tenant, mode="Apply")
            wait_until("the progress", lambda: "progress" in tenant.status(), tenant.explain)
            seen = tenant.status()
            assert_sound(seen, generation=2)
            progress = seen["progress"]
            assert (progress["total"], progress["quotaLeft"]) == (steps, CALLS - seen["quota"]["used"])
            assert 0 < progress["done"] == sum(row["done"] for row in progress["kinds"]) < steps
            assert steps == sum(row["total"] for row in progress["kinds"])
            assert message(seen, "Reconciling").startswith(f"{progress['done']:,} of {steps:,} steps done (")
            assert "the week's calls to Engage are enough for about" in message(seen, "Reconciling")
            assert progress["estimatedFinish"][:10] > seen["quota"]["weekStart"][:10]
            first.kill()
        box.workplace("GET", "/countries")  # answered, and so counted, after all that came before it
        lost = calls(box) - tenant.status()["quota"]["used"]
        assert 0 <= lost <= 7 * 8 / 0.25  # what eight calls at once can do from one word on it to the next
        assert 0 < len(box.engage_writes()) < CALLS

        with started() as second:
            wait_until(
                "the end of the week's calls",
                lambda: tenant.condition("TargetHealthy") == ("False", "QuotaExhausted"),
                tenant.explain,
            )
            waiting = tenant.status()
            assert_sound(waiting, generation=2, before=seen)
            assert "progress" not in waiting
            assert waiting["quota"]["used"] == CALLS >= calls(box) - lost
            opens = datetime.fromisoformat(waiting["quota"]["weekStart"]) + timedelta(days=7)
            due = datetime.fromisoformat(waiting["nextSyncTime"])
            assert timedelta(0) <= due - opens <= timedelta(seconds=3)
            for kind in ("Ready", "TargetHealthy"):
                assert "the next can be made at " in message(waiting, kind)
                assert "then resumes where it was" in message(waiting, kind)
            assert second.terminate()[0] == 0

        before, looks = (calls(box), len(box.engage_writes())), audit.looks(rights.user)
        with started() as third:
            wait_until("its first look", lambda: audit.looks(rights.user) > looks)
            # What that look has read did not ask for a run: one that it began would be another than this.
            tenant.request("meanwhile")  # one try, refused here
            assert (calls(box), len(box.engage_writes())) == before
            asked = tenant.status()
            assert len(asked["history"]) == len(waiting["history"]) + 1
            assert asked["quota"] == waiting["quota"]
            again = datetime.fromisoformat(asked["nextSyncTime"])
            assert abs(again - opens) <= timedelta(seconds=3)

            change(tenant, target={"rateLimit": limits(10 * CALLS)})  # as the next week would
            tenant.wait_ready()
            assert third.process.poll() is None
        done = tenant.status()
        assert_sound(done, generation=3, before=asked)
        assert "progress" not in done
        assert set(box.created().values()) == set(box.external_ids().values()) == {1}
        assert len([key for key in box.external_ids() if key.startswith("wp:room:")]) == ROOMS
        assert sum(box.created().values()) == plan["create"]
        assert "Traceback" not in log.read_text()


def planned(tenant: Tenant, name: str) -> Counter[str]:
    """How many steps the SyncPlan holds of each action."""
    found = json.loads(tenant.kubectl("get", "syncplan", name, "-o", "json"))
    rows = [{**row, "kind": 0} for row in found["spec"]["counts"]]
    return sum(map(Counter, rows), Counter[str]())
