"""A plan as it is kept beside its SyncPlan, or in a file: every step, and what is known of those that wait.

Two streams of lines, both plain JSON: `steps` holds the canonical lines, whose sha256 is the plan's digest;
`notes` says of every step that is held or destroys why it is held and what goes with it. Nothing here reads
or writes.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from reconcilers.guard import Approval
from reconcilers.impact import Impact
from reconcilers.model import Key
from reconcilers.plan import Plan
from reconcilers.steps import Destructive, canonical, key_of


class NotThisPlan(Exception):
    """What is kept is not what its digests say: damaged, or edited by somebody."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be said of one step beside what it does."""

    index: int
    """Of the step, in the order of the plan."""
    held: str = ""
    """Why it waits for an approval; empty when it does not."""
    impact: Impact | None = None
    """What goes with it; None for a step that destroys nothing."""
    also: tuple[str, ...] = ()
    """What else it is held by."""


@dataclass(frozen=True)
class PlanDocument:
    """A whole plan as data."""

    lines: tuple[str, ...]
    """One canonical line of JSON a step."""
    notes: tuple[Note, ...] = ()
    """In the order of the steps."""

    @cached_property
    def digest(self) -> str:
        """Of all steps: the plan's digest."""
        return digest_of_lines(self.lines)

    @cached_property
    def held_digest(self) -> str:
        """Of the held steps alone; empty when nothing is held."""
        held = [self.lines[note.index] for note in self.notes if note.held]
        return digest_of_lines(held) if held else ""

    @cached_property
    def risk_digest(self) -> str:
        """Of the notes: why what is held, and what goes with it; empty without notes."""
        return digest_of_lines(map(_note_line, self.notes)) if self.notes else ""

    @cached_property
    def waiting(self) -> dict[str, str]:
        """The held steps, each with why it is held and what goes with it, wherever in the plan it is."""
        return {
            self.lines[note.index]: _note_line(replace(note, index=0)) for note in self.notes if note.held
        }

    @cached_property
    def records(self) -> tuple[dict[str, Any], ...]:
        """The steps as the contract's JSON has them."""
        return tuple(json.loads(line) for line in self.lines)

    def streams(self) -> tuple[bytes, bytes]:
        """Steps and notes as bytes, each line ended by a newline; they hash to the digests."""
        return _bytes(self.lines), _bytes(map(_note_line, self.notes))

    def approval(self, name: str) -> Approval:
        """What somebody approves who approves this plan."""
        held = [note for note in self.notes if note.held]
        return Approval(
            name=name,
            lines=frozenset(self.lines[note.index] for note in held),
            impacts={
                Key(self.records[note.index]["key"]): note.impact for note in held if note.impact is not None
            },
        )


def document_of(plan: Plan) -> PlanDocument:
    """A plan as data."""
    held = {id(item.step): item for item in plan.held}
    notes = [
        Note(
            index,
            held[id(step)].reason if id(step) in held else "",
            plan.impacts.get(key_of(step)) if isinstance(step, Destructive) else None,
            held[id(step)].also if id(step) in held else (),
        )
        for index, step in enumerate(plan.steps)
        if id(step) in held or isinstance(step, Destructive)
    ]
    return PlanDocument(tuple(map(canonical, plan.steps)), tuple(notes))


def read_document(steps: bytes, notes: bytes, digest: str, risk_digest: str) -> PlanDocument:
    """A plan from its streams. Raises NotThisPlan when they are not what the digests say."""
    if _sha256(steps) != digest or (_sha256(notes) if notes else "") != risk_digest:
        raise NotThisPlan("the stored steps do not hash to the digest of their plan")
    try:
        document = PlanDocument(tuple(_lines(steps)), tuple(map(_note, _lines(notes))))
        if not all(isinstance(record["key"], str) for record in document.records):
            raise NotThisPlan("a line that is no step")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotThisPlan(f"a line that is no part of a plan ({type(error).__name__})") from error
    if not all(0 <= note.index < len(document.lines) for note in document.notes):
        raise NotThisPlan("a note on a step that is not there")
    return document


def digest_of_lines(lines: Iterable[str]) -> str:
    """A sha256 over lines, as `reconcilers.steps.digest_of` makes it of steps."""
    return _sha256(_bytes(lines))


def _note_line(note: Note) -> str:
    impact = note.impact
    known = (
        {}
        if impact is None
        else {
            "floors": impact.floors,
            "resources": impact.resources,
            "bookings": sorted(impact.bookings),
            "unknown": impact.unknown,
        }
    )
    also = {"also": note.also} if note.also else {}
    data = {"step": note.index, "held": note.held, **also, **known}
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def _note(line: str) -> Note:
    data = json.loads(line)
    impact = None
    if "bookings" in data:
        impact = Impact(data["floors"], data["resources"], frozenset(data["bookings"]), data["unknown"])
    return Note(int(data["step"]), str(data["held"]), impact, tuple(map(str, data.get("also", ()))))


def _lines(stream: bytes) -> list[str]:
    return stream.decode("utf-8", "surrogatepass").split("\n")[:-1]


def _bytes(lines: Iterable[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")


def _sha256(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
