"""The index of a stored mapping: whose it is, and which chunks make it up. Writing it is the commit."""

import json
from dataclasses import dataclass
from typing import Any

from engage_sync.store.codec import MAX_SHARDS, SCHEMA, Corrupt, Encoded, Summary


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose mapping it is: one SyncTarget and one pair of systems; a change of any is another mapping."""

    uid: str
    base_url: str
    api_url: str


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """One chunk, and what must be in it."""

    name: str
    sha256: str
    entries: int


@dataclass(frozen=True, slots=True)
class Index:
    """Everything a reader must know to read the mapping, or to leave it alone."""

    identity: Identity
    summary: Summary
    chunks: tuple[ChunkRef, ...]
    writer: str
    """Who committed it; with the revision it tells two commits of equal content apart."""
    revision: int

    def to_json(self) -> str:
        """For people, too: it is what they see when they look at the object."""
        document = {
            "schema": SCHEMA,
            "uid": self.identity.uid,
            "baseURL": self.identity.base_url,
            "apiURL": self.identity.api_url,
            "writer": self.writer,
            "revision": self.revision,
            "entries": self.summary.entries,
            "digest": self.summary.digest,
            "chunks": [
                {"name": chunk.name, "sha256": chunk.sha256, "entries": chunk.entries}
                for chunk in self.chunks
            ],
        }
        return json.dumps(document, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Index":
        """Read what `to_json` wrote.

        Raises:
            Corrupt: anything else, another schema included.
        """
        try:
            document = json.loads(text)
            schema = _count(document["schema"])
            if schema != SCHEMA:
                raise Corrupt(f"schema {schema}, which this version does not know")
            return cls._from(document)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Corrupt(f"an index that cannot be read ({type(error).__name__})") from error

    @classmethod
    def _from(cls, document: dict[str, Any]) -> "Index":
        listed = document["chunks"]
        if not 1 <= len(listed) <= MAX_SHARDS:
            raise Corrupt(f"an index of {len(listed)} chunks")
        chunks = tuple(
            ChunkRef(_text(chunk["name"]), _text(chunk["sha256"]), _count(chunk["entries"]))
            for chunk in listed
        )
        return cls(
            Identity(_text(document["uid"]), _text(document["baseURL"]), _text(document["apiURL"])),
            Summary(_count(document["entries"]), len(chunks), _text(document["digest"])),
            chunks,
            _text(document["writer"]),
            _count(document["revision"]),
        )


def describe(encoded: Encoded, names: list[str]) -> tuple[ChunkRef, ...]:
    """The chunks of an encoded mapping under the names they are stored by."""
    return tuple(
        ChunkRef(name, chunk.sha256, chunk.entries) for name, chunk in zip(names, encoded.chunks, strict=True)
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
