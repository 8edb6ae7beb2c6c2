"""The heart: read, read, match, plan, guard, apply, remember."""

from dataclasses import dataclass, field, replace
from math import ceil

from reconcilers.apply import Applied, apply
from reconcilers.errors import EmptySource
from reconcilers.events import Planned
from reconcilers.fit import fit
from reconcilers.guard import Guards, guard, source_breaches
from reconcilers.impact import assess
from reconcilers.ledger import Ledger
from reconcilers.levels import LEVELS
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.match import Pairing, match
from reconcilers.merge import Merged, merge
from reconcilers.model import Current, Desired, Entity, Key, Kind, MappingState, Origin
from reconcilers.onboarding import Onboarding, unsupported
from reconcilers.order import schedule
from reconcilers.plan import Plan, compare, withhold_step
from reconcilers.policy import DOUBTFUL, GRACE, Policies, unsettled_keys, withhold
from reconcilers.ports import Clock, Demand, DemandOf, Gate, Ports, Writer
from reconcilers.proof import Gap, Proof, prove
from reconcilers.prune import prune, release
from reconcilers.rebind import rebind
from reconcilers.report import Report, make_report
from reconcilers.source import Observation
from reconcilers.steps import Action, Rebind, key_of, sort_key
from reconcilers.text import alike
from reconcilers.translate import Defaults, Scope, translate
from reconcilers.vanished import check_not_vanished


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run shall do."""

    scope: Scope = field(default_factory=Scope)
    defaults: Defaults = field(default_factory=Defaults)
    policies: Policies = field(default_factory=Policies)
    guards: Guards = field(default_factory=Guards)
    onboarding: Onboarding = Onboarding.NEW
    minimum_match: int = 80
    """Per cent of either side that must match in the first run that merges."""
    concurrency: int = 8
    """Calls to the target in flight at once."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a run knows before it acts."""

    observed: Observation
    gaps: tuple[Gap, ...]
    desired: Desired
    pairing: Pairing
    mapping: MappingState
    plan: Plan


async def sync_once(ports: Ports, settings: Settings, writer: Writer | None, gate: Gate) -> Report:
    """One run. Without a writer the plan is all there is.

    Raises SyncError when nothing could be planned; what goes wrong later is in the report.
    """
    view = await look(ports, settings)
    await ports.plans.publish(view.plan)
    ports.observer.on(Planned(view.plan))
    applied = None
    refusal = unsupported(
        view.desired, view.pairing, view.mapping, settings.onboarding, settings.minimum_match
    )
    if refusal is not None:  # the plan is shown all the same: it says what does not match
        applied = Applied(ended_by=refusal)
    elif writer is not None and not view.plan.quarantine:
        ledger = Ledger(view.desired, view.pairing, view.mapping)
        remember(ledger, view.plan, view.gaps, ports.clock)
        nodes = schedule(view.plan.ready, view.pairing)
        applied = await apply(nodes, ledger, ports, writer, settings.concurrency, gate)
    return make_report(view.plan, applied, view.desired, view.pairing, view.mapping, view.gaps)


async def look(ports: Ports, settings: Settings) -> View:
    """Read, read, match, plan, guard: all but writing. Raises SyncError when nothing can be planned."""
    mapping = await ports.store.load()
    observed = await ports.source.read()
    check_not_empty(observed, mapping, settings.scope)
    proof, gaps = prove(observed)
    wanted = translate(observed, settings.scope, settings.defaults)
    pairing = match(await ports.target.read(demand(wanted, mapping, settings.onboarding)), mapping)
    missing = check_not_vanished(wanted, pairing, mapping)
    fresh = missing_not_long(wanted, mapping, settings.guards.grace, ports.clock)
    desired, plan = make_plan(
        wanted,
        pairing,
        mapping,
        proof,
        settings.policies,
        doubtful=bool(missing),
        fresh=fresh,
        records=type_keys(observed),
        onboarding=settings.onboarding,
    )
    impacts = await assess(plan.steps, pairing, ports.bookings)
    breaches = source_breaches(observed, mapping, settings.guards)
    plan = guard(plan, pairing, impacts, breaches, settings.guards, await ports.plans.approved())
    return View(observed, gaps, desired, pairing, mapping, plan)


def make_plan(
    desired: Desired,
    pairing: Pairing,
    mapping: MappingState,
    proof: Proof | None,
    policies: Policies,
    *,
    doubtful: bool = False,
    fresh: frozenset[Key] = frozenset(),
    records: frozenset[Key] = frozenset(),
    onboarding: Onboarding = Onboarding.NEW,
) -> tuple[Desired, Plan]:
    """The plan, and the desired state as it fits this target.

    Nothing is removed while the target's listing is `doubtful`, nor what is `fresh`: missing not for long.
    `records` are listed, whatever is desired.
    """
    may_remove = None if mapping.rebuilt or doubtful else proof
    rebound = rebind(desired, pairing, proof, records)
    merged = Merged()
    if onboarding is Onboarding.EXISTING:
        desired, merged = merge(desired, pairing)
    desired, adopted = fit(desired, pairing, may_remove)
    unmarked = {entry.key for entry in mapping.entries.values() if entry.origin is Origin.MATCHED}
    steps, withheld = compare(desired, pairing, adopted | merged.adopted, rebound, may_remove, unmarked)
    steps += release(desired, pairing)
    mapping = where_it_is(mapping, pairing)
    if may_remove is not None:
        removals, stuck = prune(desired, pairing, mapping, steps, may_remove)
        steps += removals
        withheld += stuck
    elif doubtful and proof is not None:
        removals, _ = prune(desired, pairing, mapping, steps, proof)
        withheld = [replace(item, reason=DOUBTFUL) for item in withheld]
        withheld += [withhold_step(step, DOUBTFUL) for step in removals]
    unsettled = frozenset[Key]()
    if proof is None:  # who is not listed may be the one that a name belongs to
        unsettled = unsettled_keys(desired, pairing, mapping) | merged.adopted.keys()
    allowed, withheld = withhold(steps, withheld, pairing, policies, unsettled, fresh)
    left_alone = tuple(merged.left_alone)
    return desired, Plan(tuple(sorted(allowed, key=sort_key)), tuple(withheld), left_alone)


