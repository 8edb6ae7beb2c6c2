"""Secrets that cannot be printed by accident, and the credentials made of them."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from reconcilers.errors import ConfigError, System

MASK = "***"


@final
class Secret:
    """A text that shows only when asked to: printing, formatting, pickling it gives a mask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself; for the wire only."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self  # dataclasses.asdict() copies deeply; a mask in its place would be sent as a password

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return Secret, (MASK,)

    def __getstate__(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class WorkplaceCredentials:
    """The user by which Workplace is read, and written to by an upload."""

    username: Secret
    password: Secret


@dataclass(frozen=True, slots=True)
class EngageCredentials:
    """The API client of Engage, and its subscription keys by product (HierarchyMapping, …)."""

    client_id: Secret
    password: Secret
    subscription_keys: Mapping[str, Secret] = field(default_factory=dict)


def header_value(secret: Secret, what: str, system: System) -> bytes:
    """The secret as it goes into a header: UTF-8 bytes (contract section 5).

    Raises:
        ConfigError: it is empty, or holds a character that would break the header apart. An HTTP library
            would say so too, but with the value in its message.
    """
    value = secret.reveal()
    if not value:
        raise ConfigError(f"the {what} is empty", system=system)
    if not value.isprintable():
        raise ConfigError(
            f"the {what} contains a line break or another control character; "
            "write the Secret without a line break at its end",
            system=system,
        )
    return _bytes(value)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
