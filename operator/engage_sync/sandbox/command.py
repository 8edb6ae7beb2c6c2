"""The `sandbox` command (contract section 7); options in, a running server out."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from engage_sync.sandbox import faults, server
from engage_sync.sandbox.account import Addresses
from engage_sync.sandbox.durations import seconds
from engage_sync.sandbox.gateway import PER_MINUTE, PER_WEEK, TOKEN_LIFE
from engage_sync.sandbox.load import load_csv
from engage_sync.sandbox.manifests import write_manifests
from engage_sync.sandbox.sandbox import Sandbox


class Duration(click.ParamType[float]):
    """A Go duration, as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return seconds(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


_FILE = click.Path(path_type=Path)

_EPILOG = """
A fault names a request by system (workplace, engage), method and path (* matches anything), which of its
occurrences (3, [1, 4], "2-5", "4+", "every 3", all) and what happens:

\b
  - {system: engage, method: POST, path: /rooms, occurrences: 2, what: commit-then-reset}
  - {system: workplace, path: "/rooms*", occurrences: "3+", what: 429, retryAfter: 5}

`what` is a status from 400 on, reset, commit-then-reset, commit-then-504, truncated, empty, short,
duplicated, html, garbage or delay (with delay: 2s).

\b
Examples:
  engage-sync sandbox --port 8080 --load rooms.csv --write demo
  engage-sync sandbox --no-limits --latency 20ms --faults faults.yaml
"""


@click.command(
    "sandbox", short_help="Serve a made-up Workplace and Engage on a loopback port.", epilog=_EPILOG
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--load", "load", type=_FILE, help="Fill Workplace from a .csv or .csv.gz of rooms.")
@click.option("--latency", type=Duration(), default=0.0, help="Time that every answer takes, like 20ms.")
@click.option("--no-limits", is_flag=True, help="Lift Engage's 500 calls a minute and 50,000 a week.")
@click.option("--token-life", type=Duration(), default=TOKEN_LIFE, help="How long a token is good; 43199s.")
@click.option("--faults", "faults_file", type=_FILE, help="YAML list of what goes wrong; see below.")
@click.option("--write", "write", type=_FILE, help="Write target.yaml and secrets.yaml here that fit.")
def sandbox_command(
    port: int,
    load: Path | None,
    latency: float,
    no_limits: bool,
    token_life: float,
    faults_file: Path | None,
    write: Path | None,
) -> None:
    """Serve a made-up Workplace and Engage, with state, on one loopback port.

    Prints its address when ready; ends with SIGTERM or Ctrl-C. What it holds: GET /_sandbox/state; what it
    was asked: GET /_sandbox/requests; faults at run time: POST and DELETE /_sandbox/faults.
    """
    sandbox = Sandbox(
        latency=latency,
        page_time=server.PAGE_TIME,
        token_life=token_life,
        per_minute=0 if no_limits else PER_MINUTE,
        per_week=0 if no_limits else PER_WEEK,
    )
    try:
        if load:
            load_csv(sandbox.workplace.data, load)
        if faults_file:
            sandbox.faults.add(*faults.read_faults(_text(faults_file), str(faults_file)))
    except ValueError as error:
        raise click.ClickException(str(error)) from None

    at = f"port {port}"  # what an error is about that names no file

    def ready(address: str) -> None:
        nonlocal at
        sandbox.addresses = Addresses(address)
        if write:
            at = str(write)
            write_manifests(write, sandbox.account, sandbox.addresses, limits=not no_limits)
        at = "standard output"
        click.echo(address)  # flushes

    try:
        asyncio.run(server.run(sandbox, port, ready))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(f"{error.filename or at} cannot be used: {reason}.") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8.") from None
