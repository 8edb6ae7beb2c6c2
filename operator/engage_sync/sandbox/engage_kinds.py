"""The kinds of Engage's hierarchy as one table: parent, fields, what is required, what never changes.

From contract section 6. All about writing is ASSUMED: no public document shows a write (domain.md 3.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engage_sync.sandbox.fields import (
    Check,
    count,
    country_code,
    external_id,
    filled_text,
    floor_number,
    integer,
    one_of,
    one_person,
    people,
    text,
    windows_zone,
)

HOURLY = "Hourly"
ALL_DAY = "AllDay"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item."""

    name: str  # as in its path
    one: str  # as in a sentence
    parent: str | None
    parent_field: str
    query: str | None  # the parameter that its listing needs
    fields: Mapping[str, Check]
    required: tuple[str, ...]
    fixed: tuple[str, ...]
    shared: str  # kinds of one such name share their names and external ids
    family: str | None = None  # the workspace types that fit it


def _resource(name: str, one: str, family: str, capacity: Check) -> Kind:
    return Kind(
        name,
        one,
        parent="locations",
        parent_field="LocationId",
        query="locationId",
        fields={
            "ResourceName": filled_text,
            "LocationId": integer,
            "FloorNumber": floor_number,
            "GroupId": integer,
            "WorkspaceTypeId": integer,
            "MaxCapacity": capacity,
            "ExternalId": external_id,
        },
        required=("ResourceName", "LocationId", "FloorNumber", "GroupId", "WorkspaceTypeId", "MaxCapacity"),
        fixed=("LocationId",),
        shared="resources",
        family=family,
    )


def _under(name: str, one: str, parent: str, query: str, fixed: bool, **fields: Check) -> Kind:
    return Kind(
        name,
        one,
        parent=parent,
        parent_field="InternalParentId",
        query=query,
        fields={
            "ResourceName": filled_text,
            "InternalParentId": integer,
            "ExternalId": external_id,
            **fields,
        },
        required=(
            "ResourceName",
            "InternalParentId",
            *(f for f in ("TimeZone", "FloorNumber") if f in fields),
        ),
        fixed=("InternalParentId",) if fixed else (),
        shared=name,
    )


def _top(name: str, one: str, own: str, check: Check, fixed: tuple[str, ...]) -> Kind:
    fields = {"ResourceName": filled_text, own: check, "ExternalId": external_id}
    return Kind(name, one, None, "InternalParentId", None, fields, ("ResourceName", own), fixed, shared=name)


_ALL = (
    _top("countries", "country", "CountryCode", country_code, ()),
    _under("regions", "region", "countries", "countryId", True),
    # A group belongs to exactly one country (domain.md 5), so its parent is taken to be fixed as well.
    _under("groups", "group", "countries", "countryId", True),
    _top("workspaceTypes", "workspace type", "Family", one_of(HOURLY, ALL_DAY), ("Family",)),
    _under(
        "locations",
        "location",
        "regions",
        "regionId",
        True,
        LocationAddress=text,
        PostCode=text,
        LocationCity=text,
        LocationCountry=text,
        TimeZone=windows_zone,
        NumberOfFloorsAboveGround=count,
        NumberOfFloorsBelowGround=count,
    ),
    _under("floors", "floor", "locations", "locationId", True, FloorNumber=floor_number),
    _resource("rooms", "meeting space", HOURLY, people),
    _resource("desks", "personal space", ALL_DAY, one_person),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}

# What an item holds when its creator said nothing.
DEFAULTS: dict[str, dict[str, object]] = {
    "locations": {
        "LocationAddress": "",
        "PostCode": "",
        "LocationCity": "",
        "LocationCountry": "",
        "NumberOfFloorsAboveGround": 0,
        "NumberOfFloorsBelowGround": 0,
    }
}
