"""Engage's JSON and how it becomes the engine's: the envelope, items, the token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from engage_sync.clients.answers import Answer
from engage_sync.clients.engage_paths import (
    DEFAULT_TYPE_IDS,
    DEFAULT_TYPE_NAMES,
    EXTERNAL_ID,
    GROUP_ID,
    GROUP_MAPPINGS,
    INTERNAL_ID,
    NAME,
    PARENT_ID,
    Column,
    Form,
    Route,
)
from reconcilers.errors import RefusedError
from reconcilers.levels import LEVELS
from reconcilers.levels.level import Field as LevelField
from reconcilers.model import Current, Kind, Value

TOKEN_LIFE = 43_199.0
"""Seconds; the documented lifetime, for an answer that does not say."""


def _none_to_blank(value: object) -> object:
    return "" if value is None else value


def _whole_to_text(value: object) -> object:
    return str(value) if type(value) is int else _none_to_blank(value)


_READERS: Mapping[Form, TypeAdapter[Value]] = {
    Form.TEXT: TypeAdapter(Annotated[str, BeforeValidator(_none_to_blank)]),
    Form.NUMBER: TypeAdapter(int | None),
    Form.NUMERAL: TypeAdapter(Annotated[str, BeforeValidator(_whole_to_text)]),
}


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Envelope(_Wire):
    """What every hierarchy answer is in; `Status` is false even on success, so it is not read."""

    failed: bool = Field(alias="IsError")
    data: Any = Field(None, alias="Data")


class TokenWire(_Wire):
    """What the token endpoint answers."""

    access_token: str = Field(min_length=1)
    expires_in: Annotated[float, Field(gt=0, strict=False)] = TOKEN_LIFE


class _GroupMapping(_Wire):
    group_id: int = Field(alias=GROUP_ID)


class _Base(_Wire):
    """What every item has."""

    id: int = Field(alias=INTERNAL_ID)
    parent: int | None = Field(None, alias=PARENT_ID)
    name: Annotated[str, BeforeValidator(_none_to_blank)] = Field("", alias=NAME)
    external_id: str | None = Field(None, alias=EXTERNAL_ID)
    groups: list[_GroupMapping] | None = Field(None, alias=GROUP_MAPPINGS)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a listing: what every item has, and the rest as Engage sent it."""

    base: _Base
    raw: Mapping[str, Any]

    @property
    def id(self) -> int:
        """Engage's own id."""
        return self.base.id

    @property
    def external_id(self) -> str | None:
        """What a synchronisation stored; an empty text counts as none."""
        return self.base.external_id or None


def data_of(answer: Answer, told: str) -> Any:
    """The data of an envelope.

    Args:
        answer: one whose status says that it was done.
        told: the vendor's message, for the error.

    Raises:
        RefusedError: it says IsError in spite of its status.
        IncompleteAnswer: it is no envelope.
    """
    try:
        envelope = Envelope.model_validate(answer.json())
    except ValidationError:
        raise answer.nonsense("JSON that is not in the usual envelope") from None
    if envelope.failed:
        raise RefusedError(told or f"Engage says that {answer.what} failed, but not why", system="target")
    return envelope.data


def items_of(answer: Answer, data: object, route: Route, parent: int | None) -> list[Item]:
    """The items of a listing. Raises IncompleteAnswer when one of them is not what was asked for."""
    if not isinstance(data, list):
        raise answer.nonsense("data that is no list")
    return [_item(answer, raw, route, parent) for raw in data]


def _item(answer: Answer, raw: object, route: Route, parent: int | None) -> Item:
    try:
        item = Item(_Base.model_validate(raw), raw if isinstance(raw, dict) else {})
        for column in route.columns.values():
            if column.required:
                read(column, item)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "an item"
        raise answer.nonsense(f"an item of which {where} cannot be understood") from None
    if route.checks_parent and parent is not None and item.base.parent not in (None, 0, parent):
        # As if the query parameter were not known: everything would be listed below every parent.
        raise answer.nonsense(f"an item of parent {item.base.parent} where {parent} was asked for")
    return item


def read(column: Column, item: Item) -> Value:
    """One field of an item.

    Raises:
        ValidationError: it is of another type, or required and missing.
    """
    value = item.raw.get(column.wire)
    if column.required and value is None:
        return TypeAdapter(str).validate_python(None)
    return _READERS[column.form].validate_python(value, strict=True)


def created_id(data: object) -> int | None:
    """The id in the answer to a create; None when it is not told."""
    item = data[0] if isinstance(data, list) and len(data) == 1 else data
    try:
        return _Base.model_validate(item).id
    except ValidationError:
        return None


Floors = Mapping[str, int]
"""Internal ids of one location's floors by `numeral`."""


def numeral(text: Value) -> str:
    """A floor number in one spelling: "03" and "3" are the same floor."""
    try:
        return str(int(str(text)))
    except ValueError:
        return str(text)


def current(
    kind: Kind, variant: str, route: Route, item: Item, parent: int | None, floors: Floors
) -> Current:
    """An item as the engine knows it, its values in the order of its level's fields.

    Raises:
        ValidationError: a field is of another type.
    """

    def value(position: int, field: LevelField) -> Value:
        if position == 1:
            return parent
        if field.name == LEVELS[kind].variant:
            return variant
        if field.linked:
            return min((group.group_id for group in item.base.groups or ()), default=None)
        told = read(route.columns[field.name], item)
        return floors.get(numeral(told)) if field.ref_field else told

    values = tuple(value(position, field) for position, field in enumerate(LEVELS[kind].fields))
    return Current(kind, item.id, item.external_id, values, builtin=_is_builtin(kind, item))


def _is_builtin(kind: Kind, item: Item) -> bool:
    if kind is not Kind.WORKSPACE_TYPE:
        return False
    unclaimed = item.external_id is None and item.base.name.casefold() in DEFAULT_TYPE_NAMES
    return item.id in DEFAULT_TYPE_IDS or unclaimed
