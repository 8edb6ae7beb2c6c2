"""Reads .xlsx and .xlsm as a stream.

Not openpyxl: its stream knows no merged cells, and its other way takes three times our memory and twice
our time.
Nor calamine: it makes room for every cell up to the last one, so that 6 KB abort the process.
"""

import posixpath
import re
from collections.abc import Sequence
from math import isfinite

from engage_sync.spacedata import limits, xml
from engage_sync.spacedata.formats import GENERAL, built_in, is_plain, shown
from engage_sync.spacedata.grid import (
    MAX_COLUMNS,
    Area,
    Cell,
    DateValue,
    ErrorValue,
    Formula,
    Sheet,
    UnreadableWorkbook,
    printable,
)
from engage_sync.spacedata.package import Package

_ROOT_RELATIONS = "_rels/.rels"
_CURE = "open it in Excel and save it again as .xlsx"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_DIGITS = "0123456789"
_CELL = b"<c "


class Xlsx:
    """An open .xlsx; the small parts are read at once, sheets when they are asked for."""

    def __init__(self, data: bytes) -> None:
        self._package = Package(data)
        self._budget = limits.Budget()
        main = _target(self._package, _ROOT_RELATIONS, "/officeDocument")
        if main is None or main.endswith(".bin"):
            raise UnreadableWorkbook(f"the file is no .xlsx workbook; {_CURE}")
        self._parse(main, workbook := _WorkbookHandler())
        self._date1904 = workbook.date1904
        relations = _relations(self._package, main)
        self._sheets = [
            (name, hidden, relations[id].path)
            for name, hidden, id in workbook.sheets
            if id in relations and relations[id].type.endswith("/worksheet")
        ]
        if len(self._sheets) > limits.MAX_SHEETS:
            raise UnreadableWorkbook(
                f"the workbook holds more than {limits.MAX_SHEETS} sheets; delete those without space data"
            )
        by_type = {relation.type.rpartition("/")[2]: relation.path for relation in relations.values()}
        self._formats = self._read_formats(by_type.get("styles"))
        self._strings = self._read_strings(by_type.get("sharedStrings"))

    @property
    def sheet_names(self) -> Sequence[str]:
        """Of the sheets that have cells, in order."""
        return [name for name, _, _ in self._sheets]

    def read(self, index: int, last_row: int | None = None) -> Sheet:
        """One sheet, whole or its top; raises UnreadableWorkbook."""
        name, hidden, path = self._sheets[index]
        if last_row is None:
            self._refuse_too_many(path)
        handler = _SheetHandler(
            path, self._strings, self._formats, self._date1904, self._budget, last_row or limits.MAX_ROWS
        )
        self._parse(path, handler, limits.MAX_PART_BYTES)
        self._budget.take_cells(handler.cells_uncounted)
        return Sheet(name, hidden, handler.rows, handler.merged, handler.hidden_rows)

    def _refuse_too_many(self, path: str) -> None:
        """Count cells before they are parsed, at a fiftieth of the time: millions of blank ones are usual."""
        chunks = self._package.chunks(path, limits.MAX_PART_BYTES)
        limits.Budget().take_cells(sum(chunk.count(_CELL) for chunk in chunks))

    def _parse(self, part: str, handler: xml.Handler, most: int = limits.MAX_SMALL_PART_BYTES) -> None:
        xml.parse(part, self._package.chunks(part, most), handler)

    def _read_formats(self, part: str | None) -> list[str]:
        if part is None or part not in self._package:
            return []
        self._parse(part, handler := _StylesHandler())
        return [handler.codes.get(number) or built_in(number) for number in handler.cell_formats]

    def _read_strings(self, part: str | None) -> list[str]:
        if part is None or part not in self._package:
            return []
        handler = _StringsHandler(self._budget)
        self._parse(part, handler, limits.MAX_SHARED_STRINGS_BYTES)
        return handler.strings


class _Relation:
    __slots__ = ("path", "type")

    def __init__(self, type: str, path: str) -> None:
        self.type = type
        self.path = path


class _RelationsHandler:
    def __init__(self, base: str) -> None:
        self.depth = 0
        self.relations: dict[str, _Relation] = {}
        self._base = base

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if xml.local(name) != "Relationship" or attributes.get("TargetMode") == "External":
            return
        path = posixpath.normpath(posixpath.join("/", self._base, attributes.get("Target", "")))
        self.relations[attributes.get("Id", "")] = _Relation(attributes.get("Type", ""), path.lstrip("/"))

    def end(self, name: str) -> None:
        self.depth -= 1

    def text(self, data: str) -> None:
        pass


