"""Entries to bytes and back."""

import gzip
import hashlib
import random
import tracemalloc
import zlib
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage_sync.store import codec
from engage_sync.store.codec import Corrupt, decode, encode, join, pack, shard_count, shard_of, unpack
from reconcilers.model import Entry, Key, MappingState
from tests.unit.store.examples import entry, mappings, rooms

MIB = 1024 * 1024


def _stored_and_read(encoded: codec.Encoded) -> dict[Key, Entry]:
    chunks = [decode(unpack(pack(chunk.raw), chunk.sha256)) for chunk in encoded.chunks]
    return join(chunks, encoded.summary.entries)


@given(mappings, st.sampled_from([0, 1, 2, 8]))
def test_what_goes_in_comes_out(mapping: MappingState, shards: int) -> None:
    assert _stored_and_read(encode(mapping.entries.values(), shards)) == mapping.entries


@given(mappings, st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(mapping: MappingState, shuffled: random.Random) -> None:
    entries = list(mapping.entries.values())
    again = list(entries)
    shuffled.shuffle(again)

    assert encode(entries) == encode(again)


def test_the_bytes_are_the_same_on_every_machine_and_day() -> None:
    # If this fails, every mapping in the field will be rebuilt: raise SCHEMA and say so in the CHANGELOG.
    assert encode([entry(1, digest="d1"), entry(0, digest="d0")]).chunks[0].raw.decode().splitlines() == [
        '["kind","key","parent","variant","id","digest","firstSynced","lastSynced","state","origin","missingSince"]',
        '["Resource","wp:room:0","wp:floor:0","meeting",70000,"d0",1760000000,1760000000,"Synced","Created",0]',
        '["Resource","wp:room:1","wp:floor:0","meeting",70001,"d1",1760000000,1760000001,"Synced","Created",0]',
    ]
    assert pack(b"x") == pack(b"x")
    assert pack(b"x")[4:8] == bytes(4), "a time stamp"


def test_the_digest_does_not_depend_on_the_shards() -> None:
    entries = rooms(100).entries.values()

    assert encode(entries, 1).summary.digest == encode(entries, 8).summary.digest
    assert encode(entries, whole=True).summary.digest == encode(entries, 8).summary.digest


def test_a_change_touches_only_its_own_shard() -> None:
    before = rooms(20_000)
    after = rooms(20_000)
    after.put(entry(7, id=1))

    old, new = encode(before.entries.values()), encode(after.entries.values(), 8)
    changed = [shard for shard in range(8) if old.chunks[shard].sha256 != new.chunks[shard].sha256]

    assert changed == [shard_of(entry(7).key, 8)]


def test_a_hundred_thousand_entries_are_small() -> None:
    drawn = random.Random(1)
    entries = [
        entry(number * 3, id=500_000 + number * 7, last_synced=1_760_000_000 + drawn.randrange(86_400))
        for number in range(100_000)
    ]

    sizes = [len(pack(chunk.raw)) for chunk in encode(entries).chunks]

    assert len(sizes) == 32
    assert sum(sizes) < 3.5 * MIB
    assert max(sizes) < 150 * 1024


@pytest.mark.parametrize(
    ("entries", "shards"), [(0, 1), (1, 1), (3_500, 1), (3_981, 2), (20_714, 8), (100_000, 32)]
)
def test_the_population_decides_how_many_shards(entries: int, shards: int) -> None:
    assert shard_count(entries) == shards


def test_a_population_around_a_limit_keeps_its_shards() -> None:
    assert [shard_count(entries, 2) for entries in (3_400, 3_600, 7_000, 1_000)] == [2, 2, 2, 2]
    assert shard_count(7_001, 2) == 4
    assert shard_count(100, 32) == 1


@settings(max_examples=20)
@given(st.integers(1, 30_000), st.sampled_from([0, 1, 2, 4, 8, 64]))
def test_no_shard_is_too_full(entries: int, current: int) -> None:
    count = shard_count(entries, current)

    assert count & (count - 1) == 0
    keys = [shard_of(Key(f"wp:room:{number}"), count) for number in range(entries)]
    assert max(Counter(keys).values()) <= 5_000


def test_long_texts_make_more_shards() -> None:
    # Text that does not compress, so that the limit of a ConfigMap would be met.
    drawn = random.Random(2)
    entries = [entry(number, digest=drawn.randbytes(1_000).hex()) for number in range(2_000)]

    encoded = encode(entries)

    assert len(encoded.chunks) > 1
    assert max(len(pack(chunk.raw)) for chunk in encoded.chunks) < 900 * 1024


GOOD = encode(rooms(5).entries.values()).chunks[0]


@given(st.data())
def test_no_flipped_byte_changes_the_content(data: st.DataObject) -> None:
    packed = bytearray(pack(GOOD.raw))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))

    with suppress(Corrupt):  # or else it was one of the bits that mean nothing
        assert unpack(bytes(packed), GOOD.sha256) == GOOD.raw


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"plainly not gzip",
        pack(GOOD.raw)[:-1],
        pack(GOOD.raw) + b"x",
        pack(GOOD.raw) + pack(b"more"),
        pack(GOOD.raw + b" "),
        zlib.compress(GOOD.raw),
    ],
    ids=["empty", "text", "short", "long", "twice", "other content", "zlib"],
)
def test_anything_else_is_corrupt(packed: bytes) -> None:
    with pytest.raises(Corrupt):
        unpack(packed, GOOD.sha256)


