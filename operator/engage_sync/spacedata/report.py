"""Problems and findings, as lines for people and as objects for machines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.grid import printable
from engage_sync.spacedata.problems import Place, Problem, Reason, Severity

SHOWN = 10
"""Warnings of one reason in the text; the JSON has them all."""
_LONGEST = 400
"""Characters of a sentence."""


def finding_object(found: Problem | Finding) -> dict[str, object]:
    """One of them; row, column, header and cell are null where a whole sheet or row is meant."""
    place = found.place
    return {
        "severity": found.severity,
        "reason": found.reason,
        "sheet": place.sheet,
        "row": place.row or None,
        "column": place.cell.rstrip("0123456789") or None,
        "header": place.header or None,
        "cell": place.cell or None,
        "value": found.value,
        "message": found.message,
        "cure": found.cure,
    }


def lines(
    found: Iterable[Problem | Finding], counts: Mapping[Reason, int] | Mapping[Ground, int]
) -> Iterator[str]:
    """A line for each in their order; of the warnings of one reason only some, but `counts` of them all."""
    shown: Counter[str] = Counter()
    for one in found:
        if one.severity is Severity.ERROR or shown[one.reason] < SHOWN:
            shown[one.reason] += 1
            yield _line(one)
    for reason, count in counts.items():
        if count > shown[reason]:
            yield f"{reason.severity:<7}  … and {count - shown[reason]:,} more of {reason}; see -o json"


def _line(found: Problem | Finding) -> str:
    header = f"{printable(found.place.header)} " if found.place.header else ""
    return (
        f'{found.severity:<7}  {printable(_where(found.place))}  {header}"{printable(found.value)}": '
        f"{printable(found.message, _LONGEST)}; {printable(found.cure, _LONGEST)}"
    )


def _where(place: Place) -> str:
    # A column that the sheet lacks has no cell; its row still says which building is meant.
    cell = place.cell or (f"row {place.row}" if place.row else "")
    return "!".join(part for part in (place.sheet, cell) if part)


def counted(count: int, what: str) -> str:
    """A number of things, such as "1 row" and "1,200 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
