"""One module per level of the hierarchy: its table, and how the source's records become its entities."""

from reconcilers.levels import country, floor, group, location, region, resource, workspace_type
from reconcilers.levels.level import Field, Level
from reconcilers.model import Kind

LEVELS: dict[Kind, Level] = {
    module.LEVEL.kind: module.LEVEL
    for module in (country, region, group, workspace_type, location, floor, resource)
}

__all__ = ["LEVELS", "Field", "Level"]
