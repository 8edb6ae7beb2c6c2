"""SyncPlans in memory as the operator writes them, and a run that leaves something to approve."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engage_sync.kube import KubeError, NotFound
from engage_sync.kube_http import Json
from engage_sync.plan_document import document_of
from engage_sync.plans.chunks import cut
from engage_sync.plans.owner import Owner
from engage_sync.plans.record import spec_of
from reconcilers.plan import Plan
from reconcilers.report import Report
from tests.engine.rig import WIDE
from tests.engine.samples import edit, remove_building, synced

OWNER = Owner("tenants", "acme", "0b3c6c4e-1111-2222-3333-444444444444")


def annex_gone(change: Callable[[Any], object] = lambda rig: None) -> Report:
    """A building is gone with all that is in it, and another one has a new name."""
    rig = synced().guarded(WIDE)
    edit(rig.source.buildings, 10, name="Tower II")
    remove_building(rig.source, 20)
    change(rig)
    return rig.sync()


@dataclass
class FakeCluster:
    """SyncPlans, SyncTargets and ConfigMaps of one namespace; what is missing is not found."""

    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    error: KubeError | None = None

    async def get_sync_plan(self, namespace: str, name: str) -> Json:
        return self._get("SyncPlan", namespace, name)

    async def get_sync_target(self, namespace: str, name: str) -> Json:
        return self._get("SyncTarget", namespace, name)

    async def get_config_map(self, namespace: str, name: str) -> Json:
        return self._get("ConfigMap", namespace, name)

    def _get(self, kind: str, namespace: str, name: str) -> Json:
        if self.error is not None:
            raise self.error
        if namespace != OWNER.namespace or (kind, name) not in self.objects:
            raise NotFound(f'{kind} "{name}" not found')
        return copy.deepcopy(self.objects[kind, name])

    def add(self, plan: Plan, run_id: str, state: str = "ApprovalRequired", **status: Any) -> Json:
        """As the operator writes it."""
        made = document_of(plan)
        chunks = list(cut(*made.streams()))
        names = [OWNER.chunk(run_id, number) for number in range(len(chunks))]
        metadata = OWNER.plan_metadata(run_id)
        spec = dict(spec_of(plan, made, OWNER, run_id, names, 1000))
        for name, data in zip(names, chunks, strict=True):
            self.objects["ConfigMap", name] = {"metadata": {"name": name}, "binaryData": data}
        body = {"metadata": metadata, "spec": spec, "status": {"state": state, **status}}
        self.objects["SyncPlan", metadata["name"]] = body
        return body

    def target(self, **plan: str) -> None:
        self.objects["SyncTarget", "acme"] = {"metadata": {"name": "acme"}, "status": {"plan": plan}}
