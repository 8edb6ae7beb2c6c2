"""Files that a crash leaves as they were or as they are to be."""

import os
from contextlib import suppress
from pathlib import Path

from reconcilers.errors import ConfigError


def replace_file(path: Path, content: bytes, *, mode: int | None = 0o600) -> None:
    """Write a file whole, or leave what was there. One writer at a time: the temporary file has one name.

    Args:
        path: The file.
        content: All of it.
        mode: Who may read and write it; None: as the umask says.

    Raises:
        OSError: It names `path`.
    """
    temporary = path.with_name(f".{path.name}.engage-sync")
    try:
        _write_through(temporary, content, mode)
        os.replace(temporary, path)
    except OSError as error:  # a full disk: half a file would be in the way
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the new name is on the disk only now
    finally:
        os.close(directory)


def _write_through(path: Path, content: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o666 if mode is None else mode), "wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)  # whatever the umask says, and a crash left there
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def unusable(directory: Path, error: OSError) -> ConfigError:
    """The error of a state directory that cannot be made or written."""
    return ConfigError(f"state directory {directory} cannot be used: {error.strerror}")
