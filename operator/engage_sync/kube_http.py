"""Sends requests to the Kubernetes API, with the official package's asyncio side below.

Every request has a timeout, nothing blocks, every failure is one of the few errors here.

Of `kubernetes.aio` (37.0.2) only configuration, authentication and transport are used: its typed calls
answer models, not the JSON that was sent, and its Lease code fails in pydantic before anything is sent.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, cast

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from engage_sync import __version__
from engage_sync.kube_config import load_configuration
from engage_sync.resource import MANAGER
from reconcilers.errors import ConfigError

Json = dict[str, Any]
"""One object as the API holds it."""

TIMEOUT = 10.0
"""Seconds for one request, from connecting to the last byte of the answer."""

ATTEMPTS = 3
"""Sendings of one request that may be repeated; the caller's own retry comes after that."""

LONGEST_PAUSE = 5.0
"""Seconds between two of them, whatever Retry-After says."""


class KubeError(Exception):
    """A request that did not do what was asked; the text is what the API says, or why it said nothing."""

    def __init__(self, message: str, *, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        """The API's own word, such as AlreadyExists; empty when it did not answer."""
        self.retry_after = retry_after
        """Seconds; None when not told."""


class NotFound(KubeError):
    """No such object, namespace or kind of object."""


class Conflict(KubeError):
    """Someone else was faster: another resourceVersion or uid, or the name is taken."""


class Forbidden(KubeError):
    """The API knows us and does not allow it (403), or does not know us (401)."""


class Invalid(KubeError):
    """The API will never take this request as it is."""


class Unavailable(KubeError):
    """No answer in time, no connection, too busy, broken. A write may or may not have happened."""


class Connection:
    """One connection to the API. Use it in an `async with` block, or close it."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        reload: Callable[[], Awaitable[Configuration]] | None = None,
    ) -> None:
        """`reload` gives fresh credentials after a 401; `timeout` is in seconds."""
        self._api = ApiClient(configuration)
        self._api.user_agent = f"{MANAGER}/{__version__}"
        self._timeout = timeout
        self._sleep = sleep
        self._reload = reload

    @classmethod
    async def connect(cls) -> Self:
        """Connect as KUBECONFIG, the pod's service account or ~/.kube/config says; sends nothing yet.

        Raises:
            ConfigError: there is no usable configuration.
        """
        return cls(await load_configuration(), reload=load_configuration)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await cast(Any, self._api).close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Json:
        """Send one request; what was surely not carried out, and reads, are sent again.

        Raises:
            KubeError: one of its kinds.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._authenticated(method, path, body, query or {}, accept)
            except Unavailable as error:
                # A 429 was turned away at the door. After anything else a write may have happened. (aiohttp
                # itself repeats a PUT or DELETE once on a connection that was just closed: ours are guarded
                # by resourceVersion, so that the second of two is a Conflict.)
                if attempt == ATTEMPTS or not (method == "GET" or error.reason == "TooManyRequests"):
                    raise
                pause = 0.5 * attempt if error.retry_after is None else error.retry_after
                await self._sleep(min(pause, LONGEST_PAUSE))
        raise AssertionError("unreachable")

    async def _authenticated(
        self, method: str, path: str, body: Json | None, query: Mapping[str, str], accept: str
    ) -> Json:
        try:
            return await self._send(method, path, body, query, accept)
        except Forbidden as error:
            if error.reason != "Unauthorized" or self._reload is None:
                raise
        try:
            fresh = await self._reload()
        except ConfigError as error:
            raise Unavailable(f"the Kubernetes API refuses our credentials, and {error}") from error
        self._api.configuration.api_key = fresh.api_key
        self._api.configuration.refresh_api_key_hook = fresh.refresh_api_key_hook
        return await self._send(method, path, body, query, accept)

    async def _send(
        self, method: str, path: str, body: Json | None, query: Mapping[str, str], accept: str
    ) -> Json:
        try:
            prepared = await self._api.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": accept, "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
            )
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            response = await self._api.call_api(*prepared, _request_timeout=timeout)
            data: bytes = await cast(Any, response).read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            what = str(error) or type(error).__name__
            raise Unavailable(f"the Kubernetes API did not answer: {what[:200]}") from error
        return _judge(response.status, response.headers, data)


def _judge(status: int, headers: Mapping[str, str], data: bytes) -> Json:
    """The answer, or the error that it is."""
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None  # its text stays out of errors: it may be a Secret
    if not isinstance(answer, dict):
        answer = {}
        if status < 400:
            raise Unavailable(f"the Kubernetes API answered {status} without JSON")
    if status < 300:
        return answer
    message = str(answer.get("message") or f"the Kubernetes API answered {status}")[:500]
    reason = str(answer.get("reason") or "")
    if status == 429:
        reason = "TooManyRequests"
    if status == 401:
        reason = "Unauthorized"
    after = headers.get("Retry-After", "")
    retry_after = float(after) if after.isascii() and after.isdigit() else None
    raise _error_of(status)(message, reason=reason, retry_after=retry_after)


def _error_of(status: int) -> type[KubeError]:
    if status == 429 or status >= 500:
        return Unavailable
    return {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}.get(status, Invalid)
