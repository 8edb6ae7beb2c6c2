"""What a request may write into Workplace, and what it must (domain.md 2.4 and 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from engage_sync.sandbox.fields import (
    Check,
    boolean,
    count,
    filled_text,
    integer,
    number,
    read_fields,
    reference,
    require,
    text,
)
from engage_sync.sandbox.wire import Json, Record, RefusedError
from engage_sync.sandbox.workplace_data import GROUPS, WorkplaceData

T = TypeVar("T")


def _any(value: Json) -> Any:
    return value


_READ_ONLY: dict[str, Check] = {"id": integer, "dateCreated": _any, "dateUpdated": _any}

_ADDRESS: dict[str, Check] = {
    "street": text,
    "street2": text,
    "city": text,
    "postalCode": text,
    "country": _any,
    "state": _any,
}

_SCHEMAS: dict[str, dict[str, Check]] = {
    "buildings": {
        "name": filled_text,
        "code": text,
        "metric": boolean,
        "revitLink": text,
        "leaseArea": number,
        "parking": boolean,
        "address": _any,
        # The samples of POST and PUT have these two at top level (domain.md 2.5, "Quirk").
        "city": text,
        "state": _any,
    },
    "floors": {
        "name": filled_text,
        "area": number,
        "interiorGross": number,
        "leaseArea": number,
        "building": reference,
    },
    "rooms": {
        "name": filled_text,
        "description": text,
        "longDescription": text,
        "remoteInfo": text,
        "area": number,
        "capacity": count,
        "reservable": boolean,
        "reservableByRules": boolean,
        "occupied": boolean,
        "floor": reference,
        "type": reference,
    },
    "types": {
        "name": filled_text,
        "typeCode": text,
        "contentFlag": integer,
        "defaultRoomType": boolean,
        "cost": number,
        "sortOrder": integer,
        "hexColor": text,
        "spaceTypeGroup": reference,
        # ASSUMED to be settable: they show in a room's nested type.
        "occupiable": boolean,
        "parkingSpace": boolean,
    },
}
_REQUIRED = {
    "buildings": ("name",),
    "floors": ("name", "building"),
    "rooms": ("name", "floor", "type"),
    "types": ("name", "contentFlag", "typeCode", "defaultRoomType", "cost", "spaceTypeGroup"),
}
_STORED_AS = {"building": "buildingId", "floor": "floorId", "type": "typeId", "spaceTypeGroup": "groupId"}


def read_new(data: WorkplaceData, kind: str, body: Json) -> Record:
    """The stored values of a POST body."""
    values = _read(kind, body)
    require(values, _REQUIRED[kind])
    return _stored(data, values, country_id=None)


def read_change(data: WorkplaceData, kind: str, record: Record, body: Json) -> Record:
    """The stored values of a PUT body, which is partial; an address is merged field by field."""
    values = _read(kind, body)
    if values.get("id", record["id"]) != record["id"]:
        raise RefusedError(400, "id does not match the address.")
    return _stored(data, values, country_id=record.get("countryId"))


def _read(kind: str, body: Json) -> Record:
    return read_fields(body, {**_SCHEMAS[kind], **_READ_ONLY})


def _stored(data: WorkplaceData, values: Record, *, country_id: int | None) -> Record:
    address = read_fields(values.pop("address", None) or {}, _ADDRESS)
    flat = {name: value for name, value in values.items() if name not in _READ_ONLY} | address
    stored = {_STORED_AS.get(name, name): value for name, value in flat.items()}
    if "country" in stored:
        country_id = stored["countryId"] = _country(data, stored.pop("country"))
    if "state" in stored:
        stored["stateId"] = _state(data, stored.pop("state"), country_id)
    if stored.get("groupId", 1) not in GROUPS:
        raise RefusedError(400, f"There is no space type group with id {stored['groupId']}.")
    return stored


def _country(data: WorkplaceData, value: Json) -> int | None:
    """A country by id, or (more than the documents promise, for people with curl) by alpha-2 code."""
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(value.get("alpha2Code"), str) and "id" not in value:
        if value["alpha2Code"] not in data.country_by_code:
            raise RefusedError(400, f"There is no country with the code {value['alpha2Code']!r}.")
        return data.country_by_code[value["alpha2Code"]]
    country_id = _checked("country", reference, value)
    data.get("countries", country_id, status=400)
    return country_id


def _state(data: WorkplaceData, value: Json, country_id: int | None) -> int | None:
    """A state by id, or by name and code when it is new."""
    if value is None:
        return None
    if isinstance(value, dict) and "name" in value and "id" not in value:
        name = _checked("state.name", filled_text, value["name"])
        return data.state_id(name, _checked("state.code", text, value.get("code")), country_id)
    state_id = _checked("state", reference, value)
    data.get("states", state_id, status=400)
    return state_id


def _checked(name: str, check: Callable[[Json], T], value: Json) -> T:
    try:
        return check(value)
    except ValueError as error:
        raise RefusedError(400, f"{name} {error}.") from None
