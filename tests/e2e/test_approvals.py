"""Plans that wait for a person, on the real API server: the operator, the sandbox and who may approve.

Under exactly the chart's roles, with its admission policies installed. One operator serves all tenants here.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chart_roles import AuditLog, Operator
from tests.condition_rules import assert_sound
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane
from tests.e2e.approvals import SYNCPLANS, Stage, World, forged, staged
from tests.e2e.harness import QUICK, SAMPLE, Tenant, operator, rooms_csv, sandbox
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

APPROVAL = Path(__file__).parents[2] / "docs" / "approval.md"


@pytest.fixture(scope="module")
def stage(
    plane: ControlPlane,
    audit: AuditLog,
    control_plane_assets: Assets,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """The operator that all tests of this module share."""
    folder = tmp_path_factory.mktemp("approvals")
    with staged(plane, audit, control_plane_assets.kubectl.parent, folder, tenants=12) as stage:
        yield stage


def test_a_corrected_city_waits_for_a_person(stage: Stage, tmp_path: Path) -> None:
    with stage.world(tmp_path, "--load", SAMPLE) as world:
        tenant, box = world.tenant, world.box
        tenant.apply(box.folder)
        tenant.wait_ready()
        first = tenant.status()["plan"]["name"]
        assert world.states() == {first: "Applied"}
        location = _location(world, "MUC1")

        world.change_building("MUC1", address={"city": "Augsburg"})
        world.change_building("HOU1", name="Bayou House")
        before = len(box.engage_writes())
        tenant.request("city")

        assert tenant.ready() == ("False", "ApprovalRequired")
        assert_sound(tenant.status(), generation=1)
        assert [_kind(*write) for write in world.writes(before)] == [
            ("POST", "regions"),
            ("PUT", "locations"),
        ]
        assert _location(world, "MUC1") == location
        plan = world.plan()
        name = plan["metadata"]["name"]
        assert world.states() == {first: "Applied", name: "ApprovalRequired"}
        assert plan["spec"]["held"] == tenant.status()["plan"]["held"] == 14
        row = plan["spec"]["destructive"][0]
        assert (row["kind"], row["floors"], row["resources"], row["bookings"]) == (
            "Location",
            3,
            9,
            "unknown",
        )

        # What people look at.
        digest = plan["spec"]["heldDigest"]
        heads, *rows = tenant.kubectl("get", "synp").splitlines()
        assert heads.split() == ["NAME", "TARGET", "PLAN", "HELD", "STATE", "BY", "AGE"]
        assert any(row.startswith(name) and "ApprovalRequired" in row for row in rows)
        text = world.show("acme")
        assert "± [held] Location Lindenhof (wp:building:3)" in text
        assert world.command() in text
        assert json.loads(world.show(name, "-o", "json"))["heldDigest"] == plan["spec"]["heldDigest"]
        against = world.show("acme", "--against", first)
        assert f"Only in {name} (16 steps, of which 13 destroy)" in against
        end = tenant.kubectl("describe", "synctarget", "acme").split("Events:")[0].splitlines()[-40:]
        assert any("Ready=False ApprovalRequired: 14 steps wait for approval" in line for line in end)
        assert any(name in line and "show-plan" in line for line in end), "after an hour there is no Event"

        documented = re.sub(
            r"acme-1f2e3d4c5b -n tenants|sha256:…",
            lambda found: digest if found[0][0] == "s" else f"{name} -n {tenant.namespace}",
            next(line for line in APPROVAL.read_text().splitlines() if line.startswith("kubectl patch")),
        )
        assert documented == world.command()

        assert world.approve() == name
        world.wait_state(name, "Applied")
        tenant.wait_ready()
        assert_sound(tenant.status(), generation=1)
        assert world.plan_condition(name, "Approved")[0] == "True"
        assert world.plan_condition(name, "Applied")[2] == "14 of the 14 approved steps are done"
        by = world.plans()[name]["spec"]["approval"]["by"]
        assert by.startswith("system:serviceaccount:")
        assert by.endswith(":ann")
        moved = _location(world, "MUC1")
        assert moved["InternalId"] != location["InternalId"]
        assert moved["LocationCity"] == "Augsburg"
        assert set(box.external_ids().values()) == {1}

        writes = len(box.engage_writes())
        tenant.request("nothing-left")
        assert tenant.ready() == ("True", "InSync")
        assert len(box.engage_writes()) == writes

        tenant.kubectl("delete", "synctarget", "acme", "--timeout=30s")
        wait_until("the collection of plans", lambda: not world.plans())
        wait_until("the collection of chunks", lambda: not world.config_maps())
    assert stage.audit.refused(stage.rights.user) == set()


def test_a_plan_that_waits_writes_nothing_more(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path) as world:
        tenant, audit = world.tenant, stage.audit
        world.change_building("K0", address={"city": "Fulda"})
        tenant.request("first")
        assert tenant.ready() == ("False", "ApprovalRequired")
        wait_until("its Event", lambda: "ApprovalRequired" in dict(world.events()))
        before = world.plans(), world.events(), world.config_maps()
        writes, done = len(world.writes()), len(audit.writes(stage.rights.user))
        for token in ("second", "third", "fourth"):
            tenant.request(token)
        plans, events, config_maps = before
        assert [each for each in world.events() if each not in events] == []
        assert (world.plans(), world.config_maps()) == (plans, config_maps)
        assert len(world.writes()) == writes
        assert audit.writes(stage.rights.user)[done:] == ["update synctargets.engage-sync.io/status"] * 3


def test_a_booking_made_after_the_approval_stops_it(stage: Stage, tmp_path: Path) -> None:
    with stage.world(tmp_path, "--load", SAMPLE) as world:
        tenant, box = world.tenant, world.box
        tenant.apply(box.folder)
        tenant.wait_ready()
        world.change_building("SPI1", address={"city": "Chicago"})
        tenant.request("city")
        command, approved = world.command(), world.plan()["metadata"]["name"]

        world.set(suspend=True)
        tenant.wait_ready("False", "Suspended")
        done = world.shell(command)
        assert done.returncode == 0, done.stderr
        key = next(room["id"] for room in world.rooms("SPI1") if "Meeting" in room["name"])
        (room,) = (each for each in box.engage()["rooms"] if each["ExternalId"] == f"wp:room:{key}")
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        times = {
            "startDateTime": f"{tomorrow:%Y-%m-%d} 09:00:00",
            "endDateTime": f"{tomorrow:%Y-%m-%d} 10:00:00",
        }
        box.admin("POST", "/engage/bookings", {"roomId": room["InternalId"], **times})
        before, spaces = len(world.writes()), box.engage()
        world.set(suspend=False)
        tenant.wait_ready("False", "ApprovalRequired")

        assert world.writes()[before:] == []
        assert box.engage() == spaces
        new = world.plan()["metadata"]["name"]
        assert new != approved
        assert world.states()[approved] == "Superseded"
        assert world.plan_condition(new, "Approved")[:2] == ("False", "BeyondApproval")
        said = world.plan_condition(new, "Approved")[2]
        assert f"beyond what SyncPlan {approved} was approved for" in said
        assert "bookings: 1, was 0 (1 more, 0 fewer)" in world.show(new, "--against", approved)
        assert "1 future bookings" in world.message()

        assert world.approve() == new
        world.wait_state(new, "Applied")
        tenant.wait_ready()
        assert _location(world, "SPI1")["LocationCity"] == "Chicago"
        assert set(box.external_ids().values()) == {1}


def test_a_budget_that_is_overrun_stops_everything(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path, buildings=3, rooms=10) as world:
        tenant, codes = world.tenant, ("K0", "K1", "K2")
        mapping, before = world.mapping(), len(world.writes())
        for code in codes:
            world.reserve(code, 2, reservable=False)
        world.change_building("K0", name="Renamed")
        tenant.request("a-filter-set-by-mistake")
        assert tenant.ready() == ("False", "Quarantined")
        assert_sound(tenant.status(), generation=1)
        assert "6 of 30 Resources (20 %) would be deleted or replaced" in world.message()
        assert "spec.deletion.budget allows (10 % and at most 100)" in world.message()
        first = world.plan()["metadata"]["name"]
        assert first in world.command()
        assert world.states()[first] == "Quarantined"

        for code in codes:
            world.reserve(code, 2, reservable=True)
        tenant.wait_ready()  # at its retry, nobody asks
        assert world.states()[first] == "Superseded"
        assert [_kind(*write) for write in world.writes(before)] == [("PUT", "locations")]
        for code in codes:
            world.reserve(code, 2, reservable=False)
        mapping, before = world.mapping(), len(world.writes())
        tenant.request("it-is-meant")
        assert tenant.ready() == ("False", "Quarantined")
        assert (world.writes(before), world.mapping()) == ([], mapping)
        name = world.approve()
        world.wait_state(name, "Applied")
        tenant.wait_ready()
        assert [method for method, _ in world.writes(before)] == ["DELETE"] * 6


def test_a_source_that_is_empty_once_deletes_nothing(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path) as world:
        tenant, box = world.tenant, world.box
        before = len(world.writes()), world.config_maps()
        box.admin("POST", "/faults", [{"system": "workplace", "path": "/buildings*", "what": "empty"}])
        tenant.request("empty")
        assert tenant.ready() == ("False", "Quarantined")
        assert tenant.condition("Stalled") == ("True", "Quarantined")
        assert tenant.condition("SourceHealthy") == ("False", "EmptySource")
        assert_sound(tenant.status(), generation=1)
        assert (len(world.writes()), world.config_maps()) == before
        box.admin("DELETE", "/faults")
        tenant.wait_ready()  # at its retry
        assert tenant.condition("SourceHealthy") == ("True", "Complete")
        assert (len(world.writes()), world.config_maps()) == before


def test_what_is_missing_is_deleted_only_after_its_grace(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path, deletion={"gracePeriod": "1h"}) as world:
        tenant, before = world.tenant, len(world.writes())
        world.reserve("K0", 1, reservable=False)
        tenant.request("gone")
        assert (tenant.ready(), world.writes(before), world.missing()) == (("True", "InSync"), [], 1)
        world.reserve("K0", 1, reservable=True)
        tenant.request("back")
        assert (tenant.ready(), world.writes(before), world.missing()) == (("True", "InSync"), [], 0)
        world.reserve("K0", 1, reservable=False)
        tenant.request("gone-again")
        assert (world.writes(before), world.missing()) == ([], 1)
        world.set(deletion={"gracePeriod": "0s"})
        tenant.wait_ready()
        assert [_kind(*write) for write in world.writes(before)] == [("DELETE", "desks")]
        assert world.missing() == 0


def test_a_killed_operator_finishes_what_was_approved(
    stage: Stage, tenant: Tenant, rights: Operator, tmp_path: Path
) -> None:
    data = rooms_csv(tmp_path / "rooms.csv", buildings=2, rooms=24)
    log = tmp_path / "operator.log"
    with sandbox(tmp_path, "--load", data, "--no-limits") as box:
        world = World(tenant, box, stage.approver, stage.tools)
        started = partial(operator, tenant.plane, tenant.namespace, log, kubeconfig=rights.kubeconfig)
        with started() as first:
            tenant.apply(box.folder)
            tenant.wait_ready()
            world.change_building("K0", address={"city": "Fulda"})
            tenant.request("city")
            box.admin("POST", "/faults", [{"system": "engage", "what": "delay", "delay": "100ms"}])
            before = len(world.writes())
            name = world.approve()
            wait_until("some writes", lambda: len(world.writes(before)) > 8)
            first.kill()
        assert world.states()[name] == "Applying"
        cut = len(world.writes(before))
        box.admin("DELETE", "/faults")
        tenant.kubectl("delete", "lease", "--all")  # what the dead leader holds runs out in half a minute
        with started():
            world.wait_state(name, "Applied")
            tenant.wait_ready()
            assert len(world.writes(before)) > cut
            assert _location(world, "K0")["LocationCity"] == "Fulda"
            assert set(box.external_ids().values()) == {1}
            desks = len(box.engage()["desks"])
            assert desks == 48

            before = len(world.writes())
            world.change_building("K0", address={"city": "Kassel"})
            tenant.request("back")
            assert tenant.ready() == ("False", "ApprovalRequired")
            assert world.writes(before) == []
        assert "Traceback" not in log.read_text()


def test_an_approval_is_spent_once(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path) as world:
        tenant = world.tenant
        world.set(approval={"required": "Always"})
        tenant.wait_ready()
        digests = []
        for number, name in enumerate(["Other", "House 0", "Other"]):
            world.change_building("K0", name=name)
            before = len(world.writes())
            tenant.request(f"rename-{number}")
            assert tenant.ready() == ("False", "ApprovalRequired")
            assert world.writes(before) == []
            digests.append(world.plan()["spec"]["heldDigest"])
            if number < 2:
                world.wait_state(world.approve(), "Applied")
                tenant.wait_ready()
                assert [_kind(*write) for write in world.writes(before)] == [("PUT", "locations")]
        assert digests[0] == digests[2]
        assert "approval" not in world.plan()["spec"]
        assert list(world.states().values()).count("ApprovalRequired") == 1


def test_who_must_not_approve_destroys_nothing(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path) as world:
        tenant = world.tenant
        world.change_building("K0", address={"city": "Fulda"})
        tenant.request("first")
        old, old_command = world.plan(), world.command()
        world.change_building("K1", address={"city": "Hanau"})
        tenant.request("second")
        new, command = world.plan(), world.command()
        name = new["metadata"]["name"]
        assert world.states()[old["metadata"]["name"]] == "Superseded"
        before = len(world.writes())

        def refused(command: str, kubeconfig: Path | None = None) -> str:
            done = world.shell(command, kubeconfig)
            assert done.returncode != 0, command
            return done.stderr

        assert f"look at {name}" in refused(old_command)
        wrong = command.replace(new["spec"]["heldDigest"], old["spec"]["heldDigest"])
        assert "must be the heldDigest of this plan" in refused(wrong)
        in_another_name = re.sub(r"\$\(kubectl auth whoami[^)]*\)", "somebody", command)
        assert in_another_name != command
        assert "ValidatingAdmissionPolicy" in refused(in_another_name)
        assert "ValidatingAdmissionPolicy" in refused(command, stage.editor)

        for who, may in ((world.approver, "yes"), (stage.editor, "no")):
            asked = f"kubectl auth can-i approve {SYNCPLANS} -n {tenant.namespace}"
            assert world.shell(asked, who).stdout.strip() == may

        # A plan that the operator never made, with the steps of one that it did.
        digest, by = new["spec"]["heldDigest"], f"system:serviceaccount:{stage.home}:eve"
        create = f"kubectl create -n {tenant.namespace} -f "
        body = tmp_path / "forged.json"
        spec = {"runID": "0123456789", "chunks": new["spec"]["chunks"]}
        body.write_text(
            json.dumps(forged(new, "acme-0123456789", **spec, approval={"digest": digest, "by": by}))
        )
        assert "ValidatingAdmissionPolicy" in refused(f"{create} {body}", stage.editor)
        body.write_text(json.dumps(forged(new, "acme-0123456789", **spec)))
        assert world.shell(f"{create} {body}", stage.editor).returncode == 0
        mark = (
            f"kubectl patch synp acme-0123456789 -n {tenant.namespace} --type merge --subresource status -p "
        )
        state = json.dumps({"status": {"state": "ApprovalRequired"}})
        assert "forbidden" in refused(f"{mark} '{state}'", stage.editor)
        tricked = world.shell(command.replace(name, "acme-0123456789"))  # the approver, taken in
        assert tricked.returncode == 0, tricked.stderr
        tenant.request("after-all-that")
        assert tenant.ready() == ("False", "ApprovalRequired")
        assert world.writes(before) == []
        assert world.states()[name] == "ApprovalRequired"
        assert "acme-0123456789" not in world.states(), "what nobody finished is removed"


def test_a_question_is_answered_once_and_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path) as world:
        tenant = world.tenant
        world.change_building("K0", address={"city": "Fulda"})
        before = len(world.writes()), world.config_maps(), world.plans()
        tenant.kubectl("annotate", "synctarget", "acme", "engage-sync.io/explain=wp:building:1")
        wait_until("an answer", lambda: "explain" in tenant.status(), tenant.explain)
        answer = tenant.status()["explain"]
        assert (answer["key"], answer["token"]) == ("wp:building:1", "wp:building:1")
        assert any("Fulda" in line for line in answer["lines"]), answer
        assert (len(world.writes()), world.config_maps(), world.plans()) == before
        wait_until("the Event", lambda: "Explained" in dict(world.events()))
        tenant.request("later")
        assert [reason for reason, _ in world.events()].count("Explained") == 1
        assert tenant.status()["explain"] == answer
        assert any("It waits for an approval" in line for line in answer["lines"])

        command = world.command()
        world.set(suspend=True)
        tenant.wait_ready("False", "Suspended")
        done = world.shell(command)
        assert done.returncode == 0, done.stderr
        before = len(world.writes()), world.config_maps(), world.plans()
        tenant.kubectl(
            "annotate", "--overwrite", "synctarget", "acme", "engage-sync.io/explain=wp:building:1 b"
        )
        wait_until("an answer", lambda: tenant.status()["explain"]["token"].endswith("b"), tenant.explain)
        assert any("A run that applies will" in line for line in tenant.status()["explain"]["lines"])
        assert (len(world.writes()), world.config_maps(), world.plans()) == before


def test_old_plans_go(stage: Stage, tmp_path: Path) -> None:
    with _small(stage, tmp_path) as world:
        tenant = world.tenant
        for number in range(6):
            world.change_building("K0", name=f"House {number} again")
            tenant.request(f"rename-{number}")
        for number, city in enumerate(["Fulda", "Hanau", "Gießen", "Marburg", "Wetzlar"]):
            world.change_building("K1", address={"city": city})
            tenant.request(f"city-{number}")
        assert Counter(world.states().values()) == {"Applied": 5, "Superseded": 3, "ApprovalRequired": 1}
        kept = {chunk for body in world.plans().values() for chunk in body["spec"]["chunks"]}
        assert world.config_maps().keys() - world.mapping().keys() == kept
    assert stage.audit.refused(stage.rights.user) == set()
    assert "Traceback" not in stage.process.log.read_text()


@contextmanager
def _small(stage: Stage, folder: Path, buildings: int = 2, rooms: int = 4, **spec: Any) -> Iterator[World]:
    """A world of a few desks, in step."""
    data = rooms_csv(folder / "rooms.csv", buildings=buildings, rooms=rooms)
    with stage.world(folder, "--load", data) as world:
        world.tenant.apply(world.box.folder, **QUICK, **spec)
        world.tenant.wait_ready()
        yield world


def _location(world: World, code: str) -> dict[str, Any]:
    """The location of a building, as Engage holds it."""
    key = f"wp:building:{world.building(code)['id']}"
    (found,) = (each for each in world.box.engage()["locations"] if each["ExternalId"] == key)
    return found


def _kind(method: str, path: str) -> tuple[str, str]:
    """A write without the number of what it writes."""
    return method, path.split("/")[1]
