"""Faults: what shall go wrong, at which request, which time (contract section 7).

A fault is tried in the order given; the first that fires decides. Written as YAML:

    - {system: workplace, method: GET, path: /rooms, occurrences: 2, what: 503, retryAfter: 1}
    - {system: engage, method: POST, path: "/rooms*", occurrences: "3-5", what: commit-then-reset}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from engage_sync.sandbox.durations import seconds
from engage_sync.sandbox.wire import Json, Reply, Request, template
from engage_sync.sandbox.workplace_lists import DEFAULT_LIMIT

KINDS = {
    "reset": "the connection is dropped before anything happens",
    "commit-then-reset": "the request is carried out, then the connection is dropped",
    "commit-then-504": "the request is carried out, then answered with this status (any from 400 on)",
    "truncated": "the request is carried out, and the connection dropped in the middle of the answer",
    "empty": "a listing shows nothing, a count 0",
    "short": "a listing leaves one item out",
    "duplicated": "a page shows the page before it once more; an unpaged listing shows every item twice",
    "html": "a web page with status 200 instead of JSON; the request is not carried out",
    "garbage": "the request is carried out, but its answer is no JSON",
    "delay": "the request is carried out, and the answer is late by `delay`",
    "503": "the request is answered with this status (any from 400 on) and not carried out",
}
_STATUS = re.compile(r"(?:(commit-then)-)?([45]\d\d)")
_OCCURRENCES = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+)|(?P<onward>\+))?|every (?P<every>[1-9]\d*)|all")

Serve = Callable[[Request], Reply]
ErrorReply = Callable[[int, str, dict[str, str]], Reply]


def _span(value: Any) -> Any:
    return seconds(value) if isinstance(value, str) else value


class Fault(BaseModel):
    """One thing that goes wrong. What is left out matches everything; `occurrences` counts matches from 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    what: str
    system: Literal["workplace", "engage"] | None = None
    method: str | None = None
    path: str | None = None  # below the API's base, `*` matches anything; /rooms/{id} works too
    occurrences: int | list[int] | str = "all"  # 3, [1, 4], "2-5", "4+", "every 3", "all"
    retry_after: int | None = Field(default=None, alias="retryAfter")
    delay: Annotated[float, BeforeValidator(_span)] = 0.0

    @field_validator("what", mode="before")
    @classmethod
    def _known_kind(cls, value: Any) -> str:
        if isinstance(value, bool) or (str(value) not in KINDS and not _STATUS.fullmatch(str(value))):
            raise ValueError(f"unknown fault {value!r}; one of {', '.join(KINDS)}")
        return str(value)

    @field_validator("occurrences")
    @classmethod
    def _known_occurrences(cls, value: int | list[int] | str) -> int | list[int] | str:
        if isinstance(value, str) and not _OCCURRENCES.fullmatch(value):
            raise ValueError('must be a number, a list of numbers, "2-5", "4+", "every 3" or "all"')
        return value

    def matches(self, system: str, request: Request) -> bool:
        """Whether a request is one that this fault counts."""
        return (
            self.system in (None, system)
            and (self.method is None or self.method.upper() == request.method)
            and (self.path is None or _path_matches(self.path.rstrip("/"), request.path))
        )

    def strikes(self, occurrence: int) -> bool:
        """Whether the n-th match is hit."""
        if isinstance(self.occurrences, int):
            return occurrence == self.occurrences
        if isinstance(self.occurrences, list):
            return occurrence in self.occurrences
        found = _OCCURRENCES.fullmatch(self.occurrences)
        if found is None or found["every"]:
            return found is not None and occurrence % int(found["every"]) == 0
        if found["first"] is None:  # all
            return True
        last = math.inf if found["onward"] else int(found["last"] or found["first"])
        return int(found["first"]) <= occurrence <= last


