"""SyncTarget as this operator reads and writes it: its names, its spec, its status.

The schema itself is `crds/synctargets.engage-sync.io.yaml`; a test holds it against these models. Nothing
here talks to a cluster. Validation has two halves: the models refuse what the CRD refuses, in the same words,
and `parse_spec` then judges what a CRD cannot know.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from functools import cache
from importlib import resources
from ipaddress import IPv6Address, ip_address
from typing import Annotated, NotRequired
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

from reconcilers import zones
from reconcilers.errors import ConfigError

GROUP = "engage-sync.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
PLURAL = "synctargets"
KIND = "SyncTarget"

REQUESTED_AT = f"{GROUP}/requested-at"
"""Annotation: a token; each new one asks for one run now."""
REQUESTED_AT_MAX = 128
"""Longest token, in characters; it must fit into ``status.lastHandledReconcileAt``."""
PAUSED = f"{GROUP}/paused"
"""Annotation: "true" stops runs without a change of the spec."""

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label of everything the operator creates; its value is `MANAGER`."""
MANAGER = "engage-sync"
SYNCTARGET_LABEL = f"{GROUP}/synctarget"
"""Label of everything the operator creates for one SyncTarget; its value is the SyncTarget's name."""

TENANT_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
SECRET_NAME_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"  # noqa: S105 -- the name of a Secret is none
COUNTRY_PATTERN = "^[A-Z]{2}$"
TIME_ZONE_PATTERN = "^[A-Za-z0-9_+/-]*$"
# The counts of digits keep CEL's duration() from overflowing on the longest string allowed.
DURATION_PATTERN = (
    r"^([0-9]{1,5}(\.[0-9]{1,9})?h|[0-9]{1,7}(\.[0-9]{1,9})?m|[0-9]{1,9}(\.[0-9]{1,9})?s|[0-9]{1,9}ms)+$"
)
# No "@" in the path either: "https://user:12/3@host" would pass as the host "user".
URL_PATTERN = (
    r"^(https://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?"
    r"|\[[0-9A-Fa-f:.]+\])|http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\]))(:[0-9]{1,5})?"
    r"(/([A-Za-z0-9._~!$&()*+,;=:-]|%[0-9A-Fa-f]{2})*)*$"
)


class InvalidSpec(ConfigError):
    """The spec cannot be carried out; the text is one sentence that names the field and says what to do.

    It never holds a URL or anything else that may hold a pasted secret.
    """


class Mode(StrEnum):
    """What a run may do."""

    PLAN = "Plan"
    APPLY = "Apply"


class Onboarding(StrEnum):
    """What Engage holds before the first synchronisation."""

    NEW = "New"
    EXISTING = "Existing"


class Policy(StrEnum):
    """What may be done in Engage."""

    ALL = "*"
    OBSERVE = "Observe"
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


def parse_duration(text: str) -> timedelta:
    """The length of a Go duration such as "1h30m", cut to whole microseconds.

    Raises:
        ValueError: it is none; days, signs and units below a millisecond are not understood.
    """
    return timedelta(microseconds=int(_seconds(text) * 1_000_000))


def shorten(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


_UNITS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}


