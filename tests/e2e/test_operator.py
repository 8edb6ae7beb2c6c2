"""The operator as a process, under exactly the chart's rights, on a real API server, against the sandbox."""

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.chart_roles import AuditLog, Operator
from tests.condition_rules import assert_sound
from tests.e2e.harness import (
    QUICK,
    SAMPLE,
    Tenant,
    operator,
    rooms_csv,
    sandbox,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_the_main_job(tenant: Tenant, rights: Operator, audit: AuditLog, tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(
        tenant.plane, tenant.namespace, log, kubeconfig=rights.kubeconfig
    ):  # fmt: skip
        tenant.apply(box.folder)
        tenant.wait_ready()
        assert_sound(tenant.status(), generation=1)
        for row in tenant.status()["kinds"]:
            assert row["inScope"] == row["target"] == row["mapped"], row
        assert set(box.external_ids().values()) == {1}

        described = tenant.kubectl("describe", "synctarget", "acme").splitlines()[-40:]
        assert any("Ready=True InSync" in line for line in described)

        writes, kubernetes_writes = len(box.engage_writes()), len(audit.writes(rights.user))
        tenant.request("nothing-changed")
        assert len(box.engage_writes()) == writes
        assert (
            audit.writes(rights.user)[kubernetes_writes:] == ["update synctargets.engage-sync.io/status"] * 2
        )

        building = box.workplace("GET", "/buildings")[0]
        box.workplace("PUT", f"/buildings/{building['id']}", {"id": building["id"], "name": "Renamed"})
        tenant.request("one-rename")
        (write,) = box.engage_writes()[writes:]
        assert (write["method"], write["body"]) == ("PUT", {"ResourceName": "Renamed"})

        gone = box.workplace("GET", f"/rooms?buildingId={building['id']}")[0]
        box.workplace("DELETE", f"/rooms/{gone['id']}")
        tenant.request("one-deletion")
        (write,) = box.engage_writes()[writes + 1 :]
        assert write["method"] == "DELETE"

        held = box.engage()
        tenant.kubectl("delete", "synctarget", "acme", "--timeout=30s")
        wait_until("the mapping's collection", lambda: "engage-sync-acme" not in tenant.kubectl("get", "cm"))
        assert box.engage() == held
    assert audit.refused(rights.user) == set()
    # Nothing waits here and no plan is old; tests/packaging/test_chart.py proves that both rights are used.
    superfluous = rights.granted - audit.used(rights.user)
    assert superfluous <= {"get syncplans.engage-sync.io", "delete syncplans.engage-sync.io"}
    assert "password" not in log.read_text()


def test_a_killed_operator_goes_on_where_it_was(tenant: Tenant, tmp_path: Path) -> None:
    data = rooms_csv(tmp_path / "rooms.csv", buildings=6, rooms=60)
    log = tmp_path / "operator.log"
    with sandbox(tmp_path, "--load", data, "--no-limits", "--latency", "20ms") as box:
        with operator(tenant.plane, tenant.namespace, log) as first:
            tenant.apply(box.folder)
            wait_until("a third of the writes", lambda: len(box.engage_writes()) > 120)
            first.kill()
        assert len(box.engage_writes()) < 380
        with operator(tenant.plane, tenant.namespace, log):
            tenant.wait_ready()
        assert set(box.external_ids().values()) == {1}
        assert set(box.created().values()) == {1}
        assert len([key for key in box.external_ids() if key.startswith("wp:room:")]) == 360


def test_sigterm_ends_a_run_cleanly_and_the_next_one_finishes_it(tenant: Tenant, tmp_path: Path) -> None:
    data = rooms_csv(tmp_path / "rooms.csv", buildings=6, rooms=60)
    log = tmp_path / "operator.log"
    with sandbox(tmp_path, "--load", data, "--no-limits", "--latency", "30ms") as box:
        with operator(tenant.plane, tenant.namespace, log) as first:
            tenant.apply(box.folder)
            wait_until("the first writes", lambda: len(box.engage_writes()) > 60)
            code, seconds = first.terminate()
        assert (code, seconds < 15) == (0, True)
        written = len(box.engage_writes())
        assert written < 380
        with operator(tenant.plane, tenant.namespace, log):
            tenant.wait_ready()
        assert set(box.created().values()) == {1}
        assert "Traceback" not in log.read_text()


def test_a_restart_runs_nothing_that_is_not_due(
    tenant: Tenant, rights: Operator, audit: AuditLog, tmp_path: Path
) -> None:
    started = partial(operator, tenant.plane, tenant.namespace, kubeconfig=rights.kubeconfig)
    with sandbox(tmp_path, "--load", SAMPLE) as box:
        with started(tmp_path / "first.log"):
            tenant.apply(box.folder)
            tenant.wait_ready()
        ended, looks = len(tenant.status()["history"]), audit.looks(rights.user)
        with started(tmp_path / "second.log"):
            wait_until("its first look", lambda: audit.looks(rights.user) > looks)
            # What that look has read did not ask for a run: one that it began would be another than this.
            tenant.request("asked")
        assert len(tenant.status()["history"]) == ended + 1
        assert tenant.status()["lastRun"]["trigger"] == "Requested"


def test_a_standby_takes_over_from_a_killed_leader(tenant: Tenant, tmp_path: Path) -> None:
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(
        tenant.plane, tenant.namespace, tmp_path / "a.log"
    ) as leader:  # fmt: skip
        wait_until("the leader", leader.leads)
        with operator(tenant.plane, tenant.namespace, tmp_path / "b.log") as standby:
            tenant.apply(box.folder)
            tenant.wait_ready()
            assert not standby.leads()
            leader.kill()
            began = time.monotonic()
            wait_until("the standby", standby.leads)
            assert time.monotonic() - began < 30
            tenant.request("after-take-over")
            assert tenant.ready() == ("True", "InSync")


def test_what_a_person_must_mend_is_said_and_recovers(tenant: Tenant, tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(tenant.plane, tenant.namespace, log):
        tenant.apply(box.folder, mode="Plan", **QUICK)
        tenant.wait_ready("True", "Planned")
        assert box.engage_writes() == []

        tenant.kubectl("delete", "secret", "acme-keys")
        tenant.request("without-keys")
        assert tenant.ready() == ("False", "SecretMissing")
        assert "acme-keys" in tenant.status()["summary"][0]

        tenant.kubectl("apply", "-f", str(box.folder / "secrets.yaml"))
        tenant.wait_ready("True", "Planned")

        wrong = json.dumps({"stringData": {"password": "canary-hunter2"}})
        tenant.kubectl("patch", "secret", "acme-engage", "-p", wrong)
        tenant.request("wrong-password")
        assert tenant.ready() == ("False", "CredentialsRejected")
        assert tenant.condition("TargetHealthy") == ("False", "CredentialsRejected")

        tenant.kubectl(
            "patch", "synctarget", "acme", "--type=merge", "-p", '{"spec":{"defaults":{"timeZone":"Mars"}}}'
        )
        tenant.wait_ready("False", "InvalidSpec")
        assert "canary" not in log.read_text() + json.dumps(tenant.body())
        assert "Traceback" not in log.read_text()


def test_a_broken_listing_deletes_nothing_and_the_next_run_recovers(tenant: Tenant, tmp_path: Path) -> None:
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(
        tenant.plane, tenant.namespace, tmp_path / "operator.log"
    ):  # fmt: skip
        tenant.apply(box.folder, **QUICK)
        tenant.wait_ready()
        writes = len(box.engage_writes())
        for number, what in enumerate(["html", "short", "truncated", "empty"]):
            box.admin(
                "POST", "/faults", [{"system": "workplace", "method": "GET", "path": "/rooms", "what": what}]
            )
            tenant.request(f"broken-{number}")
            assert tenant.condition("SourceHealthy") == ("False", "Incomplete"), what
            assert len(box.engage_writes()) == writes, what
            box.admin("DELETE", "/faults")
        tenant.wait_ready()
        assert tenant.condition("SourceHealthy") == ("True", "Complete")
        assert len(box.engage_writes()) == writes


def test_two_targets_of_one_engage(tenant: Tenant, tmp_path: Path) -> None:
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(
        tenant.plane, tenant.namespace, tmp_path / "operator.log"
    ):  # fmt: skip
        tenant.apply(box.folder)
        tenant.wait_ready()
        made = datetime.fromisoformat(tenant.body()["metadata"]["creationTimestamp"])
        wait_until("the next second, as creation times are whole ones",
                   lambda: datetime.now(UTC) >= made + timedelta(seconds=1))  # fmt: skip
        second = Tenant(tenant.plane, tenant.namespace, name="again")
        second.apply(box.folder)
        second.wait_ready("False", "TargetInUse")
        tenant.kubectl("delete", "synctarget", "acme", "--timeout=30s")
        second.wait_ready()
        assert set(box.external_ids().values()) == {1}


def test_a_mapping_deleted_by_hand_is_rebuilt_without_a_write(tenant: Tenant, tmp_path: Path) -> None:
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(
        tenant.plane, tenant.namespace, tmp_path / "operator.log"
    ):  # fmt: skip
        tenant.apply(box.folder)
        tenant.wait_ready()
        writes, mapping = len(box.engage_writes()), tenant.status()["mapping"]["entries"]
        tenant.kubectl("delete", "configmaps", "-l", "engage-sync.io/synctarget=acme")
        tenant.request("rebuild")
        assert len(box.engage_writes()) == writes
        assert tenant.status()["mapping"]["entries"] == mapping


def test_a_target_that_points_at_the_api_server_is_refused(tenant: Tenant, tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    with sandbox(tmp_path, "--load", SAMPLE) as box, operator(
        tenant.plane, tenant.namespace, log, options=("--allow-host", "10.0.0.1")
    ):  # fmt: skip
        secret = {"credentialsSecretRef": {"name": "acme-workplace"}}
        for url, said in (
            ("https://kubernetes.default.svc", "sends no credentials to that host"),
            ("https://10.0.0.1", "leads to a loopback, link-local, private or cluster address"),
        ):
            tenant.apply(box.folder, source={"baseURL": url, **secret}, **QUICK)
            wait_until(url, partial(_says, tenant, said), tenant.explain)
            assert tenant.ready() == ("False", "InvalidSpec")
        assert box.engage_writes() == []


def _says(tenant: Tenant, said: str) -> bool:
    return said in tenant.explain()
