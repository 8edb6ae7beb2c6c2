"""The command line. Options in, exit codes out; every error is one sentence on stderr."""

import asyncio
import io
import os
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from engage_sync import __version__, logs
from engage_sync.app import RunResult, one_run
from engage_sync.crd import crd_text
from engage_sync.manifests import Manifests, read_manifests
from engage_sync.progress import ProgressBar
from engage_sync.render import RENDERERS
from engage_sync.sandbox.command import sandbox_command
from engage_sync.serve import Options, serve
from engage_sync.spacedata.command import spacedata_command
from engage_sync.trust import DEFAULT_HOSTS, Trust, read_globs
from reconcilers.errors import ConfigError, SyncError

IN_SYNC, FAILED, CHANGES, PARTLY_FAILED, HELD = 0, 1, 2, 3, 4
"""Exit codes (contract section 8)."""
INTERRUPTED = 130

FILES = click.option(
    "-f", "--file", "files", type=click.Path(path_type=Path), multiple=True, required=True,
    help="A SyncTarget, and its Secrets; may be given several times. \"-\" is stdin.",
)  # fmt: skip
STATE = click.option(
    "--state", type=click.Path(path_type=Path),
    help="Folder of the mapping; by default in the user's state directory.",
)  # fmt: skip
OUTPUT = click.option(
    "-o", "--output", type=click.Choice(sorted(RENDERERS)), default="text", help="How to print the plan."
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""
\b
Examples:
  engage-sync sandbox --load rooms.csv --write demo     a Workplace and an Engage to try things on
  engage-sync plan -f demo/target.yaml -f demo/secrets.yaml
  engage-sync sync -f demo/target.yaml -f demo/secrets.yaml -o json
  engage-sync crd | kubectl apply -f -
  engage-sync run -n tenants

\b
Shell completion (bash; zsh and fish likewise):
  eval "$(_ENGAGE_SYNC_COMPLETE=bash_source engage-sync)"
""",
)
@click.version_option(__version__, prog_name="engage-sync")
def cli() -> None:
    """Keep Eptura Engage in step with Eptura Workplace."""


@cli.command(
    epilog="""
\b
Exit codes: 0 in sync, 2 there are changes, 1 error.

\b
Examples:
  engage-sync plan -f target.yaml -f secrets.yaml
  engage-sync plan -f target.yaml -f secrets.yaml -o markdown > comment.md
"""
)
@FILES
@STATE
@OUTPUT
def plan(files: tuple[Path, ...], state: Path | None, output: str) -> None:
    """Show what a sync would do. Writes nothing to Engage and remembers nothing."""
    result = _run(files, state, apply=False)
    report = result.require_report()
    click.echo(RENDERERS[output](report, result.requests))
    if report.gaps:
        _fail(f"the source is not complete, so the plan is not either: {report.gaps[0]}")
    sys.exit(CHANGES if report.plan.steps or report.plan.withheld else IN_SYNC)


@cli.command(
    epilog="""
\b
Exit codes: 0 in step, 3 partly failed, 4 held for approval or quarantined, 1 error.

\b
Examples:
  engage-sync sync -f target.yaml -f secrets.yaml
  engage-sync sync -f target.yaml -f secrets.yaml --state /var/lib/acme -o json
"""
)
@FILES
@STATE
@OUTPUT
def sync(files: tuple[Path, ...], state: Path | None, output: str) -> None:
    """Bring Engage in step once, whatever spec.mode says."""
    result = _run(files, state, apply=True)
    report = result.require_report()
    click.echo(RENDERERS[output](report, result.requests))
    if result.error is not None:
        _fail(result.error)
    sys.exit(IN_SYNC if report.whole else PARTLY_FAILED)


@cli.command(
    epilog="""
\b
Examples:
  engage-sync run                         its own namespace, as in a pod
  engage-sync run -n acme -n globex
  KUBECONFIG=kind.yaml engage-sync run --all-namespaces --health-port 0
"""
)
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Namespace to watch; repeatable.")
@click.option("--all-namespaces", is_flag=True, help="Watch all namespaces.")
@click.option("--allow-host", "hosts", metavar="GLOB", multiple=True,
              default=DEFAULT_HOSTS, show_default=True,
              callback=lambda context, option, value: _globs(value),
              help="Host that SyncTargets may send credentials to, such as *.example.com; repeatable. "
                   "Those you give take the place of the default.")  # fmt: skip
@click.option("--allow-private-network", is_flag=True,
              help="Connect to private, link-local and cluster addresses too.")  # fmt: skip
@click.option("--allow-insecure-http", is_flag=True, help="Allow loopback URLs; for demo and tests.")
@click.option("--max-concurrent-syncs", type=click.IntRange(min=1), default=8, show_default=True,
              help="Runs under way at once.")  # fmt: skip
@click.option("--health-port", type=click.IntRange(0, 65535), default=8080, show_default=True,
              help="Port of /livez and /readyz; 0 for none.")  # fmt: skip
@click.option("--verbose", is_flag=True, help="Log more.")
def run(
    namespaces: tuple[str, ...],
    all_namespaces: bool,
    hosts: tuple[str, ...],
    allow_private_network: bool,
    allow_insecure_http: bool,
    max_concurrent_syncs: int,
    health_port: int,
    verbose: bool,
) -> None:
    """Run the operator, in a cluster or with KUBECONFIG. SIGTERM ends it."""
    if namespaces and all_namespaces:
        raise click.UsageError("--namespace and --all-namespaces exclude each other; give one of them")
    logs.configure(verbose)
    options = Options(
        namespaces=namespaces,
        all_namespaces=all_namespaces,
        trust=Trust(
            hosts=hosts,
            private_network=allow_private_network,
            loopback=allow_insecure_http,
            api_server=os.environ.get("KUBERNETES_SERVICE_HOST", ""),
        ),
        max_concurrent_syncs=max_concurrent_syncs,
        health_port=health_port,
    )
    sys.exit(_await(serve(options)))


@cli.command(epilog="Example: engage-sync crd | kubectl apply -f -")
def crd() -> None:
    """Print the CustomResourceDefinition of SyncTarget."""
    click.echo(crd_text(), nl=False)


cli.add_command(sandbox_command)
cli.add_command(spacedata_command)


def main() -> None:
    """The console script. Every error is one sentence, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the locale lacks ends no run
    try:
        cli.main(prog_name="engage-sync", standalone_mode=False)
    except click.exceptions.Abort:
        _fail("interrupted; run it again to go on from here", code=INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(FAILED)
    except click.UsageError as error:  # click's own code for it is 2: there are changes
        hint = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        _fail(error.format_message().rstrip(".") + hint)
    except click.ClickException as error:
        _fail(error.format_message())
    except SyncError as error:
        _fail(error.message)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        _fail(f"{error.filename or 'the system says'}: {error.strerror or error}")
    except Exception as error:
        # Not its text: nobody knows what it holds.
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(where.filename).name}, line {where.lineno}"
        _fail(f"this should not happen, please report it: {place}")


def state_directory(manifests: Manifests) -> Path:
    """Where the mapping of this target is kept unless --state says otherwise."""
    try:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigError(
            "there is no home directory to keep the mapping in; name one with --state"
        ) from None
    return Path(base) / "engage-sync" / manifests.namespace / manifests.name


def _run(files: tuple[Path, ...], state: Path | None, *, apply: bool) -> RunResult:
    manifests = read_manifests(files)
    with ProgressBar() as progress:
        result: RunResult = _await(
            one_run(manifests, state or state_directory(manifests), apply=apply, observer=progress)
        )
    if result.report is None and result.error is not None:
        raise result.error
    return result


def _globs(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return read_globs(texts)
    except ValueError as error:
        raise click.BadParameter(f"it takes {error}") from None


def _await(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def _fail(error: object, code: int = FAILED) -> None:
    click.echo(f"engage-sync: {error}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
