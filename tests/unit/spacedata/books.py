"""Writes workbooks cell by cell, valid or spoiled, without the product's own writer."""

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import xlwt

from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.columns import FIRST_ROW, HEADER_ROW, TEMPLATE_COLUMNS, Column, letter
from engage_sync.spacedata.model import SpaceData

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@dataclass(frozen=True)
class Computed:
    """A real formula."""

    text: str


@dataclass(frozen=True)
class Broken:
    """An error cell."""

    text: str = "#REF!"


@dataclass(frozen=True)
class Day:
    """A date, by its number."""

    serial: int


@dataclass(frozen=True)
class Padded:
    """A number shown with five digits."""

    number: int


Value = str | int | float | bool | Computed | Broken | Day | Padded
Cells = dict[str, Value]
Record = Mapping[Column, Value]
GOOD: Record = {
    Column.BUILDING_NAME: "Tower",
    Column.BUILDING_CODE: "T1",
    Column.STATE_CODE: "TX",
    Column.ADDRESS: "1 Main Street",
    Column.ADDRESS2: "Suite 2",
    Column.CITY: "Austin",
    Column.ZIP: "78701",
    Column.FLOOR: "3",
    Column.ROOM: "301",
    Column.SPACE_TYPE: "Desk",
    Column.OCCUPIABLE: "Yes",
    Column.CAPACITY: 2,
    Column.DESCRIPTION: "by the window",
    Column.SQUARE_FEET: 120.5,
    Column.RESERVABLE: "No",
    Column.RENTABLE_SQUARE_FEET: 130,
}


def at(column: Column, row: int = FIRST_ROW, columns: Iterable[Column] = TEMPLATE_COLUMNS) -> str:
    """The reference of a cell, like B5."""
    return f"{letter([*columns].index(column) + 1)}{row}"


def grid(
    *records: Record, columns: Iterable[Column] = TEMPLATE_COLUMNS, header_row: int = HEADER_ROW
) -> Cells:
    """Headers, and rows below them."""
    columns = list(columns)
    cells: Cells = {at(column, header_row, columns): str(column) for column in columns}
    for row, record in enumerate(records, header_row + 1):
        cells |= {at(column, row, columns): value for column, value in record.items() if value != ""}
    return cells


def split(reference: str) -> tuple[int, int]:
    """Row and column of a reference, from 1."""
    match = re.fullmatch(r"([A-Z]+)(\d+)", reference)
    assert match
    column = 0
    for character in match[1]:
        column = column * 26 + ord(character) - 64
    return int(match[2]), column


def sheet_xml(cells: Cells, merged: Iterable[str] = (), hidden_rows: Iterable[int] = ()) -> str:
    rows: dict[int, list[tuple[int, str]]] = {}
    for reference, value in cells.items():
        row, column = split(reference)
        rows.setdefault(row, []).append((column, _cell_xml(reference, value)))
    hidden = set(hidden_rows)
    body = "".join(
        f'<row r="{row}"{" hidden=" + quoteattr("1") if row in hidden else ""}>'
        + "".join(xml for _, xml in sorted(rows[row]))
        + "</row>"
        for row in sorted(rows)
    )
    merges = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    merges = f"<mergeCells>{merges}</mergeCells>" if merges else ""
    return f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{merges}</worksheet>'


def _cell_xml(reference: str, value: Value) -> str:
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        text = "".join(c if c >= " " or c in "\t\n" else f"_x{ord(c):04X}_" for c in value)
        return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
    if isinstance(value, Computed):
        return f'<c r="{reference}" t="str"><f>{escape(value.text)}</f><v>old</v></c>'
    if isinstance(value, Broken):
        return f'<c r="{reference}" t="e"><v>{value.text}</v></c>'
    if isinstance(value, Day):
        return f'<c r="{reference}" s="1"><v>{value.serial}</v></c>'
    if isinstance(value, Padded):
        return f'<c r="{reference}" s="2"><v>{value.number}</v></c>'
    return f'<c r="{reference}"><v>{value!r}</v></c>'


STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="170" formatCode="00000"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>'
)


def parts(*sheets: tuple[str, str, bool]) -> dict[str, str]:
    """The parts of an .xlsx with these sheets: name, XML, whether it is hidden."""
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{i}" r:id="rId{i}" '
        f'state="{"hidden" if hidden else "visible"}"/>'
        for i, (name, _, hidden) in enumerate(sheets, 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    return {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{relations}'
        f'<Relationship Id="rId900" Type="{OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId901" Type="{OFFICE}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        "</Relationships>",
        "xl/styles.xml": STYLES,
        **{f"xl/worksheets/sheet{i}.xml": xml for i, (_, xml, _) in enumerate(sheets, 1)},
    }


def packed(parts: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def xlsx(cells: Cells, merged: Iterable[str] = (), hidden_rows: Iterable[int] = ()) -> bytes:
    return packed(parts(("Data", sheet_xml(cells, merged, hidden_rows), False)))


def xls(cells: Cells, merged: Iterable[str] = (), hidden_rows: Iterable[int] = ()) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Data")
    areas = [(split(area.partition(":")[0]), split(area.partition(":")[2])) for area in merged]
    starts = dict(areas)
    for reference, value in cells.items():
        row, column = split(reference)
        if (row, column) in starts:
            bottom, right = starts[row, column]
            sheet.write_merge(row - 1, bottom - 1, column - 1, right - 1, value)
        elif isinstance(value, Computed):
            sheet.write(row - 1, column - 1, xlwt.Formula(value.text))
        elif isinstance(value, Broken):
            sheet.row(row - 1).set_cell_error(column - 1, value.text)
        elif isinstance(value, Day):
            sheet.write(row - 1, column - 1, value.serial, xlwt.easyxf(num_format_str="M/D/YY"))
        elif isinstance(value, Padded):
            sheet.write(row - 1, column - 1, value.number, xlwt.easyxf(num_format_str="00000"))
        else:
            sheet.write(row - 1, column - 1, value)
    for hidden in hidden_rows:
        sheet.row(hidden - 1).hidden = True
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


WRITERS = {"xlsx": xlsx, "xls": xls}


def check(tmp_path: Path, data: bytes, country: str = "") -> SpaceData:
    path = tmp_path / "spaces.xlsx"
    path.write_bytes(data)
    return check_file(path, country)


def found(data: SpaceData) -> list[tuple[str, str]]:
    """Reason and cell of every problem, errors first."""
    return [(str(problem.reason), problem.place.cell) for problem in data.problems]


def as_records(data: SpaceData) -> list[Record]:
    """The rows that rooms came from."""
    return [
        {
            Column.BUILDING_NAME: room.floor.building.name,
            Column.BUILDING_CODE: room.floor.building.code,
            Column.STATE_CODE: room.floor.building.state,
            Column.ADDRESS: room.floor.building.address,
            Column.ADDRESS2: room.floor.building.address2,
            Column.CITY: room.floor.building.city,
            Column.ZIP: room.floor.building.zip,
            Column.FLOOR: room.floor.name,
            Column.ROOM: room.name,
            Column.SPACE_TYPE: room.space_type,
            Column.OCCUPIABLE: _yes_no(room.occupiable),
            Column.CAPACITY: "" if room.capacity is None else room.capacity,
            Column.DESCRIPTION: room.description,
            Column.SQUARE_FEET: _area(room.square_feet),
            Column.RESERVABLE: _yes_no(room.reservable),
            Column.RENTABLE_SQUARE_FEET: _area(room.rentable_square_feet),
        }
        for room in data.rooms
    ]


def _yes_no(value: bool | None) -> str:
    return {True: "Yes", False: "No", None: ""}[value]


def _area(value: Decimal | None) -> Value:
    return "" if value is None else float(value)
