"""What is desired and what was matched in, a plan out: rebind, merge, fit, compare, prune, withhold, sort."""

from dataclasses import dataclass, replace

from reconcilers.fit import fit
from reconcilers.levels import LEVELS
from reconcilers.match import Pairing
from reconcilers.merge import Merged, merge
from reconcilers.model import Desired, Key, Kind, MappingState, Origin
from reconcilers.onboarding import Onboarding
from reconcilers.plan import Plan, compare, withhold_step
from reconcilers.policy import DOUBTFUL, Policies, unsettled_keys, withhold
from reconcilers.ports import Clock
from reconcilers.proof import Proof
from reconcilers.prune import prune, release
from reconcilers.rebind import rebind
from reconcilers.source import Observation
from reconcilers.steps import sort_key


@dataclass(frozen=True, slots=True)
class Evidence:
    """What may be concluded from what was read."""

    proof: Proof | None
    """That the source was read to its end; without it nothing is removed."""
    doubtful: bool = False
    """The target does not list something that the mapping holds; then nothing is removed either."""
    fresh: frozenset[Key] = frozenset()
    """What the source does not list any more, but for less than the grace period."""
    types: frozenset[Key] = frozenset()
    """Every type that the source lists: one that nobody books is neither desired nor skipped."""


def make_plan(
    desired: Desired,
    pairing: Pairing,
    mapping: MappingState,
    evidence: Evidence,
    policies: Policies,
    onboarding: Onboarding = Onboarding.NEW,
) -> tuple[Desired, Plan]:
    """The plan, and the desired state as it fits this target."""
    proof = evidence.proof
    may_remove = None if mapping.rebuilt or evidence.doubtful else proof
    rebound = rebind(desired, pairing, proof, evidence.types)
    merged = Merged()
    if onboarding is Onboarding.EXISTING:
        desired, merged = merge(desired, pairing)
    desired, adopted = fit(desired, pairing, mapping, may_remove)
    unmarked = {entry.key for entry in mapping.entries.values() if entry.origin is Origin.MATCHED}
    steps, withheld = compare(desired, pairing, adopted | merged.adopted, rebound, may_remove, unmarked)
    steps += release(desired, pairing)
    mapping = _where_it_is(mapping, pairing)
    if may_remove is not None:
        removals, stuck = prune(desired, pairing, mapping, steps, may_remove)
        steps += removals
        withheld += stuck
    elif evidence.doubtful and proof is not None:
        removals, _ = prune(desired, pairing, mapping, steps, proof)
        withheld = [replace(item, reason=DOUBTFUL) for item in withheld]
        withheld += [withhold_step(step, DOUBTFUL) for step in removals]
    unsettled = frozenset[Key]()
    if proof is None:  # who is not listed may be the one that a name belongs to
        unsettled = unsettled_keys(desired, pairing, mapping) | merged.adopted.keys()
    allowed, withheld = withhold(steps, withheld, pairing, policies, unsettled, evidence.fresh)
    return desired, Plan(tuple(sorted(allowed, key=sort_key)), tuple(withheld), tuple(merged.left_alone))


def type_keys(observed: Observation) -> frozenset[Key]:
    """Every type that the source lists."""
    return frozenset(LEVELS[Kind.WORKSPACE_TYPE].key(listed.id) for listed in observed.types.items)


def missing_not_long(desired: Desired, mapping: MappingState, grace: float, clock: Clock) -> frozenset[Key]:
    """What the mapping holds, nobody asks for, and is not missing for the grace period (seconds) yet."""
    if not grace:
        return frozenset()
    now = int(clock.now())
    return frozenset(
        entry.key
        for entry in mapping.entries.values()
        if entry.key not in desired.entities and now - (entry.missing_since or now) < grace
    )


def _where_it_is(mapping: MappingState, pairing: Pairing) -> MappingState:
    """The mapping with parents as the target has them by now: a place that was rebound is no other place."""
    lost = {entry.parent for entry in mapping.entries.values()} - pairing.current_of.keys()
    entries = dict(mapping.entries)
    for key, entry in mapping.entries.items() if lost - {None} else ():
        current, above = pairing.current_of.get(key), LEVELS[entry.kind].parent
        if entry.parent in lost and current is not None and above is not None:
            parent = pairing.keys[above].get(current.parent_id or 0)
            if parent is not None:
                entries[key] = replace(entry, parent=parent)
    return replace(mapping, entries=entries)
