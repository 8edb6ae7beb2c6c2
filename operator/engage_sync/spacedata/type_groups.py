"""The file that says which space types may be created, and which group each belongs to."""

import csv
from collections.abc import Mapping
from pathlib import Path

from reconcilers.errors import ConfigError
from reconcilers.text import clean

WE, ME, NEITHER = "We Spaces", "Me Spaces", "None"
DOCUMENTED_IDS: Mapping[str, int] = {NEITHER: 1, ME: 2, WE: 3}
"""Of the vendor's sample (domain section 2.6); used only for a group that no type of the tenant shows."""

_GROUPS = {"we": WE, "we spaces": WE, "me": ME, "me spaces": ME, "none": NEITHER}
_HEADER = ("type", "group")
_MAX_BYTES = 10 * 2**20


def read_type_groups(path: Path) -> Mapping[str, str]:
    """Group by the name of its type, from a CSV file with the columns type and group.

    Raises:
        ConfigError: It is no such file; the sentence names the line and the cure.
        OSError: It cannot be read.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigError(f"{path} is too large to be a list of space types; give a CSV of type,group")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8; save it as CSV UTF-8") from None
    delimiter = next((mark for mark in ",;\t" if mark in text.partition("\n")[0]), ",")
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ConfigError(f"{path} is no CSV: {error}; write one type,group a line") from None
    if not rows or tuple(clean(cell).casefold() for cell in rows[0][:2]) != _HEADER:
        raise ConfigError(f'{path}, line 1: the header is not "type,group"; write it above the types')
    groups: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if any(map(clean, row)):
            _take(groups, f"{path}, line {number}", row)
    return groups


def _take(groups: dict[str, str], where: str, row: list[str]) -> None:
    name, word = (clean(cell) for cell in (*row, "", "")[:2])
    if not name:
        raise ConfigError(f"{where}: there is no space type; write its name before the comma")
    group = _GROUPS.get(word.casefold())
    if group is None:
        raise ConfigError(f'{where}: the group of "{name}" is neither We, Me nor None; write one of them')
    if groups.setdefault(name, group) != group:
        raise ConfigError(f'{where}: "{name}" is there already with another group; delete one of them')
