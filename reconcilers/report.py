"""What a run has to say for itself, as plain data; status, JSON and tables are made from it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconcilers.apply import Applied, Outcome, Status
from reconcilers.errors import SyncError, UnsupportedEnvironment
from reconcilers.match import Pairing
from reconcilers.model import KINDS, Desired, Kind, MappingState
from reconcilers.plan import UNPROVEN, Plan, Withheld
from reconcilers.policy import BY_POLICY, DOUBTFUL, GRACE, INCOMPLETE, TAKEN, TIED, WAITS
from reconcilers.proof import Gap
from reconcilers.prune import NOT_EMPTY
from reconcilers.steps import Action

WHY_WITHHELD = {
    NOT_EMPTY: "it holds something that stays: if that is not ours, move or delete it by hand; "
    "if it is ours, its record in the source is not understood (see the skips): correct that there",
    TAKEN: "its name or number is taken by something that stays: if that is not ours, rename one of them; "
    "if it is ours, its record in the source is not understood (see the skips): correct that there",
    INCOMPLETE: "the source was not complete; the next complete run does it",
    UNPROVEN: "the source was not complete or the mapping was just rebuilt; the next run does it",
    DOUBTFUL: "the target does not list all that the mapping holds; the next run does it",
    TIED: "it and another change places and each waits for the other; in the source undo one of the moves, "
    "let a run do the other, then make it again",
    GRACE: "it is missing from the source, but not yet as long as spec.deletion.gracePeriod",
    WAITS: "it waits for another step that is withheld",
}


INTENDED = (BY_POLICY, GRACE)
"""Reasons to withhold that the spec asks for."""


@dataclass(frozen=True, slots=True)
class KindRow:
    """Counts of one kind: in the source, in scope, in the target (ours), mapped, and what was done."""

    kind: Kind
    source: int = 0
    in_scope: int = 0
    target: int = 0
    mapped: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """One run: what was planned, what was done, what was left out, what ended it early."""

    plan: Plan
    applied: Applied | None
    kinds: tuple[KindRow, ...]
    skips: dict[tuple[Kind, str], int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    mapped: int = 0
    rebuilt: bool = False
    """There was no mapping to begin with, so the run removed nothing."""

    @property
    def ended_by(self) -> SyncError | None:
        """What ended the run before all steps had been tried."""
        return self.applied.ended_by if self.applied else None

    @property
    def failed(self) -> list[Outcome]:
        """What was refused, then what was skipped because of that."""
        outcomes = self.applied.outcomes if self.applied else []
        return sorted(
            (outcome for outcome in outcomes if outcome.status is not Status.DONE),
            key=lambda outcome: outcome.status,
        )

    @property
    def problems(self) -> list[Outcome]:
        """What failed, and what could not even be tried though the policies allow it.

        Nothing where the environment is not supported: advice on single steps would not help.
        """
        if isinstance(self.ended_by, UnsupportedEnvironment):
            return []
        untried = [item for item in self.plan.withheld if item.reason not in INTENDED]
        if all(item.reason == WAITS for item in untried):
            untried = []  # for nothing but what the spec asks to withhold
        return [*self.failed, *map(_untried, untried)]

    @property
    def whole(self) -> bool:
        """Was everything done that is asked for?"""
        return not (self.gaps or self.problems)

    @property
    def writes(self) -> int:
        """How many steps were carried out."""
        outcomes = self.applied.outcomes if self.applied else []
        return sum(outcome.status is Status.DONE for outcome in outcomes)


def _untried(item: Withheld) -> Outcome:
    message = WHY_WITHHELD.get(item.reason, item.reason)
    return Outcome(item.kind, item.key, item.name, item.action, Status.SKIPPED, item.reason, message)


def make_report(
    plan: Plan,
    applied: Applied | None,
    desired: Desired,
    pairing: Pairing,
    mapping: MappingState,
    gaps: tuple[Gap, ...],
) -> Report:
    """Count everything once, after the run."""
    skips = Counter((skip.kind, skip.reason) for skip in desired.skips)
    return Report(
        plan=plan,
        applied=applied,
        kinds=tuple(_rows(applied, desired, pairing, mapping)),
        skips=dict(sorted(skips.items())),
        gaps=gaps,
        mapped=len(mapping.entries),
        rebuilt=mapping.rebuilt,
    )


def _rows(
    applied: Applied | None, desired: Desired, pairing: Pairing, mapping: MappingState
) -> Iterable[KindRow]:
    in_scope = Counter(entity.kind for entity in desired.entities.values())
    target = Counter(current.kind for current in pairing.current_of.values())
    mapped = Counter(entry.kind for entry in mapping.entries.values() if entry.id is not None)
    skipped = Counter(skip.kind for skip in desired.skips)
    done: Counter[tuple[Kind, Action]] = Counter()
    failed: Counter[Kind] = Counter()
    for outcome in applied.outcomes if applied else ():
        if outcome.status is Status.DONE:
            done[outcome.kind, outcome.action] += 1
        else:
            failed[outcome.kind] += 1
    for kind in KINDS:
        made, gone = done[kind, Action.CREATE], done[kind, Action.DELETE]
        replaced = done[kind, Action.REPLACE]
        yield KindRow(
            kind=kind,
            source=desired.source_counts.get(kind, 0),
            in_scope=in_scope[kind],
            target=target[kind] + made - gone,
            mapped=mapped[kind],
            created=made + replaced,
            updated=sum(done[kind, action] for action in (Action.UPDATE, Action.ADOPT, Action.REBIND)),
            deleted=gone + replaced,
            failed=failed[kind],
            skipped=skipped[kind],
        )
