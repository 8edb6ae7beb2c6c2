"""Reads .xlsx and .xlsm as a stream.

Not openpyxl: its stream knows no merged cells, and its other way takes three times our memory and twice
our time.
Nor calamine: it makes room for every cell up to the last one, so that 6 KB abort the process.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from engage_sync.spacedata import limits, xml
from engage_sync.spacedata.formats import built_in
from engage_sync.spacedata.grid import SAVE_AGAIN, Sheet, UnreadableWorkbook
from engage_sync.spacedata.package import Package
from engage_sync.spacedata.xlsx_parts import (
    Relation,
    RelationsHandler,
    StringsHandler,
    StylesHandler,
    WorkbookHandler,
)
from engage_sync.spacedata.xlsx_sheet import SheetHandler
from engage_sync.spacedata.xlsx_values import Values

_ROOT_RELATIONS = "_rels/.rels"
_CELL = b"<c "


class Xlsx:
    """An open .xlsx; the small parts are read at once, sheets when they are asked for."""

    def __init__(self, data: bytes) -> None:
        self._package = Package(data)
        self._budget = limits.Budget()
        main = self._main_part()
        self._parse(main, workbook := WorkbookHandler())
        relations = self._relations_of(main)
        self._sheets = [
            (sheet.name, sheet.hidden, relations[sheet.relation].path)
            for sheet in workbook.sheets
            if sheet.relation in relations and relations[sheet.relation].type.endswith("/worksheet")
        ]
        if len(self._sheets) > limits.MAX_SHEETS:
            raise UnreadableWorkbook(
                f"the workbook holds more than {limits.MAX_SHEETS} sheets; delete those without space data"
            )
        by_type = {relation.type.rpartition("/")[2]: relation.path for relation in relations.values()}
        formats = self._read_formats(by_type.get("styles"))
        strings = self._read_strings(by_type.get("sharedStrings"))
        self._values = Values(strings, formats, workbook.date1904, self._budget)

    @property
    def sheet_names(self) -> Sequence[str]:
        """Of the sheets that have cells, in order."""
        return [name for name, _, _ in self._sheets]

    def read(self, index: int, last_row: int | None = None) -> Sheet:
        """One sheet, whole or its top; raises UnreadableWorkbook."""
        name, hidden, path = self._sheets[index]
        if last_row is None:
            self._refuse_too_many(path)
        handler = SheetHandler(path, self._values, self._budget, last_row or limits.MAX_ROWS)
        self._parse(path, handler, limits.MAX_PART_BYTES)
        self._budget.take_cells(handler.cells_uncounted)
        return Sheet(name, hidden, handler.rows, handler.merged, handler.hidden_rows)

    def _refuse_too_many(self, path: str) -> None:
        """Count cells before they are parsed, at a fiftieth of the time: millions of blank ones are usual."""
        chunks = self._package.chunks(path, limits.MAX_PART_BYTES)
        limits.Budget().take_cells(sum(chunk.count(_CELL) for chunk in chunks))

    def _parse(self, part: str, handler: xml.Handler, most: int = limits.MAX_SMALL_PART_BYTES) -> None:
        xml.parse(part, self._counted(self._package.chunks(part, most)), handler)

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Count elements before they are parsed: it is they that take time, and bytes tell not how many."""
        for chunk in chunks:
            self._budget.take_elements(chunk.count(b"<") - chunk.count(b"</"))
            yield chunk

    def _main_part(self) -> str:
        """The workbook itself, by what the package refers to."""
        if _ROOT_RELATIONS in self._package:
            for relation in self._read_relations(_ROOT_RELATIONS, "").values():
                if relation.type.endswith("/officeDocument") and not relation.path.endswith(".bin"):
                    return relation.path
        raise UnreadableWorkbook(f"the file is no .xlsx workbook; {SAVE_AGAIN}")

    def _relations_of(self, part: str) -> Mapping[str, Relation]:
        """What a part refers to, by the id that it uses."""
        folder, name = posixpath.split(part)
        return self._read_relations(f"{folder}/_rels/{name}.rels".lstrip("/"), folder)

    def _read_relations(self, part: str, base: str) -> Mapping[str, Relation]:
        self._parse(part, handler := RelationsHandler(base))
        return handler.relations

    def _read_formats(self, part: str | None) -> Sequence[str]:
        if part is None or part not in self._package:
            return []
        self._parse(part, handler := StylesHandler())
        return [handler.codes.get(number) or built_in(number) for number in handler.cell_formats]

    def _read_strings(self, part: str | None) -> Sequence[str]:
        if part is None or part not in self._package:
            return []
        handler = StringsHandler(self._budget)
        self._parse(part, handler, limits.MAX_SHARED_STRINGS_BYTES)
        return handler.strings
