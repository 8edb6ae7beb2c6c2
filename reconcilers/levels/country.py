"""Countries: one per code that a building in scope is in."""

from collections.abc import Iterable

from reconcilers.levels.level import ROOT, Field, Level
from reconcilers.model import Entity, Kind
from reconcilers.text import Names, clean
from reconcilers.zones import country_name

LEVEL = Level(
    kind=Kind.COUNTRY,
    prefix="wp:country:",
    parent=None,
    fields=(Field("ResourceName", unique=True, path=True), ROOT, Field("CountryCode")),
    container=True,
)


def code_of(written: str, default: str = "") -> str:
    """The alpha-2 code, upper case; anything else counts as missing."""
    code = clean(written).upper()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else default


def name_of(written: str) -> str:
    """A country's name without ISO's trailing article."""
    return clean(clean(written).removesuffix("(the)"))


def desire(codes: Iterable[tuple[str, str]], known: Iterable[tuple[str, str]]) -> list[Entity]:
    """Countries from (code, written name) in the order of building ids; `known` fills missing names."""
    names: dict[str, str] = {}
    for code, written in codes:
        names[code] = names.get(code) or name_of(written)
    for code, written in known:
        if code_of(code) in names:
            names[code_of(code)] = names[code_of(code)] or name_of(written)
    taken = Names()
    entities = []
    for code in sorted(names):
        name = names[code] or country_name(code) or code
        unique = name if taken.reserve(name) else taken.settle(name, code)
        entities.append(Entity(Kind.COUNTRY, LEVEL.key(code), (unique, None, code)))
    return entities
