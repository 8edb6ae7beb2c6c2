"""Workplace's write side: for an upload alone, a sync only reads it (contract section 5, domain.md 2.5)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Self

import httpx
from pydantic import ValidationError

from engage_sync.clients.answers import Answer
from engage_sync.clients.failures import common_status
from engage_sync.clients.http import Bounds, Call, Http, backoff
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import WorkplaceCredentials
from engage_sync.clients.timing import Timing
from engage_sync.clients.workplace import API, auth_headers, body_of, told_of
from engage_sync.clients.workplace_wire import Ref
from reconcilers.errors import RefusedError, UnknownOutcome

CONCURRENCY = 8
"""Writes in flight at once."""
CREATES = 3
"""How often a create is sent whose outcome was not known and that a look-up did not find."""

Body = Mapping[str, object]
Find = Callable[[], Awaitable[int | None]]
"""Looks up what a lost create may have made."""


class WorkplaceWriter:
    """Creates and changes records of one tenant's Workplace, one a call; it deletes nothing."""

    def __init__(
        self,
        base_url: str,
        credentials: WorkplaceCredentials,
        transport: httpx.AsyncBaseTransport,
        *,
        user_agent: str,
        bounds: Bounds | None = None,
        timing: Timing | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        """Take over the transport; it is closed with this object.

        Args:
            base_url: as `spec.source.baseURL`, without the API's path.
            credentials: they go into every request's headers and nowhere else.
            transport: anything may pass it.
            user_agent: `engage-sync/<version> (<tenant>)`.
            bounds: what one attempt may cost.
            timing: clocks, sleep and chance.
            hidden: what else must not be shown; our own credentials are added.

        Raises:
            ConfigError: a credential cannot be sent in a header.
        """
        self._base = base_url.rstrip("/") + API
        self._timing = timing or Timing()
        self._hidden = Hidden() if hidden is None else hidden
        self._hidden.add(credentials.username, name=True)
        self._hidden.add(credentials.password)
        self._http = Http(
            "source",
            transport,
            user_agent=user_agent,
            headers=auth_headers(credentials),
            concurrency=CONCURRENCY,
            bounds=bounds,
            timing=self._timing,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.aclose()

    @property
    def requests(self) -> int:
        """Requests sent so far, every attempt counted."""
        return self._http.requests

    async def create(self, path: str, body: Body, find: Find) -> int:
        """Create a record and return its id.

        A create whose outcome is not known is never simply sent again: `find` looks first.

        Raises:
            RefusedError: Workplace will not create it.
            UnknownOutcome: nobody knows whether it was created, but Workplace answers look-ups.
            SyncError: Workplace did not answer as it should.
        """
        for attempt in range(1, CREATES + 1):
            try:
                return await self._post(path, body)
            except UnknownOutcome as error:
                lost = error
                # What was cut off may still be under way; a look-up at once would not see it.
                await self._timing.sleep(backoff(attempt, self._timing))
                found = await find()
                if found is not None:
                    return found
        raise lost

    async def change(self, path: str, id: int, body: Body) -> None:
        """Change some fields of a record.

        Raises:
            RefusedError: Workplace will not do it.
            SyncError: Workplace did not answer as it should.
        """
        await self._http.call(self._call("PUT", f"{path}/{id}", {"id": id, **body}), self._done)

    async def _post(self, path: str, body: Body) -> int:
        def judge(answer: Answer) -> int:
            self._done(answer)
            try:
                return Ref.model_validate(body_of(answer, self._hidden)).id
            except ValidationError:
                raise answer.nonsense("no id of what was created") from None

        return await self._http.call(self._call("POST", path, body, repeatable=False), judge)

    def _call(self, method: str, path: str, body: Body, *, repeatable: bool = True) -> Call:
        return Call(
            method, self._base + path, what=f"{method} {path}", json=body, repeatable=repeatable,
            setting="spec.source.baseURL",
        )  # fmt: skip

    def _done(self, answer: Answer) -> None:
        common_status(answer)
        if not answer.ok:
            raise RefusedError(
                f"Workplace refused {answer.what} with {told_of(answer, self._hidden)}", system="source"
            )
