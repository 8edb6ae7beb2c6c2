"""Turns the entries of a mapping into bytes and back: equal entries, equal bytes, on every machine.

One line of JSON an entry, sorted by key, cut into shards by a stable hash of the key. Hashes are taken of
these lines, never of their gzip form, which differs between builds of zlib. Nothing here reads or writes.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from gzip import compress
from itertools import pairwise
from typing import NoReturn

from reconcilers.model import Entry, Key, Kind, Origin, State

SCHEMA = 2
"""Version of what is stored. Any other is not used: the mapping is rebuilt."""

SHARD_ENTRIES = 3_500
"""Entries a shard on average, at most: some 60 KiB compressed, so that a checkpoint is quick."""

MAX_SHARDS = 4_096
"""Of anybody's mapping; an index that names more is not one of ours."""

MAX_CHUNK = 768 * 1024
"""Bytes of one shard before compression: fits a ConfigMap (1 MiB) even where nothing compresses."""

_FIELDS = (
    "kind",
    "key",
    "parent",
    "variant",
    "id",
    "digest",
    "firstSynced",
    "lastSynced",
    "state",
    "origin",
    "missingSince",
)
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_HEADER = _to_json(_FIELDS).encode()
_KINDS = {str(kind): kind for kind in Kind}
_STATES = {str(state): state for state in State}
_ORIGINS = {str(origin): origin for origin in Origin}


class Corrupt(Exception):
    """What is stored is not what was committed. Never leaves the stores: they answer by rebuilding."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The last commit, as `status.mapping` tells it."""

    entries: int = 0
    shards: int = 0
    digest: str = ""
    """`sha256:…` over all entries; the same however they are sharded, and in every store."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One shard: its lines, and the hash of them."""

    raw: bytes
    sha256: str
    entries: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A whole mapping, ready to be stored."""

    summary: Summary
    chunks: tuple[Chunk, ...]


def encode(entries: Iterable[Entry], shards: int = 0, *, whole: bool = False) -> Encoded:
    """Encode a mapping.

    Args:
        entries: in any order, each key once.
        shards: how many shards are stored now; kept while it fits, so that unchanged shards stay the same.
            0 lets the population decide.
        whole: one chunk, whatever its size.
    """
    lines = [(entry.key, _line(entry)) for entry in sorted(entries, key=lambda entry: entry.key)]
    count = 1 if whole else shard_count(len(lines), shards)
    chunks = _cut(lines, count)
    while not whole and count < MAX_SHARDS and max(len(chunk.raw) for chunk in chunks) > MAX_CHUNK:
        count *= 2
        chunks = _cut(lines, count)
    digest = "sha256:" + _sha256(line for _, line in lines)
    return Encoded(Summary(len(lines), count, digest), chunks)


def shard_count(entries: int, current: int = 0) -> int:
    """How many shards, a power of two; `current` is kept until it is too few or eight times too many."""
    count = current or 1
    while count * SHARD_ENTRIES < entries:
        count *= 2
    # Not at half: a population around a limit would have all shards rewritten again and again.
    while count > 1 and count * SHARD_ENTRIES > entries * 8:
        count //= 2
    return count


def shard_of(key: Key, shards: int) -> int:
    """Which shard a key is in; the same in every process, unlike `hash`."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % shards


def pack(raw: bytes) -> bytes:
    """Compress, with no time in it."""
    return compress(raw, compresslevel=6, mtime=0)


def unpack(packed: bytes, sha256: str, limit: int = MAX_CHUNK) -> bytes:
    """Decompress and verify.

    Args:
        packed: what `pack` gave.
        sha256: of the content.
        limit: bytes to expect at most; whoever may edit a ConfigMap shall not fill our memory.

    Raises:
        Corrupt: not gzip, cut short, too large, or another content.
    """
    inflate = zlib.decompressobj(wbits=31)
    try:
        raw = inflate.decompress(packed, limit + 1)
    except zlib.error as error:
        raise Corrupt(f"not gzip: {error}") from error
    if len(raw) > limit:
        _corrupt("larger than it can be")
    if not inflate.eof or inflate.unused_data:
        _corrupt("cut short, or longer than it was")
    if _sha256([raw]) != sha256:
        _corrupt("another content than its hash says")
    return raw


def decode(raw: bytes) -> list[Entry]:
    """The entries of one chunk.

    Raises:
        Corrupt: not what `encode` makes.
    """
    header, *lines = raw.split(b"\n")
    if header != _HEADER:
        _corrupt("an unknown header")
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")
        entries = [_entry(row) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Corrupt(f"a line that is no entry ({type(error).__name__})") from error
    if len(entries) != len(lines):
        _corrupt("several entries in a line, or none")
    if any(before.key >= after.key for before, after in pairwise(entries)):
        _corrupt("entries out of order, or twice")
    return entries


def join(chunks: Sequence[Iterable[Entry]], entries: int) -> dict[Key, Entry]:
    """One mapping from its decoded shards.

    Raises:
        Corrupt: an entry is there twice, or one is missing.
    """
    joined = {entry.key: entry for chunk in chunks for entry in chunk}
    if len(joined) != entries:
        _corrupt(f"{len(joined)} entries instead of {entries}")
    return joined


def _cut(lines: Sequence[tuple[Key, bytes]], count: int) -> tuple[Chunk, ...]:
    shards: list[list[bytes]] = [[_HEADER] for _ in range(count)]
    for key, line in lines:
        shards[shard_of(key, count)].append(line)
    return tuple(_chunk(shard) for shard in shards)


def _chunk(shard: list[bytes]) -> Chunk:
    raw = b"\n".join(shard)
    return Chunk(raw, _sha256([raw]), len(shard) - 1)


def _line(entry: Entry) -> bytes:
    return _to_json(
        (
            entry.kind,
            entry.key,
            entry.parent,
            entry.variant,
            entry.id,
            entry.digest,
            entry.first_synced,
            entry.last_synced,
            entry.state,
            entry.origin,
            entry.missing_since,
        )
    ).encode()


def _entry(row: object) -> Entry:
    if not isinstance(row, list):
        raise TypeError
    kind, key, parent, variant, id_, digest, first, last, state, origin, missing = row
    texts, numbers = (key, variant, digest), (first, last, missing)
    if not (
        all(type(text) is str for text in texts)
        and all(type(number) is int for number in numbers)
        and (parent is None or type(parent) is str)
        and (id_ is None or type(id_) is int)
    ):
        raise TypeError
    return Entry(
        kind=_KINDS[kind],
        key=Key(key),
        parent=None if parent is None else Key(parent),
        variant=variant,
        id=id_,
        digest=digest,
        first_synced=first,
        last_synced=last,
        state=_STATES[state],
        origin=_ORIGINS[origin],
        missing_since=missing,
    )


def _sha256(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _corrupt(message: str) -> NoReturn:
    raise Corrupt(message)
