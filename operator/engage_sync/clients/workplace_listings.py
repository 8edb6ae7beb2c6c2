"""Workplace's listings, read whole, with the evidence that they were.

Pages of one listing are read one after the other, because Workplace answers parallel page requests with
429 (contract section 5); different listings may go side by side.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from engage_sync.clients.answers import Answer, clean_message
from engage_sync.clients.workplace_session import WorkplaceSession
from engage_sync.clients.workplace_wire import CountWire
from reconcilers.errors import IncompleteAnswer
from reconcilers.events import Event, Reading
from reconcilers.source import Listing, Record, Unreadable

PAGE = 100
"""Records a page; Workplace refuses more (domain.md section 2.2)."""
MANY = 10 * PAGE
"""Records of a listing without a count that nobody believes in; there are some 250 countries."""
_LOOKS = 5
"""How often a listing that grows is read until it holds what is counted."""

R = TypeVar("R", bound=Record)
T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)  # no slots: Python 3.11 cannot construct a frozen generic with them
class Collection(Generic[T]):
    """One listing, and what is made of its records."""

    name: str
    path: str
    read: Callable[[object], T]
    """Raises ValidationError for a record that cannot be understood."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Sent with the pages and with the count."""
    shape: Mapping[str, str] = field(default_factory=dict)
    """Sent with the pages alone: it chooses fields, not records."""

    def read_as(self, read: Callable[[object], S]) -> "Collection[S]":
        """The same listing, but something else is made of its records."""
        return Collection(self.name, self.path, read, self.filters, self.shape)

    def only(self, **filters: int) -> "Collection[T]":
        """A part of it."""
        return replace(self, filters={**self.filters, **{name: str(id) for name, id in filters.items()}})


@dataclass(slots=True)
class Pages(Generic[T]):
    """What the pages of one listing brought so far."""

    items: list[T] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    number: int = 0
    """Records, those that could not be understood counted."""
    overlap: bool = True
    """Each page after the first shall begin with the last record of the one before."""
    seamless: bool = True
    """Each page was seen to, and that nothing follows the last."""
    _ids: set[str] = field(default_factory=set, init=False)
    _last: str = field(default="", init=False)

    @property
    def next(self) -> int:
        """Where the next page begins."""
        return max(0, self.number - self.overlap)

    @property
    def each_once(self) -> bool:
        """There are some, none of them twice, and nothing moved: all that can be said without a count."""
        return self.seamless and 0 < len(self._ids) == self.number

    def take(self, page: list[object], read: Callable[[object], T]) -> None:
        """One page more; what it shows once more is left out, where it is what it must be."""
        ids = [_id_of(record) for record in page]
        met = self.overlap and self.number > 0 and ids[:1] == [self._last]
        self.seamless = self.seamless and (met or not self.number)
        start = int(met)
        items, unreadable = read_records(read, page[start:])
        self.items += items
        self.unreadable += unreadable
        self.number += len(page) - start
        self._ids.update(ids)
        self._last = ids[-1] if ids else self._last


