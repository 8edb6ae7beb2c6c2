"""Carries out a plan through the Writer port: as much at once as allowed, each step after what it needs.

A step that fails takes only those with it that wait for it. What ends the run (no connection, no
quota, a stop) lets the calls in flight finish and be remembered.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconcilers.errors import RefusedError, SyncError
from reconcilers.events import Progress, Remembered
from reconcilers.ledger import Ledger
from reconcilers.levels import LEVELS
from reconcilers.model import Current, Entity, Key, Kind, Origin, Value
from reconcilers.order import Node, Part, followers_of
from reconcilers.ports import Gate, Ports, Writer
from reconcilers.steps import (
    EXTERNAL_ID,
    Action,
    Adopt,
    Create,
    Delete,
    Destructive,
    InPlace,
    Rebind,
    Release,
    Replace,
    Update,
    key_of,
    kind_of,
    name_of,
)

CHECKPOINT_SECONDS = 5.0
"""How much work a crash may cost: what was made since the last commit is found again by external id."""


class Status(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one step ended, in a sentence where it did not go well."""

    kind: Kind
    key: Key
    name: str
    action: Action
    status: Status
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class Applied:
    """All outcomes, and what ended the run early, if anything did."""

    outcomes: list[Outcome] = field(default_factory=list)
    ended_by: SyncError | None = None


async def apply(
    nodes: list[Node], ledger: Ledger, ports: Ports, writer: Writer, concurrency: int, gate: Gate
) -> Applied:
    """Run all nodes and remember. Never raises SyncError: how it went is in the result."""
    run = _Run(nodes, ledger, ports, writer, gate)
    for node in nodes:
        ledger.intend(node.step, run.now())
    try:
        await run.commit()
        await run.all(concurrency)
    except SyncError as error:
        run.applied.ended_by = run.applied.ended_by or error
    try:
        await run.commit()
    except SyncError as error:
        run.applied.ended_by = run.applied.ended_by or error
    return run.applied