def test_a_bomb_does_not_go_off() -> None:
    bomb = gzip.compress(bytes(64 * MIB), mtime=0)

    tracemalloc.start()
    with pytest.raises(Corrupt, match="larger than it can be"):
        unpack(bomb, "")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 * MIB


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "null",
        "[]",
        '["Resource"]',
        '["Planet","k",null,"",1,"d",1,1,"Synced","Created",0]',
        '["Resource",1,null,"",1,"d",1,1,"Synced","Created",0]',
        '["Resource","k",2,"",1,"d",1,1,"Synced","Created",0]',
        '["Resource","k",null,null,1,"d",1,1,"Synced","Created",0]',
        '["Resource","k",null,"","1","d",1,1,"Synced","Created",0]',
        '["Resource","k",null,"",true,"d",1,1,"Synced","Created",0]',
        '["Resource","k",null,"",1,"d",1.5,1,"Synced","Created",0]',
        '["Resource","k",null,"",1,"d",1,1,"Asleep","Created"]',
        '["Resource","k",null,"",1,"d",1,1,"Synced",["Created"]]',
        "[" * 100_000,
        "9" * 10_000,
        "",
    ],
)
def test_a_line_that_is_no_entry_is_corrupt(line: str) -> None:
    header = GOOD.raw.split(b"\n")[0]

    with pytest.raises(Corrupt):
        decode(header + b"\n" + line.encode())


def test_other_fields_are_corrupt() -> None:
    with pytest.raises(Corrupt, match="header"):
        decode(GOOD.raw.replace(b'"variant"', b'"kindOf"', 1))


def test_entries_twice_or_missing_are_corrupt() -> None:
    lines = GOOD.raw.split(b"\n")
    with pytest.raises(Corrupt, match="twice"):
        decode(b"\n".join([*lines, lines[-1]]))
    with pytest.raises(Corrupt, match="5 entries instead of 6"):
        join([decode(GOOD.raw)], 6)


def test_as_much_as_a_chunk_may_hold_is_read_again_and_not_a_byte_more() -> None:
    raw = b"x" * 1000
    digest = hashlib.sha256(raw).hexdigest()

    assert unpack(pack(raw), digest, limit=1000) == raw
    with pytest.raises(Corrupt, match="larger"):
        unpack(pack(raw), digest, limit=999)
