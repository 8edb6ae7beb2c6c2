"""The commands from outside: what they print where, and what they exit with."""

import asyncio
import base64
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from engage_sync import __version__, cli
from engage_sync.app import RunResult
from engage_sync.kube import Kube
from engage_sync.sandbox import Account, Addresses, Fault, Sandbox
from engage_sync.sandbox.load import load_csv
from engage_sync.sandbox.manifests import write_manifests
from engage_sync.sandbox.server import serving
from reconcilers.apply import Applied, Outcome, Status
from reconcilers.errors import TransientError
from reconcilers.model import KINDS, Key, Kind
from reconcilers.steps import Action
from tests.e2e.harness import CLI, SAMPLE
from tests.synctargets import CANARY, manifest
from tests.unit.operator.kept_plans import FakeCluster, annex_gone

CRDS = Path(__file__).parents[3] / "crds"
ACCOUNT = Account(
    workplace_password=f"{CANARY}-workplace",
    engage_client_id=f"{CANARY}-client",
    engage_password=f"{CANARY}-engage",
    subscription_keys={"HierarchyMapping": f"{CANARY}-hierarchy"},
)


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """What it said of its failure: one line on stderr, and nothing that should not be there."""
        assert self.err.startswith("engage-sync: "), self.err
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        assert CANARY not in self.err + self.out
        return self.err.removeprefix("engage-sync: ").strip()


Command = Callable[..., Ran]


