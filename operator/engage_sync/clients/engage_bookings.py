"""The bookings that lie before meeting spaces: what a deletion would take with it.

A space without bookings, one that nobody can know about, and an answer that cannot be read are three things:
an empty set, None, and an error.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as WireField

from engage_sync.clients.answers import Answer
from engage_sync.clients.engage_paths import (
    BOOKING_DELETED,
    BOOKING_FROM,
    BOOKING_FROM_UTC,
    BOOKING_ID,
    BOOKING_ROOM,
    BOOKING_TO,
    BOOKING_TO_UTC,
    BOOKINGS,
    ENVELOPED,
    EXTERNAL_BOOKINGS,
)
from engage_sync.clients.engage_session import EngageSession, NotAllowed, TokenRejected
from engage_sync.together import all_of
from reconcilers.errors import CredentialsRejected

WIDER = timedelta(days=1)
"""More than asked for, at both ends: should Engage read our UTC as a location's time, nothing is missed."""
EAST, WEST = timedelta(hours=14), timedelta(hours=12)
"""How far ahead of UTC and behind it clocks are at most."""
_UNSET = 1
"""The year of .NET's empty date."""


class EngageBookings:
    """Reads future bookings. Implements `reconcilers.ports.Bookings`."""

    def __init__(self, session: EngageSession, now: Callable[[], float], window: timedelta) -> None:
        """Take what to read with.

        Args:
            session: whose limits hold here too; it decides how many calls are in flight at once.
            now: seconds since the epoch.
            window: how far ahead bookings count, `spec.deletion.bookingsWindow`.
        """
        self._session = session
        self._now = now
        self._window = window

    async def future(self, ids: Collection[int]) -> Mapping[int, frozenset[str] | None]:
        """Ids of the bookings that lie before each of these meeting spaces.

        One counts when it has not ended yet, begins before the window ends and is not marked as deleted; a
        `status` is not looked at, as no document says what its values mean.

        The UTC twins of a booking's times are read where there are any. A time without them that names no
        zone may be any place's local time, so such a booking counts as long as it can lie before us
        somewhere on earth: rather a meeting too many than one deleted unseen.

        Args:
            ids: internal ids of meeting spaces; each is asked for once, at the price of one call.

        Returns:
            The bookings by internal id; None for every one when there is no subscription key for them.

        Raises:
            ConfigError: the key cannot be sent in a header.
            CredentialsRejected: Engage does not accept the key.
            IncompleteAnswer: an answer is not understood, or Engage does not know the meeting space.
            SyncError: it could not be read.
        """
        asked = sorted(set(ids))
        if not self._session.has_key(EXTERNAL_BOOKINGS):
            return dict.fromkeys(asked)
        start = datetime.fromtimestamp(self._now(), UTC)
        end = start + self._window
        # One alone: a key that is not accepted shall not cost a call for every space before it is known.
        found = [await self._before(room, start, end) for room in asked[:1]]
        found += await all_of(self._before(room, start, end) for room in asked[1:])
        return dict(zip(asked, found, strict=True))

    async def _before(self, room: int, start: datetime, end: datetime) -> frozenset[str]:
        try:
            return await self._session.read(
                BOOKINGS.path,
                {
                    BOOKINGS.room: str(room),
                    BOOKINGS.start: (start - WIDER).strftime(BOOKINGS.time_format),
                    BOOKINGS.end: (end + WIDER).strftime(BOOKINGS.time_format),
                },
                lambda answer: frozenset(
                    booking.id
                    for booking in _bookings(answer, self._items(answer), room)
                    if not booking.deleted and booking.starts < end and booking.ends > start
                ),
                what=f"{BOOKINGS.path}?{BOOKINGS.room}={room}",
                product=EXTERNAL_BOOKINGS,
            )
        except (TokenRejected, NotAllowed) as error:
            raise CredentialsRejected(
                f"bookings could not be read, correct the key {EXTERNAL_BOOKINGS} of the Secret in"
                f" spec.target.subscriptionKeysSecretRef: {error.message}",
                system="target",
            ) from error

    def _items(self, answer: Answer) -> list[object]:
        """The list in an answer: it is the answer, or in a field of it, or in the hierarchy's envelope."""
        told = answer.json()
        if isinstance(told, dict) and ENVELOPED in told:
            told = self._session.data(answer)
        if isinstance(told, dict):
            told = told.get(BOOKINGS.items)
        if not isinstance(told, list):
            raise answer.nonsense("something that is no list of bookings")
        return told


class _Booking(BaseModel):
    """One booking; of the times there is a pair at least."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    told_id: int | Annotated[str, WireField(min_length=1, max_length=64)] = WireField(alias=BOOKING_ID)
    room: int | None = WireField(None, alias=BOOKING_ROOM)
    deleted: int | bool | None = WireField(None, alias=BOOKING_DELETED)
    start: str | None = WireField(None, alias=BOOKING_FROM)
    end: str | None = WireField(None, alias=BOOKING_TO)
    start_utc: str | None = WireField(None, alias=BOOKING_FROM_UTC)
    end_utc: str | None = WireField(None, alias=BOOKING_TO_UTC)

    @property
    def id(self) -> str:
        """As text."""
        return str(self.told_id)

    @property
    def starts(self) -> datetime:
        """The earliest moment at which it may begin. Raises ValueError when no time says so."""
        return _moment(self.start_utc, self.start, -EAST)

    @property
    def ends(self) -> datetime:
        """The latest moment at which it may end. Raises ValueError when no time says so."""
        return _moment(self.end_utc, self.end, WEST)


def _moment(utc: str | None, local: str | None, doubt: timedelta) -> datetime:
    """The time in UTC; one of an unknown zone is moved by `doubt`."""
    exact = _time(utc)
    if exact is not None:
        return exact if exact.tzinfo else exact.replace(tzinfo=UTC)
    told = _time(local)
    if told is None:
        raise ValueError("it has no time")
    return told if told.tzinfo else told.replace(tzinfo=UTC) + doubt


def _time(text: str | None) -> datetime | None:
    """A date and a time of day; None when it is not set. Raises ValueError for anything else."""
    if not text:
        return None
    if len(text) < len("2030-01-31T09:00"):
        raise ValueError("it has no time of day")
    moment = datetime.fromisoformat(text)
    return None if moment.year == _UNSET else moment


def _bookings(answer: Answer, items: list[object], room: int) -> Iterator[_Booking]:
    """The bookings of an answer. Raises IncompleteAnswer when one of them is not what was asked for."""
    for raw in items:
        try:
            booking = _Booking.model_validate(raw)
            _ = booking.starts, booking.ends
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"][:1])) or "form"
            raise answer.nonsense(f"a booking whose {where} cannot be understood") from None
        except (ValueError, OverflowError):
            raise answer.nonsense("a booking whose times cannot be understood") from None
        if booking.room not in (None, 0, room):
            # As if the query parameter were not known: all bookings would lie before every space.
            raise answer.nonsense(f"a booking of {booking.room} where those of {room} were asked for")
        yield booking
