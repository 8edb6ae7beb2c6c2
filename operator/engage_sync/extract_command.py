"""The `extract` command: Engage's locations, floors and resources as a filled space data template."""

import asyncio
import csv
import io
import json
import os
from pathlib import Path

import click

from engage_sync import __version__
from engage_sync.clients.engage import EngageReader
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit
from engage_sync.clients.transport import network_transport
from engage_sync.credentials import read_credentials
from engage_sync.manifests import Manifests, read_manifests
from engage_sync.meter import quota_status, week_quota
from engage_sync.options import FILES, STATE, state_directory
from engage_sync.progress import ProgressBar
from engage_sync.spacedata.columns import EXTRA_COLUMNS
from engage_sync.spacedata.extract import Extract, csv_lines, extract
from engage_sync.spacedata.report import finding_object
from engage_sync.spacedata.template import check_name, check_out, write_out, write_template
from engage_sync.spacedata.upload_report import finding_lines
from engage_sync.store.durable import unusable
from engage_sync.store.quota import read_quota, write_quota
from engage_sync.trust import A_PERSON, check_hosts
from reconcilers.errors import ConfigError
from reconcilers.levels.resource import MEETING, PERSONAL
from reconcilers.model import Holdings
from reconcilers.ports import Demand

_ALL = Demand(True, frozenset({MEETING, PERSONAL}))
_FILE = click.Path(path_type=Path)


@click.command(
    "extract",
    epilog="""
\b
Exit codes: 0 it was written (there may be warnings), 1 error, or no location in Engage.

\b
Examples:
  engage-sync extract -f target.yaml -f secrets.yaml spaces.xlsx --types types.csv
  engage-sync spacedata check spaces.xlsx
  engage-sync spacedata upload spaces.xlsx -f target.yaml -f secrets.yaml --create-types types.csv
""",
)
@click.argument("out", type=_FILE)
@FILES
@STATE
@click.option("--types", "types_file", type=_FILE, metavar="CSV",
              help="Also write the space types with their groups, for upload --create-types.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite files of these names.")
@click.option("-o", "--output", type=click.Choice(["json", "text"]), default="text",
              help="How to print what was found.")  # fmt: skip
def extract_command(
    out: Path, files: tuple[Path, ...], state: Path | None, types_file: Path | None, force: bool, output: str
) -> None:
    """Write Engage's locations, floors and resources to OUT, an .xlsx, as a filled space data template.

    Engage is only read. The workbook has three more columns than the template: the country, and Engage's
    ids of location and resource.
    """
    _check_outputs(out, types_file, force)  # before anything is read: that costs calls
    manifests = read_manifests(files)
    with ProgressBar() as bar:
        folder = state or state_directory(manifests)
        _make(folder)
        holdings, requests = asyncio.run(_read(manifests, folder, bar))
    found = extract(holdings)
    if not found.locations:
        raise ConfigError(
            "Engage holds no location, so there is nothing to extract; nothing was written. "
            "Check spec.target, or begin with a blank template: engage-sync spacedata template"
        )
    write_template(out, force=force, records=found.records, extra=EXTRA_COLUMNS)
    if types_file is not None:
        _write_types(types_file, found, force)
    render = _as_json if output == "json" else _as_text
    click.echo(render(out, found, requests))


def _check_outputs(out: Path, types_file: Path | None, force: bool) -> None:
    check_name(out)
    check_out(out, force=force)
    if types_file is None:
        return
    check_out(types_file, force=force)
    if os.path.realpath(types_file) == os.path.realpath(out):
        raise ConfigError(f"{out} cannot be the workbook and --types at once; name two files")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(folder, error) from error


async def _read(manifests: Manifests, state: Path, bar: ProgressBar) -> tuple[Holdings, int]:
    """All that Engage holds, over a transport that refuses everything but reads; its calls are counted."""
    spec = manifests.spec
    check_hosts(spec, A_PERSON)
    _, credentials = await read_credentials(spec, manifests)
    async with EngageSession(
        spec.target.application_url,
        spec.target.api_url,
        credentials,
        network_transport(A_PERSON),
        user_agent=f"engage-sync/{__version__} ({spec.tenant})",
        rate_limit=RateLimit(spec.target.rate_limit.per_minute, spec.target.rate_limit.per_week),
        week=week_quota(read_quota(state)),
        read_only=True,
    ) as session:
        try:
            holdings = await EngageReader(session, observer=bar.on).read(lambda location: _ALL)
            return holdings, session.requests
        finally:
            write_quota(state, quota_status(session.week))


def _write_types(path: Path, found: Extract, force: bool) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(csv_lines(found.type_groups))
    write_out(path, text.getvalue().encode(), force=force)


def _as_text(out: Path, found: Extract, requests: int) -> str:
    counts = f"{found.locations:,} locations, {found.floors:,} floors, {found.resources:,} resources"
    lines = [*finding_lines(found.findings), f"{out}: {counts}; next: engage-sync spacedata check {out}"]
    return "\n".join(lines)


def _as_json(out: Path, found: Extract, requests: int) -> str:
    document = {
        "file": str(out),
        "locations": found.locations,
        "floors": found.floors,
        "resources": found.resources,
        "findings": [finding_object(finding) for finding in found.findings],
        "requests": requests,
    }
    return json.dumps(document, indent=2)
