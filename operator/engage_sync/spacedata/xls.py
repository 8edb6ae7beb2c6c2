"""Reads .xls (Excel 97 to 2003): values by xlrd, what it does not tell from the records themselves."""

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeVar

import xlrd
from xlrd.biffh import (
    XL_CELL_BOOLEAN,
    XL_CELL_DATE,
    XL_CELL_EMPTY,
    XL_CELL_ERROR,
    XL_CELL_NUMBER,
    XL_CELL_TEXT,
    XLRDError,
)
from xlrd.compdoc import CompDoc

from engage_sync.spacedata import limits
from engage_sync.spacedata.formats import shown
from engage_sync.spacedata.grid import (
    MAX_COLUMNS,
    SAVE_AGAIN,
    UNPROTECT,
    Area,
    Cell,
    ErrorValue,
    Formula,
    Sheet,
    UnreadableWorkbook,
)

T = TypeVar("T")

_BOF, _EOF, _SHEET, _FILE_PASSWORD = 0x0809, 0x000A, 0x0085, 0x002F
_FORMULA, _MERGED, _ROW = 0x0006, 0x00E5, 0x0208
_CELLS = {0x0006, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x00D6}
_MANY_CELLS = {0x00BD, 0x00BE}
_HIDDEN_ROW = 0x20
_WORKSHEET = 0
_ROOM_OF_A_ROW = 32
"""Counted for every row down to the last one: xlrd takes time for blank ones too."""


class Xls:
    """An open .xls; sheets are read when they are asked for."""

    def __init__(self, data: bytes) -> None:
        stream = _workbook_stream(data)
        self._records = _Records(stream)
        self._budget = limits.Budget()
        self._book = _guarded(
            lambda: xlrd.open_workbook(
                file_contents=data,
                logfile=io.StringIO(),
                on_demand=True,
                formatting_info=True,
                ragged_rows=True,  # else one far cell makes every row as long
            )
        )
        self._sheets = [index for index, sheet in enumerate(self._records.sheets) if sheet.is_worksheet]
        if len(self._records.sheets) != self._book.nsheets:
            raise _damaged()

    @property
    def sheet_names(self) -> Sequence[str]:
        """Of the sheets that have cells, in order."""
        names = self._book.sheet_names()
        return [names[index] for index in self._sheets]

    def read(self, index: int, last_row: int | None = None) -> Sheet:
        """One sheet, whole whatever `last_row` says: the format has 65,536 rows at most."""
        number = self._sheets[index]
        extra = self._records.sheet_extra(number)
        self._budget.take_cells(extra.cells)
        sheet = _guarded(lambda: self._book.sheet_by_index(number))
        self._budget.take_room(sheet.nrows * _ROOM_OF_A_ROW)
        try:
            rows = _guarded(lambda: self._rows(sheet, extra.formulas, last_row or limits.MAX_ROWS))
        finally:
            self._book.unload_sheet(number)
        hidden = [row for row in extra.hidden_rows if row in rows]
        return Sheet(sheet.name, bool(sheet.visibility), rows, extra.merged, hidden)

    def _rows(self, sheet: Any, formulas: set[tuple[int, int]], last_row: int) -> dict[int, list[Cell]]:
        rows = {}
        for index in range(min(sheet.nrows, last_row)):
            types = sheet.row_types(index)[:MAX_COLUMNS]
            self._budget.take_room(max(0, len(types) - _ROOM_OF_A_ROW))
            cells = [
                None
                if type == XL_CELL_EMPTY
                else self._known(sheet.cell(index, column), (index, column) in formulas)
                for column, type in enumerate(types)
            ]
            while cells and cells[-1] is None:
                cells.pop()
            if cells:
                rows[index + 1] = cells
        return rows

    def _known(self, cell: Any, is_formula: bool) -> Cell:
        return Formula("=" + _text(cell)) if is_formula else self._cell(cell)

    def _cell(self, cell: Any) -> Cell:
        value = cell.value
        if cell.ctype == XL_CELL_TEXT:
            self._budget.take_text(len(value))
            return str(value) or None
        if cell.ctype in (XL_CELL_NUMBER, XL_CELL_DATE):
            code = self._book.format_map[self._book.xf_list[cell.xf_index].format_key].format_str
            if not isfinite(value):
                return ErrorValue(str(value))
            return shown(float(value), code, bool(self._book.datemode))
        if cell.ctype == XL_CELL_BOOLEAN:
            return bool(value)
        if cell.ctype == XL_CELL_ERROR:
            return ErrorValue(_text(cell))
        return None


