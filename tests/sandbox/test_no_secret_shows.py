"""Canaries in every place where a secret can be, servers that repeat them, and nothing that shows one."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync import cli
from engage_sync.app import RunResult
from engage_sync.clients.answers import clean_message
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import Secret
from engage_sync.clients.timing import Timing
from engage_sync.cluster_run import ClusterRunner
from engage_sync.sandbox import Fault, ManualClock, Sandbox
from engage_sync.sandbox.faults import KINDS
from engage_sync.sandbox.manifests import secrets as secret_manifests
from engage_sync.sandbox.manifests import sync_target
from engage_sync.trust import Trust
from tests.sandbox.canaries import (
    DRESSES,
    SHAPES,
    VOICES,
    WRONG_SHAPES,
    Song,
    Stage,
    account,
    canary,
    files_below,
    found,
    rendered,
    unpacked,
)
from tests.synctargets import spec
from tests.unit.operator.cluster import Cluster, FakeKube
from tests.unit.operator.plans_stage import FakePlansApi

STATUSES = [200, 201, 204, 301, 307, 400, 401, 403, 404, 409, 422, 429, 500, 503, 504]
EXAMPLES = settings().max_examples
songs = st.builds(
    Song,
    status=st.sampled_from(STATUSES),
    dress=st.sampled_from(sorted(DRESSES)),
    voice=st.sampled_from(sorted(VOICES)),
    every=st.sampled_from([1, 1, 2, 5]),
    first=st.integers(1, 30),
    system=st.sampled_from(["", "workplace", "engage", "engage/tokenproviderapi"]),
)
faults = st.builds(
    Fault,
    what=st.sampled_from([*KINDS, "401", "403", "404", "409", "429", "500"]),
    system=st.sampled_from([None, "workplace", "engage"]),
    method=st.sampled_from([None, "GET", "POST", "PUT"]),
    occurrences=st.sampled_from(["all", "every 3", "2-4", "5+"]),
)


def stage(shape: str = "plain", *songs: Song, token_life: float = 3600) -> Stage:
    clock = ManualClock()
    box = Sandbox(clock=clock, sleep=clock.sleep, account=account(shape), token_life=token_life)
    building = box.seed.building("HQ", city="Kassel", center=box.seed.center())
    floor = box.seed.floor(building)
    box.seed.room(floor, box.seed.space_type("Lab"), "R1")
    return Stage(box, list(songs))


class Kube:
    """A cluster in memory: SyncTargets, Events, ConfigMaps, and Secrets in two namespaces."""

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
    root, clock = logging.getLogger(), stage.box._sleep.__self__  # type: ignore[attr-defined]
    before = root.level, {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(heard),
        contextlib.redirect_stderr(heard),
    ):
        patch.setattr("engage_sync.app.network_transport", lambda trust: stage.transport())
        timing = Timing(clock, clock, clock.sleep, lambda: 0.5)
        for module in ("http", "engage_session"):
            patch.setattr(f"engage_sync.clients.{module}.Timing", lambda: timing)
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


@pytest.mark.parametrize("shape", sorted(SHAPES))
async def test_a_run_that_goes_well_shows_nothing(shape: str) -> None:
    shown, cluster = await run_in_cluster(stage(shape))
    assert cluster.ready() == ("True", "InSync"), shown
    assert found(shown) == []


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
@pytest.mark.parametrize("command", ["plan", "sync"])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_nor_does_a_person_who_runs_one(shape: str, command: str, output: str, tmp_path: Path) -> None:
    shown = run_cli(stage(shape), command, output, tmp_path)
    assert "sha256:" in shown
    assert found(shown) == []


@pytest.mark.parametrize("shape", sorted(WRONG_SHAPES))
async def test_credentials_that_no_header_can_hold_are_refused_unseen(shape: str) -> None:
    shown, cluster = await run_in_cluster(stage(shape))
    assert cluster.ready() == ("False", "InvalidSpec")
    assert found(shown) == []


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("dress", sorted(DRESSES))
@pytest.mark.parametrize("system", ["workplace", "engage", "engage/tokenproviderapi"])
async def test_a_server_that_repeats_all_it_was_told(system: str, dress: str, status: int) -> None:
    here = stage("plain", Song(status, dress, system=system))
    shown, _ = await run_in_cluster(here, looks=1)
    assert here.heard
    assert found(shown) == []


@pytest.mark.parametrize(
    ("system", "place"),
    [("workplace", "password"), ("workplace", "secret"), ("engage", "hierarchy"), ("engage", "token")],
)
async def test_a_secret_among_good_data_is_not_taken_for_a_name(system: str, place: str) -> None:
    here = stage()
    given = f"{canary(place)}-1" if place == "token" else canary(place)
    if system == "workplace":
        here.box.seed.building(f"We got {given}", city="Bonn", center=here.box.seed.center())
    else:
        here.box.seed.engage("countries", ResourceName=given, CountryCode="FR")
    shown, cluster = await run_in_cluster(here, looks=1)
    assert cluster.ready() == ("False", "Failed")
    assert "our own credentials among its data" in shown
    assert found(shown) == []


@pytest.mark.parametrize("voice", sorted(VOICES))
@pytest.mark.parametrize("dress", ["message", "data"])
async def test_in_whatever_voice(dress: str, voice: str) -> None:
    here = stage("plain", Song(400, dress, voice, system="engage/Acme", first=2))
    shown, cluster = await run_in_cluster(here, looks=1)
    assert cluster.ready()[0] == "False"
    assert found(shown) == []


@pytest.mark.parametrize("voice", sorted(VOICES))
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_message_in_whatever_voice_of_whatever_shape(shape: str, voice: str) -> None:
    secret = SHAPES[shape](canary("password"))
    hidden = Hidden()
    hidden.add(Secret("another"), Secret(secret))
    for text in (secret, f"the password {secret} is wrong", f"{secret}{secret} {secret}"):
        shown = clean_message(VOICES[voice](text), hidden)
        assert found(shown) == [], shown


@settings(max_examples=EXAMPLES // 2)
@given(
    st.sampled_from(sorted(SHAPES)), st.lists(songs, max_size=3), st.lists(faults, max_size=3), st.booleans()
)
def test_no_failing_path_shows_one(
    shape: str, songs: list[Song], faults: list[Fault], planning: bool
) -> None:
    here = stage(shape, *songs, token_life=50)
    here.box.faults.add(*faults)
    shown, _ = asyncio.run(run_in_cluster(here, "Plan" if planning else "Apply"))
    assert found(shown) == []


@settings(max_examples=EXAMPLES // 2)
@given(
    st.sampled_from([*sorted(SHAPES), *sorted(WRONG_SHAPES)]),
    st.lists(songs, max_size=2),
    st.lists(faults, max_size=2),
    st.sampled_from(["plan", "sync"]),
    st.sampled_from(["text", "json", "markdown"]),
)
def test_nor_does_the_command_line(
    shape: str, songs: list[Song], faults: list[Fault], command: str, output: str
) -> None:
    here = stage(shape, *songs, token_life=50)
    here.box.faults.add(*faults)
    with tempfile.TemporaryDirectory() as folder:
        shown = run_cli(here, command, output, Path(folder))
    assert found(shown) == []
    assert "Traceback" not in shown


def test_an_error_of_ours_is_one_sentence_without_its_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(**_: object) -> None:
        raise RuntimeError(canary("password"))

    monkeypatch.setattr(cli.cli, "main", bug)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.FAILED
    said = capsys.readouterr().err
    assert said.startswith("engage-sync: this should not happen, please report it: RuntimeError in ")
    assert found(said) == []


@pytest.mark.parametrize("field", ["source__baseURL", "target__applicationURL", "target__apiURL"])
@pytest.mark.parametrize(
    "url",
    ["https://user:{}@acme.eptura.com", "https://{}@acme.eptura.com", "https://acme.eptura.com/?key={}",
     "https://acme.eptura.com/#{}", "https://{}.evil.example", "https://evil.example/{}", "{}", "https://u:{}@10.0.0.1"],
)  # fmt: skip
async def test_a_secret_pasted_into_a_url_is_not_repeated(field: str, url: str) -> None:
    here = stage()
    kube = Kube({})
    cluster = Cluster(kube=kube)  # type: ignore[arg-type]
    pasted = spec(**{field: url.format(canary("password"))})
    with listening(here) as heard:
        await cluster.look(cluster.apply(pasted))
    assert cluster.ready() == ("False", "InvalidSpec")
    assert found(heard.getvalue() + repr((cluster.status(), kube.targets.events))) == []


async def test_an_older_token_of_the_same_run_is_masked_too() -> None:
    here = stage("plain", Song(401, "message", system="engage/Acme"))
    shown, cluster = await run_in_cluster(here, looks=1)
    tokens = [word for word in here.heard if word.startswith(canary("token"))]
    assert len(tokens) > 1
    assert cluster.ready() == ("False", "CredentialsRejected")
    assert "it answered 401: *** and *** and ***" in shown
    assert found(shown) == []


def test_the_finder_finds() -> None:
    it = canary("password")
    for voice in VOICES.values():
        assert found(f"so {voice(it)} it is") == ["password"], voice(it)
    assert found(" ".join(DRESSES) + " Workplace answered 401: The user name or password is wrong.") == []
