"""Engage's session token: asked for once, renewed before it expires, and once when it is rejected."""

import asyncio
from dataclasses import dataclass, field

from pydantic import ValidationError

from engage_sync.clients.answers import Answer, status_and_message, vendor_message
from engage_sync.clients.engage_wire import TokenWire
from engage_sync.clients.failures import common_status
from engage_sync.clients.http import Call, Http
from engage_sync.clients.redact import Hidden
from engage_sync.clients.secrets import EngageCredentials, Secret
from engage_sync.clients.timing import Timing
from reconcilers.errors import CredentialsRejected, IncompleteAnswer

RENEW_BEFORE = 300.0
"""Seconds before its end that a token is not used any more; a tenth of its life where that is less."""
_REJECTED = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})


@dataclass(eq=False, slots=True)
class Token:
    """What goes into the header of a call."""

    secret: Secret
    good_for: set[str] = field(default_factory=set)
    """Products that took it."""


class Tokens:
    """The current token. However many calls need a new one at once, it is asked for once."""

    def __init__(
        self, http: Http, url: str, credentials: EngageCredentials, timing: Timing, hidden: Hidden
    ) -> None:
        self._http = http
        self._url = url
        self._credentials = credentials
        self._timing = timing
        self._token: Token | None = None
        self._hidden = hidden
        hidden.add(credentials.client_id, name=True)
        hidden.add(credentials.password)
        self._good_until = 0.0
        self._renewing = asyncio.Lock()

    async def current(self) -> Token:
        """A token that is good for a while.

        Raises:
            CredentialsRejected: Engage does not accept client id and password.
            SyncError: it did not answer as it should.
        """
        if (token := self._good()) is not None:
            return token
        async with self._renewing:
            return self._good() or await self._renew()

    async def replace(self, rejected: Token) -> Token:
        """A token other than the rejected one; one that came meanwhile will do. Raises as `current`."""
        if self._token is rejected:
            self._token = None
        return await self.current()

    def _good(self) -> Token | None:
        return self._token if self._timing.monotonic() < self._good_until else None

    async def _renew(self) -> Token:
        asked = self._timing.monotonic()
        call = Call(
            "POST",
            self._url,
            what="the request for a token",
            form={
                "client_id": self._credentials.client_id.reveal(),
                "password": self._credentials.password.reveal(),
                "grant_type": "password",
            },
            setting="spec.target.applicationURL",
            urgent=True,
        )
        told = await self._http.call(call, self._judge)
        token = self._token = Token(Secret(told.access_token))
        self._hidden.add(token.secret)
        self._good_until = asked + told.expires_in - min(RENEW_BEFORE, told.expires_in / 10)
        return token

    def _judge(self, answer: Answer) -> TokenWire:
        common_status(answer)
        if not answer.ok:
            raise self._refusal(answer)
        try:
            token = TokenWire.model_validate(answer.json())
        except ValidationError:
            raise answer.nonsense("something that is not a token") from None
        if not (token.access_token.isascii() and token.access_token.isprintable()):
            raise answer.nonsense("a token that cannot be sent")
        return token

    def _refusal(self, answer: Answer) -> Exception:
        told = vendor_message(answer, self._hidden)
        said = status_and_message(answer, told)
        if answer.status == 401 or (answer.status == 400 and _error_code(answer) in _REJECTED):
            return CredentialsRejected(
                f"Engage does not accept the client id and password, it answered {said}", system="target"
            )
        return answer.nonsense(said)


def _error_code(answer: Answer) -> object:
    """OAuth's word for what was wrong; there may be a sentence for people beside it."""
    try:
        body = answer.json()
    except IncompleteAnswer:
        return None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None
