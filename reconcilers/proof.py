"""Proof that the source was read to its end: without one no delete can be built."""

from dataclasses import dataclass
from typing import Any, final

from reconcilers.levels import LEVELS
from reconcilers.model import Kind, MappingState
from reconcilers.source import Known, Listing, Observation

_SEAL = object()
_LISTED = (Kind.LOCATION, Kind.FLOOR, Kind.RESOURCE, Kind.WORKSPACE_TYPE)
"""What the source's listings become, in the order of the listings."""


@final
class Proof:
    """Evidence that a record that was not listed is gone. Only `prove` makes one."""

    __slots__ = ()

    def __init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("a Proof comes from prove() alone: deletes need a complete listing")


@dataclass(frozen=True, slots=True)
class Gap:
    """Why the source is not proven complete, in one sentence."""

    listing: str
    problem: str

    def __str__(self) -> str:
        return f"{self.listing}: {self.problem}"


def known_ids(mapping: MappingState) -> Known:
    """The ids that the listings must show, or they are gone; nothing where the mapping cannot tell."""
    if mapping.rebuilt:
        return {}
    return {kind: _source_ids(kind, mapping) for kind in _LISTED}


def _source_ids(kind: Kind, mapping: MappingState) -> frozenset[int]:
    keys = map(LEVELS[kind].source_key, (entry.key for entry in mapping.of(kind)))
    return frozenset(int(key) for key in keys if key.isdecimal())


def prove(observed: Observation, known: Known) -> tuple[Proof | None, tuple[Gap, ...]]:
    """A proof that what is `known` and not listed is gone, or the gaps that forbid one."""
    listings: tuple[Listing[Any], ...] = (
        observed.buildings, observed.floors, observed.spaces, observed.types
    )  # fmt: skip
    gaps = [
        Gap(listing.name, problem)
        for listing in (*listings, observed.centers)
        for problem in _problems(listing)
    ]
    gaps += [
        Gap(listing.name, "records moved from page to page, so some may have been missed")
        for kind, listing in zip(_LISTED, listings, strict=True)
        if listing.may_have_lost(known.get(kind))
    ]
    gaps += [Gap(observed.centers.name, problem) for problem in _center_problems(observed)]
    return (None if gaps else Proof(_SEAL)), tuple(gaps)


def _problems(listing: Listing[Any]) -> list[str]:
    problems = []
    ids = listing.ids
    read = len(listing.items) + len(listing.unreadable)
    if len(ids) < read:
        problems.append(f"{read - len(ids)} records came twice, so others may have been missed")
    if listing.counted is not None and set(listing.counted) != {read}:
        before, after = listing.counted
        told = f"{before}" if before == after else f"{before} before and {after} after"
        problems.append(f"{read} records were listed, but the source counts {told}")
    if None in ids:
        problems.append("a record has no id, so nobody can tell which one it is")
    return problems


def _center_problems(observed: Observation) -> list[str]:
    """Centers have no count, so they are checked against what the buildings say of themselves."""
    said_by_centers = {
        (building, center.id) for center in observed.centers.items for building in center.buildings
    }
    said_by_buildings = {
        (building.id, center) for building in observed.buildings.items for center in building.centers
    }
    unreadable = {record.id for record in observed.buildings.unreadable}
    problems = []
    for building, center in sorted(said_by_centers ^ said_by_buildings):
        if building not in unreadable:
            who, whom = (
                ("center", "building") if (building, center) in said_by_centers else ("building", "center")
            )
            ids = {"building": building, "center": center}
            problems.append(f"{who} {ids[who]} names {whom} {ids[whom]}, which does not name it back")
    return problems[:3] + ([f"and {len(problems) - 3} more such differences"] if len(problems) > 3 else [])
