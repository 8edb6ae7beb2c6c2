"""Countries and time zones: IANA to Windows by CLDR, and the zone of a country that has just one.

Data, not I/O: the tables come with the packages `tzlocal` (CLDR's windowsZones) and `tzdata` (zone.tab,
iso3166.tab, the links of tzdata.zi), so every machine answers alike.
"""

from functools import cache
from importlib import resources

from tzlocal.windows_tz import tz_win

_CLDR_ALIASES = {
    "CST6CDT": "America/Chicago",
    "EST5EDT": "America/New_York",
    "MST7MDT": "America/Denver",
    "PST8PDT": "America/Los_Angeles",
}
"""Aliases by CLDR which neither package has: for tzdata they are zones of their own."""


def windows_zone(iana: str) -> str:
    """The Windows name of an IANA zone by CLDR; empty when CLDR does not know it."""
    known = iana if iana in tz_win else _links().get(iana) or _CLDR_ALIASES.get(iana, "")
    return str(tz_win.get(known, "")) if known else ""  # tzlocal calls the empty name Mexico's


def zone_of_country(code: str) -> str:
    """The Windows zone of a country that has exactly one; else empty.

    Counted in Windows names: Germany's Europe/Berlin and Europe/Busingen are one.
    """
    zones = {windows_zone(zone) for zone in _zones_by_country().get(code, ())}
    return zones.pop() if len(zones) == 1 else ""


def country_name(code: str) -> str:
    """The tz database's English name of an ISO 3166 alpha-2 code; empty when there is no such code."""
    return country_names().get(code, "")


@cache
def country_names() -> dict[str, str]:
    """The tz database's English names by ISO 3166 alpha-2 code."""
    return {row[0]: row[1] for row in _table("iso3166.tab")}


@cache
def _zones_by_country() -> dict[str, tuple[str, ...]]:
    zones: dict[str, tuple[str, ...]] = {}
    for code, _, zone, *_ in _table("zone.tab"):
        zones[code] = (*zones.get(code, ()), zone)
    return zones


@cache
def _links() -> dict[str, str]:
    """Other names of zones, by alias."""
    lines = (line.split() for line in _text("tzdata.zi").splitlines() if line.startswith("L "))
    return {alias: zone for _, zone, alias in lines}


def _table(name: str) -> list[list[str]]:
    return [line.split("\t") for line in _text(name).splitlines() if line and not line.startswith("#")]


def _text(name: str) -> str:
    return (resources.files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
