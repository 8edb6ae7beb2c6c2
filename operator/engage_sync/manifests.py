"""Manifests as files hold them: one SyncTarget and the Secrets it names."""

import base64
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engage_sync.resource import API_VERSION, KIND
from engage_sync.spec import Spec, check_name, parse_spec
from reconcilers.errors import ConfigError

STDIN = Path("-")
MAX_FILE_BYTES = 8 << 20
"""Much more than a cluster takes of a SyncTarget and its Secrets; a device has no end."""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manifests:
    """What the files say, checked."""

    name: str
    namespace: str
    spec: Spec
    secrets: Mapping[str, Mapping[str, str]]

    async def secret(self, name: str) -> Mapping[str, str] | None:
        """The keys of a Secret; None when no file has it."""
        return self.secrets.get(name)


def read_manifests(paths: Iterable[Path]) -> Manifests:
    """Read the files. Raises ConfigError with one sentence that names the file and what is wrong."""
    targets: list[tuple[Path, Object]] = []
    secrets: list[tuple[Object, Mapping[str, str]]] = []
    for path in paths:
        for document in _objects(path):
            if document.get("kind") == KIND:
                targets.append((path, document))
            elif document.get("kind") == "Secret":
                secrets.append((document["metadata"], _secret(path, document)))
            else:
                raise ConfigError(f"{path}: neither a {KIND} nor a Secret: kind is {document.get('kind')!r}")
    if len(targets) != 1:
        raise ConfigError(
            f"the files hold {len(targets)} SyncTargets; give exactly one with -f target.yaml, "
            "and its Secrets with another -f"
        )
    path, document = targets[0]
    if document.get("apiVersion") != API_VERSION:
        raise ConfigError(f"{path}: apiVersion is {document.get('apiVersion')!r}; it must be {API_VERSION}")
    name, namespace = str(document["metadata"].get("name") or ""), document["metadata"].get("namespace")
    check_name(name)
    if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", str(namespace or "default")):
        raise ConfigError(f"{path}: metadata.namespace is not the name of a namespace")
    spec = parse_spec(document.get("spec"), allow_insecure_http=True)
    # As in a cluster: only those of its own namespace, where the files tell one.
    near = {str(secret.get("name")): keys for secret, keys in secrets
            if namespace is None or secret.get("namespace") in (None, namespace)}  # fmt: skip
    return Manifests(name, str(namespace or "default"), spec, near)


def _objects(path: Path) -> Iterator[Object]:
    """The Kubernetes objects of a file, with those of a List one by one."""
    for document in _documents(path):
        is_list = isinstance(document, dict) and document.get("kind") == "List"
        for item in (document.get("items") or ()) if is_list else (document,):
            if not isinstance(item, dict):
                raise ConfigError(f"{path}: every document must be a Kubernetes object")
            item["metadata"] = item.get("metadata") or {}
            if not isinstance(item["metadata"], dict):
                raise ConfigError(f"{path}: metadata must be an object")
            yield item


def _documents(path: Path) -> list[Any]:
    try:
        return [document for document in yaml.safe_load_all(_text(path)) if document is not None]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{where}: this is not YAML") from None


def _text(path: Path) -> str:
    if path == STDIN and sys.stdin is None:  # closed with <&-, which no type tells
        raise ConfigError("-: standard input is closed; pipe a manifest into it, or name a file")
    with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_FILE_BYTES >> 20} MiB, which no manifest is")
    return content.decode()


def _secret(path: Path, document: Object) -> Mapping[str, str]:
    """The keys of a Secret; stringData goes before data, and null is empty, as in Kubernetes."""
    where = f"{path}: Secret {document['metadata'].get('name')}"
    encoded, plain = (
        _texts(document.get(field) or {}, f"{where}: {field}") for field in ("data", "stringData")
    )
    try:
        decoded = {key: base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True).decode()
                   for key, value in encoded.items()}  # fmt: skip
        "".join(plain.values()).encode()  # YAML can write half of a character
    except ValueError:
        raise ConfigError(
            f"{where}: data must be base64 of UTF-8 text; use stringData for plain text"
        ) from None
    return {**decoded, **plain}


def _texts(values: object, where: str) -> dict[str, str]:
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must be an object")
    for key, value in values.items():
        # YAML reads 0123 as 83 and yes as True: another password than the one that was meant.
        if not isinstance(value, str | None):
            raise ConfigError(f"{where}.{key} must be a string; put it in quotes")
    return {str(key): value or "" for key, value in values.items()}
