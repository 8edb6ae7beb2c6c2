"""Resources: the bookable spaces of a location, meeting spaces (We) and personal spaces (Me)."""

from collections.abc import Iterable, Mapping

from reconcilers.levels import workspace_type
from reconcilers.levels.level import Field, Level
from reconcilers.model import Entity, Key, Kind
from reconcilers.source import Space
from reconcilers.text import clean, unique_names

MEETING, PERSONAL = "MeetingSpace", "PersonalSpace"
VARIANT_OF_FAMILY = {workspace_type.HOURLY: MEETING, workspace_type.ALL_DAY: PERSONAL}

LEVEL = Level(
    kind=Kind.RESOURCE,
    prefix="wp:room:",
    parent=Kind.LOCATION,
    fields=(
        Field("ResourceName", unique=True, path=True),
        Field("LocationId", ref=Kind.LOCATION, immutable=True, path=True),
        Field("ResourceType", immutable=True, path=True),
        Field("FloorNumber", ref=Kind.FLOOR, ref_field="FloorNumber", path=True),
        Field("WorkspaceTypeId", ref=Kind.WORKSPACE_TYPE),
        Field("MaxCapacity"),
    ),
    variant="ResourceType",
    inherited=("GroupId",),
)


def desire(
    location: Key, spaces: list[Space], families: Mapping[int, str], floors: Mapping[Key, Entity]
) -> Iterable[Entity]:
    """The resources of one location from spaces in the order of ids; `families` by space type id."""
    floor_keys = {space.id: Key(f"wp:floor:{space.floor}") for space in spaces}
    names = unique_names(
        ((space.id, clean(space.name) or f"Space {space.id}") for space in spaces),
        lambda id: (floors[floor_keys[id]].name, str(id)),
    )
    for space in spaces:
        assert space.type is not None, "a space without a type is skipped before it comes here"
        variant = VARIANT_OF_FAMILY[families[space.type]]
        capacity = max(1, space.capacity or 1) if variant == MEETING else 1
        yield Entity(
            Kind.RESOURCE,
            LEVEL.key(space.id),
            (
                names[space.id],
                location,
                variant,
                floor_keys[space.id],
                workspace_type.LEVEL.key(space.type),
                capacity,
            ),
        )
