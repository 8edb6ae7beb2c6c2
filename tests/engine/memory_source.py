"""Workplace in memory: records by id, edited by hand, answered in any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from reconcilers.errors import SyncError
from reconcilers.source import (
    Building,
    Center,
    Floor,
    Known,
    Listing,
    Observation,
    Record,
    Space,
    SpaceType,
    Unreadable,
)

T = TypeVar("T", bound=Record)
Order = Callable[[Sequence[Any]], Sequence[Any]]


def as_is(items: Sequence[Any]) -> Sequence[Any]:
    """The order in which the records were made."""
    return items


@dataclass(slots=True)
class MemorySource:
    """The Source port over five tables. Centers are told by the centers alone; buildings echo them."""

    buildings: dict[int, Building] = field(default_factory=dict)
    floors: dict[int, Floor] = field(default_factory=dict)
    spaces: dict[int, Space] = field(default_factory=dict)
    types: dict[int, SpaceType] = field(default_factory=dict)
    centers: dict[int, Center] = field(default_factory=dict)
    garbled: set[tuple[str, int]] = field(default_factory=set)
    """Records that are listed but cannot be understood: (listing, id)."""
    hidden: set[tuple[str, int]] = field(default_factory=set)
    """Records that a listing lost, though the source counts them."""
    slipped: set[tuple[str, int]] = field(default_factory=set)
    """Records that slipped from page to page while another one came, so that the counts agree."""
    order: Order = as_is
    fails: SyncError | None = None

    async def read(self, known: Known) -> Observation:
        """Everything at once."""
        if self.fails is not None:
            raise self.fails
        return self.observe()

    def observe(self) -> Observation:
        """What a run is told."""
        echoed = {
            id: replace(building, centers=self._centers_of(id)) for id, building in self.buildings.items()
        }
        centers = [
            replace(center, buildings=center.buildings & self.buildings.keys())
            for center in self.centers.values()
            if ("centers", center.id) not in self.hidden
        ]
        return Observation(
            buildings=self._listing("buildings", echoed),
            floors=self._listing("floors", self.floors),
            spaces=self._listing("spaces", self.spaces),
            types=self._listing("types", self.types),
            centers=Listing("centers", tuple(self.order(centers))),
        )

    def _centers_of(self, building: int) -> frozenset[int]:
        return frozenset(center.id for center in self.centers.values() if building in center.buildings)

    def _listing(self, name: str, records: dict[int, T]) -> Listing[T]:
        there = [id for id in records if (name, id) not in self.slipped]
        shown = [id for id in there if (name, id) not in self.hidden]
        return Listing(
            name,
            tuple(self.order([records[id] for id in shown if (name, id) not in self.garbled])),
            tuple(Unreadable(id, "garbled") for id in shown if (name, id) in self.garbled),
            counted=(len(there), len(there)),
            seamless=len(there) == len(records),
        )
