"""What a check found, for people and for machines."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from engage_sync.spacedata.grid import printable
from engage_sync.spacedata.model import SpaceData
from engage_sync.spacedata.problems import Problem, Reason, Severity

SHOWN_WARNINGS = 10
"""Of one reason, in the text; the JSON has them all."""


def as_text(file: str, data: SpaceData) -> str:
    """A line for each problem, errors first, and a summary."""
    return "\n".join([*_lines(data), *_renames(data), _summary(file, data)])


def as_json(file: str, data: SpaceData) -> str:
    """Everything; `counts` has all problems, `problems` at most 10,000 of each reason."""
    document = {
        "file": file,
        "sheet": data.sheet,
        "rows": data.rows,
        "buildings": len(data.buildings),
        "floors": len(data.floors),
        "rooms": len(data.rooms),
        "errors": data.count(Severity.ERROR),
        "warnings": data.count(Severity.WARNING),
        "counts": {str(reason): count for reason, count in sorted(data.counts.items())},
        "renames": {str(column): name for column, name in data.renames.items()},
        "problems": [_as_object(problem) for problem in data.problems],
    }
    return json.dumps(document, indent=2)


RENDERERS: Mapping[str, Callable[[str, SpaceData], str]] = {"text": as_text, "json": as_json}


def _as_object(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "severity": problem.severity,
        "reason": problem.reason,
        "sheet": place.sheet,
        "row": place.row or None,
        "column": place.cell.rstrip("0123456789") or None,
        "header": place.header or None,
        "cell": place.cell or None,
        "value": problem.value,
        "message": problem.message,
        "cure": problem.cure,
    }


def _lines(data: SpaceData) -> Iterator[str]:
    printed: Counter[Reason] = Counter()
    for problem in data.problems:
        printed[problem.reason] += 1
        if problem.severity is Severity.ERROR or printed[problem.reason] <= SHOWN_WARNINGS:
            yield _line(problem)
    for reason, count in sorted(data.counts.items()):
        shown = printed[reason] if reason.severity is Severity.ERROR else min(printed[reason], SHOWN_WARNINGS)
        if count > shown:
            yield f"{reason.severity:<7}  … and {count - shown:,} more of {reason}; see -o json"


def _line(problem: Problem) -> str:
    place = problem.place
    what = f"{printable(place.header)} " if place.header else ""
    value = f'"{printable(problem.value)}"'
    return (
        f"{problem.severity:<7}  {printable(str(place))}  {what}{value}: "
        f"{printable(problem.message, 400)}; {printable(problem.cure, 400)}"
    )


def _renames(data: SpaceData) -> Iterator[str]:
    if data.renames:
        names = ", ".join(f'{column} is "{printable(name)}"' for column, name in data.renames.items())
        yield f"renamed  {names}"


def _summary(file: str, data: SpaceData) -> str:
    errors, warnings = data.count(Severity.ERROR), data.count(Severity.WARNING)
    found = ", ".join(
        (
            _counted(data.rows, "row"), _counted(len(data.buildings), "building"),
            _counted(len(data.floors), "floor"), _counted(len(data.rooms), "room"),
        )
    )  # fmt: skip
    verdict = "nothing is uploaded before the errors are gone" if errors else "nothing stops the upload"
    return f"{file}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}; {found}; {verdict}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
