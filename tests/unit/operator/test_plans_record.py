"""A plan as a SyncPlan tells it, and what people are told who have to approve it."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from engage_sync.plan_document import Note, NotThisPlan, PlanDocument, document_of, read_document
from engage_sync.plans.messages import approval_message, approve_command, beyond_message, quarantine_message
from engage_sync.plans.owner import Owner
from engage_sync.plans.record import estimate, spec_of
from engage_sync.states import MESSAGE_MAX
from engage_sync.syncplan import DESTRUCTIVE_MAX, QUARANTINE_MAX
from reconcilers.diff import FieldChange
from reconcilers.impact import Impact
from reconcilers.levels import LEVELS
from reconcilers.model import Current, Entity, Key, Kind, Value
from reconcilers.plan import Held, Plan
from reconcilers.proof import prove
from reconcilers.steps import Create, Delete, Release, Replace, Step, Update, key_of
from tests.engine.samples import two_buildings

OWNER = Owner("tenants", "acme", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")
PROOF, _ = prove(two_buildings().observe(), {})
assert PROOF is not None

LONG = "n" * 400
NAME, NAMESPACE = f"{'a' * 40}-0123456789", "b" * 63


def values_of(kind: Kind, given: Mapping[str, Value]) -> tuple[Value, ...]:
    return tuple(given.get(field.name) for field in LEVELS[kind].fields)


def entity(kind: Kind, number: int, **given: Value) -> Entity:
    key = LEVELS[kind].key(number)
    return Entity(kind, key, ("X", *values_of(kind, given)[1:]))


def current(kind: Kind, number: int, name: str = "X") -> Current:
    key = LEVELS[kind].key(number)
    return Current(kind=kind, id=number, external_id=key, values=(name, *values_of(kind, {})[1:]))


def delete(kind: Kind, number: int, name: str = "X") -> Delete:
    assert PROOF is not None
    return Delete(LEVELS[kind].key(number), current(kind, number, name), PROOF, "gone")


def replacement(**given: Value) -> Replace:
    assert PROOF is not None
    place = entity(Kind.LOCATION, 1, **given)
    return Replace(place, current(Kind.LOCATION, 1), (), PROOF, "moved")


def update(*fields: str) -> Update:
    changes = tuple(FieldChange(field, "a", "b") for field in fields)
    return Update(entity(Kind.LOCATION, 1), current(Kind.LOCATION, 1), changes)


def held(*steps: Step, reason: str = "Destructive", **more: Any) -> Plan:
    return Plan(steps=steps, held=tuple(Held(step, reason) for step in steps), **more)


def spec(plan: Plan, left: int | None = None) -> dict[str, Any]:
    return dict(spec_of(plan, document_of(plan), OWNER, "0123456789", ["c"], left))


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        (Create(entity(Kind.FLOOR, 1)), 1),
        (Create(entity(Kind.LOCATION, 1)), 1),
        (Create(entity(Kind.LOCATION, 1, GroupId="wp:group:1")), 2),
        (replacement(), 2),
        (replacement(GroupId="wp:group:1"), 3),
        (update("TimeZone"), 1),
        (update("TimeZone", "ExternalId"), 1),
        (update("GroupId"), 1),
        (update("GroupId", "TimeZone"), 2),
        (delete(Kind.LOCATION, 1), 1),
        (Release(Key("wp:type:1"), current(Kind.WORKSPACE_TYPE, 1), "given back"), 1),
    ],
)
def test_what_a_step_costs(step: Step, calls: int) -> None:
    assert estimate([step]) == calls


def test_the_quota_that_is_left_may_be_less_than_none() -> None:
    plan = Plan(steps=(delete(Kind.FLOOR, 1), delete(Kind.FLOOR, 2)))

    assert spec(plan, 1)["quotaLeft"] == -1
    assert "quotaLeft" not in spec(plan)


def test_locations_come_first_and_the_rest_is_counted() -> None:
    steps = [delete(Kind.RESOURCE, number) for number in range(DESTRUCTIVE_MAX)]
    plan = held(*steps, delete(Kind.LOCATION, 7, LONG))

    found = spec(plan)

    assert found["destructive"][0]["key"] == "wp:building:7"
    assert len(found["destructive"][0]["name"]) == 96
    assert (len(found["destructive"]), found["destructiveTruncated"]) == (DESTRUCTIVE_MAX, 1)


def test_what_hangs_below_is_told_where_something_can() -> None:
    steps = [delete(kind, 1) for kind in (Kind.LOCATION, Kind.FLOOR, Kind.RESOURCE, Kind.GROUP)]
    impact = Impact(2, 3, frozenset("ab"), 4)
    plan = Plan(steps=tuple(steps), impacts={key_of(step): impact for step in steps})

    location, floor, resource, group = spec(plan)["destructive"]

    assert (location["floors"], location["resources"], location["bookings"]) == (2, 3, "2 and unknown")
    assert (floor["resources"], floor["bookings"], "floors" in floor) == (3, "2 and unknown", False)
    assert (resource["bookings"], "resources" in resource) == ("2 and unknown", False)
    assert group.keys() == {"action", "kind", "key", "name", "reason", "held"}


@pytest.mark.parametrize(
    ("impact", "told"),
    [
        (Impact(), "0"),
        (Impact(unknown=1), "unknown"),
        (Impact(bookings=frozenset(map(str, range(9999))), unknown=1), "9999 and unknown"),
        (Impact(bookings=frozenset(map(str, range(10000))), unknown=1), "10000+"),
    ],
)
def test_bookings_are_never_told_as_fewer_than_known(impact: Impact, told: str) -> None:
    step = delete(Kind.RESOURCE, 1)
    (row,) = spec(Plan(steps=(step,), impacts={step.key: impact}))["destructive"]

    assert row["bookings"] == told


def test_a_quarantine_is_told_within_bounds() -> None:
    plan = held(delete(Kind.FLOOR, 1), quarantine=(LONG * 2,) * (QUARANTINE_MAX + 1))

    assert [len(sentence) for sentence in spec(plan)["quarantine"]] == [512] * QUARANTINE_MAX


# Messages


def test_the_command_names_the_plan_and_asks_who_approves() -> None:
    command = approve_command("acme-1", "tenants", "sha256:abc")

    assert command == (
        "kubectl patch syncplan acme-1 -n tenants --type merge -p "
        """'{"spec":{"approval":{"digest":"sha256:abc","by":"'"$(kubectl auth whoami"""
        """ -o jsonpath='{.status.userInfo.username}')"'"}}}'"""
    )
    assert shlex.split(command)[:8] == [
        "kubectl",
        "patch",
        "syncplan",
        "acme-1",
        "-n",
        "tenants",
        "--type",
        "merge",
    ]


