"""Whose plans they are, and how their objects are named, labelled and owned."""

from dataclasses import dataclass

from engage_sync.kube_http import Json
from engage_sync.resource import API_VERSION, KIND, MANAGED_BY, MANAGER, SYNCTARGET_LABEL
from engage_sync.syncplan import SYNCPLAN_KIND, syncplan_name


@dataclass(frozen=True, slots=True)
class Owner:
    """The SyncTarget that plans belong to."""

    namespace: str
    name: str
    uid: str

    @property
    def labels(self) -> dict[str, str]:
        """What its SyncPlans are found by."""
        return {MANAGED_BY: MANAGER, SYNCTARGET_LABEL: self.name}

    @property
    def chunk_labels(self) -> dict[str, str]:
        """What the chunks of its SyncPlans are found by; its mapping has another component."""
        return {**self.labels, "app.kubernetes.io/component": "plan"}

    def plan(self, run_id: str) -> str:
        """The name of the SyncPlan that a run makes."""
        return syncplan_name(self.name, run_id)

    def chunk(self, run_id: str, number: int) -> str:
        """The name of a chunk of it, counted from 0."""
        return f"engage-sync-{self.name}-{self.uid[:8]}-plan-{run_id}-{number}"

    def plan_metadata(self, run_id: str) -> Json:
        """The metadata of a new SyncPlan."""
        return {
            "namespace": self.namespace,
            "name": self.plan(run_id),
            "labels": self.labels,
            "ownerReferences": [_owner_reference(KIND, self.name, self.uid)],
        }

    def chunk_metadata(self, run_id: str, number: int, plan_uid: str) -> Json:
        """The metadata of a new chunk: it goes with its SyncPlan, not only with the SyncTarget."""
        return {
            "namespace": self.namespace,
            "name": self.chunk(run_id, number),
            "labels": self.chunk_labels,
            "ownerReferences": [_owner_reference(SYNCPLAN_KIND, self.plan(run_id), plan_uid)],
        }


def _owner_reference(kind: str, name: str, uid: str) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,  # to block it would take a right of its own
    }
