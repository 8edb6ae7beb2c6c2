"""Keeps our secrets out of what a server says: it may repeat a header, half a token, base64 of either."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from engage_sync.clients.secrets import MASK, Secret

# Shorter secrets are not masked in foreign text: "a" would garble every sentence and hide nothing.
_MASKED_FROM = 4
_FRAGMENT = 9
"""Letters and digits of a secret in a row that no message may hold; one more than in "password"."""
_ECHO = 12
"""Characters from which a secret in data is an echo and not a word that happens to be the same."""


class Hidden:
    """All secrets of one run, also of the other system, and tokens of before: a server may speak of any."""

    def __init__(self) -> None:
        self._secrets: dict[Secret, bool] = {}

    def add(self, *secrets: Secret, name: bool = False) -> None:
        """Hide these from now on; a `name` may be a word that stands in data too."""
        for secret in secrets:
            self._secrets[secret] = name and self._secrets.get(secret, True)

    def mask(self, text: str) -> str:
        """The text as it may be shown."""
        return mask(text, self._secrets)

    def echoed(self, body: bytes) -> bool:
        """Does a body hold one that is no name?"""
        return echoes(body, (secret for secret, name in self._secrets.items() if not name))


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """The text with the secrets masked; empty when some of one is left, cut or spelled in another way."""
    known = [secret.reveal() for secret in secrets if len(secret.reveal()) >= _MASKED_FROM]
    # The longest first: one secret may be the beginning of another.
    for form in sorted({form for value in known for form in _spellings(value)}, key=len, reverse=True):
        text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE)
    said = _letters(text)
    pieces = {said[start : start + _FRAGMENT] for start in range(len(said) - _FRAGMENT + 1)}
    hidden = "\n".join(_letters(form) for value in known for form in _disguises(value))
    return "" if any(piece in hidden for piece in pieces) else text


def echoes(body: bytes, secrets: Iterable[Secret]) -> bool:
    """Does a body hold one of these secrets, as it is or as JSON writes it?"""
    values = (secret.reveal() for secret in secrets)
    return any(
        form.encode("utf-8", "surrogatepass") in body
        for value in values
        if len(value) >= _ECHO
        for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    )


def _spellings(value: str) -> Iterator[str]:
    """How a server may repeat it whole."""
    yield value
    yield quote(value, safe="", errors="replace")
    yield quote_plus(value, errors="replace")
    yield html.escape(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]


def _disguises(value: str) -> Iterator[str]:
    """Texts of which no part may show."""
    yield from _spellings(value)
    raw = value.encode("utf-8", "surrogatepass")
    yield raw.hex()
    for before in range(3):  # base64 depends on where in the whole it stands
        code = base64.b64encode(b"\0" * before + raw).decode()
        yield code[4 if before else 0 :]


def _letters(text: str) -> str:
    """Letters and digits alone, of one case: what spaces, line breaks and quoting cannot tear apart."""
    return "".join(char for char in text.casefold() if char.isalnum())
