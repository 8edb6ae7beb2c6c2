"""What the laws share: how to run a history, and what to compare."""

import os
from collections.abc import Iterable

from hypothesis import settings

from reconcilers.errors import EmptySource
from reconcilers.report import Report
from reconcilers.sync import Settings
from reconcilers.translate import Defaults, Scope
from tests.engine import oracle
from tests.engine.memory_source import MemorySource
from tests.engine.memory_target import MemoryTarget
from tests.engine.rig import UNGUARDED, Rig
from tests.strategies import Edit

some = settings(max_examples=int(os.environ.get("HISTORIES", "50")))
"""For laws whose every history runs the engine several times over."""


def settings_of(rules: oracle.Rules) -> Settings:
    """The engine's words for the oracle's."""
    return Settings(
        guards=UNGUARDED,
        scope=Scope(rules.require_center, rules.reservable_only, rules.countries),
        defaults=Defaults(rules.default_country, rules.default_zone, rules.group_name),
    )


def builtins(target: MemoryTarget) -> dict[str, str]:
    """The two types that came with the product: label in `state` -> label without an external id."""
    rows = [row for row in target.tables["workspaceTypes"].values() if row.get("builtin")]
    bare = {row["id"]: f"workspaceTypes/{row['id']}" for row in rows}
    return {str(row["ExternalId"] or bare[row["id"]]): bare[row["id"]] for row in rows}


def edit_all(source: MemorySource, edits: Iterable[Edit]) -> None:
    for edit in edits:
        edit(source)


def sync_or_refuse(rig: Rig) -> Report | None:
    """A run; None when the source is not believed."""
    try:
        return rig.sync()
    except EmptySource:
        return None


def expected_after(rig: Rig, rules: oracle.Rules | None = None) -> oracle.State:
    """What the oracle says that the target holds after a run that starts now."""
    before, ours = rig.target.state(), builtins(rig.target)
    wanted = oracle.translate(rig.source.observe(), rules or oracle.Rules(), before, ours)
    return oracle.after(wanted, before, ours)


def difference(found: oracle.State, expected: oracle.State) -> dict[str, tuple[object, object]]:
    """What differs, by external id: a counterexample that fits a screen."""
    keys = sorted(found.keys() | expected.keys())
    return {key: (found.get(key), expected.get(key)) for key in keys if found.get(key) != expected.get(key)}
