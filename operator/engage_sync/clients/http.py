"""The ladder that every call climbs: pace, send, read within bounds, judge, back off, give up.

httpx's and aiohttp's errors end here; what leaves is an answer or an error of `reconcilers.errors`. Redirects
are never followed, so credentials reach the named host and nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self, TypeVar

import aiohttp
import httpx

from engage_sync.clients.answers import BODY_LIMIT, Answer, read_body, retry_after
from engage_sync.clients.failures import CutOff, MinuteFull, network_error
from engage_sync.clients.timing import Timing
from engage_sync.clients.transport import QuietTransport
from reconcilers.errors import (
    IncompleteAnswer,
    QuotaExhausted,
    RateLimited,
    SyncError,
    System,
    TransientError,
    UnknownOutcome,
)

T = TypeVar("T")

ATTEMPTS = 5
CONCURRENCY = 8
"""Calls to one system in flight at once."""
CREATES = 3
"""How often a create is sent whose outcome was not known and that a look-up did not find."""
WAITING = 60.0
"""Seconds after which a call is given up (contract section 5); waits for a quota are apart."""
TIMEOUT = httpx.Timeout(connect=10.0, read=30.0, write=30.0, pool=30.0)
"""Seconds of silence."""
DEADLINE = 60.0
"""Seconds for one attempt as a whole, so that a byte now and then does not keep it alive."""
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 8.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one attempt may cost."""

    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    deadline: float = DEADLINE
    body: int = BODY_LIMIT


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `what` is how messages name it, without host or secrets."""

    method: str
    url: str
    what: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    json: object = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    repeatable: bool = True
    """Doing it twice is doing it once. If not, an unknown outcome is told and never simply repeated."""
    setting: str = "its URL"
    """The field of the spec that the URL comes from."""
    urgent: bool = False
    """It goes beside the calls in flight, as they wait for it."""


Judge = Callable[[Answer], T]
"""Turns an answer into what was asked for, or raises the error that its status means."""
Ready = Callable[[Call], Awaitable[Call]]
"""Waits until a call may be sent, and says how: with what is good at that moment, such as a token."""


async def _as_it_is(call: Call) -> Call:
    return call


def backoff(attempt: int, timing: Timing) -> float:
    """Seconds to wait after the attempt of this number: twice as long each time, spread by chance."""
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** (attempt - 1))
    return longest * (1 + timing.random()) / 2


class Patience:
    """Counts the attempts and the waiting of one call, and ends it."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._start = timing.monotonic()
        self._attempts = 1
        self.apart = 0.0
        """Seconds waited for our own pacing and the target's quota, which do not count."""

    async def again(self, error: SyncError) -> None:
        """Wait before the next attempt. Raises `error` when there shall be none."""
        told = error.retry_after if isinstance(error, TransientError) else None
        delay = self._delay(told)
        spent = self._timing.monotonic() - self._start - self.apart
        waiting = spent if isinstance(error, MinuteFull) else spent + delay
        if self._attempts >= ATTEMPTS or waiting > WAITING:
            raise error
        self._attempts += 1
        if isinstance(error, MinuteFull):
            self.apart += delay
        await self._timing.sleep(delay)

    def _delay(self, told: float | None) -> float:
        """What the server says and a little more, so that not all come at once; else our own back-off."""
        if told is not None:
            return told + min(1.0, told / 10) * self._timing.random()
        return backoff(self._attempts, self._timing)


class Http:
    """Calls to one system. Owns the transport: close it, or use it as a context."""

    def __init__(
        self,
        system: System,
        transport: httpx.AsyncBaseTransport,
        *,
        user_agent: str,
        headers: Mapping[str, bytes] | None = None,
        concurrency: int = CONCURRENCY,
        bounds: Bounds | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.system: System = system
        self.requests = 0
        """Requests sent so far, every attempt counted."""
        self._bounds = bounds or Bounds()
        self._timing = timing or Timing()
        self._slots = asyncio.Semaphore(concurrency)
        self._client = httpx.AsyncClient(
            transport=QuietTransport(transport),
            headers=_raw(
                {
                    "User-Agent": user_agent.encode(),
                    "Accept": b"application/json",
                    # One coding only: stacked ones would multiply what a single chunk can unpack to.
                    "Accept-Encoding": b"gzip",
                    **(headers or {}),
                }
            ),
            timeout=self._bounds.timeout,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def call(self, call: Call, judge: Judge[T], ready: Ready = _as_it_is) -> T:
        """Carry out a call, again where that is safe and may help.

        Raises:
            UnknownOutcome: a call that is not repeatable was sent, and nobody knows what became of it.
            SyncError: what `judge` or the network says, after the last attempt.
        """
        patience = Patience(self._timing)
        while True:
            try:
                return judge(await self._attempt(call, ready, patience))
            except (TransientError, IncompleteAnswer) as error:
                if _worth_repeating(error, call):
                    await patience.again(error)
                elif call.repeatable or isinstance(error, QuotaExhausted):
                    raise
                else:
                    raise UnknownOutcome(
                        f"{error.message}; whether it was done is not known", system=self.system
                    ) from error

    async def _attempt(self, call: Call, ready: Ready, patience: Patience) -> Answer:
        began = self._timing.monotonic()
        async with nullcontext() if call.urgent else self._slots:
            dressed = await ready(call)
            patience.apart += self._timing.monotonic() - began
            self.requests += 1
            return await self._exchange(dressed)

    async def _exchange(self, call: Call) -> Answer:
        answering = False
        try:
            async with (
                asyncio.timeout(self._bounds.deadline),
                self._client.stream(
                    call.method,
                    call.url,
                    params=call.params or None,
                    headers=_raw(call.headers),
                    json=call.json,
                    data=call.form,
                ) as response,
            ):
                answering = True
                return await self._read(call, response)
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, UnicodeError) as error:
            # What libraries say of it may repeat a header or a bad answer: nothing of that goes on from here.
            raise network_error(
                self.system, call.what, error, answering=answering, setting=call.setting
            ) from None

    async def _read(self, call: Call, response: httpx.Response) -> Answer:
        answer = Answer(
            self.system,
            call.what,
            response.status_code,
            b"",
            retry_after(response.headers, self._timing.wall),
        )
        if response.headers.get("content-encoding", "identity").lower() not in ("identity", "gzip"):
            raise answer.nonsense("an encoding that was not asked for")
        body = await read_body(response, self._bounds.body)
        if body is None:
            raise answer.nonsense(f"more than {self._bounds.body} bytes")
        return replace(answer, body=body)


class Session:
    """What speaks to one system by its `Http`: close it, or use it as a context."""

    _http: Http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def requests(self) -> int:
        """Requests sent so far, every attempt and those for tokens counted."""
        return self._http.requests


def _worth_repeating(error: TransientError | IncompleteAnswer, call: Call) -> bool:
    if isinstance(error, RateLimited):
        return True  # refused before anything was done, so even a create may be sent again
    # Exactly TransientError: the kinds of it are used-up quotas and unknown outcomes.
    return call.repeatable and (type(error) is TransientError or isinstance(error, CutOff))


def _raw(headers: Mapping[str, bytes]) -> list[tuple[bytes, bytes]]:
    """As bytes: httpx would encode texts as ASCII only."""
    return [(name.encode(), value) for name, value in headers.items()]
