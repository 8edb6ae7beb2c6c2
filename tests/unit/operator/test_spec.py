import datetime
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from engage_sync.safeguards import (
    DeletionBudget,
    Precondition,
    Required,
    SubtreeBudget,
    UnknownBookings,
    UpdateBudget,
)
from engage_sync.spec import InvalidSpec, Mode, Policy, Spec, check_name, parse_spec, read_shape
from reconcilers.errors import ConfigError
from reconcilers.onboarding import Onboarding
from tests.synctargets import ABSENT, BAD, CANARY, GOOD, LOOPBACK, Bad, spec


def refusal(raw: object, **options: bool) -> str:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(raw, **options)
    return caught.value.message


def test_a_minimal_spec_gets_every_default() -> None:
    parsed = parse_spec(spec())

    assert (parsed.tenant, parsed.suspend) == ("acme", False)
    assert (parsed.mode, parsed.onboarding) == (Mode.PLAN, Onboarding.NEW)
    assert parsed.merge.minimum_match_percent == 80
    assert parsed.schedule.interval == timedelta(hours=24)
    assert parsed.schedule.retry_interval == timedelta(minutes=5)
    assert (parsed.target.rate_limit.per_minute, parsed.target.rate_limit.per_week) == (500, 50_000)
    assert (parsed.scope.require_reservation_center, parsed.scope.reservable_only) == (True, True)
    assert parsed.scope.countries is None
    assert (parsed.defaults.country, parsed.defaults.time_zone) == ("", "")
    assert parsed.defaults.group_name == "{country} Default Group"
    assert parsed.management_policies == (Policy.ALL,)
    assert parsed.approval.required is Required.DESTRUCTIVE
    deletion = parsed.deletion
    budget, below = deletion.budget, deletion.subtree_budget
    assert (budget.percent, budget.count, budget.minimum_population) == (10, 100, 20)
    assert (below.percent, below.minimum_population) == (50, 10)
    assert deletion.precondition is Precondition.NO_FUTURE_BOOKINGS
    assert deletion.bookings_window == timedelta(days=90)
    assert deletion.unknown_bookings is UnknownBookings.ALLOW
    assert deletion.grace_period == timedelta()
    assert (parsed.update.budget.percent, parsed.update.budget.minimum_population) == (50, 20)


def test_everything_written_is_read() -> None:
    parsed = parse_spec(
        spec(
            suspend=True,
            mode="Apply",
            onboarding="Existing",
            merge={"minimumMatchPercent": 55},
            schedule={"interval": "1h30m", "retryInterval": "1m30s"},
            target__rateLimit={"perMinute": 0, "perWeek": 7},
            scope={"requireReservationCenter": False, "reservableOnly": False, "countries": ["US", "DE"]},
            defaults={"country": "FR", "timeZone": "Europe/Paris", "groupName": "{country}!"},
            managementPolicies=["Observe", "Update"],
        )
    )

    assert (parsed.suspend, parsed.mode, parsed.onboarding) == (True, Mode.APPLY, Onboarding.EXISTING)
    assert parsed.merge.minimum_match_percent == 55
    assert parsed.schedule.interval == timedelta(minutes=90)
    assert parsed.schedule.retry_interval == timedelta(seconds=90)
    assert parsed.source.base_url == "https://acme.iofficeconnect.com"
    assert parsed.source.credentials_secret_ref.name == "acme-workplace"
    assert parsed.target.application_url == "https://acme.condecosoftware.com"
    assert parsed.target.api_url == "https://integrationapi.condecosoftware.com/Acme"
    assert parsed.target.credentials_secret_ref.name == "acme-engage"
    assert parsed.target.subscription_keys_secret_ref.name == "acme-keys"
    assert (parsed.target.rate_limit.per_minute, parsed.target.rate_limit.per_week) == (0, 7)
    assert (parsed.scope.require_reservation_center, parsed.scope.reservable_only) == (False, False)
    assert parsed.scope.countries == ("US", "DE")
    assert (parsed.defaults.country, parsed.defaults.time_zone) == ("FR", "Europe/Paris")
    assert parsed.defaults.group_name == "{country}!"
    assert [policy for policy in Policy if parsed.may(policy)] == [Policy.OBSERVE, Policy.UPDATE]


