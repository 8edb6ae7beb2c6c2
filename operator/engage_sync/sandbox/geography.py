"""Countries and the first time zone of each, from the tables that come with the tz database."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# Kosovo uses a code that ISO leaves to users, so the tz database does not list it.
_UNLISTED = {"XK": "Europe/Belgrade"}


def _rows(table: str) -> list[list[str]]:
    text = files("tzdata.zoneinfo").joinpath(table).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@cache
def country_names() -> dict[str, str]:
    """English country name by alpha-2 code."""
    return {row[0]: row[1] for row in _rows("iso3166.tab")}


@cache
def first_zones() -> dict[str, str]:
    """The first IANA zone that the tz database lists for each alpha-2 code."""
    zones = dict(_UNLISTED)
    for code, _, zone, *_ in _rows("zone.tab"):
        zones.setdefault(code, zone)
    return zones