@pytest.fixture
def engage_sync(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The console script in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["engage-sync", *map(str, arguments)])
        capsys.readouterr()
        code: Any = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Ran(int(code), captured.out, captured.err)

    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not wait between two tries."""
    for module in ("http", "engage"):
        monkeypatch.setattr(f"engage_sync.clients.{module}.backoff", lambda *_: 0.0)


@dataclass(frozen=True)
class Tenant:
    """A sandbox on a real port and the manifests that fit it."""

    sandbox: Sandbox
    folder: Path

    @property
    def files(self) -> tuple[object, ...]:
        return ("-f", self.folder / "target.yaml", "-f", self.folder / "secrets.yaml")

    def edit(self, name: str, change: Callable[[list[Any]], object]) -> None:
        path = self.folder / name
        documents = list(yaml.safe_load_all(path.read_text()))
        change(documents)
        path.write_text(yaml.safe_dump_all(documents))

    def engage_writes(self) -> list[tuple[str, str]]:
        return [(write.method, write.path) for write in self.sandbox.writes if write.system == "engage"]

    def external_ids(self) -> Counter[str]:
        kinds = self.sandbox.engage.data.tables.values()
        ids = (item.get("ExternalId") for items in kinds for item in items.values())
        return Counter(found for found in ids if found)


@contextmanager
def on_a_port(sandbox: Sandbox) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = serving(sandbox)

    async def enter() -> str:
        return await server.__aenter__()

    async def leave() -> None:
        await server.__aexit__(None, None, None)

    try:
        yield asyncio.run_coroutine_threadsafe(enter(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(leave(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def tenant_of(sandbox: Sandbox, folder: Path) -> Iterator[Tenant]:
    load_csv(sandbox.workplace.data, SAMPLE)
    with on_a_port(sandbox) as address:
        write_manifests(folder, sandbox.account, Addresses(address), limits=False)
        yield Tenant(sandbox, folder)


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_of(Sandbox(account=ACCOUNT), tmp_path / "tenant") as made:
        yield made


def rename_a_building(tenant: Tenant, name: str = "Bayou Tower II") -> None:
    tenant.sandbox.workplace.data.tables["buildings"][1]["name"] = name


# plan and sync


def test_plan_tells_changes_by_its_exit_code_and_changes_nothing(
    engage_sync: Command, tenant: Tenant
) -> None:
    first, second = engage_sync("plan", *tenant.files), engage_sync("plan", *tenant.files)

    assert (first.code, first.err) == (2, "")
    assert "+ Location Bayou Tower (wp:building:1)\n" in first.out
    assert first.out.endswith("\n")
    assert second.out == first.out
    assert tenant.engage_writes() == []


def test_sync_ends_in_step_and_then_both_find_nothing_to_do(engage_sync: Command, tenant: Tenant) -> None:
    first = engage_sync("sync", *tenant.files)
    writes = len(tenant.engage_writes())
    second, plan = engage_sync("sync", *tenant.files), engage_sync("plan", *tenant.files)

    assert (first.code, first.err, second.code, second.err) == (0, "", 0, "")
    assert (plan.code, plan.err) == (0, "")
    assert "Plan: in sync" in plan.out
    assert len(tenant.engage_writes()) == writes > 0


def test_sync_applies_even_in_mode_plan_and_one_rename_is_one_write(
    engage_sync: Command, tenant: Tenant
) -> None:
    tenant.edit("target.yaml", lambda documents: documents[0]["spec"].update(mode="Plan"))
    engage_sync("sync", *tenant.files)
    before = len(tenant.engage_writes())
    rename_a_building(tenant)
    changed = engage_sync("plan", *tenant.files)
    ran = engage_sync("sync", *tenant.files)

    assert changed.code == 2
    assert '    ResourceName: "Bayou Tower" → "Bayou Tower II"\n' in changed.out
    assert ran.code == 0
    assert [method for method, _ in tenant.engage_writes()[before:]] == ["PUT"]


def test_sync_of_which_a_part_fails_exits_3_and_says_what_failed(
    engage_sync: Command, tenant: Tenant
) -> None:
    tenant.sandbox.faults.add(Fault(system="engage", method="POST", path="/rooms", occurrences=1, what="400"))
    ran = engage_sync("sync", *tenant.files, "-o", "json")
    again = engage_sync("sync", *tenant.files)

    assert (ran.code, ran.err) == (3, "")
    (failure,) = json.loads(ran.out)["failures"]
    assert (failure["kind"], failure["action"], failure["reason"]) == ("Resource", "create", "Refused")
    assert failure["message"]
    assert again.code == 0
    assert max(tenant.external_ids().values()) == 1


def test_all_that_is_withheld_is_shown_and_is_a_difference(engage_sync: Command, tenant: Tenant) -> None:
    tenant.edit("target.yaml", lambda documents: documents[0]["spec"].update(managementPolicies=["Observe"]))
    ran = {form: engage_sync("plan", *tenant.files, "-o", form) for form in ("text", "json", "markdown")}
    synced = engage_sync("sync", *tenant.files)

    assert {form: each.code for form, each in ran.items()} == dict.fromkeys(ran, 2)
    assert "withheld" in ran["text"].out.splitlines()[-2]
    assert "withheld" in ran["markdown"].out
    assert len(json.loads(ran["json"].out)["withheld"]) == 51
    assert (synced.code, tenant.engage_writes()) == (0, [])


@pytest.mark.usefixtures("impatient")
def test_a_run_that_had_to_try_again_says_nothing_of_it_on_stderr(
    engage_sync: Command, tenant: Tenant
) -> None:
    tenant.sandbox.faults.add(Fault(system="workplace", path="/rooms", occurrences=1, what="503"))
    tenant.sandbox.faults.add(Fault(system="engage", method="POST", occurrences=4, what="commit-then-reset"))
    ran = engage_sync("sync", *tenant.files)

    assert (ran.code, ran.err) == (0, "")
    assert max(tenant.external_ids().values()) == 1


@pytest.mark.usefixtures("impatient")
def test_a_sync_that_is_ended_halfway_shows_what_it_did_and_exits_1(
    engage_sync: Command, tenant: Tenant
) -> None:
    tenant.sandbox.faults.add(
        Fault(system="engage", method="POST", path="/floors", occurrences="2+", what="503")
    )
    ran = engage_sync("sync", *tenant.files)

    assert ran.code == 1
    assert "+ Location Bayou Tower" in ran.out
    assert "Engage" in ran.sentence()


def test_the_json_is_the_contracts(engage_sync: Command, tenant: Tenant) -> None:
    engage_sync("sync", *tenant.files)
    rename_a_building(tenant)
    data = json.loads(engage_sync("plan", *tenant.files, "-o", "json").out)

    asked_for = ["digest", "summary", "steps", "skips", "failures", "requests"]
    assert [key for key in data if key in asked_for] == asked_for
    assert set(data) - set(asked_for) == {
        "heldDigest", "held", "quarantine", "withheld", "leftAlone", "gaps", "kinds"
    }  # fmt: skip
    assert (data["heldDigest"], data["held"], data["quarantine"]) == ("", 0, [])
    assert re.fullmatch("sha256:[0-9a-f]{64}", data["digest"])
    assert list(data["summary"]) == [kind.value for kind in KINDS]
    assert all(list(row) == [action.value for action in Action] for row in data["summary"].values())
    assert data["summary"]["Location"] == {
        "create": 0, "update": 1, "replace": 0, "adopt": 0, "rebind": 0, "delete": 0
    }  # fmt: skip
    assert data["steps"] == [
        {
            "action": "update",
            "kind": "Location",
            "key": "wp:building:1",
            "externalId": "wp:building:1",
            "name": "Bayou Tower II",
            "parent": "wp:city:US:houston",
            "changes": [{"field": "ResourceName", "from": "Bayou Tower", "to": "Bayou Tower II"}],
            "reason": "differs",
        }
    ]
    assert data["skips"] == [
        {"kind": "Floor", "reason": "Orphan", "count": 1},
        {"kind": "Resource", "reason": "Orphan", "count": 1},
    ]
    assert data["failures"] == []
    assert list(data["requests"]) == ["source", "target"]
    assert min(data["requests"].values()) > 0


def test_calls_are_counted_as_the_servers_count_them(engage_sync: Command, tenant: Tenant) -> None:
    asked = json.loads(engage_sync("sync", *tenant.files, "-o", "json").out)["requests"]
    counted: Counter[str] = Counter()
    for request, times in tenant.sandbox.journal.requests.items():
        counted[request.system] += times

    assert asked == {"source": counted["workplace"], "target": counted["engage"]}


def test_markdown_is_a_table_and_a_fold_with_the_steps(engage_sync: Command, tenant: Tenant) -> None:
    ran = engage_sync("plan", *tenant.files, "-o", "markdown")

    assert ran.code == 2
    assert ran.out.startswith("### engage-sync: +49 =2\n\n| Kind | create | update |")
    assert "| create | Location | Bayou Tower | `wp:building:1` |" in ran.out
    assert ran.out.count("<details>") == ran.out.count("</details>") == 1
    assert "1 Resource, Orphan" in ran.out


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_no_secret_is_printed_or_kept(
    engage_sync: Command, tenant: Tenant, tmp_path: Path, form: str
) -> None:
    ran = engage_sync("sync", *tenant.files, "-o", form, "--state", tmp_path / "state")

    assert ran.code == 0
    assert CANARY not in ran.out + ran.err
    assert (tmp_path / "state" / "mapping").exists()
    assert not any(CANARY.encode() in path.read_bytes() for path in (tmp_path / "state").iterdir())


def test_manifests_may_come_on_stdin_and_as_a_list(tenant: Tenant) -> None:
    documents = [
        each
        for name in ("target.yaml", "secrets.yaml")
        for each in yaml.safe_load_all((tenant.folder / name).read_text())
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    done = subprocess.run([*CLI, "plan", "-f", "-"], input=listed, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (2, "")


def test_a_closed_stdin_is_one_sentence(engage_sync: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)  # as Python has it after <&-
    ran = engage_sync("plan", "-f", "-")

    assert ran.code == 1
    assert ran.sentence() == "-: standard input is closed; pipe a manifest into it, or name a file"


def test_stdin_may_be_named_twice(
    engage_sync: Command, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tenant.folder / "both.yaml"
    both.write_text(
        "---\n".join((tenant.folder / name).read_text() for name in ("target.yaml", "secrets.yaml"))
    )
    with both.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ran = engage_sync("plan", "-f", "-", "-f", "-")

    assert (ran.code, ran.err) == (2, "")


def test_each_target_has_a_mapping_of_its_own_unless_told_otherwise(
    engage_sync: Command, tenant: Tenant, tmp_path: Path
) -> None:
    tenant.edit("target.yaml", lambda documents: documents[0]["metadata"].update(namespace="tenants"))
    engage_sync("sync", *tenant.files)
    engage_sync("plan", *tenant.files, "--state", tmp_path / "mine")

    state = Path(os.environ["XDG_STATE_HOME"]) / "engage-sync"
    assert [path.relative_to(state).as_posix() for path in state.rglob("mapping")] == ["tenants/acme/mapping"]
    assert not (tmp_path / "mine" / "mapping").exists()


# What waits for an approval

MONROE = "wp:building:2"


def demolish(tenant: Tenant, building: int = 2) -> None:
    """A building with all that is in it, out of Workplace."""
    tenant.sandbox.workplace.data.remove("buildings", building)


def the_command(ran: Ran) -> list[str]:
    """What the last line says to run, without the program's name."""
    program, *arguments = shlex.split(ran.out.splitlines()[-1])
    assert program == "engage-sync"
    return arguments


