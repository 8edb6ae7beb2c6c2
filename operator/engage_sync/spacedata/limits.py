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
MAX_TEXT = 64 << 20
"""Characters of all texts together."""
MAX_MERGED = 100_000


class Budget:
    """What one workbook has used of cells and text, all its sheets together."""

    def __init__(self) -> None:
        self.cells = 0
        self.text = 0

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
