"""How much a workbook may hold. 100,000 rows of 16 columns take about half of each.

A workbook comes from strangers, and a few kilobytes can say terabytes; whoever reads one asks here before
memory is taken. Every refusal is an UnreadableWorkbook that names the measure and the cure.
"""

from engage_sync.spacedata.grid import UnreadableWorkbook

MAX_FILE_BYTES = 64 << 20
MAX_PART_BYTES = 192 << 20
MAX_SHARED_STRINGS_BYTES = 64 << 20
MAX_SMALL_PART_BYTES = 16 << 20
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 8 << 20
"""A small part may be as regular as it likes."""
MAX_ENTRIES = 2_000
MAX_SHEETS = 255
MAX_CELLS = 4_000_000
MAX_ROWS = 1 << 20
MAX_ELEMENTS = 13_000_000
"""XML elements of all parts together, comments too: as many as the cells may have, three each, and rows."""
MAX_ROOM = 32 << 20
"""Places of all rows together, each from column A to its last cell: a row with a cell far right is long."""
MAX_TEXT = 64 << 20
"""Characters of all texts together."""
MAX_MERGED = 100_000


class Budget:
    """What one workbook has used of cells and text, all its sheets together."""

    def __init__(self) -> None:
        self.cells = 0
        self.text = 0
        self.elements = 0
        self.room = 0

    def take_cells(self, count: int) -> None:
        """Count cells, blank ones too; raises UnreadableWorkbook over MAX_CELLS."""
        self.cells += count
        if self.cells > MAX_CELLS:
            raise UnreadableWorkbook(
                f"the workbook holds more than {MAX_CELLS:,} cells; delete the empty formatted rows below "
                "the data, or split it into several files"
            )

    def take_text(self, characters: int) -> None:
        """Count characters of text; raises UnreadableWorkbook over MAX_TEXT."""
        self.text += characters
        if self.text > MAX_TEXT:
            raise UnreadableWorkbook(
                f"the workbook holds more than {MAX_TEXT:,} characters of text; split it into several files"
            )

    def take_elements(self, count: int) -> None:
        """Count XML elements, before they are parsed; raises UnreadableWorkbook over MAX_ELEMENTS."""
        self.elements += count
        if self.elements > MAX_ELEMENTS:
            raise UnreadableWorkbook(
                f"the workbook holds more than {MAX_ELEMENTS:,} XML elements; delete the sheets without "
                "space data and the empty formatted rows, or split it into several files"
            )

    def take_room(self, places: int) -> None:
        """Count places of a row up to its last cell; raises UnreadableWorkbook over MAX_ROOM."""
        self.room += places
        if self.room > MAX_ROOM:
            raise UnreadableWorkbook(
                f"the rows hold more than {MAX_ROOM:,} places up to their last cells; delete the columns "
                "right of the template's, or split it into several files"
            )
