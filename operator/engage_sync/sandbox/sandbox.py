"""Both systems behind one callable: routing, faults, latency and the journal.

No port and no sleep of its own: clock and sleep are arguments, so that tests are instant and repeatable.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import httpx

from engage_sync.sandbox import adapter, admin, faults
from engage_sync.sandbox.account import Account, Addresses
from engage_sync.sandbox.engage import API as ENGAGE_API
from engage_sync.sandbox.engage import Engage
from engage_sync.sandbox.gateway import PER_MINUTE, PER_WEEK, TOKEN_LIFE, CallLimits, Tokens
from engage_sync.sandbox.journal import Asked, Journal
from engage_sync.sandbox.seeds import Seeds
from engage_sync.sandbox.wire import Reply, Request, Write, json_reply
from engage_sync.sandbox.workplace import API as WORKPLACE_API
from engage_sync.sandbox.workplace import ListingKey, Workplace

# How long a client that fetched two pages at once is told to wait; any whole second would do.
_CROWDED_WAIT = 1


class Sandbox:
    """Eptura Workplace and Eptura Engage for one made-up tenant."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        latency: float = 0.0,
        page_time: float = 0.0,
        per_minute: int = PER_MINUTE,
        per_week: int = PER_WEEK,
        token_life: float = TOKEN_LIFE,
        account: Account | None = None,
    ) -> None:
        self.account = account or Account()
        self.addresses = Addresses("http://sandbox.test")
        self.latency = latency
        self.page_time = page_time  # least time a page takes, so that two sent together do meet
        self.journal = Journal()
        self.faults = faults.Faults()
        self.workplace = Workplace(
            clock=clock,
            username=self.account.workplace_username,
            password=self.account.workplace_password,
            wrote=self.journal.writes.append,
        )
        self.engage = Engage(
            clock=clock,
            keys=self.account.subscription_keys,
            tokens=Tokens(
                clock,
                client_id=self.account.engage_client_id,
                password=self.account.engage_password,
                life=token_life,
            ),
            limits=CallLimits(clock, per_minute=per_minute, per_week=per_week),
            wrote=self.journal.writes.append,
        )
        self.seed = Seeds(self.workplace.data, self.engage.data)
        self._sleep = sleep
        self._open_listings: set[ListingKey] = set()

    @property
    def writes(self) -> list[Write]:
        """The committed writes of both systems, in order."""
        return self.journal.writes

    # For httpx

    def handle(self, request: httpx.Request) -> httpx.Response:
        """A handler for `httpx.MockTransport`, sync or async; no latency, and no two requests at once."""
        return adapter.to_httpx(self.respond(adapter.from_httpx(request)), request)

    async def handle_async(self, request: httpx.Request) -> httpx.Response:
        """The same with latency, delays and parallel page requests as a port would show them."""
        patience = adapter.read_timeout(request)
        reply = await self.serve(adapter.from_httpx(request), patience=patience)
        return adapter.to_httpx(reply, request)

    def transport(self) -> httpx.MockTransport:
        """A transport for clients of both kinds; an async one gets `handle_async`."""
        return adapter.SandboxTransport(self.handle, self.handle_async)

    # The core

    async def serve(self, request: Request, *, patience: float = math.inf) -> Reply:
        """Answer one request in its own time; `patience` is how long the client waits for a late answer."""
        system, inner = _route(request)
        listing = self.workplace.listing(inner) if system == "workplace" else None
        if listing is None:
            if self.latency and system != "sandbox":
                await self._sleep(self.latency)
            return await self._late(self.respond(request), patience)
        if listing in self._open_listings:
            return self._crowded(inner)
        self._open_listings.add(listing)
        try:
            # Even a wait of nothing lets a second page request of the same moment arrive and be seen.
            await self._sleep(max(self.latency, self.page_time))
            return await self._late(self.respond(request), patience)
        finally:
            self._open_listings.discard(listing)

    def respond(self, request: Request) -> Reply:
        """Answer one request at once."""
        system, inner = _route(request)
        if system == "sandbox":
            return admin.respond(self, inner)
        if system not in ("workplace", "engage"):
            return json_reply(404, {"message": "Try /workplace, /engage or /_sandbox."})
        respond = self.workplace.respond if system == "workplace" else self.engage.respond
        fault = self.faults.pick(system, inner)
        if fault is None:
            reply = respond(inner)
        else:
            error = self.workplace.error if system == "workplace" else self.engage.error
            reply = faults.apply(fault, inner, respond, error)
        self.journal.requests[Asked(system, inner.method, inner.path, reply.status)] += 1
        return reply

    def _crowded(self, request: Request) -> Reply:
        """Pages of one listing are fetched one after the other (documented, domain.md 2.3)."""
        self.journal.requests[Asked("workplace", request.method, request.path, 429)] += 1
        message = "Pages of one listing must be requested one after the other."
        return self.workplace.error(429, message, {"Retry-After": str(_CROWDED_WAIT)})

    async def _late(self, reply: Reply, patience: float) -> Reply:
        if reply.delay:
            await self._sleep(min(reply.delay, patience))
        return reply


def _route(request: Request) -> tuple[str, Request]:
    """The system a request is for, and the request with its path below that system's API."""
    head, _, rest = request.path.lstrip("/").partition("/")
    base = {"workplace": WORKPLACE_API, "engage": ENGAGE_API}.get(head, "")
    path = f"/{rest}"
    if base and path.startswith(base + "/"):
        path = path[len(base) :]
    elif base and path.startswith("/tokenproviderapi/"):
        pass  # the one path of Engage that lies outside its API
    elif base:
        path = f"/not-the-api{path}"  # so that /workplace/rooms does not pass for the API's /rooms
    system = "sandbox" if head == "_sandbox" else head
    return system, Request(request.method, path, request.query, request.headers, request.body)
