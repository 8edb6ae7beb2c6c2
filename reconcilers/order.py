"""The order in which steps can run, as a graph: what each one waits for.

Parents are made before children and removed after them; who wants a sibling's name or number waits
until that sibling has let go of it. Where everybody waits for everybody (A and B swap names), one
of them is parked under a temporary value first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush

from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.model import Key, Kind, Value
from reconcilers.prune import freed_by, references
from reconcilers.slots import Slot, Spare, claimed_by, released_by
from reconcilers.steps import (
    EXTERNAL_ID,
    Adopt,
    Create,
    Delete,
    InPlace,
    Release,
    Replace,
    Step,
    key_of,
    sort_key,
)


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
        if part is not Part.MAKE:
            self.releases.update((slot, index) for slot in released_by(step, self.pairing))
        return index

    def connect(self) -> None:
        """All edges; those that parking can undo apart from those that nothing can."""
        for index, node in enumerate(self.nodes):
            node.after.update(self._needs(node))
            for place in self._lets_go(node):
                for remove in self.removes.get(place, ()):
                    if remove != index:
                        self.nodes[remove].after.add(index)
        for index, node in enumerate(self.nodes):
            for slot in claimed_by(node.step) if node.part is not Part.REMOVE else ():
                holder = self.releases.get(slot, index)
                if holder != index and (holder not in node.after or (index, holder) in self.slot_edges):
                    node.after.add(holder)
                    self.slot_edges.setdefault((index, holder), []).append(slot)

    def _needs(self, node: Node) -> Iterator[int]:
        """What must exist, or have its final value, before this node can name it."""
        if node.part is not Part.REMOVE:
            for key, field_name in _needed(node.step):
                yield from self._provides(key, field_name)

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
        elif node.part is Part.WRITE and isinstance(step, InPlace):
            yield from freed_by(step)


def needed_by(step: Step) -> Iterator[Key]:
    """The keys that a step names when it runs."""
    return (key for key, _ in _needed(step))


def _needed(step: Step) -> Iterator[tuple[Key, str]]:
    """Keys that a step names, each with the field of it that is sent (empty: its internal id)."""
    if isinstance(step, Delete | Release):
        return
    level, entity = LEVELS[step.entity.kind], step.entity
    whole = isinstance(step, Create | Replace)
    changed = set() if isinstance(step, Create) else {change.field for change in step.changes}
    for level_field, value in zip(level.fields, entity.values, strict=True):
        if level_field.ref is not None and value is not None and (whole or level_field.name in changed):
            yield Key(str(value)), level_field.ref_field
    if whole and entity.parent is not None:
        for name in level.inherited:
            yield entity.parent, name


def prerequisites(steps: Iterable[Step], pairing: Pairing) -> list[Node]:
    """The nodes of these steps with what each waits for, cycles included."""
    return _graph(steps, pairing).nodes


def tied(steps: list[Step], pairing: Pairing) -> set[int]:
    """Python ids of steps that wait for each other, with nothing in the ring that could be parked.

    Only what is removed and made anew can be part of one: two floors that change places between buildings
    wait for their spaces, and these for the floors.
    """
    if not any(isinstance(step, Replace) for step in steps):
        return set()
    graph = _graph(steps, pairing)
    firm = [
        {before for before in node.after if (index, before) not in graph.slot_edges}
        for index, node in enumerate(graph.nodes)
    ]
    followers = followers_of(firm)
    free = [index for index, waits in enumerate(firm) if not waits]
    for index in free:
        for follower in followers[index]:
            firm[follower].discard(index)
            if not firm[follower]:
                free.append(follower)
    return {id(graph.nodes[index].step) for index, waits in enumerate(firm) if waits}


def schedule(steps: Iterable[Step], pairing: Pairing) -> list[Node]:
    """The nodes of these steps in an order in which they can run; cycles are broken by parking."""
    return _Schedule(_graph(steps, pairing), pairing).nodes()


def followers_of(waits: Sequence[Iterable[int]]) -> list[list[int]]:
    """Who waits for each node, where `waits` says for each node what it waits for; all by index."""
    followers: list[list[int]] = [[] for _ in waits]
    for index, befores in enumerate(waits):
        for before in befores:
            followers[before].append(index)
    return followers


def _graph(steps: Iterable[Step], pairing: Pairing) -> _Graph:
    graph = _Graph(pairing)
    for step in sorted(steps, key=sort_key):
        graph.add(step)
    graph.connect()
    return graph


class _Schedule:
    """Puts the nodes of a graph in order, of those that are ready always the lowest first."""

    def __init__(self, graph: _Graph, pairing: Pairing) -> None:
        self._graph = graph
        self._spare = Spare(pairing, [node.step for node in graph.nodes])
        self._waiting = [len(node.after) for node in graph.nodes]
        self._followers = followers_of([node.after for node in graph.nodes])
        self._finished = [False] * len(graph.nodes)
        self._ready = [index for index, count in enumerate(self._waiting) if count == 0]
        """A heap."""

    def nodes(self) -> list[Node]:
        order: list[int] = []
        lowest_open = 0
        while True:
            while self._ready:
                index = heappop(self._ready)
                order.append(index)
                self._finish(index)
            while lowest_open < len(self._finished) and self._finished[lowest_open]:
                lowest_open += 1
            if lowest_open == len(self._finished):
                return _renumbered(self._graph.nodes, order)
            self._park(lowest_open)

    def _finish(self, index: int) -> None:
        self._finished[index] = True
        for follower in self._followers[index]:
            self._waiting[follower] -= 1
            if self._waiting[follower] == 0:
                heappush(self._ready, follower)

    def _park(self, start: int) -> None:
        """Break one cycle: the lowest node in it that holds a wanted slot lets go of it for a spare value."""
        nodes, slot_edges = self._graph.nodes, self._graph.slot_edges
        cycle = self._cycle(start)
        edges = [(cycle[i], cycle[(i + 1) % len(cycle)]) for i in range(len(cycle))]
        holder = min(before for after, before in edges if (after, before) in slot_edges)
        step = nodes[holder].step
        assert not isinstance(step, Create), "what is only made holds nothing yet"
        parked = self._add(Node(step, Part.PARK), before=holder)
        if isinstance(step, Adopt):
            nodes[parked].fields[EXTERNAL_ID] = step.entity.key  # its name will not tell what it is
        for follower in [f for f in self._followers[holder] if (f, holder) in slot_edges]:
            slots = slot_edges.pop((follower, holder))
            nodes[parked].fields.update((slot[2], self._spare.value(slot, step.current)) for slot in slots)
            nodes[follower].after.discard(holder)
            nodes[follower].after.add(parked)
            self._followers[holder].remove(follower)
            self._followers[parked].append(follower)

    def _add(self, node: Node, *, before: int) -> int:
        """One more node, ready, for which the node `before` shall wait."""
        index = len(self._graph.nodes)
        self._graph.nodes.append(node)
        self._finished.append(False)
        self._waiting.append(0)
        self._followers.append([before])
        self._graph.nodes[before].after.add(index)
        self._waiting[before] += 1
        heappush(self._ready, index)
        return index

    def _cycle(self, start: int) -> list[int]:
        """A cycle of unfinished nodes: each waits for the next."""
        seen: dict[int, int] = {}
        path: list[int] = []
        node = start
        while node not in seen:
            seen[node] = len(path)
            path.append(node)
            node = min(before for before in self._graph.nodes[node].after if not self._finished[before])
        return path[seen[node] :]


def _renumbered(nodes: list[Node], order: list[int]) -> list[Node]:
    position = {index: place for place, index in enumerate(order)}
    for node in nodes:
        node.after = {position[before] for before in node.after}
    return [nodes[index] for index in order]
