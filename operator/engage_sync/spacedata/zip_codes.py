"""US states by the first three digits of a postal code, as the postal service hands them out."""

_RANGES = """
005 NY|006 007 PR|008 VI|009 PR|010 027 MA|028 029 RI|030 038 NH|039 049 ME|050 054 VT|055 MA|056 059 VT
060 069 CT|070 089 NJ|090 098 AE|100 149 NY|150 196 PA|197 199 DE|200 DC|201 VA|202 205 DC|206 219 MD
220 246 VA|247 268 WV|270 289 NC|290 299 SC|300 319 GA|320 339 FL|340 AA|341 349 FL|350 369 AL|370 385 TN
386 397 MS|398 399 GA|400 427 KY|430 459 OH|460 479 IN|480 499 MI|500 528 IA|530 549 WI|550 567 MN|569 DC
570 577 SD|580 588 ND|590 599 MT|600 629 IL|630 658 MO|660 679 KS|680 693 NE|700 714 LA|716 729 AR|730 732 OK
733 TX|734 749 OK|750 799 TX|800 816 CO|820 831 WY|832 838 ID|840 847 UT|850 865 AZ|870 884 NM|885 TX
889 898 NV|900 961 CA|962 966 AP|967 968 HI|970 979 OR|980 994 WA|995 999 AK
"""
_OTHERS = {
    "06390": "NY", "96799": "AS", "96939": "PW", "96940": "PW", "96941": "FM", "96942": "FM", "96943": "FM",
    "96944": "FM", "96950": "MP", "96951": "MP", "96952": "MP", "96960": "MH", "96970": "MH",
}  # fmt: skip
"""Codes that are not of the state of their neighbours."""


def _by_prefix() -> dict[str, str]:
    states = {"969": "GU"}
    for part in _RANGES.replace("\n", "|").split("|"):
        if part:
            *ends, state = part.split()
            for prefix in range(int(ends[0]), int(ends[-1]) + 1):
                states[f"{prefix:03}"] = state
    return states


_PREFIXES = _by_prefix()


def state_of_zip(code: str) -> str:
    """The state of a code of five digits, or of nine; empty when it is none, or nobody has it.

    >>> state_of_zip("02108"), state_of_zip("77019-1234"), state_of_zip("80539 Munich")
    ('MA', 'TX', '')
    """
    five, _, rest = code.partition("-")
    if len(five) != 5 or not (five.isascii() and five.isdecimal()) or not (rest == "" or rest.isdecimal()):
        return ""
    return _OTHERS.get(five) or _PREFIXES.get(five[:3], "")