def test_an_approval_message_says_what_and_how() -> None:
    steps = [delete(Kind.LOCATION, 1), delete(Kind.FLOOR, 1), delete(Kind.FLOOR, 2)]
    impacts = {steps[0].key: Impact(2, 0, frozenset("ab"), 1), steps[1].key: Impact(0, 0, frozenset("b"))}
    plan = held(*steps, impacts=impacts)
    plan = replace(plan, steps=(*plan.steps, Create(entity(Kind.FLOOR, 3))))

    message = approval_message(plan, "acme-1", "tenants")

    assert message == (
        "3 steps wait for approval: delete 1 Location, delete 2 Floor; 2 future bookings and bookings "
        "that nobody can know of go with them. Look at it, then: "
        + approve_command("acme-1", "tenants", plan.held_digest)
    )


def test_a_quarantine_message_says_why_and_how() -> None:
    plan = held(delete(Kind.FLOOR, 1), quarantine=("too much would go", "and too much be changed"))

    assert quarantine_message(plan, "acme-1", "tenants") == (
        "nothing is written (reason 1 of 2): too much would go. Look at it, then: "
        + approve_command("acme-1", "tenants", plan.held_digest)
    )
    assert quarantine_message(Plan(quarantine=("no",)), "", "tenants") == "nothing is written: no"


@pytest.mark.parametrize("message", [approval_message, quarantine_message])
def test_the_longest_command_is_never_cut(message: Any) -> None:
    plan = held(*(delete(kind, 1, LONG) for kind in Kind), quarantine=(LONG, LONG))

    text = message(plan, NAME, NAMESPACE)

    assert len(text) <= MESSAGE_MAX
    assert text.endswith(approve_command(NAME, NAMESPACE, plan.held_digest))
    assert len(text) - len(approve_command(NAME, NAMESPACE, plan.held_digest)) > 60


def test_what_goes_beyond_an_approval_is_named() -> None:
    plan = Plan(beyond=tuple(delete(Kind.FLOOR, number, "Lobby") for number in range(5)))
    text = beyond_message(plan, NAME, NAMESPACE, NAME)

    assert text.startswith(
        f"5 steps go beyond what SyncPlan {NAME} was approved for: delete Floor 'Lobby' (wp:floor:0)"
    )
    assert text.endswith(f", …; `engage-sync show-plan {NAME} -n {NAMESPACE} --against {NAME}` shows all")
    long = beyond_message(Plan(beyond=(delete(Kind.FLOOR, 1, LONG),) * 3), NAME, NAMESPACE, NAME)
    assert len(long) <= MESSAGE_MAX
    assert long.endswith("shows all")


# Documents


def stored(document: PlanDocument) -> PlanDocument:
    return read_document(*document.streams(), document.digest, document.risk_digest)


def test_a_document_is_read_as_it_was_written() -> None:
    step = delete(Kind.LOCATION, 1, "\ud800\u2028\n")
    document = document_of(held(step, impacts={step.key: Impact(1, 2, frozenset("ab"), 3)}))

    assert stored(document) == document
    assert stored(document).approval("acme-1").covers(step, Impact(bookings=frozenset("a"), unknown=3))


@pytest.mark.parametrize(
    "document",
    [
        PlanDocument(("[]",)),
        PlanDocument(("{}",)),
        PlanDocument(('{"key": 7}',)),
        PlanDocument(("nonsense",)),
        PlanDocument(("[" * 100_000,)),
        PlanDocument(('{"key": "a"}',), (Note(1, "Destructive"),)),
        PlanDocument(('{"key": "a"}',), (Note(-1, "Destructive"),)),
    ],
    ids=range(7),
)
def test_what_hashes_and_is_no_plan_is_none(document: PlanDocument) -> None:
    steps, notes = document.streams()

    with pytest.raises(NotThisPlan):
        read_document(steps, notes, document.digest, document.risk_digest)
