"""Runs without a cluster: what is kept in the folder."""

from pathlib import Path

import pytest

from engage_sync import local_run
from engage_sync.local_run import one_run
from engage_sync.states import Quota
from engage_sync.store.quota import read_quota
from reconcilers.events import Event, Progress
from reconcilers.plan import Plan
from reconcilers.sync import Settings
from tests.engine.rig import Heard
from tests.unit.operator.wired import World


async def test_the_mapping_is_kept_in_the_folder_and_the_folder_let_go_of(
    world: World, tmp_path: Path
) -> None:
    results = [
        await one_run(world.manifests, tmp_path / "state", apply=True, observer=Heard()) for _ in range(2)
    ]

    assert [result.error for result in results] == [None, None]
    assert results[1].require_report().plan == Plan()
    assert results[1].requests["target"] < results[0].requests["target"]


async def test_the_weeks_calls_are_written_down_while_a_run_is_under_way(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    class Watch:
        def on(self, event: Event) -> None:
            if isinstance(event, Progress):
                written.append((read_quota(tmp_path) or Quota()).get("used", 0))

    monkeypatch.setattr(local_run, "TALLY_SECONDS", 0.0)
    result = await one_run(world.manifests, tmp_path, apply=True, observer=Watch())

    assert written == sorted(written)
    assert written[0] > 0  # what reading took
    assert written[-1] >= written[0] + len(written) - 2 * Settings().concurrency
    assert (result.quota or Quota()).get("used", 0) >= written[-1]