def test_what_is_held_waits_until_the_printed_command_is_run(engage_sync: Command, tenant: Tenant) -> None:
    engage_sync("sync", *tenant.files)
    demolish(tenant)
    rename_a_building(tenant)
    planned = engage_sync("plan", *tenant.files)
    before = len(tenant.engage_writes())
    held = engage_sync("sync", *tenant.files)
    writes = len(tenant.engage_writes()) - before
    approved = engage_sync(*the_command(held))
    again = engage_sync(*the_command(held))

    assert (planned.code, planned.err) == (2, "")
    assert the_command(planned)[:-1] == ["sync", *map(str, tenant.files), "--approve"]
    assert "- [held] Location Monroe House (wp:building:2)" in planned.out
    assert (held.code, held.err, writes) == (4, "", 1)
    assert (approved.code, approved.err) == (0, "")
    assert MONROE not in tenant.external_ids()
    assert again.code == 1
    assert "waits; run engage-sync plan first" in again.sentence()


def test_the_folder_that_was_named_is_in_the_command_too(
    engage_sync: Command, tenant: Tenant, tmp_path: Path
) -> None:
    state = tmp_path / "a state"
    engage_sync("sync", *tenant.files, "--state", state)
    demolish(tenant)
    planned = engage_sync("plan", *tenant.files, "--state", state)

    assert the_command(planned)[-4:-2] == ["--state", str(state)]
    assert engage_sync(*the_command(planned)).code == 0
    assert sorted(path.name for path in state.iterdir()) == ["lock", "mapping", "quota.json"]


