"""The operator as a process, up to where kopf takes over, before an API server that does as the test says."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engage_sync import serve
from engage_sync.serve import Options
from reconcilers.errors import ConfigError
from tests.synctargets import CANARY
from tests.unit.operator.test_cli import kubeconfig
from tests.unit.operator.test_health import ask, free_port

Answer = Callable[[web.Request], Awaitable[web.Response]]
NO_TARGETS: dict[str, Any] = {"items": [], "metadata": {}}
OPTIONS = Options(namespaces=("tenants",), health_port=0)


@asynccontextmanager
async def api_server(answer: Answer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    port = free_port()
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    (folder / "config").write_text(kubeconfig(f"http://127.0.0.1:{port}"))
    monkeypatch.setenv("KUBECONFIG", str(folder / "config"))
    try:
        yield
    finally:
        await runner.cleanup()


def refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "reason": reason, "message": f"{reason}!"}, status=status)


async def test_without_the_crd_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_crd(_: web.Request) -> web.Response:
        return refusal(404, "NotFound")

    async with api_server(no_crd, tmp_path, monkeypatch):
        with pytest.raises(ConfigError, match=r"install the CRD: engage-sync crd \| kubectl apply -f -"):
            await serve.serve(OPTIONS)


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (401, "Unauthorized")])
async def test_without_rights_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, reason: str
) -> None:
    async def forbidden(_: web.Request) -> web.Response:
        return refusal(status, reason)

    async with api_server(forbidden, tmp_path, monkeypatch):
        with pytest.raises(ConfigError, match=f"SyncTargets cannot be listed: {reason}!") as caught:
            await serve.serve(OPTIONS)
    assert CANARY not in str(caught.value)


async def test_a_port_in_use_ends_it_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fine(_: web.Request) -> web.Response:
        return web.json_response(NO_TARGETS)

    async with api_server(fine, tmp_path, monkeypatch):
        port = int((tmp_path / "config").read_text().rpartition("127.0.0.1:")[2].split()[0])
        with pytest.raises(ConfigError, match=f"health port {port} cannot be used"):
            await serve.serve(Options(namespaces=("tenants",), health_port=port))


async def test_a_stop_is_obeyed_while_the_api_server_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_: web.Request) -> web.Response:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async with api_server(hangs, tmp_path, monkeypatch), asyncio.timeout(5):
        assert await serve.serve(OPTIONS) == 0


async def test_a_standby_is_ready_and_stops_without_having_led(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    written: list[str] = []
    found: list[tuple[int, str]] = []

    async def led_by_another(request: web.Request) -> web.Response:
        if request.method != "GET":
            written.append(request.path)
        if "/leases/" not in request.path:
            return web.json_response(NO_TARGETS)
        found.append(await ask(port, "/readyz"))
        os.kill(os.getpid(), signal.SIGTERM)
        spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "leaseTransitions": 1}
        return web.json_response({"metadata": {"resourceVersion": "1"}, "spec": spec})

    async with api_server(led_by_another, tmp_path, monkeypatch), asyncio.timeout(5):
        assert await serve.serve(Options(namespaces=("tenants",), health_port=port)) == 0
    assert found == [(200, "ok")]
    assert written == []


async def test_an_api_server_that_fails_the_new_leader_is_a_sentence_and_the_lease_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders: list[str] = []

    async def turns(request: web.Request) -> web.Response:
        if "/leases" in request.path and request.method == "GET":
            return refusal(404, "NotFound")
        if "/leases" in request.path:
            lease = await request.json()
            holders.append(lease["spec"]["holderIdentity"])
            lease["metadata"]["resourceVersion"] = "1"
            return web.json_response(lease)
        return refusal(403, "Forbidden") if holders else web.json_response(NO_TARGETS)

    async with api_server(turns, tmp_path, monkeypatch), asyncio.timeout(5):
        with pytest.raises(ConfigError, match="SyncTargets cannot be listed"):
            await serve.serve(OPTIONS)
    assert holders[0]
    assert holders[-1] == ""


async def test_a_namespace_that_is_shut_stops_no_other_and_is_served_once_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shut, served = {"gone"}, []

    async def some(request: web.Request) -> web.Response:
        if "/leases" in request.path and request.method == "GET":
            return refusal(404, "NotFound")
        if "/leases" in request.path:
            lease = await request.json()
            lease["metadata"]["resourceVersion"] = "1"
            return web.json_response(lease)
        closed = any(f"/namespaces/{name}/" in request.path for name in shut)
        return refusal(403, "Forbidden") if closed else web.json_response(NO_TARGETS)

    async def following(*, namespaces: tuple[str, ...], stop_flag: asyncio.Event, **_: Any) -> None:
        served.append(namespaces)
        shut.clear()
        await stop_flag.wait()

    monkeypatch.setattr("engage_sync.serve.kopf.operator", following)
    monkeypatch.setattr("engage_sync.serve.SHUT_AGAIN", 0.0)
    async with api_server(some, tmp_path, monkeypatch), asyncio.timeout(5):
        assert await serve.serve(Options(namespaces=("tenants", "gone"), health_port=0)) == 0
    assert served == [("tenants",)]
    assert "SyncTargets of gone cannot be listed and are left out: Forbidden!" in caplog.text


async def test_unready_says_why_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    found: list[tuple[int, str]] = []

    async def ill(request: web.Request) -> web.Response:
        if request.path == "/version":
            return refusal(403, "Forbidden")
        if "/leases/" in request.path:
            found.append(await ask(port, "/readyz"))
            os.kill(os.getpid(), signal.SIGTERM)
            return refusal(403, "Forbidden")
        return web.json_response(NO_TARGETS)

    async with api_server(ill, tmp_path, monkeypatch), asyncio.timeout(5):
        await serve.serve(Options(namespaces=("tenants",), health_port=port))
    assert found == [(503, "not ready: Forbidden!")]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (Options(), ["/namespaces/ours/"]),
        (Options(namespaces=("a", "b", "a")), ["/namespaces/a/", "/namespaces/b/"]),
        (Options(all_namespaces=True), ["/v1alpha1/synctargets"]),
    ],
)
async def test_only_the_namespaces_that_were_named_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Options, asked: list[str]
) -> None:
    paths: list[str] = []

    async def refuses(request: web.Request) -> web.Response:
        paths.append(request.path)
        return refusal(403, "Forbidden")

    monkeypatch.setenv("POD_NAMESPACE", "ours")
    async with api_server(refuses, tmp_path, monkeypatch):
        with pytest.raises(ConfigError):
            await serve.serve(options)
    assert len(paths) == len(asked)
    assert all(part in path for part, path in zip(asked, paths, strict=True))
