"""The heart: read, read, match, plan, guard, apply, remember."""

from dataclasses import dataclass, field
from math import ceil

from reconcilers.apply import Applied, apply
from reconcilers.demand import demand
from reconcilers.events import Planned
from reconcilers.guard import Guards, guard, source_breaches
from reconcilers.impact import assess
from reconcilers.ledger import Ledger
from reconcilers.match import Pairing, match
from reconcilers.model import Desired, Key, MappingState
from reconcilers.onboarding import Onboarding, unsupported
from reconcilers.order import schedule
from reconcilers.plan import Plan
from reconcilers.planner import Evidence, make_plan, missing_not_long, type_keys
from reconcilers.policy import GRACE, Policies
from reconcilers.ports import Clock, Gate, Ports, Writer
from reconcilers.proof import Gap, known_ids, prove
from reconcilers.report import Report, make_report
from reconcilers.source import Known, Observation
from reconcilers.steps import Action, Rebind, key_of
from reconcilers.translate import Defaults, Scope, translate
from reconcilers.vanished import check_not_empty, check_not_vanished


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
    applied = None
    refusal = unsupported(
        view.desired, view.pairing, view.mapping, settings.onboarding, settings.minimum_match
    )
    ports.observer.on(Planned(view.plan, refused=refusal is not None))
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
    observed, known = await _observe(ports, settings, mapping)
    check_not_empty(observed, mapping, settings.scope)
    proof, gaps = prove(observed, known)
    wanted = translate(observed, settings.scope, settings.defaults)
    pairing = match(await ports.target.read(demand(wanted, mapping, settings.onboarding)), mapping)
    evidence = Evidence(
        proof,
        doubtful=bool(check_not_vanished(wanted, pairing, mapping)),
        fresh=missing_not_long(wanted, mapping, settings.guards.grace, ports.clock),
        types=type_keys(observed),
    )
    desired, plan = make_plan(wanted, pairing, mapping, evidence, settings.policies, settings.onboarding)
    impacts = await assess(plan.steps, pairing, ports.bookings)
    breaches = source_breaches(observed, mapping, settings.guards)
    plan = guard(plan, pairing, impacts, breaches, settings.guards, await ports.plans.approved())
    return View(observed, gaps, desired, pairing, mapping, plan)


async def _observe(ports: Ports, settings: Settings, mapping: MappingState) -> tuple[Observation, Known]:
    """What the source lists, and what it must list or that is gone.

    What a merge meets for the first time is looked at again as if nothing were known: who slipped from page
    to page, and is not known either, may be the one whom a name belongs to.
    """
    known = known_ids(mapping)
    observed = await ports.source.read(known)
    if settings.onboarding is Onboarding.EXISTING and not observed.seamless:
        wanted = translate(observed, settings.scope, settings.defaults).entities.values()
        if any(entity.kind in known and entity.key not in mapping.entries for entity in wanted):
            known = {}
            observed = await ports.source.read(known)
    return observed, known


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
