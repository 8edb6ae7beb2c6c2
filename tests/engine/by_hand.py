"""An Engage that people filled by hand: no external id, and a look at what each entity is."""

from typing import Any

from reconcilers.onboarding import Onboarding
from reconcilers.sync import Settings
from tests.engine.memory_source import MemorySource
from tests.engine.memory_target import MemoryTarget
from tests.engine.rig import UNGUARDED, Rig
from tests.engine.samples import two_buildings

Place = tuple[str, int]
"""A table and an internal id."""


def filled(source: MemorySource | None = None, minimum_match: int = 80) -> Rig:
    """What Workplace holds is in Engage, too, but nobody knows; and it is to be merged."""
    source = source or two_buildings()
    # One call at a time, as the internal ids follow the order of answers, and what is drawn follows the ids.
    made = Rig(source, settings=Settings(guards=UNGUARDED, concurrency=1))
    made.sync()
    target = made.target
    for _, row in target.rows():
        row["ExternalId"] = None
    target.writes.clear()
    settings = Settings(guards=UNGUARDED, onboarding=Onboarding.EXISTING, minimum_match=minimum_match)
    return Rig(source, target, settings=settings)


def named(target: MemoryTarget, table: str, name: str) -> dict[str, Any]:
    """The one row of this name."""
    (found,) = (row for row in target.tables[table].values() if row["ResourceName"] == name)
    return found


def twin(target: MemoryTarget, table: str, row: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Another row beside it."""
    copied = {name: value for name, value in row.items() if name != "id"}
    groups = {"GroupIds": list(row["GroupIds"])} if table == "locations" else {}
    id = target.insert(table, {**copied, **groups, **values})
    return target.tables[table][id]


def places(target: MemoryTarget) -> dict[str | None, Place]:
    """Where the entity with each external id is; those without one are not told."""
    return {row["ExternalId"]: (table, row["id"]) for table, row in target.rows() if row["ExternalId"]}
