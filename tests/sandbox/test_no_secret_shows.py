"""Canaries in every place where a secret can be, servers that repeat them, and nothing that shows one."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync import cli
from engage_sync.clients.answers import clean_message
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import Secret
from engage_sync.sandbox import Fault
from engage_sync.sandbox.faults import KINDS
from tests.sandbox.canaries import (
    DRESSES,
    SHAPES,
    VOICES,
    WRONG_SHAPES,
    Song,
    canary,
    found,
)
from tests.sandbox.stages import Kube, listening, run_cli, run_in_cluster, stage
from tests.synctargets import spec
from tests.unit.operator.cluster import Cluster

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
