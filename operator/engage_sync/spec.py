"""The spec of a SyncTarget, read and judged.

The schema itself is `crds/synctargets.engage-sync.io.yaml`; a test holds it against these models. Validation
has two halves: the models refuse what the CRD refuses, in the same words, and `parse_spec` then judges what a
CRD cannot know.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib import resources
from ipaddress import IPv6Address, ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from engage_sync.fields import DURATION_SCHEMA, Model, duration, https_url, matching, whole, wrong
from engage_sync.resource import shorten
from engage_sync.safeguards import Approval, Deletion, Update
from reconcilers import zones
from reconcilers.errors import ConfigError
from reconcilers.onboarding import Onboarding

TENANT_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
SECRET_NAME_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"  # noqa: S105 -- the name of a Secret is none
COUNTRY_PATTERN = "^[A-Z]{2}$"
TIME_ZONE_PATTERN = "^[A-Za-z0-9_+/-]*$"


class InvalidSpec(ConfigError):
    """The spec cannot be carried out; the text is one sentence that names the field and says what to do.

    It never holds a URL or anything else that may hold a pasted secret.
    """


class Mode(StrEnum):
    """What a run may do."""

    PLAN = "Plan"
    APPLY = "Apply"


class Policy(StrEnum):
    """What may be done in Engage."""

    ALL = "*"
    OBSERVE = "Observe"
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class SecretRef(Model):
    """A Secret in the SyncTarget's own namespace."""

    name: Annotated[
        str,
        Field(max_length=1024),
        matching(
            r"(?=.{1,253}$)" + SECRET_NAME_PATTERN,
            "name must be the name of a Secret in this namespace (lower case letters, digits, '-' and '.',"
            " at most 253 characters)",
        ),
    ]


class Schedule(Model):
    """When runs happen."""

    interval: Annotated[timedelta, duration("interval", "5m", "8760h", "24h or 1h30m"), DURATION_SCHEMA] = (
        timedelta(hours=24)
    )
    retry_interval: Annotated[
        timedelta, duration("retryInterval", "10s", "24h", "5m or 1m30s"), DURATION_SCHEMA
    ] = timedelta(minutes=5)


class Source(Model):
    """Eptura Workplace."""

    base_url: Annotated[str, Field(max_length=1024), *https_url("baseURL", "https://acme.iofficeconnect.com")]
    """Without a slash at the end; host in lower case."""
    credentials_secret_ref: SecretRef
    """Keys: username, password."""


class RateLimit(Model):
    """The most calls to Engage; 0 is no limit."""

    per_minute: Annotated[int, Field(ge=0, le=1_000_000_000)] = 500
    per_week: Annotated[int, Field(ge=0, le=1_000_000_000)] = 50_000


class Target(Model):
    """Eptura Engage."""

    application_url: Annotated[
        str, Field(max_length=1024), *https_url("applicationURL", "https://acme.condecosoftware.com")
    ]
    """Without a slash at the end; host in lower case."""
    api_url: Annotated[
        str, Field(max_length=1024), *https_url("apiURL", "https://integrationapi.condecosoftware.com/Acme")
    ]
    """Without a slash at the end; host in lower case."""
    credentials_secret_ref: SecretRef
    """Keys: clientId, password."""
    subscription_keys_secret_ref: SecretRef
    """Keys: HierarchyMapping (required), ExternalBookings, CostCode, VendorServices, Visitor."""
    rate_limit: RateLimit = RateLimit()


def _some_countries(codes: tuple[str, ...]) -> tuple[str, ...]:
    if not codes:
        raise wrong("countries must have at least one entry; leave it out to synchronise all countries")
    if not all(re.fullmatch(COUNTRY_PATTERN, code) for code in codes):
        raise wrong("countries must hold ISO 3166 alpha-2 codes in upper case, such as US or DE")
    return codes


class Scope(Model):
    """What of Workplace is synchronised."""

    require_reservation_center: bool = True
    reservable_only: bool = True
    countries: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...] | None,
        Field(max_length=300),
        AfterValidator(lambda codes: codes if codes is None else _some_countries(codes)),
    ] = None
    """ISO 3166 alpha-2 codes; None is all."""


