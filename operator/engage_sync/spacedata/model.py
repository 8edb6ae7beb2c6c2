"""Buildings, floors and rooms as a workbook describes them, each with the cells it came from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import final

from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.grid import printable
from engage_sync.spacedata.problems import Place, Problem, Reason, Severity
from reconcilers.errors import ConfigError

DEFAULT_OCCUPIABLE, DEFAULT_CAPACITY, DEFAULT_RESERVABLE = True, 1, False
"""What a blank cell means for a new room (domain section 4.1)."""

_SEAL = object()


@dataclass(frozen=True, slots=True)
class Building:
    """One building of all rows that name it. At least one of `name` and `code` is not empty.

    `state` is a code in capitals where the country is the US, else as written; `country` is as written,
    `country_code` its alpha-2 code, empty when we do not know it. `rows` says which row each value is from.
    """

    name: str
    code: str
    state: str
    address: str
    address2: str
    city: str
    zip: str
    country: str
    country_code: str
    row: int
    rows: Mapping[Column, int] = field(compare=False)

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.code


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor, by the first row that names it."""

    building: Building
    name: str
    row: int


@dataclass(frozen=True, slots=True)
class Room:
    """One row. None is a blank cell: a default when the room is new, nothing to change when it is not.

    Areas are in square feet.
    """

    floor: Floor
    name: str
    space_type: str
    occupiable: bool | None
    capacity: int | None
    description: str
    square_feet: Decimal | None
    reservable: bool | None
    rentable_square_feet: Decimal | None
    row: int


@dataclass(frozen=True, slots=True)
class SpaceData:
    """What a workbook describes, in the order of its rows, and what is wrong with it.

    `renames` are the customer's own names of columns (row 3): names for people, which change no value.
    `counts` has all problems by reason, `problems` at most 10,000 of each.
    """

    sheet: str
    rows: int
    buildings: tuple[Building, ...]
    floors: tuple[Floor, ...]
    rooms: tuple[Room, ...]
    columns: Mapping[Column, int]
    renames: Mapping[Column, str]
    problems: tuple[Problem, ...]
    counts: Counter[Reason]

    def place(self, item: Building | Floor | Room, column: Column) -> Place:
        """The cell that a value of an item came from; a column that the sheet lacks is 0."""
        row = item.rows.get(column, item.row) if isinstance(item, Building) else item.row
        return Place(self.sheet, row, self.columns.get(column, 0), column)

    def count(self, severity: Severity) -> int:
        """How many errors or warnings there are."""
        return sum(count for reason, count in self.counts.items() if reason.severity is severity)


class SpaceDataRejected(ConfigError):
    """The workbook holds errors, so nothing of it is uploaded; the text names the first."""

    reason = "SpaceDataRejected"


@final
class CheckedSpaceData:
    """Space data without an error, all that may be uploaded. Only `checked` makes one."""

    __slots__ = ("data",)

    def __init__(self, data: SpaceData, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("CheckedSpaceData comes from checked() alone: nothing is uploaded with an error")
        self.data = data


def checked(data: SpaceData) -> CheckedSpaceData:
    """Let space data pass that hold no error.

    Raises:
        SpaceDataRejected: There are errors; the sentence says how many and the first.
    """
    errors = data.count(Severity.ERROR)
    if errors:
        first = next(problem for problem in data.problems if problem.severity is Severity.ERROR)
        what = printable(f"{first.place}: {first.message}", 400)
        raise SpaceDataRejected(
            f"the space data hold {errors:,} error{'s' * (errors > 1)}, the first in {what}; see "
            "`engage-sync spacedata check`"
        )
    return CheckedSpaceData(data, _SEAL)