def test_more_than_was_approved_exits_4_and_shows_the_difference(
    engage_sync: Command, tenant: Tenant
) -> None:
    engage_sync("sync", *tenant.files)
    demolish(tenant)
    planned = engage_sync("plan", *tenant.files)
    demolish(tenant, 3)
    before = len(tenant.engage_writes())
    ran = engage_sync(*the_command(planned), "-o", "json")
    new = json.loads(ran.out)

    assert (ran.code, ran.err) == (4, "")
    assert len(tenant.engage_writes()) == before
    assert "wp:building:3" in [step["key"] for step in new["beyond"]["added"]]
    assert MONROE not in [step["key"] for step in new["beyond"]["added"]]
    stale = engage_sync(*the_command(planned))
    assert stale.code == 1
    assert f"the one that waits now is {new['heldDigest']}" in stale.sentence()
    assert engage_sync("sync", *tenant.files, "--approve", new["heldDigest"]).code == 0


def test_the_difference_is_text_too(engage_sync: Command, tenant: Tenant) -> None:
    engage_sync("sync", *tenant.files)
    demolish(tenant)
    planned = engage_sync("plan", *tenant.files)
    demolish(tenant, 3)
    ran = engage_sync(*the_command(planned))

    assert "more than was approved: delete Location Lindenhof (wp:building:3) was not approved\n" in ran.out
    assert the_command(ran) != the_command(planned)


def test_a_quarantined_plan_exits_4_and_writes_nothing(engage_sync: Command, tenant: Tenant) -> None:
    def no_deletions(documents: list[Any]) -> None:
        documents[0]["spec"]["deletion"] = {"budget": {"count": 0}}

    tenant.edit("target.yaml", no_deletions)
    engage_sync("sync", *tenant.files)
    demolish(tenant)
    rename_a_building(tenant)
    before = len(tenant.engage_writes())
    planned, ran = engage_sync("plan", *tenant.files), engage_sync("sync", *tenant.files)

    assert (planned.code, ran.code, ran.err) == (2, 4, "")
    assert ran.out.startswith("! quarantined, nothing is written: ")
    assert "spec.deletion.budget" in ran.out.splitlines()[0]
    assert len(tenant.engage_writes()) == before
    assert engage_sync(*the_command(ran)).code == 0
    assert "Plan: in sync" in engage_sync("plan", *tenant.files).out


