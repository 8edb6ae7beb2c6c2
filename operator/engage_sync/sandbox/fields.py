"""Checks of the single fields of a request body.

A sandbox that accepts nonsense hides bugs: types are never coerced, and an unknown field is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engage_sync.sandbox.wire import Json, Record, RefusedError

Check = Callable[[Json], Any]

# ASSUMED: every Windows time zone id has one of these forms (domain.md 5, "Time zone names").
_WINDOWS_ZONE = re.compile(
    r"UTC([+-]\d\d)?|Russia Time Zone \d+|[A-Z][A-Za-z. ]* Standard Time( \(Mexico\))?"
)


def read_fields(body: Json, schema: Mapping[str, Check]) -> Record:
    """The body's fields, each checked; refuses (400) what is no object, not in the schema, or wrong."""
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    values: Record = {}
    for name, value in body.items():
        if name not in schema:
            raise RefusedError(400, f"Unknown field '{name}'.")
        try:
            values[name] = schema[name](value)
        except ValueError as error:
            raise RefusedError(400, f"{name} {error}.") from None
    return values


def require(values: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse (400) a body that lacks a required field."""
    for name in names:
        if name not in values:
            raise RefusedError(400, f"{name} is required.")


def text(value: Json) -> str:
    """Any text; null is the same as empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("must be text")
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can write but nobody can send back
        raise ValueError("must be valid Unicode") from None
    return value


def filled_text(value: Json) -> str:
    """Text with something in it."""
    if not text(value).strip():
        raise ValueError("must not be empty")
    return text(value)


def external_id(value: Json) -> str | None:
    """An external id; empty or null clears it."""
    return text(value).strip() or None


def boolean(value: Json) -> bool:
    """True or false, not 0 or 1."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def integer(value: Json) -> int:
    """A whole number, not in quotes."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def count(value: Json) -> int:
    """A whole number of zero or more."""
    if integer(value) < 0:
        raise ValueError("must not be negative")
    return integer(value)


def people(value: Json) -> int:
    """A capacity: one person or more."""
    if integer(value) < 1:
        raise ValueError("must be at least 1")
    return integer(value)


def one_person(value: Json) -> int:
    """The capacity of a personal space (ASSUMED to be refused otherwise; domain.md 5, "Capacity")."""
    if integer(value) != 1:
        raise ValueError("must be 1 for a personal space")
    return 1


def number(value: Json) -> float:
    """Any number that JSON can write back."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("must be a number")
    return value


def floor_number(value: Json) -> str:
    """A floor number: text holding a whole number (contract section 6)."""
    if not isinstance(value, str) or not re.fullmatch(r"-?\d+", value):
        raise ValueError("must be text holding a whole number")
    return str(int(value))


def windows_zone(value: Json) -> str:
    """The Windows name of a time zone; an IANA name is refused (domain.md 3.4)."""
    if not _WINDOWS_ZONE.fullmatch(text(value)):
        raise ValueError("must be the Windows name of a time zone")
    return text(value)


def country_code(value: Json) -> str:
    """Two or three letters (the vendor's own examples are UK and USA, domain.md 1.6)."""
    if not re.fullmatch(r"[A-Za-z]{2,3}", text(value)):
        raise ValueError("must be two or three letters")
    return text(value)


def one_of(*choices: str) -> Check:
    """One of these words, exactly."""

    def check(value: Json) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return check


def reference(value: Json) -> int:
    """Workplace's `{"id": n}` (domain.md 2.1)."""
    if not isinstance(value, dict) or type(value.get("id")) is not int:
        raise ValueError('must be {"id": n}')
    return int(value["id"])
