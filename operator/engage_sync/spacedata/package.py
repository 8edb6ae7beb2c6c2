"""The zip that an .xlsx is: its parts, each bounded before and while it is unpacked."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from engage_sync.spacedata import limits
from engage_sync.spacedata.grid import SAVE_AGAIN, UNPROTECT, UnreadableWorkbook, printable

_CHUNK = 1 << 18
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, struct.error, OSError, NotImplementedError, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip
_ENTRY = b"PK\x01\x02"


class Package:
    """The parts of an .xlsx by name."""

    def __init__(self, data: bytes) -> None:
        # zipfile makes an object of every entry before anybody can ask how many there are.
        if data.count(_ENTRY) > limits.MAX_ENTRIES:
            raise UnreadableWorkbook(f"the file holds more than {limits.MAX_ENTRIES:,} parts; {SAVE_AGAIN}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGED:
            raise UnreadableWorkbook(
                f"the file is cut off or damaged; {SAVE_AGAIN}, or copy it anew"
            ) from None
        self._parts = {info.filename.lower(): info for info in self._zip.infolist()}  # OPC ignores case

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._parts

    def chunks(self, name: str, most: int) -> Iterator[bytes]:
        """The bytes of a part, piece by piece.

        Args:
            name: The part's path; one that is not there raises UnreadableWorkbook, as damage does.
            most: Bytes, unpacked, above which it is refused with UnreadableWorkbook.
        """
        info = self._parts.get(name.lower())
        if info is None:
            raise UnreadableWorkbook(f"the part {printable(name)} is missing from the file; {SAVE_AGAIN}")
        _refuse_bombs(info, most)
        try:
            with self._zip.open(info) as part:
                while piece := part.read(_CHUNK):
                    yield piece
        except _DAMAGED:
            raise UnreadableWorkbook(
                f"the part {printable(name)} is cut off or damaged; {SAVE_AGAIN}, or copy it anew"
            ) from None


def _refuse_bombs(info: zipfile.ZipInfo, most: int) -> None:
    """By the sizes that the file declares: zipfile unpacks no more than that."""
    part = f"the part {printable(info.filename)}"
    if info.flag_bits & 1:
        raise UnreadableWorkbook(UNPROTECT)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The others are unpacked without a bound.
        raise UnreadableWorkbook(f"{part} is packed in a way that workbooks do not use; {SAVE_AGAIN}")
    if info.file_size > most:
        raise UnreadableWorkbook(
            f"{part} unpacks to {info.file_size:,} bytes, and {most:,} are the most "
            "that is read; delete the empty formatted rows below the data, or split it into several files"
        )
    if info.file_size > max(limits.RATIO_COUNTS_FROM_BYTES, limits.MAX_RATIO * info.compress_size):
        raise UnreadableWorkbook(
            f"{part} unpacks to more than {limits.MAX_RATIO} times its size, as a zip bomb "
            f"does; delete the empty formatted rows below the data, or {SAVE_AGAIN}"
        )
