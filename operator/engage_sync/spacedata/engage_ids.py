"""Engage's internal ids in a workbook that `engage-sync extract` wrote: columns that no template has."""

from collections.abc import Mapping
from pathlib import Path

from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.model import SpaceData
from engage_sync.spacedata.problems import text_of
from engage_sync.spacedata.workbook import open_workbook
from reconcilers.text import clean

_MOST = 2**63


def read_engage_ids(path: Path, data: SpaceData) -> tuple[Mapping[int, int], list[Finding]]:
    """Engage's ids of the rooms, by their rows, and what is no id.

    Raises:
        UnreadableWorkbook: The file was changed meanwhile.
        OSError: It cannot be read.
    """
    number = data.columns.get(Column.ENGAGE_RESOURCE_ID)
    if number is None:
        return {}, []
    book = open_workbook(path)
    if data.sheet not in book.sheet_names:
        return {}, []
    rows = book.read(book.sheet_names.index(data.sheet)).rows
    ids: dict[int, int] = {}
    findings: list[Finding] = []
    for room in data.rooms:
        cells = rows.get(room.row, ())
        text = clean(text_of(cells[number - 1])) if number <= len(cells) else ""
        if text.isascii() and text.isdecimal() and 0 < int(text) < _MOST:
            ids[room.row] = int(text)
        elif text:
            findings.append(
                Finding(
                    Ground.NOT_AN_ENGAGE_ID,
                    data.place(room, Column.ENGAGE_RESOURCE_ID),
                    text,
                    "it is no id of a resource in Engage",
                    "leave it blank, or extract the file anew",
                )
            )
    return ids, findings