def _group_name(text: str) -> str:
    if not re.search(r"[^ \t\r\n]", text):
        raise wrong('groupName must not be blank; leave it out for "{country} Default Group"')
    if re.search("[{}]", text.replace("{country}", "")):
        raise wrong("groupName may hold {country} and no other placeholder or brace")
    return text


class Defaults(Model):
    """Used only where Workplace has no value."""

    country: Annotated[
        str,
        Field(max_length=64),
        matching(
            "^([A-Z]{2})?$",
            "country must be empty or an ISO 3166 alpha-2 code in upper case, such as US or DE",
        ),
    ] = ""
    time_zone: Annotated[
        str,
        Field(max_length=256),
        matching(TIME_ZONE_PATTERN, "timeZone must be empty or an IANA name, such as Europe/Berlin"),
    ] = ""
    group_name: Annotated[str, Field(max_length=256), AfterValidator(_group_name)] = "{country} Default Group"


class Merge(Model):
    """What `onboarding: Existing` asks for before it merges."""

    minimum_match_percent: Annotated[
        int, whole("minimumMatchPercent", 0, 100, "0 merges however little of both sides matches")
    ] = 80


def _some_policies(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    if len(policies) != 1 if Policy.ALL in policies else Policy.OBSERVE not in policies:
        raise wrong(
            'managementPolicies must be ["*"] alone or a list with Observe in it,'
            ' such as ["Observe", "Create", "Update"]'
        )
    return policies


class Spec(Model):
    """What is wanted. Made by `parse_spec`; frozen, so one run sees one spec."""

    tenant: Annotated[
        str,
        Field(max_length=253),
        matching(
            TENANT_PATTERN,
            "tenant must be a DNS label of at most 40 characters (lower case letters, digits and '-',"
            " a letter or digit at both ends), such as acme",
        ),
    ]
    suspend: bool = False
    mode: Mode = Mode.PLAN
    onboarding: Onboarding = Onboarding.NEW
    merge: Merge = Merge()
    schedule: Schedule = Schedule()
    source: Source
    target: Target
    scope: Scope = Scope()
    defaults: Defaults = Defaults()
    management_policies: Annotated[
        tuple[Policy, ...], Field(max_length=16), AfterValidator(_some_policies)
    ] = (Policy.ALL,)

    approval: Approval = Approval()
    deletion: Deletion = Deletion()
    update: Update = Update()

    def may(self, policy: Policy) -> bool:
        """Whether `managementPolicies` allow it."""
        return policy in self.management_policies or Policy.ALL in self.management_policies


def parse_spec(raw: object, *, allow_insecure_http: bool = False) -> Spec:
    """Reads the `spec` of a SyncTarget as the API server or a file holds it.

    A null counts as absent, as for the API server. URLs on loopback pass only with `allow_insecure_http`.

    Raises:
        InvalidSpec: it cannot be carried out as written.
    """
    spec = read_shape(raw)
    for name, url in urls(spec).items():
        _check_url(name, url, allow_insecure_http)
    for name, code in _countries(spec).items():
        if not zones.country_name(code):
            raise InvalidSpec(f'{name}: "{code}" is not an ISO 3166 alpha-2 country code; use e.g. US or DE')
    _check_time_zone(spec.defaults.time_zone)
    if not spec.defaults.group_name.strip():
        raise InvalidSpec("spec.defaults.groupName: groupName must not be blank")
    return spec


def read_shape(raw: object) -> Spec:
    """The first half of `parse_spec`: refuses exactly what the CRD refuses, knowing nothing of the world.

    Raises:
        InvalidSpec: the CRD would not have taken it.
    """
    if not isinstance(raw, Mapping):
        raise InvalidSpec("spec: spec must be an object")
    try:
        text = json.dumps(_plain(raw, Spec), default=str, allow_nan=False)
        return Spec.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[0]
        raise InvalidSpec(_sentence(details)) from None  # the cause may hold what was pasted
    except (TypeError, ValueError, RecursionError):
        raise InvalidSpec("spec: spec must be plain JSON values") from None


def check_name(name: str) -> None:
    """Judges `metadata.name` where no API server has done so.

    Raises:
        InvalidSpec: the CRD would not have taken it.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise InvalidSpec(
            "metadata.name must be at most 40 characters and hold no dots, such as acme or acme-eu"
            " (lower case letters, digits and '-')"
        )


def _plain(value: object, model: object) -> object:
    """As the server reads it: null stands for a known field's default, and 2.0 is a whole number."""
    if isinstance(value, Mapping):
        fields = _fields(model)
        return {
            name: _plain(item, fields.get(name))
            for name, item in value.items()
            if item is not None or name not in fields
        }
    if isinstance(value, list | tuple):
        return [_plain(item, None) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _fields(model: object) -> dict[str | None, object]:
    if isinstance(model, type) and issubclass(model, Model):
        return {field.alias: field.annotation for field in model.model_fields.values()}
    return {}


_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of SyncTarget v1alpha1; check the spelling",
    "string_type": "must be a string; put it in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be {expected}",
    "string_too_long": "must be at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}


def _sentence(details: ErrorDetails) -> str:
    path = _path(details["loc"])
    if details["type"] == "sentence":
        return f"{path}: {details['ctx']['sentence']}"
    text = _SENTENCES.get(details["type"], "has a value that does not fit; see `engage-sync crd`")
    return f"{path}: {path.rpartition('.')[2]} {text.format(**details.get('ctx', {}))}"


def _path(loc: tuple[int | str, ...]) -> str:
    path = "spec"
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:  # the name of an unknown field is the user's text, too
            path += "." + (part if re.fullmatch("[A-Za-z0-9_-]{1,64}", part) else "(unprintable)")
    return path


def urls(spec: Spec) -> dict[str, str]:
    """The addresses of a spec, by the fields that name them."""
    return {
        "spec.source.baseURL": spec.source.base_url,
        "spec.target.applicationURL": spec.target.application_url,
        "spec.target.apiURL": spec.target.api_url,
    }


def _countries(spec: Spec) -> dict[str, str]:
    named = {f"spec.scope.countries[{i}]": code for i, code in enumerate(spec.scope.countries or ())}
    return {"spec.defaults.country": spec.defaults.country, **named} if spec.defaults.country else named


def _check_url(name: str, url: str, allow_loopback: bool) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # of the port, or of what stands in brackets
        raise InvalidSpec(f"{name}: the host or port is not valid; ports go from 1 to 65535") from None
    if port == 0:
        raise InvalidSpec(f"{name}: the host or port is not valid; ports go from 1 to 65535")
    if _is_loopback(name, host) and not allow_loopback:
        raise InvalidSpec(
            f"{name}: loopback is taken only by an operator started with --allow-insecure-http"
            " (demo and tests); name the https address of the system"
        )


def _is_loopback(name: str, host: str) -> bool:
    host = host.rstrip(".")
    # As browsers do: what ends in a number is an address or nothing; else 2130706433 and 0x7f.1 passed.
    if ":" in host or re.fullmatch("([0-9]+|0x[0-9a-f]*)", host.rpartition(".")[2]):
        try:
            ip_address(host)
        except ValueError:
            raise InvalidSpec(f"{name}: the host ends in a number but is not an IP address") from None
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    """Does a host, without a dot at its end, name this machine?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback or address.ipv4_mapped.is_unspecified
    return address.is_loopback or address.is_unspecified


def _check_time_zone(zone: str) -> None:
    if not zone:
        return
    if zone not in _iana_zones():
        raise InvalidSpec(
            f'spec.defaults.timeZone: "{shorten(zone, 64)}" is not an IANA time zone; use e.g. Europe/Berlin'
        )
    if not zones.windows_zone(zone):
        raise InvalidSpec(
            f'spec.defaults.timeZone: "{zone}" has no Windows name in CLDR, which Engage needs;'
            " use a zone with the same time that has one, e.g. Europe/Berlin"
        )


@cache
def _iana_zones() -> frozenset[str]:
    # The package's own list: the machine's may differ.
    return frozenset((resources.files("tzdata") / "zones").read_text(encoding="utf-8").split())
