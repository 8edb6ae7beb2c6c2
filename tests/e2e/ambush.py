"""Sandboxes that lie in wait: at one chosen write they kill, freeze or cut off whoever sends it.

Many of them share one thread of this process, so that a signal is sent exactly between two events that the
server itself brings about: before the write, or after its commit and before its answer.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from engage_sync.sandbox.account import Addresses
from engage_sync.sandbox.engage import API
from engage_sync.sandbox.sandbox import Sandbox
from engage_sync.sandbox.server import PAGE_TIME
from engage_sync.sandbox.wire import Reply, Request, read_json, split_target
from tests.controlplane.server import ControlPlane
from tests.e2e.harness import call

T = TypeVar("T")
P = TypeVar("P", bound="Post")

HOST = "127.0.0.1"
ENGAGE = f"/engage{API}"
CUT_OFF = Reply(0, broken="reset")
_ABRUPT = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN, as a crashed peer would

Commit = Callable[[], Awaitable[Reply]]


@dataclass(frozen=True, order=True)
class Spot:
    """A write of a run, named so that it is found again when the run's calls come in another order."""

    method: str
    path: str
    """Of Engage: the path without ids, `rooms`, `locations/groups`. Of Kubernetes: `configmaps`, ..."""
    key: str
    """The external id of what is written; what has none is called by its kind and name."""
    fields: tuple[str, ...] = ()
    nth: int = 1
    """Which one of those that are otherwise the same, counted since the trap was set."""

    def __str__(self) -> str:
        again = f" (no. {self.nth})" if self.nth > 1 else ""
        return " ".join(filter(None, [self.method, self.path, self.key, ",".join(self.fields)])) + again


@dataclass(frozen=True)
class Attempt:
    """A write that has arrived, whatever becomes of it."""

    spot: Spot
    number: int
    """Since the trap was set, from 1."""
    sender: int | None
    """The process that sent it, if it is one of the suspects."""
    at: float
    """Seconds of the monotonic clock."""


Trap = Callable[[Attempt, Commit], Awaitable[Reply]]
"""Sees every write and answers it; `commit` carries it out."""


async def let_pass(attempt: Attempt, commit: Commit) -> Reply:
    """No trap."""
    return await commit()


@dataclass
class Post:
    """A server in the thread of the ambushes that sees writes arrive."""

    loop: asyncio.AbstractEventLoop
    url: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    """The writes since the trap was set."""
    suspects: tuple[int, ...] = ()
    """Processes that may be the senders."""
    _trap: Trap = let_pass
    _times: Counter[Spot] = field(default_factory=Counter)

    def set(self, trap: Trap) -> None:
        """Set a trap, counting from now."""

        async def arm() -> None:
            self._trap = trap
            self.attempts, self._times = [], Counter()

        asyncio.run_coroutine_threadsafe(arm(), self.loop).result(timeout=30)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of the port."""
        path, query = split_target(request.raw_path)
        headers = {name.lower(): value for name, value in request.raw_headers}
        body = await request.read() if request.can_read_body else b""
        transport = request.transport
        port = transport.get_extra_info("peername")[1] if transport else 0
        reply = await self.serve(Request(request.method, path, query, headers, body), port)
        if reply.broken and transport is not None:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            transport.abort()
        return web.Response(status=reply.status or 200, headers=dict(reply.headers), body=reply.body)

    async def serve(self, request: Request, port: int) -> Reply:
        """Answer one request."""
        raise NotImplementedError

    async def meet(self, spot: Spot, port: int, commit: Commit) -> Reply:
        """A write has arrived: let the trap decide."""
        self._times[spot] += 1
        spot = replace(spot, nth=self._times[spot])
        sender = owner_of(port, self.suspects)  # now, while it waits for an answer
        attempt = Attempt(spot, len(self.attempts) + 1, sender, time.monotonic())
        self.attempts.append(attempt)
        return await self._trap(attempt, commit)


@dataclass
class Ambush(Post):
    """A sandbox on a port of its own. What changes it from another thread goes through `do`."""

    sandbox: Sandbox = field(default_factory=lambda: Sandbox(page_time=PAGE_TIME, per_minute=0, per_week=0))
    refusals: list[str] = field(default_factory=list)
    """The writes that were refused; a delete of what is gone is none."""
    _keys: dict[int, str] = field(default_factory=dict)
    """Of what was written once, so that a second delete is known by the same name."""

    def do(self, work: Callable[[Sandbox], T]) -> T:
        """Look at or edit the sandbox between two of its answers."""

        async def between() -> T:
            return work(self.sandbox)

        return asyncio.run_coroutine_threadsafe(between(), self.loop).result(timeout=30)

    def ask(self, path: str) -> Any:
        """What the sandbox tells of itself: `/state`, `/requests`."""
        return call(f"{self.url}/_sandbox{path}", "GET", None, {})

    def writes(self) -> list[dict[str, Any]]:
        """The writes that Engage has committed, in order, by the sandbox's own journal."""
        return [write for write in self.ask("/requests")["writes"] if write["system"] == "engage"]

    async def serve(self, request: Request, port: int) -> Reply:
        """Answer one request, as it is or as the trap wants it."""
        if request.method == "GET" or not request.path.startswith(ENGAGE + "/"):
            return await self.sandbox.serve(request)
        spot = self._spot(request)

        async def commit() -> Reply:
            reply = await self.sandbox.serve(request)
            if reply.status >= 400 and (request.method, reply.status) != ("DELETE", 404):
                self.refusals.append(f"{spot}: {reply.status}")
            return reply

        return await self.meet(spot, port, commit)

    def _spot(self, request: Request) -> Spot:
        kind, *rest = request.path.removeprefix(ENGAGE + "/").split("/")
        body = read_json(request) if request.body else {}
        path = "/".join([kind, *rest[1:]])
        return Spot(request.method, path, self._key(kind, rest[:1], body), tuple(sorted(body)))

    def _key(self, kind: str, id: list[str], body: dict[str, Any]) -> str:
        if not id:
            return str(body.get("ExternalId") or f"{kind}:{body.get('ResourceName')}")
        number = int(id[0])
        item = self.sandbox.engage.data.tables[kind].get(number)
        if item is not None and number not in self._keys:
            named = item["ExternalId"] or body.get("ExternalId")
            self._keys[number] = str(named or f"{kind}:{item['ResourceName']}")
        return self._keys.get(number, f"{kind}:{number}")


