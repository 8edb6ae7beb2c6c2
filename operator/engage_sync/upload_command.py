"""The `spacedata upload` command: a checked workbook into Workplace."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from engage_sync import __version__
from engage_sync.clients.redact import Hidden
from engage_sync.clients.transport import network_transport
from engage_sync.clients.workplace_listings import Listings
from engage_sync.clients.workplace_session import WorkplaceSession
from engage_sync.clients.workplace_writer import WorkplaceWriter
from engage_sync.credentials import read_credentials
from engage_sync.manifests import Manifests, read_manifests
from engage_sync.options import FILES, STATE, state_directory
from engage_sync.progress import ProgressBar
from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.check_report import RENDERERS as CHECK_RENDERERS
from engage_sync.spacedata.command import COUNTRY
from engage_sync.spacedata.engage_ids import read_engage_ids
from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.journal import Journal
from engage_sync.spacedata.match import plan_upload
from engage_sync.spacedata.model import CheckedSpaceData, checked
from engage_sync.spacedata.problems import Severity
from engage_sync.spacedata.type_groups import read_type_groups
from engage_sync.spacedata.upload import Upload
from engage_sync.spacedata.upload_report import RENDERERS, UploadReport
from engage_sync.spacedata.work import What
from engage_sync.spacedata.world import read_world
from engage_sync.spec import Spec
from engage_sync.trust import A_PERSON, check_hosts

DONE, FAILED, ERRORS, PARTLY = 0, 1, 2, 3
"""Exit codes."""
_FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Request:
    """What shall be uploaded."""

    file: str
    data: CheckedSpaceData
    type_groups: Mapping[str, str]
    engage_ids: Mapping[int, int]


class UploadBar(ProgressBar):
    """Draws how far an upload has come, on a terminal."""

    def step(self, what: What, done: int, total: int) -> None:
        """Draw it."""
        self._progress.update(self._task, description=f"Uploading {what}s", completed=done, total=total)


@click.command(
    "upload",
    epilog="""
\b
Exit codes: 0 done, 2 errors in the file (nothing was uploaded), 3 some rows could not be written, 1 error.

\b
The file of --create-types is CSV with two columns, type and group; a group is We (a meeting
space in Engage), Me (a personal space) or None (neither):
  type,group
  Conference Room,We
  Desk,Me

\b
Examples:
  engage-sync spacedata upload spaces.xlsx -f target.yaml -f secrets.yaml
  engage-sync spacedata upload spaces.xlsx -f target.yaml -f secrets.yaml --country DE --create-types me.csv
""",
)
@click.argument("file", type=_FILE)
@FILES
@STATE
@COUNTRY
@click.option("--create-types", "types_file", type=_FILE, metavar="CSV",
              help="Create the space types that Workplace lacks; this file has their groups.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(sorted(RENDERERS)), default="text",
              help="How to print what was done.")  # fmt: skip
def upload_command(
    file: Path,
    files: tuple[Path, ...],
    state: Path | None,
    country: str | None,
    types_file: Path | None,
    output: str,
) -> None:
    """Create and update buildings, floors and spaces in Workplace from FILE, a checked space data template.

    Nothing is uploaded while the file has an error, and nothing is ever deleted. Run it again to go on
    after an interruption: what is there already is found by its names.
    """
    data = check_file(file, country or "")
    if data.count(Severity.ERROR):
        click.echo(CHECK_RENDERERS[output](str(file), data))
        sys.exit(ERRORS)
    engage_ids, findings = read_engage_ids(file, data)
    if findings:
        click.echo(RENDERERS[output](UploadReport(str(file), findings)))
        sys.exit(ERRORS)
    request = Request(
        str(file), checked(data), read_type_groups(types_file) if types_file else {}, engage_ids
    )
    manifests = read_manifests(files)
    with Journal(state or state_directory(manifests)) as journal, UploadBar() as bar:
        report = asyncio.run(_upload(request, manifests, journal, bar))
    click.echo(RENDERERS[output](report))
    _exit(report)


def _exit(report: UploadReport) -> None:
    if report.outcome is None:
        sys.exit(ERRORS)
    if report.outcome.ended_by is not None:
        raise report.outcome.ended_by
    sys.exit(PARTLY if report.outcome.failures else DONE)


async def _upload(request: Request, manifests: Manifests, journal: Journal, bar: UploadBar) -> UploadReport:
    """Read Workplace, compare, write. Raises SyncError while nothing was written yet."""
    spec = manifests.spec
    check_hosts(spec, A_PERSON)
    credentials, _ = await read_credentials(spec, manifests)
    hidden = Hidden()

    def session(*, read_only: bool) -> WorkplaceSession:
        return WorkplaceSession(
            spec.source.base_url, credentials, network_transport(A_PERSON),
            user_agent=f"engage-sync/{__version__} ({spec.tenant})", read_only=read_only, hidden=hidden,
        )  # fmt: skip

    async with session(read_only=True) as reading, session(read_only=False) as writing:
        listings = Listings(reading, bar.on)
        plan = plan_upload(request.data, await read_world(listings), request.type_groups, request.engage_ids)
        outcome = None
        if not plan.errors:
            outcome = await Upload(listings, WorkplaceWriter(writing), journal, tell=bar.step).run(plan)
        findings = [finding for finding in plan.findings if _matters(finding, spec)]
        return UploadReport(request.file, findings, outcome, reading.requests + writing.requests)


def _matters(finding: Finding, spec: Spec) -> bool:
    if finding.ground is Ground.NO_RESERVATION_CENTER:
        return spec.scope.require_reservation_center
    return finding.ground is not Ground.NO_COUNTRY or not spec.defaults.country
