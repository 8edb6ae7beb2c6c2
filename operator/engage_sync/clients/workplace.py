"""Workplace as a Source: everything is listed once, with the evidence that it was listed whole.

Pages of one listing are read one after the other, because Workplace answers parallel page requests with
429 (contract section 5); different listings go side by side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import httpx
from pydantic import ValidationError

from engage_sync.clients.answers import NAMES, Answer, vendor_message
from engage_sync.clients.failures import common_status
from engage_sync.clients.http import Bounds, Call, Http
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import WorkplaceCredentials, header_value
from engage_sync.clients.side_by_side import side_by_side
from engage_sync.clients.timing import Timing
from engage_sync.clients.transport import ReadOnlyTransport
from engage_sync.clients.workplace_wire import (
    RESERVATION,
    BuildingWire,
    CenterDetailWire,
    CenterWire,
    CountryWire,
    CountWire,
    FloorWire,
    RecordWire,
    SpaceTypeWire,
    SpaceWire,
    read_records,
    unreadable_record,
)
from reconcilers.errors import CredentialsRejected, IncompleteAnswer
from reconcilers.events import Event, Reading
from reconcilers.levels.country import code_of
from reconcilers.source import (
    Building,
    Center,
    Floor,
    Listing,
    Observation,
    Record,
    Space,
    SpaceType,
    Unreadable,
)

API = "/external/api/rest/v2"
PAGE = 100
"""Records a page; Workplace refuses more (domain.md section 2.2)."""

_LOOKS = 5
"""How often a listing that grows is read until it holds what is counted."""

R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True)  # no slots: Python 3.11 cannot construct a frozen generic with them
class Collection(Generic[R]):
    """One countable listing."""

    name: str
    path: str
    wire: type[RecordWire[R]]
    filters: Mapping[str, str] = field(default_factory=dict)
    """Sent with the pages and with the count."""
    shape: Mapping[str, str] = field(default_factory=dict)
    """Sent with the pages alone: it chooses fields, not records."""


BUILDINGS = Collection[Building](
    "buildings", "/buildings", BuildingWire, shape={"selector": "centers(module)"}
)
FLOORS = Collection[Floor]("floors", "/floors", FloorWire)
# What is listed when neither is said is not documented, so both are (domain.md section 2.4).
SPACES = Collection[Space](
    "spaces", "/rooms", SpaceWire, filters={"includeReservable": "true", "includeNonReservable": "true"}
)
TYPES = Collection[SpaceType]("space types", "/rooms/types", SpaceTypeWire)


class WorkplaceSource:
    """Reads one tenant's Workplace. Implements `reconcilers.ports.Source`."""

    def __init__(
        self,
        base_url: str,
        credentials: WorkplaceCredentials,
        transport: httpx.AsyncBaseTransport,
        *,
        user_agent: str,
        default_country: str = "",
        observer: Callable[[Event], None] | None = None,
        bounds: Bounds | None = None,
        timing: Timing | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        """Take over the transport; it is closed with this object.

        Args:
            base_url: as `spec.source.baseURL`, without the API's path.
            credentials: they go into every request's headers and nowhere else.
            transport: it is wrapped, so that nothing but reads can pass.
            user_agent: `engage-sync/<version> (<tenant>)`.
            default_country: alpha-2 code used for buildings without one; its name is then asked for.
            observer: hears a `Reading` after each page.
            bounds: what one attempt may cost.
            timing: clocks, sleep and chance.
            hidden: what else must not be shown; our own credentials are added.

        Raises:
            ConfigError: a credential cannot be sent in a header.
        """
        self._base = base_url.rstrip("/") + API
        self._hidden = Hidden() if hidden is None else hidden
        self._hidden.add(credentials.username, name=True)
        self._hidden.add(credentials.password)
        self._default_country = default_country
        self._tell = observer or (lambda event: None)
        self._http = Http(
            "source",
            ReadOnlyTransport(transport, system="source"),
            user_agent=user_agent,
            headers=auth_headers(credentials),
            bounds=bounds,
            timing=timing,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def requests(self) -> int:
        """Requests sent so far, every attempt counted."""
        return self._http.requests

    async def read(self) -> Observation:
        """Read everything once.

        Raises:
            SyncError: a listing could not be read to its end.
        """
        buildings, floors, spaces, types, centers = await side_by_side(
            self._listing(BUILDINGS),
            self._listing(FLOORS),
            self._listing(SPACES),
            self._listing(TYPES),
            self._centers(),
        )
        names = await self._country_names(buildings)
        return Observation(buildings, floors, spaces, types, centers, names)

    async def whole(self, what: Collection[R]) -> tuple[R, ...]:
        """All records of a collection, for whoever must know that one is not there.

        Raises:
            IncompleteAnswer: a record cannot be understood, or they are not as many as are counted.
            SyncError: it could not be read to its end.
        """
        listing = await self._listing(what)
        if not _adds_up(listing):
            raise _incomplete(f"listed {len(listing.items)} {what.name} and counts {listing.counted}")
        if listing.unreadable:
            record = listing.unreadable[0]
            raise _incomplete(f"lists {what.name} {record.id}, which cannot be understood: {record.problem}")
        return listing.items

    async def latest(self, what: Collection[R]) -> tuple[R, ...]:
        """All records of a collection that others add to meanwhile; whatever was there before is among them.

        Raises:
            IncompleteAnswer: there are fewer than are counted, or a record cannot be understood.
            SyncError: it could not be read to its end.
        """
        for _ in range(_LOOKS):
            listing = await self._pass(what)
            if len(listing.items) >= (listing.counted or (0, 0))[1]:
                return listing.items
        raise _incomplete(f"listed {len(listing.items)} {what.name} and counts {listing.counted}")

    async def _listing(self, what: Collection[R]) -> Listing[R]:
        """A listing, read once more when it does not add up: an item moving between pages is soon over."""
        listing = await self._pass(what)
        return listing if _adds_up(listing) else await self._pass(what)

    async def _pass(self, what: Collection[R]) -> Listing[R]:
        before = await self._count(what)
        items: list[R] = []
        unreadable: list[Unreadable] = []
        while True:
            done = len(items) + len(unreadable)
            page = await self._page(what.path, done, {**what.filters, **what.shape})
            read, failed = read_records(what.wire, page)
            items += read
            unreadable += failed
            done += len(page)
            self._tell(Reading("source", what.name, done))
            # A full page that brings exactly what was counted is the last: one more would be empty.
            if len(page) < PAGE or done == before:
                break
            if done > 2 * before + PAGE:
                raise _incomplete(f"listed {done} {what.name} and more, but counts {before}")
        counted = (before, await self._count(what))
        return Listing(what.name, tuple(items), tuple(unreadable), counted)

    async def _page(self, path: str, start: int, params: Mapping[str, str]) -> list[object]:
        # The order is the documented default; said, so that pages are cut from one order.
        paging = {"limit": str(PAGE), "startAt": str(start), "orderBy": "id", "orderByType": "asc"}
        page = await self._array(path, {**params, **paging})
        if len(page) > PAGE:
            raise _incomplete(f"answered {path} with {len(page)} records where {PAGE} were asked for")
        return page

    async def _array(self, path: str, params: Mapping[str, str]) -> list[object]:
        def judge(answer: Answer) -> list[object]:
            body = self._body(answer)
            if not isinstance(body, list):
                raise answer.nonsense("something that is not a list")
            return body

        return await self._http.call(self._get(path, params), judge)

    async def _count(self, what: Collection[Any]) -> int:
        def judge(answer: Answer) -> int:
            try:
                return CountWire.model_validate(self._body(answer)).count
            except ValidationError:
                raise answer.nonsense("something that is not a count") from None

        return await self._http.call(self._get(f"{what.path}/count", what.filters), judge)

    async def _centers(self) -> Listing[Center]:
        """Reservation centers with their buildings, one call each; the list is not paged and has no count."""
        listed, unreadable = read_records(CenterWire, await self._array("/centers", {"module": RESERVATION}))
        centers: list[Center] = []
        for item in listed:
            center = await self._center(item)
            if isinstance(center, Center):
                centers.append(center)
            else:
                unreadable.append(center)
            self._tell(Reading("source", "centers", len(centers)))
        return Listing("centers", tuple(centers), tuple(unreadable))

    async def _center(self, listed: CenterWire) -> Center | Unreadable:
        def judge(answer: Answer) -> Center | Unreadable:
            if answer.status == 404:
                return Unreadable(listed.id, "it is listed but has no detail")
            body = self._body(answer)
            if not isinstance(body, dict):
                raise answer.nonsense("something that is not a center")
            try:
                detail = CenterDetailWire.model_validate(body)
            except ValidationError as error:
                return Unreadable(listed.id, unreadable_record(body, error).problem)
            if detail.id != listed.id:
                raise answer.nonsense(f"center {detail.id}")
            return detail.center(listed)

        params = {"selector": "buildings(centers(module)),rules"}
        return await self._http.call(self._get(f"/centers/{listed.id}", params), judge)

    async def _country_names(self, buildings: Listing[Building]) -> tuple[tuple[str, str], ...]:
        """Names of all countries, asked for only where the default country's name may be needed."""
        if not self._default_country or all(code_of(building.country_code) for building in buildings.items):
            return ()
        return tuple(await self.uncounted("/countries", CountryWire))

    async def uncounted(self, path: str, wire: type[RecordWire[T]]) -> list[T]:
        """What can be read of a short listing, where nothing hangs on its completeness."""
        records: list[T] = []
        done = 0
        while True:
            page = await self._page(path, done, {})
            records += read_records(wire, page)[0]
            done += len(page)
            if len(page) < PAGE or done > 10 * PAGE:  # there are some 250 countries
                return records

    def _get(self, path: str, params: Mapping[str, str]) -> Call:
        return Call("GET", self._base + path, what=path, params=params, setting="spec.source.baseURL")

    def _body(self, answer: Answer) -> object:
        return body_of(answer, self._hidden)


def auth_headers(credentials: WorkplaceCredentials) -> dict[str, bytes]:
    """What goes with every request. Raises ConfigError for what cannot be sent in a header."""
    return {
        "x-auth-username": header_value(credentials.username, "Workplace username", "source"),
        "x-auth-password": header_value(credentials.password, "Workplace password", "source"),
    }


def body_of(answer: Answer, hidden: Hidden) -> object:
    """The JSON of an answer that is no error. Raises SyncError for one that is."""
    common_status(answer)
    if answer.ok:
        answer.no_echo(hidden)
        return answer.json()
    raise answer.nonsense(told_of(answer, hidden))


def told_of(answer: Answer, hidden: Hidden) -> str:
    """An error's status and sentence. Raises CredentialsRejected where it is about our credentials."""
    told = vendor_message(answer, hidden)
    said = f"{answer.status}: {told}" if told else f"{answer.status}"
    if answer.status in (401, 403):
        raise CredentialsRejected(
            f"Workplace does not accept the username and password, it answered {answer.what} with {said}",
            system="source",
        )
    return said


def _adds_up(listing: Listing[Any]) -> bool:
    ids = {item.id for item in listing.items} | {record.id for record in listing.unreadable}
    read = len(listing.items) + len(listing.unreadable)
    return len(ids) == read and set(listing.counted or ()) == {read}


def _incomplete(problem: str) -> IncompleteAnswer:
    return IncompleteAnswer(f"{NAMES['source']} {problem}", system="source")
