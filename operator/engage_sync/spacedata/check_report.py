"""What a check found, for people and for machines."""

import json
from collections.abc import Callable, Iterator, Mapping

from engage_sync.spacedata.grid import printable
from engage_sync.spacedata.model import SpaceData
from engage_sync.spacedata.problems import Severity
from engage_sync.spacedata.report import counted, finding_object, lines


def as_text(file: str, data: SpaceData) -> str:
    """A line for each problem, errors first, and a summary."""
    counts = dict(sorted(data.counts.items()))
    return "\n".join([*lines(data.problems, counts), *_renames(data), _summary(file, data)])


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
        "problems": [finding_object(problem) for problem in data.problems],
    }
    return json.dumps(document, indent=2)


RENDERERS: Mapping[str, Callable[[str, SpaceData], str]] = {"text": as_text, "json": as_json}


def _renames(data: SpaceData) -> Iterator[str]:
    if data.renames:
        names = ", ".join(f'{column} is "{printable(name)}"' for column, name in data.renames.items())
        yield f"renamed  {names}"


def _summary(file: str, data: SpaceData) -> str:
    errors, warnings = data.count(Severity.ERROR), data.count(Severity.WARNING)
    found = ", ".join(
        (
            counted(data.rows, "row"), counted(len(data.buildings), "building"),
            counted(len(data.floors), "floor"), counted(len(data.rooms), "room"),
        )
    )  # fmt: skip
    verdict = "nothing is uploaded before the errors are gone" if errors else "nothing stops the upload"
    return f"{file}: {counted(errors, 'error')}, {counted(warnings, 'warning')}; {found}; {verdict}"
