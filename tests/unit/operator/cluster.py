"""A cluster of SyncTargets in memory, as far as the controller sees one, and a runner that does as told."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from engage_sync.app import RunResult
from engage_sync.cluster_run import Tell
from engage_sync.controller import Controller
from engage_sync.kube import Conflict, NotFound
from engage_sync.meter import Standing
from engage_sync.spec import Spec
from engage_sync.targets import SyncTargets, Target, Watched
from reconcilers.errors import SyncError
from reconcilers.plan import Plan
from reconcilers.ports import Gate
from reconcilers.report import Report
from reconcilers.why import Explanation
from tests.condition_rules import assert_sound
from tests.synctargets import manifest

Json = dict[str, Any]
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class FakeKube:
    """Objects with uid, resourceVersion and generation; every status that is written must be sound."""

    objects: dict[str, Json] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    writes: int = 0
    conflicts: int = 0
    before_write: Callable[[], None] = lambda: None
    plans: dict[str, Json] = field(default_factory=dict)

    def apply(self, body: Json, created: str = "2026-11-22T11:00:00Z") -> Json:
        name = body["metadata"]["name"]
        old = self.objects.get(name, {"metadata": {"generation": 0}, "spec": None})
        new = copy.deepcopy({**old, **body})
        new["metadata"] = {
            "namespace": "tenants", "uid": f"uid-of-{name}", "creationTimestamp": created, **old["metadata"],
            **body["metadata"], "generation": old["metadata"]["generation"] + (old["spec"] != body["spec"]),
        }  # fmt: skip
        self.objects[name] = self._versioned(new)
        return self.objects[name]

    async def get_sync_target(self, namespace: str, name: str) -> Json:
        if name not in self.objects:
            raise NotFound("not found")
        return copy.deepcopy(self.objects[name])

    async def list_sync_targets(self, namespace: str | None) -> list[Json]:
        return copy.deepcopy(list(self.objects.values()))

    async def replace_sync_target_status(self, body: Json) -> Json:
        self.before_write()
        current = self.objects.get(body["metadata"]["name"])
        if current is None:
            raise NotFound("not found")
        same = all(current["metadata"][k] == body["metadata"][k] for k in ("uid", "resourceVersion"))
        if not same:
            self.conflicts += 1
            raise Conflict("the object has been modified")
        assert_sound(
            body["status"], generation=current["metadata"]["generation"], before=current.get("status")
        )
        self.writes += 1
        self.objects[body["metadata"]["name"]] = self._versioned({**current, "status": body["status"]})
        return copy.deepcopy(self.objects[body["metadata"]["name"]])

    async def get_sync_plan(self, namespace: str, name: str) -> Json:
        if name not in self.plans:
            raise NotFound(name)
        return self.plans[name]

    async def list_sync_plans(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        return list(self.plans.values())

    async def create_event(self, about: Json, type: str, reason: str, message: str, now: float) -> Json:
        self.events.append((reason, message))
        return {}

    def _versioned(self, body: Json) -> Json:
        version = int(body["metadata"].get("resourceVersion", "0")) + 1
        return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}


@dataclass
class FakeRunner:
    """Answers each run with the next of the prepared results, the last one again and again."""

    results: list[RunResult] = field(default_factory=lambda: [RunResult(report=in_sync())])
    runs: list[Spec] = field(default_factory=list)
    during: Callable[[Gate], Awaitable[None]] | None = None
    standings: list[Standing] = field(default_factory=list)
    """What each run tells of its progress."""
    answer: Explanation | SyncError = field(default_factory=lambda: SyncError("nobody knows"))
    asked: list[str] = field(default_factory=list)

    async def run(self, target: Target, spec: Spec, gate: Gate, tell: Tell, run_id: str) -> RunResult:
        self.runs.append(spec)
        if self.during is not None:
            await self.during(gate)
        for standing in self.standings:
            await tell.progress(standing)
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if result.report is not None and result.report.plan.steps:
            await tell.plan(result.report.plan)
        return result

    async def explain(self, target: Target, spec: Spec, key: str) -> tuple[Explanation, RunResult]:
        self.asked.append(key)
        if isinstance(self.answer, SyncError):
            raise self.answer
        return self.answer, RunResult(quota={"weekStart": "2026-11-22T12:00:00Z", "used": 7})


@dataclass
class Cluster:
    """Everything a controller test needs, with time in its hands."""

    kube: FakeKube = field(default_factory=FakeKube)
    runner: FakeRunner = field(default_factory=FakeRunner)
    now: datetime = START
    leader: bool = True

    def __post_init__(self) -> None:
        self.targets = SyncTargets(self.kube)  # type: ignore[arg-type]
        self.controller = Controller(
            targets=self.targets,
            runner=self.runner,
            now=lambda: self.now,
            may_write=lambda: self.leader,
            slots=asyncio.Semaphore(2),
        )

    def apply(self, spec: Json, name: str = "acme", **metadata: Any) -> Watched:
        body = manifest(spec, name)
        created = metadata.pop("created", "2026-11-22T11:00:00Z")
        body["metadata"].update(metadata)
        stored = self.kube.apply(body, created)
        self.targets.saw(stored)
        watched = Watched("tenants", name, stored["metadata"]["uid"])
        watched.see(stored)
        return watched

    def annotate(self, watched: Watched, **annotations: str) -> None:
        body = self.kube.objects[watched.name]
        body["metadata"]["annotations"] = {
            f"engage-sync.io/{k.replace('_', '-')}": v for k, v in annotations.items()
        }
        watched.see(body)

    async def look(self, watched: Watched, times: int = 1) -> timedelta | None:
        """Let the loop look at the target; how long it would then wait."""
        wait: timedelta | None = timedelta(0)
        for _ in range(times):
            wait = await self.controller.look(watched, lambda: False)
        return wait

    def status(self, name: str = "acme") -> Json:
        status: Json = self.kube.objects[name].get("status", {})
        return status

    def ready(self, name: str = "acme") -> tuple[str, str]:
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == "Ready":
                return condition["status"], condition["reason"]
        return "", ""


def in_sync(plan: Plan | None = None) -> Report:
    return Report(plan=plan or Plan(), applied=None, kinds=())
