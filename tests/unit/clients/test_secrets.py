import copy
import dataclasses
import json
import pickle

import pytest

from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials, header_value
from reconcilers.errors import ConfigError
from tests.unit.clients.fakes import CANARY


def test_no_way_of_printing_shows_it() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret:>30}", f"{secret!r}", "%s" % secret,  # noqa: UP031
        json.dumps(secret, default=str), pickle.dumps(secret).decode("latin-1"),
        repr(WorkplaceCredentials(secret, secret)), repr(EngageCredentials(secret, secret, {"k": secret})),
        repr(pickle.loads(pickle.dumps(secret)).reveal()),
    ]  # fmt: skip
    assert not [text for text in shown if CANARY in text or "S3cret" in text]
    assert secret.reveal() == CANARY


def test_json_does_not_take_it() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_copies_are_the_secret_itself_and_equality_is_by_value() -> None:
    secret = Secret(CANARY)
    credentials = WorkplaceCredentials(secret, secret)
    assert copy.deepcopy(secret) is secret
    assert copy.copy(secret) is secret
    assert dataclasses.asdict(credentials)["password"].reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != Secret("other")
    assert secret != CANARY
    assert len({secret, Secret(CANARY)}) == 1
    assert not Secret("")


@pytest.mark.parametrize("value", ["", f"{CANARY}\n", f"{CANARY}\r\nX: y", f"{CANARY}\0"])
def test_what_would_break_a_header_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        header_value(Secret(value), "Workplace password", "source")
    assert "Workplace password" in caught.value.message
    assert CANARY not in caught.value.message
    assert caught.value.system == "source"


def test_header_values_are_utf8() -> None:
    assert header_value(Secret("pä€"), "x", "source") == "pä€".encode()
