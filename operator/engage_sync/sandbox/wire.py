"""What passes between the port and the two simulated systems: a request, a reply, a refusal.

Knows nothing of httpx, aiohttp or either vendor, so that both state machines stay plain functions of data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

Json = Any  # what json.loads gives; checked field by field in fields.py
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `path` is decoded, has no trailing slash, and starts below the system's base."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]  # names in lower case; bytes, because Workplace's are UTF-8
    body: bytes = b""

    def text(self, header: bytes) -> str:
        return self.headers.get(header, b"").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer, or the way in which it gets lost."""

    status: int  # 0: the connection is dropped and no status was ever sent
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: Literal["", "reset", "truncated"] = ""
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Write:
    """A change that was committed, whether or not its answer arrived."""

    system: str
    method: str
    path: str
    body: Json
    id: int


class RefusedError(Exception):
    """A request that the system turns down; each system dresses it in its own error body."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def json_reply(status: int, payload: Json, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer with a JSON body, in UTF-8 as both vendors send it."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Reply(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def read_json(request: Request) -> Json:
    """The request's JSON body; anything else is refused with what is wrong about it."""
    if not request.text(b"content-type").startswith("application/json"):
        raise RefusedError(415, "The body must be sent as application/json.")
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise RefusedError(400, f"The body is not JSON: {error}.") from None


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Path and query of a request target; a trailing slash is tolerated (domain.md 2.1)."""
    path, _, query = target.partition("?")
    return unquote(path).rstrip("/"), dict(parse_qsl(query, keep_blank_values=True))


def template(path: str) -> str:
    """The path with its ids taken out: `/rooms/13` becomes `/rooms/{id}`."""
    return "/".join("{id}" if part.isdecimal() else part for part in path.split("/"))
