"""The product on a stage of canaries, in a cluster or as a command, and all that anybody could see of it."""

import base64
import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from engage_sync import cli
from engage_sync.app import RunResult
from engage_sync.cluster_run import ClusterRunner
from engage_sync.sandbox import ManualClock, Sandbox
from engage_sync.sandbox.manifests import secrets as secret_manifests
from engage_sync.sandbox.manifests import sync_target
from engage_sync.trust import Trust
from tests.sandbox.canaries import Song, Stage, account, files_below, rendered, unpacked
from tests.sandbox.sandbox_helpers import instant
from tests.unit.operator.cluster import Cluster, FakeKube
from tests.unit.operator.plans_stage import FakePlansApi


def stage(shape: str = "plain", *songs: Song, token_life: float = 3600) -> Stage:
    """One room in Workplace, credentials of this shape, and servers that sing."""
    clock = ManualClock()
    box = Sandbox(clock=clock, sleep=clock.sleep, account=account(shape), token_life=token_life)
    building = box.seed.building("HQ", city="Kassel", center=box.seed.center())
    floor = box.seed.floor(building)
    box.seed.room(floor, box.seed.space_type("Lab"), "R1")
    return Stage(box, clock, list(songs))


class Kube:
    """A cluster in memory, Secrets and all; which namespaces were asked for one is known."""

    def __init__(self, secrets: dict[str, dict[str, str]]) -> None:
        self.targets, self.secrets = FakeKube(), secrets
        self.maps = FakePlansApi(lambda: datetime.now(UTC))
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        kept = any(each in name for each in ("config_map", "sync_plan"))
        return getattr(self.maps if kept else self.targets, name)

    async def get_secret(self, namespace: str, name: str) -> dict[str, str] | None:
        self.asked.add(namespace)
        return self.secrets.get(name)

    def shown(self) -> str:
        """Everything in it that is no Secret."""
        maps = [
            unpacked(base64.b64decode(value))
            for found in self.maps.objects.values()
            for value in found.get("binaryData", {}).values()
        ]
        return repr((self.targets.objects, self.targets.events, self.maps.objects, self.maps.plans, maps))


@contextlib.contextmanager
def listening(stage: Stage) -> Iterator[io.StringIO]:
    """All that is logged, by whomever and at any level, and printed meanwhile; time never waits."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    before = root.level, {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    with (
        instant(stage.transport, stage.clock),
        contextlib.redirect_stdout(heard),
        contextlib.redirect_stderr(heard),
    ):
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        for name in before[1]:
            logging.getLogger(name).setLevel(logging.DEBUG)
        try:
            yield heard
        finally:
            root.removeHandler(handler)
            root.setLevel(before[0])
            for name, level in before[1].items():
                logging.getLogger(name).setLevel(level)


def loopback_spec(stage: Stage, mode: str = "Apply") -> dict[str, Any]:
    """Whatever the host, the stage answers; loopback is what tests may name."""
    made: dict[str, Any] = json.loads(
        json.dumps(sync_target(stage.box.addresses, limits=False)["spec"]).replace(
            "sandbox.test", "127.0.0.1"
        )
    )
    return {**made, "mode": mode}


def secrets_of(stage: Stage) -> dict[str, dict[str, str]]:
    """The Secrets that the SyncTarget names."""
    return {
        each["metadata"]["name"]: dict(each["stringData"]) for each in secret_manifests(stage.box.account)
    }


async def run_in_cluster(stage: Stage, mode: str = "Apply", looks: int = 3) -> tuple[str, Cluster]:
    """The controller looks a few times; everything that anybody could see of it."""
    kube = Kube(secrets_of(stage))
    errors: list[str] = []

    class Runner(ClusterRunner):
        async def run(self, *arguments: Any) -> RunResult:
            result = await super().run(*arguments)
            errors.append(rendered(result.error) if result.error else "")
            errors.append(repr(result))
            return result

    cluster = Cluster(kube=kube)  # type: ignore[arg-type]
    cluster.controller.trust = trust = Trust(loopback=True)
    cluster.controller.runner = Runner(kube, trust)  # type: ignore[arg-type]
    with listening(stage) as heard:
        watched = cluster.apply(loopback_spec(stage, mode))
        for number in range(looks):
            stage.heard.clear()  # a server that speaks of another run's token is beyond us
            cluster.annotate(watched, requested_at=str(number))
            await cluster.look(watched)
    assert kube.asked == {"tenants"}  # Secrets come from its own namespace alone
    return "\n".join([heard.getvalue(), kube.shown(), *errors]), cluster


def run_cli(stage: Stage, command: str, output: str, folder: Path) -> str:
    """The command line as a person starts it; what it prints and keeps."""
    target = {**sync_target(stage.box.addresses, limits=False), "spec": loopback_spec(stage)}
    (folder / "target.yaml").write_text(yaml.safe_dump(target))
    secrets = folder / "given" / "secrets.yaml"
    secrets.parent.mkdir()
    secrets.write_text(yaml.safe_dump_all(secret_manifests(stage.box.account), allow_unicode=True))
    state = folder / "state"
    arguments = ["engage-sync", command, "-f", str(folder / "target.yaml"), "-f", str(secrets),
                 "--state", str(state), "-o", output]  # fmt: skip
    with listening(stage) as heard, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        with contextlib.suppress(SystemExit):
            cli.main()
    return heard.getvalue() + files_below(state)
