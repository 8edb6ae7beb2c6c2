"""The command line. Options in, exit codes out; every error is one sentence on stderr."""

import asyncio
import io
import os
import shlex
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import click

from engage_sync import __version__, logs
from engage_sync.app import RunResult
from engage_sync.crd import crd_text
from engage_sync.extract_command import extract_command
from engage_sync.kube import Kube
from engage_sync.local_run import one_run
from engage_sync.manifests import Manifests, read_manifests
from engage_sync.options import FILES, STATE, state_directory
from engage_sync.plan_document import PlanDocument
from engage_sync.plans.file import waiting_plan
from engage_sync.progress import ProgressBar
from engage_sync.render import RENDERERS
from engage_sync.render_difference import DIFFERENCE_RENDERERS
from engage_sync.run_data import Data, as_data
from engage_sync.sandbox.command import sandbox_command
from engage_sync.serve import Options, own_namespace, serve
from engage_sync.show_plan import beyond, compare, show
from engage_sync.spacedata.command import spacedata_command
from engage_sync.trust import DEFAULT_HOSTS, Trust, read_globs
from engage_sync.upload_command import upload_command
from engage_sync.why import why_command
from reconcilers.errors import EmptySource, SyncError, UnsupportedEnvironment
from reconcilers.onboarding import Onboarding
from reconcilers.report import Report

IN_SYNC, FAILED, CHANGES, PARTLY_FAILED, HELD = 0, 1, 2, 3, 4
"""Exit codes (contract section 8)."""
INTERRUPTED = 130

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
  engage-sync show-plan acme -n tenants                 what the operator would do, or waits to do
  engage-sync why -f demo/target.yaml -f demo/secrets.yaml wp:room:13
  engage-sync spacedata check rooms.xlsx                a filled template: every problem with its cell
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
Exit codes:
  0  in sync
  2  there are changes, whether they wait for an approval or not
  1  error; also a source that is empty or not complete, or an environment that is
     not supported

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
    """Show what a sync would do. Writes nothing to Engage.

    What waits for an approval is kept in the --state folder, so that sync --approve knows it.
    """
    manifests = read_manifests(files)
    result = _run(manifests, state or state_directory(manifests), apply=False)
    report = result.require_report()
    click.echo(RENDERERS[output](as_data(report, result.requests), _approve_command(files, state, report)))
    if report.gaps:
        _fail(f"the source is not complete, so the plan is not either: {report.gaps[0]}")
    if result.error is not None:
        _fail(result.error)
    sys.exit(CHANGES if report.plan.steps or report.plan.withheld else IN_SYNC)


@cli.command(
    epilog="""
\b
Exit codes:
  0  in step
  3  partly failed, or the source was not complete; the next sync tries again
  4  something waits for an approval, or nothing was written because the plan is
     quarantined or the source empty; also when something else failed, because
     what waits for a person does not pass by itself
  1  error, also one that ended the run early; run it again, with the same --approve

\b
An approval is for the plan that the last plan or sync with this --state showed. It is
spent by one sync; when more would be destroyed than it covers, nothing of what was
held runs, the difference is shown and the new plan waits.

\b
Examples:
  engage-sync sync -f target.yaml -f secrets.yaml
  engage-sync sync -f target.yaml -f secrets.yaml --state /var/lib/acme -o json
  engage-sync sync -f target.yaml -f secrets.yaml --approve sha256:04c6...
"""
)
@FILES
@STATE
@OUTPUT
@click.option(
    "--approve", metavar="DIGEST",
    help="Also carry out what waits for an approval: the digest that plan or sync printed.",
)  # fmt: skip
def sync(files: tuple[Path, ...], state: Path | None, output: str, approve: str | None) -> None:
    """Bring Engage in step once, whatever spec.mode says."""
    manifests = read_manifests(files)
    folder = state or state_directory(manifests)
    # Before anything is read: a digest that was mistyped costs no calls.
    approved = waiting_plan(folder, approve) if approve is not None else None
    try:
        result = _run(manifests, folder, apply=True, approve=approve)
    except EmptySource as error:
        _fail(error, code=HELD)
    report = result.require_report()
    data = {**as_data(report, result.requests), **_beyond(approved, report)}
    click.echo(RENDERERS[output](data, _approve_command(files, state, report)))
    if result.error is not None:
        _fail(result.error)
    if report.plan.held or report.plan.quarantine:
        sys.exit(HELD)
    sys.exit(IN_SYNC if report.whole else PARTLY_FAILED)


@cli.command(
    "show-plan",
    epilog="""
\b
Exit codes: 0 it was printed, 1 error.

\b
Examples:
  engage-sync show-plan acme -n tenants             the current plan of SyncTarget acme
  engage-sync show-plan acme-1f2e3d4c5b -n tenants -o markdown
  engage-sync show-plan acme --against acme-1f2e3d4c5b
""",
)
@click.argument("name")
@click.option("-n", "--namespace", help="Where it is; by default as for run: the pod's own, else default.")
@OUTPUT
@click.option("--against", metavar="OTHER", help="Print only how it differs from this one.")
def show_plan(name: str, namespace: str | None, output: str, against: str | None) -> None:
    """Print a SyncPlan of the cluster whole, with every step.

    NAME is that of a SyncPlan, or of a SyncTarget for its current plan.
    """
    click.echo(_await(_shown_plan(name, namespace or own_namespace(), output, against)))


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
    """Print the CustomResourceDefinitions of SyncTarget and SyncPlan."""
    click.echo(crd_text(), nl=False)


cli.add_command(extract_command)
cli.add_command(sandbox_command)
cli.add_command(spacedata_command)
spacedata_command.add_command(upload_command)
cli.add_command(why_command)


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


def _run(manifests: Manifests, folder: Path, *, apply: bool, approve: str | None = None) -> RunResult:
    with ProgressBar() as progress:
        result: RunResult = _await(
            one_run(manifests, folder, apply=apply, observer=progress, approve=approve)
        )
    # Beside what is not ours a plan for a new target would say no more than what it collides with.
    not_new = isinstance(result.error, UnsupportedEnvironment) and manifests.spec.onboarding is Onboarding.NEW
    if result.error is not None and (result.report is None or not_new):
        raise result.error
    return result


def _beyond(approved: PlanDocument | None, report: Report) -> Data:
    """What is more than was approved; nothing where the approval was enough or none was given."""
    return {"beyond": beyond(approved, report.plan)} if approved and report.plan.beyond else {}


def _approve_command(files: tuple[Path, ...], state: Path | None, report: Report) -> str:
    """What to run so that the held steps are carried out too."""
    command = ["engage-sync", "sync"]
    for file in files:
        command += ["-f", str(file)]
    command += ["--state", str(state)] if state is not None else []
    return shlex.join([*command, "--approve", report.plan.held_digest])


async def _shown_plan(name: str, namespace: str, output: str, against: str | None) -> str:
    async with await Kube.connect() as kube:
        if against is not None:
            difference = await compare(kube, namespace, name, against)
            return DIFFERENCE_RENDERERS[output](difference, "")
        return RENDERERS[output](*await show(kube, namespace, name))


def _globs(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return read_globs(texts)
    except ValueError as error:
        raise click.BadParameter(f"it takes {error}") from None


def _await(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def _fail(error: object, code: int = FAILED) -> NoReturn:
    click.echo(f"engage-sync: {error}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
