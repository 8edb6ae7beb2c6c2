"""Workplace as a Source: everything is listed once, with the evidence that it was listed whole."""

from collections.abc import Callable
from typing import Self

import httpx
from pydantic import ValidationError

from engage_sync.clients.answers import Answer
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import WorkplaceCredentials
from engage_sync.clients.timing import Timing
from engage_sync.clients.workplace_listings import Listings, incomplete, read_records, unreadable_record
from engage_sync.clients.workplace_records import BUILDINGS, COUNTRIES, FLOORS, SPACES, TYPES, center
from engage_sync.clients.workplace_session import WorkplaceSession
from engage_sync.clients.workplace_wire import RESERVATION, CenterDetailWire, CenterWire
from engage_sync.together import side_by_side
from reconcilers.events import Event, Reading
from reconcilers.levels.country import code_of
from reconcilers.model import Kind
from reconcilers.source import Building, Center, Known, Listing, Observation, Unreadable


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
        observer: Callable[[Event], None] = lambda event: None,
        timing: Timing | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        """Open a `WorkplaceSession` that can only read; what is not told here is told there.

        `default_country` is the alpha-2 code used for buildings without one; its name is then asked for.
        `observer` hears a `Reading` after each page. Raises ConfigError for credentials that cannot be sent.
        """
        self._session = WorkplaceSession(
            base_url,
            credentials,
            transport,
            user_agent=user_agent,
            read_only=True,
            timing=timing,
            hidden=hidden,
        )
        self._listings = Listings(self._session, observer)
        self._default_country = default_country
        self._tell = observer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.aclose()

    @property
    def requests(self) -> int:
        """Requests sent so far, every attempt counted."""
        return self._session.requests

    async def read(self, known: Known) -> Observation:
        """Read everything once; a listing that lacks something `known`, twice.

        Raises:
            SyncError: a listing could not be read to its end.
        """
        buildings, floors, spaces, types, centers = await side_by_side(
            self._listings.listing(BUILDINGS, known.get(Kind.LOCATION)),
            self._listings.listing(FLOORS, known.get(Kind.FLOOR)),
            self._listings.listing(SPACES, known.get(Kind.RESOURCE)),
            self._listings.listing(TYPES, known.get(Kind.WORKSPACE_TYPE)),
            self._centers(),
        )
        names = await self._country_names(buildings)
        return Observation(buildings, floors, spaces, types, centers, names)

    async def _centers(self) -> Listing[Center]:
        """Reservation centers with their buildings, one call each; the list is not paged and has no count."""
        items = await self._listings.array("/centers", {"module": RESERVATION})
        listed, unreadable = read_records(CenterWire.model_validate, items)
        centers: list[Center] = []
        for item in listed:
            found = await self._center(item)
            if isinstance(found, Center):
                centers.append(found)
            else:
                unreadable.append(found)
            self._tell(Reading("source", "centers", len(centers)))
        return Listing("centers", tuple(centers), tuple(unreadable))

    async def _center(self, listed: CenterWire) -> Center | Unreadable:
        def judge(answer: Answer) -> Center | Unreadable:
            if answer.status == 404:
                return Unreadable(listed.id, "it is listed but has no detail")
            body = self._session.body(answer)
            if not isinstance(body, dict):
                raise answer.nonsense("something that is not a center")
            try:
                detail = CenterDetailWire.model_validate(body)
            except ValidationError as error:
                return Unreadable(listed.id, unreadable_record(body, error).problem)
            if detail.id != listed.id:
                raise answer.nonsense(f"center {detail.id}")
            return center(detail, listed)

        params = {"selector": "buildings(centers(module)),rules"}
        return await self._session.read(f"/centers/{listed.id}", params, judge)

    async def _country_names(self, buildings: Listing[Building]) -> tuple[tuple[str, str], ...]:
        """Names of all countries, asked for only where the default country's name may be needed."""
        if not self._default_country or all(code_of(building.country_code) for building in buildings.items):
            return ()
        listed = await self._listings.uncounted(COUNTRIES)
        if not listed.each_once or all(code_of(code) != self._default_country for code, _ in listed.items):
            # No document says that countries can be counted, so a second look is all there is.
            listed = await self._listings.uncounted(COUNTRIES)
        if not listed.each_once:
            raise incomplete("listed no countries at /countries, or one twice, or moved them between pages")
        return tuple(listed.items)