@dataclass
class Relay(Post):
    """The Kubernetes API at one remove, as its administrator: writes meet the trap, and the way can be shut.

    Leases and Events pass unseen by the trap, but through the same way.
    """

    target: str = ""
    _way: asyncio.Event = field(default_factory=asyncio.Event)
    _client: aiohttp.ClientSession | None = None

    async def connect(self, tls: ssl.SSLContext) -> None:
        """Open the way. Called in the thread of the ambushes."""
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        self._way.set()

    async def disconnect(self) -> None:
        """Close all connections."""
        assert self._client is not None
        await self._client.close()

    def shut(self) -> None:
        """From now on nothing is answered, as on a network that swallows packets."""
        self.loop.call_soon_threadsafe(self._way.clear)

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that leads here."""
        name, path = "relay", folder / f"relay-{self.url.rpartition(':')[2]}.kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {"token": "the-relay-has-its-own"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        path.write_text(json.dumps(content))
        return path

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Watches are passed on as they come; everything else goes the way of all requests."""
        if "watch=" not in request.query_string:
            return await super().handle(request)
        await self._way.wait()
        async with self._ask("GET", request.raw_path, {}, b"") as answer:
            response = web.StreamResponse(status=answer.status, headers=_plain(answer.headers))
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):  # the client is gone
                async for chunk in answer.content.iter_any():
                    await self._way.wait()
                    await response.write(chunk)
        return response

    async def serve(self, request: Request, port: int) -> Reply:
        """Pass one request on; a write as the trap wants it."""
        await self._way.wait()
        spot = self._spot(request)
        if spot is None:
            return await self._pass(request)
        return await self.meet(spot, port, lambda: self._pass(request))

    async def _pass(self, request: Request) -> Reply:
        query = f"?{urlencode(request.query)}" if request.query else ""
        kind = {"Content-Type": request.text(b"content-type")} if request.body else {}
        path = quote(request.path) + query
        headers = kind | {"Accept": request.text(b"accept") or "application/json"}
        async with self._ask(request.method, path, headers, request.body) as answer:
            return Reply(answer.status, await answer.read(), _plain(answer.headers))

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        assert self._client is not None
        url = URL(self.target + path, encoded=True)
        return self._client.request(method, url, headers=headers, data=body or None)

    def _spot(self, request: Request) -> Spot | None:
        """What is written of what a run leaves in the cluster: ConfigMaps, SyncPlans, the status."""
        _, _, rest = request.path.partition("/namespaces/")
        resource, _, name = "/".join(rest.split("/")[1:]).partition("/")
        if request.method == "GET" or resource not in ("configmaps", "synctargets", "syncplans"):
            return None
        name, _, part = name.partition("/")
        if resource != "configmaps":
            return Spot(request.method, f"{resource}/{part}".rstrip("/"), resource)
        name = name or json.loads(request.body)["metadata"]["name"]
        role = "plan" if "-plan-" in name else "index" if name.endswith("-mapping") else "chunk"
        return Spot(request.method, resource, role)


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that say something of the body."""
    return {name: headers[name] for name in ("Content-Type", "Content-Encoding") if name in headers}


class Ground:
    """The thread that all ambushes share; a context."""

    def __enter__(self) -> "Ground":
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="ambushes", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._run(_end_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    @contextlib.contextmanager
    def ambush(self) -> Iterator[Ambush]:
        """A sandbox without limits, ended with the block."""
        with self._serving(Ambush(self.loop)) as ambush:
            ambush.sandbox.addresses = Addresses(ambush.url)
            yield ambush

    @contextlib.contextmanager
    def relay(self, plane: ControlPlane) -> Iterator[Relay]:
        """A way to a control plane that can be watched and closed, ended with the block."""
        with self._serving(Relay(self.loop, target=plane.url)) as relay:
            self._run(relay.connect(plane.administrator()))
            try:
                yield relay
            finally:
                self._run(relay.disconnect())

    @contextlib.contextmanager
    def _serving(self, post: P) -> Iterator[P]:
        runner = self._run(_serve(post))
        try:
            yield post
        finally:
            self._run(runner.cleanup())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=30)


async def _end_all() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


async def _serve(post: Post) -> web.ServerRunner:
    # A client that is dead must not leave us waiting for what it asked.
    server = web.Server(post.handle, access_log=None, handler_cancellation=True)
    runner = web.ServerRunner(server, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    post.url = f"http://{HOST}:{runner.addresses[0][1]}"
    return runner


def owner_of(port: int, pids: Iterable[int]) -> int | None:
    """Which of these processes holds the local TCP port; None when it is none of them any more."""
    if not pids:
        return None
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in table if int(row[1].split(":")[1], 16) == port}
    return next((pid for pid in pids if sockets & set(_open_files(pid))), None)


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):  # the process is gone
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # it was closed meanwhile
                yield str(entry.readlink())
