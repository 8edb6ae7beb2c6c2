"""Bookings that could be known and cannot be read hold what they protect."""

from dataclasses import replace

import pytest

from reconcilers.errors import CredentialsRejected, IncompleteAnswer, SyncError, TransientError
from reconcilers.guard import UNREAD, Guards, Required
from reconcilers.plan import Plan
from tests.engine.rig import UNGUARDED
from tests.engine.samples import synced


def plan_without_a_room(error: SyncError, guards: Guards) -> Plan:
    rig = synced()
    del rig.source.spaces[101]
    rig.bookings.error = error
    return rig.guarded(guards).plan()


REJECTED = CredentialsRejected("correct the key ExternalBookings", system="target")


@pytest.mark.parametrize("error", [REJECTED, IncompleteAnswer("garbage", system="target")])
def test_a_meeting_space_whose_bookings_cannot_be_read_waits_for_a_person(error: SyncError) -> None:
    plan = plan_without_a_room(error, Guards())

    assert [(item.step.action, item.reason) for item in plan.held] == [("delete", UNREAD)]
    (impact,) = plan.impacts.values()
    assert (impact.at_risk, impact.problem, impact.problem_reason) == (
        "unknown", error.message, error.reason
    )  # fmt: skip


def test_who_asks_for_neither_bookings_nor_approvals_is_not_held() -> None:
    assert not plan_without_a_room(REJECTED, UNGUARDED).held
    booked_only = replace(UNGUARDED, hold_booked=True)
    assert plan_without_a_room(REJECTED, booked_only).held
    approvals_only = replace(UNGUARDED, required=Required.DESTRUCTIVE)
    assert plan_without_a_room(REJECTED, approvals_only).held


def test_what_passes_by_itself_ends_the_run_instead() -> None:
    with pytest.raises(TransientError):
        plan_without_a_room(TransientError("no answer", system="target"), Guards())
