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
COUNTRIES: Collection[Any] = Collection("countries", "/countries", CountryWire)
MANY = 10 * PAGE
"""Countries that nobody believes in; there are some 250."""


@dataclass(slots=True)
class _Read:
    """What the pages of one listing brought so far."""

    items: list[Any] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    number: int = 0
    steady: bool = True
    """Each page began with the last record of the one before."""
    last: str = ""

    def take(self, page: list[object], wire: type[RecordWire[Any]]) -> None:
        """One page more; what it shows once more is left out, where it is what it must be."""
        ids = [_id_of(record) for record in page]
        met = ids[:1] == [self.last]
        self.steady = self.steady and (met or not self.number)
        start = int(met and self.number > 0)
        items, unreadable = read_records(wire, page[start:])
        self.items += items
        self.unreadable += unreadable
        self.ids.update(ids)
        self.number += len(page) - start
        self.last = ids[-1] if ids else self.last


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
            listing, _ = await self._pass(what)
            if len(listing.items) >= (listing.counted or (0, 0))[1]:
                return listing.items
        raise _incomplete(f"listed {len(listing.items)} {what.name} and counts {listing.counted}")

    async def _listing(self, what: Collection[R]) -> Listing[R]:
        """A listing, read once more when it does not add up: an item moving between pages is soon over."""
        listing, steady = await self._pass(what)
        if not (steady and _adds_up(listing)):
            listing, steady = await self._pass(what)
        if not steady and _adds_up(listing):
            # The numbers say that nothing is missing; that would be a proof, so it must not come so far.
            raise _incomplete(f"moved {what.name} between the pages of {what.path} while they were read")
        return listing

    async def _pass(self, what: Collection[R]) -> tuple[Listing[R], bool]:
        """One reading with its counts, and whether its pages met."""
        before = await self._count(what)
        read = await self._pages(what, before)
        counted = (before, await self._count(what))
        return Listing(what.name, tuple(read.items), tuple(read.unreadable), counted), read.steady

    async def _pages(self, what: Collection[Any], counted: int | None) -> "_Read":
        """All pages of a listing; each asks for the last record of the one before once more.

        Were it another one, something had come or gone in between: no count tells of a record that slipped
        over the border while another one came.
        """
        read = _Read()
        most = MANY if counted is None else 2 * counted + PAGE
        while True:
            page = await self._page(what.path, max(0, read.number - 1), {**what.filters, **what.shape})
            known = read.number
            read.take(page, what.wire)
            self._tell(Reading("source", what.name, read.number))
            if counted is None:
                # Without a count a short page is no end: only one that brings nothing more is.
                if read.number == known or not read.steady:
                    return read
            # A full page that brings exactly what was counted is the last: one more would be empty.
            elif len(page) < PAGE or read.number == counted:
                return read
            if read.number > most:
                told = "there are not so many" if counted is None else f"counts {counted}"
                raise _incomplete(f"listed {read.number} {what.name} and more, but {told}")

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
        names, whole = await self._countries()
        if not whole or all(code_of(code) != self._default_country for code, _ in names):
            # No document says that countries can be counted, so a second look is all there is.
            names, whole = await self._countries()
        if not whole:
            raise _incomplete("listed no countries at /countries, or one twice, or moved them between pages")
        return names

    async def uncounted(self, path: str, wire: type[RecordWire[T]]) -> list[T]:
        """The records of a listing that has no count, where nothing hangs on its completeness."""
        read = await self._pages(Collection(path.strip("/"), path, wire), None)
        return read.items

    async def _countries(self) -> tuple[tuple[tuple[str, str], ...], bool]:
        read = await self._pages(COUNTRIES, None)
        return tuple(read.items), read.steady and 0 < len(read.ids) == read.number

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


def _id_of(record: object) -> str:
    return str(record.get("id") if isinstance(record, dict) else record)


def _incomplete(problem: str) -> IncompleteAnswer:
    return IncompleteAnswer(f"{NAMES['source']} {problem}", system="source")
