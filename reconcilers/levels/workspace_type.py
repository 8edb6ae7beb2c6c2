"""Workspace types: every space type that people book, alone (Me) or together (We)."""

from collections.abc import Iterable

from reconcilers.levels.level import ROOT, Field, Level
from reconcilers.model import Entity, Kind
from reconcilers.source import SpaceType
from reconcilers.text import clean, unique_names

HOURLY, ALL_DAY = "Hourly", "AllDay"

LEVEL = Level(
    kind=Kind.WORKSPACE_TYPE,
    prefix="wp:type:",
    parent=None,
    fields=(Field("ResourceName", unique=True, path=True), ROOT, Field("Family", immutable=True, path=True)),
)

# Ids of the groups differ between tenants, so the name tells (domain.md section 2.6).
_FAMILIES = {"we spaces": HOURLY, "me spaces": ALL_DAY}


def family_of(group: str) -> str:
    """Hourly for We, all day for Me; empty when nobody books such a space."""
    return _FAMILIES.get(clean(group).casefold(), "")


def desire(types: Iterable[SpaceType]) -> list[Entity]:
    """Workspace types from space types in the order of ids."""
    bookable = [type for type in types if family_of(type.group)]
    names = unique_names(
        ((type.id, clean(type.name) or f"Type {type.id}") for type in bookable), lambda id: (str(id),)
    )
    return [
        Entity(Kind.WORKSPACE_TYPE, LEVEL.key(type.id), (names[type.id], None, family_of(type.group)))
        for type in bookable
    ]
