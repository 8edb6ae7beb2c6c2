"""The index: what it says survives, and anything else is refused."""

import json

import pytest

from engage_sync.store.codec import Corrupt, encode
from engage_sync.store.index import Identity, Index, describe
from tests.unit.store.examples import rooms

_ENCODED = encode(rooms(9).entries.values(), 2)
INDEX = Index(Identity("u", "b", "a"), _ENCODED.summary, describe(_ENCODED, ["one"]), "me", 3)


def test_what_goes_in_comes_out() -> None:
    assert Index.from_json(INDEX.to_json()) == INDEX


@pytest.mark.parametrize("field", sorted(json.loads(INDEX.to_json())))
@pytest.mark.parametrize("value", [None, -1, 2, 1.5, True, [], {}, [[]], [{}], ["x"], "2"])
def test_a_field_of_another_sort_is_corrupt(field: str, value: object) -> None:
    document = json.loads(INDEX.to_json())
    fits = {"revision", "entries", "schema"} if value == 2 else set()
    fits |= {"uid", "baseURL", "apiURL", "writer", "digest"} if value == "2" else set()
    if field in fits:
        return

    with pytest.raises(Corrupt):
        Index.from_json(json.dumps(document | {field: value}))


@pytest.mark.parametrize("field", sorted(json.loads(INDEX.to_json())))
def test_a_missing_field_is_corrupt(field: str) -> None:
    document = json.loads(INDEX.to_json())
    del document[field]

    with pytest.raises(Corrupt):
        Index.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "null", "1", '"x"', "{", "[" * 100_000])
def test_another_text_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt):
        Index.from_json(text)


def test_a_later_schema_says_so() -> None:
    with pytest.raises(Corrupt, match="schema 3, which this version does not know"):
        Index.from_json(INDEX.to_json().replace('"schema": 2', '"schema": 3'))
