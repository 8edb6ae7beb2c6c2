"""Which rows are of one building, and what they say of it together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from unicodedata import normalize

from engage_sync.spacedata.cells import CellReader
from engage_sync.spacedata.columns import BUILDING_COLUMNS, Column
from engage_sync.spacedata.geography import US, US_STATES, country_code
from engage_sync.spacedata.model import Building
from engage_sync.spacedata.problems import Problems, Reason
from engage_sync.spacedata.rows import Row

Key = tuple[Column, str]
"""What tells a building from others: its code, else its name, in any case of letters."""


def folded(text: str) -> str:
    """A text without case; a letter and its mark are one character, though some programs write two."""
    return normalize("NFC", text.casefold())


class Draft:
    """One building while its rows are read; the first value of each column counts."""

    def __init__(self, row: int) -> None:
        self.row = row
        self.values: dict[Column, str] = {}
        self.rows: dict[Column, int] = {}
        self.spoiled: set[Column] = set()


def group_rows(
    rows: Iterable[Row], cells: CellReader, problems: Problems
) -> tuple[dict[int, Key], dict[Key, Draft]]:
    """The building of each row that names one, and the buildings in the order of their first rows."""
    rows = list(rows)
    codes = _codes_by_name(rows)
    keys: dict[int, Key] = {}
    drafts: dict[Key, Draft] = {}
    for row in rows:
        key = _key(row, codes, cells, problems)
        if key is not None:
            keys[row.number] = key
            _take(drafts.setdefault(key, Draft(row.number)), row, cells, problems)
    return keys, drafts


def _codes_by_name(rows: Iterable[Row]) -> Mapping[str, set[str]]:
    codes = defaultdict(set)
    for row in rows:
        name, code = row[Column.BUILDING_NAME], row[Column.BUILDING_CODE]
        if name and code:
            codes[folded(name)].add(folded(code))
    return codes


def _key(row: Row, codes: Mapping[str, set[str]], cells: CellReader, problems: Problems) -> Key | None:
    name, code = row[Column.BUILDING_NAME], row[Column.BUILDING_CODE]
    if code:
        return Column.BUILDING_CODE, folded(code)
    if name is None or code is None:
        return None
    place = cells.place(row.number, Column.BUILDING_NAME)
    if not name:
        problems.add(
            Reason.NO_BUILDING, place, None, "the row has neither a building name nor a building code",
            "fill in one of them",
        )  # fmt: skip
        return None
    known = codes.get(folded(name), set())
    if len(known) > 1:
        problems.add(
            Reason.AMBIGUOUS_BUILDING, place, name,
            f"{len(known)} buildings of different codes have this name", "fill in the Building Code",
        )  # fmt: skip
        return None
    return (Column.BUILDING_CODE, min(known)) if known else (Column.BUILDING_NAME, folded(name))


def _take(draft: Draft, row: Row, cells: CellReader, problems: Problems) -> None:
    for column in (Column.BUILDING_NAME, Column.BUILDING_CODE, *BUILDING_COLUMNS):
        value = row[column]
        if value is None:
            draft.spoiled.add(column)
        elif value and column not in draft.values:
            draft.values[column], draft.rows[column] = value, row.number
        elif value and column is not Column.BUILDING_CODE:
            _compare(draft, row.number, column, value, cells, problems)


def _compare(
    draft: Draft, row: int, column: Column, value: str, cells: CellReader, problems: Problems
) -> None:
    """Note that a later row of a building says otherwise than its first."""
    first = draft.values[column]
    if value == first or folded(value) == folded(first):
        return
    if column is Column.COUNTRY and country_code(value) == country_code(first) != "":
        return
    problems.add(
        Reason.BUILDING_DIFFERS, cells.place(row, column), cells.raw(row, column),
        f'the same building has the {column} "{first}" in {cells.place(draft.rows[column], column).cell}',
        "write the same in both, or give the buildings different codes",
    )  # fmt: skip


def country_of(draft: Draft, default: str) -> str:
    """The alpha-2 code of a building's country; empty when it names one that we do not know, or none."""
    named = draft.values.get(Column.COUNTRY, "")
    return country_code(named) if named else default


def building(draft: Draft, default_country: str) -> Building:
    """What all rows of a building say together."""
    country = country_of(draft, default_country)
    state = draft.values.get(Column.STATE_CODE, "")
    in_us = country in ("", US) and state.upper() in US_STATES
    return Building(
        name=draft.values.get(Column.BUILDING_NAME, ""),
        code=draft.values.get(Column.BUILDING_CODE, ""),
        state=state.upper() if in_us else state,
        address=draft.values.get(Column.ADDRESS, ""),
        address2=draft.values.get(Column.ADDRESS2, ""),
        city=draft.values.get(Column.CITY, ""),
        zip=draft.values.get(Column.ZIP, ""),
        country=draft.values.get(Column.COUNTRY, ""),
        country_code=country,
        row=draft.row,
        rows=draft.rows,
    )