def test_every_safeguard_written_is_read() -> None:
    parsed = parse_spec(
        spec(
            approval={"required": "Always"},
            deletion={
                "budget": {"percent": 1, "count": 2, "minimumPopulation": 3},
                "subtreeBudget": {"percent": 4, "minimumPopulation": 5},
                "precondition": "None",
                "bookingsWindow": "720h",
                "unknownBookings": "Hold",
                "gracePeriod": "1h30m",
            },
            update={"budget": {"percent": 6, "minimumPopulation": 7}},
        )
    )

    assert parsed.approval.required is Required.ALWAYS
    deletion = parsed.deletion
    assert deletion.budget == DeletionBudget(percent=1, count=2, minimum_population=3)
    assert deletion.subtree_budget == SubtreeBudget(percent=4, minimum_population=5)
    assert (deletion.precondition, deletion.unknown_bookings) == (Precondition.NONE, UnknownBookings.HOLD)
    assert (deletion.bookings_window, deletion.grace_period) == (timedelta(days=30), timedelta(minutes=90))
    assert parsed.update.budget == UpdateBudget(percent=6, minimum_population=7)


def test_the_star_allows_everything() -> None:
    parsed = parse_spec(spec(managementPolicies=["*"]))

    assert all(parsed.may(policy) for policy in Policy)


def test_a_spec_cannot_be_changed() -> None:
    parsed = parse_spec(spec())

    with pytest.raises(ValidationError):
        setattr(parsed, "mode", Mode.APPLY)  # noqa: B010 -- mypy refuses the assignment, too


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_what_is_good_is_taken(changes: dict[str, Any]) -> None:
    assert isinstance(parse_spec(spec(**changes)), Spec)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_is_bad_is_refused_in_one_sentence_that_names_the_field(bad: Bad) -> None:
    message = refusal(bad.spec)

    assert message.startswith(bad.field)
    assert "\n" not in message
    assert CANARY not in message
    if bad.alike:
        assert bad.says in message


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (Bad("tenant", ABSENT, ""), "spec.tenant: tenant is required"),
        (Bad("tenant", 5, ""), "spec.tenant: tenant must be a string; put it in quotes"),
        (Bad("suspend", "yes", ""), "spec.suspend: suspend must be true or false"),
        (Bad("mode", "Dry", ""), "spec.mode: mode must be 'Plan' or 'Apply'"),
        (Bad("schedule", 5, ""), "spec.schedule: schedule must be an object"),
        (
            Bad("schedule__interval", 5, ""),
            "spec.schedule.interval: interval must be a string; put it in quotes",
        ),
        (
            Bad("target__rateLimit__perMinute", -1, ""),
            "spec.target.rateLimit.perMinute: perMinute must be 0 or more",
        ),
        (
            Bad("target__rateLimit__perWeek", 1.5, ""),
            "spec.target.rateLimit.perWeek: perWeek must be a whole number",
        ),
        (Bad("scope__countries", "US", ""), "spec.scope.countries: countries must be a list"),
        (
            Bad("scope__countries", [False], ""),  # what YAML makes of NO
            "spec.scope.countries[0]: countries[0] must be a string; put it in quotes",
        ),
        (Bad("tenant", "a" * 254, ""), "spec.tenant: tenant must be at most 253 characters"),
        (
            Bad("managementPolicies", ["Observe"] * 17, ""),
            "spec.managementPolicies: managementPolicies must have at most 16 entries",
        ),
        (
            Bad("modus", "Plan", ""),
            "spec.modus: modus is not a field of SyncTarget v1alpha1; check the spelling",
        ),
        (
            Bad("defaults__timeZone", "Mars/Base", ""),
            'spec.defaults.timeZone: "Mars/Base" is not an IANA time zone; use e.g. Europe/Berlin',
        ),
        (
            Bad("defaults__timeZone", "europe/berlin", ""),
            'spec.defaults.timeZone: "europe/berlin" is not an IANA time zone; use e.g. Europe/Berlin',
        ),
        (
            Bad("defaults__country", "XX", ""),
            'spec.defaults.country: "XX" is not an ISO 3166 alpha-2 country code; use e.g. US or DE',
        ),
        (
            Bad("scope__countries", ["DE", "UK"], ""),
            'spec.scope.countries[1]: "UK" is not an ISO 3166 alpha-2 country code; use e.g. US or DE',
        ),
        (
            Bad("source__baseURL", "https://acme.example:99999", ""),
            "spec.source.baseURL: the host or port is not valid; ports go from 1 to 65535",
        ),
        (
            Bad("target__apiURL", "https://acme.example:0", ""),
            "spec.target.apiURL: the host or port is not valid; ports go from 1 to 65535",
        ),
        (
            Bad("target__applicationURL", "https://[:::1]", ""),
            "spec.target.applicationURL: the host or port is not valid; ports go from 1 to 65535",
        ),
        (
            Bad("target__applicationURL", "https://2130706433", ""),
            "spec.target.applicationURL: the host ends in a number but is not an IP address",
        ),
        (Bad("defaults__groupName", "\u00a0", ""), "spec.defaults.groupName: groupName must not be blank"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_sentence(bad: Bad, sentence: str) -> None:
    assert refusal(bad.spec) == sentence


def test_a_zone_without_a_windows_name_is_refused_because_engage_could_not_be_told() -> None:
    assert "Antarctica/Troll" in refusal(spec(defaults__timeZone="Antarctica/Troll"))


@pytest.mark.parametrize("url", LOOPBACK)
@pytest.mark.parametrize("path", ["source__baseURL", "target__applicationURL", "target__apiURL"])
def test_loopback_is_taken_only_when_allowed(path: str, url: str) -> None:
    raw = spec(**{path: url})

    assert "--allow-insecure-http" in refusal(raw)
    assert parse_spec(raw, allow_insecure_http=True)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "1.2.3.4.5"])
