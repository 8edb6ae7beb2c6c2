"""Canaries: secrets that can be recognised however they are written, and servers that sing them back."""

import base64
import gzip
import html
import json
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

import httpx

from engage_sync.sandbox import ManualClock, Sandbox
from engage_sync.sandbox.account import Account

SHOWN = 10
"""Letters of a canary in a row that count as a leak."""
PLACES = ("username", "password", "client", "secret", "hierarchy", "bookings", "token")


def canary(place: str) -> str:
    """Letters that no message holds by chance, another row for each place."""
    offset = PLACES.index(place)
    return "".join(
        "QZXJVKWYPBGHFM"[(offset + i * (3 + offset)) % 14] + str((i + offset) % 10) for i in range(12)
    )


def found(text: str) -> list[str]:
    """The places whose canary shows in a text, in whole or in part, plainly or in a common code."""
    written = text.casefold()
    plain = re.sub("[^a-z0-9]", "", unquote(html.unescape(text)).casefold())
    shown = []
    for place in PLACES:
        letters = canary(place)
        raw = letters.encode()
        coded = [raw.hex()]
        coded += [base64.b64encode(b"x" * before + raw)[4:-4].decode() for before in range(3)]
        parts = {letters[i : i + SHOWN] for i in range(len(letters) - SHOWN + 1)}
        parts |= {code[i : i + 16] for code in coded for i in range(len(code) - 15)}
        if any(part.casefold() in plain or part.casefold() in written for part in parts):
            shown.append(place)
    return shown


SHAPES: dict[str, Callable[[str], str]] = {
    "plain": lambda it: it,
    "quotes": lambda it: f'"{it[:12]}\'{it[12:]}\\"',
    "percent": lambda it: f"100%s{it}%(x)s%41",
    "braces": lambda it: "{" + it[:14] + "}{0}{" + it[14:] + "}",
    "spaces": lambda it: f"  {it} =&? ",
    "markup": lambda it: f"a<b>{it}</b>&amp;",
    "unicode": lambda it: f"Pä€ß{it}✓𝄞",
    "long": lambda it: it * 60,
    "url": lambda it: f"https://user:{it}@host.example/?key={it}",
    "base64": lambda it: base64.b64encode(it.encode()).decode(),
}
WRONG_SHAPES: dict[str, Callable[[str], str]] = {
    "line break": lambda it: f"{it}\n",
    "header": lambda it: f"{it}\r\nX-Other: {it}",
    "zero": lambda it: f"{it}\0",
}


def account(shape: str) -> Account:
    """Credentials of this shape, a canary in each."""
    dress = {**SHAPES, **WRONG_SHAPES}[shape]
    return Account(
        dress(canary("username")),
        dress(canary("password")),
        dress(canary("client")),
        dress(canary("secret")),
        {"HierarchyMapping": dress(canary("hierarchy")), "ExternalBookings": dress(canary("bookings"))},
    )


@dataclass(frozen=True)
class Song:
    """How a server repeats what it was told: at which requests, with which status, in what."""

    status: int = 401
    dress: str = "message"
    voice: str = "as it is"
    every: int = 1
    first: int = 1
    system: str = ""

    def sings(self, number: int, path: str) -> bool:
        return (
            number >= self.first
            and (number - self.first) % self.every == 0
            and path.startswith(f"/{self.system}")
        )


