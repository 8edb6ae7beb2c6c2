"""What a failure means, as an error of `reconcilers.errors`: of the network, and of any HTTP status."""

import errno
import socket
import ssl
from collections.abc import Iterator

import aiohttp
import httpx

from engage_sync.clients.answers import NAMES, Answer
from engage_sync.clients.transport import AddressRefused
from reconcilers.errors import ConfigError, IncompleteAnswer, RateLimited, SyncError, System, TransientError


class CutOff(IncompleteAnswer):
    """An answer that broke off on its way; worth another try."""


class MinuteFull(RateLimited):
    """The calls of this minute are used up; the wait for the next one does not count as waiting."""


def common_status(answer: Answer) -> None:
    """Raise what a status means in both systems; returns for those that only the system's own judge knows."""
    name, status = NAMES[answer.system], answer.status
    if status == 429:
        raise RateLimited(
            f"{name} answered {answer.what} with 429, too many requests",
            system=answer.system,
            retry_after=answer.retry_after,
        )
    if status >= 500 or status == 408:
        raise TransientError(
            f"{name} answered {answer.what} with {status}",
            system=answer.system,
            retry_after=answer.retry_after,
        )
    if 300 <= status < 400:
        raise answer.nonsense(
            f"{status}, a redirect, which is not followed; the configured URL may be the wrong one"
        )
    if status < 200:
        raise answer.nonsense(f"{status}")


def not_there(answer: Answer, told: str, setting: str) -> None:
    """Raise where what was to be read is not there. A listing always is, unless the URL leads elsewhere."""
    if answer.status == 404:
        of_one = any(letter.isdigit() for letter in answer.what)  # by its id: it may have gone meanwhile
        raise answer.nonsense(told if of_one else f"{told}; {setting} may be the wrong one")


def network_error(
    system: System, what: str, error: Exception, *, answering: bool, setting: str = "its URL"
) -> SyncError:
    """The one place that says what a failure of the network means.

    Not by the httpx class alone: httpx-aiohttp 0.2 reports a connection that was lost after sending as
    ConnectTimeout, as if nothing had been sent. So no failure here counts as "not sent".
    """
    name = NAMES[system]
    if any(isinstance(cause, AddressRefused) for cause in _causes(error)):
        return ConfigError(
            f"{setting} leads to a loopback, link-local, private or cluster address, where this operator does"
            " not connect; correct the host or its DNS record, or have the administrator start the operator"
            " with --allow-private-network",
            system=system,
        )
    if isinstance(
        error, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.InvalidURL | UnicodeError
    ):
        # The text of a LocalProtocolError may hold a header's value, so it is not repeated.
        return ConfigError(f"{name} cannot be called with this URL and these credentials", system=system)
    if isinstance(error, httpx.DecodingError) or (answering and not _timed_out(error)):
        return CutOff(f"{name} answered {what} with something that broke off", system=system)
    return TransientError(f"{name} could not be reached for {what}: {_why(error)}", system=system)


def _timed_out(error: BaseException) -> bool:
    return isinstance(error, TimeoutError | httpx.ReadTimeout)


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError),
        "its certificate is not trusted",
    ),
    ((ssl.SSLError, aiohttp.ClientSSLError), "no secure connection could be made"),
    ((socket.gaierror, aiohttp.ClientConnectorDNSError), "its host name is not known"),
    # Before the timeouts: httpx-aiohttp calls a connection that was lost a ConnectTimeout.
    ((ConnectionError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError), "the connection was lost"),
    ((TimeoutError, httpx.TimeoutException), "no answer in time"),
    ((aiohttp.ClientResponseError, httpx.RemoteProtocolError), "it does not speak HTTP"),
)


def _why(error: BaseException) -> str:
    """The innermost cause that says something, since outer ones are translations of it."""
    for cause in reversed(list(_causes(error))):
        if getattr(cause, "errno", None) == errno.ECONNREFUSED:
            return "it refuses connections"
        for classes, reason in _REASONS:
            if isinstance(cause, classes):
                return reason
    return "the connection was lost"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
