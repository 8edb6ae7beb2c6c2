"""Regions: one per city of a country, named as the lowest building id writes it."""

from collections.abc import Iterable

from reconcilers.levels.level import Field, Level
from reconcilers.model import Entity, Key, Kind
from reconcilers.text import clean, fold

LEVEL = Level(
    kind=Kind.REGION,
    prefix="wp:city:",
    parent=Kind.COUNTRY,
    fields=(
        Field("ResourceName", unique=True, path=True),
        Field("InternalParentId", ref=Kind.COUNTRY, immutable=True, path=True),
    ),
    container=True,
)

UNSPECIFIED = "Unspecified"


def name_of(city: str, state: str) -> str:
    """The city, else the state, else a word that says that nobody knows."""
    return clean(city) or clean(state) or UNSPECIFIED


def key_of(country_code: str, name: str) -> Key:
    """Spellings that fold alike are one region."""
    return LEVEL.key(f"{country_code}:{fold(name)}")


def desire(places: Iterable[tuple[Key, Key, str]]) -> list[Entity]:
    """Regions from (key, country's key, name) in the order of building ids."""
    first: dict[Key, Entity] = {}
    for key, country, name in places:
        if key not in first:
            first[key] = Entity(Kind.REGION, key, (name, country))
    return [first[key] for key in sorted(first)]
