"""The order in which steps can run, as a graph: what each one waits for.

Parents are made before children and removed after them; who wants a sibling's name or number waits
until that sibling has let go of it. Where everybody waits for everybody (A and B swap names), one
of them is parked under a temporary value first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heapify, heappop, heappush

from reconcilers.levels import LEVELS, Field
from reconcilers.match import Pairing
from reconcilers.model import Current, Entity, Key, Kind, Value
from reconcilers.plan import (
    EXTERNAL_ID,
    Adopt,
    Create,
    Delete,
    Release,
    Replace,
    Step,
    Update,
    key_of,
    sort_key,
)
from reconcilers.prune import freed_by, references

Slot = tuple[Kind, Value, str, Value]
"""What only one sibling can have: kind, parent, field, folded value."""


class Part(StrEnum):
    """Which part of its step a node carries out."""

    MAKE = "make"
    WRITE = "write"
    REMOVE = "remove"
    PARK = "park"


@dataclass(slots=True)
class Node:
    """One call to the target, and the nodes that must have succeeded before it."""

    step: Step
    part: Part
    after: set[int] = field(default_factory=set)
    fields: dict[str, Value] = field(default_factory=dict)
    """What a parked entity is given for the time being."""


@dataclass(slots=True)
class _Graph:
    pairing: Pairing
    nodes: list[Node] = field(default_factory=list)
    makes: dict[Key, int] = field(default_factory=dict)
    writes: dict[Key, int] = field(default_factory=dict)
    removes: dict[tuple[Kind, int], list[int]] = field(default_factory=dict)
    releases: dict[Slot, int] = field(default_factory=dict)
    slot_edges: dict[tuple[int, int], list[Slot]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        if isinstance(step, Create):
            self._add(step, Part.MAKE)
        elif isinstance(step, Delete):
            self._add(step, Part.REMOVE)
        elif isinstance(step, Replace):
            removed = self._add(step, Part.REMOVE)
            self.nodes[self._add(step, Part.MAKE)].after.add(removed)
        else:
            self._add(step, Part.WRITE)

    def _add(self, step: Step, part: Part) -> int:
        index = len(self.nodes)
        self.nodes.append(Node(step, part))
        if part is Part.MAKE:
            self.makes[key_of(step)] = index
        elif part is Part.WRITE:
            self.writes[key_of(step)] = index
        elif not isinstance(step, Create):
            self.removes.setdefault((step.current.kind, step.current.id), []).append(index)
        if not isinstance(step, Create) and part is not Part.MAKE:
            for slot in self._released(step, part):
                self.releases[slot] = index
        return index

    def connect(self) -> None:
        for index, node in enumerate(self.nodes):
            node.after.update(self._needs(node))
            for slot in self._claimed(node):
                holder = self.releases.get(slot, index)
                if holder != index:
                    node.after.add(holder)
                    self.slot_edges.setdefault((index, holder), []).append(slot)
            for place in self._lets_go(node):
                for remove in self.removes.get(place, ()):
                    if remove != index:
                        self.nodes[remove].after.add(index)

    def _needs(self, node: Node) -> Iterator[int]:
        """What must exist, or have its final value, before this node can name it."""
        step = node.step
        if node.part is Part.REMOVE or isinstance(step, Delete | Release):
            return
        level = LEVELS[step.entity.kind]
        changed = (
            None if node.part is Part.MAKE or isinstance(step, Create) else {c.field for c in step.changes}
        )
        for level_field, value in zip(level.fields, step.entity.values, strict=True):
            if (
                level_field.ref is not None
                and value is not None
                and (changed is None or level_field.name in changed)
            ):
                yield from self._provides(Key(str(value)), level_field.ref_field)
        if changed is None and step.entity.parent is not None:
            for name in level.inherited:
                yield from self._provides(step.entity.parent, name)

    def _provides(self, key: Key, field_name: str) -> Iterator[int]:
        if key in self.makes:
            yield self.makes[key]
        elif field_name and key in self.writes:
            step = self.nodes[self.writes[key]].step
            if not isinstance(step, Create | Delete) and any(c.field == field_name for c in step.changes):
                yield self.writes[key]

    def _lets_go(self, node: Node) -> Iterator[tuple[Kind, int]]:
        step = node.step
        if node.part is Part.REMOVE and not isinstance(step, Create):
            yield from references(step.current)
        elif node.part is Part.WRITE and isinstance(step, Update | Adopt):
            yield from freed_by(step)

    def _claimed(self, node: Node) -> Iterator[Slot]:
        step = node.step
        if node.part is Part.REMOVE or isinstance(step, Delete | Release):
            return
        changed = (
            None if node.part is Part.MAKE or isinstance(step, Create) else {c.field for c in step.changes}
        )
        yield from slots_of(step.entity, changed)

    def _released(self, step: Update | Adopt | Replace | Delete | Release, part: Part) -> Iterator[Slot]:
        changed = None if part is Part.REMOVE else {change.field for change in getattr(step, "changes", ())}
        yield from held_slots(step.current, self.pairing, changed)


def slots_of(entity: Entity, changed: set[str] | None) -> Iterator[Slot]:
    """The slots that an entity wants; `changed` limits them to these fields."""
    for level_field, value in zip(LEVELS[entity.kind].fields, entity.values, strict=True):
        if level_field.unique and (changed is None or level_field.name in changed):
            yield entity.kind, entity.values[1], level_field.name, _folded(value)
    if changed is None or EXTERNAL_ID in changed:
        yield entity.kind, None, EXTERNAL_ID, entity.key


def held_slots(current: Current, pairing: Pairing, changed: set[str] | None) -> Iterator[Slot]:
    """The slots that a current entity has; `changed` limits them to these fields."""
    level = LEVELS[current.kind]
    above: Value = None if level.parent is None else pairing.reference(level.parent, current.values[1])
    for level_field, value in zip(level.fields, current.values, strict=True):
        if level_field.unique and (changed is None or level_field.name in changed):
            yield current.kind, above, level_field.name, _folded(value)
    if current.external_id is not None and (changed is None or EXTERNAL_ID in changed):
        yield current.kind, None, EXTERNAL_ID, current.external_id


def _folded(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value


def prerequisites(steps: Iterable[Step], pairing: Pairing) -> list[Node]:
    """The nodes of these steps with what each waits for, cycles included."""
    return _graph(steps, pairing).nodes


def schedule(steps: Iterable[Step], pairing: Pairing) -> list[Node]:
    """The nodes of these steps in an order in which they can run; cycles are broken by parking."""
    graph = _graph(steps, pairing)
    waiting = [len(node.after) for node in graph.nodes]
    followers: list[list[int]] = [[] for _ in graph.nodes]
    for index, node in enumerate(graph.nodes):
        for before in node.after:
            followers[before].append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    heapify(ready)
    done: list[int] = []
    finished = [False] * len(graph.nodes)
    lowest_open = 0
    while True:
        while ready:
            index = heappop(ready)
            done.append(index)
            finished[index] = True
            for follower in followers[index]:
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    heappush(ready, follower)
        while lowest_open < len(finished) and finished[lowest_open]:
            lowest_open += 1
        if lowest_open == len(finished):
            return _renumbered(graph.nodes, done)
        _park(graph, finished, waiting, followers, ready, lowest_open)


def _graph(steps: Iterable[Step], pairing: Pairing) -> _Graph:
    graph = _Graph(pairing)
    for step in sorted(steps, key=sort_key):
        graph.add(step)
    graph.connect()
    return graph


def _park(
    graph: _Graph,
    finished: list[bool],
    waiting: list[int],
    followers: list[list[int]],
    ready: list[int],
    start: int,
) -> None:
    """Break one cycle: the lowest node in it that holds a wanted slot lets go of it for a temporary value."""
    cycle = _cycle(graph, finished, start)
    edges = [(cycle[i], cycle[(i + 1) % len(cycle)]) for i in range(len(cycle))]
    holder = min(before for after, before in edges if (after, before) in graph.slot_edges)
    node = graph.nodes[holder]
    assert not isinstance(node.step, Create), "what is only made holds nothing yet"
    parked = Node(node.step, Part.PARK)
    index = len(graph.nodes)
    graph.nodes.append(parked)
    finished.append(False)
    waiting.append(0)
    followers.append([holder])
    node.after.add(index)
    waiting[holder] += 1
    for follower in [f for f in followers[holder] if (f, holder) in graph.slot_edges]:
        slots = graph.slot_edges.pop((follower, holder))
        parked.fields.update((slot[2], _temporary(graph, node.step.current, slot)) for slot in slots)
        graph.nodes[follower].after.discard(holder)
        graph.nodes[follower].after.add(index)
        followers[holder].remove(follower)
        followers[index].append(follower)
    heappush(ready, index)


def _cycle(graph: _Graph, finished: list[bool], start: int) -> list[int]:
    """A cycle of unfinished nodes: each waits for the next."""
    seen: dict[int, int] = {}
    path: list[int] = []
    node = start
    while node not in seen:
        seen[node] = len(path)
        path.append(node)
        node = min(before for before in graph.nodes[node].after if not finished[before])
    return path[seen[node] :]


def _temporary(graph: _Graph, current: Current, slot: Slot) -> Value:
    """A value that no sibling has or wants."""
    kind, _, name, _ = slot
    level_field: Field | None = next((f for f in LEVELS[kind].fields if f.name == name), None)
    if level_field is None:
        return None  # the external id: none at all disturbs nobody
    if level_field.numeric:
        return str(_free_number(graph, kind, name) + current.id)
    return f"{current.name} (moving {current.id})"


def _free_number(graph: _Graph, kind: Kind, name: str) -> int:
    position = LEVELS[kind].index(name)
    held = [item.values[position] for item in graph.pairing.holdings.items if item.kind is kind]
    wanted = [
        node.step.entity.values[position]
        for node in graph.nodes
        if not isinstance(node.step, Delete | Release) and node.step.entity.kind is kind
    ]
    numbers = [int(str(value)) for value in (*held, *wanted) if str(value).lstrip("-").isdigit()]
    return max(numbers, default=0) + 1


def _renumbered(nodes: list[Node], order: list[int]) -> list[Node]:
    position = {index: place for place, index in enumerate(order)}
    for node in nodes:
        node.after = {position[before] for before in node.after}
    return [nodes[index] for index in order]
