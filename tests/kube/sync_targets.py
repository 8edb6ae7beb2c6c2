"""SyncTargets on the real API server, and a connection to it, for tests in which they are not the subject."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from engage_sync.crd import crd_text
from engage_sync.kube import Kube
from engage_sync.kube_config import load_configuration
from engage_sync.resource import GROUP, PLURAL
from engage_sync.syncplan import SYNCPLAN_PLURAL
from tests.controlplane.server import ControlPlane
from tests.synctargets import manifest


@asynccontextmanager
async def connection(plane: ControlPlane) -> AsyncIterator[Kube]:
    """As the administrator."""
    async with Kube(await load_configuration({"KUBECONFIG": str(plane.kubeconfig)})) as kube:
        yield kube


def know_sync_targets(plane: ControlPlane) -> None:
    """Install the CRDs, unless they are there."""
    plane.kubectl("apply", "-f-", input=crd_text())
    for plural in (PLURAL, SYNCPLAN_PLURAL):
        plane.kubectl("wait", "--for=condition=Established", f"crd/{plural}.{GROUP}", "--timeout=30s")


def make_sync_target(plane: ControlPlane, namespace: str, name: str = "") -> dict[str, Any]:
    """A new SyncTarget as the server holds it."""
    text = json.dumps(manifest(name=name or f"acme-{secrets.token_hex(3)}"))
    made: dict[str, Any] = json.loads(
        plane.kubectl("create", "-n", namespace, "-f-", "-o", "json", input=text).stdout
    )
    return made