class Listings:
    """Reads listings."""

    def __init__(self, session: WorkplaceSession, tell: Callable[[Event], None] = lambda event: None) -> None:
        """Read by `session`; `tell` hears a `Reading` after each page."""
        self._session = session
        self._tell = tell

    async def listing(self, what: Collection[R], known: frozenset[int] | None = None) -> Listing[R]:
        """A listing as it is, to be judged by its evidence; one that does not convince is read once more.

        Pages that overlap are more pages, so they are asked for only where the listing must tell what is not
        there: where one of the `known` ids is missing, or nobody knows what there was (None).
        Raises SyncError when it could not be read to its end.
        """
        listing = await self._counted(what, overlap=known is None)
        if listing.may_have_lost(known) or not _adds_up(listing):
            first, listing = listing, await self._counted(what)
            # Where Workplace ignores the order asked for, one may pass another by a new name, and pages that
            # meet may still have lost it: what one look saw is not gone before the next run.
            if (known or frozenset()) & first.ids - listing.ids:
                listing = replace(listing, seamless=False)
        return listing

    async def whole(self, what: Collection[R]) -> tuple[R, ...]:
        """All records of a collection, for whoever must know that one is not there.

        Raises:
            IncompleteAnswer: a record cannot be understood, they are not as many as are counted, or records
                moved between the pages.
            SyncError: it could not be read to its end.
        """
        listing = await self.listing(what)
        if not _adds_up(listing):
            raise incomplete(f"listed {len(listing.items)} {what.name} and counts {listing.counted}")
        if not listing.seamless:
            raise incomplete(f"moved {what.name} between the pages of {what.path} while they were read")
        if listing.unreadable:
            record = listing.unreadable[0]
            raise incomplete(f"lists {what.name} {record.id}, which cannot be understood: {record.problem}")
        return listing.items

    async def latest(self, what: Collection[R]) -> tuple[R, ...]:
        """All records of a collection that others add to meanwhile; whatever was there before is among them.

        Raises:
            IncompleteAnswer: there are fewer than are counted, or a record cannot be understood.
            SyncError: it could not be read to its end.
        """
        for _ in range(_LOOKS):
            listing = await self._counted(what)
            if len(listing.items) >= (listing.counted or (0, 0))[1]:
                return listing.items
        raise incomplete(f"listed {len(listing.items)} {what.name} and counts {listing.counted}")

    async def uncounted(self, what: Collection[T]) -> Pages[T]:
        """What a listing without a count brings. Raises SyncError when it could not be read to its end."""
        return await self._pages(what, Pages(), None)

    async def _counted(self, what: Collection[R], *, overlap: bool = True) -> Listing[R]:
        """One reading with its counts."""
        before = await self._count(what)
        pages = await self._pages(what, Pages[R](overlap=overlap), before)
        counted = (before, await self._count(what))
        return Listing(what.name, tuple(pages.items), tuple(pages.unreadable), counted, pages.seamless)

    async def _pages(self, what: Collection[T], pages: Pages[T], counted: int | None) -> Pages[T]:
        """All pages of a listing; where they overlap, each asks for the last record of the one before again.

        Were it another one, something had come or gone in between: no count tells of a record that slipped
        over the border while another one came.
        """
        most = MANY if counted is None else 2 * counted + PAGE
        while True:
            page = await self._page(what, pages.next)
            known = pages.number
            pages.take(page, what.read)
            self._tell(Reading("source", what.name, pages.number))
            if counted is None:
                # Without a count a short page is no end: only one that brings nothing more is.
                if pages.number == known or not pages.seamless:
                    return pages
            elif len(page) < PAGE:
                return pages
            # A full page that brings exactly what was counted should be the last, and one more empty. Nobody
            # saw that it would be, so that says nothing of what is not there.
            elif pages.number == counted and not pages.overlap:
                pages.seamless = False
                return pages
            if pages.number > most:
                told = "there are not so many" if counted is None else f"counts {counted}"
                raise incomplete(f"listed {pages.number} {what.name} and more, but {told}")

    async def _page(self, what: Collection[Any], start: int) -> list[object]:
        # The order is the documented default; said, so that pages are cut from one order.
        paging = {"limit": str(PAGE), "startAt": str(start), "orderBy": "id", "orderByType": "asc"}
        page = await self.array(what.path, {**what.filters, **what.shape, **paging})
        if len(page) > PAGE:
            raise incomplete(f"answered {what.path} with {len(page)} records where {PAGE} were asked for")
        return page

    async def array(self, path: str, params: Mapping[str, str]) -> list[object]:
        """One list that has no pages. Raises SyncError when it was not answered, or with something else."""

        def judge(answer: Answer) -> list[object]:
            body = self._session.body(answer)
            if not isinstance(body, list):
                raise answer.nonsense("something that is not a list")
            return body

        return await self._session.read(path, params, judge)

    async def _count(self, what: Collection[Any]) -> int:
        def judge(answer: Answer) -> int:
            try:
                return CountWire.model_validate(self._session.body(answer)).count
            except ValidationError:
                raise answer.nonsense("something that is not a count") from None

        return await self._session.read(f"{what.path}/count", what.filters, judge)


def read_records(read: Callable[[object], T], items: Iterable[object]) -> tuple[list[T], list[Unreadable]]:
    """The records among `items`, and what could not be understood."""
    records: list[T] = []
    unreadable: list[Unreadable] = []
    for item in items:
        try:
            records.append(read(item))
        except ValidationError as error:
            unreadable.append(unreadable_record(item, error))
    return records, unreadable


def unreadable_record(item: object, error: ValidationError) -> Unreadable:
    """What is known of a record that is there but not understood; its values are not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = clean_message(f"{where}: {first['msg']}" if where else first["msg"])
    id = item.get("id") if isinstance(item, dict) else None
    return Unreadable(id if type(id) is int else None, problem)


def incomplete(problem: str) -> IncompleteAnswer:
    """The error of a listing that cannot be what was asked for."""
    return IncompleteAnswer(f"Workplace {problem}", system="source")


def _adds_up(listing: Listing[Any]) -> bool:
    read = len(listing.items) + len(listing.unreadable)
    return len(listing.ids) == read and set(listing.counted or ()) == {read}


def _id_of(record: object) -> str:
    return str(record.get("id") if isinstance(record, dict) else record)
