"""SyncPlans of one API server in memory, and whole runs of the engine that show their plans there."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from engage_sync.kube import Conflict, Invalid, NotFound
from engage_sync.kube_http import Json
from engage_sync.plans.cluster import ClusterPlans
from engage_sync.plans.life import Pending
from engage_sync.plans.owner import Owner
from engage_sync.plans.reading import needs_a_run, read_plan
from engage_sync.syncplan import SyncPlanSpec, SyncPlanStatus
from reconcilers.errors import SyncError
from reconcilers.guard import Guards
from reconcilers.ports import Gate
from reconcilers.report import Report
from reconcilers.source import Center, Floor
from reconcilers.sync import Settings, sync_once
from tests.engine.memory_bookings import MemoryBookings
from tests.engine.rig import Rig
from tests.engine.samples import DESK, building, edit, put, remove_building, space, synced, two_buildings
from tests.unit.store.fake_api import FakeConfigMaps

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
OWNER = Owner("tenants", "acme", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")

FIRST, SECOND, THIRD = (f"acme-{number:010x}" for number in (1, 2, 3))
"""The SyncPlans of the first runs."""

_SPEC = TypeAdapter(SyncPlanSpec)
_STATUS = TypeAdapter(SyncPlanStatus)


class FakePlansApi(FakeConfigMaps):
    """Implements `engage_sync.kube.SyncPlans`, as strict as the real one."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self.plans: dict[str, Json] = {}
        self._now = now

    def states(self) -> dict[str, str]:
        """The state of each SyncPlan, the oldest first; "unfinished" without one."""
        return {
            name: body.get("status", {}).get("state", "unfinished")
            for name, body in sorted(
                self.plans.items(), key=lambda item: item[1]["metadata"]["creationTimestamp"]
            )
        }

    def approve(self, name: str, by: str = "ann") -> None:
        """As a person does it."""
        body = self.plans[name]
        assert "approval" not in body["spec"], "it can be set once"
        assert not body.get("status", {}).get("supersededBy"), "a superseded plan cannot be approved"
        digest = body["spec"]["heldDigest"]
        self._keep({**body, "spec": {**body["spec"], "approval": {"digest": digest, "by": by}}})

    def collect_garbage(self) -> None:
        """What the garbage collector does."""
        uids = {body["metadata"]["uid"] for body in self.plans.values()}
        for place, found in list(self.objects.items()):
            if found["metadata"]["ownerReferences"][0]["uid"] not in uids:
                del self.objects[place]

    async def get_sync_plan(self, namespace: str, name: str) -> Json:
        await self._request("get", name)
        if namespace != OWNER.namespace or name not in self.plans:
            raise NotFound(f'syncplans "{name}" not found', reason="NotFound")
        return copy.deepcopy(self.plans[name])

    async def list_sync_plans(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        await self._request("list", "syncplans")
        return [
            copy.deepcopy(body)
            for _, body in sorted(self.plans.items())
            if labels.items() <= body["metadata"].get("labels", {}).items()
        ]

    async def create_sync_plan(self, body: Json) -> Json:
        def create() -> Json:
            name, spec = body["metadata"]["name"], body["spec"]
            if name in self.plans:
                raise Conflict(f'syncplans "{name}" already exists', reason="AlreadyExists")
            _SPEC.validate_python(spec, strict=True)
            if name != f"{spec['synctarget']}-{spec['runID']}":
                raise Invalid("metadata.name must be spec.synctarget, '-' and spec.runID")
            stored = copy.deepcopy({key: value for key, value in body.items() if key != "status"})
            stored["metadata"] |= {
                "uid": f"uid-{next(self._versions)}",
                "creationTimestamp": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                "generation": 0,
            }
            return self._keep(stored)

        return await self._write("create", body["metadata"]["name"], create)

    async def replace_sync_plan_status(self, body: Json) -> Json:
        def replace_status() -> Json:
            old = self._exactly(**{key: body["metadata"][key] for key in ("name", "uid", "resourceVersion")})
            _STATUS.validate_python(body["status"], strict=True)
            return self._keep({**old, "status": copy.deepcopy(body["status"])}, generation=0)

        return await self._write("status", body["metadata"]["name"], replace_status)

    async def delete_sync_plan(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        def delete() -> Json:
            self._exactly(name=name, uid=uid, resourceVersion=resource_version)
            return self.plans.pop(name)

        await self._write("delete", name, delete)

    def _exactly(self, name: str, uid: str, resourceVersion: str) -> Json:  # noqa: N803 -- the API's own name
        if name not in self.plans:
            raise NotFound(f'syncplans "{name}" not found', reason="NotFound")
        metadata = self.plans[name]["metadata"]
        if (metadata["uid"], metadata["resourceVersion"]) != (uid, resourceVersion):
            raise Conflict("the object has been modified", reason="Conflict")
        return self.plans[name]

    def _keep(self, body: Json, generation: int = 1) -> Json:
        metadata = {**body["metadata"], "resourceVersion": str(next(self._versions))}
        metadata["generation"] += generation
        self.plans[metadata["name"]] = {**body, "metadata": metadata}
        return self.plans[metadata["name"]]


def campus() -> Rig:
    """Three buildings in step; 20 and 30 can go without taking their city with them."""
    source = two_buildings()
    put(source, building(30, "Cottage"), Floor(5, "Ground Floor", 30), space(300, "Zeus", 5))
    put(source, space(301, "D-1", 5, DESK), Center(95, "America/Chicago", frozenset({10, 20, 30})))
    return synced(source)


@dataclass
class Stage:
    """What a controller does with plans, without the rest of it: one SyncTarget, run after run."""

    rig: Rig = field(default_factory=campus)
    guards: Guards = field(default_factory=Guards)
    now: datetime = START
    name: str = ""
    held: str = ""
    """``status.plan`` of the SyncTarget"""
    owner: Owner = OWNER
    booked: dict[int, frozenset[str]] | None = None
    """Bookings by internal id; None where nobody knows."""
    runs: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    last: ClusterPlans | None = None

    def __post_init__(self) -> None:
        self.api = FakePlansApi(lambda: self.now)

    def remove(self, id: int) -> None:
        remove_building(self.rig.source, id)

    def run(self, *, apply: bool = True, gate: Gate = lambda: None, left: int | None = None) -> Report | None:
        """One run, and what of it the status of the SyncTarget says then."""
        return asyncio.run(self._run(apply, gate, left))

    async def _run(self, apply: bool, gate: Gate, left: int | None) -> Report | None:
        self.now += timedelta(minutes=1)
        plans = self.last = ClusterPlans(
            self.api,
            self.owner,
            f"{next(self.runs):010x}",
            Pending(self.name, self.held),
            apply=apply,
            calls_left=lambda: left,
            now=lambda: self.now,
        )
        report, error = None, None
        ports = replace(self.rig.ports(), plans=plans)
        if self.booked is not None:
            ports = replace(ports, bookings=MemoryBookings(self.booked, unknown=False))
        try:
            report = await sync_once(
                ports, Settings(guards=self.guards), self.rig.target if apply else None, gate
            )
        except SyncError as problem:
            error = problem
        await plans.close(report, error)
        if report is not None:
            self.name, self.held = plans.published, report.plan.held_digest
        return report

    def plan(self, name: str = "") -> Json:
        """A SyncPlan; by default that which the status names."""
        return self.api.plans[name or self.name]

    def state(self, name: str = "") -> str:
        return str(self.plan(name)["status"]["state"])

    def condition(self, kind: str, name: str = "") -> tuple[str, str, str]:
        """Status, reason and message; three times nothing without one."""
        for found in self.plan(name)["status"].get("conditions", ()):
            if found["type"] == kind:
                return found["status"], found["reason"], found["message"]
        return "", "", ""

    def waits(self, name: str = "") -> bool:
        """Is there an approval that no run has carried out? Asked of the plan that the status names."""
        if not (name or self.held):
            return False
        return asyncio.run(needs_a_run(self.api, OWNER.namespace, name or self.name))

    def lines(self, name: str = "") -> tuple[str, ...]:
        """The stored steps."""
        _, document = asyncio.run(read_plan(self.api, OWNER.namespace, name or self.name))
        return document.lines

    def here(self, *names: str) -> list[bool]:
        """Are these locations in the target?"""
        known: Any = {row["ResourceName"] for row in self.rig.target.tables["locations"].values()}
        return [name in known for name in names]


def rename(stage: Stage, name: str = "Apollo 2") -> None:
    """A step that destroys nothing."""
    edit(stage.rig.source.spaces, 100, name=name)
