"""One sheet of an .xlsx: its cells by row and column, merged areas and hidden rows."""

import re

from engage_sync.spacedata import limits
from engage_sync.spacedata.columns import number_of
from engage_sync.spacedata.grid import (
    MAX_COLUMNS,
    SAVE_AGAIN,
    Area,
    Cell,
    Formula,
    UnreadableWorkbook,
    printable,
)
from engage_sync.spacedata.xlsx_values import Values
from engage_sync.spacedata.xml import Enough, Handler, local

_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_DIGITS = "0123456789"


class SheetHandler(Handler):
    """Takes one sheet down to `last_row`. The hot path, five calls a cell: it takes events as they come."""

    def __init__(self, part: str, values: Values, budget: limits.Budget, last_row: int) -> None:
        super().__init__()
        self.rows: dict[int, list[Cell]] = {}
        self.merged: list[Area] = []
        self.hidden_rows: list[int] = []
        self.cells_uncounted = 0
        """Cells of the row that is read, which the budget does not know yet."""
        self._part = part
        self._values = values
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
        """A row, a cell, something in a cell, or a merged area."""
        self.depth += 1
        tag = local(name) if ":" in name else name
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
        """The end of it."""
        self.depth -= 1
        self._collect = None
        tag = local(name) if ":" in name else name
        if tag == "v":
            return
        if tag == "c":
            self._end_cell()
        elif tag == "row":
            self._end_row()
        elif tag == "rPh":
            self._phonetic = False

    def text(self, data: str) -> None:
        """Characters of a value or a formula."""
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
            raise Enough
        self._hidden = attributes.get("hidden") in ("1", "true")
        self._row = []
        self._column = 0
        self._budget.take_cells(self.cells_uncounted)
        self.cells_uncounted = 0

    def _end_row(self) -> None:
        if self._row:
            self._budget.take_room(len(self._row))
            self.rows[self._number] = self._row
            if self._hidden:
                self.hidden_rows.append(self._number)
        self._row = []

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

    def _learn(self, letters: str) -> int:
        number = number_of(letters)
        if number == 0:
            raise self._damaged()
        self._columns[letters] = number
        return number

    def _cell(self) -> Cell:
        if self._formula is not None:
            formula, self._formula = "=" + "".join(self._formula), None
            return Formula(formula)
        try:
            return self._values.value(self._cell_attributes, "".join(self._value))
        except (ValueError, IndexError):
            raise self._damaged() from None

    def _put(self, column: int, cell: Cell) -> None:
        row = self._row
        size = len(row)
        if column > size:
            if column > size + 1:
                row.extend([None] * (column - 1 - size))
            row.append(cell)
        elif row[column - 1] is None:
            row[column - 1] = cell
        else:
            raise self._damaged()

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
        self.merged.append(Area(int(first[2]), number_of(first[1]), int(last[2]), number_of(last[1])))

    def _damaged(self) -> UnreadableWorkbook:
        return UnreadableWorkbook(
            f"the part {printable(self._part)} is damaged at or below row {self._number}; {SAVE_AGAIN}"
        )
