"""The `spacedata` commands; options in, exit codes out."""

import sys
from pathlib import Path

import click

from engage_sync.spacedata.check import check_file
from engage_sync.spacedata.check_report import RENDERERS
from engage_sync.spacedata.geography import country_code
from engage_sync.spacedata.problems import Severity
from engage_sync.spacedata.template import write_template

CLEAN, ERRORS = 0, 2
"""Exit codes of `check`; 1 is for a file that cannot be read."""
_FILE = click.Path(path_type=Path)


class Country(click.ParamType[str]):
    """A country by code or English name, as its alpha-2 code."""

    name = "country"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code; fails with one sentence."""
        code = country_code(value)
        if not code:
            self.fail(f"it takes an ISO 3166 code such as US, not {value!r}.", param, ctx)
        return code


COUNTRY = click.option("--country", type=Country(), help="Of the buildings that name none, such as DE.")


@click.group(
    "spacedata",
    short_help="Workplace's space data template: write one, check one, upload it.",
    epilog="Example: engage-sync spacedata template spaces.xlsx",
)
def spacedata_command() -> None:
    """Write, check and upload the workbook that a new customer's buildings, floors and rooms come in."""


@spacedata_command.command(
    epilog="""
\b
Examples:
  engage-sync spacedata template spaces.xlsx
  engage-sync spacedata template spaces.xlsx --force
"""
)
@click.argument("out", type=_FILE)
@click.option("--force", is_flag=True, help="Overwrite a file of that name.")
def template(out: Path, force: bool) -> None:
    """Write a blank space data template, with instructions and an example, to OUT."""
    write_template(out, force=force)
    click.echo(f"{out}: fill in the sheet Space Data, then run: engage-sync spacedata check {out}")


@spacedata_command.command(
    epilog="""
\b
Exit codes: 0 clean (there may be warnings), 2 errors found, 1 the file cannot be read.

\b
Examples:
  engage-sync spacedata check spaces.xlsx
  engage-sync spacedata check spaces.xls --country DE -o json
"""
)
@click.argument("file", type=_FILE)
@COUNTRY
@click.option("-o", "--output", type=click.Choice(sorted(RENDERERS)), default="text",
              help="How to print what is found.")  # fmt: skip
def check(file: Path, country: str | None, output: str) -> None:
    """Find everything that is wrong with a filled space data template, an .xlsx or .xls FILE."""
    data = check_file(file, country or "")
    click.echo(RENDERERS[output](str(file), data))
    sys.exit(ERRORS if data.count(Severity.ERROR) else CLEAN)
