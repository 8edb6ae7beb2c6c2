"""Groups: the default group of a country. Whether a country needs one is known only beside the target."""

from collections.abc import Iterable

from reconcilers.levels.level import Field, Level
from reconcilers.model import Entity, Key, Kind
from reconcilers.text import clean

LEVEL = Level(
    kind=Kind.GROUP,
    prefix="wp:group:",
    parent=Kind.COUNTRY,
    fields=(
        Field("ResourceName", unique=True, path=True),
        Field("InternalParentId", ref=Kind.COUNTRY, immutable=True, path=True),
    ),
    container=True,
)


def key_of(country: Key) -> Key:
    """The key of a country's default group."""
    return LEVEL.key(country.rpartition(":")[2])


def desire(countries: Iterable[Entity], template: str) -> list[Entity]:
    """A default group for every country, named by the template."""
    return [
        Entity(
            Kind.GROUP, key_of(country.key), (clean(template.replace("{country}", country.name)), country.key)
        )
        for country in countries
    ]