VOICES: dict[str, Callable[[str], str]] = {
    "as it is": lambda it: it,
    "half": lambda it: it[: len(it) // 2 + 2],
    "the other half": lambda it: it[len(it) // 2 - 2 :],
    "loud": str.upper,
    "spaced": lambda it: "-".join(it),
    "quoted": lambda it: quote(it, safe=""),
    "form": quote_plus,
    "base64": lambda it: base64.b64encode(it.encode()).decode(),
    "basic": lambda it: base64.b64encode(f"user:{it}".encode()).decode(),
    "hex": lambda it: it.encode().hex(),
    "escaped": lambda it: json.dumps(it),
    "html": html.escape,
    "far in": lambda it: "x" * 150 + it,
    "very far in": lambda it: "y " * 990 + it,
    "broken lines": lambda it: "\r\n".join(it[i : i + 4] for i in range(0, len(it), 4)),
}


def _entity(words: str) -> Any:
    return {"id": 1, "name": words, "InternalId": 1, "ResourceName": words, "ExternalId": words, words: words}


DRESSES: dict[str, Callable[[str], bytes]] = {
    "message": lambda it: json.dumps({"IsError": True, "Data": None, "Message": it}).encode(),
    "gateway": lambda it: json.dumps({"statusCode": 401, "message": it}).encode(),
    "oauth": lambda it: json.dumps({"error": "invalid_grant", "error_description": it}).encode(),
    "oauth code": lambda it: json.dumps({"error": it}).encode(),
    "vendor": lambda it: json.dumps({"status": 401, "error": it, "errorDescription": it}).encode(),
    "html": lambda it: f"<html><body>{it}</body></html>".encode(),
    "text": lambda it: it.encode(),
    "garbage": lambda it: b'{"Message": "' + it.encode() + b'", ',
    "list": lambda it: json.dumps([_entity(it)]).encode(),
    "data": lambda it: json.dumps({"IsError": False, "Data": [_entity(it)], "Message": it}).encode(),
    "one": lambda it: json.dumps({**_entity(it), "count": 1, "buildings": [it]}).encode(),
    "count": lambda it: json.dumps({"count": it}).encode(),
    "token": lambda it: json.dumps({"access_token": it + "\n", "expires_in": it}).encode(),
    "nested": lambda it: b'{"Message": ' + b"[" * 40 + json.dumps(it).encode() + b"]" * 40 + b"}",
    "bytes": lambda it: b"\xff\xfe" + it.encode("utf-16-le"),
}


@dataclass
class Stage:
    """A sandbox behind a server that sings; it gives tokens with canaries and speaks of old ones too."""

    box: Sandbox
    clock: ManualClock
    songs: list[Song] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    number: int = 0

    def transport(self) -> httpx.AsyncBaseTransport:
        inner = self.box.transport()

        async def handle(request: httpx.Request) -> httpx.Response:
            await request.aread()
            self.number += 1
            self._hear(request)
            for song in self.songs:
                if song.sings(self.number, request.url.path):
                    return self._sing(song, request)
            token = canary("token").encode()
            inward = httpx.Request(
                request.method,
                request.url,
                content=request.content,
                headers=[(k, v.replace(token, b"sandbox-token")) for k, v in request.headers.raw],
                extensions=request.extensions,
            )
            answer = await inner.handle_async_request(inward)
            if request.url.path.endswith("/token"):
                content = (await answer.aread()).replace(b"sandbox-token", token)
                return httpx.Response(answer.status_code, content=content)
            return answer

        return httpx.MockTransport(handle)

    def _hear(self, request: httpx.Request) -> None:
        secret = (b"x-auth-username", b"x-auth-password", b"authorization", b"ocp-apim-subscription-key")
        words = [
            value.decode().removeprefix("Bearer ")
            for name, value in request.headers.raw
            if name.lower() in secret
        ]
        if b"grant_type" in request.content:
            words += [value for name, value in parse_qsl(request.content.decode()) if name != "grant_type"]
        self.heard += [word for word in words if word not in self.heard]

    def _sing(self, song: Song, request: httpx.Request) -> httpx.Response:
        words = " and ".join(VOICES[song.voice](word) for word in self.heard) or "nothing heard"
        printable = words.encode("ascii", "replace").decode()
        return httpx.Response(
            song.status,
            content=DRESSES[song.dress](words),
            headers={
                "location": "https://elsewhere.example/?" + quote(words),
                "www-authenticate": quote(words),
                "set-cookie": f"a={quote(words)}",
            },
            extensions={"reason_phrase": printable.replace("\r", "").replace("\n", "").encode()},
            request=request,
        )


def rendered(error: BaseException) -> str:
    """An exception as a log would show it, and all that it leads to."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)


def unpacked(data: bytes) -> str:
    """What was kept, readable: the parts that are packed unpacked."""
    text = data.decode("utf-8", "replace")
    start = data.find(b"\x1f\x8b")
    return text + (gzip.decompress(data[start:]).decode() if start >= 0 else "")


def files_below(folder: Path) -> str:
    """All that lies in a folder."""
    return "\n".join(f"{path}\n{unpacked(path.read_bytes())}" for path in folder.rglob("*") if path.is_file())
