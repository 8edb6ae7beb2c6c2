from reconcilers.apply import Status
from reconcilers.events import Planned, Progress, Remembered
from reconcilers.model import Kind
from reconcilers.policy import Policies
from reconcilers.source import Floor
from reconcilers.sync import Settings
from tests.engine.rig import UNGUARDED, GateAfter, Rig
from tests.engine.samples import building, edit, put, space, synced, two_buildings


def row(rig: Rig, kind: Kind) -> dict[str, int]:
    report = rig.sync()
    (found,) = [row for row in report.kinds if row.kind is kind]
    told = {name: getattr(found, name) for name in found.__dataclass_fields__ if name != "kind"}
    return {name: count for name, count in told.items() if count}


def test_kinds_are_counted_in_hierarchy_order() -> None:
    assert [row.kind for row in synced().sync().kinds] == list(Kind)


def test_a_first_run_counts_what_it_makes() -> None:
    rig = Rig(two_buildings())
    put(rig.source, building(30, "Hangar"))

    assert row(rig, Kind.LOCATION) == {
        "source": 3, "in_scope": 2, "target": 2, "mapped": 2, "created": 2, "skipped": 1,
    }  # fmt: skip


def test_a_run_counts_updates_deletes_replacements_and_failures() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Vostok")
    del rig.source.spaces[101]
    edit(rig.source.spaces, 102, type=52)
    put(rig.source, space(300, "New", 1))
    rig.target.refused = {"wp:room:300"}

    assert row(rig, Kind.RESOURCE) == {
        "source": 5, "in_scope": 5, "target": 4, "mapped": 4,
        "created": 1, "updated": 1, "deleted": 2, "failed": 1,
    }  # fmt: skip


def test_a_run_that_was_stopped_says_so_and_what_was_done() -> None:
    rig = Rig(two_buildings(), gate=GateAfter(3))

    report = rig.sync()

    assert str(report.ended_by) == "told to stop"
    assert report.writes == 3
    assert report.failed == []


def test_a_plan_alone_writes_and_remembers_nothing() -> None:
    rig = Rig(two_buildings())

    assert len(rig.plan().steps) == 16
    assert (rig.target.sent, rig.store.commits) == (0, 0)


def test_what_happens_is_told_while_it_happens() -> None:
    rig = synced()
    told = [type(event) for event in rig.heard]
    last = [event for event in rig.heard if isinstance(event, Progress)][-1]

    assert told[0] is Planned
    assert told[-1] is Remembered
    assert (last.done, last.total) == (16, 16)


def test_an_outcome_is_told_once_a_step() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Gemini")
    edit(rig.source.spaces, 101, name="Apollo")
    edit(rig.source.buildings, 20, city="Dallas")

    report = rig.sync()

    assert report.applied is not None
    told = [outcome.key for outcome in report.applied.outcomes]
    assert len(told) == len(set(told)) == len(report.plan.steps)
    assert {outcome.status for outcome in report.applied.outcomes} == {Status.DONE}


def nothing_deleted() -> Rig:
    """In step, and from now on without the right to delete."""
    source = two_buildings()
    put(source, space(300, "Apollo", 2))  # the second of its name, so the floor's is behind it
    rig = synced(source)
    allowed = Policies(frozenset({"Observe", "Create", "Update"}))
    rig.settings = Settings(guards=UNGUARDED, policies=allowed)
    return rig


def test_what_waits_for_what_the_policies_forbid_is_no_problem() -> None:
    rig = nothing_deleted()
    del rig.source.spaces[100]

    report = rig.sync()

    assert {item.key: item.reason for item in report.plan.withheld} == {
        "wp:room:100": "ManagementPolicies",
        "wp:room:300": "WaitsForWithheld",
    }
    assert report.whole


def test_what_waits_is_a_problem_where_not_all_is_withheld_by_policy() -> None:
    rig = nothing_deleted()
    tower = rig.target.find("wp:building:10")["id"]
    rig.target.insert("floors", {"ResourceName": "Roof", "InternalParentId": tower, "FloorNumber": "7"})
    put(rig.source, Floor(9, "Floor 7", 10), space(301, "Vostok", 9))
    del rig.source.spaces[100]

    assert {item.key: item.reason for item in rig.sync().problems} == {
        "wp:floor:9": "NameTaken",
        "wp:room:300": "WaitsForWithheld",
        "wp:room:301": "WaitsForWithheld",
    }


def test_nobody_is_sent_to_delete_by_hand_what_is_ours_and_kept() -> None:
    rig = synced()
    del rig.source.floors[4]  # its desk is listed still: an orphan, which stays with all that it needs

    (problem,) = rig.sync().problems

    assert (problem.key, problem.reason) == ("wp:floor:4", "NotEmpty")
    assert "not understood" in problem.message


def test_nobody_is_sent_to_rename_by_hand_what_is_ours_and_kept() -> None:
    rig = synced()
    rig.source.garbled = {("spaces", 100)}
    put(rig.source, space(300, "Apollo", 2))

    (problem,) = rig.sync().problems

    assert (problem.key, problem.reason) == ("wp:room:300", "NameTaken")
    assert "not understood" in problem.message
