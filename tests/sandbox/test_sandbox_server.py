"""The sandbox on a real port, and its command: address, manifests, signals, dropped connections, errors."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from engage_sync.sandbox import Addresses, Fault, Sandbox
from engage_sync.sandbox.command import sandbox_command
from engage_sync.sandbox.durations import seconds
from engage_sync.sandbox.server import PAGE_TIME, serving
from tests.sandbox.sandbox_helpers import token_form, workplace_headers

API = "/external/api/rest/v2"


def client_of(sandbox: Sandbox, address: str) -> httpx.AsyncClient:
    headers = workplace_headers(sandbox)
    # trust_env: a proxy of the machine must not stand between a test and its own port
    return httpx.AsyncClient(base_url=address, headers=headers, trust_env=False)


async def test_both_systems_answer_on_one_port() -> None:
    sandbox = Sandbox()
    async with serving(sandbox) as address, client_of(sandbox, address) as client:
        rooms = await client.get(f"/workplace{API}/rooms/?limit=10")
        token = await client.post("/engage/tokenproviderapi/token", data=token_form(sandbox))
        headers = {
            "Authorization": f"Bearer {token.json()['access_token']}",
            "Ocp-Apim-Subscription-Key": sandbox.account.subscription_keys["HierarchyMapping"],
        }
        body = {"ResourceName": "Österreich", "CountryCode": "AT"}
        country = await client.post("/engage/Acme/api/V1/countries", json=body, headers=headers)
        state = await client.get("/_sandbox/state")

    assert (rooms.status_code, rooms.json()) == (200, [])
    assert country.status_code == 201
    assert state.json()["engage"]["countries"][0]["ResourceName"] == "Österreich"


async def test_utf8_credentials_arrive_as_bytes() -> None:
    sandbox = Sandbox()
    sandbox.workplace.password = "pässwörd ✓"
    async with serving(sandbox) as address, client_of(sandbox, address) as client:
        password = {b"x-auth-password": "pässwörd ✓".encode()}
        response = await client.get(f"/workplace{API}/rooms", headers=password)

    assert response.status_code == 200


async def test_parallel_pages_are_429_over_the_port() -> None:
    sandbox = Sandbox(page_time=PAGE_TIME * 100)  # a machine under load sends "together" less closely
    async with serving(sandbox) as address, client_of(sandbox, address) as client:
        url = f"/workplace{API}/countries"
        await client.get(url)
        pages = (client.get(f"{url}?startAt={start}") for start in (0, 50, 100))
        statuses = [response.status_code for response in await asyncio.gather(*pages)]

    assert sorted(statuses) == [200, 429, 429]


@pytest.mark.parametrize("what", ["reset", "commit-then-reset", "truncated"])
async def test_a_lost_answer_is_a_lost_connection(what: str) -> None:
    sandbox = Sandbox()
    sandbox.seed.building("Tower")
    sandbox.faults.add(Fault(what=what, occurrences=1))
    async with serving(sandbox) as address, client_of(sandbox, address) as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.delete(f"/workplace{API}/buildings/1")
        again = await client.get(f"/workplace{API}/buildings/count")

    assert again.json() == {"count": 1 if what == "reset" else 0}


async def test_an_address_in_use_is_an_error() -> None:
    async with serving(Sandbox()) as address:
        port = int(address.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)):
            async with serving(Sandbox(), port):
                pass


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_address_writes_manifests_and_ends_with_zero(
    tmp_path: Path, end: signal.Signals
) -> None:
    command = [sys.executable, "-m", "engage_sync.sandbox", "--write", str(tmp_path / "out"), "--no-limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            state = httpx.get(f"{address}/_sandbox/state", trust_env=False).json()
            process.send_signal(end)
            rest = process.communicate(timeout=10)
        finally:
            process.kill()

    assert state["workplace"]["rooms"] == []
    assert (process.returncode, rest) == (0, ("", ""))
    target = yaml.safe_load((tmp_path / "out" / "target.yaml").read_text())
    assert target["spec"]["source"]["baseURL"] == Addresses(address).workplace == f"{address}/workplace"


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("limits", [True, False])
def test_the_manifests_fit_the_sandbox_and_name_no_namespace(tmp_path: Path, limits: bool) -> None:
    from engage_sync.sandbox.manifests import write_manifests

    account = Sandbox().account
    write_manifests(tmp_path, account, Addresses("http://127.0.0.1:1"), limits=limits)
    (target,) = documents(tmp_path / "target.yaml")
    secrets = {s["metadata"]["name"]: s["stringData"] for s in documents(tmp_path / "secrets.yaml")}

    spec = target["spec"]
    assert target["metadata"] == {"name": "acme"}
    assert spec["target"]["applicationURL"] == "http://127.0.0.1:1/engage"
    assert spec["target"]["apiURL"] == "http://127.0.0.1:1/engage/Acme"
    assert spec["target"].get("rateLimit") == (None if limits else {"perMinute": 0, "perWeek": 0})
    assert secrets[spec["source"]["credentialsSecretRef"]["name"]]["username"] == account.workplace_username
    assert secrets[spec["target"]["credentialsSecretRef"]["name"]]["clientId"] == account.engage_client_id
    assert secrets[spec["target"]["subscriptionKeysSecretRef"]["name"]] == account.subscription_keys


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--load", "missing.csv"], "missing.csv cannot be read"),
        (["--faults", "missing.yaml"], "missing.yaml cannot be read"),
        (["--latency", "soon"], "'soon' is not a duration"),
        (["--token-life", "12"], "'12' is not a duration"),
        (["--port", "99999"], "99999"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: list[str], message: str) -> None:
    result = CliRunner().invoke(sandbox_command, options)

    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(sandbox_command, ["--port", str(port)])

    assert result.exit_code == 1
    assert result.output == f"Error: port {port} cannot be used: Address already in use.\n"


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    result = CliRunner().invoke(sandbox_command, ["--write", str(tmp_path / "out")])

    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path / 'out'} cannot be used: File exists.\n"


def test_the_help_shows_how_faults_are_written() -> None:
    assert "commit-then-reset" in CliRunner().invoke(sandbox_command, ["--help"]).output


@pytest.mark.parametrize(("text", "value"), [("20ms", 0.02), ("12h", 43_200), ("1h30m", 5_400), ("0", 0)])
def test_durations_are_gos(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


def test_manifests_on_a_full_disk_are_one_sentence_that_blames_no_port(tmp_path: Path) -> None:
    (tmp_path / "target.yaml").symlink_to("/dev/full")
    result = CliRunner().invoke(sandbox_command, ["--write", str(tmp_path)])

    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path} cannot be used: No space left on device.\n"