def _relations(package: Package, part: str) -> dict[str, _Relation]:
    """What a part refers to, by the id that it uses."""
    folder, name = posixpath.split(part)
    return _read_relations(package, f"{folder}/_rels/{name}.rels".lstrip("/"), folder)


def _read_relations(package: Package, part: str, base: str) -> dict[str, _Relation]:
    handler = _RelationsHandler(base)
    xml.parse(part, package.chunks(part, limits.MAX_SMALL_PART_BYTES), handler)
    return handler.relations


def _target(package: Package, part: str, type_ending: str) -> str | None:
    if part not in package:
        return None
    relations = _read_relations(package, part, "").values()
    return next((relation.path for relation in relations if relation.type.endswith(type_ending)), None)


class _WorkbookHandler:
    def __init__(self) -> None:
        self.depth = 0
        self.sheets: list[tuple[str, bool, str]] = []
        self.date1904 = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        tag = xml.local(name)
        if tag == "sheet":
            id = next((value for key, value in attributes.items() if xml.local(key) == "id"), "")
            hidden = attributes.get("state", "visible") != "visible"
            self.sheets.append((attributes.get("name", ""), hidden, id))
        elif tag == "workbookPr":
            self.date1904 = attributes.get("date1904") in ("1", "true")

    def end(self, name: str) -> None:
        self.depth -= 1

    def text(self, data: str) -> None:
        pass


class _StylesHandler:
    def __init__(self) -> None:
        self.depth = 0
        self.codes: dict[int, str] = {}
        self.cell_formats: list[int] = []
        self._in_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        tag = xml.local(name)
        if tag == "numFmt":
            self.codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", GENERAL)
        elif tag == "cellXfs":
            self._in_cells = True
        elif tag == "xf" and self._in_cells:
            self.cell_formats.append(int(attributes.get("numFmtId", "0")))

    def end(self, name: str) -> None:
        self.depth -= 1
        if xml.local(name) == "cellXfs":
            self._in_cells = False

    def text(self, data: str) -> None:
        pass


class _StringsHandler:
    """Shared strings: rich text is joined, phonetic readings are left out."""

    def __init__(self, budget: limits.Budget) -> None:
        self.depth = 0
        self.strings: list[str] = []
        self._budget = budget
        self._parts: list[str] = []
        self._in_text = False
        self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        tag = xml.local(name) if ":" in name else name
        if tag == "t":
            self._in_text = not self._phonetic
        elif tag == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        self.depth -= 1
        tag = xml.local(name) if ":" in name else name
        if tag == "t":
            self._in_text = False
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "si":
            text = _unescape("".join(self._parts))
            self._budget.take_text(len(text))
            self.strings.append(text)
            self._parts = []

    def text(self, data: str) -> None:
        if self._in_text:
            self._parts.append(data)


