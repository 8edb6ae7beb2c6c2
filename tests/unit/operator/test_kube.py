"""The Kubernetes client against a server that answers what it is told, on loopback."""

import asyncio
import base64
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from engage_sync.kube import (
    Conflict,
    Forbidden,
    Invalid,
    Kube,
    KubeError,
    NotFound,
    Unavailable,
)
from engage_sync.kube_config import load_configuration
from engage_sync.kube_http import Json
from reconcilers.errors import ConfigError

CANARY = "c4nary-s3cret"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Api:
    """Answers from a list, the last one for ever; remembers what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Json] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.asked.append(
            {
                "method": request.method,
                "path": request.raw_path.split("?")[0],
                "query": dict(request.query),
                "headers": dict(request.headers),
                "body": json.loads(text) if text else None,
            }
        )
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def kube(self, **options: Any) -> Kube:
        configuration = Configuration(host=self.url, api_key={"BearerToken": "Bearer first"})
        return Kube(configuration, sleep=self.sleep, **options)


def says(body: object, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(text=body, status=status, headers=sent)
        return web.json_response(body, status=status, headers=sent)

    return answer


def refuses(status: int, reason: str, message: str = "the message", **headers: str) -> Answer:
    return says({"kind": "Status", "reason": reason, "message": message}, status, **headers)


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def cuts(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind": "Secret", "data"')
    assert request.transport
    request.transport.close()
    return response


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def kube(api: Api) -> AsyncIterator[Kube]:
    async with api.kube(timeout=5.0) as kube:
        yield kube


async def test_an_object_comes_back_as_it_was_sent(api: Api, kube: Kube) -> None:
    body = {"metadata": {"resourceVersion": "7", "uid": "u"}, "fieldOfALaterVersion": {"x": [1, None]}}
    api.answers = [says(body)]

    assert await kube.get_sync_target("tenants", "acme") == body
    assert api.asked[0]["path"] == "/apis/engage-sync.io/v1alpha1/namespaces/tenants/synctargets/acme"
    assert api.asked[0]["headers"]["Authorization"] == "Bearer first"
    assert api.asked[0]["headers"]["User-Agent"].startswith("engage-sync/")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (405, Invalid),
        (409, Conflict),
        (410, Invalid),
        (413, Invalid),
        (422, Invalid),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
async def test_every_refusal_is_one_of_a_few_errors(
    api: Api, kube: Kube, status: int, kind: type[KubeError]
) -> None:
    api.answers = [refuses(status, "Because")]

    with pytest.raises(KubeError, match=r"^the message$") as raised:
        await kube.create_config_map({"metadata": {"namespace": "n", "name": "c"}})

    assert type(raised.value) is kind


async def test_a_refusal_without_json_is_an_error_of_its_status(api: Api, kube: Kube) -> None:
    api.answers = [says("<html>gateway</html>", 502)]

    with pytest.raises(Unavailable, match="answered 502"):
        await kube.get_config_map("n", "c")


@pytest.mark.parametrize("answer", [resets, cuts, says("<html/>"), says("[1]"), says("")])
async def test_no_proper_answer_is_unavailable(api: Api, kube: Kube, answer: Answer) -> None:
    api.answers = [answer]
    with pytest.raises(Unavailable, match="the Kubernetes API"):
        await kube.create_config_map({"metadata": {"namespace": "n", "name": "c"}})

    assert len(api.asked) == 1, "a write whose fate is unknown must not be repeated"


async def test_no_answer_in_time_is_unavailable(api: Api) -> None:
    api.answers = [hangs]
    async with api.kube(timeout=0.1) as kube:
        with pytest.raises(Unavailable, match="did not answer"):
            await kube.create_config_map({"metadata": {"namespace": "n", "name": "c"}})

    # Not how often it was asked: where the machine is busy, time is up before the question arrives.
    assert api.slept == [], "a write whose fate is unknown must not be repeated"


async def test_nobody_listens(api: Api) -> None:
    api.url = "http://127.0.0.1:1"
    async with api.kube() as kube:
        with pytest.raises(Unavailable, match="did not answer"):
            await kube.get_config_map("n", "c")


async def test_reads_are_sent_again(api: Api, kube: Kube) -> None:
    api.answers = [cuts, refuses(503, "ServiceUnavailable"), says({"kind": "ConfigMap"})]

    assert await kube.get_config_map("n", "c") == {"kind": "ConfigMap"}
    assert api.slept == [0.5, 1.0]


async def test_but_not_for_ever(api: Api, kube: Kube) -> None:
    api.answers = [refuses(503, "ServiceUnavailable")]

    with pytest.raises(Unavailable):
        await kube.get_config_map("n", "c")

    assert len(api.asked) == 3


async def test_what_was_turned_away_is_sent_again_as_told(api: Api, kube: Kube) -> None:
    api.answers = [
        says("Too many requests, please try again later.", 429, Retry_After="2"),
        refuses(429, "TooManyRequests", Retry_After="600"),
        says({}, 201),
    ]

    await kube.create_config_map({"metadata": {"namespace": "n", "name": "c"}})

    assert api.slept == [2.0, 5.0]


async def test_a_retry_after_is_handed_on(api: Api, kube: Kube) -> None:
    api.answers = [refuses(503, "ServiceUnavailable", Retry_After="7")]

    with pytest.raises(Unavailable) as raised:
        await kube.replace_lease({"metadata": {"namespace": "n", "name": "l"}})

    assert raised.value.retry_after == 7.0


async def test_a_refused_token_is_read_again_once(api: Api) -> None:
    async def reload() -> Configuration:
        return Configuration(host="unused", api_key={"BearerToken": "Bearer second"})

    api.answers = [refuses(401, "Unauthorized"), says({}), refuses(401, "Unauthorized")]
    async with api.kube(reload=reload) as kube:
        await kube.get_config_map("n", "c")
        with pytest.raises(Forbidden):
            await kube.get_config_map("n", "c")

    assert [one["headers"]["Authorization"] for one in api.asked] == ["Bearer first"] + ["Bearer second"] * 3


async def test_a_token_that_cannot_be_read_again_is_an_outage(api: Api) -> None:
    async def reload() -> Configuration:
        raise ConfigError("the token file is gone")

    api.answers = [refuses(401, "Unauthorized")]
    async with api.kube(reload=reload) as kube:
        with pytest.raises(Unavailable, match="the token file is gone"):
            await kube.create_lease({"metadata": {"namespace": "n", "name": "l"}})


async def test_a_list_is_read_to_its_end(api: Api, kube: Kube) -> None:
    api.answers = [
        says({"metadata": {"continue": "more"}, "items": [{"n": 1}]}),
        says({"metadata": {}, "items": [{"n": 2}]}),
    ]

    assert await kube.list_sync_targets() == [{"n": 1}, {"n": 2}]
    assert [one["query"] for one in api.asked] == [{"limit": "500"}, {"limit": "500", "continue": "more"}]
    assert api.asked[0]["path"] == "/apis/engage-sync.io/v1alpha1/synctargets"


async def test_config_maps_are_listed_by_label_and_without_content(api: Api, kube: Kube) -> None:
    api.answers = [says({"metadata": {}, "items": []})]

    await kube.list_config_maps("n", {"a/b": "c", "d": "e"})

    assert api.asked[0]["query"]["labelSelector"] == "a/b=c,d=e"
    assert "PartialObjectMetadataList" in api.asked[0]["headers"]["Accept"]


async def test_a_status_is_a_put_of_the_object_as_read(api: Api, kube: Kube) -> None:
    body = {"metadata": {"namespace": "n", "name": "acme", "uid": "u", "resourceVersion": "7"}, "status": {}}
    api.answers = [says(body)]

    await kube.replace_sync_target_status(body)

    assert (api.asked[0]["method"], api.asked[0]["body"]) == ("PUT", body)
    assert api.asked[0]["path"].endswith("/synctargets/acme/status")


@pytest.mark.parametrize("missing", ["uid", "resourceVersion"])
async def test_a_status_without_its_guards_is_not_sent(api: Api, kube: Kube, missing: str) -> None:
    metadata = {"namespace": "n", "name": "acme", "uid": "u", "resourceVersion": "7"}
    del metadata[missing]

    with pytest.raises(Invalid, match="uid and resourceVersion"):
        await kube.replace_sync_target_status({"metadata": metadata})

    assert api.asked == []


async def test_a_delete_says_which_one(api: Api, kube: Kube) -> None:
    api.answers = [says({})]

    await kube.delete_config_map("n", "c", uid="u", resource_version="7")

    assert api.asked[0]["method"] == "DELETE"
    assert api.asked[0]["body"]["preconditions"] == {"uid": "u", "resourceVersion": "7"}


async def test_names_cannot_lead_elsewhere(api: Api, kube: Kube) -> None:
    api.answers = [says({})]

    await kube.get_secret("n", "../../x?y")

    assert api.asked[0]["path"] == "/api/v1/namespaces/n/secrets/..%2F..%2Fx%3Fy"


async def test_a_secret_is_decoded(api: Api, kube: Kube) -> None:
    data = {"password": base64.b64encode("pässword\n".encode()).decode(), "empty": ""}
    api.answers = [says({"data": data}), says({}), refuses(404, "NotFound")]

    assert await kube.get_secret("n", "s") == {"password": "pässword\n", "empty": ""}
    assert await kube.get_secret("n", "s") == {}
    assert await kube.get_secret("n", "s") is None


@pytest.mark.parametrize(
    "answer",
    [
        says({"data": {"password": base64.b64encode(CANARY.encode() + b"\xff").decode()}}),
        says('{"data": {"password": "' + CANARY),
        says({"message": None, "data": CANARY}, 500),
    ],
)
async def test_a_secret_value_is_in_no_error(api: Api, kube: Kube, answer: Answer) -> None:
    api.answers = [answer]

    with pytest.raises(KubeError) as raised:
        await kube.get_secret("n", "s")

    text = "".join(traceback.format_exception(raised.value))
    assert CANARY not in text
    assert base64.b64encode(CANARY.encode()).decode()[:16] not in text
    assert raised.value.__context__ is None or raised.value.__suppress_context__


async def test_events_have_names_of_their_own(api: Api, kube: Kube) -> None:
    target = {
        "apiVersion": "engage-sync.io/v1alpha1",
        "kind": "SyncTarget",
        "metadata": {"namespace": "n", "name": "acme", "uid": "u", "resourceVersion": "7"},
    }
    api.answers = [says({}, 201)]

    for _ in range(2):
        await kube.create_event(target, "Warning", "SyncFailed", "x" * 2_000, now=1_760_000_000.4)

    first, second = (one["body"] for one in api.asked)
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["metadata"]["name"].startswith("acme.")
    assert first["involvedObject"] == {
        "apiVersion": "engage-sync.io/v1alpha1",
        "kind": "SyncTarget",
        "namespace": "n",
        "name": "acme",
        "uid": "u",
        "resourceVersion": "7",
    }
    assert first["lastTimestamp"] == "2025-10-09T08:53:20Z"
    assert len(first["message"]) == 1_024


# Finding the cluster


def _kubeconfig(path: Path, server: str, token: str = "from-the-file") -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """The files of a service account."""
    directory = tmp_path / "serviceaccount"
    directory.mkdir()
    (directory / "token").write_text("from-the-pod")
    (directory / "ca.crt").write_text("not looked at here")
    return directory


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


async def test_the_kubeconfig_that_is_named_wins(tmp_path: Path, pod: Path) -> None:
    named = _kubeconfig(tmp_path / "named", "https://named:6443")

    loaded = await load_configuration({**IN_POD, "KUBECONFIG": str(named)}, pod)

    assert loaded.host == "https://named:6443"
    assert loaded.api_key == {"BearerToken": "Bearer from-the-file"}


async def test_then_the_pods_service_account(tmp_path: Path, pod: Path) -> None:
    _kubeconfig(tmp_path / ".kube" / "config", "https://home:6443")

    loaded = await load_configuration({**IN_POD, "HOME": str(tmp_path)}, pod)

    assert loaded.host == "https://10.0.0.1:443"
    assert "from-the-pod" in loaded.api_key["BearerToken"]
    assert loaded.refresh_api_key_hook


async def test_then_the_users_own(tmp_path: Path) -> None:
    _kubeconfig(tmp_path / ".kube" / "config", "https://home:6443")

    loaded = await load_configuration({"HOME": str(tmp_path)}, tmp_path / "none")

    assert loaded.host == "https://home:6443"


async def test_none_at_all_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no Kubernetes configuration: .*/.kube/config is not there"):
        await load_configuration({"HOME": str(tmp_path)}, tmp_path / "none")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "x",
        f"users: [{{token: {CANARY}",
        '{"current-context": "c"}',
        "\x00",
        f"token: {CANARY}\n\t- x",
    ],
)
async def test_a_broken_kubeconfig_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)

    with pytest.raises(ConfigError, match="cannot be read") as raised:
        await load_configuration({"KUBECONFIG": str(tmp_path / "config")}, tmp_path)

    assert CANARY not in "".join(traceback.format_exception(raised.value))