def test_other_ways_to_write_an_address_are_refused(host: str) -> None:
    assert "ends in a number" in refusal(spec(source__baseURL=f"https://{host}"), allow_insecure_http=True)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://acme.example/", "https://acme.example"),
        ("https://acme.example//", "https://acme.example"),
        ("https://ACME.Example/Acme/", "https://acme.example/Acme"),
        ("https://acme.example:443/Acme", "https://acme.example/Acme"),
        ("https://acme.example:8443", "https://acme.example:8443"),
    ],
)
def test_two_spellings_of_a_url_compare_equal(written: str, read: str) -> None:
    assert parse_spec(spec(target__apiURL=written)).target.api_url == read


@pytest.mark.parametrize("raw", [None, [], "spec", 5])
def test_a_spec_that_is_no_object_is_refused(raw: object) -> None:
    assert refusal(raw) == "spec: spec must be an object"


def test_what_json_cannot_say_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["endless"] = endless

    assert refusal(spec(target__rateLimit={"perMinute": float("nan")})).startswith("spec: ")
    assert refusal(endless).startswith("spec: ")


def test_a_date_that_yaml_made_of_a_name_is_read_as_text() -> None:
    assert parse_spec(spec(tenant=datetime.date(2024, 1, 1))).tenant == "2024-01-01"


def test_any_mapping_will_do() -> None:
    class View(Mapping[str, Any]):  # as kopf's
        def __init__(self, content: dict[str, Any]) -> None:
            self._content = content

        def __getitem__(self, key: str) -> Any:
            return self._content[key]

        def __iter__(self) -> Any:
            return iter(self._content)

        def __len__(self) -> int:
            return len(self._content)

    assert parse_spec(View(spec(schedule=View({"interval": "5m"})))).schedule.interval == timedelta(minutes=5)


def test_python_names_are_no_fields() -> None:
    source = {"base_url": "https://acme.example", "credentialsSecretRef": {"name": "x"}}

    assert refusal(spec(source=source)) == "spec.source.baseURL: baseURL is required"


def test_a_secret_pasted_as_a_key_is_not_repeated() -> None:
    message = refusal(spec() | {f"https://u:{CANARY}@h": 1})

    assert message == (
        "spec.(unprintable): (unprintable) is not a field of SyncTarget v1alpha1; check the spelling"
    )


def test_a_refusal_keeps_no_cause_that_holds_the_input() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(spec(source__baseURL=f"https://u:{CANARY}@h"))

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert isinstance(caught.value, ConfigError)
    assert caught.value.reason == "InvalidSpec"


def test_the_shape_alone_knows_nothing_of_the_world() -> None:
    raw = spec(defaults={"timeZone": "Mars/Base", "country": "XX"}, source__baseURL="http://localhost:99999")

    assert read_shape(raw).defaults.country == "XX"


@pytest.mark.parametrize("name", ["a", "acme-eu", "a" * 40])
def test_good_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "a.b", "Acme", "a" * 41, "-a", "a-", "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidSpec, match=r"metadata\.name"):
        check_name(name)