class Faults:
    """The faults in force and how often each was met."""

    def __init__(self) -> None:
        self._active: list[tuple[Fault, list[int]]] = []

    def add(self, *faults: Fault) -> None:
        """Put faults in force, counting from now."""
        self._active += [(fault, [0]) for fault in faults]

    def clear(self) -> None:
        """Let everything work again."""
        self._active.clear()

    def report(self) -> list[Json]:
        """The faults in force, each with the number of requests it has counted."""
        return [
            {**fault.model_dump(by_alias=True, exclude_none=True), "met": met[0]}
            for fault, met in self._active
        ]

    def pick(self, system: str, request: Request) -> Fault | None:
        """The fault that hits this request, if one does."""
        hit: Fault | None = None
        for fault, met in self._active:
            if fault.matches(system, request):
                met[0] += 1
                if hit is None and fault.strikes(met[0]):
                    hit = fault
        return hit


def apply(fault: Fault, request: Request, serve: Serve, error: ErrorReply) -> Reply:
    """What a faulty request is answered with."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if status := _STATUS.fullmatch(fault.what):
        if status[1]:
            serve(request)
        return replace(error(int(status[2]), "An injected fault.", headers), delay=fault.delay)
    return replace(_KINDS[fault.what](request, serve), delay=fault.delay)


def _reset(request: Request, serve: Serve) -> Reply:
    return Reply(0, broken="reset")


def _commit_then_reset(request: Request, serve: Serve) -> Reply:
    serve(request)
    return Reply(0, broken="reset")


def _truncated(request: Request, serve: Serve) -> Reply:
    return replace(serve(request), broken="truncated")


def _empty(request: Request, serve: Serve) -> Reply:
    return _edit(serve(request), lambda items: [])


def _short(request: Request, serve: Serve) -> Reply:
    # One from the middle: the last would look like the natural end of the listing.
    return _edit(serve(request), lambda items: items[: len(items) // 2] + items[len(items) // 2 + 1 :])


def _duplicated(request: Request, serve: Serve) -> Reply:
    start, limit = request.query.get("startAt", ""), request.query.get("limit", str(DEFAULT_LIMIT))
    if start.isdecimal() and limit.isdecimal() and int(start):
        earlier = str(max(0, int(start) - int(limit)))
        return serve(replace(request, query={**request.query, "startAt": earlier}))
    return _edit(serve(request), lambda items: items + items)


def _html(request: Request, serve: Serve) -> Reply:
    page = b"<!DOCTYPE html><html><body><h1>We will be back soon</h1></body></html>"
    return Reply(200, page, {"Content-Type": "text/html; charset=utf-8"})


def _garbage(request: Request, serve: Serve) -> Reply:
    reply = serve(request)
    return replace(reply, body=b'{"IsError": fal\x00' + reply.body[:20])


def _delay(request: Request, serve: Serve) -> Reply:
    return serve(request)


_KINDS: dict[str, Callable[[Request, Serve], Reply]] = {
    "reset": _reset,
    "commit-then-reset": _commit_then_reset,
    "truncated": _truncated,
    "empty": _empty,
    "short": _short,
    "duplicated": _duplicated,
    "html": _html,
    "garbage": _garbage,
    "delay": _delay,
}


def _edit(reply: Reply, change: Callable[[list[Json]], list[Json]]) -> Reply:
    """Change the items of a listing, whether it comes bare or wrapped."""
    payload = json.loads(reply.body)
    if isinstance(payload, list):
        payload = change(payload)
    for field in ("Data", "buildings"):  # Engage's envelope, the buildings in a center's detail
        if isinstance(payload, dict) and isinstance(payload.get(field), list):
            payload[field] = change(payload[field])
    if isinstance(payload, dict) and isinstance(payload.get("count"), int):
        payload["count"] = len(change([None] * payload["count"]))
    return replace(reply, body=json.dumps(payload, ensure_ascii=False).encode())


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == template(path) or fnmatchcase(path, pattern)


def read_faults(text: str, name: str) -> list[Fault]:
    """The faults of a YAML or JSON text; ValueError with one sentence naming entry and field."""
    try:
        entries = yaml.safe_load(text) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(entries, list):
        raise ValueError(f"{name} must hold a list of faults.")
    return list(parse_faults(entries, name))


def parse_faults(entries: Iterable[Json], name: str) -> Iterable[Fault]:
    """The faults of some entries; ValueError with one sentence naming entry and field."""
    for position, entry in enumerate(entries, 1):
        try:
            yield Fault.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else "the entry"
            message = first["msg"].removeprefix("Value error, ")
            raise ValueError(f"{name}, entry {position}: {field}: {message}.") from None
