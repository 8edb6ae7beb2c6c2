"""Engage as a Reader and a Writer: two objects, so that a plan is made with one that cannot write."""

from collections import Counter
from collections.abc import Callable, Mapping

from engage_sync.clients.answers import Answer
from engage_sync.clients.engage_paths import EXTERNAL_ID, LINKS, Link
from engage_sync.clients.engage_session import Conflict, EngageSession
from engage_sync.clients.engage_wire import PARENT_POSITION, Asked, Floors, body_of, created_id, numeral
from engage_sync.clients.http import CREATES, backoff
from engage_sync.together import all_of, side_by_side
from reconcilers.errors import IncompleteAnswer, QuotaExhausted, TransientError, UnknownOutcome
from reconcilers.events import Event, Reading
from reconcilers.levels import LEVELS
from reconcilers.model import KINDS, RANK, Current, Holdings, Key, Kind, Value
from reconcilers.ports import DemandOf, Gate


class EngageReader:
    """Reads what Engage holds. Implements `reconcilers.ports.Reader`."""

    def __init__(self, session: EngageSession, *, observer: Callable[[Event], None] | None = None) -> None:
        self._session = session
        self._tell = observer or (lambda event: None)
        self._read: Counter[str] = Counter()

    async def read(self, demand: DemandOf) -> Holdings:
        """Read the hierarchy from the top; below a location only what `demand` asks for.

        Raises:
            SyncError: a listing could not be read, or lists the same thing for two parents.
        """
        self._read.clear()
        countries, types = await side_by_side(
            self._list(Asked(Kind.COUNTRY)), self._list(Asked(Kind.WORKSPACE_TYPE))
        )
        below = await all_of(self._country(country.id, demand) for country in countries)
        found = [*countries, *types, *(item for items in below for item in items)]
        _check_listed_once(found)
        return Holdings(tuple(sorted(found, key=_hierarchy_order)))

    async def find(
        self, kind: Kind, external_id: str, *, parent: int | None = None, variant: str = ""
    ) -> int | None:
        """The internal id of what has this external id below this parent; None when nothing has."""
        return await _find(self._session, Asked(kind, variant, parent), external_id)

    async def _country(self, id: int, demand: DemandOf) -> list[Current]:
        regions, groups = await side_by_side(
            self._list(Asked(Kind.REGION, parent=id)), self._list(Asked(Kind.GROUP, parent=id))
        )
        below = await all_of(self._region(region.id, demand) for region in regions)
        return [*regions, *groups, *(item for items in below for item in items)]

    async def _region(self, id: int, demand: DemandOf) -> list[Current]:
        locations = await self._list(Asked(Kind.LOCATION, parent=id))
        below = await all_of(self._location(location, demand) for location in locations)
        return [*locations, *(item for items in below for item in items)]

    async def _location(self, location: Current, demand: DemandOf) -> list[Current]:
        wanted = demand(location)
        floors = await self._list(Asked(Kind.FLOOR, parent=location.id)) if wanted.floors else []
        numbers = _by_number(floors)
        resources = await all_of(
            self._list(Asked(Kind.RESOURCE, variant, location.id, numbers))
            for variant in sorted(wanted.variants)
        )
        return [*floors, *(item for items in resources for item in items)]

    async def _list(self, asked: Asked) -> list[Current]:
        items = await self._session.listing(asked)
        what = asked.route.path.lstrip("/")
        self._read[what] += len(items)
        self._tell(Reading("target", what, self._read[what]))
        return items