def _text(cell: Any) -> str:
    if cell.ctype == XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(cell.value, cell.value))
    return "…"


@dataclass(slots=True)
class _Extra:
    """What xlrd does not tell of a sheet; formulas by row and column from 0, the rest from 1."""

    cells: int = 0
    formulas: set[tuple[int, int]] = field(default_factory=set)
    merged: list[Area] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _BoundSheet:
    position: int
    """Bytes from the beginning of the stream."""
    is_worksheet: bool


class _Records:
    """The workbook stream as records: two bytes what, two bytes how long, the rest."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self.sheets: list[_BoundSheet] = []
        for what, body in self._walk(0):
            if what == _FILE_PASSWORD:
                raise UnreadableWorkbook(UNPROTECT)
            if what == _SHEET:
                position, _, type = struct.unpack_from("<IBB", body)
                self.sheets.append(_BoundSheet(position, type == _WORKSHEET))
        if not 0 < len(self.sheets) <= limits.MAX_SHEETS:
            raise _damaged()

    def sheet_extra(self, index: int) -> _Extra:
        """Formulas, merged areas, hidden rows and the count of cells of one sheet."""
        extra = _Extra()
        try:
            for what, body in self._walk(self.sheets[index].position):
                _note(extra, what, body)
        except struct.error:
            raise _damaged() from None
        return extra

    def _walk(self, position: int) -> Iterator[tuple[int, bytes]]:
        depth = 0  # charts are documents of their own within a sheet
        while position + 4 <= len(self._stream):
            what, length = struct.unpack_from("<HH", self._stream, position)
            if what == _BOF:
                depth += 1
            elif what == _EOF:
                depth -= 1
                if depth <= 0:
                    return
            elif depth == 1:
                yield what, self._stream[position + 4 : position + 4 + length]
            position += 4 + length
        raise _damaged()


def _note(extra: _Extra, what: int, body: bytes) -> None:
    if what in _CELLS:
        extra.cells += 1
        if what == _FORMULA:
            row, column = struct.unpack_from("<HH", body)
            extra.formulas.add((row, column))
    elif what in _MANY_CELLS:
        first, last = struct.unpack_from("<xxH", body)[0], struct.unpack_from("<H", body, len(body) - 2)[0]
        extra.cells += max(0, last - first + 1)
    elif what == _ROW:
        row, flags = struct.unpack_from("<H10xH", body)
        if flags & _HIDDEN_ROW:
            extra.hidden_rows.append(row + 1)
    elif what == _MERGED:
        for offset in range(2, len(body) - 7, 8):
            top, bottom, left, right = struct.unpack_from("<HHHH", body, offset)
            extra.merged.append(Area(top + 1, left + 1, bottom + 1, right + 1))


def _workbook_stream(data: bytes) -> bytes:
    document = _guarded(lambda: CompDoc(data, io.StringIO()))
    for name in ("EncryptedPackage", "DataSpaces", "\x06DataSpaces"):
        if _stream(document, name) is not None:
            raise UnreadableWorkbook(UNPROTECT)
    stream = _stream(document, "Workbook")
    if stream is None:
        old = _stream(document, "Book") is not None
        what = "is an Excel file from before 1997" if old else "is no Excel workbook"
        raise UnreadableWorkbook(f"the file {what}; {SAVE_AGAIN}")
    return stream


def _stream(document: Any, name: str) -> bytes | None:
    memory, base, length = _guarded(lambda: document.locate_named_stream(name))
    return None if memory is None else bytes(memory[base : base + length])


def _guarded(call: Callable[[], T]) -> T:
    """Ask xlrd; raises UnreadableWorkbook for whatever it says of a damaged file."""
    try:
        return call()
    except UnreadableWorkbook:
        raise
    except XLRDError as error:
        raise UnreadableWorkbook(UNPROTECT if "encrypted" in str(error) else _damaged().message) from None
    except Exception:
        # It has no error of its own for most of what can be wrong: IndexError, struct.error, assert, ...
        raise _damaged() from None


def _damaged() -> UnreadableWorkbook:
    return UnreadableWorkbook(f"the file is cut off or damaged; {SAVE_AGAIN}, or copy it anew")
