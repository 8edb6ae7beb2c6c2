"""What an upload did, or why it did nothing, for people and for machines."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engage_sync.spacedata.findings import Finding
from engage_sync.spacedata.grid import printable
from engage_sync.spacedata.problems import Severity
from engage_sync.spacedata.report import SHOWN, counted, finding_object, lines
from engage_sync.spacedata.upload import Done, Failure, Outcome
from engage_sync.spacedata.work import What

_PLURAL = {
    What.TYPE: "space types", What.BUILDING: "buildings", What.FLOOR: "floors", What.ROOM: "rooms"
}  # fmt: skip
_KEYS = {What.TYPE: "spaceTypes", What.BUILDING: "buildings", What.FLOOR: "floors", What.ROOM: "rooms"}


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What is shown; `outcome` is None where nothing was uploaded because of errors."""

    file: str
    findings: Sequence[Finding]
    outcome: Outcome | None = None
    requests: int = 0


def as_text(report: UploadReport) -> str:
    """A line for each finding and failure, and a summary."""
    if report.outcome is None:
        errors = sum(finding.severity is Severity.ERROR for finding in report.findings)
        told = [f"{report.file}: {counted(errors, 'error')}; nothing was uploaded"]
    else:
        told = [*_failure_lines(report.outcome.failures), *_summary(report.file, report.outcome)]
    return "\n".join([*finding_lines(report.findings), *told])


def as_json(report: UploadReport) -> str:
    """Everything."""
    outcome = report.outcome
    document = {
        "file": report.file,
        "uploaded": outcome is not None,
        "finished": outcome is not None and outcome.ended_by is None,
        "summary": {
            _KEYS[what]: {str(done): outcome.counts[what][done] for done in Done} for what in What
        }
        if outcome
        else {},
        "findings": [finding_object(finding) for finding in report.findings],
        "failures": [_failure_object(failure) for failure in outcome.failures] if outcome else [],
        "requests": report.requests,
    }  # fmt: skip
    return json.dumps(document, indent=2)


RENDERERS: Mapping[str, Callable[[UploadReport], str]] = {"text": as_text, "json": as_json}


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Errors first; of the warnings of one ground only some."""
    counts = Counter(finding.ground for finding in findings)
    return lines(sorted(findings, key=lambda finding: finding.severity), counts)


def _failure_lines(failures: Sequence[Failure]) -> Iterator[str]:
    for failure in failures[:SHOWN]:
        work = failure.work
        where = f"{printable(work.cell)}  " if work.cell else ""
        yield f'failed   {where}{work.what} "{printable(work.path, 200)}": {printable(failure.message, 400)}'
    if len(failures) > SHOWN:
        yield f"failed   … and {len(failures) - SHOWN:,} more; see -o json"


def _failure_object(failure: Failure) -> dict[str, object]:
    work = failure.work
    return {
        "kind": work.what, "cell": work.cell or None, "name": work.name, "path": work.path,
        "message": failure.message,
    }  # fmt: skip


def _summary(file: str, outcome: Outcome) -> Iterator[str]:
    width = max(map(len, _PLURAL.values()))
    yield f"{'':<{width}}  {'created':>9}  {'updated':>9}  {'unchanged':>9}  {'failed':>9}"
    for what, name in _PLURAL.items():
        counts = outcome.counts[what]
        numbers = "  ".join(f"{counts[done]:>9,}" for done in Done)
        yield f"{name:<{width}}  {numbers}"
    failed = sum(counts[Done.FAILED] for counts in outcome.counts.values())
    if outcome.ended_by is not None:
        yield f"{printable(file, 400)}: the upload ended early; run it again to go on from here"
    elif failed:
        yield f"{printable(file, 400)}: {failed:,} could not be written; mend them and run it again"
    else:
        yield f"{printable(file, 400)}: Workplace holds what the file says"
