"""Reads a workbook of space data: what it describes, and all that is wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from engage_sync.spacedata.buildings import Draft, Key, building, folded, group_rows
from engage_sync.spacedata.cells import CellReader
from engage_sync.spacedata.columns import FIRST_ROW, Column
from engage_sync.spacedata.grid import Sheet, UnreadableWorkbook
from engage_sync.spacedata.headers import Headers, find_sheet, read_headers
from engage_sync.spacedata.model import Floor, Room, SpaceData
from engage_sync.spacedata.places import judge_places
from engage_sync.spacedata.problems import Place, Problems, Reason
from engage_sync.spacedata.rows import Row, read_rows
from engage_sync.spacedata.workbook import open_workbook


def check_file(path: Path, country: str = "") -> SpaceData:
    """Read and judge a workbook.

    Args:
        path: An .xlsx, .xlsm or .xls file, told by what it holds.
        country: Alpha-2 code of the country of buildings that name none.

    Raises:
        UnreadableWorkbook: It cannot be read at all; its sentence says why and names the cure.
        OSError: The file cannot be read.
    """
    book = open_workbook(path)
    problems = Problems()
    try:
        found = find_sheet(book, problems)
        if found is None:
            return SpaceData("", 0, (), (), (), {}, {}, problems.sorted(), problems.counts)
        index, header_row = found
        sheet = book.read(index)
    except UnreadableWorkbook as error:
        raise UnreadableWorkbook(f"{path}: {error}") from None
    headers = read_headers(sheet, header_row, problems)
    return _check(sheet, headers, country, problems)


def _check(sheet: Sheet, headers: Headers, country: str, problems: Problems) -> SpaceData:
    cells = CellReader(sheet, headers, problems)
    rows = list(read_rows(sheet, headers.row, cells))
    _judge_sheet(sheet, rows, headers, problems)
    keys, drafts = group_rows(rows, cells, problems)
    judge_places(rows, keys, drafts, cells, country, problems)
    hierarchy = _Hierarchy(drafts, country, cells, problems)
    for row in rows:
        hierarchy.add(row, keys.get(row.number))
    return SpaceData(
        sheet=sheet.name,
        rows=len(rows),
        buildings=tuple(hierarchy.buildings.values()),
        floors=tuple(hierarchy.floors.values()),
        rooms=tuple(hierarchy.rooms),
        columns=headers.columns,
        renames=headers.renames,
        problems=problems.sorted(),
        counts=problems.counts,
    )


def _judge_sheet(sheet: Sheet, rows: Sequence[Row], headers: Headers, problems: Problems) -> None:
    if not rows:
        problems.add(
            Reason.NO_ROWS, Place(sheet.name, headers.row + 1, 1), None, "there is nothing below the headers",
            f"fill in rows from row {FIRST_ROW} on",
        )  # fmt: skip
    if sheet.hidden:
        problems.add(
            Reason.HIDDEN_SHEET, Place(sheet.name), None, "the sheet is hidden, and read all the same",
            "show it, or take another file if it is not meant",
        )  # fmt: skip
    with_data = {row.number for row in rows}
    hidden = [row for row in sheet.hidden_rows if row in with_data]
    if hidden:
        problems.add(
            Reason.HIDDEN_ROWS, Place(sheet.name, hidden[0], 1), None,
            f"{len(hidden):,} row{'s' * (len(hidden) > 1)} from here on are hidden, and read all the same",
            "delete them if they are not meant",
        )  # fmt: skip


class _Hierarchy:
    """Floors and rooms, as their rows come."""

    def __init__(
        self, drafts: Mapping[Key, Draft], country: str, cells: CellReader, problems: Problems
    ) -> None:
        self.buildings = {key: building(draft, country) for key, draft in drafts.items()}
        self.floors: dict[tuple[Key, str], Floor] = {}
        self.rooms: list[Room] = []
        self._rooms: dict[tuple[Key, str, str], Room] = {}
        self._exact: dict[tuple[Key, str, str], int] = {}
        self._cells = cells
        self._problems = problems

    def add(self, row: Row, key: Key | None) -> None:
        """Take a row; `key` is None when its building is not known."""
        floor, room, space_type = row[Column.FLOOR], row[Column.ROOM], row[Column.SPACE_TYPE]
        if room == "":
            self._note(
                Reason.WITHOUT_ROOMS, row, Column.ROOM,
                f"the row describes a {'floor' if floor else 'building'} without a room",
                "leave it if the rooms come later",
            )  # fmt: skip
        elif room:
            if floor == "":
                self._note(Reason.NO_FLOOR, row, Column.FLOOR, "the room has no floor", "fill in its floor")
            if space_type == "":
                self._note(
                    Reason.NO_SPACE_TYPE, row, Column.SPACE_TYPE, "the room has no space type",
                    "fill in one that exists in Workplace",
                )  # fmt: skip
        if key and floor:
            floor_key = (key, folded(floor))
            found = self.floors.setdefault(floor_key, Floor(self.buildings[key], floor, row.number))
            if room:
                self._add_room(row, found, floor_key, room)

    def _add_room(self, row: Row, floor: Floor, floor_key: tuple[Key, str], name: str) -> None:
        room = Room(
            floor=floor,
            name=name,
            space_type=row[Column.SPACE_TYPE] or "",
            occupiable=row.occupiable,
            capacity=row.capacity,
            description=row[Column.DESCRIPTION] or "",
            square_feet=row.square_feet,
            reservable=row.reservable,
            rentable_square_feet=row.rentable_square_feet,
            row=row.number,
        )
        self.rooms.append(room)
        exact, caseless = (*floor_key, normalize("NFC", name)), (*floor_key, folded(name))
        first = self._exact.setdefault(exact, row.number)
        similar = self._rooms.setdefault(caseless, room)
        if first != row.number:
            cell = self._cells.place(first, Column.ROOM).cell
            self._note(
                Reason.DUPLICATE_ROOM, row, Column.ROOM, f"{cell} is the same room on the same floor",
                "give one of them another name, or delete its row",
            )  # fmt: skip
        elif similar is not room:
            cell = self._cells.place(similar.row, Column.ROOM).cell
            self._note(
                Reason.SIMILAR_ROOM, row, Column.ROOM,
                f'"{similar.name}" in {cell} differs only by capital letters',
                "leave it if they are two rooms",
            )  # fmt: skip

    def _note(self, reason: Reason, row: Row, column: Column, message: str, cure: str) -> None:
        self._problems.add(
            reason, self._cells.place(row.number, column), self._cells.raw(row.number, column), message, cure
        )
