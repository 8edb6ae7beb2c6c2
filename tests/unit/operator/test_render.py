"""A report in, text for people or programs out."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from engage_sync.plan_document import document_of
from engage_sync.render import RENDERERS
from engage_sync.render import as_json as json_of
from engage_sync.render import as_markdown as markdown_of
from engage_sync.render import as_text as text_of
from engage_sync.render_difference import DIFFERENCE_RENDERERS
from engage_sync.run_data import Data, as_data, plan_data
from engage_sync.states import Requests
from reconcilers.apply import Applied, Outcome, Status
from reconcilers.guard import WHY_HELD, Budget, Guards
from reconcilers.impact import Impact
from reconcilers.model import KINDS, Current, Key, Kind
from reconcilers.plan import Held, Plan, Withheld
from reconcilers.proof import Gap
from reconcilers.report import Report
from reconcilers.source import SpaceType
from reconcilers.steps import Action, Delete, Rebind
from reconcilers.sync import Settings
from tests.engine.rig import FaultAt
from tests.engine.samples import building, edit, put, space, synced, two_buildings

CALLS = Requests(source=41, target=133)
COMMAND = "engage-sync sync -f target.yaml --approve sha256:0123"


def as_text(report: Report, requests: Requests) -> str:
    return text_of(as_data(report, requests))


def as_markdown(report: Report, requests: Requests) -> str:
    return markdown_of(as_data(report, requests))


def as_json(report: Report, requests: Requests) -> str:
    return json_of(as_data(report, requests))


def report_of(change: Any = lambda source: None) -> Report:
    """The report of a second run, after a change of the source."""
    rig = synced()
    change(rig.source)
    return rig.sync()


def changed(source: Any) -> None:
    edit(source.buildings, 10, name="Tower II")
    del source.spaces[102]
    put(source, space(103, "Skylab", 1))


def everything() -> Report:
    """A report in which there is something of each sort."""
    outcomes = [
        Outcome(
            Kind.RESOURCE, Key("wp:room:2"), "B", Action.CREATE, Status.SKIPPED, "Dependency", "waits for A"
        ),
        Outcome(
            Kind.FLOOR, Key("wp:floor:1"), "A", Action.UPDATE, Status.FAILED, "Refused", "not | like this"
        ),
        Outcome(Kind.FLOOR, Key("wp:floor:2"), "C", Action.UPDATE, Status.DONE),
    ]
    report = report_of(changed)
    kept = Withheld(Action.DELETE, Kind.LOCATION, Key("wp:building:9"), "Old", "Policy")
    return replace(
        report,
        plan=replace(report.plan, withheld=(kept,)),
        applied=Applied(outcomes),
        skips={(Kind.LOCATION, "NoTimeZone"): 2},
        gaps=(Gap("rooms", "one was unreadable"),),
    )


def test_a_plan_reads_like_terraforms() -> None:
    lines = as_text(report_of(changed), CALLS).splitlines()

    assert lines[:4] == [
        "~ Location Tower II (wp:building:10)",
        '    ResourceName: "Tower" → "Tower II"',
        "+ Resource Skylab (wp:room:103)",
        lines[3],
    ]
    assert lines[3].startswith("- Resource D-1 (wp:room:102): ")
    assert re.fullmatch(r"Plan: \+1 ~1 -1   sha256:[0-9a-f]{64}", lines[-2])
    assert lines[-1] == "Calls: 41 to Workplace, 133 to Engage"


def test_nothing_to_do_is_a_table_and_in_sync() -> None:
    lines = as_text(report_of(), CALLS).splitlines()

    assert lines[0].startswith("Kind ")
    assert [line.split()[0] for line in lines[1:8]] == [kind.value for kind in KINDS]
    assert lines[-2].startswith("Plan: in sync   sha256:")


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_people_are_told_all_that_did_not_happen(form: str) -> None:
    text = RENDERERS[form](as_data(everything(), CALLS), "")

    for remark in (
        "skipped: delete Location Old (wp:building:9): Policy",
        "the source is not complete: ",
        "left out: 2 Location, NoTimeZone",
        "failed: update Floor A (wp:floor:1): not | like this",
        "skipped: create Resource B (wp:room:2): waits for A",
        "+1 ~1 -1, 1 withheld",
    ):
        assert remark in text
    assert "wp:floor:2" not in text


def test_programs_are_told_the_same() -> None:
    data = json.loads(as_json(everything(), CALLS))

    assert data["skips"] == [{"kind": "Location", "reason": "NoTimeZone", "count": 2}]
    assert [failure["key"] for failure in data["failures"]] == ["wp:floor:1", "wp:room:2", "wp:building:9"]
    assert data["failures"][0] == {
        "kind": "Floor",
        "key": "wp:floor:1",
        "name": "A",
        "action": "update",
        "status": "failed",
        "reason": "Refused",
        "message": "not | like this",
    }
    assert [item["key"] for item in data["withheld"]] == ["wp:building:9"]
    assert len(data["gaps"]) == 1
    assert data["requests"] == {"source": 41, "target": 133}


def test_the_summary_counts_the_steps() -> None:
    data = as_data(report_of(changed), CALLS)

    for kind, row in data["summary"].items():
        steps = [step["action"] for step in data["steps"] if step["kind"] == kind]
        assert row == {action.value: steps.count(action.value) for action in Action}


def test_failures_come_before_what_was_skipped_because_of_them() -> None:
    assert [outcome.status for outcome in everything().failed] == [Status.FAILED, Status.SKIPPED]


def test_an_early_end_shows_in_no_count() -> None:
    from reconcilers.errors import QuotaExhausted

    rig = synced()
    put(rig.source, space(103, "Skylab", 1))
    rig.target.fault = FaultAt(1, QuotaExhausted("used up"), start=rig.target.sent)
    data = as_data(rig.sync(), CALLS)

    assert data["failures"] == []
    assert data["summary"]["Resource"]["create"] == 1


def named(name: str) -> Report:
    """A report of one building of this name; as the target holds it, for the engine folds what it reads."""
    steps = report_of(lambda source: source.spaces.pop(102)).plan.steps
    (gone,) = (step for step in steps if isinstance(step, Delete))
    current: Current = replace(gone.current, values=(name, *gone.current.values[1:]))
    return replace(report_of(), plan=Plan((replace(gone, current=current),)))


def test_half_a_character_can_be_printed_and_read_back() -> None:
    text = as_json(named("A\ud83d"), CALLS)

    assert text.encode()
    assert json.loads(text)["steps"][0]["name"] == "A\ud83d"


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("name", ["\x1b]0;owned\x07", "a\nPlan: in sync", "a\rb", "\u202eevil"])
def test_no_name_gets_a_terminal_to_do_things(form: str, name: str) -> None:
    text = RENDERERS[form](as_data(named(name), CALLS), "")

    assert all(char.isprintable() or char == "\n" for char in text)
    assert not text.startswith("Plan: in sync")
    assert "\nPlan: in sync\n" not in text


def test_names_of_all_languages_stay_as_they_are() -> None:
    assert "- Resource Köln 東京 🏢 (" in as_text(named("Köln 東京 🏢"), CALLS)


def test_no_name_breaks_a_markdown_table() -> None:
    text = as_markdown(named("</details> a|b"), CALLS)
    row = next(line for line in text.splitlines() if line.startswith("| delete |"))

    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert text.count("</details>") == 1


def test_json_of_a_name_is_the_name() -> None:
    name = "\x1b a|b </details> 東京"

    assert json.loads(as_json(named(name), CALLS))["steps"][0]["name"] == name


def test_the_order_of_the_source_changes_nothing() -> None:
    forward, backward = two_buildings(), two_buildings()
    for source, ids in ((forward, (30, 40)), (backward, (40, 30))):
        put(source, *(building(id, f"House {id}") for id in ids))

    first, second = (as_json(synced(source).sync(), CALLS) for source in (forward, backward))
    assert first == second


# What waits for an approval

WIDE = Guards(deletions=Budget(100, 1), updates=Budget(100, 1), below_location=Budget(100, 1))


def without_the_annex(guards: Guards = WIDE) -> Report:
    """A building is gone with all that is in it; that waits, a rename does not."""
    rig = synced()
    rig.settings = Settings(guards=guards)
    edit(rig.source.buildings, 10, name="Tower II")
    for table, ids in (("buildings", (20,)), ("floors", (3, 4)), ("spaces", (200, 201))):
        for each in ids:
            del getattr(rig.source, table)[each]
    rig.source.centers[95] = replace(rig.source.centers[95], buildings=frozenset({10}))
    return rig.sync()


def booked(report: Report, key: str, impact: Impact) -> Report:
    """The same, with this at risk."""
    impacts = {**report.plan.impacts, Key(key): impact}
    return replace(report, plan=replace(report.plan, impacts=impacts))


def test_what_is_held_is_marked_and_followed_by_why_and_by_what_goes_with_it() -> None:
    risk = Impact(floors=2, resources=2, bookings=frozenset("abc"), unknown=1)
    lines = text_of(as_data(booked(without_the_annex(), "wp:building:20", risk), CALLS), COMMAND).splitlines()
    at = lines.index("- [held] Location Annex (wp:building:20): gone from the source")

    assert lines[at + 1 : at + 4] == [
        "    held: it cannot be undone",
        "    goes with it: 2 floors and 2 resources",
        "    future bookings: 3 and unknown",
    ]
    assert sum("[held]" in line for line in lines) == 5
    assert "~ Location Tower II (wp:building:10)" in lines


def test_the_last_that_is_said_is_how_to_approve_exactly_this() -> None:
    data = as_data(without_the_annex(), CALLS)

    assert text_of(data, COMMAND).splitlines()[-2:] == [
        "5 steps wait for an approval. To approve exactly these:",
        f"  {COMMAND}",
    ]
    assert f"To approve exactly these:\n\n    {COMMAND}\n" in markdown_of(data, COMMAND)
    assert "~1 -5, 5 held   sha256:" in text_of(data)
    for render in (text_of, markdown_of):
        assert "approve" not in render(data, "")
        assert "approve" not in render(as_data(report_of(changed), CALLS), COMMAND)


def test_programs_are_told_what_is_held_and_what_goes_with_it() -> None:
    risk = Impact(floors=2, resources=2, bookings=frozenset("abc"), unknown=1)
    report = booked(without_the_annex(), "wp:building:20", risk)
    report = booked(report, "wp:room:200", Impact(unknown=1))
    data = json.loads(json_of(as_data(report, CALLS), COMMAND))
    annex, room = (
        {step["key"]: step for step in data["steps"]}[key] for key in ("wp:building:20", "wp:room:200")
    )

    assert (data["held"], data["heldDigest"]) == (5, report.plan.held_digest)
    assert annex["held"] == "Destructive"
    assert (annex["floors"], annex["resources"], annex["bookings"]) == (2, 2, "3 and unknown")
    assert (room["held"], room["floors"], room["resources"], room["bookings"]) == (
        "BelowDestroyed", 0, 0, "unknown"
    )  # fmt: skip
    assert not {"held", "floors", "resources", "bookings"} & data["steps"][0].keys()
    assert COMMAND not in json_of(data, COMMAND)


def test_what_goes_with_a_step_that_is_not_held_is_told_too() -> None:
    report = booked(report_of(changed), "wp:room:102", Impact(unknown=1))
    (gone,) = (step for step in as_data(report, CALLS)["steps"] if step["action"] == "delete")

    assert (gone["floors"], gone["resources"], gone["bookings"]) == (0, 0, "unknown")
    assert "held" not in gone


def test_bookings_are_not_told_of_what_has_none_by_nature() -> None:
    rig = synced()
    put(rig.source, SpaceType(60, "Lounge", "We Spaces"), space(104, "Sofa", 1, 60))
    rig.sync()
    del rig.source.types[60], rig.source.spaces[104]
    data = as_data(booked(rig.sync(), "wp:room:104", Impact()), CALLS)
    sofa, lounge = data["steps"]

    assert (sofa["key"], sofa["bookings"]) == ("wp:room:104", "0")
    assert (lounge["key"], lounge["floors"], lounge["resources"]) == ("wp:type:60", 0, 0)
    assert "bookings" not in lounge
    assert text_of(data).count("future bookings: ") == 1


def test_a_quarantine_comes_first() -> None:
    data = as_data(without_the_annex(replace(WIDE, deletions=Budget(10, 1))), CALLS)
    text, markdown = text_of(data, COMMAND), markdown_of(data, COMMAND)

    (sentence,) = data["quarantine"]
    assert "spec.deletion.budget" in sentence
    assert text.startswith(f"! quarantined, nothing is written: {sentence}\n")
    assert f"> quarantined, nothing is written: {sentence}" in markdown
    assert markdown.index("quarantined") < markdown.index("| Kind |")
    assert data["held"] == len(data["steps"]) == 6
    assert text.endswith(COMMAND)


def test_every_reason_to_hold_is_put_in_words() -> None:
    report = without_the_annex()
    for code, words in WHY_HELD.items():
        held = tuple(Held(item.step, code) for item in report.plan.held)
        data = as_data(replace(report, plan=replace(report.plan, held=held)), CALLS)
        assert f"    held: {words}\n" in text_of(data)
        assert f"| held: {words}; " in markdown_of(data)


def test_all_that_holds_a_step_is_told_in_one_sentence() -> None:
    report = without_the_annex()
    held = (Held(report.plan.held[0].step, "FutureBookings", ("Destructive", "SubtreeBudget")),)
    data = as_data(replace(report, plan=replace(report.plan, held=held)), CALLS)
    told = (
        "held: people have booked it; it cannot be undone; "
        "too much of its location would go at once (spec.deletion.subtreeBudget)"
    )

    (step,) = (step for step in data["steps"] if "held" in step)
    assert (step["held"], step["heldAlso"]) == ("FutureBookings", ["Destructive", "SubtreeBudget"])
    assert f"    {told}\n" in text_of(data)
    assert f"| {told}; " in markdown_of(data)


def test_a_rebind_has_a_sign_and_a_count() -> None:
    rig = synced()
    old = rig.source.spaces.pop(100)
    put(rig.source, replace(old, id=900))
    report = rig.sync()
    (step,) = report.plan.steps
    assert isinstance(step, Rebind)
    data = as_data(report, CALLS)

    assert data["summary"]["Resource"]["rebind"] == 1
    assert text_of(data).splitlines()[:2] == [
        "≈ Resource Apollo (wp:room:900)",
        '    ExternalId: "wp:room:100" → "wp:room:900"',
    ]


def test_the_summary_is_the_plans_own() -> None:
    rig = synced()
    put(rig.source, replace(rig.source.spaces.pop(100), id=900))
    changed(rig.source)
    reports = [report_of(), report_of(changed), rig.sync(), without_the_annex()]
    for report in reports:
        assert f"Plan: {report.plan.summary}" in as_text(report, CALLS)


def test_a_step_that_destroys_more_than_was_approved_is_told_in_comparison() -> None:
    step = {"action": "delete", "kind": "Resource", "key": "wp:room:1", "name": "Apollo"}
    bookings = {"what": "bookings", "from": "3", "to": "4", "more": 2, "fewer": 1}
    data = as_data(without_the_annex(), CALLS)
    data["beyond"] = {"added": [step], "changed": [{**step, "differences": [bookings]}]}

    for render in (text_of, markdown_of):
        said = render(data, COMMAND)
        assert "more than was approved: delete Resource Apollo (wp:room:1) was not approved" in said
        assert (
            "more than was approved: delete Resource Apollo (wp:room:1): bookings: 4, was 3 (2 more, 1 fewer)"
            in said
        )


def from_cluster(report: Report, **about: Any) -> Data:
    """The same plan as it comes from a SyncPlan."""
    known = {
        "name": "acme-1", "namespace": "tenants", "synctarget": "acme", "state": "ApprovalRequired",
        "supersededBy": "", "approvedBy": "", "estimatedCalls": 12, "quotaLeft": None,
    }  # fmt: skip
    return {"syncPlan": {**known, **about}, **plan_data(document_of(report.plan), report.plan.quarantine)}


def test_a_plan_from_the_cluster_reads_as_one_from_a_run() -> None:
    report = without_the_annex()
    ours, theirs = as_data(report, CALLS), from_cluster(report)
    steps = text_of(ours).partition("\n\n")[0]

    assert {key: ours[key] for key in theirs if key != "syncPlan"} == {
        key: value for key, value in theirs.items() if key != "syncPlan"
    }
    assert text_of(theirs, COMMAND) == "\n".join((
        "SyncPlan tenants/acme-1 of SyncTarget acme: ApprovalRequired", steps, "", "",
        f"Plan: {report.plan.summary}, 5 held   {report.plan.digest}",
        "Calls: 12 to Engage for all steps", "",
        "5 steps wait for an approval. To approve exactly these:", f"  {COMMAND}",
    ))  # fmt: skip
    assert "> SyncPlan tenants/acme-1 of SyncTarget acme: ApprovalRequired" in markdown_of(theirs)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"quotaLeft": 49000}, "Calls: 12 to Engage for all steps, 49000 left of this week after them"),
        ({"quotaLeft": -3}, "Calls: 12 to Engage for all steps, 3 more than this week has"),
        ({"state": "Applied", "approvedBy": "ada"}, "acme: Applied, approved by ada\n"),
        ({"state": "Superseded", "supersededBy": "acme-2"}, "acme: Superseded by acme-2\n"),
    ],
)
def test_a_plan_from_the_cluster_says_what_became_of_it(about: dict[str, Any], says: str) -> None:
    assert says in text_of(from_cluster(without_the_annex(), **about))


def test_nothing_of_another_version_is_hidden() -> None:
    data = from_cluster(report_of(changed))
    data["steps"] = [{**data["steps"][0], "action": "merge", "held": "SomethingNew", "later": 1}]

    assert text_of(data).splitlines()[1:3] == [
        "? merge [held] Location Tower II (wp:building:10)",
        "    held: SomethingNew",
    ]
    assert "| merge | Location | Tower II |" in markdown_of(data)


# Two plans


def test_two_plans_side_by_side() -> None:
    _, new, gone = ({**step, "destroys": step["action"] == "delete"}
                    for step in as_data(report_of(changed), CALLS)["steps"])  # fmt: skip
    values = {"what": "Capacity", "from": None, "to": {"from": 4, "to": 6}}
    floors = {"what": "floors", "from": 2, "to": 3}
    change = {"action": "delete", "kind": "Location", "key": "k", "name": "N", "destroys": True,
              "differences": [values, floors]}  # fmt: skip
    data = {"plan": "b", "against": "a", "added": [gone], "removed": [new], "changed": [change]}

    text = DIFFERENCE_RENDERERS["text"](data, "").splitlines()
    assert text[0] == "Only in b (1 step, of which 1 destroys):"
    assert text[1].startswith("- Resource D-1 (wp:room:102): ")
    assert "Only in a (1 step, of which none destroys):" in text
    assert text[-4:] == [
        "In both, but different in b (1 step, of which 1 destroys):",
        "- Location N (k)",
        "    Capacity: 4 → 6, was none",
        "    floors: 3, was 2",
    ]
    markdown = DIFFERENCE_RENDERERS["markdown"](data, "")
    assert all(f"    {line}" in markdown.splitlines() or line == "" or line.endswith(":") for line in text)
    assert json.loads(DIFFERENCE_RENDERERS["json"](data, "")) == data


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_two_plans_that_are_the_same(form: str) -> None:
    data: Data = {"plan": "b", "against": "a", "added": [], "removed": [], "changed": []}

    assert DIFFERENCE_RENDERERS[form](data, "").endswith("b and a hold the same steps")


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("name", ["\x1b]0;owned\x07", "a\nb and a hold the same steps", "```\n</details>"])
def test_no_name_in_a_difference_gets_a_terminal_to_do_things(form: str, name: str) -> None:
    (step,) = as_data(named(name), CALLS)["steps"]
    data = {"plan": "b", "against": "a", "added": [{**step, "destroys": True}], "removed": [], "changed": []}
    text = DIFFERENCE_RENDERERS[form](data, "")

    assert all(char.isprintable() or char == "\n" for char in text)
    assert not any(line.startswith(("b and a", "```", "</")) for line in text.splitlines())
