"""Workplace's write side: for an upload alone, a sync only reads it (contract section 5, domain.md 2.5)."""

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from engage_sync.clients.answers import Answer
from engage_sync.clients.http import CREATES, backoff
from engage_sync.clients.workplace_session import Body, WorkplaceSession
from engage_sync.clients.workplace_wire import Ref
from reconcilers.errors import UnknownOutcome

Find = Callable[[], Awaitable[int | None]]
"""Looks up what a lost create may have made."""


class WorkplaceWriter:
    """Creates and changes records, one a call; it deletes nothing."""

    def __init__(self, session: WorkplaceSession) -> None:
        self._session = session

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
                return await self._session.write("POST", path, body, self._created, repeatable=False)
            except UnknownOutcome as error:
                lost = error
                # What was cut off may still be under way; a look-up at once would not see it.
                await self._session.timing.sleep(backoff(attempt, self._session.timing))
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
        await self._session.write("PUT", f"{path}/{id}", {"id": id, **body}, self._session.done)

    def _created(self, answer: Answer) -> int:
        self._session.done(answer)
        try:
            return Ref.model_validate(self._session.body(answer)).id
        except ValidationError:
            raise answer.nonsense("no id of what was created") from None
