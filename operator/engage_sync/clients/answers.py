"""What came back: bounded reading, JSON, Retry-After, and the one sentence a vendor says about an error."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn

import httpx

from engage_sync.clients.redact import Hidden
from reconcilers.errors import IncompleteAnswer, System

NAMES: dict[System, str] = {"source": "Workplace", "target": "Engage"}

BODY_LIMIT = 32 * 2**20
"""Bytes, decompressed. A page of 100 rooms is some 100 KB, a location of 5,000 resources some 5 MB."""
MESSAGE_LIMIT = 200
"""Characters of a vendor's message worth showing."""
NESTING_LIMIT = 32
"""Lists and objects within each other; the deepest documented answer has five."""
_READ_OF_A_MESSAGE = 2000
"""Characters of a vendor's message that are looked at."""
_LONGEST_WAIT = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer; `what` is how messages name the call."""

    system: System
    what: str
    status: int
    body: bytes
    retry_after: float | None = None
    """Seconds, when the server said so."""

    @property
    def ok(self) -> bool:
        """The status says that it was done."""
        return 200 <= self.status < 300

    def json(self) -> object:
        """The body as JSON. Raises IncompleteAnswer for anything else, and for absurdly deep nesting."""
        try:
            return _parsed(self.body)
        except _TooDeepError:
            raise self.nonsense(f"JSON nested deeper than {NESTING_LIMIT} levels") from None
        except (ValueError, RecursionError):
            raise self.nonsense(_describe(self.body)) from None

    def no_echo(self, hidden: Hidden) -> None:
        """Raise IncompleteAnswer when the body holds a secret: as data it would be kept and shown."""
        if hidden.echoed(self.body):
            raise self.nonsense("our own credentials among its data, so nothing of it is used")

    def nonsense(self, problem: str) -> IncompleteAnswer:
        """The error for an answer that cannot be what was asked for."""
        return IncompleteAnswer(
            f"{NAMES[self.system]} answered {self.what} with {problem}", system=self.system
        )


class _TooDeepError(ValueError):
    """More nesting than any answer can need."""


def _parsed(body: bytes) -> object:
    """JSON within bounds. Raises ValueError, and RecursionError from so deep that nobody could count."""
    value: object = json.loads(body, parse_constant=_refuse)
    level = [value]
    for _ in range(NESTING_LIMIT):
        level = [inner for outer in level for inner in _children(outer) if isinstance(inner, dict | list)]
        if not level:
            return value
    raise _TooDeepError


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _describe(body: bytes) -> str:
    start = body[:64].lstrip().lower()
    if not start:
        return "nothing"
    return "HTML instead of JSON" if start.startswith(b"<") else "something that is not JSON"


async def read_body(response: httpx.Response, limit: int) -> bytes | None:
    """The whole decompressed body; None when it is longer than `limit` bytes.

    The limit is looked at chunk by chunk, so a small body that unpacks to a large one stops early too.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def retry_after(headers: httpx.Headers, wall: Callable[[], float]) -> float | None:
    """Seconds to wait as the server says, from seconds or an HTTP date; None when it does not.

    Zero and dates that have passed count as not told: obeying them would mean to hammer.
    """
    told = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", told):
        seconds = float(told)
    else:
        try:
            seconds = parsedate_to_datetime(told).timestamp() - wall()
        except (ValueError, OverflowError):
            return None
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else None


_MESSAGE_FIELDS = ("Message", "message", "errorDescription", "error_description", "error")


def vendor_message(answer: Answer, hidden: Hidden) -> str:
    """The vendor's own sentence about an error, cleaned and short; empty when there is none.

    Secrets that a server repeats are masked, and markup is not shown.
    """
    try:
        body = _parsed(answer.body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    told = next(
        (body[name] for name in _MESSAGE_FIELDS if isinstance(body.get(name), str) and body[name]), ""
    )
    return clean_message(told, hidden)


def status_and_message(answer: Answer, told: str) -> str:
    """How messages name an error: its status, and what the vendor says about it, if anything."""
    return f"{answer.status}: {told}" if told else f"{answer.status}"


def clean_message(text: str, hidden: Hidden | None = None) -> str:
    """One line of printable characters, secrets masked, cut to `MESSAGE_LIMIT`; markup gives nothing."""
    text = text[:_READ_OF_A_MESSAGE]
    if hidden is not None:
        text = hidden.mask(text)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if "<" in text:
        return ""
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1].rstrip() + "…"
