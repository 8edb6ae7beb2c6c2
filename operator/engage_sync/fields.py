"""What the fields of a spec are made of: durations, URLs, and refusals in the words of the CRD."""

import re
from datetime import timedelta
from fractions import Fraction

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

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


def parse_duration(text: str) -> timedelta:
    """The length of a Go duration such as "1h30m", cut to whole microseconds.

    Raises:
        ValueError: it is none; days, signs and units below a millisecond are not understood.
    """
    return timedelta(microseconds=int(_seconds(text) * 1_000_000))


_UNITS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}


def _seconds(text: str) -> Fraction:
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError("not a Go duration such as 24h or 1h30m")
    return sum((Fraction(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)([a-z]+)", text)), Fraction())


def wrong(sentence: str) -> PydanticCustomError:
    """A refusal that says this sentence and nothing of its own."""
    # The sentence goes in as an argument: braces in a template would be replaced.
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def matching(pattern: str, sentence: str) -> AfterValidator:
    """Takes a text that the whole pattern matches."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise wrong(sentence)
        return text

    return AfterValidator(check)


def duration(name: str, low: str, high: str, example: str) -> BeforeValidator:
    """Reads a Go duration from `low` to `high`, both included."""

    def check(value: object) -> timedelta:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "must be a string")
        if len(value) > 64 or not re.fullmatch(DURATION_PATTERN, value):
            raise wrong(
                f"{name} must be a Go duration from {low} to {high}, such as {example}"
                " (there is no unit for days)"
            )
        if not _seconds(low) <= _seconds(value) <= _seconds(high):
            raise wrong(f"{name} must be at least {low} and at most {high}")
        return parse_duration(value)

    return BeforeValidator(check)


def whole(name: str, low: int, high: int, why: str) -> AfterValidator:
    """Takes a whole number from `low` to `high`, both included; `why` ends the sentence that refuses."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise wrong(f"{name} must be from {low} to {high}; {why}")
        return value

    return AfterValidator(check)


def https_url(name: str, example: str) -> tuple[AfterValidator, AfterValidator]:
    """Takes a URL as `URL_PATTERN` has it and writes it the one way of `canonical_url`."""
    sentence = (
        f"{name} must be an https URL (http on loopback only) without user info, query and fragment,"
        f" such as {example}; credentials belong into the Secret"
    )
    return matching(URL_PATTERN, sentence), AfterValidator(canonical_url)


def canonical_url(url: str) -> str:
    """The same address written one way only, so that two spellings of it compare equal."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    authority = authority.lower().removesuffix(":443" if scheme == "https" else ":80")
    return f"{scheme}://{authority}{slash}{path}".rstrip("/")


def _alias(name: str) -> str:
    return to_camel(name).replace("Url", "URL")


DURATION_SCHEMA = WithJsonSchema({"type": "string", "maxLength": 64})


class Model(BaseModel):
    """One object of a spec: frozen, camelCase outside, strict about what it holds."""

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
