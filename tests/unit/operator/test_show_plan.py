"""Plans of the cluster for people: one whole, two side by side."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage_sync.kube import Forbidden, Unavailable
from engage_sync.plan_document import Note, PlanDocument, document_of
from engage_sync.plans.chunks import cut
from engage_sync.render import RENDERERS
from engage_sync.run_data import Data, as_data
from engage_sync.show_plan import beyond, compare, difference, find, show
from engage_sync.states import Requests
from reconcilers.errors import ConfigError, SyncError, TransientError
from reconcilers.guard import BOOKED, DESTRUCTIVE, Budget
from reconcilers.impact import Impact
from reconcilers.steps import Action, key_of
from reconcilers.sync import Settings
from tests.engine.rig import WIDE
from tests.engine.samples import edit, put, space, synced
from tests.unit.operator.kept_plans import FakeCluster, annex_gone

# The difference of two plans

KIND_OF = {"building": "Location", "floor": "Floor", "room": "Resource"}
names = st.sampled_from(["Apollo", "Köln", "half \ud83d"])
values = st.none() | st.integers(0, 2) | names
keys = st.builds("wp:{}:{}".format, st.sampled_from(sorted(KIND_OF)), st.integers(9, 11))
identities = st.tuples(keys, st.sampled_from(Action))
changes_ = st.dictionaries(st.sampled_from(["Name", "Floor"]), st.tuples(values, values))
impacts = st.builds(
    Impact,
    floors=st.integers(0, 2),
    bookings=st.frozensets(st.sampled_from("abc")),
    unknown=st.integers(0, 1),
)
Step = tuple[dict[str, Any], str, Impact | None]
"""A step as its line has it, why it is held, what goes with it."""


@st.composite
def steps_of(draw: st.DrawFn, identity: tuple[str, Action]) -> Step:
    key, action = identity
    destroys = action in (Action.DELETE, Action.REPLACE)
    record: dict[str, Any] = {
        "action": action.value,
        "kind": KIND_OF[key.split(":")[1]],
        "key": key,
        "externalId": key,
        "name": draw(names),
        "parent": draw(st.none() | names),
        "changes": [{"field": field, "from": old, "to": new} for field, (old, new) in draw(changes_).items()],
        "reason": "differs",
    }
    return record, draw(st.sampled_from(["", DESTRUCTIVE, BOOKED])), draw(impacts) if destroys else None


plans_ = st.lists(identities, unique=True, max_size=5).flatmap(
    lambda found: st.tuples(*map(steps_of, found)).map(list)
)


def document(steps: list[Step]) -> PlanDocument:
    lines = (json.dumps(record, sort_keys=True, ensure_ascii=False) for record, _, _ in steps)
    notes = (Note(at, held, impact) for at, (_, held, impact) in enumerate(steps) if held or impact)
    return PlanDocument(tuple(lines), tuple(notes))


def identities_of(steps: list[Data]) -> list[tuple[str, str]]:
    return [(step["key"], step["action"]) for step in steps]


@given(plans_)
def test_a_plan_does_not_differ_from_itself(steps: list[Step]) -> None:
    assert difference(document(steps), document(steps)) == {"added": [], "removed": [], "changed": []}


@given(plans_, plans_, st.randoms(use_true_random=False))
def test_order_plays_no_part(old: list[Step], new: list[Step], random: Any) -> None:
    shuffled = [random.sample(steps, len(steps)) for steps in (old, new)]

    assert difference(*map(document, shuffled)) == difference(document(old), document(new))


@given(plans_, plans_)
def test_the_other_way_round_is_the_other_way_round(old: list[Step], new: list[Step]) -> None:
    there, back = difference(document(old), document(new)), difference(document(new), document(old))

    assert (back["added"], back["removed"]) == (there["removed"], there["added"])
    changes, undone = ({(step["key"], step["action"]): {each["what"]: each for each in step["differences"]}
                        for step in way["changed"]} for way in (there, back))  # fmt: skip
    assert changes.keys() == undone.keys()
    for identity, differences in changes.items():
        assert {what: {"from": each["from"], "to": each["to"]} for what, each in differences.items()} == {
            what: {"from": each["to"], "to": each["from"]} for what, each in undone[identity].items()
        }


@given(plans_, plans_)
def test_every_step_is_in_one_place_and_what_is_not_told_is_the_same(
    old: list[Step], new: list[Step]
) -> None:
    found = difference(document(old), document(new))
    before, after = (
        {(record["key"], record["action"]): (record, held, impact) for record, held, impact in steps}
        for steps in (old, new)
    )

    for step in (*found["added"], *found["removed"], *found["changed"]):
        assert step["destroys"] == (step["action"] in ("delete", "replace"))
    assert set(identities_of(found["added"])) == after.keys() - before.keys()
    assert set(identities_of(found["removed"])) == before.keys() - after.keys()

    def meaning(step: Step) -> object:
        """All but the order of fields."""
        record, held, impact = step
        changes = {each["field"]: (each["from"], each["to"]) for each in record["changes"]}
        return {**record, "changes": changes}, held, impact

    assert set(identities_of(found["changed"])) == {
        identity for identity in before.keys() & after.keys()
        if meaning(before[identity]) != meaning(after[identity])
    }  # fmt: skip


def one(**changes: Any) -> PlanDocument:
    """A plan that deletes one location, with these notes."""
    record: dict[str, Any] = {
        "action": "delete", "kind": "Location", "key": "wp:building:1", "externalId": "wp:building:1",
        "name": "Annex", "parent": None, "changes": [], "reason": "gone",
    }  # fmt: skip
    held = changes.pop("held", "Destructive")
    return document([(record, held, Impact(**changes))])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            one(bookings=frozenset("abc")),
            one(bookings=frozenset("cde")),
            {"what": "bookings", "from": "3", "to": "3", "more": 2, "fewer": 2},
        ),
        (
            one(bookings=frozenset()),
            one(bookings=frozenset("a")),
            {"what": "bookings", "from": "0", "to": "1", "more": 1, "fewer": 0},
        ),
        (one(unknown=1), one(unknown=3), {"what": "spaces with unknown bookings", "from": 1, "to": 3}),
        (one(floors=1), one(floors=2), {"what": "floors", "from": 1, "to": 2}),
        (one(held=""), one(), {"what": "held", "from": None, "to": "Destructive"}),
    ],
)
def test_what_differs_of_a_step_is_told(old: PlanDocument, new: PlanDocument, told: Data) -> None:
    (step,) = difference(old, new)["changed"]

    assert step["differences"] == [told]
    assert (step["key"], step["name"], step["destroys"]) == ("wp:building:1", "Annex", True)


def test_the_same_thing_done_otherwise_is_another_step() -> None:
    deletes = one()
    replaces = PlanDocument((deletes.lines[0].replace('"delete"', '"replace"'),), deletes.notes)
    found = difference(deletes, replaces)

    assert (identities_of(found["added"]), identities_of(found["removed"])) == (
        [("wp:building:1", "replace")],
        [("wp:building:1", "delete")],
    )


def test_they_come_in_the_order_of_plans() -> None:
    plan = annex_gone().plan
    found = difference(PlanDocument(()), document_of(plan))

    assert identities_of(found["added"]) == [
        (record["key"], record["action"]) for record in document_of(plan).records
    ]


# More than was approved


def test_only_what_goes_beyond_an_approval_is_compared_with_it() -> None:
    def more(rig: Any) -> None:
        put(rig.source, space(103, "Skylab", 1))
        del rig.source.spaces[102]

    approved, plan = document_of(annex_gone().plan), annex_gone(more).plan
    further = next(step for step in plan.steps if key_of(step) == "wp:room:102")
    found = beyond(approved, replace(plan, beyond=(further,)))

    assert identities_of(found["added"]) == [("wp:room:102", "delete")]
    assert found["changed"] == []


# The cluster


NEW, OLD = "1f2e3d4c5b", "0000000000"


def showing(cluster: FakeCluster, name: str, namespace: str = "tenants") -> tuple[Data, str]:
    return asyncio.run(show(cluster, namespace, name))  # type: ignore[arg-type]


def refusal(cluster: FakeCluster, name: str, namespace: str = "tenants") -> str:
    with pytest.raises(SyncError) as refused:
        showing(cluster, name, namespace)
    assert "\n" not in refused.value.message
    return refused.value.message


@pytest.mark.parametrize("name", ["acme-1f2e3d4c5b", "acme"])
def test_a_plan_is_found_by_its_own_name_and_by_its_targets(name: str) -> None:
    report, cluster = annex_gone(), FakeCluster()
    cluster.add(report.plan, NEW)
    cluster.target(name="acme-1f2e3d4c5b")
    data, command = showing(cluster, name)
    ours = as_data(report, Requests())

    assert {key: data[key] for key in data if key != "syncPlan"} == {
        key: ours[key] for key in data if key in ours
    }
    assert len(data["steps"]) == 6
    assert data["syncPlan"] == {
        "name": "acme-1f2e3d4c5b", "namespace": "tenants", "synctarget": "acme", "state": "ApprovalRequired",
        "supersededBy": "", "approvedBy": "", "estimatedCalls": data["syncPlan"]["estimatedCalls"],
        "quotaLeft": 1000 - data["syncPlan"]["estimatedCalls"],
    }  # fmt: skip
    assert data["syncPlan"]["estimatedCalls"] >= 6
    assert command.startswith("kubectl patch syncplan acme-1f2e3d4c5b -n tenants ")
    assert report.plan.held_digest in command


def test_a_plan_goes_before_a_target_of_the_same_name() -> None:
    cluster = FakeCluster()
    cluster.add(annex_gone().plan, NEW)
    cluster.objects["SyncTarget", "acme-1f2e3d4c5b"] = {"status": {"plan": {"name": "other"}}}

    assert showing(cluster, "acme-1f2e3d4c5b")[0]["syncPlan"]["name"] == "acme-1f2e3d4c5b"


@pytest.mark.parametrize(
    ("state", "status", "approval"),
    [
        ("Superseded", {"supersededBy": "acme-2"}, {}),
        ("ApprovalRequired", {"supersededBy": "acme-2"}, {}),
        ("Applied", {}, {}),
        ("ApprovalRequired", {}, {"digest": "sha256:1", "by": "ada"}),
    ],
)
def test_nobody_is_told_to_approve_what_cannot_be_approved(
    state: str, status: dict[str, str], approval: dict[str, str]
) -> None:
    cluster = FakeCluster()
    body = cluster.add(annex_gone().plan, NEW, state, **status)
    if approval:
        body["spec"]["approval"] = approval
    data, command = showing(cluster, "acme-1f2e3d4c5b")

    assert command == ""
    assert data["syncPlan"]["approvedBy"] == approval.get("by", "")
    assert data["syncPlan"]["supersededBy"] == status.get("supersededBy", "")


def test_a_plan_in_which_nothing_is_held_needs_no_approval() -> None:
    rig, cluster = synced(), FakeCluster()
    edit(rig.source.buildings, 10, name="Tower II")
    cluster.add(rig.plan(), NEW, "Planned")
    data, command = showing(cluster, "acme-1f2e3d4c5b")

    assert (command, data["held"], data["heldDigest"]) == ("", 0, "")
    assert "Planned" in RENDERERS["text"](data, command).splitlines()[0]


def test_a_quarantined_plan_says_why() -> None:
    rig, cluster = synced(), FakeCluster()
    rig.settings = Settings(guards=replace(WIDE, updates=Budget(10, 1)))
    edit(rig.source.buildings, 10, name="Tower II")
    cluster.add(rig.plan(), NEW, "Quarantined")
    data, command = showing(cluster, "acme-1f2e3d4c5b")

    assert "spec.update.budget" in data["quarantine"][0]
    assert RENDERERS["text"](data, command).splitlines()[1] == (
        f"! quarantined, nothing is written: {data['quarantine'][0]}"
    )


def test_two_plans_of_the_cluster_are_compared() -> None:
    cluster = FakeCluster()
    cluster.add(annex_gone().plan, OLD, "Superseded")
    cluster.add(annex_gone(lambda rig: put(rig.source, space(103, "Skylab", 1))).plan, NEW)
    cluster.target(name="acme-1f2e3d4c5b")
    found = asyncio.run(compare(cluster, "tenants", "acme", "acme-0000000000"))  # type: ignore[arg-type]

    assert (found["plan"], found["against"]) == ("acme-1f2e3d4c5b", "acme-0000000000")
    assert identities_of(found["added"]) == [("wp:room:103", "create")]
    assert (found["removed"], found["changed"]) == ([], [])


def test_what_is_not_there_is_one_sentence() -> None:
    cluster = FakeCluster()
    said = refusal(cluster, "acme")
    assert 'there is no SyncPlan and no SyncTarget "acme" in namespace "tenants"' in said
    assert "kubectl get syncplans -n tenants" in said
    cluster.target()
    assert "SyncTarget tenants/acme has no plan to show" in refusal(cluster, "acme")
    cluster.objects["SyncTarget", "acme"].pop("status")
    assert "SyncTarget tenants/acme has no plan to show" in refusal(cluster, "acme")
    cluster.target(name="acme-1f2e3d4c5b")
    assert 'there is no SyncPlan "acme-1f2e3d4c5b"' in refusal(cluster, "acme")
    assert 'in namespace "elsewhere"' in refusal(cluster, "acme", "elsewhere")


def test_what_may_not_be_read_says_which_right_it_takes() -> None:
    cluster = FakeCluster(error=Forbidden('syncplans "acme" is forbidden'))

    with pytest.raises(ConfigError, match="is forbidden; it takes the right to get syncplans"):
        showing(cluster, "acme")


def test_a_cluster_that_does_not_answer_is_one_sentence() -> None:
    cluster = FakeCluster(error=Unavailable("the Kubernetes API did not answer"))

    with pytest.raises(TransientError, match="could not be looked up: the Kubernetes API did not answer"):
        showing(cluster, "acme")


def test_a_damaged_plan_is_one_sentence_and_shows_nothing() -> None:
    cluster = FakeCluster()
    plan = annex_gone().plan
    body = cluster.add(plan, NEW)
    chunk = cluster.objects.pop(("ConfigMap", body["spec"]["chunks"][0]))
    assert "is gone" in refusal(cluster, "acme-1f2e3d4c5b")
    fewer = next(iter(cut(*document_of(replace(plan, steps=plan.steps[:-1])).streams())))
    cluster.objects["ConfigMap", body["spec"]["chunks"][0]] = {**chunk, "binaryData": fewer}
    assert "SyncPlan acme-1f2e3d4c5b cannot be shown" in refusal(cluster, "acme-1f2e3d4c5b")


async def test_a_plan_that_is_read_is_the_one_that_was_made() -> None:
    cluster = FakeCluster()
    plan = await asyncio.to_thread(lambda: annex_gone().plan)
    cluster.add(plan, NEW)
    _, found = await find(cluster, "tenants", "acme-1f2e3d4c5b")  # type: ignore[arg-type]

    assert found == document_of(plan)
