"""Liveness and readiness over HTTP: `/livez` while the event loop turns, `/readyz` while the API answers.

Being a standby is no lack of readiness: it would hold up every rollout.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from reconcilers.errors import ConfigError

Probe = Callable[[], Awaitable[str | None]]
"""None when all is well, else what is wrong."""


@asynccontextmanager
async def serving(port: int, ready: Probe) -> AsyncIterator[None]:
    """Serve both endpoints on all addresses of this port while the block runs. Port 0 serves nothing.

    Raises ConfigError when the port cannot be had.
    """
    if port == 0:
        yield
        return
    runner = web.AppRunner(_app(ready), access_log=None)
    await runner.setup()
    try:
        await _listen(runner, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, None, port).start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"health port {port} cannot be used: {why}; choose another with --health-port"
        ) from None


def _app(ready: Probe) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        problem = await ready()
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    return app
