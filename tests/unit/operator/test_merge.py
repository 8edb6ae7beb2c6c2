"""Merging from outside: wired as in production against a sandbox, and what people are told of it."""

import pytest

from engage_sync import status
from engage_sync.crd import fit_status
from engage_sync.render import as_json, as_markdown, as_text
from engage_sync.run_data import as_data
from engage_sync.schedule import Trigger
from engage_sync.settings import settings_of
from engage_sync.spec import Merge, Spec
from engage_sync.states import Requests
from engage_sync.status import RunFacts
from reconcilers.errors import UnsupportedEnvironment
from reconcilers.model import Key
from reconcilers.onboarding import Onboarding
from reconcilers.report import Report
from reconcilers.steps import Action
from reconcilers.why import explain
from tests.engine.by_hand import filled, named, twin
from tests.engine.memory_store import MemoryStore
from tests.engine.rig import Rig
from tests.engine.samples import put, space
from tests.unit.operator.test_status import NOW, after
from tests.unit.operator.wired import World
from tests.unit.reconcilers.test_why import seen

CALLS = Requests(source=1, target=2)


def existing(spec: Spec, percent: int = 80) -> Spec:
    merge = Merge(minimum_match_percent=percent)
    return spec.model_copy(update={"onboarding": Onboarding.EXISTING, "merge": merge})


def ambiguous() -> Rig:
    rig = filled()
    put(rig.source, space(101, "GÉMINI", 1))
    twin(rig.target, "rooms", named(rig.target, "rooms", "Gemini"), ResourceName="Gemini ")
    return rig


def unlike() -> Report:
    rig = filled()
    for number in range(9):
        put(rig.source, space(110 + number, f"X{number}", 1))
    return rig.sync()


async def forget(world: World) -> int:
    """Nobody knows any more who is who; how many there are."""
    data = world.sandbox.engage.data
    number = 0
    for kind in ("countries", "regions", "groups", "workspaceTypes", "locations", "floors", "rooms", "desks"):
        for item in world.sandbox.engage.items(kind):
            data.change(kind, item["InternalId"], {"ExternalId": None})
            number += 1
    world.store = MemoryStore()
    return number


def test_the_engine_is_told_what_the_spec_says(world: World) -> None:
    spec = world.manifests.spec
    assert (settings_of(spec).onboarding, settings_of(spec).minimum_match) == (Onboarding.NEW, 80)
    settings = settings_of(existing(spec, 55))
    assert (settings.onboarding, settings.minimum_match) == (Onboarding.EXISTING, 55)


async def test_a_whole_engage_is_adopted_over_http_and_the_second_run_writes_nothing(world: World) -> None:
    await world.run(apply=True)
    number, spec = await forget(world), existing(world.manifests.spec)
    before = world.writes

    plan = (await world.run(apply=False, spec=spec)).require_report().plan
    assert {step.action for step in plan.steps} == {Action.ADOPT}
    assert len(plan.steps) == number
    done = await world.run(apply=True, spec=spec)
    assert done.error is None
    assert done.require_report().whole
    assert world.writes == before + number
    await world.run(apply=True, spec=spec)
    assert world.writes == before + number


async def test_new_stops_before_what_engage_holds(world: World) -> None:
    await world.run(apply=True)
    await forget(world)
    before = world.writes

    for apply in (False, True):
        result = await world.run(apply=apply)
        assert isinstance(result.error, UnsupportedEnvironment)
        assert result.require_report().plan.steps
    assert world.writes == before
    assert world.store.entries is None


@pytest.mark.parametrize("form", [as_text, as_markdown, as_json])
def test_what_is_ambiguous_is_listed_with_what_it_could_be(form: object) -> None:
    report = ambiguous().sync()
    text = form(as_data(report, CALLS), "")  # type: ignore[operator]
    assert "AmbiguousMatch" in text
    assert "wp:room:101" in text
    assert "Gemini " in text


def test_an_adoption_is_shown_as_such() -> None:
    rig = filled()
    text = as_text(as_data(Report(rig.plan(), None, ()), CALLS))
    assert "= Resource Gemini (wp:room:101)" in text
    assert 'ExternalId: none → "wp:room:101"' in text


def test_the_status_counts_and_names_what_is_left_alone_and_is_ready() -> None:
    new = after(ambiguous().sync())
    assert {"kind": "Resource", "reason": "AmbiguousMatch", "count": 1} in new["skips"]
    ready = next(each for each in new["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "InSync")
    assert "1 could not be matched" in ready["message"]
    assert "wp:room:101" in ready["message"]
    assert new.get("failures", []) == []


def test_an_unsupported_environment_is_stalled_and_both_systems_healthy() -> None:
    report = unlike()
    assert report.ended_by is not None
    facts = RunFacts("id", Trigger.SCHEDULE, "Plan", 1, NOW, NOW, report=report, error=report.ended_by)
    new = fit_status(status.finished({}, facts, lambda _: NOW, lambda _: "again soon"))
    conditions = {each["type"]: each for each in new["conditions"]}
    assert conditions["Stalled"]["reason"] == conditions["Ready"]["reason"] == "UnsupportedEnvironment"
    assert "minimumMatchPercent" in conditions["Stalled"]["message"]
    assert conditions["SourceHealthy"]["status"] == conditions["TargetHealthy"]["status"] == "True"


def test_why_says_what_it_could_be_and_what_hangs_on_it() -> None:
    rig = ambiguous()
    view = seen(rig)
    told = " ".join(explain(view, Key("wp:room:101"), rig.settings).scope)
    assert "Left out (AmbiguousMatch): it could be" in told

    tower = named(rig.target, "locations", "Tower")
    tower["ExternalId"] = "SAP-1"
    view = seen(rig)
    for key, says in (("wp:building:10", "another system"), ("wp:floor:1", "hangs on something")):
        assert says in " ".join(explain(view, Key(key), rig.settings).scope)
