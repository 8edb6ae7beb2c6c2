"""What the client relies on is what a real API server does."""

import asyncio
import base64
import copy
import json

import pytest

from engage_sync.kube import Conflict, Forbidden, Invalid, Kube, NotFound, Unavailable
from engage_sync.kube_config import load_configuration
from tests.controlplane.server import ControlPlane
from tests.kube.sync_targets import make_sync_target

pytestmark = pytest.mark.cluster


async def test_a_status_is_written_and_read(plane: ControlPlane, kube: Kube, namespace: str) -> None:
    made = make_sync_target(plane, namespace)
    made["status"] = {"observedGeneration": 1}

    written = await kube.replace_sync_target_status(made)

    assert written["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    found = await kube.get_sync_target(namespace, made["metadata"]["name"])
    assert found == written
    assert found["status"]["observedGeneration"] == 1
    with pytest.raises(Conflict):
        await kube.replace_sync_target_status(made)


async def test_a_status_never_reaches_a_namesake(plane: ControlPlane, kube: Kube, namespace: str) -> None:
    former = make_sync_target(plane, namespace, "acme")
    plane.kubectl("delete", "synctarget", "acme", "-n", namespace)
    with pytest.raises(NotFound):
        await kube.replace_sync_target_status(former)

    latter = make_sync_target(plane, namespace, "acme")
    forged = copy.deepcopy(latter)
    forged["metadata"]["uid"] = former["metadata"]["uid"]
    forged["status"] = {"observedGeneration": 7}
    with pytest.raises(Conflict):
        await kube.replace_sync_target_status(forged)

    found = await kube.get_sync_target(namespace, "acme")
    assert found["metadata"]["resourceVersion"] == latter["metadata"]["resourceVersion"]


async def test_an_invalid_status_is_refused_in_the_servers_words(
    plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    made = make_sync_target(plane, namespace)
    made["status"] = {"observedGeneration": "one"}

    with pytest.raises(Invalid, match=r"status\.observedGeneration"):
        await kube.replace_sync_target_status(made)


async def test_sync_targets_are_listed(plane: ControlPlane, kube: Kube, namespace: str) -> None:
    names = [make_sync_target(plane, namespace)["metadata"]["name"] for _ in range(2)]

    assert sorted(one["metadata"]["name"] for one in await kube.list_sync_targets(namespace)) == sorted(names)
    assert len(await kube.list_sync_targets()) >= 2


async def test_pages_make_one_list(kube: Kube, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engage_sync.kube._PAGE", "2")
    for number in range(5):
        body = {"metadata": {"namespace": namespace, "name": f"c{number}", "labels": {"l": "v"}}}
        await kube.create_config_map(body | {"data": {"k": "v"}})

    found = await kube.list_config_maps(namespace, {"l": "v"})

    assert [one["metadata"]["name"] for one in found] == [f"c{number}" for number in range(5)]
    assert all("data" not in one for one in found)


async def test_config_maps_are_guarded(kube: Kube, namespace: str) -> None:
    body = {"metadata": {"namespace": namespace, "name": "c"}, "data": {"k": "v"}}
    made = await kube.create_config_map(body)
    with pytest.raises(Conflict) as taken:
        await kube.create_config_map(body)
    changed = await kube.replace_config_map({**made, "data": {"k": "w"}})

    assert taken.value.reason == "AlreadyExists"
    with pytest.raises(Conflict):
        await kube.replace_config_map(made)
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await kube.delete_config_map(namespace, "c", uid=uid, resource_version=version)
    await kube.delete_config_map(
        namespace, "c", uid=uid, resource_version=changed["metadata"]["resourceVersion"]
    )
    with pytest.raises(NotFound):
        await kube.replace_config_map(changed)
    with pytest.raises(NotFound):
        await kube.delete_config_map(namespace, "c", uid=uid, resource_version=version)


async def test_no_such_namespace(kube: Kube) -> None:
    with pytest.raises(NotFound, match="namespaces"):
        await kube.create_config_map({"metadata": {"namespace": "nowhere", "name": "c"}})


async def test_a_secret_is_read(plane: ControlPlane, kube: Kube, namespace: str) -> None:
    plane.kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=password=pässword")

    assert await kube.get_secret(namespace, "s") == {"password": "pässword"}
    assert await kube.get_secret(namespace, "none") is None


async def test_a_secret_that_is_no_text_is_told_by_its_key(
    plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    data = {"password": base64.b64encode(b"c4nary\xff").decode()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}
    plane.kubectl("create", "-n", namespace, "-f-", input=json.dumps(body))

    with pytest.raises(Invalid, match=r'^Secret s: the value of "password" is not text$'):
        await kube.get_secret(namespace, "s")


async def test_an_event_is_seen_by_kubectl_describe(plane: ControlPlane, kube: Kube, namespace: str) -> None:
    made = make_sync_target(plane, namespace)
    for _ in range(2):
        await kube.create_event(made, "Warning", "SyncFailed", "a sentence", now=1_760_000_000.0)

    text = plane.kubectl("describe", "synctarget", made["metadata"]["name"], "-n", namespace).stdout

    told = [line.split()[-3:] for line in text.splitlines() if "SyncFailed" in line]
    assert told == [["engage-sync", "a", "sentence"]] * 2


async def test_who_has_no_right_is_told_which(plane: ControlPlane, namespace: str) -> None:
    kubeconfig = plane.service_account_kubeconfig(namespace, "default")
    async with Kube(await load_configuration({"KUBECONFIG": str(kubeconfig)})) as kube:
        with pytest.raises(Forbidden, match='cannot get resource "secrets"'):
            await kube.get_secret(namespace, "s")


async def test_an_unknown_token_is_forbidden(plane: ControlPlane, namespace: str) -> None:
    kubeconfig = plane.service_account_kubeconfig(namespace, "default")
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig)})
    configuration.api_key["BearerToken"] = "Bearer nobody"
    async with Kube(configuration) as kube:
        with pytest.raises(Forbidden) as raised:
            await kube.list_sync_targets(namespace)

    assert raised.value.reason == "Unauthorized"


async def test_a_certificate_of_others_is_not_trusted(plane: ControlPlane) -> None:
    configuration = await load_configuration({"KUBECONFIG": str(plane.kubeconfig)})
    configuration.ssl_ca_cert = None
    async with Kube(configuration, sleep=lambda _: asyncio.sleep(0)) as kube:
        with pytest.raises(Unavailable, match="certificate"):
            await kube.list_sync_targets()
