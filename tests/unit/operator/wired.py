"""One run, wired as in production, against a sandbox on a real port."""

from dataclasses import dataclass, field
from typing import Any

from engage_sync.app import Means, RunResult, run_once
from engage_sync.manifests import Manifests
from engage_sync.sandbox import Sandbox
from engage_sync.trust import A_PERSON
from reconcilers.ports import Gate
from tests.engine.memory_plans import MemoryPlans
from tests.engine.memory_store import MemoryStore
from tests.engine.rig import Heard


@dataclass
class World:
    """A sandbox on a port, and what is needed to run against it."""

    sandbox: Sandbox
    manifests: Manifests
    store: MemoryStore = field(default_factory=MemoryStore)

    async def run(self, *, apply: bool, gate: Gate = lambda: None, **changes: Any) -> RunResult:
        arguments = {"quota": None, "secrets": self.manifests, "spec": self.manifests.spec, **changes}
        spec, secrets, quota = (arguments[name] for name in ("spec", "secrets", "quota"))
        means = Means(spec, secrets, self.store, Heard(), A_PERSON, quota)
        return await run_once(means, lambda _: MemoryPlans(), apply=apply, gate=gate)

    @property
    def writes(self) -> int:
        return sum(write.system == "engage" for write in self.sandbox.writes)
