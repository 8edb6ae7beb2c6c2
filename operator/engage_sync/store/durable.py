"""Files that a crash leaves as they were or as they are to be."""

import os
from pathlib import Path

from reconcilers.errors import ConfigError


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read. One writer at a time: the temporary file has one name.

    Raises OSError.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the new name is on the disk only now
    finally:
        os.close(directory)


def unusable(directory: Path, error: OSError) -> ConfigError:
    """The error of a state directory that cannot be made or written."""
    return ConfigError(f"state directory {directory} cannot be used: {error.strerror}")
