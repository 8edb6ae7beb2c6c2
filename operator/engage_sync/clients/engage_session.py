"""Calls to one tenant's Engage: address, token, subscription keys, limits, and what its statuses mean."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import httpx

from engage_sync.clients.answers import Answer, status_and_message, vendor_message
from engage_sync.clients.engage_auth import Token, Tokens
from engage_sync.clients.engage_paths import API, HIERARCHY, KEY_HEADER, LINKS, ROUTES, TOKEN
from engage_sync.clients.engage_wire import Asked, data_of, entities_of
from engage_sync.clients.failures import CutOff, MinuteFull, common_status, not_there
from engage_sync.clients.http import ATTEMPTS, WAITING, Call, Http, Judge, Session
from engage_sync.clients.limits import Limiter, RateLimit, WeekQuota, used_up
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import EngageCredentials, header_value
from engage_sync.clients.timing import Timing
from engage_sync.clients.transport import ReadOnlyTransport
from reconcilers.errors import (
    ConfigError,
    CredentialsRejected,
    IncompleteAnswer,
    QuotaExhausted,
    RateLimited,
    RefusedError,
)
from reconcilers.model import Current, Value
from reconcilers.ports import Gate

T = TypeVar("T")

API_URL = "spec.target.apiURL"


class TokenRejected(CredentialsRejected):
    """A 401: once it may only mean that the token ended early, twice it is what its name says."""


class NotAllowed(CredentialsRejected):
    """A 403 that is not a used-up quota."""


class Conflict(RefusedError):
    """A 409: something of this name or external id is there already."""


class EngageSession(Session):
    """What reader and writer share. Owns the transport: close it, or use it as a context."""

    def __init__(
        self,
        application_url: str,
        api_url: str,
        credentials: EngageCredentials,
        transport: httpx.AsyncBaseTransport,
        *,
        user_agent: str,
        rate_limit: RateLimit | None = None,
        week: WeekQuota | None = None,
        read_only: bool = False,
        timing: Timing | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        """Take over the transport; it is closed with this object.

        Args:
            application_url: as `spec.target.applicationURL`; tokens come from there.
            api_url: as `spec.target.apiURL`, without the API's path.
            credentials: client id and password, and the subscription keys by product.
            transport: wrapped, when `read_only`, so that nothing but reads can pass.
            user_agent: `engage-sync/<version> (<tenant>)`.
            rate_limit: the vendor's 500 a minute and 50,000 a week unless told otherwise.
            week: what the last session left in its own `week`.
            read_only: for mode Plan.
            timing: clocks, sleep and chance.
            hidden: what else must not be shown; our own credentials and tokens are added.

        Raises:
            ConfigError: a subscription key is missing or cannot be sent in a header.
        """
        self.timing = timing or Timing()
        self._api = api_url.rstrip("/") + API
        self._subscription_keys = credentials.subscription_keys
        self._check_keys_in_use()
        self._hidden = Hidden() if hidden is None else hidden
        self._hidden.add(*credentials.subscription_keys.values())
        self._limiter = Limiter(rate_limit or RateLimit(), week, self.timing)
        token_url = application_url.rstrip("/") + TOKEN
        if read_only:
            transport = ReadOnlyTransport(transport, system="target", token_url=token_url)
        self._http = Http(
            "target",
            transport,
            user_agent=user_agent,
            timing=self.timing,
        )
        self._tokens = Tokens(self._http, token_url, credentials, self.timing, self._hidden)

    @property
    def week(self) -> WeekQuota:
        """What is used of the week; to be kept for the next session."""
        return self._limiter.week

    @property
    def left_this_week(self) -> int | None:
        """Calls left until the week is over; None when there is no limit."""
        return self._limiter.left_this_week()

    async def listing(self, asked: Asked) -> list[Current]:
        """One listing, whole.

        Raises:
            SyncError: it was not answered, or not as it should be.
        """
        route = asked.route
        params = dict(route.query)
        what = route.path
        if route.below:
            params[route.below] = str(asked.parent)
            what = f"{route.path}?{route.below}={asked.parent}"

        return await self.read(
            route.path,
            params,
            lambda answer: entities_of(answer, data_of(answer, self._told), asked),
            what=what,
            product=route.product,
        )

    def has_key(self, product: str) -> bool:
        """Is there a subscription key for this product?"""
        return product in self._subscription_keys

    async def read(
        self, path: str, params: Mapping[str, str], judge: Judge[T], *, what: str, product: str
    ) -> T:
        """One read; `judge` sees answers whose status is good, and its RefusedError is a refusal to read.

        Raises:
            ConfigError: the subscription key is missing or cannot be sent in a header.
            TokenRejected, NotAllowed: Engage does not accept the token or the subscription key.
            SyncError: it was not answered, or not as it should be.
        """

        def judged(answer: Answer) -> T:
            not_there(answer, status_and_message(answer, self._told(answer)), API_URL)
            try:
                self._check(answer)
                answer.no_echo(self._hidden)
                return judge(answer)
            except RefusedError as error:
                raise answer.nonsense(f"a refusal: {error.message}") from None

        call = Call("GET", self._api + path, what=what, params=params, setting=API_URL)
        return await self._send(call, judged, product, _open)

    async def write(
        self,
        method: str,
        path: str,
        judge: Judge[T],
        *,
        body: Mapping[str, Value] | None = None,
        product: str = HIERARCHY,
        repeatable: bool = True,
        gate: Gate,
    ) -> T:
        """One write; `judge` sees every answer, and asks `data` what its status means.

        `gate` is asked before every attempt: we may have lost the lead while we waited for the one before.

        Raises:
            Halted: the gate is shut.
            UnknownOutcome: it is not repeatable, was sent, and nobody knows what became of it.
            RefusedError: Engage will not do it.
            SyncError: it was not answered, or not as it should be.
        """

        def judged(answer: Answer) -> T:
            try:
                return judge(answer)
            except IncompleteAnswer as error:
                # It does not say whether the write was done, so it is as good as lost.
                raise CutOff(error.message, system="target") from error

        what = f"{method} {path}"
        call = Call(method, self._api + path, what=what, json=body, repeatable=repeatable, setting=API_URL)
        return await self._send(call, judged, product, gate)

    def data(self, answer: Answer) -> object:
        """What is in the envelope.

        Raises:
            SyncError: the status or the envelope says that it was not done, or it is no envelope.
        """
        self._check(answer)
        return data_of(answer, self._told)

    async def _send(self, call: Call, judge: Judge[T], product: str, gate: Gate) -> T:
        token = await self._tokens.current()

        async def ready(call: Call) -> Call:
            nonlocal token
            await self._limiter.acquire()
            token = await self._tokens.current()  # the wait may have outlived the one before
            gate()
            return self._authorised(call, product, token)

        attempt = 0
        while True:
            attempt += 1
            try:
                done = await self._http.call(call, judge, ready)
            except TokenRejected:
                # One that was good has ended; one that never was may have been unlucky once.
                if attempt == ATTEMPTS or (attempt > 1 and product not in token.good_for):
                    raise
                await self._tokens.replace(token)
            else:
                token.good_for.add(product)
                return done

    def _check_keys_in_use(self) -> None:
        """The keys of the hierarchy's products, before anything is sent; others are looked at when used."""
        routed = {route.product for route in ROUTES.values()}
        for product in sorted(routed | {link.product for link in LINKS.values()}):
            self._key(product)

    def _key(self, product: str) -> bytes:
        if not self.has_key(product):
            raise ConfigError(f"the subscription key {product} is missing", system="target")
        return header_value(self._subscription_keys[product], f"subscription key {product}", "target")

    def _authorised(self, call: Call, product: str, token: Token) -> Call:
        headers = {
            KEY_HEADER: self._key(product),
            "Authorization": b"Bearer " + token.secret.reveal().encode("ascii"),
        }
        return replace(call, headers=headers)

    def _check(self, answer: Answer) -> None:
        """Raise what the status means; the one place that knows Engage's and its gateway's."""
        if answer.ok:
            return
        try:
            common_status(answer)
        except RateLimited as error:
            if error.retry_after is not None and error.retry_after <= WAITING:
                # All calls count, so all wait, not only the one that was told.
                self._limiter.hold(error.retry_after)
                raise MinuteFull(error.message, system="target", retry_after=error.retry_after) from None
            raise
        told = self._told(answer)
        said = status_and_message(answer, told)
        if answer.status == 401:
            raise TokenRejected(
                f"Engage does not accept the token or the subscription key, it answered {said}",
                system="target",
            )
        if answer.status == 403:
            raise _forbidden(answer, said, told, self.timing.wall())
        refusal = Conflict if answer.status == 409 else RefusedError
        raise refusal(f"Engage refused {answer.what} with {said}", system="target")

    def _told(self, answer: Answer) -> str:
        return vendor_message(answer, self._hidden)


def _open() -> None:
    """The gate of reads."""


def _forbidden(answer: Answer, said: str, told: str, now: float) -> NotAllowed | QuotaExhausted:
    """A 403 is the gateway's word for a used-up week too (contract section 6)."""
    message = f"the calls to Engage of this week are used up, it answered {said}"
    if answer.retry_after is not None:
        return used_up(message, now + answer.retry_after, now)
    if "quota" in told.casefold():
        return QuotaExhausted(message, system="target")
    return NotAllowed(f"Engage does not allow {answer.what}, it answered {said}", system="target")
