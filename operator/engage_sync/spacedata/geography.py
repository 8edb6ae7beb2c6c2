"""States of the US by code, and countries by code or English name."""

from functools import cache

from reconcilers.text import clean, fold
from reconcilers.zones import country_name

US = "US"
US_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas",
    "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts",
    "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi", "MO": "Missouri", "MT": "Montana",
    "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico",
    "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma",
    "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington",
    "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "AS": "American Samoa", "GU": "Guam", "MP": "Northern Mariana Islands", "PR": "Puerto Rico",
    "UM": "U.S. Minor Outlying Islands", "VI": "U.S. Virgin Islands",
    "FM": "Micronesia", "MH": "Marshall Islands", "PW": "Palau",
    "AA": "Armed Forces Americas", "AE": "Armed Forces Europe", "AP": "Armed Forces Pacific",
}  # fmt: skip
"""As the postal service writes them: states, territories, freely associated states and the forces."""

FIVE_DIGIT_ZIP = frozenset({US, "DE", "ES", "FI", "FR", "HR", "IT", "MX", "MY", "TR", "EE", "PR"})
"""Countries where a postal code of fewer digits has lost zeros."""

_OTHER_NAMES = {
    "UK": "GB", "united kingdom": "GB", "great britain": "GB", "england": "GB",
    "united kingdom of great britain and northern ireland": "GB",
    "USA": US, "U.S.A.": US, "U.S.": US, "united states of america": US,
}  # fmt: skip
_STATE_BY_NAME = {fold(name): code for code, name in US_STATES.items()}


def state_of_name(text: str) -> str:
    """The code of a US state by its full name; empty when it is none."""
    return _STATE_BY_NAME.get(fold(text), "")


def country_code(text: str) -> str:
    """The alpha-2 code of a country's code or English name; empty when we do not know it."""
    name = clean(text).removesuffix(" (the)")
    code = name.upper()
    if len(code) == 2 and country_name(code):
        return code
    return _by_name().get(fold(name), "")


@cache
def _by_name() -> dict[str, str]:
    letters = [chr(number) for number in range(ord("A"), ord("Z") + 1)]
    codes = [first + second for first in letters for second in letters]
    named = {fold(country_name(code)): code for code in codes if country_name(code)}
    return named | {fold(name): code for name, code in _OTHER_NAMES.items()}
