"""The sandbox on a real port of the loopback interface, with aiohttp; only sockets and signals live here."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from engage_sync.sandbox.sandbox import Sandbox
from engage_sync.sandbox.wire import Reply, Request, split_target

HOST = "127.0.0.1"
# Two page requests sent together arrive within this time, so that the second one finds the first at work.
PAGE_TIME = 0.002
# Requests still being answered when the sandbox is told to end get this long.
_GRACE = 1.0
# close() then sends RST instead of FIN, as a crashed peer would.
_ABRUPT = struct.pack("ii", 1, 0)


@contextlib.asynccontextmanager
async def serving(sandbox: Sandbox, port: int = 0) -> AsyncIterator[str]:
    """Serve until the block ends; gives the address. OSError when the port is taken."""
    server = web.Server(_handler(sandbox), access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        host, bound = runner.addresses[0][:2]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()


async def run(sandbox: Sandbox, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serving(sandbox, port) as address:
        ready(address)
        await stop.wait()


def _handler(sandbox: Sandbox) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path, query = split_target(request.raw_path)
        headers = {name.lower(): value for name, value in request.raw_headers}
        body = await request.read() if request.can_read_body else b""
        reply = await sandbox.serve(Request(request.method, path, query, headers, body))
        if reply.broken:
            return await _break(request, reply)
        return web.Response(status=reply.status, headers=dict(reply.headers), body=reply.body)

    return handle


async def _break(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Drop the connection: at once, or after half of the body that was announced."""
    response = web.StreamResponse(status=reply.status or 200, headers=dict(reply.headers))
    if request.transport is None:
        return response  # the client went away first
    if reply.broken == "truncated":
        response.content_length = len(reply.body)
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
        request.transport.close()
        return response
    connection: socket.socket = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
    request.transport.abort()
    return response
