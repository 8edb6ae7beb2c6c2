"""Short ways to put something into either system in a test: no request, no trace in the journal.

Every method answers the new id. The same checks hold as for a request.
"""

from __future__ import annotations

from engage_sync.sandbox.engage_data import EngageData
from engage_sync.sandbox.engage_kinds import KINDS
from engage_sync.sandbox.fields import read_fields
from engage_sync.sandbox.workplace_data import GROUPS, WorkplaceData


class Seeds:
    """Fills a sandbox by hand."""

    def __init__(self, workplace: WorkplaceData, engage: EngageData) -> None:
        self._workplace = workplace
        self._engage = engage

    def center(self, name: str = "Center", *, zone: str | None = "Europe/Berlin", **values: object) -> int:
        """A reservation center; `zone` is an IANA name or None."""
        return self._add("centers", name=name, timeZone=zone, **values)

    def country(self, name: str, code: str | None = None) -> int:
        """A country beyond those of ISO 3166, which are there from the start."""
        return self._add("countries", name=name, alpha2Code=code)

    def building(
        self, name: str, *, country: str | None = "DE", center: int | None = None, **values: object
    ) -> int:
        """A building in a country (alpha-2 code or None) and a center; city=, street=, code= and so on."""
        country_id = None if country is None else self._workplace.country_by_code[country]
        building_id = self._add("buildings", name=name, countryId=country_id, **values)
        if center is not None:
            self._workplace.assign(center, building_id)
        return building_id

    def floor(self, building: int | None, name: str = "Floor 1", **values: object) -> int:
        """A floor; of no building when that is None."""
        return self._add("floors", name=name, buildingId=building, **values)

    def space_type(self, name: str, group: str = "We Spaces", **values: object) -> int:
        """A space type of the group None, Me Spaces or We Spaces."""
        group_id = {name: group_id for group_id, name in GROUPS.items()}[group]
        return self._add("types", name=name, groupId=group_id, **values)

    def room(
        self, floor: int, space_type: int, name: str, *, reservable: bool = True, **values: object
    ) -> int:
        """A space."""
        return self._add(
            "rooms", name=name, floorId=floor, typeId=space_type, reservable=reservable, **values
        )

    def engage(self, kind: str, **fields: object) -> int:
        """An item of Engage, as someone would make it there by hand: the API's fields, ExternalId or not."""
        return int(self._engage.add(kind, read_fields(fields, KINDS[kind].fields))["InternalId"])

    def _add(self, kind: str, **values: object) -> int:
        return int(self._workplace.add(kind, **values)["id"])
