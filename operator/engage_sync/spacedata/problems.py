"""What can be wrong with a workbook, where, and what to do about it."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from engage_sync.spacedata.columns import letter
from engage_sync.spacedata.grid import Cell, DateValue, ErrorValue, Formula

KEPT = 10_000
"""Problems kept of one reason; all are counted."""


class Severity(StrEnum):
    """Nothing is uploaded while there is an error; a warning stops nothing."""

    ERROR = "error"
    WARNING = "warning"


class Reason(StrEnum):
    """The kind of a problem, for machines."""

    MISSING_HEADER = "MissingHeader"
    DUPLICATE_HEADER = "DuplicateHeader"
    HEADER_ROW = "HeaderRow"
    NO_DATA_SHEET = "NoDataSheet"
    SEVERAL_DATA_SHEETS = "SeveralDataSheets"
    NO_ROWS = "NoRows"
    FORMULA = "Formula"
    ERROR_VALUE = "ErrorValue"
    DATE_VALUE = "DateValue"
    MERGED_CELLS = "MergedCells"
    CONTROL_CHARACTER = "ControlCharacter"
    TOO_LONG = "TooLong"
    DIGITS_LOST = "DigitsLost"
    NO_BUILDING = "NoBuilding"
    NO_FLOOR = "NoFloor"
    NO_SPACE_TYPE = "NoSpaceType"
    NO_STATE = "NoState"
    UNKNOWN_STATE = "UnknownState"
    UNKNOWN_COUNTRY = "UnknownCountry"
    BUILDING_DIFFERS = "BuildingDiffers"
    AMBIGUOUS_BUILDING = "AmbiguousBuilding"
    DUPLICATE_ROOM = "DuplicateRoom"
    NOT_A_NUMBER = "NotANumber"
    OUT_OF_RANGE = "OutOfRange"
    NOT_YES_NO = "NotYesNo"

    WITHOUT_ROOMS = "WithoutRooms"
    FOREIGN_STATE = "ForeignState"
    UNRECOGNISED_COUNTRY = "UnrecognisedCountry"
    LEADING_ZEROS = "LeadingZeros"
    BLANKS = "Blanks"
    FORMULA_LIKE = "FormulaLike"
    INVISIBLE_CHARACTER = "InvisibleCharacter"
    SIMILAR_ROOM = "SimilarRoom"
    ZERO_CAPACITY = "ZeroCapacity"
    HEADER_SPELLING = "HeaderSpelling"
    UNKNOWN_COLUMN = "UnknownColumn"
    HIDDEN_ROWS = "HiddenRows"
    HIDDEN_SHEET = "HiddenSheet"

    @property
    def severity(self) -> Severity:
        """The same for all problems of a reason."""
        return Severity.WARNING if self in _WARNINGS else Severity.ERROR


_WARNINGS = frozenset(
    {
        Reason.WITHOUT_ROOMS, Reason.FOREIGN_STATE, Reason.LEADING_ZEROS, Reason.BLANKS, Reason.FORMULA_LIKE,
        Reason.INVISIBLE_CHARACTER, Reason.SIMILAR_ROOM, Reason.ZERO_CAPACITY, Reason.HEADER_SPELLING,
        Reason.UNKNOWN_COLUMN, Reason.HIDDEN_ROWS, Reason.HIDDEN_SHEET, Reason.UNRECOGNISED_COUNTRY,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A cell; row and column count from 1, 0 where the whole sheet is meant. `header` is the column's."""

    sheet: str
    row: int = 0
    column: int = 0
    header: str = ""

    @property
    def cell(self) -> str:
        """Like B7; empty for a whole sheet."""
        return f"{letter(self.column)}{self.row}" if self.row and self.column else ""

    def __str__(self) -> str:
        return f"{self.sheet}!{self.cell}" if self.cell else self.sheet


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at one place: what it is, and the cure, each a clause."""

    reason: Reason
    place: Place
    value: str
    message: str
    cure: str

    @property
    def severity(self) -> Severity:
        """Whether it stops the upload."""
        return self.reason.severity


class Problems:
    """Collects problems; counts all, keeps at most KEPT of a reason."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.counts: Counter[Reason] = Counter()

    def add(self, reason: Reason, place: Place, value: Cell, message: str, cure: str) -> None:
        """Note one problem; `value` is what the cell holds."""
        self.counts[reason] += 1
        if self.counts[reason] <= KEPT:
            self.kept.append(Problem(reason, place, text_of(value), message, cure))

    def sorted(self) -> tuple[Problem, ...]:
        """As they come in the sheet, errors first."""
        return tuple(
            sorted(
                self.kept,
                key=lambda problem: (
                    problem.severity,
                    problem.place.row,
                    problem.place.column,
                    problem.reason,
                ),
            )
        )


def text_of(cell: Cell) -> str:
    """What a cell holds, as a person sees it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return f"{cell:.15g}"
    if isinstance(cell, Formula | ErrorValue | DateValue):
        return cell.text
    return cell