class _SheetHandler:
    """Cells, merged areas and hidden rows of one sheet. The hot path: five calls a cell."""

    def __init__(
        self,
        part: str,
        strings: list[str],
        formats: list[str],
        date1904: bool,
        budget: limits.Budget,
        last_row: int,
    ) -> None:
        self.depth = 0
        self.rows: dict[int, list[Cell]] = {}
        self.merged: list[Area] = []
        self.hidden_rows: list[int] = []
        self.cells_uncounted = 0
        self._part = part
        self._strings = strings
        self._formats = {str(i): code for i, code in enumerate(formats) if not is_plain(code)}
        self._date1904 = date1904
        self._budget = budget
        self._last_row = last_row
        self._columns: dict[str, int] = {}
        self._number = 0
        self._hidden = False
        self._row: list[Cell] = []
        self._column = 0
        self._in_cell = False
        self._cell_attributes: dict[str, str] = {}
        self._value: list[str] = []
        self._formula: list[str] | None = None
        self._collect: list[str] | None = None
        self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        tag = xml.local(name) if ":" in name else name
        if tag == "c":
            self._in_cell = True
            self._cell_attributes = attributes
            self.cells_uncounted += 1
            if self.cells_uncounted > limits.MAX_CELLS:  # one endless row
                self._budget.take_cells(self.cells_uncounted)
        elif self._in_cell:
            if tag == "v" or (tag == "t" and not self._phonetic):
                self._collect = self._value
            elif tag == "f":
                self._collect = self._formula = []
            elif tag == "rPh":
                self._phonetic = True
        elif tag == "row":
            self._start_row(attributes)
        elif tag == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def end(self, name: str) -> None:
        self.depth -= 1
        self._collect = None
        tag = xml.local(name) if ":" in name else name
        if tag == "v":
            return
        if tag == "c":
            self._end_cell()
        elif tag == "row":
            self._end_row()
        elif tag == "rPh":
            self._phonetic = False

    def text(self, data: str) -> None:
        if self._collect is not None:
            self._collect.append(data)

    def _start_row(self, attributes: dict[str, str]) -> None:
        before = self._number
        try:
            self._number = int(attributes.get("r", before + 1))
        except ValueError:
            raise self._damaged() from None
        if not before < self._number <= limits.MAX_ROWS:
            raise self._damaged()
        if self._number > self._last_row:
            raise xml.Enough
        self._hidden = attributes.get("hidden") in ("1", "true")
        self._row = []
        self._column = 0
        self._budget.take_cells(self.cells_uncounted)
        self.cells_uncounted = 0

    def _end_row(self) -> None:
        if self._row:
            self.rows[self._number] = self._row
            if self._hidden:
                self.hidden_rows.append(self._number)
        self._row = []

    def _learn(self, letters: str) -> int:
        number = _column_number(letters)
        if number == 0:
            raise self._damaged()
        self._columns[letters] = number
        return number

    def _end_cell(self) -> None:
        self._in_cell = False
        reference = self._cell_attributes.get("r")
        if reference is None:
            column = self._column + 1
        else:
            letters = reference.rstrip(_DIGITS)
            column = self._columns.get(letters) or self._learn(letters)
        self._column = column
        if not self._value and self._formula is None:
            return
        cell = self._cell()
        self._value.clear()
        if cell is not None and column <= MAX_COLUMNS:
            self._put(column, cell)

    def _put(self, column: int, cell: Cell) -> None:
        row = self._row
        size = len(row)
        if column == size + 1:
            row.append(cell)
        elif column > size:
            row.extend([None] * (column - 1 - size))
            row.append(cell)
        elif row[column - 1] is None:
            row[column - 1] = cell
        else:
            raise self._damaged()

    def _cell(self) -> Cell:
        text = "".join(self._value)
        if self._formula is not None:
            formula, self._formula = "=" + "".join(self._formula), None
            return Formula(formula)
        type = self._cell_attributes.get("t", "n")
        if type == "s":
            return self._shared(text)
        if type == "n":
            return self._number_cell(text)
        if type == "b":
            return text.strip() in ("1", "true")
        if type == "e":
            return ErrorValue(text)
        if type == "d":
            return DateValue(text) if text else None
        self._budget.take_text(len(text))
        return _unescape(text) or None

    def _shared(self, text: str) -> Cell:
        try:
            index = int(text)
            return self._strings[index] or None if index >= 0 else None
        except (ValueError, IndexError):
            raise self._damaged() from None

    def _number_cell(self, text: str) -> Cell:
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            return ErrorValue(text)
        if not isfinite(value):
            return ErrorValue(text)
        code = self._formats.get(self._cell_attributes.get("s", ""))
        return value if code is None else shown(value, code, self._date1904)

    def _merge(self, reference: str) -> None:
        corners = [_REFERENCE.fullmatch(corner) for corner in reference.split(":")]
        if len(self.merged) >= limits.MAX_MERGED:
            raise UnreadableWorkbook(
                f"a sheet holds more than {limits.MAX_MERGED:,} merged areas; unmerge its cells"
            )
        if len(corners) != 2:
            raise self._damaged()
        first, last = corners
        if first is None or last is None:
            raise self._damaged()
        self.merged.append(
            Area(int(first[2]), _column_number(first[1]), int(last[2]), _column_number(last[1]))
        )

    def _damaged(self) -> UnreadableWorkbook:
        return UnreadableWorkbook(
            f"the part {printable(self._part)} is damaged at or below row {self._number}; {_CURE}"
        )


def _column_number(letters: str) -> int:
    """Of a column's letters; 0 when they name none."""
    number = 0
    for character in letters:
        if not "A" <= character <= "Z":
            return 0
        number = number * 26 + ord(character) - ord("A") + 1
    return number if number <= 16_384 else 0


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
