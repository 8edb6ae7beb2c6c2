"""Bookings of Engage's resources: read by window, seeded by hand, gone with their resource.

ASSUMED: times are UTC without a zone suffix (domain.md 3.5 shows both forms, with none either).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from engage_sync.sandbox.wire import Record, RefusedError


def read_time(name: str, text: object) -> datetime:
    """`YYYY-MM-DD HH:MM:SS`, or the same with a T, or a bare date; refused (400) otherwise."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise RefusedError(400, f"{name} must be a time like 2025-01-31 09:00:00.") from None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


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
        booking = {
            "bookingID": self._last_id,
            "roomID": resource["InternalId"],
            "locationId": resource["LocationId"],
            "groupId": resource["GroupId"],
            "meetingTitle": title,
            "timeFrom": start.isoformat(timespec="seconds"),
            "timeTo": end.isoformat(timespec="seconds"),
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

    def drop_future(self, resource_id: int) -> None:
        """Forget the bookings of a resource that have not ended yet; past ones stay on record."""
        now = datetime.fromtimestamp(self._clock(), UTC).replace(tzinfo=None)
        bookings = self._by_resource.pop(resource_id, [])
        past = [booking for booking in bookings if _time(booking, "timeTo") <= now]
        if past:
            self._by_resource[resource_id] = past


def _time(booking: Record, field: str) -> datetime:
    return datetime.fromisoformat(booking[field])
