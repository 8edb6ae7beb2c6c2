"""Countries by the many names they go by: what two systems write differently is one country.

A table, not I/O. The tz database knows one English name of each; what else people write stands here.
"""

from functools import cache

from reconcilers.text import alike
from reconcilers.zones import country_names

_RESERVED = {"UK": "GB", "EL": "GR"}
"""Codes that people write though ISO has another: reserved for these countries, so nobody else's."""

_ALSO = {
    "AE": ("UAE", "Emirates"),
    "BA": ("Bosnia and Herzegovina",),
    "BN": ("Brunei Darussalam",),
    "BO": ("Bolivia (Plurinational State of)",),
    "CD": ("Congo (the Democratic Republic of the)", "Democratic Republic of the Congo"),
    "CI": ("Ivory Coast",),
    "CV": ("Cabo Verde",),
    "CZ": ("Czechia", "Czech Republic"),
    "DE": ("Deutschland", "Federal Republic of Germany"),
    "GB": ("United Kingdom", "United Kingdom of Great Britain and Northern Ireland", "Great Britain",
           "Britain", "GBR"),
    "IE": ("Republic of Ireland", "Eire"),
    "IR": ("Iran (Islamic Republic of)",),
    "KP": ("North Korea", "Korea (the Democratic People's Republic of)"),
    "KR": ("South Korea", "Korea (the Republic of)", "Republic of Korea"),
    "LA": ("Lao People's Democratic Republic",),
    "MD": ("Moldova (the Republic of)", "Republic of Moldova"),
    "MK": ("Macedonia",),
    "MM": ("Burma", "Myanmar"),
    "NL": ("Holland", "The Netherlands", "Netherlands (Kingdom of the)"),
    "PH": ("The Philippines",),
    "PS": ("Palestine (State of)", "State of Palestine"),
    "RU": ("Russian Federation",),
    "SY": ("Syrian Arab Republic",),
    "SZ": ("Swaziland",),
    "TR": ("Turkey", "Türkiye"),
    "TW": ("Taiwan (Province of China)", "Taiwan, Province of China"),
    "TZ": ("Tanzania (the United Republic of)", "United Republic of Tanzania"),
    "US": ("United States of America", "USA", "U.S.A.", "U.S."),
    "VE": ("Venezuela (Bolivarian Republic of)",),
    "VN": ("Viet Nam",),
}  # fmt: skip


def same_code(written: str) -> str:
    """The alpha-2 code that is meant, upper case; empty for what is no country's code.

    >>> [same_code(code) for code in ("gb", " UK ", "XX", "")]
    ['GB', 'GB', '', '']
    """
    code = written.strip().upper()
    code = _RESERVED.get(code, code)
    return code if code in country_names() else ""


def folded_name(written: str) -> str:
    """A country's name without ISO's trailing article, and as `alike` has it.

    >>> folded_name(" Netherlands  (The)")
    'netherlands'
    """
    return alike(alike(written).removesuffix("(the)"))


def code_of_name(written: str) -> str:
    """The alpha-2 code of a country by any of its names, its codes included; empty when it has none here.

    >>> [code_of_name(name) for name in ("UK", "Great  britain", "Côte d'Ivoire", "Mars")]
    ['GB', 'GB', 'CI', '']
    """
    return same_code(written) or _by_name().get(_letters(written), "")


@cache
def _by_name() -> dict[str, str]:
    names = {_letters(name): code for code, name in country_names().items()}
    return names | {_letters(name): code for code, also in _ALSO.items() for name in also}


def _letters(written: str) -> str:
    """Apostrophes, commas and dots are written in too many ways."""
    words = folded_name(written).replace("&", " and ")
    return "".join(c for c in words if c.isalpha())
