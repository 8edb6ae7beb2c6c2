"""Files that want to crash, hang or fill the memory: each is refused in one sentence, in a small process."""

import io
import re
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import xlwt

from engage_sync.spacedata.grid import UnreadableWorkbook
from tests.unit.spacedata.books import GOOD, MAIN, check, found, grid, packed, parts, sheet_xml, xls, xlsx

MEMORY, SECONDS = 3 << 29, 30  # 1.5 GiB of addresses, libraries included; CPU time


def book(sheet: str | bytes, **others: str | bytes) -> bytes:
    """A workbook of one sheet; other parts by name, with __ for a slash."""
    files: dict[str, str | bytes] = {**parts(("Data", "", False))}
    files["xl/worksheets/sheet1.xml"] = sheet
    files |= {name.replace("__", "/") + ".xml": data for name, data in others.items()}
    return packed(files)


def sheet(body: str, before: str = "") -> str:
    return f'{before}<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'


def rows_of(count: int, cells: str = "") -> str:
    return "".join(f'<row r="{row}">{cells.replace("#", str(row))}</row>' for row in range(6, 6 + count))


def row_of(cells: str) -> str:
    return f'<row r="9">{cells}</row>'


GOOD_SHEET = sheet_xml(grid(GOOD))
HEAD = GOOD_SHEET.partition("<sheetData>")[2].partition("</sheetData>")[0]
ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def zip_bomb() -> bytes:
    return book(b" " * (150 << 20))


def lying_zip() -> bytes:
    """Says that its sheet is small, and unpacks to more."""
    data = book(b" " * (150 << 20))
    size = struct.pack("<I", 150 << 20)
    return data.replace(size, struct.pack("<I", 1000))


def many_entries() -> bytes:
    return packed({f"xl/{number}.xml": "" for number in range(60_000)})


def central_directory(flag: int = 0, method: int | None = None) -> bytes:
    """A good workbook whose entries say that they are encrypted, or packed by another method."""
    data = bytearray(xlsx(grid(GOOD)))
    position = data.find(b"PK\x01\x02")
    while position >= 0:
        data[position + 8] |= flag
        if method is not None:
            data[position + 10] = method
        position = data.find(b"PK\x01\x02", position + 4)
    return bytes(data)


def ole_with(name: str) -> bytes:
    """An .xls whose stream has another name."""
    old = "Workbook\0".encode("utf-16-le")
    new = f"{name}\0".encode("utf-16-le")
    data = bytearray(xls(grid(GOOD)))
    position = data.find(old)
    assert position > 0
    data[position : position + 64] = new.ljust(64, b"\0")
    data[position + 64 : position + 66] = struct.pack("<H", len(new))
    return bytes(data)


def xls_with_password() -> bytes:
    data = xls(grid(GOOD))
    start = data.find(struct.pack("<HH", 0x0809, 16))
    return data[: start + 20] + struct.pack("<HH", 0x002F, 0) + data[start + 24 :]


