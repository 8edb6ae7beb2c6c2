"""The made-up account that the sandbox answers to, and the addresses of its two systems."""

from __future__ import annotations

from dataclasses import dataclass, field

from engage_sync.sandbox.engage import BOOKINGS, HIERARCHY, TENANT


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials of one tenant. Not secret: they open nothing but the sandbox."""

    workplace_username: str = "sandbox-sync"
    workplace_password: str = "sandbox-workplace-password"  # noqa: S105
    engage_client_id: str = "sandbox-client"
    engage_password: str = "sandbox-engage-password"  # noqa: S105
    subscription_keys: dict[str, str] = field(
        default_factory=lambda: {HIERARCHY: "sandbox-hierarchy-key", BOOKINGS: "sandbox-bookings-key"}
    )


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the systems are found below the sandbox's own address."""

    base: str

    @property
    def workplace(self) -> str:
        """Workplace's baseURL."""
        return f"{self.base}/workplace"

    @property
    def engage_application(self) -> str:
        """Engage's applicationURL."""
        return f"{self.base}/engage"

    @property
    def engage_api(self) -> str:
        """Engage's apiURL."""
        return f"{self.base}/engage/{TENANT}"
