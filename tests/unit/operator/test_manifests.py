"""Files in, one checked SyncTarget and its Secrets out."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from engage_sync.manifests import Manifests, read_manifests
from reconcilers.errors import ConfigError
from tests.synctargets import CANARY, manifest


def write(path: Path, *documents: object) -> Path:
    path.write_text(yaml.safe_dump_all(documents))
    return path


def secret(name: str, namespace: str | None = None, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def read(folder: Path, *documents: object) -> Manifests:
    return read_manifests([write(folder / "all.yaml", *documents)])


async def test_target_and_secrets_are_gathered_from_several_files_in_any_order(tmp_path: Path) -> None:
    manifests = read_manifests(
        [
            write(tmp_path / "one.yaml", secret("a", stringData={"x": "1"}), None),
            write(tmp_path / "two.yaml", None, manifest(), secret("b", data={"y": encoded("2")})),
        ]
    )

    assert (manifests.name, manifests.namespace, manifests.spec.tenant) == ("acme", "default", "acme")
    assert await manifests.secret("a") == {"x": "1"}
    assert await manifests.secret("b") == {"y": "2"}
    assert await manifests.secret("c") is None


async def test_string_data_wins_over_data_key_by_key(tmp_path: Path) -> None:
    data = {"both": encoded("data"), "only": encoded("data")}
    manifests = read(tmp_path, manifest(), secret("a", data=data, stringData={"both": "plain"}))

    assert await manifests.secret("a") == {"both": "plain", "only": "data"}


async def test_data_is_read_as_kubernetes_reads_it(tmp_path: Path) -> None:
    long = encoded("ä" * 60)
    data = {"wrapped": f"{long[:76]}\n{long[76:]}\n", "null": None}
    manifests = read(tmp_path, manifest(), secret("a", data=data, stringData={"none": None}))

    assert await manifests.secret("a") == {"wrapped": "ä" * 60, "null": "", "none": ""}


async def test_of_two_secrets_of_one_name_the_last_counts_as_when_they_are_applied(tmp_path: Path) -> None:
    twice = [secret("a", stringData={"x": "old"}), secret("a", stringData={"x": "new"})]

    assert await read(tmp_path, *twice, manifest()).secret("a") == {"x": "new"}


@pytest.mark.parametrize(
    ("own", "others", "found"),
    [
        ("tenants", "tenants", True),
        ("tenants", "other", False),
        ("tenants", None, True),
        (None, "tenants", True),
    ],
)
async def test_a_secret_of_another_namespace_is_not_taken(
    tmp_path: Path, own: str | None, others: str | None, found: bool
) -> None:
    target = manifest()
    if own:
        target["metadata"]["namespace"] = own
    manifests = read(tmp_path, target, secret("a", others, stringData={"x": "1"}))

    assert (await manifests.secret("a") is not None) is found


@pytest.mark.parametrize("value", [12345, True, 1.5, ["a"], {"a": "b"}])
def test_a_value_that_yaml_does_not_read_as_text_is_refused_by_key(tmp_path: Path, value: object) -> None:
    for field in ("data", "stringData"):
        with pytest.raises(ConfigError, match=rf"Secret a: {field}\.password must be a string") as caught:
            read(tmp_path, manifest(), {**secret("a"), field: {"password": value}})
        assert str(value) not in caught.value.message


async def test_what_kubectl_prints_of_several_objects_can_be_read(tmp_path: Path) -> None:
    items = [manifest(), secret("a", data={"x": encoded("1")})]
    manifests = read(tmp_path, {"apiVersion": "v1", "kind": "List", "items": items})

    assert await manifests.secret("a") == {"x": "1"}


def test_json_is_yaml_too(tmp_path: Path) -> None:
    (tmp_path / "target.json").write_text(json.dumps(manifest()))

    assert read_manifests([tmp_path / "target.json"]).name == "acme"


@pytest.mark.parametrize("items", [["text"], "text", [None]])
def test_a_list_of_something_else_is_refused(tmp_path: Path, items: object) -> None:
    with pytest.raises(ConfigError, match="every document must be a Kubernetes object"):
        read(tmp_path, {"kind": "List", "items": items})


def test_no_value_of_a_secret_is_ever_in_an_error(tmp_path: Path) -> None:
    for text in (
        f"kind: Secret\ndata: {{a: '{CANARY}!'}}",
        f"kind: Secret\nstringData: {CANARY}",
        f"{CANARY}: [",
    ):
        (tmp_path / "wrong.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_manifests([tmp_path / "wrong.yaml"])
        assert CANARY not in caught.value.message
        assert "wrong.yaml" in caught.value.message
