"""What a person is told who has to approve a plan, or whose approval was not enough. Pure."""

from collections import Counter
from collections.abc import Iterable

from engage_sync.resource import shorten
from engage_sync.states import MESSAGE_MAX
from reconcilers.plan import Plan
from reconcilers.steps import Step, key_of, kind_of, name_of

_SHOWN = 3
"""Steps that a message names."""


def approval_message(plan: Plan, name: str, namespace: str) -> str:
    """How much waits, and the command that approves it.

    Args:
        plan: with steps that are held.
        name: of its SyncPlan; empty when it has none.
        namespace: of its SyncPlan.
    """
    held = [item.step for item in plan.held]
    what = f"{_wait(held)} for approval: {_by_action(held)}{_risk(plan)}"
    return _with_command(what, plan, name, namespace)


def quarantine_message(plan: Plan, name: str, namespace: str) -> str:
    """Why nothing is written, and the command that lets exactly this plan run.

    Args:
        plan: that is quarantined.
        name: of its SyncPlan; empty when it has none.
        namespace: of its SyncPlan.
    """
    more = f" (reason 1 of {len(plan.quarantine)})" if len(plan.quarantine) > 1 else ""
    return _with_command(f"nothing is written{more}: {plan.quarantine[0]}", plan, name, namespace)


def approve_command(name: str, namespace: str, held_digest: str) -> str:
    """The kubectl command that approves a SyncPlan as whoever runs it."""
    return (
        f"kubectl patch syncplan {name} -n {namespace} --type merge -p "
        f"""'{{"spec":{{"approval":{{"digest":"{held_digest}","by":"'"$(kubectl auth whoami"""
        """ -o jsonpath='{.status.userInfo.username}')"'"}}}'"""
    )


def beyond_message(plan: Plan, name: str, namespace: str, approved: str) -> str:
    """What a plan destroys more than was approved.

    Args:
        plan: with steps beyond the approval.
        name: of its SyncPlan.
        namespace: of its SyncPlan.
        approved: name of the SyncPlan that was approved.
    """
    shown = f"`engage-sync show-plan {name} -n {namespace} --against {approved}` shows all"
    steps = ", ".join(
        f"{step.action.value} {kind_of(step)} {shorten(name_of(step), 40)!r} ({key_of(step)})"
        for step in plan.beyond[:_SHOWN]
    )
    more = ", …" if len(plan.beyond) > _SHOWN else ""
    what = f"{_steps(plan.beyond)} beyond what SyncPlan {approved} was approved for: {steps}{more}"
    return f"{shorten(what, MESSAGE_MAX - len(shown) - 2)}; {shown}"


def _with_command(what: str, plan: Plan, name: str, namespace: str) -> str:
    if not (name and plan.held_digest):
        return shorten(what, MESSAGE_MAX)
    how = f". Look at it, then: {approve_command(name, namespace, plan.held_digest)}"
    return shorten(what, MESSAGE_MAX - len(how)) + how


def _by_action(steps: Iterable[Step]) -> str:
    """For example ``delete 1 Location, delete 2 Floor``."""
    numbers = Counter((step.action.value, kind_of(step).value) for step in steps)
    return ", ".join(f"{action} {number} {kind}" for (action, kind), number in numbers.items())


def _risk(plan: Plan) -> str:
    impacts = [plan.impacts[key] for item in plan.held if (key := key_of(item.step)) in plan.impacts]
    known = len(frozenset[str]().union(*(impact.bookings for impact in impacts)))
    parts = [f"{known} future bookings" if known else ""]
    parts += ["bookings that nobody can know of" if any(impact.unknown for impact in impacts) else ""]
    at_risk = " and ".join(filter(None, parts))
    unread = next((f"; {impact.problem}" for impact in impacts if impact.problem), "")
    return (f"; {at_risk} go with them" if at_risk else "") + unread


def _wait(steps: list[Step]) -> str:
    return "1 step waits" if len(steps) == 1 else f"{len(steps)} steps wait"


def _steps(steps: tuple[Step, ...]) -> str:
    return "1 step goes" if len(steps) == 1 else f"{len(steps)} steps go"
