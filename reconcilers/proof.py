"""Proof that the source was read to its end: without one no delete can be built."""

from dataclasses import dataclass
from typing import Any, final

from reconcilers.source import Listing, Observation

_SEAL = object()


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


def prove(observed: Observation) -> tuple[Proof | None, tuple[Gap, ...]]:
    """A proof, or the gaps that forbid one."""
    gaps = [
        Gap(listing.name, problem)
        for listing in (
            observed.buildings, observed.floors, observed.spaces, observed.types, observed.centers
        )
        for problem in _problems(listing)
    ]  # fmt: skip
    gaps += [Gap(observed.centers.name, problem) for problem in _center_problems(observed)]
    return (None if gaps else Proof(_SEAL)), tuple(gaps)


def _problems(listing: Listing[Any]) -> list[str]:
    problems = []
    ids = {item.id for item in listing.items} | {record.id for record in listing.unreadable}
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
