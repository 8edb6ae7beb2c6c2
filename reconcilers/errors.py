"""The error tree, by what to do next.

SyncError
├── ConfigError              a person must change the resource or a Secret
├── CredentialsRejected      a person must change a credential; tried again with growing back-off
├── TransientError           try again later
│   ├── RateLimited          … after `retry_after` seconds
│   ├── QuotaExhausted       … when the quota's window opens again
│   └── UnknownOutcome       a write may or may not have happened; look before writing again
├── IncompleteAnswer         the other side answered nonsense; nothing may be concluded from it
│   └── EmptySource          … it says that nothing is there any more
├── RefusedError             the target will not take this one write; others may go on
├── UnsupportedEnvironment   the target holds what this run must not touch; a person must decide
└── Halted                   we were told to stop: no further write starts
"""

from typing import Literal

System = Literal["source", "target"]


class SyncError(Exception):
    """Root of everything the engine and its ports raise; the text is one sentence for people."""

    reason = "Failed"

    def __init__(self, message: str, *, system: System | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.system = system


class ConfigError(SyncError):
    """What was asked for cannot be done as written."""

    reason = "InvalidSpec"


class CredentialsRejected(SyncError):
    """A system does not accept our credentials."""

    reason = "CredentialsRejected"


class TransientError(SyncError):
    """Likely to pass by itself; `retry_after` is in seconds, None when not told."""

    reason = "Unreachable"

    def __init__(
        self, message: str, *, system: System | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, system=system)
        self.retry_after = retry_after


class RateLimited(TransientError):
    """Too many calls in a short time, even after backing off."""

    reason = "RateLimited"


class QuotaExhausted(TransientError):
    """The calls of a longer window are used up."""

    reason = "QuotaExhausted"


class UnknownOutcome(TransientError):
    """A write was sent and its answer lost."""


class IncompleteAnswer(SyncError):
    """An answer that cannot be what was asked for: garbage, truncated, another shape."""

    reason = "Incomplete"


class EmptySource(IncompleteAnswer):
    """The source lists nothing where the mapping knows plenty."""

    reason = "EmptySource"


class RefusedError(SyncError):
    """The target answered that it will not do this."""

    reason = "Refused"


class UnsupportedEnvironment(SyncError):
    """The target holds entities that are not ours where it should be empty."""

    reason = "UnsupportedEnvironment"


class Halted(SyncError):
    """Suspended, paused, deleted, out of Apply mode or no longer the leader."""

    reason = "Halted"
