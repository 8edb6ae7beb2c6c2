"""Where the operator's tests take place."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engage_sync.manifests import read_manifests
from engage_sync.sandbox import Account, Addresses, Sandbox
from engage_sync.sandbox.load import load_csv
from engage_sync.sandbox.manifests import write_manifests
from engage_sync.sandbox.server import serving
from tests.e2e.harness import SAMPLE
from tests.synctargets import CANARY
from tests.unit.operator.plans_stage import Stage
from tests.unit.operator.wired import World


@pytest.fixture
def stage() -> Stage:
    """Three buildings in step, and SyncPlans in memory."""
    return Stage()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The sample, and nothing in Engage yet."""
    sandbox = Sandbox(account=Account(workplace_password=f"{CANARY}-1", engage_password=f"{CANARY}-2"))
    load_csv(sandbox.workplace.data, SAMPLE)
    async with serving(sandbox) as address:
        write_manifests(tmp_path, sandbox.account, Addresses(address), limits=False)
        files = [tmp_path / "target.yaml", tmp_path / "secrets.yaml"]
        yield World(sandbox, read_manifests(files))
