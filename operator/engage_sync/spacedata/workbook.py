"""Opens a workbook by what the file holds; its name is not believed."""

from pathlib import Path

from engage_sync.spacedata import limits
from engage_sync.spacedata.grid import UnreadableWorkbook, Workbook
from engage_sync.spacedata.xls import Xls
from engage_sync.spacedata.xlsx import Xlsx

_ZIP, _OLE = b"PK", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CURE = "open it in Excel and save it as .xlsx"


def open_workbook(path: Path) -> Workbook:
    """The workbook in a file.

    Raises:
        UnreadableWorkbook: It is none, protected, damaged, or holds more than `limits` allows.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(limits.MAX_FILE_BYTES + 1)
    try:
        return _open(data)
    except UnreadableWorkbook as error:
        raise UnreadableWorkbook(f"{path}: {error}") from None


def _open(data: bytes) -> Workbook:
    if len(data) > limits.MAX_FILE_BYTES:
        raise UnreadableWorkbook(
            f"the file is larger than {limits.MAX_FILE_BYTES >> 20} MiB; split it into several files"
        )
    if data.startswith(_OLE):
        return Xls(data)
    if data.startswith(_ZIP):
        return Xlsx(data)
    raise UnreadableWorkbook(f"the file {_what(data)}; {_CURE}")


def _what(data: bytes) -> str:
    if not data:
        return "is empty"
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<html", b"<!doctype html", b"<table", b"<?xml", b"<meta")):
        return "is HTML or XML under the name of a workbook"
    if b"\0" not in head and (b"," in head or b";" in head or b"\t" in head):
        return "is text such as CSV, whatever its name says"
    return "is no Excel workbook"
