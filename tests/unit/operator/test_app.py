"""One run, wired as in production: what it reads, writes and refuses."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engage_sync import __version__, app
from engage_sync.clients.engage import EngageReader, EngageWriter
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import WEEK, WeekQuota
from engage_sync.meter import quota_status, week_quota
from engage_sync.settings import settings_of
from engage_sync.spec import parse_spec
from engage_sync.states import Quota
from reconcilers.errors import Halted, QuotaExhausted
from reconcilers.ports import Gate, Ports, Writer
from reconcilers.report import Report
from reconcilers.sync import Settings, sync_once
from tests.engine.rig import GateAfter
from tests.synctargets import CANARY, spec
from tests.unit.operator.wired import World


async def test_a_run_that_applies_writes_and_one_that_plans_does_not(world: World) -> None:
    plan = await world.run(apply=False)
    assert (plan.error, world.writes) == (None, 0)
    done = await world.run(apply=True)

    assert done.error is None
    assert done.require_report().plan.digest == plan.require_report().plan.digest
    assert world.writes >= len(done.require_report().plan.steps) == 51


async def test_a_run_that_plans_cannot_write_even_if_something_tries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[EngageSession] = []

    class Spying(EngageReader):
        def __init__(self, session: EngageSession, **options: Any) -> None:
            sessions.append(session)
            super().__init__(session, **options)

    async def treacherous(ports: Ports, settings: Settings, writer: Writer | None, gate: Gate) -> Report:
        assert writer is None
        return await real(ports, settings, EngageWriter(sessions[0]), gate)

    real = sync_once
    monkeypatch.setattr(app, "EngageReader", Spying)
    monkeypatch.setattr(app, "sync_once", treacherous)
    result = await world.run(apply=False)

    assert isinstance(result.error, Halted)
    assert world.sandbox.writes == []
    methods = {(asked.system, asked.method, asked.path) for asked in world.sandbox.journal.requests}
    assert {each for each in methods if each[1] != "GET"} == {("engage", "POST", "/tokenproviderapi/token")}


async def test_a_run_that_plans_remembers_nothing(world: World) -> None:
    await world.run(apply=False)

    assert world.store.commits == 0


async def test_a_gate_that_closes_ends_the_run_with_what_was_done(world: World) -> None:
    result = await world.run(apply=True, gate=GateAfter(10))  # the engine asks, and every attempt

    assert isinstance(result.error, Halted)
    done = result.require_report().writes
    assert 0 < done <= 5
    assert world.writes == done
    again = await world.run(apply=True)
    assert again.error is None
    assert len(again.require_report().plan.steps) == 51 - done


async def test_credentials_are_read_at_the_start_of_each_run(world: World) -> None:
    good = dict(world.manifests.secrets)
    bad = {**good, "acme-engage": {**good["acme-engage"], "password": f"{CANARY}!"}}

    rejected = await world.run(apply=True, secrets=replace(world.manifests, secrets=bad))
    rotated = await world.run(apply=True)

    assert rejected.error is not None
    assert (rejected.error.reason, rejected.error.system) == ("CredentialsRejected", "target")
    assert CANARY not in str(rejected.error)
    assert rotated.error is None


@pytest.mark.parametrize(
    ("field", "secret", "key"),
    [
        ("source.credentialsSecretRef", "acme-workplace", "username"),
        ("source.credentialsSecretRef", "acme-workplace", "password"),
        ("target.credentialsSecretRef", "acme-engage", "clientId"),
        ("target.credentialsSecretRef", "acme-engage", "password"),
        ("target.subscriptionKeysSecretRef", "acme-keys", "HierarchyMapping"),
    ],
)
async def test_a_missing_key_is_told_before_anything_is_asked(
    world: World, field: str, secret: str, key: str
) -> None:
    secrets = {name: dict(keys) for name, keys in world.manifests.secrets.items()}
    del secrets[secret][key]
    result = await world.run(apply=True, secrets=replace(world.manifests, secrets=secrets))

    assert result.error is not None
    assert result.error.reason == "SecretMissing"
    assert result.error.message == f'spec.{field}: Secret "{secret}" has no key "{key}"; add it'
    assert not world.sandbox.journal.requests


async def test_calls_tell_which_product_and_whose(world: World) -> None:
    agents: set[str] = set()
    respond = world.sandbox.respond

    def listen(request: Any) -> Any:
        agents.add(request.text(b"user-agent"))
        return respond(request)

    world.sandbox.respond = listen  # type: ignore[method-assign]
    await world.run(apply=True)

    assert agents == {f"engage-sync/{__version__} (acme)"}


async def test_the_settings_of_the_spec_reach_the_engine(world: World) -> None:
    only_germany = world.manifests.spec.model_copy(
        update={"scope": world.manifests.spec.scope.model_copy(update={"countries": ("DE",)})}
    )
    result = await world.run(apply=False, spec=only_germany)
    rows = {row.kind.value: row.in_scope for row in result.require_report().kinds}

    assert (rows["Country"], rows["Location"]) == (1, 2)


def test_every_field_of_a_spec_that_the_engine_needs_is_passed_on() -> None:
    settings = settings_of(
        parse_spec(
            spec(
                scope={"requireReservationCenter": False, "reservableOnly": False, "countries": ["US"]},
                defaults={"country": "DE", "timeZone": "Europe/Berlin", "groupName": "All"},
                managementPolicies=["Observe", "Create"],
            )
        )
    )

    assert (settings.scope.require_reservation_center, settings.scope.reservable_only) == (False, False)
    assert settings.scope.countries == frozenset({"US"})
    assert (settings.defaults.country, settings.defaults.time_zone) == ("DE", "Europe/Berlin")
    assert settings.defaults.group_name == "All"
    assert settings.policies.allowed == frozenset({"Observe", "Create"})


# The week's calls


async def test_the_weeks_count_goes_on_through_the_status(world: World) -> None:
    first = await world.run(apply=True)
    second = await world.run(apply=False, quota=first.quota)

    assert first.quota is not None
    assert second.quota is not None
    engage = sum(n for asked, n in world.sandbox.journal.requests.items() if asked.system == "engage")
    tokens = 2
    assert second.quota["used"] == engage - tokens
    assert second.quota["weekStart"] == first.quota["weekStart"]


async def test_a_week_that_is_used_up_ends_the_run_before_a_write(world: World) -> None:
    target = world.manifests.spec.target
    limited = target.model_copy(update={"rate_limit": target.rate_limit.model_copy(update={"per_week": 100})})
    used = Quota(weekStart=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), used=100)
    result = await world.run(
        apply=True, spec=world.manifests.spec.model_copy(update={"target": limited}), quota=used
    )

    assert isinstance(result.error, QuotaExhausted)
    assert result.error.retry_after == pytest.approx(WEEK, abs=60)
    assert result.quota == used
    assert world.writes == 0


@pytest.mark.parametrize("week", [WeekQuota(1_795_000_000.0, 1), WeekQuota(1_795_000_000.0, 50_000)])
def test_a_count_survives_being_written_down(week: WeekQuota) -> None:
    assert week_quota(quota_status(week)) == week


@pytest.mark.parametrize("quota", [None, Quota(), Quota(used=5), Quota(weekStart="yesterday", used=5)])
def test_a_count_that_cannot_be_read_begins_anew(quota: Quota | None) -> None:
    assert week_quota(quota) == WeekQuota()


def test_no_calls_are_no_count() -> None:
    assert quota_status(WeekQuota()) is None