@dataclass(slots=True)
class _Run:
    nodes: list[Node]
    ledger: Ledger
    ports: Ports
    writer: Writer
    gate: Gate
    applied: Applied = field(default_factory=Applied)
    failed: dict[int, str] = field(default_factory=dict)
    """What a node that did not succeed says to those that wait for it."""
    told: set[int] = field(default_factory=set)
    answered: int = 0
    last_commit: float = 0.0
    storing: asyncio.Task[None] | None = None
    """The commit under way; never two at once."""

    async def all(self, concurrency: int) -> None:
        """Start whatever is ready, up to `concurrency` calls in flight, until nothing is left."""
        waiting = [len(node.after) for node in self.nodes]
        followers = followers_of([node.after for node in self.nodes])
        ready = deque(index for index, count in enumerate(waiting) if count == 0)
        flying: dict[asyncio.Task[None], int] = {}
        try:
            while flying or (ready and self.applied.ended_by is None):
                while ready and len(flying) < concurrency and self.applied.ended_by is None:
                    index = ready.popleft()
                    flying[asyncio.create_task(self._node(index))] = index
                done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                # In the order of their start: a set has that of addresses, and no run would be like another.
                for task in [task for task in flying if task in done]:
                    index = flying.pop(task)
                    task.result()
                    for follower in followers[index]:
                        waiting[follower] -= 1
                        if waiting[follower] == 0:
                            ready.append(follower)
                if self.storing is None and self.ports.clock.now() - self.last_commit >= CHECKPOINT_SECONDS:
                    self.storing = asyncio.create_task(self._checkpoint())
        finally:
            # A call in flight may change the target: wait for its answer, so that it is remembered.
            if unfinished := [*flying, *([self.storing] if self.storing else [])]:
                await asyncio.wait(unfinished)

    async def _checkpoint(self) -> None:
        """Commit beside the calls in flight; a store that fails ends the run."""
        try:
            await self.commit()
        except SyncError as error:
            self.applied.ended_by = self.applied.ended_by or error
        finally:
            self.storing = None

    async def commit(self) -> None:
        """Make the mapping durable if it changed."""
        self.last_commit = self.ports.clock.now()
        mapping = self.ledger.mapping
        if not mapping.dirty:
            return
        # A copy, as calls in flight go on to change the mapping while it is being stored.
        snapshot, mapping.dirty = replace(mapping, entries=dict(mapping.entries)), False
        try:
            await self.ports.store.commit(snapshot)
        except SyncError:
            mapping.dirty = True
            raise
        self.ports.observer.on(Remembered(len(snapshot.entries)))

    async def _node(self, index: int) -> None:
        node = self.nodes[index]
        blocker = next((self.failed[before] for before in sorted(node.after) if before in self.failed), None)
        if blocker is not None:
            self._unsuccessful(index, Status.SKIPPED, "Dependency", blocker)
            return
        try:
            self.gate()
            await self._carry_out(node)
        except RefusedError as error:
            self._unsuccessful(index, Status.FAILED, error.reason, error.message)
        except SyncError as error:
            self.applied.ended_by = self.applied.ended_by or error
            self.failed[index] = error.message
        else:
            self._succeeded(node)

    async def _carry_out(self, node: Node) -> None:
        match node.part, node.step:
            case Part.PARK, Update() | Adopt() | Rebind() | Replace() | Delete() | Release() as step:
                await self._put(step, node.fields)
            case Part.MAKE, Create() | Replace() as step:
                await self._make(step.entity)
            case Part.REMOVE, Delete() | Replace() as step:
                await self._remove(step)
            case Part.WRITE, Release() as step:
                await self._release(step)
            case Part.WRITE, Update() | Adopt() | Rebind() as step:
                await self._write(step)
            case _:
                raise AssertionError(f"{node.part} is no part of {type(node.step).__name__}")

    async def _make(self, entity: Entity) -> None:
        fields = {**self.ledger.resolve(entity, None, linked=False), **self.ledger.inherited(entity)}
        internal_id = await self.writer.create(entity.kind, entity.key, fields)
        self.ledger.made[entity.key] = internal_id
        self.ledger.remember(entity, internal_id, self.now(), Origin.CREATED)
        for name, value in self.ledger.resolve(entity, None, linked=True).items():
            if value is not None:
                self.gate()
                await self.writer.update(entity.kind, internal_id, {name: value})

    async def _write(self, step: InPlace) -> None:
        entity, names = step.entity, {change.field for change in step.changes}
        fields = self.ledger.resolve(entity, names, linked=False)
        external: dict[str, Value] = {EXTERNAL_ID: entity.key} if EXTERNAL_ID in names else {}
        origin = Origin.ADOPTED if isinstance(step, Adopt) and external else None
        if not await self._put(step, {**fields, **external}):
            origin = Origin.MATCHED  # the mapping remembers whose it is
        for name, value in self.ledger.resolve(entity, names, linked=True).items():
            if fields or external:  # then it is not the first call
                self.gate()
            await self._put(step, {name: value})
        if isinstance(step, Rebind):
            self.ledger.rename(step.old, entity.key)
        self.ledger.remember(entity, step.current.id, self.now(), origin)

    async def _put(self, step: InPlace | Destructive | Release, fields: dict[str, Value]) -> bool:
        """Write in place. False: the external id of what is adopted is not taken here, all else was."""
        try:
            await self._send(step, fields)
        except RefusedError:
            rest = {name: value for name, value in fields.items() if name != EXTERNAL_ID}
            if not isinstance(step, Adopt) or rest == fields:
                raise
            if rest:
                self.gate()
                await self._send(step, rest)
            return False
        return True

    async def _send(self, step: InPlace | Destructive | Release, fields: dict[str, Value]) -> None:
        if fields:
            current = step.current
            await self.writer.update(current.kind, current.id, fields, variant=_variant(current))

    async def _remove(self, step: Delete | Replace) -> None:
        current = step.current
        await self.writer.delete(current.kind, current.id, variant=_variant(current))
        if isinstance(step, Delete):
            self.ledger.mapping.forget(step.key)
        else:
            self.ledger.intend(Create(step.entity), self.now())

    async def _release(self, step: Release) -> None:
        await self.writer.update(step.current.kind, step.current.id, {EXTERNAL_ID: None})
        if step.key not in self.ledger.desired.entities:
            self.ledger.mapping.forget(step.key)

    def now(self) -> int:
        """Whole seconds since the epoch."""
        return int(self.ports.clock.now())

    def _succeeded(self, node: Node) -> None:
        more = node.part is Part.PARK or (node.part is Part.REMOVE and isinstance(node.step, Replace))
        self._progress(node, ended=not more)
        if not more:
            self._tell(node, Status.DONE)

    def _unsuccessful(self, index: int, status: Status, reason: str, message: str) -> None:
        node = self.nodes[index]
        self._progress(node, ended=id(node.step) not in self.told)
        self.failed[index] = f"{kind_of(node.step)} {name_of(node.step)!r} could not be {_DONE_TO[node.part]}"
        self._tell(node, status, reason, message)

    def _tell(self, node: Node, status: Status, reason: str = "", message: str = "") -> None:
        """One outcome a step, whatever number of nodes it has."""
        step = node.step
        if id(step) not in self.told:
            self.told.add(id(step))
            self.applied.outcomes.append(
                Outcome(kind_of(step), key_of(step), name_of(step), step.action, status, reason, message)
            )

    def _progress(self, node: Node, *, ended: bool) -> None:
        self.answered += 1
        self.ports.observer.on(
            Progress(kind_of(node.step), node.step.action, self.answered, len(self.nodes), ended)
        )


_DONE_TO = {Part.MAKE: "created", Part.WRITE: "updated", Part.PARK: "updated", Part.REMOVE: "deleted"}


def _variant(current: Current) -> str:
    return LEVELS[current.kind].variant_of(current.values)
