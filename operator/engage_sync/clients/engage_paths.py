"""THE table of Engage: paths, verbs, products and field names.

A tenant with the vendor's private documentation corrects it here and nowhere else. Reads marked documented
are seen in public code and fixtures (domain.md section 3.4); everything else is ASSUMED (contract section 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Kind

API = "/api/V1"
"""Below `spec.target.apiURL`."""
TOKEN = "/tokenproviderapi/token"  # noqa: S105 -- a path
"""Below `spec.target.applicationURL`."""

KEY_HEADER = "Ocp-Apim-Subscription-Key"
HIERARCHY = "HierarchyMapping"
"""The product whose subscription key every path of the hierarchy needs."""
EXTERNAL_BOOKINGS = "ExternalBookings"
"""The product whose subscription key `BOOKINGS` needs; a tenant may not have it."""

INTERNAL_ID, PARENT_ID, NAME, EXTERNAL_ID = "InternalId", "InternalParentId", "ResourceName", "ExternalId"
GROUP_MAPPINGS, GROUP_ID = "LocationGroupMappings", "GroupId"
ENVELOPED = "IsError"
"""The field that tells the hierarchy's envelope from any other object."""


class Form(Enum):
    """How a value looks in JSON, and what we make of it."""

    TEXT = "text; null is an empty text"
    NUMBER = "a whole number or null"
    NUMERAL = "a whole number as text; a bare one is taken too"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an entity."""

    wire: str
    """Its name in Engage."""
    form: Form = Form.TEXT
    required: bool = False
    """Nothing can be concluded from an item that lacks it."""


@dataclass(frozen=True, slots=True)
class Route:
    """How one kind of entity (or one variant of it) is listed and written."""

    path: str
    columns: Mapping[str, Column]
    """By the field's name in `reconcilers.levels`; without the parent and what has a `Link`."""
    below: str = ""
    """The query parameter that names the parent; empty for what has none."""
    parent: str = PARENT_ID
    """The field that names the parent in a create."""
    checks_parent: bool = True
    """Items name the parent they were asked for; a resource's `InternalParentId` is 0 (vendor fixture)."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Further query parameters of the listing."""
    product: str = HIERARCHY
    create: str = "POST"
    update: str = "PUT"
    delete: str = "DELETE"


@dataclass(frozen=True, slots=True)
class Link:
    """A field that is set by a call of its own."""

    path: str
    """With the entity's internal id in place of `{id}`."""
    wire: str
    method: str = "POST"
    product: str = HIERARCHY


_NAME = {"ResourceName": Column(NAME)}

_RESOURCE = {
    **_NAME,
    "FloorNumber": Column("FloorNumber", Form.NUMERAL),
    "WorkspaceTypeId": Column("WorkspaceTypeId", Form.NUMBER),
    "MaxCapacity": Column("MaxCapacity", Form.NUMBER),
    "GroupId": Column("GroupId", Form.NUMBER),  # on creation only; afterwards it is Engage's own
}


def _resource(path: str) -> Route:
    return Route(
        path,
        _RESOURCE,
        below="locationId",
        parent="LocationId",
        checks_parent=False,
        query={"extendedDetails": "true"},
    )


ROUTES: Mapping[tuple[Kind, str], Route] = MappingProxyType(
    {
        (Kind.COUNTRY, ""): Route(
            "/countries", {**_NAME, "CountryCode": Column("CountryCode")}
        ),  # documented
        (Kind.REGION, ""): Route("/regions", _NAME, below="countryId"),  # documented
        (Kind.GROUP, ""): Route("/groups", _NAME, below="countryId"),  # documented
        (Kind.WORKSPACE_TYPE, ""): Route(
            "/workspaceTypes",
            # A type of unknown family would look like one to be replaced.
            {**_NAME, "Family": Column("Family", required=True)},
        ),
        (Kind.LOCATION, ""): Route(  # documented
            "/locations",
            {
                **_NAME,
                "LocationAddress": Column("LocationAddress"),
                "PostCode": Column("PostCode"),
                "LocationCity": Column("LocationCity"),
                "LocationCountry": Column("LocationCountry"),
                "TimeZone": Column("TimeZone"),
                "NumberOfFloorsAboveGround": Column("NumberOfFloorsAboveGround", Form.NUMBER),
                "NumberOfFloorsBelowGround": Column("NumberOfFloorsBelowGround", Form.NUMBER),
            },
            below="regionId",
        ),
        (Kind.FLOOR, ""): Route(
            "/floors", {**_NAME, "FloorNumber": Column("FloorNumber", Form.NUMERAL)}, below="locationId"
        ),
        (Kind.RESOURCE, MEETING): _resource("/rooms"),  # documented
        (Kind.RESOURCE, PERSONAL): _resource("/desks"),
    }
)

LINKS: Mapping[tuple[Kind, str], Link] = MappingProxyType(
    {(Kind.LOCATION, "GroupId"): Link("/locations/{id}/groups", GROUP_ID)}
)

DEFAULT_TYPE_IDS = frozenset({1, 2})
DEFAULT_TYPE_NAMES = frozenset({"meeting room", "desk"})
"""The two workspace types that Engage comes with (domain.md section 3.4), case-folded."""


@dataclass(frozen=True, slots=True)
class BookingList:
    """How the bookings of one meeting space are listed; no call that lists a personal space's is known."""

    path: str
    room: str
    """The query parameter for the meeting space's internal id."""
    start: str
    end: str
    time_format: str
    """Of `start` and `end`, for strftime."""
    items: str
    """The field that holds the list, where the answer is an object and not the list itself."""


BOOKINGS = BookingList(  # documented (domain.md section 3.5)
    "/bookings",
    room="roomId",
    start="startDateTime",
    end="endDateTime",
    time_format="%Y-%m-%d %H:%M:%S",
    items="bookings",
)

BOOKING_ID, BOOKING_ROOM, BOOKING_DELETED = "bookingID", "roomID", "deleted"
BOOKING_FROM, BOOKING_TO = "timeFrom", "timeTo"
BOOKING_FROM_UTC, BOOKING_TO_UTC = "timeFromUTC", "timeToUTC"
