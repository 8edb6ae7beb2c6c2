"""The documented JSON of Workplace's records (domain.md 2.5); nothing here changes anything."""

from __future__ import annotations

import json

from engage_sync.sandbox.wire import Record
from engage_sync.sandbox.workplace_data import GROUPS, WorkplaceData

# The selector that fills in a building's centers (domain.md 2.4); without it they show as [].
CENTERS_SELECTOR = "centers(module)"


def view(data: WorkplaceData, kind: str, record: Record, selector: str = "") -> Record:
    """One record as the API shows it."""
    if kind == "buildings":
        return building(data, record, centers=CENTERS_SELECTOR in selector)
    if kind == "floors":
        return floor(data, record)
    if kind == "rooms":
        return room(data, record)
    if kind == "types":
        return space_type(record)
    if kind == "centers":
        return center(data, record, selector)
    return country(record)


def building(data: WorkplaceData, record: Record, *, centers: bool) -> Record:
    """A building with its address. Empty country and state are left out, empty texts are not."""
    shown = _pick(record, "id", "name", "code", "metric", "revitLink", "leaseArea")
    shown["address"] = _pick(record, "street", "street2", "city", "postalCode")
    if record["countryId"] is not None:
        shown["address"]["country"] = country(data.tables["countries"][record["countryId"]])
    if record["stateId"] is not None:
        shown["address"]["state"] = state(data, data.tables["states"][record["stateId"]])
    shown["location"] = {}
    shown["costCenters"] = []
    shown["centers"] = [center_link(one) for one in data.centers_of(record["id"])] if centers else []
    shown["agreements"] = []
    shown["fields"] = []
    shown["parking"] = record["parking"]
    return shown | _dates(record)


def floor(data: WorkplaceData, record: Record) -> Record:
    """A floor; one of no building (an orphan) shows none."""
    shown = _pick(record, "id", "name", "area", "interiorGross", "leaseArea")
    shown["drawingAvailable"] = False
    shown |= _dates(record)
    if record["buildingId"] is not None:
        shown["building"] = _pick(data.tables["buildings"][record["buildingId"]], "id", "name", "code")
    return shown


def room(data: WorkplaceData, record: Record) -> Record:
    """A space. As in the vendor's sample its nested type has no spaceTypeGroup: that is in /rooms/types."""
    shown = _pick(
        record,
        *("id", "name", "description", "longDescription", "remoteInfo", "area", "capacity"),
        *("reservable", "reservableByRules", "occupied"),
    )
    kind = data.tables["types"][record["typeId"]]
    shown["type"] = _pick(
        kind, "id", "name", "typeCode", "contentFlag", "cost", "occupiable", "parkingSpace", "hexColor"
    )
    shown["type"] |= {"color": {}, **_dates(kind)}
    shown["googleData"] = {"googleCalResourceId": "", "googleCalAddress": ""}
    on = data.tables["floors"][record["floorId"]]
    shown["floor"] = _pick(on, "id", "name")
    if on["buildingId"] is not None:
        shown["floor"]["building"] = _pick(data.tables["buildings"][on["buildingId"]], "id", "name", "code")
    return shown | _dates(record)


def space_type(record: Record) -> Record:
    """A space type. The sample's list of all types inside the group is left empty: it grows as the square."""
    shown = _pick(
        record, "id", "name", "typeCode", "contentFlag", "defaultRoomType", "cost", "sortOrder", "hexColor"
    )
    group_id = record["groupId"]
    shown["spaceTypeGroup"] = {
        "id": group_id,
        "name": GROUPS[group_id],
        "hexColor": "f29373",
        "roomTypes": [],
    }
    return shown | _dates(record)


def country(record: Record) -> Record:
    """A country; one without an ISO code shows none."""
    shown = _pick(record, "id", "name")
    if record["alpha2Code"]:
        shown |= {"alpha2Code": record["alpha2Code"], "isoCode": record["alpha2Code"]}
    return shown | {"subdivisionCategoryName": "state", "defaultSelected": False}


def state(data: WorkplaceData, record: Record) -> Record:
    """A state, nested in an address only."""
    shown = _pick(record, "id", "name", "code") | {"categoryName": "state", "defaultSelected": False}
    if record["countryId"] is not None:
        shown["country"] = country(data.tables["countries"][record["countryId"]])
    return shown


def center(data: WorkplaceData, record: Record, selector: str) -> Record:
    """A center's detail. ASSUMED: reservation centers show their zone as maintenance centers do (2.5)."""
    shown = _pick(record, "id", "name")
    if record["timeZone"]:
        shown["timeZone"] = {"ID": record["timeZone"]}
    if "buildings" in selector:
        shown["buildings"] = [
            _pick(one, "id", "name", "code") | _centers_in_detail(data, one, selector)
            for one in data.buildings_of(record["id"])
        ]
    if "rules" in selector:
        shown["rules"] = json.dumps({"centerId": record["id"], "ruleList": []})
    return shown


def center_link(record: Record) -> Record:
    """A center as a building shows it."""
    return _pick(record, "module", "name", "id")


def _centers_in_detail(data: WorkplaceData, record: Record, selector: str) -> Record:
    if CENTERS_SELECTOR not in selector:
        return {}
    return {"centers": [center_link(one) for one in data.centers_of(record["id"])]}


def _pick(record: Record, *names: str) -> Record:
    return {name: record[name] for name in names}


def _dates(record: Record) -> Record:
    # dateUpdated is absent until the first edit (domain.md 2.1)
    return {name: record[name] for name in ("dateCreated", "dateUpdated") if name in record}
