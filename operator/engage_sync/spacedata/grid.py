"""A sheet as both formats hold it: values by row and column, before anything is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconcilers.errors import ConfigError

SAVE_AGAIN = "open it in Excel and save it again as .xlsx"
UNPROTECT = "the file is protected by a password; remove it and save the file again"
"""What people do about most files that cannot be read."""


class UnreadableWorkbook(ConfigError):
    """The file is no workbook that can be read; the text is one sentence with the cure."""

    reason = "UnreadableWorkbook"


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that is computed; `text` is what the file says of it."""

    text: str


@dataclass(frozen=True, slots=True)
class ErrorValue:
    """A cell that shows an error, such as #REF!."""

    text: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A number that is shown as a date or a time; `text` is in ISO form."""

    text: str


Cell = str | float | bool | Formula | ErrorValue | DateValue | None
"""What a cell holds; blank is None. A number shown with leading zeros comes as that text."""


@dataclass(frozen=True, slots=True)
class Area:
    """Merged cells: first and last row and column, 1-based."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet. `rows` holds the rows that are not blank, by number from 1, each from column A on."""

    name: str
    hidden: bool
    rows: Mapping[int, Sequence[Cell]]
    merged: Sequence[Area]
    hidden_rows: Sequence[int]


class Workbook(Protocol):
    """An open workbook of either format."""

    @property
    def sheet_names(self) -> Sequence[str]:
        """Of the sheets that have cells, in order."""

    def read(self, index: int, last_row: int | None = None) -> Sheet:
        """One sheet, whole or its top; raises UnreadableWorkbook."""


MAX_COLUMNS = 256
"""Cells further right are left alone: nobody's header is there."""


def printable(text: str, most: int = 60) -> str:
    """A text that a terminal takes for nothing but text, cut to `most` characters."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
