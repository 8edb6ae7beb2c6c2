"""What stands before Engage's API: subscription keys, call limits, tokens (contract section 6).

ASSUMED throughout: answers as Azure API Management gives them (domain.md 3.8).
"""

from __future__ import annotations

import hmac
import math
from collections import deque
from collections.abc import Callable, Mapping

from engage_sync.sandbox.wire import RefusedError, Reply, Request, json_reply

MINUTE = 60.0
WEEK = 7 * 24 * 3600.0
TOKEN_LIFE = 43_199.0  # documented (domain.md 3.2)
PER_MINUTE = 500  # documented (domain.md 3.1)
PER_WEEK = 50_000


class CallLimits:
    """Any 60 seconds hold at most `per_minute` accepted calls, any week from its first call `per_week`.

    One allowance for all products together, the least that the documents can mean. Refused calls are free.
    """

    def __init__(self, clock: Callable[[], float], *, per_minute: int, per_week: int) -> None:
        self._clock = clock
        self.per_minute = per_minute  # 0: no limit
        self.per_week = per_week
        self._accepted: deque[float] = deque()
        self._week_began = -math.inf
        self.this_week = 0

    def take(self) -> None:
        """Count a call, or refuse it: 403 over the week's quota, 429 over the minute's limit."""
        now = self._clock()
        if now >= self._week_began + WEEK:
            self._week_began, self.this_week = now, 0
        if self.per_week and self.this_week >= self.per_week:
            wait = math.ceil(self._week_began + WEEK - now)
            raise RefusedError(
                403,
                f"Out of call volume quota. Quota will be replenished in {_span(wait)}.",
                retry_after=wait,
            )
        if self.per_minute:
            self._take_minute(now)
        self.this_week += 1

    def _take_minute(self, now: float) -> None:
        while self._accepted and self._accepted[0] <= now - MINUTE:
            self._accepted.popleft()
        if len(self._accepted) >= self.per_minute:
            wait = max(1, math.ceil(self._accepted[0] + MINUTE - now))
            raise RefusedError(429, f"Rate limit is exceeded. Try again in {wait} seconds.", retry_after=wait)
        self._accepted.append(now)


class Tokens:
    """The token endpoint's memory: which tokens were given, and until when each is good."""

    def __init__(self, clock: Callable[[], float], *, client_id: str, password: str, life: float) -> None:
        self._clock = clock
        self.client_id = client_id
        self.password = password
        self.life = life
        self._expiry: dict[str, float] = {}
        self._given = 0

    def give(self, form: Mapping[str, str]) -> Reply:
        """Answer a token request (domain.md 3.2)."""
        if form.get("grant_type") != "password":
            return json_reply(400, {"error": "unsupported_grant_type"})
        given = [form.get(name, "").encode() for name in ("client_id", "password")]
        expected = [self.client_id.encode(), self.password.encode()]
        if not all(hmac.compare_digest(*pair) for pair in zip(given, expected, strict=True)):
            return json_reply(400, {"error": "invalid_grant"})
        now = self._clock()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        self._given += 1
        token = f"sandbox-token-{self._given}"
        self._expiry[token] = now + self.life
        return json_reply(200, {"access_token": token, "token_type": "bearer", "expires_in": int(self.life)})

    def check(self, request: Request) -> None:
        """Refuse (401) a request whose token is missing, unknown or too old."""
        scheme, _, token = request.text(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or self._clock() >= self._expiry.get(token, -math.inf):
            raise RefusedError(401, "Authorization has been denied for this request.")

    def revoke(self) -> None:
        """Forget every token that was given."""
        self._expiry.clear()


def check_key(request: Request, expected: str) -> None:
    """Refuse (401) a request without the subscription key of its product."""
    key = request.headers.get(b"ocp-apim-subscription-key", b"")
    if not key:
        raise RefusedError(
            401,
            "Access denied due to missing subscription key. "
            "Make sure to include subscription key when making requests to an API.",
        )
    if not hmac.compare_digest(key, expected.encode()):
        raise RefusedError(
            401,
            "Access denied due to invalid subscription key. "
            "Make sure to provide a valid key for an active subscription.",
        )


def gateway_error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error of the gateway itself."""
    return json_reply(status, {"statusCode": status, "message": message}, headers)


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 24 * 3600)
    return f"{days}.{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
