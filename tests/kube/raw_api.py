"""Our resources through plain HTTP as the administrator: what the API server says, word by word."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import httpx

from engage_sync.resource import GROUP, VERSION
from tests.controlplane.server import ControlPlane

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    code: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


@dataclass(frozen=True)
class Api:
    """One resource of ours in one namespace of a real API server."""

    http: httpx.Client
    plane: ControlPlane
    namespace: str
    plural: str

    @property
    def path(self) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{self.plural}"

    def create(self, item: object, *, dry_run: bool = False) -> Answer:
        params = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return _answer(self.http.post(self.path, params=params, json=item))

    def get(self, name: str) -> dict[str, Any]:
        return self.read(name).body

    def read(self, name: str) -> Answer:
        return _answer(self.http.get(f"{self.path}/{name}"))

    def replace(self, item: dict[str, Any], sub: str = "") -> Answer:
        return _answer(self.http.put(f"{self.path}/{item['metadata']['name']}{sub}", json=item))

    def patch(self, name: str, changes: object) -> Answer:
        return _answer(self.http.patch(f"{self.path}/{name}", headers=MERGE_PATCH, json=changes))

    def delete(self, name: str) -> Answer:
        return _answer(self.http.delete(f"{self.path}/{name}"))

    def write_status(self, status: object, name: str) -> Answer:
        return self.replace(self.get(name) | {"status": status}, "/status")


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.json())


@contextmanager
def administrator(plane: ControlPlane) -> Iterator[httpx.Client]:
    """Who may do everything."""
    with httpx.Client(base_url=plane.url, verify=plane.administrator(), timeout=30) as client:
        yield client


def table(text: str) -> dict[str, str]:
    """The one row of a table of kubectl's, by column; columns are two blanks or more apart."""
    head, row = (part + "  " for part in text.splitlines())
    names = [name.strip() for name in head.split("  ") if name.strip()]
    starts = [head.index(f"{name} ") for name in names] + [None]
    return {name: row[start:end].strip() for name, start, end in zip(names, starts, starts[1:], strict=False)}


def worst(bounds: Any) -> Any:
    """The biggest value that the bounds of a schema allow."""
    if bounds["type"] == "object":
        return {name: worst(field) for name, field in bounds["properties"].items()}
    if bounds["type"] == "array":
        entries = [deepcopy(worst(bounds["items"])) for _ in range(bounds["maxItems"])]
        for number, entry in enumerate(entries):
            if "x-kubernetes-list-map-keys" in bounds:
                entry["type"] = chr(0x1F600 + number) * len(entry["type"])
        return entries
    if bounds.get("format") == "date-time":
        return "2026-01-02T03:04:05." + "1" * (bounds["maxLength"] - 21) + "Z"
    return "\U0001f600" * bounds["maxLength"] if bounds["type"] == "string" else -(2**63)
