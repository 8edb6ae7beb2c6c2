"""A report in, text for people or programs out."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from engage_sync.render import RENDERERS, as_data, as_json, as_markdown, as_text
from engage_sync.states import Requests
from reconcilers.apply import Applied, Outcome, Status
from reconcilers.model import KINDS, Current, Key, Kind
from reconcilers.plan import Plan, Withheld
from reconcilers.proof import Gap
from reconcilers.report import Report
from reconcilers.steps import Action, Delete
from tests.engine.rig import FaultAt
from tests.engine.samples import building, edit, put, space, synced, two_buildings

CALLS = Requests(source=41, target=133)


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
    text = RENDERERS[form](everything(), CALLS)

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
    text = RENDERERS[form](named(name), CALLS)

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