def _seconds(text: str) -> Fraction:
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError("not a Go duration such as 24h or 1h30m")
    return sum((Fraction(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)([a-z]+)", text)), Fraction())


def _wrong(sentence: str) -> PydanticCustomError:
    # The sentence goes in as an argument: braces in a template would be replaced.
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def _matching(pattern: str, sentence: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise _wrong(sentence)
        return text

    return AfterValidator(check)


def _duration(name: str, low: str, high: str, example: str) -> BeforeValidator:
    def check(value: object) -> timedelta:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "must be a string")
        if len(value) > 64 or not re.fullmatch(DURATION_PATTERN, value):
            raise _wrong(
                f"{name} must be a Go duration from {low} to {high}, such as {example}"
                " (there is no unit for days)"
            )
        if not _seconds(low) <= _seconds(value) <= _seconds(high):
            raise _wrong(f"{name} must be at least {low} and at most {high}")
        return parse_duration(value)

    return BeforeValidator(check)


def _url(name: str, example: str) -> tuple[AfterValidator, AfterValidator]:
    sentence = (
        f"{name} must be an https URL (http on loopback only) without user info, query and fragment,"
        f" such as {example}; credentials belong into the Secret"
    )
    return _matching(URL_PATTERN, sentence), AfterValidator(canonical_url)


def canonical_url(url: str) -> str:
    """The same address written one way only, so that two spellings of it compare equal."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    authority = authority.lower().removesuffix(":443" if scheme == "https" else ":80")
    return f"{scheme}://{authority}{slash}{path}".rstrip("/")


def _alias(name: str) -> str:
    return to_camel(name).replace("Url", "URL")


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "maxLength": 64})


class _Model(BaseModel):
    # Unknown fields are errors: the server prunes them, so one that gets here is a typing error in a file, or
    # a field of a newer CRD that this version would not respect.
    model_config = ConfigDict(
        alias_generator=_alias,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        strict=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


class SecretRef(_Model):
    """A Secret in the SyncTarget's own namespace."""

    name: Annotated[
        str,
        Field(max_length=1024),
        _matching(
            r"(?=.{1,253}$)" + SECRET_NAME_PATTERN,
            "name must be the name of a Secret in this namespace (lower case letters, digits, '-' and '.',"
            " at most 253 characters)",
        ),
    ]


class Schedule(_Model):
    """When runs happen."""

    interval: Annotated[timedelta, _duration("interval", "5m", "8760h", "24h or 1h30m"), _DURATION_SCHEMA] = (
        timedelta(hours=24)
    )
    retry_interval: Annotated[
        timedelta, _duration("retryInterval", "10s", "24h", "5m or 1m30s"), _DURATION_SCHEMA
    ] = timedelta(minutes=5)


class Source(_Model):
    """Eptura Workplace."""

    base_url: Annotated[str, Field(max_length=1024), *_url("baseURL", "https://acme.iofficeconnect.com")]
    """Without a slash at the end; host in lower case."""
    credentials_secret_ref: SecretRef
    """Keys: username, password."""


class RateLimit(_Model):
    """The most calls to Engage; 0 is no limit."""

    per_minute: Annotated[int, Field(ge=0, le=1_000_000_000)] = 500
    per_week: Annotated[int, Field(ge=0, le=1_000_000_000)] = 50_000


class Target(_Model):
    """Eptura Engage."""

    application_url: Annotated[
        str, Field(max_length=1024), *_url("applicationURL", "https://acme.condecosoftware.com")
    ]
    """Without a slash at the end; host in lower case."""
    api_url: Annotated[
        str, Field(max_length=1024), *_url("apiURL", "https://integrationapi.condecosoftware.com/Acme")
    ]
    """Without a slash at the end; host in lower case."""
    credentials_secret_ref: SecretRef
    """Keys: clientId, password."""
    subscription_keys_secret_ref: SecretRef
    """Keys: HierarchyMapping (required), ExternalBookings, CostCode, VendorServices, Visitor."""
    rate_limit: RateLimit = RateLimit()


def _some_countries(codes: tuple[str, ...]) -> tuple[str, ...]:
    if not codes:
        raise _wrong("countries must have at least one entry; leave it out to synchronise all countries")
    if not all(re.fullmatch(COUNTRY_PATTERN, code) for code in codes):
        raise _wrong("countries must hold ISO 3166 alpha-2 codes in upper case, such as US or DE")
    return codes


class Scope(_Model):
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
        raise _wrong('groupName must not be blank; leave it out for "{country} Default Group"')
    if re.search("[{}]", text.replace("{country}", "")):
        raise _wrong("groupName may hold {country} and no other placeholder or brace")
    return text


class Defaults(_Model):
    """Used only where Workplace has no value."""

    country: Annotated[
        str,
        Field(max_length=64),
        _matching(
            "^([A-Z]{2})?$",
            "country must be empty or an ISO 3166 alpha-2 code in upper case, such as US or DE",
        ),
    ] = ""
    time_zone: Annotated[
        str,
        Field(max_length=256),
        _matching(TIME_ZONE_PATTERN, "timeZone must be empty or an IANA name, such as Europe/Berlin"),
    ] = ""
    group_name: Annotated[str, Field(max_length=256), AfterValidator(_group_name)] = "{country} Default Group"


def _some_policies(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    if len(policies) != 1 if Policy.ALL in policies else Policy.OBSERVE not in policies:
        raise _wrong(
            'managementPolicies must be ["*"] alone or a list with Observe in it,'
            ' such as ["Observe", "Create", "Update"]'
        )
    return policies


class Spec(_Model):
    """What is wanted. Made by `parse_spec`; frozen, so one run sees one spec."""

    tenant: Annotated[
        str,
        Field(max_length=253),
        _matching(
            TENANT_PATTERN,
            "tenant must be a DNS label of at most 40 characters (lower case letters, digits and '-',"
            " a letter or digit at both ends), such as acme",
        ),
    ]
    suspend: bool = False
    mode: Mode = Mode.PLAN
    onboarding: Onboarding = Onboarding.NEW
    schedule: Schedule = Schedule()
    source: Source
    target: Target
    scope: Scope = Scope()
    defaults: Defaults = Defaults()
    management_policies: Annotated[
        tuple[Policy, ...], Field(max_length=16), AfterValidator(_some_policies)
    ] = (Policy.ALL,)

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
    if isinstance(model, type) and issubclass(model, _Model):
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


# --- status: plain JSON, because it is read, compared and written as such. Bounds are the CRD's. ---

MESSAGE_MAX = 512
"""Longest message of a condition, in characters."""

Timestamp = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""RFC 3339, in UTC."""
KindName = Annotated[str, Field(max_length=16)]
ReasonName = Annotated[str, Field(max_length=32)]
ResultName = Annotated[str, Field(max_length=16)]
RunId = Annotated[str, Field(max_length=40)]
Digest = Annotated[str, Field(max_length=80)]
PlanSummary = Annotated[str, Field(max_length=64)]


class Condition(TypedDict):
    """One condition, in the shape of metav1.Condition."""

    type: Annotated[str, Field(max_length=32)]
    status: Annotated[str, Field(max_length=8)]
    reason: ReasonName
    message: Annotated[str, Field(max_length=MESSAGE_MAX)]
    lastTransitionTime: Timestamp
    observedGeneration: NotRequired[int]


class PlanStatus(TypedDict, total=False):
    """What the last plan held."""

    summary: PlanSummary
    digest: Digest


class KindStatus(TypedDict):
    """One row per kind."""

    kind: KindName
    source: NotRequired[int]
    inScope: NotRequired[int]
    target: NotRequired[int]
    mapped: NotRequired[int]
    created: NotRequired[int]
    updated: NotRequired[int]
    deleted: NotRequired[int]
    failed: NotRequired[int]
    skipped: NotRequired[int]


class Requests(TypedDict, total=False):
    """Calls made."""

    source: int
    target: int


class LastRun(TypedDict, total=False):
    """The last run that ended."""

    id: RunId
    trigger: Annotated[str, Field(max_length=16)]
    startTime: Timestamp
    finishTime: Timestamp
    result: ResultName
    requests: Requests


class MappingStatus(TypedDict, total=False):
    """The mapping store."""

    entries: int
    shards: int
    digest: Digest


class Quota(TypedDict, total=False):
    """The week's calls to Engage; outlives the process."""

    weekStart: Timestamp
    used: int


class Failure(TypedDict):
    """One entity that failed."""

    kind: KindName
    sourceKey: Annotated[str, Field(max_length=80)]
    name: NotRequired[Annotated[str, Field(max_length=48)]]
    action: NotRequired[Annotated[str, Field(max_length=16)]]
    reason: NotRequired[ReasonName]
    message: NotRequired[Annotated[str, Field(max_length=128)]]
    attempts: NotRequired[int]


class Skip(TypedDict):
    """How many of a kind were left out for one reason."""

    kind: KindName
    reason: ReasonName
    count: NotRequired[int]


class HistoryEntry(TypedDict):
    """One finished run."""

    id: RunId
    finishTime: NotRequired[Timestamp]
    result: NotRequired[ResultName]
    plan: NotRequired[PlanSummary]


class Status(TypedDict, total=False):
    """What the operator found and did; under 64 KiB by its bounds at 4 bytes a character."""

    observedGeneration: int
    lastHandledReconcileAt: Annotated[str, Field(max_length=REQUESTED_AT_MAX)]
    plan: PlanStatus
    conditions: Annotated[list[Condition], Field(max_length=6)]
    kinds: Annotated[list[KindStatus], Field(max_length=7)]
    summary: Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=12)]
    lastRun: LastRun
    lastSuccessfulSyncTime: Timestamp
    nextSyncTime: Timestamp
    mapping: MappingStatus
    quota: Quota
    failures: Annotated[list[Failure], Field(max_length=20)]
    failuresTruncated: int
    skips: Annotated[list[Skip], Field(max_length=24)]
    history: Annotated[list[HistoryEntry], Field(max_length=5)]
