"""Carries out an upload: parents before children, a few writes at a time, each create at most once.

Nothing is remembered of what was done: a next upload reads Workplace and finds it by its names.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engage_sync.clients.http import CONCURRENCY
from engage_sync.clients.timing import Timing
from engage_sync.clients.workplace_held import (
    HELD_BUILDINGS,
    HELD_TYPES,
    HeldRoom,
    HeldType,
    floors_of,
    rooms_on,
)
from engage_sync.clients.workplace_listings import Listings
from engage_sync.clients.workplace_writer import WorkplaceWriter
from engage_sync.spacedata.journal import Journal
from engage_sync.spacedata.work import PARENT_FIELDS, PATHS, UploadPlan, What, Work
from reconcilers.errors import RefusedError, SyncError, UnknownOutcome
from reconcilers.source import Floor
from reconcilers.text import clean

SETTLED = 10.0
"""Seconds after which a create whose sender died was carried out, or never is."""
GIVE_UP = 10
"""Creates without a known outcome after which no more are sent: Workplace is not well."""

Tell = Callable[[What, int, int], None]
"""Hears how many records of a kind are done, and of how many."""


class Done(StrEnum):
    """What became of a record."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not written, and why."""

    work: Work
    message: str


@dataclass(slots=True)
class Outcome:
    """How an upload went; `ended_by` is the error that ended it early."""

    counts: dict[What, Counter[Done]] = field(default_factory=lambda: {what: Counter() for what in What})
    failures: list[Failure] = field(default_factory=list)
    ended_by: SyncError | None = None


class Upload:
    """One upload of one plan."""

    def __init__(
        self,
        listings: Listings,
        writer: WorkplaceWriter,
        journal: Journal,
        *,
        timing: Timing | None = None,
        tell: Tell = lambda what, done, total: None,
    ) -> None:
        self._listings = listings
        self._writer = writer
        self._journal = journal
        self._timing = timing or Timing()
        self._tell = tell
        self._looking = asyncio.Lock()
        self._outcome = Outcome()
        self._unknown = 0

    async def run(self, plan: UploadPlan) -> Outcome:
        """Carry it out. Raises ValueError for a plan with errors; what goes wrong else is in the outcome."""
        if plan.errors:
            raise ValueError("a plan with errors is not carried out")
        for what in What:
            await self._write_all(what, plan.of(what))
        if self._outcome.ended_by is None and not self._unknown:
            self._journal.forget()
        return self._outcome

    async def _write_all(self, what: What, works: list[Work]) -> None:
        counts = self._outcome.counts[what]
        writes = [work for work in works if work.writes]
        counts[Done.UNCHANGED] += len(works) - len(writes)
        queue = iter(writes)
        workers = (self._work(queue, what, len(writes)) for _ in range(CONCURRENCY))
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker)

    async def _work(self, queue: Iterator[Work], what: What, total: int) -> None:
        """Take work until there is none, or until the upload has to end; what was begun is finished."""
        counts = self._outcome.counts[what]
        for work in queue:
            if self._outcome.ended_by is not None:
                return
            try:
                counts[await self._write(work)] += 1
            except RefusedError as error:
                self._fail(work, error)
            except UnknownOutcome as error:
                self._fail(work, error)
                self._unknown += 1
                if self._unknown >= GIVE_UP:
                    self._outcome.ended_by = error
            except SyncError as error:
                self._outcome.ended_by = self._outcome.ended_by or error
                return
            self._tell(what, counts.total() - counts[Done.UNCHANGED], total)

    def _fail(self, work: Work, error: SyncError) -> None:
        self._outcome.counts[work.what][Done.FAILED] += 1
        self._outcome.failures.append(Failure(work, error.message))

    async def _write(self, work: Work) -> Done:
        body = {**work.body, **_references(work), **_place_on_top(work)}
        if work.id is None:
            work.id = await self._create(work, body)
            return Done.CREATED
        await self._writer.change(PATHS[work.what], work.id, body)
        return Done.UPDATED

    async def _create(self, work: Work, body: dict[str, object]) -> int:
        found = await self._left_over(work)
        if found is not None:
            return found
        self._journal.begin(work.key, self._timing.wall())
        try:
            id = await self._writer.create(PATHS[work.what], body, lambda: self._find(work))
        except RefusedError:
            self._journal.end(work.key)
            raise
        self._journal.end(work.key)
        return id

    async def _left_over(self, work: Work) -> int | None:
        """What a create of an upload that was killed has made after Workplace was read."""
        began = self._journal.begun(work.key)
        if began is None:
            return None
        wait = began + SETTLED - self._timing.wall()
        if 0 < wait <= SETTLED:
            await self._timing.sleep(wait)
        return await self._find(work)

    async def _find(self, work: Work) -> int | None:
        """What this work has created: had it been there before, it would not be created."""
        async with self._looking:  # two look-ups at once would be parallel pages of one listing
            return min(await self._alike(work), default=None)

    async def _alike(self, work: Work) -> Iterable[int]:
        """Ids of the records that have the names of this one, within its parent."""
        if work.what is What.BUILDING:
            buildings = await self._listings.latest(HELD_BUILDINGS)
            return [
                one.id for one in buildings if (clean(one.code), clean(one.name)) == (work.code, work.name)
            ]
        return [one.id for one in await self._siblings(work) if clean(one.name) == work.name]

    async def _siblings(self, work: Work) -> Sequence[HeldType | Floor | HeldRoom]:
        if work.what is What.TYPE:
            return await self._listings.latest(HELD_TYPES)
        parent = _id_of(work, work.parent)
        if work.what is What.FLOOR:
            return await self._listings.latest(floors_of(parent))
        return await self._listings.latest(rooms_on(parent))


def _references(work: Work) -> dict[str, object]:
    references: dict[str, object] = {}
    if work.parent is not None and work.id is None:
        references[PARENT_FIELDS[work.what]] = {"id": _id_of(work, work.parent)}
    if work.type is not None:
        references["type"] = {"id": _id_of(work, work.type)}
    return references


def _place_on_top(work: Work) -> dict[str, object]:
    """City and state beside the address, too: the published samples of writes have them there."""
    address = work.body.get("address")
    known = address if isinstance(address, dict) else {}
    return {name: known[name] for name in ("city", "state") if name in known}


def _id_of(work: Work, other: Work | None) -> int:
    """The id of what a record refers to; raises RefusedError when that was not created."""
    if other is None or other.id is None:
        what = f'{other.what} "{other.name}"' if other else "parent"
        raise RefusedError(f"its {what} was not created, so neither was this {work.what}", system="source")
    return other.id