def where_it_is(mapping: MappingState, pairing: Pairing) -> MappingState:
    """The mapping with parents as the target has them by now: a place that was rebound is no other place."""
    entries = dict(mapping.entries)
    for key, entry in mapping.entries.items():
        current, above = pairing.current_of.get(key), LEVELS[entry.kind].parent
        if current is not None and above is not None and current.parent_id is not None:
            parent = pairing.keys[above].get(current.parent_id)
            if parent is not None and parent != entry.parent:
                entries[key] = replace(entry, parent=parent)
    return replace(mapping, entries=entries)


def type_keys(observed: Observation) -> frozenset[Key]:
    """Every type that the source lists: one that nobody books is neither desired nor skipped."""
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


def check_not_empty(observed: Observation, mapping: MappingState, scope: Scope) -> None:
    """A source that lists nothing any more is not believed. Raises EmptySource."""
    if not any(mapping.of(Kind.LOCATION)):
        return
    if not observed.buildings.items and not observed.buildings.unreadable:
        raise EmptySource(
            "the source lists no building although the mapping holds some; nothing was written. "
            "If all buildings are really gone, delete this SyncTarget instead",
            system="source",
        )
    if scope.require_reservation_center and not observed.centers.items and not observed.centers.unreadable:
        raise EmptySource(
            "the source lists no reservation center although the mapping holds locations; "
            "nothing was written. If centers are not used any more, set spec.scope.requireReservationCenter: "
            "false",
            system="source",
        )


EVERYTHING = Demand(floors=True, variants=frozenset({MEETING, PERSONAL}))


def demand(desired: Desired, mapping: MappingState, onboarding: Onboarding = Onboarding.NEW) -> DemandOf:
    """What is worth reading below a location: only kinds that are desired there or known to be there.

    Everything, where nothing is known, where the location shall go (what hangs below it stops that), or
    where it may be merged with one that is desired.
    """
    if mapping.rebuilt or not any(mapping.of(Kind.LOCATION)):
        return lambda _: EVERYTHING
    variants: dict[Key, set[str]] = {}
    for entity in desired.entities.values():
        if entity.kind in (Kind.FLOOR, Kind.RESOURCE):
            found = variants.setdefault(Key(str(entity.parent)), set())
            found.add(LEVELS[entity.kind].variant_of(entity.values))
    known: dict[int, Key] = {}
    for entry in mapping.entries.values():
        if entry.kind in (Kind.FLOOR, Kind.RESOURCE) and entry.parent is not None:
            variants.setdefault(entry.parent, set()).add(entry.variant)
        elif entry.kind is Kind.LOCATION and entry.id is not None:
            known[entry.id] = entry.key
    sought = _sought(desired, set(known.values())) if onboarding is Onboarding.EXISTING else set()

    def below(location: Current) -> Demand:
        key = known.get(location.id) or Key(str(location.external_id))
        if key in mapping.entries and _leaves(location, desired.entities.get(key), mapping):
            return EVERYTHING
        if location.id not in known and alike(location.name) in sought:
            return EVERYTHING
        wanted = variants.get(key)
        return Demand(floors=wanted is not None, variants=frozenset(wanted or ()) - {""})

    return below


def _sought(desired: Desired, known: set[Key]) -> set[str]:
    """The names of locations that are desired and not known to be there."""
    return {alike(entity.name) for entity in desired.of(Kind.LOCATION) if entity.key not in known}


def _leaves(location: Current, entity: Entity | None, mapping: MappingState) -> bool:
    """Is it gone from the source, or below another region than there?"""
    region = mapping.entries.get(entity.parent) if entity is not None and entity.parent else None
    return region is None or region.id != location.parent_id


def remember(ledger: Ledger, plan: Plan, gaps: tuple[Gap, ...], clock: Clock) -> None:
    """Bring the mapping in step with what was read, before anything is written."""
    read_at = clock.now()
    now = int(read_at)
    waiting = {item.key for item in plan.withheld} | {key_of(item.step) for item in plan.held}
    current_of = ledger.pairing.current_of
    unchanged = {current_of[key].external_id for key in waiting & current_of.keys()}
    renamed = {step.old for step in plan.steps if isinstance(step, Rebind)}
    renamed |= {Key(external_id) for external_id in unchanged if external_id is not None}
    present = {skip.key for skip in ledger.desired.skips if skip.kept}
    ledger.remember_unchanged({key_of(step) for step in plan.ready}, waiting, now)
    for item in plan.withheld:
        if item.reason == GRACE and item.action is Action.DELETE and item.key not in present:
            ledger.miss(item.key, ceil(read_at))
    if not gaps:
        ledger.forget_vanished(renamed)
