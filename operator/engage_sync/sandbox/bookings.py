"""Bookings of Engage's resources: read by window, seeded and cancelled by hand, gone with their resource.

ASSUMED: all times are UTC, the plain ones too, without a zone suffix (domain.md 3.5 shows twins of them);
a window holds what overlaps it; a cancelled booking is still listed, marked as deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from engage_sync.sandbox.wire import Record, RefusedError


def read_time(name: str, text: object) -> datetime:
    """`YYYY-MM-DD HH:MM:SS`, or the same with a T, or a bare date; refused (400) otherwise."""
    try:
        moment = datetime.fromisoformat(str(text))
        moment = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
        in_range = moment.year < datetime.max.year  # a window's end is counted on from there
    except (ValueError, OverflowError):
        in_range = False
    if not in_range:
        raise RefusedError(400, f"{name} must be a time like 2025-01-31 09:00:00.")
    return moment


def read_window(query: Mapping[str, str]) -> tuple[datetime, datetime]:
    """Start and end of what is asked for: two times, or two dates of which the last counts whole."""
    for name in query:
        if name not in _PARAMETERS:
            raise RefusedError(400, f"Unknown parameter '{name}'.")
    if query.get("isUTCDateTime", "true") != "true":
        raise RefusedError(400, "isUTCDateTime must be true; this sandbox knows no other times.")
    by_date = "startDate" in query or "endDate" in query
    names = ("startDate", "endDate") if by_date else ("startDateTime", "endDateTime")
    start, end = (read_time(name, query.get(name)) for name in names)
    if by_date:
        start, end = _midnight(start), _midnight(end) + timedelta(days=1)
    if end <= start:
        raise RefusedError(400, f"{names[1]} must be after {names[0]}.")
    return start, end


_PARAMETERS = frozenset({"roomId", "startDateTime", "endDateTime", "startDate", "endDate", "isUTCDateTime"})


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class Bookings:
    """All bookings, by resource."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_resource: dict[int, list[Record]] = {}
        self._last_id = 0

    def add(self, resource: Record, start: datetime, end: datetime, title: str) -> Record:
        """Book a resource."""
        if end <= start:
            raise RefusedError(400, "endDateTime must be after startDateTime.")
        self._last_id += 1
        times = {"timeFrom": _text(start), "timeTo": _text(end)}
        booking = {
            "bookingID": self._last_id,
            "roomID": resource["InternalId"],
            "locationId": resource["LocationId"],
            "groupId": resource["GroupId"],
            "meetingTitle": title,
            **times,
            **{f"{name}UTC": time for name, time in times.items()},
            "deleted": 0,
        }
        self._by_resource.setdefault(resource["InternalId"], []).append(booking)
        return booking

    def between(self, resource_id: int, start: datetime, end: datetime) -> list[Record]:
        """The bookings of a resource that overlap a window."""
        return [
            booking
            for booking in self._by_resource.get(resource_id, ())
            if _time(booking, "timeFrom") < end and _time(booking, "timeTo") > start
        ]

    def all(self) -> list[Record]:
        """Every booking there is."""
        return [booking for bookings in self._by_resource.values() for booking in bookings]

    def cancel(self, booking_id: int) -> Record:
        """Mark a booking as deleted."""
        for booking in self.all():
            if booking["bookingID"] == booking_id:
                booking["deleted"] = 1
                return booking
        raise RefusedError(404, "Booking Id does not exist.")  # the vendor's sentence (domain.md 3.8)

    def drop_future(self, resource_id: int) -> None:
        """Forget the bookings of a resource that have not ended yet; past ones stay on record."""
        now = datetime.fromtimestamp(self._clock(), UTC).replace(tzinfo=None)
        bookings = self._by_resource.pop(resource_id, [])
        past = [booking for booking in bookings if _time(booking, "timeTo") <= now]
        if past:
            self._by_resource[resource_id] = past


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _time(booking: Record, field: str) -> datetime:
    return datetime.fromisoformat(booking[field])
