"""One entity under question, with everything that a run knows of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from reconcilers.levels import LEVELS
from reconcilers.model import Current, Entity, Entry, Key, Kind, Skip
from reconcilers.plan import Withheld
from reconcilers.source import Building, Center, Floor, Listing, Observation, Record, Space, SpaceType
from reconcilers.steps import Rebind, Step, key_of
from reconcilers.sync import Settings, View

T = TypeVar("T", bound=Record)
AnyRecord = Building | Floor | Space | SpaceType
SHOWN = 3
"""How many of many are named."""


@dataclass(frozen=True)
class Case:
    """What is asked about, and what is known; every look-up is made once."""

    view: View
    settings: Settings
    kind: Kind
    key: Key

    @cached_property
    def entity(self) -> Entity | None:
        """What the target shall hold of it."""
        return self.view.desired.entities.get(self.key)

    @cached_property
    def current(self) -> Current | None:
        """What the target holds of it."""
        return self.view.pairing.current_of.get(self.key)

    @cached_property
    def entry(self) -> Entry | None:
        """What is remembered of it."""
        return self.view.mapping.entries.get(self.key)

    @cached_property
    def skip(self) -> Skip | None:
        """Why it is left out; None for what is in scope or not listed."""
        return None if self.entity is not None else self.skips.get(self.key)

    @cached_property
    def skips(self) -> dict[Key, Skip]:
        """All that is left out, by key."""
        return {skip.key: skip for skip in self.view.desired.skips}

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps about it: none, one, or a release of what bears its id before a step of its own."""
        return tuple(step for step in self.view.plan.steps if key_of(step) == self.key)

    @cached_property
    def withheld(self) -> tuple[Withheld, ...]:
        """What would be done with it but may not."""
        return tuple(item for item in self.view.plan.withheld if item.key == self.key)

    @cached_property
    def bound_to(self) -> Key | None:
        """The key under which the same thing goes on; None when there is none."""
        if self.current is not None or self.entry is None:
            return None
        steps = (step for step in self.view.plan.steps if isinstance(step, Rebind))
        found = next((key_of(step) for step in steps if step.old == self.key), None)
        return found or self._held_by_now

    @cached_property
    def _held_by_now(self) -> Key | None:
        """Whose the entity is that the mapping remembers under this key, when its rebind is withheld."""
        entry = self.entry
        if entry is None or entry.id is None:
            return None
        variant_of = LEVELS[entry.kind].variant_of
        return next(
            (
                key
                for key, item in self.view.pairing.current_of.items()
                if (item.kind, item.id) == (entry.kind, entry.id) and variant_of(item.values) == entry.variant
            ),
            None,
        )

    @cached_property
    def source_id(self) -> int | None:
        """The source's own id within the key; None for a key that holds none."""
        text = LEVELS[self.kind].source_key(self.key)
        return int(text) if text.isdecimal() and str(int(text)) == text else None

    @cached_property
    def record(self) -> AnyRecord | None:
        """The record that the source lists; None for kinds that it has no records of."""
        listing = listing_of(self.kind, self.view.observed)
        return None if listing is None else find(listing.items, self.source_id)

    @cached_property
    def known(self) -> bool:
        """Does either system, the mapping or the plan know it?"""
        listing = listing_of(self.kind, self.view.observed)
        listed = listing is not None and self.record is not None
        held = self.entity or self.current or self.entry or self.skips.get(self.key)
        return bool(held or listed or self.steps or self.withheld)

    def name_of(self, key: Key) -> str:
        """A key with the name that people know it by."""
        told = self.view.desired.entities.get(key) or self.view.pairing.current_of.get(key)
        return f'{key} "{told.name}"' if told is not None else key


def listing_of(kind: Kind, observed: Observation) -> Listing[AnyRecord] | None:
    """The source's listing of a kind; None for kinds that it has no records of."""
    listings: dict[Kind, Listing[AnyRecord]] = {
        Kind.WORKSPACE_TYPE: observed.types,
        Kind.LOCATION: observed.buildings,
        Kind.FLOOR: observed.floors,
        Kind.RESOURCE: observed.spaces,
    }
    return listings.get(kind)


def find(records: Iterable[T], id: int | None) -> T | None:
    """The record with this id, the last one where it came twice, as the translation has it."""
    return {record.id: record for record in records}.get(id) if id is not None else None


def centers_of(building: Building, observed: Observation) -> list[Center]:
    """Listed centers that name the building, or that it names, in the order of ids."""
    found = [
        center
        for center in observed.centers.items
        if building.id in center.buildings or center.id in building.centers
    ]
    return sorted(found, key=lambda center: center.id)


def some(words: Iterable[object]) -> str:
    """A few of them, and how many more there are."""
    told = [str(word) for word in words]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more
