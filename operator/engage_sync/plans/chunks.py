"""The two streams of a plan, cut into what fits ConfigMaps, and put together again. Pure.

Each chunk holds the next `MAX_CHUNK` bytes of the steps followed by the notes, each stream compressed by
itself. Gzip members may simply be joined: `cat` and `gunzip` of all ``steps`` give what hashes to the digest.
"""

import base64
import zlib
from collections.abc import Iterable
from gzip import compress
from typing import Any

from engage_sync.kube_http import Json
from engage_sync.plan_document import NotThisPlan

MAX_CHUNK = 768 * 1024
"""Bytes of one chunk before compression: fits a ConfigMap (1 MiB) even where nothing compresses."""

STEPS, NOTES = "steps", "notes"


def count_chunks(steps: bytes, notes: bytes) -> int:
    """How many chunks these streams take."""
    return -(-(len(steps) + len(notes)) // MAX_CHUNK)


def cut(steps: bytes, notes: bytes) -> Iterable[dict[str, str]]:
    """The ``binaryData`` of each chunk, in order."""
    for start in range(0, len(steps) + len(notes), MAX_CHUNK):
        end = start + MAX_CHUNK
        parts = {
            STEPS: steps[start:end],
            NOTES: notes[max(0, start - len(steps)) : max(0, end - len(steps))],
        }
        yield {name: _pack(part) for name, part in parts.items() if part}


def join(chunks: Iterable[Json]) -> tuple[bytes, bytes]:
    """Steps and notes from the objects as read; what they hold is not verified yet.

    Raises:
        NotThisPlan: one holds something that `cut` never made.
    """
    datas = [chunk.get("binaryData") or {} for chunk in chunks]
    steps, notes = (
        b"".join(_unpack(data[name]) for data in datas if name in data) for name in (STEPS, NOTES)
    )
    return steps, notes


def _pack(raw: bytes) -> str:
    return base64.b64encode(compress(raw, compresslevel=6, mtime=0)).decode()


def _unpack(packed: Any) -> bytes:
    """Decompress, but not more than there can be: whoever edits a ConfigMap shall not fill our memory."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        raw = inflate.decompress(base64.b64decode(packed, validate=True), MAX_CHUNK + 1)
    except (zlib.error, ValueError, TypeError) as error:
        raise NotThisPlan(f"a chunk is not gzip ({type(error).__name__})") from error
    if len(raw) > MAX_CHUNK or not inflate.eof or inflate.unused_data:
        raise NotThisPlan("a chunk is longer or shorter than it was")
    return raw