def test_an_empty_source_is_4_for_sync_and_1_for_plan(engage_sync: Command, tenant: Tenant) -> None:
    engage_sync("sync", *tenant.files)
    for building in list(tenant.sandbox.workplace.data.tables["buildings"]):
        demolish(tenant, building)
    before = len(tenant.engage_writes())
    planned, ran = engage_sync("plan", *tenant.files), engage_sync("sync", *tenant.files)

    assert (planned.code, ran.code) == (1, 4)
    assert "lists no building" in ran.sentence()
    assert ran.sentence() == planned.sentence()
    assert len(tenant.engage_writes()) == before


@pytest.mark.parametrize(
    ("digest", "says"),
    [
        ("sha256:12", "--approve: 'sha256:12' is no digest"),
        ("sha256:" + "0" * 64, "run engage-sync plan first"),
    ],
)
def test_a_digest_that_was_mistyped_costs_no_call(
    engage_sync: Command, tenant: Tenant, digest: str, says: str
) -> None:
    ran = engage_sync("sync", *tenant.files, "--approve", digest)

    assert ran.code == 1
    assert says in ran.sentence()
    assert sum(tenant.sandbox.journal.requests.values()) == 0


FAILED = Applied([Outcome(Kind.FLOOR, Key("wp:floor:1"), "A", Action.UPDATE, Status.FAILED, "Refused", "no")])
ENDED = Applied([], ended_by=TransientError("Engage does not answer"))


@pytest.mark.parametrize(
    ("held", "applied", "code"),
    [(False, Applied([]), 0), (False, FAILED, 3), (True, Applied([]), 4), (True, FAILED, 4), (True, ENDED, 1),
     (False, ENDED, 1)],
)  # fmt: skip
def test_what_needs_a_person_goes_before_what_passes(
    engage_sync: Command,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    held: bool,
    applied: Applied,
    code: int,
) -> None:
    report = replace(annex_gone(), applied=applied)
    if not held:
        report = replace(report, plan=replace(report.plan, held=()))
    asked: list[str | None] = []

    async def prepared(*_: object, approve: str | None, **__: object) -> RunResult:
        asked.append(approve)
        return RunResult(report=report, error=report.ended_by)

    monkeypatch.setattr(cli, "one_run", prepared)
    ran = engage_sync("sync", *tenant.files)

    assert (ran.code, asked) == (code, [None])
    assert ("[held]" in ran.out) == held