def shared(count: int, text: str) -> str:
    return f'<sst xmlns="{MAIN}">' + f"<si><t>{text}</t></si>" * count + "</sst>"


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "csv": (lambda: b"Building Name,Building Code\nTower,T1\n", "CSV"),
    "html": (lambda: b"<html><table><tr><td>Tower</table>", "HTML"),
    "spreadsheet 2003": (lambda: b'<?xml version="1.0"?><Workbook/>', "XML"),
    "noise": (lambda: bytes(range(256)) * 40, "no Excel workbook"),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "no Excel workbook"),
    "only PK": (lambda: b"PK\x03\x04", "damaged"),
    "truncated": (lambda: xlsx(grid(GOOD))[:-200], "damaged"),
    "half": (lambda: xlsx(grid(GOOD))[:900], "damaged"),
    "flipped": (lambda: xlsx(grid(GOOD)).replace(b"PK\x05\x06", b"PK\x05\x07"), "damaged"),
    "docx": (lambda: packed({"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>"}), "no .xlsx"),
    "ods": (lambda: packed({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "no .xlsx"),
    "sheet missing": (lambda: packed({k: v for k, v in parts(("D", "", False)).items() if "sheet1" not in k}),
                      "missing"),
    "zip bomb": (zip_bomb, "zip bomb"),
    "zip bomb in strings": (lambda: book(GOOD_SHEET, xl__sharedStrings=b" " * (63 << 20)), "zip bomb"),
    "zip bomb in styles": (lambda: book(GOOD_SHEET, xl__styles=b" " * (40 << 20)), "unpacks to"),
    "part too large": (lambda: book(b" " * (193 << 20)), "unpacks to"),
    "lying zip": (lying_zip, "damaged"),
    "many entries": (many_entries, "parts"),
    "encrypted zip": (lambda: central_directory(flag=1), "password"),
    "bzip2": (lambda: central_directory(method=zipfile.ZIP_BZIP2), "packed in a way"),
    "lzma": (lambda: packed(parts(("D", GOOD_SHEET, False)), zipfile.ZIP_LZMA), "packed in a way"),
    "billion laughs": (lambda: book(sheet(HEAD, ENTITIES)), "XML bomb"),
    "external entity": (lambda: book(sheet(HEAD, EXTERNAL)), "XML bomb"),
    "entities in strings": (lambda: book(GOOD_SHEET, xl__sharedStrings=ENTITIES + shared(1, "&i;")), "bomb"),
    "entities in the workbook": (lambda: book(GOOD_SHEET, xl__workbook=ENTITIES + "<workbook/>"), "XML bomb"),
    "entities in styles": (lambda: book(GOOD_SHEET, xl__styles=ENTITIES + "<styleSheet/>"), "XML bomb"),
    "one endless tag": (lambda: book(sheet(HEAD + f'<row r="9" x="{"yz" * (3 << 20)}"/>')), "not what Excel"),
    "deep": (lambda: book("<a>" * 2_000_000), "not what Excel"),
    "names": (lambda: book(sheet("".join(f"<a{i}/>" for i in range(200_000)))), "not what Excel"),
    "no XML": (lambda: book("Building Name, Building Code"), "no XML"),
    "cut XML": (lambda: book(GOOD_SHEET[:-40]), "no XML"),
    "wrong encoding": (lambda: book(b"\xff\xfe\x00" + GOOD_SHEET.encode()), "no XML"),
    "a string before the first": (
        lambda: book(sheet(HEAD + row_of('<c r="A9" t="s"><v>-1</v></c>'))), "damaged"
    ),
    "no such string": (lambda: book(sheet(HEAD + row_of('<c r="A9" t="s"><v>7</v></c>'))), "damaged"),
    "rows backwards": (lambda: book(sheet(HEAD + '<row r="2"/>')), "damaged"),
    "row 2,000,000": (lambda: book(sheet(HEAD + '<row r="2000000"/>')), "damaged"),
    "column ZZZZ": (lambda: book(sheet(HEAD + '<row r="9"><c r="ZZZZ9"><v>7</v></c></row>')), "damaged"),
    "cell twice": (lambda: book(sheet(HEAD + row_of('<c r="A9"><v>7</v></c>' * 2))),
                   "damaged"),
    "16,000,000 empty cells": (
        lambda: book(sheet(HEAD + rows_of(350_000, '<c r="A#"/>' * 12))), "cells"),
    "many strings": (lambda: book(GOOD_SHEET, xl__sharedStrings=shared(90_000, "x" * 760)), "unpacks to"),
    "password": (lambda: ole_with("EncryptedPackage"), "password"),
    "password in xls": (xls_with_password, "password"),
    "doc": (lambda: ole_with("WordDocument"), "no Excel workbook"),
    "Excel 95": (lambda: ole_with("Book"), "before 1997"),
    "half an xls": (lambda: xls(grid(GOOD))[:3000], "damaged"),
    "xls of zeros": (lambda: xls(grid(GOOD))[:600] + bytes(9000), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_it_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]

    with pytest.raises(UnreadableWorkbook) as refusal:
        check(tmp_path, make())

    assert words in refusal.value.message
    assert str(tmp_path) in refusal.value.message
    assert "\n" not in refusal.value.message


def junk_in_many_sheets() -> bytes:
    files = parts(*[("Data", "", False)] * 200)
    sheet = GOOD_SHEET.replace("<sheetData>", "<x/>" * 1_900_000 + "<sheetData>")
    relations = "xl/_rels/workbook.xml.rels"
    one = {**files, relations: re.sub(r"sheet\d+\.xml", "sheet1.xml", str(files[relations]))}
    return packed(
        {name: body for name, body in one.items() if "sheets/" not in name}
        | {"xl/worksheets/sheet1.xml": sheet}
    )


def far_cells() -> bytes:
    return book(sheet(HEAD + rows_of(1_000_000, '<c r="IV#"><v>#</v></c>')))


def far_cells_in_xls(sheets: int) -> bytes:
    workbook = xlwt.Workbook()
    for number in range(sheets):
        workbook.add_sheet(f"S{number}").write(65_535, 255, 1)
    workbook.save(out := io.BytesIO())
    return out.getvalue()


def brackets() -> bytes:
    format = f'<numFmt numFmtId="200" formatCode="{"[" * 1_000_000}"/>'
    styles = f'<numFmts>{format}</numFmts><cellXfs><xf numFmtId="200"/></cellXfs>'
    return book(GOOD_SHEET, xl__styles=f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>')


SLOW = {
    "junk": (junk_in_many_sheets, 1),
    "far cells": (far_cells, 1),
    "a far cell in xls": (lambda: far_cells_in_xls(1), 2),
    "far cells in xls": (lambda: far_cells_in_xls(40), 1),
    "brackets": (brackets, 0),
}
"""What is read, or refused, in seconds, with the exit code."""


@pytest.mark.parametrize("name", sorted(SLOW))
def test_small_files_do_not_take_the_day(tmp_path: Path, name: str) -> None:
    make, code = SLOW[name]
    path = tmp_path / "slow.xlsx"
    path.write_bytes(make())

    done = run(path)

    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert done.stderr.count("\n") == (code == 1)


HEAVY = ("zip bomb", "deep", "names", "16,000,000 empty cells", "many entries", "one endless tag")


def run(path: Path) -> "subprocess.CompletedProcess[str]":
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    command = [sys.executable, "-m", "engage_sync", "spacedata", "check", str(path)]
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=bound, check=False)


@pytest.mark.parametrize("name", HEAVY)
def test_it_takes_neither_the_memory_nor_the_day(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(REFUSED[name][0]())

    done = run(path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_million_empty_rows_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "empty.xlsx"
    path.write_bytes(book(sheet(HEAD + rows_of(1_000_000))))

    done = run(path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "1 row," in done.stdout


def test_a_far_cell_costs_nothing(tmp_path: Path) -> None:
    """What aborts readers that make room for everything up to the last cell."""
    far = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'
    assert found(check(tmp_path, book(sheet(HEAD + far)))) == []


def test_an_area_as_large_as_the_sheet_is_one_problem(tmp_path: Path) -> None:
    data = check(tmp_path, xlsx(grid(GOOD), merged=["A5:XFD1048576"]))
    assert found(data) == [("MergedCells", "A5")]


@pytest.mark.parametrize("make", [xlsx, xls])
def test_no_damage_of_a_byte_gets_out_as_anything_but_a_refusal(
    tmp_path: Path, make: Callable[..., bytes]
) -> None:
    good = make(grid(GOOD))
    for position in range(0, len(good), 101 if make is xls else 11):
        for value in (0x00, 0xFF, good[position] ^ 0x10):
            data = good[:position] + bytes([value]) + good[position + 1 :]
            with suppress(UnreadableWorkbook):
                check(tmp_path, data)


@pytest.mark.parametrize("make", [xlsx, xls])
def test_no_cut_gets_out_as_anything_but_a_refusal(tmp_path: Path, make: Callable[..., bytes]) -> None:
    good = make(grid(GOOD))
    for length in range(1, len(good) - 600, 53):
        with pytest.raises(UnreadableWorkbook):
            check(tmp_path, good[:length])


def test_prefixes_and_missing_references_are_read_too(tmp_path: Path) -> None:
    """Other writers than Excel prefix every name and leave out every reference."""
    body = GOOD_SHEET.replace(f' xmlns="{MAIN}"', f' xmlns:x="{MAIN}"').replace(
        ' r="4"', ' r="4" spans="1:16"'
    )
    for tag in ("worksheet", "sheetData", "row", "c", "v", "is", "t"):
        body = body.replace(f"<{tag}>", f"<x:{tag}>").replace(f"<{tag} ", f"<x:{tag} ")
        body = body.replace(f"</{tag}>", f"</x:{tag}>")
    for column in range(16):
        for row in (4, 5):
            body = body.replace(f'<x:c r="{chr(65 + column)}{row}"', "<x:c")

    data = check(tmp_path, book(body))

    assert found(data) == []
    assert data.rooms[0].name == "301"


def test_shared_rich_and_phonetic_strings(tmp_path: Path) -> None:
    strings = (
        f'<sst xmlns="{MAIN}"><si><r><rPr><b/></rPr><t>30</t></r><r><t>1</t></r>'
        "<rPh sb='0' eb='1'><t>reading</t></rPh></si></sst>"
    )
    body = GOOD_SHEET.replace(
        '<c r="I5" t="inlineStr"><is><t xml:space="preserve">301</t></is></c>', '<c r="I5" t="s"><v>0</v></c>'
    )

    data = check(tmp_path, book(body, xl__sharedStrings=strings))

    assert found(data) == []
    assert data.rooms[0].name == "301"


def test_an_xlsm_and_a_wrong_name_are_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "spaces.xls"
    path.write_bytes(xlsx(grid(GOOD)))
    assert run(path).returncode == 0
    file = io.BytesIO(xls(grid(GOOD)))
    assert found(check(tmp_path, file.getvalue())) == []


def test_names_in_the_file_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    files = parts(("Data", GOOD_SHEET, False))
    relations = "xl/_rels/workbook.xml.rels"
    files[relations] = files[relations].replace("worksheets/sheet1.xml", "evil&#10;name&#x202e;.xml")

    with pytest.raises(UnreadableWorkbook, match=r"evil\\nname\\u202e\.xml is missing"):
        check(tmp_path, packed(files))
