"""What the laws of the guards share: twins that nobody holds back, and what a run did to the target."""

import copy
from collections import Counter
from dataclasses import dataclass, replace

from reconcilers.errors import EmptySource
from reconcilers.guard import Budget
from reconcilers.model import Key, Kind
from reconcilers.report import Report
from reconcilers.steps import key_of
from tests.engine.memory_target import SPACES, MemoryTarget, Row
from tests.engine.rig import UNGUARDED, Rig

Id = tuple[str, int]
"""A table and an internal id: what bookings hang on."""

KIND_OF_TABLE = {"rooms": "resources", "desks": "resources"}
ROUNDS = 6


def rows_of(target: MemoryTarget) -> dict[Id, Row]:
    return {(table, row["id"]): copy.deepcopy(row) for table, row in target.rows()}


def is_ours(row: Row) -> bool:
    return str(row["ExternalId"]).startswith("wp:")


def home_of(id: Id, row: Row) -> int | None:
    """The internal id of the location that it is below."""
    if id[0] in SPACES:
        return int(row["LocationId"])
    return int(row["InternalParentId"]) if id[0] == "floors" else None


@dataclass
class Damage:
    """What a run took away and changed, counted at the target by internal ids alone."""

    before: dict[Id, Row]
    after: dict[Id, Row]

    @property
    def gone(self) -> set[Id]:
        return self.before.keys() - self.after.keys()

    @property
    def population(self) -> Counter[str]:
        """Ours: what was, or is by now if it stayed."""
        return Counter(kind(id) for id, row in self.before.items() if is_ours(self.after.get(id, row)))

    @property
    def deleted(self) -> Counter[str]:
        """By kind; what went with its location counts for that alone."""
        return Counter(
            kind(id) for id in self.gone if ("locations", home_of(id, self.before[id]) or 0) not in self.gone
        )

    @property
    def below(self) -> Counter[tuple[int, str]]:
        """By location and kind."""
        homes = ((home_of(id, self.before[id]), kind(id)) for id in self.gone)
        return Counter((home, what) for home, what in homes if home is not None)

    @property
    def population_below(self) -> Counter[tuple[int, str]]:
        homes = (
            (home_of(id, row), kind(id))
            for id, row in self.before.items()
            if is_ours(self.after.get(id, row))
        )
        return Counter((home, what) for home, what in homes if home is not None)

    @property
    def updated(self) -> Counter[str]:
        """By kind: written in place under the external id that it had."""
        return Counter(
            kind(id)
            for id, row in self.before.items()
            if id in self.after
            and row["ExternalId"] == self.after[id]["ExternalId"]
            and self._told(id, self.before) != self._told(id, self.after)
        )

    def _told(self, id: Id, rows: dict[Id, Row]) -> Row:
        """A row with its floor by internal id, as renumbering a floor changes no room."""
        row = dict(rows[id])
        if id[0] in SPACES:
            row["FloorNumber"] = next(
                floor
                for floor, other in rows.items()
                if floor[0] == "floors"
                and (other["InternalParentId"], other["FloorNumber"])
                == (row["LocationId"], row["FloorNumber"])
            )
        return row


def kind(id: Id) -> str:
    return KIND_OF_TABLE.get(id[0], id[0])


def twin(rig: Rig) -> Rig:
    """The same two systems and the same mapping, with nobody to hold anything back."""
    other = copy.deepcopy(rig).guarded(replace(UNGUARDED, grace=rig.settings.guards.grace))
    other.plans.given = None
    return other


def emptied(rig: Rig) -> bool:
    """Does the source list nothing at all of a kind that the mapping holds? Then none of it is believed."""
    kinds = {Kind.FLOOR: rig.source.floors, Kind.RESOURCE: rig.source.spaces,
             Kind.WORKSPACE_TYPE: rig.source.types}  # fmt: skip
    known = {entry.kind for entry in (rig.store.entries or {}).values()}
    return any(not records and kind in known for kind, records in kinds.items())


def damage_of(rig: Rig) -> tuple[Damage, Report | None]:
    """A run, and what it did; no report when the source was not believed."""
    before = rows_of(rig.target)
    try:
        report: Report | None = rig.sync()
    except EmptySource:
        report = None
    return Damage(before, rows_of(rig.target)), report


def overruns(budget: Budget, numbers: Counter[str], population: Counter[str]) -> bool:
    """The spec's sentence, said again."""
    return any(
        (budget.count is not None and number > budget.count)
        or (
            population[kind] >= budget.minimum_population and number / population[kind] > budget.percent / 100
        )
        for kind, number in numbers.items()
    )


def settle(rig: Rig) -> int:
    """Approve whatever waits until nothing does; how many approvals that took.

    Nobody is asked again but for what was approved and is to be made otherwise by now: its number or its name
    was taken by what went ahead.
    """
    named: set[Key] = set()
    for approvals in range(ROUNDS):
        plan = rig.sync().plan
        if not plan.held:
            return approvals
        held = {key_of(item.step) for item in plan.held}
        assert approvals == 0 or held <= named
        named = held
        rig.plans.approve(plan)
    raise AssertionError("approved again and again, and something waits still")
