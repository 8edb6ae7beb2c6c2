"""Options that several commands take, and the folder that they stand for when they are not given."""

import os
from pathlib import Path

import click

from engage_sync.manifests import Manifests
from reconcilers.errors import ConfigError

FILES = click.option(
    "-f", "--file", "files", type=click.Path(path_type=Path), multiple=True, required=True,
    help="A SyncTarget, and its Secrets; may be given several times. \"-\" is stdin.",
)  # fmt: skip
STATE = click.option(
    "--state", type=click.Path(path_type=Path),
    help="Folder of the mapping; by default in the user's state directory.",
)  # fmt: skip


def state_directory(manifests: Manifests) -> Path:
    """Where the mapping of this target is kept unless --state says otherwise."""
    try:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigError(
            "there is no home directory to keep the mapping in; name one with --state"
        ) from None
    return Path(base) / "engage-sync" / manifests.namespace / manifests.name
