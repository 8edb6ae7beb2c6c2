"""Manifests as files hold them: one SyncTarget and the Secrets it names."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engage_sync.resource import API_VERSION, KIND, Spec, check_name, parse_spec
from reconcilers.errors import ConfigError


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
    targets: list[tuple[Path, dict[str, Any]]] = []
    secrets: dict[str, Mapping[str, str]] = {}
    for path in paths:
        for document in _documents(path):
            if document.get("kind") == KIND:
                targets.append((path, document))
            elif document.get("kind") == "Secret":
                name, keys = _secret(path, document)
                secrets[name] = keys
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
    metadata = document.get("metadata") or {}
    name = str(metadata.get("name") or "")
    check_name(name)
    spec = parse_spec(document.get("spec"), allow_insecure_http=True)
    return Manifests(name, str(metadata.get("namespace") or "default"), spec, secrets)


def _documents(path: Path) -> list[dict[str, Any]]:
    try:
        documents = [
            document for document in yaml.safe_load_all(path.read_text("utf-8")) if document is not None
        ]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{where}: this is not YAML") from None
    if not all(isinstance(document, dict) for document in documents):
        raise ConfigError(f"{path}: every document must be a Kubernetes object")
    return documents


def _secret(path: Path, document: dict[str, Any]) -> tuple[str, Mapping[str, str]]:
    name = str((document.get("metadata") or {}).get("name") or "")
    try:
        data = {
            str(key): base64.b64decode(str(value), validate=True).decode("utf-8")
            for key, value in (document.get("data") or {}).items()
        }
        plain = {str(key): str(value) for key, value in (document.get("stringData") or {}).items()}
        "".join(plain.values()).encode()
    except (binascii.Error, UnicodeError, AttributeError):
        raise ConfigError(
            f"{path}: Secret {name}: data must be base64 of UTF-8 text; use stringData for plain text"
        ) from None
    return name, {**data, **plain}
