"""Between httpx's types and ours, for use as a transport without a port."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from engage_sync.sandbox.wire import Reply, Request, split_target

AsyncHandler = Callable[[httpx.Request], Coroutine[Any, Any, httpx.Response]]


class SandboxTransport(httpx.MockTransport):
    """A MockTransport with one handler for sync clients and another for async ones."""

    def __init__(
        self, handler: Callable[[httpx.Request], httpx.Response], async_handler: AsyncHandler
    ) -> None:
        super().__init__(handler)
        self._async_handler = async_handler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._async_handler(request)


def from_httpx(request: httpx.Request) -> Request:
    """Our request of httpx's."""
    path, query = split_target(request.url.raw_path.decode("ascii"))
    headers = {name.lower(): value for name, value in request.headers.raw}
    return Request(request.method, path, query, headers, request.read())


def read_timeout(request: httpx.Request) -> float:
    """How many seconds the client waits for an answer."""
    seconds = request.extensions.get("timeout", {}).get("read")
    return math.inf if seconds is None else float(seconds)


def to_httpx(reply: Reply, request: httpx.Request) -> httpx.Response:
    """Httpx's response of our reply, or the exception that a lost answer raises over a port."""
    if reply.delay > read_timeout(request):
        raise httpx.ReadTimeout("The answer is later than the client waits.", request=request)
    if reply.broken == "reset":
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
    if reply.broken == "truncated":
        message = "peer closed connection without sending complete message body"
        raise httpx.RemoteProtocolError(message, request=request)
    return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body, request=request)