# Plans of the cluster


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The cluster that the commands find."""
    made = FakeCluster()

    class Connected:
        async def __aenter__(self) -> FakeCluster:
            return made

        async def __aexit__(self, *_: object) -> None:
            pass

    async def connect() -> Connected:
        return Connected()

    monkeypatch.setattr(Kube, "connect", connect)
    return made


def test_a_plan_of_the_cluster_is_printed_as_any_other(engage_sync: Command, cluster: FakeCluster) -> None:
    plan = annex_gone().plan
    cluster.add(plan, "1f2e3d4c5b")
    ran = {form: engage_sync("show-plan", "acme-1f2e3d4c5b", "-n", "tenants", "-o", form)
           for form in ("text", "json", "markdown")}  # fmt: skip

    assert [(each.code, each.err) for each in ran.values()] == [(0, "")] * 3
    assert ran["text"].out.startswith(
        "SyncPlan tenants/acme-1f2e3d4c5b of SyncTarget acme: ApprovalRequired\n"
    )
    assert ran["text"].out.splitlines()[-1].startswith("  kubectl patch syncplan acme-1f2e3d4c5b -n tenants ")
    assert len(json.loads(ran["json"].out)["steps"]) == len(plan.steps)
    assert "<details>" in ran["markdown"].out


def test_two_plans_are_compared(engage_sync: Command, cluster: FakeCluster) -> None:
    cluster.add(annex_gone().plan, "1f2e3d4c5b")
    cluster.add(annex_gone(lambda rig: rig.source.spaces.pop(102)).plan, "0000000000")
    command = ("show-plan", "acme-0000000000", "-n", "tenants", "--against", "acme-1f2e3d4c5b")
    ran, same = engage_sync(*command), engage_sync(*command[:-1], "acme-0000000000", "-o", "markdown")
    data = json.loads(engage_sync(*command, "-o", "json").out)

    assert (ran.code, same.code) == (0, 0)
    assert ran.out.startswith("Only in acme-0000000000 (1 step, of which 1 destroys):\n- Resource D-1 ")
    assert [step["key"] for step in data["added"]] == ["wp:room:102"]
    assert same.out.endswith("acme-0000000000 and acme-0000000000 hold the same steps\n")


def test_a_plan_that_is_not_there_is_one_sentence(
    engage_sync: Command, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "tenants")
    ran = engage_sync("show-plan", "acme")

    assert ran.code == 1
    assert 'no SyncTarget "acme" in namespace "tenants"' in ran.sentence()


def test_without_a_cluster_there_is_no_plan_to_show(
    engage_sync: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    ran = engage_sync("show-plan", "acme")

    assert ran.code == 1
    assert "no Kubernetes configuration" in ran.sentence()


# What can go wrong


def test_errors_of_files_are_one_sentence(engage_sync: Command, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    for text, says in (
        (f"a: [b\n c: '{CANARY}", "wrong.yaml, line 2: this is not YAML"),
        ("\x00\x01", "wrong.yaml: this is not YAML"),
        ("a: 2026-13-45", "wrong.yaml: this is not YAML"),
        ("[" * 5000, "wrong.yaml: this is not YAML"),
        ("just text", "every document must be a Kubernetes object"),
        ("", "the files hold 0 SyncTargets"),
        ("kind: ConfigMap", "neither a SyncTarget nor a Secret: kind is 'ConfigMap'"),
        (f"kind: Secret\nmetadata: {CANARY}", "metadata"),
        ("kind: SyncTarget\nmetadata: [a]", "metadata"),
        ("kind: SyncTarget\napiVersion: v1", "apiVersion is 'v1'; it must be engage-sync.io/v1alpha1"),
        (yaml.safe_dump({**manifest(), "metadata": {"name": "a.b"}}), "metadata.name"),
        (
            yaml.safe_dump({**manifest(), "metadata": {"name": "a", "namespace": "../b"}}),
            "metadata.namespace",
        ),
        (yaml.safe_dump(manifest({"tenant": "acme"})), "spec.source"),
    ):
        wrong.write_text(text)
        ran = engage_sync("plan", "-f", wrong)
        assert ran.code == 1, text[:60]
        assert says in ran.sentence()

    for path, says in ((tmp_path / "nowhere", "No such file"), (tmp_path, "Is a directory")):
        ran = engage_sync("sync", "-f", path)
        assert ran.code == 1
        assert f"{path}: cannot be read: {says}" in ran.sentence()


@pytest.mark.parametrize("name", ["/dev/zero", "-"])
def test_a_file_without_end_is_not_read_to_its_end(
    engage_sync: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with open("/dev/zero") as endless:
        monkeypatch.setattr("sys.stdin", endless)
        ran = engage_sync("plan", "-f", name)

    assert ran.code == 1
    assert f"{name}: is larger than 8 MiB" in ran.sentence()


def test_two_targets_are_one_too_many(engage_sync: Command, tenant: Tenant) -> None:
    ran = engage_sync("plan", *tenant.files, "-f", tenant.folder / "target.yaml")

    assert ran.code == 1
    assert "the files hold 2 SyncTargets" in ran.sentence()


def secret(documents: list[Any], name: str) -> Any:
    (found,) = (each["stringData"] for each in documents if each["metadata"]["name"] == name)
    return found


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("acme-workplace", lambda keys: keys.update(password=f"{CANARY}!"), "does not accept the username"),
        ("acme-engage", lambda keys: keys.update(password=f"{CANARY}!"), "does not accept the client id"),
        ("acme-keys", lambda keys: keys.update(HierarchyMapping=f"{CANARY}!"), "subscription key"),
        ("acme-engage", lambda keys: keys.pop("clientId"), 'Secret "acme-engage" has no key "clientId"'),
        ("acme-workplace", lambda keys: keys.update(password=""), 'has no key "password"'),
        ("acme-workplace", lambda keys: keys.update(password=f"{CANARY}\n"), "line break"),
        ("acme-workplace", lambda keys: keys.update(password=12345), "put it in quotes"),
    ],
)
def test_a_wrong_secret_is_one_sentence(
    engage_sync: Command, tenant: Tenant, name: str, change: Callable[[Any], object], says: str
) -> None:
    tenant.edit("secrets.yaml", lambda documents: change(secret(documents, name)))
    ran = engage_sync("sync", *tenant.files)

    assert ran.code == 1
    assert says in ran.sentence()
    assert tenant.engage_writes() == []


def test_a_missing_secret_says_which_and_what_to_put_into_it(engage_sync: Command, tenant: Tenant) -> None:
    ran = engage_sync("plan", *tenant.files[:2])

    assert ran.code == 1
    assert ran.sentence() == (
        'spec.source.credentialsSecretRef: there is no Secret "acme-workplace"; '
        "create it with the keys username and password"
    )


def test_bad_base64_names_the_secret_and_not_its_value(engage_sync: Command, tenant: Tenant) -> None:
    for value in (f"{CANARY}%%%", "é", base64.b64encode(b"\xff\xfe").decode(), 5, [CANARY]):

        def put(documents: list[Any], value: object = value) -> None:
            documents[0]["data"] = {"username": value}

        tenant.edit("secrets.yaml", put)
        ran = engage_sync("plan", *tenant.files)
        assert ran.code == 1
        assert "Secret acme-workplace" in ran.sentence()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("field", "system"), [("source/baseURL", "Workplace"), ("target/applicationURL", "Engage")]
)
def test_a_host_that_refuses_connections_is_one_sentence(
    engage_sync: Command, tenant: Tenant, field: str, system: str
) -> None:
    side, name = field.split("/")
    tenant.edit(
        "target.yaml", lambda documents: documents[0]["spec"][side].update({name: "http://127.0.0.1:1"})
    )
    ran = engage_sync("plan", *tenant.files)

    assert ran.code == 1
    assert ran.sentence().startswith(f"{system} could not be reached")


def test_a_state_directory_that_cannot_be_used_is_one_sentence(
    engage_sync: Command, tenant: Tenant, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/engage-sync")):
        ran = engage_sync("sync", *tenant.files, "--state", path)
        assert ran.code == 1
        assert ran.sentence().startswith(f"state directory {path} cannot be used")
    assert tenant.engage_writes() == []


def test_a_state_directory_in_use_is_one_sentence(
    engage_sync: Command, tenant: Tenant, tmp_path: Path
) -> None:
    from fcntl import LOCK_EX, flock

    with (tmp_path / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        ran = engage_sync("sync", *tenant.files, "--state", tmp_path)

    assert ran.code == 1
    assert "in use by another engage-sync process" in ran.sentence()


def test_without_a_home_it_asks_for_a_state_directory(
    engage_sync: Command, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    ran = engage_sync("plan", *tenant.files)

    assert ran.code == 1
    assert "--state" in ran.sentence()


def test_a_bug_of_ours_is_a_sentence_too(
    engage_sync: Command, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(cli, "one_run", broken)
    ran = engage_sync("plan", *tenant.files)

    assert ran.code == 1
    assert re.search(r"please report it: ZeroDivisionError in test_cli\.py, line \d+", ran.sentence())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plan"], "Missing option '-f' / '--file'"),
        (["plan", "-f", "x", "-o", "yaml"], "'yaml' is not one of"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["sync", "--stat"], "No such option '--stat'"),
        (["show-plan"], "Missing argument 'NAME'"),
        (["show-plan", "x", "-o", "yaml"], "'yaml' is not one of"),
        (["run", "-n", "x", "--all-namespaces"], "--namespace and --all-namespaces exclude each other"),
        (["run", "--max-concurrent-syncs", "0"], "0 is not in the range"),
        (["run", "--health-port", "99999"], "99999 is not in the range"),
        (["sandbox", "--load", "nowhere.csv"], "nowhere.csv cannot be read"),
    ],
)
def test_a_wrong_command_line_never_looks_like_changes(
    engage_sync: Command, arguments: list[str], says: str
) -> None:
    ran = engage_sync(*arguments)

    assert (ran.code, ran.out) == (1, "")
    assert says in ran.sentence()


# The terminal, pipes and signals


def test_progress_is_not_shown_where_only_colours_are_forced(
    engage_sync: Command, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert engage_sync("plan", *tenant.files).err == ""


def test_progress_is_shown_on_a_terminal_and_the_plan_still_goes_to_stdout(tenant: Tenant) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [*CLI, "sync", *map(str, tenant.files)], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)

    assert done.returncode == 0
    assert b"Reading" in shown or b"Starting" in shown
    assert b"Plan: +49" in done.stdout
    assert b"\x1b" not in done.stdout


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def test_any_locale_and_any_name_can_be_printed(tenant: Tenant) -> None:
    rename_a_building(tenant, "\x1b]0;owned\x07 Köln")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*CLI, "plan", *map(str, tenant.files)], capture_output=True, env=environment)

    assert (done.returncode, done.stderr) == (2, b"")
    assert "\\x1b]0;owned\\x07 Köln".encode("latin-1") in done.stdout
    assert rb'none \u2192 "wp:type:1"' in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error(tenant: Tenant) -> None:
    command = [*CLI, "plan", *map(str, tenant.files)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=30)

    assert errors == ""


def test_ctrl_c_ends_a_sync_soon_and_the_next_one_finishes_it(engage_sync: Command, tmp_path: Path) -> None:
    halfway = threading.Event()

    async def slow(seconds: float) -> None:
        if len(sandbox.writes) > 20:
            halfway.set()
        await asyncio.sleep(seconds)

    sandbox = Sandbox(account=ACCOUNT, latency=0.05, sleep=slow)
    with tenant_of(sandbox, tmp_path) as tenant:
        command = [*CLI, "sync", *map(str, tenant.files)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert halfway.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
        at_the_end = len(tenant.engage_writes())
        sandbox.latency = 0.0
        plan = engage_sync("plan", *tenant.files)
        again = engage_sync("sync", *tenant.files)

    # A line break first: the terminal's own ^C stands there.
    assert Ran(process.returncode, out, err.lstrip("\n")).sentence().startswith("interrupted")
    assert process.returncode == 130
    assert 20 < at_the_end < 51
    assert (plan.code, again.code) == (2, 0)
    assert max(tenant.external_ids().values()) == 1
    assert len(tenant.external_ids()) == 51


# The rest of the commands


def test_every_command_has_help_with_an_example(engage_sync: Command) -> None:
    assert isinstance(cli.cli, click.Group)
    for name in ("", *cli.cli.commands):
        ran = engage_sync(*filter(None, [name]), "--help")
        assert (ran.code, ran.err) == (0, ""), name
        assert f"engage-sync {name}".strip() in ran.out.partition("Example")[2], name


def test_the_version_is_the_packages(engage_sync: Command) -> None:
    assert __version__ in engage_sync("--version").out


def test_the_crds_are_printed_byte_for_byte() -> None:
    done = subprocess.run([*CLI, "crd"], capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    both = [(CRDS / f"{plural}.engage-sync.io.yaml").read_bytes() for plural in ("synctargets", "syncplans")]
    assert done.stdout == b"---\n".join(both)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(
    engage_sync: Command, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    if shell == "bash":  # click asks bash for its version
        monkeypatch.setattr("click.shell_completion.BashComplete._check_version", lambda *_: None)
    monkeypatch.setenv("_ENGAGE_SYNC_COMPLETE", f"{shell}_source")
    ran = engage_sync()

    assert (ran.code, ran.err) == (0, "")
    assert "_ENGAGE_SYNC_COMPLETE" in ran.out


@pytest.mark.parametrize(
    ("server", "says"),
    [("", "no Kubernetes configuration"), ("http://127.0.0.1:1", "the Kubernetes API did not answer")],
)
def test_the_operator_without_a_cluster_is_one_sentence(tmp_path: Path, server: str, says: str) -> None:
    config = tmp_path / "config"
    if server:
        config.write_text(kubeconfig(server))
    environment = {**os.environ, "KUBECONFIG": str(config)}
    done = subprocess.run([*CLI, "run"], capture_output=True, text=True, env=environment, timeout=30)
    ran = Ran(done.returncode, done.stdout, done.stderr)

    assert (ran.code, ran.out) == (1, "")
    assert says in ran.sentence()
    assert ran.sentence().count("the Kubernetes API did not answer") <= 1


def kubeconfig(server: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": {"token": CANARY}}],
        }
    )


def test_the_weeks_calls_are_counted_from_one_command_to_the_next(
    tenant: Tenant, engage_sync: Command, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    used = []
    for _ in range(2):
        engage_sync("plan", *tenant.files, "--state", state)
        used.append(json.loads((state / "quota.json").read_text())["used"])

    assert used[1] == used[0] * 2 > 0
