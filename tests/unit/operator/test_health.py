"""The probes over a real port of loopback."""

import socket

import httpx
import pytest

from engage_sync import health
from reconcilers.errors import ConfigError


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def ask(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
        return answer.status_code, answer.text


class Probe:
    """Answers with a problem, or None."""

    problem: str | None = None

    async def __call__(self) -> str | None:
        return self.problem


async def test_both_answer_200_while_all_is_well() -> None:
    port = free_port()
    async with health.serving(port, Probe()):
        assert await ask(port, "/livez") == (200, "ok")
        assert await ask(port, "/readyz") == (200, "ok")


async def test_a_problem_makes_it_unready_with_a_reason_but_not_dead() -> None:
    port, probe = free_port(), Probe()
    async with health.serving(port, probe):
        probe.problem = "the API server is away"
        assert await ask(port, "/readyz") == (503, "the API server is away")
        assert await ask(port, "/livez") == (200, "ok")
        probe.problem = None
        assert await ask(port, "/readyz") == (200, "ok")


async def test_nothing_else_is_served() -> None:
    port = free_port()
    async with health.serving(port, Probe()):
        assert (await ask(port, "/metrics"))[0] == 404


async def test_port_0_serves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.web.TCPSite", None)  # whoever listens falls over it
    async with health.serving(0, Probe()):
        pass


async def test_the_port_is_free_again_afterwards() -> None:
    port = free_port()
    for _ in range(2):
        async with health.serving(port, Probe()):
            assert (await ask(port, "/livez"))[0] == 200


async def test_a_port_in_use_is_one_sentence_that_names_the_option() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            async with health.serving(port, Probe()):
                raise AssertionError("it must not come to this")

    assert caught.value.message == (
        f"health port {port} cannot be used: Address already in use; choose another with --health-port"
    )
