"""Engage's JSON and how it becomes the engine's: the envelope, items, the token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic import Field as WireField

from engage_sync.clients.answers import Answer
from engage_sync.clients.engage_paths import (
    DEFAULT_TYPE_IDS,
    DEFAULT_TYPE_NAMES,
    ENVELOPED,
    EXTERNAL_ID,
    GROUP_ID,
    GROUP_MAPPINGS,
    INTERNAL_ID,
    NAME,
    PARENT_ID,
    ROUTES,
    Column,
    Form,
    Route,
)
from reconcilers.errors import RefusedError
from reconcilers.levels import LEVELS
from reconcilers.levels.level import Field
from reconcilers.model import Current, Kind, Value

TOKEN_LIFE = 43_199.0
"""Seconds; the documented lifetime, for an answer that does not say."""
TOKEN_MAX = 16_384
"""Characters; no gateway takes a longer header."""


def _none_to_blank(value: object) -> object:
    return "" if value is None else value


def _whole_to_text(value: object) -> object:
    return str(value) if type(value) is int else _none_to_blank(value)


PARENT_POSITION = 1
"""Of a level's fields, the name is the first and the parent the second."""

_READERS: Mapping[Form, TypeAdapter[Value]] = {
    Form.TEXT: TypeAdapter(Annotated[str, BeforeValidator(_none_to_blank)]),
    Form.NUMBER: TypeAdapter(int | None),
    Form.NUMERAL: TypeAdapter(Annotated[str, BeforeValidator(_whole_to_text)]),
}


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class Envelope(_Wire):
    """What every hierarchy answer is in; `Status` is false even on success, so it is not read."""

    failed: bool = WireField(alias=ENVELOPED)
    data: Any = WireField(None, alias="Data")


class TokenWire(_Wire):
    """What the token endpoint answers."""

    access_token: str = WireField(min_length=1, max_length=TOKEN_MAX, repr=False)
    expires_in: Annotated[float, WireField(gt=0, strict=False, allow_inf_nan=False)] = TOKEN_LIFE


class _GroupMapping(_Wire):
    group_id: int = WireField(alias=GROUP_ID)


class _Base(_Wire):
    """What every item has."""

    id: int = WireField(alias=INTERNAL_ID)
    parent: int | None = WireField(None, alias=PARENT_ID)
    name: Annotated[str, BeforeValidator(_none_to_blank)] = WireField("", alias=NAME)
    external_id: str | None = WireField(None, alias=EXTERNAL_ID)
    groups: list[_GroupMapping] | None = WireField(None, alias=GROUP_MAPPINGS)


def data_of(answer: Answer, told: Callable[[Answer], str]) -> Any:
    """The data of an envelope.

    Args:
        answer: one whose status says that it was done.
        told: finds the vendor's message, for the error.

    Raises:
        RefusedError: it says IsError in spite of its status.
        IncompleteAnswer: it is no envelope.
    """
    try:
        envelope = Envelope.model_validate(answer.json())
    except ValidationError:
        raise answer.nonsense("JSON that is not in the usual envelope") from None
    if envelope.failed:
        reason = told(answer) or "it does not say why"
        raise RefusedError(f"Engage refused {answer.what}: {reason}", system="target")
    return envelope.data


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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a listing was asked for: one kind (or variant of it) below one parent."""

    kind: Kind
    variant: str = ""
    parent: int | None = None
    floors: Floors = field(default_factory=dict)

    @property
    def route(self) -> Route:
        """Where it is listed and written. Raises KeyError for a variant that the kind does not have."""
        return ROUTES[self.kind, self.variant]


class _Unclear(Exception):
    """A field cannot be understood; the text is its name."""


def entities_of(answer: Answer, data: object, asked: Asked) -> list[Current]:
    """The items of a listing. Raises IncompleteAnswer when one of them is not what was asked for."""
    if not isinstance(data, list):
        raise answer.nonsense("data that is no list")
    try:
        return [_entity(answer, raw, asked) for raw in data]
    except _Unclear as field_name:
        raise answer.nonsense(f"an item whose {field_name} cannot be understood") from None


def _entity(answer: Answer, raw: object, asked: Asked) -> Current:
    try:
        base = _Base.model_validate(raw)
    except ValidationError as error:
        raise _Unclear(".".join(map(str, error.errors()[0]["loc"])) or "form") from None
    assert isinstance(raw, dict), "or it would not have been valid"
    if asked.route.checks_parent and asked.parent is not None and base.parent not in (None, 0, asked.parent):
        # As if the query parameter were not known: everything would be listed below every parent.
        raise answer.nonsense(f"an item of parent {base.parent} where {asked.parent} was asked for")
    values = tuple(
        _value(position, level_field, base, raw, asked)
        for position, level_field in enumerate(LEVELS[asked.kind].fields)
    )
    builtin = asked.kind is Kind.WORKSPACE_TYPE and _is_default(base)
    return Current(asked.kind, base.id, base.external_id or None, values, builtin)


def _value(position: int, of: Field, base: _Base, raw: Mapping[str, Any], asked: Asked) -> Value:
    """The value of one field of a level, references as internal ids."""
    if position == PARENT_POSITION:
        return asked.parent
    if of.name == LEVELS[asked.kind].variant:
        return asked.variant
    if of.linked:
        return min((group.group_id for group in base.groups or ()), default=None)
    told = _read(asked.route.columns[of.name], raw)
    return asked.floors.get(numeral(told)) if of.ref_field else told


def _read(column: Column, raw: Mapping[str, Any]) -> Value:
    value = raw.get(column.wire)
    if value is None and column.required:
        raise _Unclear(column.wire)
    try:
        return _READERS[column.form].validate_python(value, strict=True)
    except ValidationError:
        raise _Unclear(column.wire) from None


def _is_default(type: _Base) -> bool:
    unclaimed = not type.external_id and type.name.casefold() in DEFAULT_TYPE_NAMES
    return type.id in DEFAULT_TYPE_IDS or unclaimed


def body_of(kind: Kind, route: Route, fields: Mapping[str, Value]) -> dict[str, Value]:
    """Fields of a level as Engage takes them. Raises KeyError for one that has no place in the table."""
    level = LEVELS[kind]
    body: dict[str, Value] = {}
    for name, value in fields.items():
        if name == EXTERNAL_ID:
            body[EXTERNAL_ID] = value
        elif name == level.fields[PARENT_POSITION].name:
            if value is not None:
                body[route.parent] = value
        elif name != level.variant:  # the variant is told by the path
            column = route.columns[name]
            numeral_sent = column.form is Form.NUMERAL and value is not None
            body[column.wire] = str(value) if numeral_sent else value
    return body
