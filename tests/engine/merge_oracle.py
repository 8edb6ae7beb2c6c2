"""Who is who when Workplace is merged with an Engage that people filled: the issue's sentences, slowly.

Independent on purpose: of the engine it knows what is desired, and nothing of how that is matched.
"""

import unicodedata
from collections.abc import Callable
from typing import Any

from reconcilers.levels import LEVELS
from reconcilers.model import Desired
from tests.engine.by_hand import Place
from tests.engine.memory_target import SPACES, TABLES, MemoryTarget

Row = dict[str, Any]
Likeness = Callable[[Row], str]

NEW, AMBIGUOUS, CLAIMED, BELOW = "new", "ambiguous", "claimed", "below"
Verdict = str | Place
"""Why it is matched with nothing, or what it is."""

_KIND_TABLE = {
    "Country": "countries",
    "Region": "regions",
    "Group": "groups",
    "WorkspaceType": "workspaceTypes",
    "Location": "locations",
    "Floor": "floors",
}
_PARENT_TABLE = {
    "regions": "countries", "groups": "countries", "locations": "regions", "floors": "locations",
    "rooms": "locations", "desks": "locations",
}  # fmt: skip
_NAMES_OF_COUNTRIES = {
    "usa": "US", "unitedstates": "US", "unitedstatesofamerica": "US", "us": "US",
    "germany": "DE", "deutschland": "DE", "de": "DE", "india": "IN", "in": "IN",
}  # fmt: skip


def plain(name: str) -> str:
    """Without case, blanks at the ends, more than one blank within, and marks on letters."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(letter for letter in letters if not unicodedata.category(letter).startswith("M"))
    return " ".join(unicodedata.normalize("NFKC", bare).split())


def _known_country(row: Row) -> str:
    letters = "".join(letter for letter in plain(row["ResourceName"]) if letter.isalpha())
    return _NAMES_OF_COUNTRIES.get(letters, "") or row["CountryCode"]


def likenesses(table: str) -> list[Likeness]:
    """From the strictest to the loosest; of spaces the first two are of those on the same floor."""
    by_name: list[Likeness] = [lambda row: row["ResourceName"], lambda row: plain(row["ResourceName"])]
    if table == "countries":
        return [lambda row: row["CountryCode"].upper(), *by_name, _known_country]
    if table in SPACES:
        return [*by_name, *by_name]
    if table == "regions":  # as the external ids of cities have it
        return [*by_name, lambda row: plain(row["ResourceName"]).replace(" ", "-")]
    return by_name


def wanted_rows(desired: Desired) -> dict[str, Row]:
    """What is desired as plain rows by external id, references as external ids."""
    rows: dict[str, Row] = {}
    for entity in desired.entities.values():
        names = [field.name for field in LEVELS[entity.kind].fields]
        row = dict(zip(names, entity.values, strict=True))
        spaces = {"MeetingSpace": "rooms", "PersonalSpace": "desks"}
        row["MadeUp"] = entity.name if entity.key in desired.own_names else ""
        row["ResourceName"] = desired.own_names.get(entity.key, entity.name)
        row["table"] = _KIND_TABLE.get(entity.kind) or spaces[str(row["ResourceType"])]
        rows[entity.key] = row
    return rows


def judge(wanted: dict[str, Row], target: MemoryTarget) -> dict[str, Verdict]:
    """For everything desired: what it is in Engage, or why it is nothing there."""
    found: dict[str, Verdict] = {}
    for table, row in target.rows():
        if row["ExternalId"] in wanted:
            found[row["ExternalId"]] = (table, row["id"])
    for table in TABLES:
        keys = [key for key, row in wanted.items() if row["table"] == table]
        for key in keys:
            hangs_on = [value for name, value in wanted[key].items() if name != "ResourceName"]
            if any(found.get(str(value)) in (AMBIGUOUS, CLAIMED, BELOW) for value in hangs_on):
                found[key] = BELOW
        settled = set(found.values())
        disputed: list[Row] = []
        for strictness in range(2 * len(likenesses(table))):
            keys_left = [key for key in keys if key not in found]
            found |= _look(table, keys_left, strictness, wanted, target, found, settled, disputed)
        # What looks like something that others fight for may be that: made anew it could be there twice.
        for key in [key for key in keys if key not in found]:
            degrees = range(2 * len(likenesses(table)))
            if any(_same(wanted[key], row, degree, target, found) for row in disputed for degree in degrees):
                found[key] = AMBIGUOUS
        found |= {key: NEW for key in keys if key not in found}
    return found


def _look(
    table: str,
    keys: list[str],
    strictness: int,
    wanted: dict[str, Row],
    target: MemoryTarget,
    found: dict[str, Verdict],
    settled: set[Verdict],
    disputed: list[Row],
) -> dict[str, Verdict]:
    """One likeness for all that is not settled by a stricter one; who was fought for is out, too."""
    rows = [
        row
        for row in target.tables[table].values()
        if not str(row["ExternalId"]).startswith("wp:") and (table, row["id"]) not in settled
    ]
    verdicts: dict[str, Verdict] = {}
    fought_for: set[Verdict] = set()
    for key in keys:
        like = [row for row in rows if _same(wanted[key], row, strictness, target, found)]
        if not like:
            continue
        rivals = [
            other
            for other in keys
            if any(_same(wanted[other], row, strictness, target, found) for row in like)
        ]
        if len(like) > 1 or len(rivals) > 1:
            verdicts[key] = AMBIGUOUS
            disputed += like
        elif (like[0]["ExternalId"] or "").strip():
            verdicts[key] = CLAIMED
        else:
            verdicts[key] = (table, like[0]["id"])
        fought_for |= {(table, row["id"]) for row in like}
    settled |= fought_for
    return verdicts


def _same(wanted: Row, row: Row, strictness: int, target: MemoryTarget, found: dict[str, Verdict]) -> bool:
    table = wanted["table"]
    if strictness < len(likenesses(table)):  # names that we made up, if Engage has those very names
        if not wanted["MadeUp"]:
            return False
        wanted = {**wanted, "ResourceName": wanted["MadeUp"]}
    strictness %= len(likenesses(table))
    likeness = likenesses(table)[strictness]
    near = table in SPACES and strictness < 2
    if near and found.get(wanted["FloorNumber"]) != ("floors", target._floor_id(row)):
        return False
    if table in _PARENT_TABLE:
        name = "LocationId" if table in ("rooms", "desks") else "InternalParentId"
        if found.get(wanted[name]) != (_PARENT_TABLE[table], row[name]):
            return False
    if wanted.get("Family") != row.get("Family"):
        return False
    return bool(likeness(wanted)) and likeness(wanted) == likeness(row)