class EngageWriter:
    """Changes Engage, one entity a call. Implements `reconcilers.ports.Writer`."""

    def __init__(self, session: EngageSession, gate: Gate = lambda: None) -> None:
        """A writer whose every attempt asks `gate`, which raises when no write may start any more."""
        self._session = session
        self._gate = gate

    async def create(self, kind: Kind, external_id: Key, fields: Mapping[str, Value]) -> int:
        """Create an entity and return its internal id.

        A create whose outcome is not known is never simply sent again: what has its external id is looked
        up first. The same after a 409, which an earlier attempt of ours may have caused.

        Raises:
            RefusedError: Engage will not create it, and none of ours is there.
            UnknownOutcome: nobody knows whether it was created.
            SyncError: Engage did not answer as it should.
        """
        asked = _place_of(kind, fields)
        body = {**body_of(kind, asked.route, fields), EXTERNAL_ID: external_id}
        for attempt in range(1, CREATES + 1):
            try:
                return await self._post(asked, body)
            except Conflict:
                found = await _find(self._session, asked, external_id)
                if found is None:
                    raise
                return found
            except UnknownOutcome as error:
                lost = error
                # What was cut off may still be under way; a look-up at once would not see it.
                await self._session.timing.sleep(backoff(attempt, self._session.timing))
                found = await self._find_lost(asked, external_id, lost)
                if found is not None:
                    return found
        raise lost

    async def update(self, kind: Kind, id: int, fields: Mapping[str, Value], *, variant: str = "") -> None:
        """Change some fields of an entity; those that have a call of their own go by it.

        Raises:
            RefusedError: Engage will not do it.
            SyncError: Engage did not answer as it should.
        """
        route = Asked(kind, variant).route
        own = {name: value for name, value in fields.items() if (kind, name) not in LINKS}
        body = body_of(kind, route, own)
        if body:
            path = f"{route.path}/{id}"
            await self._session.write(
                route.update, path, self._done, body=body, product=route.product, gate=self._gate
            )
        for name in fields.keys() - own.keys():
            await self._link(LINKS[kind, name], id, fields[name])

    async def delete(self, kind: Kind, id: int, *, variant: str = "") -> None:
        """Delete an entity; one that is already gone is no error.

        Raises:
            RefusedError: Engage will not do it.
            SyncError: Engage did not answer as it should.
        """
        route = Asked(kind, variant).route

        def judge(answer: Answer) -> None:
            if answer.status != 404:
                self._done(answer)

        await self._session.write(
            route.delete, f"{route.path}/{id}", judge, product=route.product, gate=self._gate
        )

    async def _post(self, asked: Asked, body: Mapping[str, Value]) -> int:
        def judge(answer: Answer) -> int:
            id = created_id(self._session.data(answer))
            if id is None:
                raise answer.nonsense("no id of what was created")
            return id

        route = asked.route
        return await self._session.write(
            route.create,
            route.path,
            judge,
            body=body,
            product=route.product,
            repeatable=False,
            gate=self._gate,
        )

    async def _link(self, link: Link, id: int, value: Value) -> None:
        if value is None:
            return  # there is no call that takes a link away, and none is needed
        path = link.path.format(id=id)
        try:
            await self._session.write(
                link.method,
                path,
                self._done,
                body={link.wire: value},
                product=link.product,
                gate=self._gate,
            )
        except Conflict:
            return  # it is there already: linking twice is linking once

    async def _find_lost(self, asked: Asked, external_id: str, lost: UnknownOutcome) -> int | None:
        try:
            return await _find(self._session, asked, external_id)
        except QuotaExhausted:
            raise
        except (TransientError, IncompleteAnswer) as error:
            raise lost from error

    def _done(self, answer: Answer) -> None:
        """Nothing is expected but that it was done; an answer without a body says so too."""
        if not answer.ok or answer.body.strip():
            self._session.data(answer)


async def _find(session: EngageSession, asked: Asked, external_id: str) -> int | None:
    ids = (item.id for item in await session.listing(asked) if item.external_id == external_id)
    return min(ids, default=None)


def _place_of(kind: Kind, fields: Mapping[str, Value]) -> Asked:
    """Where an entity with these fields is listed."""
    level = LEVELS[kind]
    parent = fields.get(level.fields[PARENT_POSITION].name)
    variant = str(fields[level.variant]) if level.variant else ""
    return Asked(kind, variant, None if parent is None else int(parent))


def _by_number(floors: list[Current]) -> Floors:
    position = LEVELS[Kind.FLOOR].index("FloorNumber")
    numbers: dict[str, int] = {}
    for floor in sorted(floors, key=_hierarchy_order):
        numbers.setdefault(numeral(floor.values[position]), floor.id)
    return numbers


def _hierarchy_order(item: Current) -> tuple[int, str, int]:
    return RANK[item.kind], LEVELS[item.kind].variant_of(item.values), item.id


def _check_listed_once(items: list[Current]) -> None:
    """The same thing below two parents means that a listing ignores what it was asked for."""
    for place, times in Counter(map(_hierarchy_order, items)).items():
        if times > 1:
            kind, id = KINDS[place[0]], place[2]
            raise IncompleteAnswer(f"Engage lists {kind} {id} {times} times", system="target")
