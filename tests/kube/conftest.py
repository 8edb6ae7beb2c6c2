"""The control plane of these tests knows our resources; a connection to it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from engage_sync.kube import Kube
from tests.controlplane.server import ControlPlane
from tests.kube.raw_api import administrator
from tests.kube.sync_targets import connection, know_sync_targets


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """With the CRDs; each module sees to them, as it may be the first of its worker."""
    know_sync_targets(control_plane)
    return control_plane


@pytest.fixture
async def kube(plane: ControlPlane) -> AsyncIterator[Kube]:
    """What the operator talks with, here as the administrator."""
    async with connection(plane) as kube:
        yield kube


@pytest.fixture(scope="module")
def http(plane: ControlPlane) -> Iterator[httpx.Client]:
    """Plain HTTP as the administrator."""
    with administrator(plane) as client:
        yield client
