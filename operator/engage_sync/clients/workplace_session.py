"""Calls to one tenant's Workplace: address, credentials, and what its statuses mean."""

from collections.abc import Mapping
from typing import TypeVar

import httpx

from engage_sync.clients.answers import Answer, status_and_message, vendor_message
from engage_sync.clients.failures import common_status, not_there
from engage_sync.clients.http import Call, Http, Judge, Session
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import WorkplaceCredentials, header_value
from engage_sync.clients.timing import Timing
from engage_sync.clients.transport import ReadOnlyTransport
from reconcilers.errors import CredentialsRejected, RefusedError

BASE_URL = "spec.source.baseURL"
API = "/external/api/rest/v2"
"""Below the base URL."""

T = TypeVar("T")
Body = Mapping[str, object]


class WorkplaceSession(Session):
    """What all that calls Workplace shares. Owns the transport: close it, or use it as a context."""

    def __init__(
        self,
        base_url: str,
        credentials: WorkplaceCredentials,
        transport: httpx.AsyncBaseTransport,
        *,
        user_agent: str,
        read_only: bool,
        timing: Timing | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        """Take over the transport; it is closed with this object.

        Args:
            base_url: as `spec.source.baseURL`, without the API's path.
            credentials: they go into every request's headers and nowhere else.
            transport: wrapped, when `read_only`, so that nothing but reads can pass.
            user_agent: `engage-sync/<version> (<tenant>)`.
            read_only: for all but the writing of an upload.
            timing: clocks, sleep and chance.
            hidden: what else must not be shown; our own credentials are added.

        Raises:
            ConfigError: a credential cannot be sent in a header.
        """
        self.timing = timing or Timing()
        self._base = base_url.rstrip("/") + API
        self._hidden = Hidden() if hidden is None else hidden
        self._hidden.add(credentials.username, name=True)
        self._hidden.add(credentials.password)
        self._http = Http(
            "source",
            ReadOnlyTransport(transport, system="source") if read_only else transport,
            user_agent=user_agent,
            headers={
                "x-auth-username": header_value(credentials.username, "Workplace username", "source"),
                "x-auth-password": header_value(credentials.password, "Workplace password", "source"),
            },
            timing=self.timing,
        )

    async def read(self, path: str, params: Mapping[str, str], judge: Judge[T]) -> T:
        """One read; `judge` sees every answer, and asks `body` what its status means.

        Raises:
            SyncError: it was not answered, or not as it should be.
        """
        call = Call("GET", self._base + path, what=path, params=params, setting=BASE_URL)
        return await self._http.call(call, judge)

    async def write(
        self, method: str, path: str, body: Body, judge: Judge[T], *, repeatable: bool = True
    ) -> T:
        """One write; `judge` sees every answer, and asks `done` what its status means.

        Raises:
            UnknownOutcome: it is not repeatable, was sent, and nobody knows what became of it.
            RefusedError: Workplace will not do it.
            SyncError: it was not answered, or not as it should be.
        """
        what = f"{method} {path}"
        call = Call(method, self._base + path, what=what, json=body, repeatable=repeatable, setting=BASE_URL)
        return await self._http.call(call, judge)

    def body(self, answer: Answer) -> object:
        """The JSON of an answer that is no error. Raises SyncError for one that is."""
        common_status(answer)
        if answer.ok:
            answer.no_echo(self._hidden)
            return answer.json()
        not_there(answer, self._told(answer), BASE_URL)
        raise answer.nonsense(self._told(answer))

    def done(self, answer: Answer) -> None:
        """Nothing is expected but that it was done. Raises RefusedError, or SyncError, where it was not."""
        common_status(answer)
        if not answer.ok:
            raise RefusedError(f"Workplace refused {answer.what} with {self._told(answer)}", system="source")

    def _told(self, answer: Answer) -> str:
        """An error's status and sentence. Raises CredentialsRejected where it is about our credentials."""
        told = vendor_message(answer, self._hidden)
        said = status_and_message(answer, told)
        if answer.status in (401, 403):
            raise CredentialsRejected(
                f"Workplace does not accept the username and password, it answered {answer.what} with {said}",
                system="source",
            )
        return said
