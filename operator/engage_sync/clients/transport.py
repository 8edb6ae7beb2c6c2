"""How bytes travel: the connection pool of production, and the guard that lets nothing but reads pass."""

import socket

import aiohttp
import httpx
from aiohttp.connector import AddrInfoType
from httpx_aiohttp import AiohttpTransport

from engage_sync.trust import Trust
from reconcilers.errors import Halted, System

CONNECTIONS = 16
"""To one system at once."""
READS = frozenset({"GET", "HEAD"})


class AddressRefused(OSError):
    """A connection that was not begun, because of its address; an OSError, so that the next one is tried."""


def network_transport(trust: Trust) -> httpx.AsyncBaseTransport:
    """Real connections, at most CONNECTIONS at once, to addresses that are trusted.

    Through aiohttp, because httpx's own transport costs 4.5 ms of CPU a request at 32 in flight and
    aiohttp's 0.6 ms. Nothing is taken from the environment (no proxy, no .netrc) and no cookie is kept:
    credentials go to the named host and nowhere else. Create it where an event loop runs.
    """
    tls = httpx.create_ssl_context(trust_env=False)

    def open_socket(info: AddrInfoType) -> socket.socket:
        # Here and not where names are resolved: every connection begins with this call and goes to this
        # very address, whether it was written as an address, looked up, looked up twice or cached.
        family, kind, protocol, _, address = info
        if not trust.takes_address(str(address[0])):
            raise AddressRefused("not an address to connect to")
        return socket.socket(family, kind, protocol)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS, ssl=tls, keepalive_timeout=15.0, socket_factory=open_socket
        )
        pool = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        # Its own second try of a PUT or DELETE would ask neither the limits nor whether we still lead.
        pool._retry_connection = False
        return pool

    return AiohttpTransport(client=session)


class QuietTransport(httpx.AsyncBaseTransport):
    """Drops the words a server puts beside its status: httpx logs them, and they may repeat a password."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on."""
        response = await self._inner.handle_async_request(request)
        response.extensions.pop("reason_phrase", None)
        return response

    async def aclose(self) -> None:
        """Close what is below."""
        await self._inner.aclose()


class ReadOnlyTransport(httpx.AsyncBaseTransport):
    """Lets reads pass, and the POST that asks for a token; refuses everything else before it is sent.

    Plan mode and the source are given nothing else, so that no mistake elsewhere can write.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, *, system: System, token_url: str = "") -> None:
        self._inner = inner
        self._system: System = system
        self._token_url = httpx.URL(token_url) if token_url else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a read on.

        Raises:
            Halted: it is not a read.
        """
        asks_token = request.method == "POST" and request.url == self._token_url
        if request.method not in READS and not asks_token:
            raise Halted(
                f"this run only reads, so {request.method} {request.url.path} was not sent",
                system=self._system,
            )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what is below."""
        await self._inner.aclose()
