"""The same comparison by diffsync: a model for each kind with the same fields, and its `diff_to`."""

from collections.abc import Iterable

from diffsync import Adapter, DiffSyncModel
from diffsync.logging import enable_console_logging

from reconcilers.model import Current, Entity, Kind
from tests.bench.contestants import NAMES, UNTOLD, Found, records_in_keys


class _Model(DiffSyncModel):
    _identifiers = ("key",)
    key: str
    ResourceName: str
    InternalParentId: str | None = None


class _Country(_Model):
    _modelname = "Country"
    _attributes = ("ResourceName", "InternalParentId", "CountryCode")
    CountryCode: str


class _Region(_Model):
    _modelname = "Region"
    _attributes = ("ResourceName", "InternalParentId")


class _Group(_Model):
    _modelname = "Group"
    _attributes = ("ResourceName", "InternalParentId")


class _WorkspaceType(_Model):
    _modelname = "WorkspaceType"
    _attributes = ("ResourceName", "InternalParentId", "Family")
    Family: str


class _Location(_Model):
    _modelname = "Location"
    _attributes = (
        "ResourceName", "InternalParentId", "LocationAddress", "PostCode", "LocationCity", "LocationCountry",
        "TimeZone", "NumberOfFloorsAboveGround", "NumberOfFloorsBelowGround",
    )  # fmt: skip
    LocationAddress: str
    PostCode: str
    LocationCity: str
    LocationCountry: str
    TimeZone: str
    NumberOfFloorsAboveGround: int
    NumberOfFloorsBelowGround: int


class _Floor(_Model):
    _modelname = "Floor"
    _attributes = ("ResourceName", "InternalParentId", "FloorNumber")
    FloorNumber: str


class _Resource(_Model):
    _modelname = "Resource"
    _attributes = (
        "ResourceName", "LocationId", "ResourceType", "FloorNumber", "WorkspaceTypeId", "MaxCapacity",
    )  # fmt: skip
    LocationId: str
    ResourceType: str
    FloorNumber: str
    WorkspaceTypeId: str
    MaxCapacity: int


class Side(Adapter):
    """What one of the systems has."""

    Country = _Country
    Region = _Region
    Group = _Group
    WorkspaceType = _WorkspaceType
    Location = _Location
    Floor = _Floor
    Resource = _Resource
    top_level = [kind.value for kind in Kind]  # noqa: RUF012 -- typed as a list by diffsync


def by_diffsync(entities: Iterable[Entity], currents: Iterable[Current]) -> Found:
    """Load both sides, have them compared, and collect what differs."""
    enable_console_logging(verbosity=0)  # or every comparison would be logged, which costs more than it
    desired, held = Side("desired"), Side("held")
    models: dict[Kind, type[_Model]] = {kind: getattr(Side, kind.value) for kind in Kind}
    for model in models.values():
        told = {name for kind in Kind if models[kind] is model for name in NAMES[kind]} - UNTOLD
        assert set(model._attributes) == told, f"{model.__name__} has other fields than its level"
    for entity in entities:
        record = dict(zip(NAMES[entity.kind], entity.values, strict=True))
        desired.add(models[entity.kind].model_validate({"key": entity.key, **record}))
    for kind, key, record in records_in_keys(currents):
        held.add(models[kind].model_validate({"key": key, **record}))
    differing = desired.diff_to(held).dict()
    found = [(key, diff.keys() & {"+", "-"}) for kind in differing.values() for key, diff in kind.items()]
    return (
        {key for key, sides in found if sides == {"+"}},
        {key for key, sides in found if sides == {"+", "-"}},
        {key for key, sides in found if sides == {"-"}},
    )
