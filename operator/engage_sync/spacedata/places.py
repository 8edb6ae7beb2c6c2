"""Judges countries, states and what lost its leading zeros: rules that need the whole building."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from engage_sync.spacedata.buildings import Draft, Key, country_of
from engage_sync.spacedata.cells import CellReader
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.geography import FIVE_DIGIT_ZIP, US, US_STATES, country_code, state_of_name
from engage_sync.spacedata.problems import Problems, Reason
from engage_sync.spacedata.rows import Row

Finding = tuple[Reason, str, str]
"""Reason, message and cure."""

_SAY_COUNTRY = "where the building is not in the US, name its country in a column Country or with --country"
_GROUPED = (Column.BUILDING_CODE, Column.FLOOR, Column.ROOM)


def judge_places(
    rows: Sequence[Row], keys: Mapping[int, Key], drafts: Mapping[Key, Draft], cells: CellReader,
    default_country: str, problems: Problems,
) -> None:  # fmt: skip
    """Note what is wrong with states, countries and postal codes."""
    countries = {key: country_of(draft, default_country) for key, draft in drafts.items()}
    zeros = _zeros(rows, keys)
    for row in rows:
        key = keys.get(row.number)
        country = countries[key] if key else default_country
        for column, finding in (
            (Column.STATE_CODE, judge_state(row[Column.STATE_CODE] or "", country)),
            (Column.COUNTRY, judge_country(row[Column.COUNTRY] or "")),
            (Column.ZIP, _judge_zip(row, country)),
            *((column, _judge_number(row, column, zeros, key)) for column in row.numbers),
        ):
            if finding:
                reason, message, cure = finding
                problems.add(
                    reason, cells.place(row.number, column), cells.raw(row.number, column), message, cure
                )
    _judge_missing_states(drafts, countries, cells, problems)


def _judge_missing_states(
    drafts: Mapping[Key, Draft], countries: Mapping[Key, str], cells: CellReader, problems: Problems
) -> None:
    """Once a building; most other countries have no states to name."""
    for key, draft in drafts.items():
        named = draft.spoiled | draft.values.keys()
        elsewhere = countries[key] not in ("", US) or (Column.COUNTRY in draft.values and not countries[key])
        if Column.STATE_CODE not in named and not elsewhere:
            problems.add(
                Reason.NO_STATE, cells.place(draft.row, Column.STATE_CODE), None,
                "no row of the building has a state code", f"write one such as TX; {_SAY_COUNTRY}",
            )  # fmt: skip


def judge_state(state: str, country: str) -> Finding | None:
    """What is wrong with a state; `country` is an alpha-2 code, or empty when nobody says."""
    if not state or (country in ("", US) and state.upper() in US_STATES):
        return None
    if country not in ("", US):
        if re.fullmatch(r"([A-Z]{2}-)?[A-Z0-9]{1,3}", state, re.IGNORECASE):
            return None
        return Reason.FOREIGN_STATE, f"it is no code, but a name in {country}", "leave it if it has no code"
    code = state_of_name(state)
    if code:
        return Reason.UNKNOWN_STATE, "it is the name of a state, not its code", f"write {code}"
    if country == US or len(state) <= 3:
        return (
            Reason.UNKNOWN_STATE,
            "the US have no such state",
            f"write one such as TX; {_SAY_COUNTRY}",
        )
    return Reason.FOREIGN_STATE, "it is no US state code, so it is taken for a state elsewhere", _SAY_COUNTRY


def judge_country(country: str) -> Finding | None:
    """What is wrong with a country."""
    if not country or country_code(country):
        return None
    if len(country) <= 2:
        return Reason.UNKNOWN_COUNTRY, "no country has this code", "write an ISO 3166 code such as US"
    return (
        Reason.UNRECOGNISED_COUNTRY, "no country of this name is known", "write its ISO 3166 code such as US"
    )  # fmt: skip


def _judge_zip(row: Row, country: str) -> Finding | None:
    """US codes have five digits; where the country is not sure, only a number is suspicious."""
    code = row[Column.ZIP] or ""
    state = (row[Column.STATE_CODE] or "").upper()
    in_us = country == US or (not country and state in US_STATES)
    sure = in_us or country in FIVE_DIGIT_ZIP
    suspicious = sure if Column.ZIP not in row.numbers else sure or not country
    if not suspicious or not re.fullmatch(r"\d{3,4}", code, re.ASCII):
        return None
    return _lost_zeros(code, 5)


def _zeros(rows: Sequence[Row], keys: Mapping[int, Key]) -> Mapping[tuple[Column, Key | None], int]:
    """How long texts with leading zeros are: codes among all buildings, the others within one."""
    longest: dict[tuple[Column, Key | None], int] = defaultdict(int)
    for row in rows:
        for column in _GROUPED:
            text = row[column]
            if text and text[0] == "0" and column not in row.numbers and re.fullmatch(r"\d+", text, re.ASCII):
                group = _group(column, keys.get(row.number))
                longest[group] = max(longest[group], len(text))
    return longest


def _group(column: Column, key: Key | None) -> tuple[Column, Key | None]:
    return column, None if column is Column.BUILDING_CODE else key


def _judge_number(
    row: Row, column: Column, zeros: Mapping[tuple[Column, Key | None], int], key: Key | None
) -> Finding | None:
    """A number among texts that keep their zeros; without such a neighbour nobody can tell."""
    text = row[column] or ""
    length = zeros.get(_group(column, key), 0)
    return _lost_zeros(text, length) if text.isdecimal() and len(text) < length and length > 1 else None


def _lost_zeros(text: str, length: int) -> Finding:
    return (
        Reason.LEADING_ZEROS, "it looks as if it lost its leading zeros",
        f"format the cell as Text and write {text.zfill(length)} if that is what you mean",
    )  # fmt: skip
