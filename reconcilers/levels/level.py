"""The table that describes a level; plan, order and apply read it and know no level by name."""

from dataclasses import dataclass, field

from reconcilers.model import Key, Kind, Value


@dataclass(frozen=True, slots=True)
class Field:
    """One field that this product owns in the target."""

    name: str
    ref: Kind | None = None
    """The kind it points to; its value is then a key (desired) or an internal id (current)."""
    ref_field: str = ""
    """The field of the referenced entity that is sent instead of its internal id."""
    immutable: bool = False
    """The target cannot change it in place: a difference means Replace."""
    linked: bool = False
    """Set by a call of its own, once the entity exists."""
    unique: bool = False
    """No two siblings may have the same value (texts are compared case-folded)."""
    path: bool = False
    """One of those that tell people which one it is, from the top: its name, its parent, its place."""
    numeric: bool = False
    """A text that must read as a whole number."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level: how its keys look, what hangs where, which fields are ours.

    The first two fields are always the name and the parent, so that an entity's values tell both.
    """

    kind: Kind
    prefix: str
    parent: Kind | None
    fields: tuple[Field, ...]
    container: bool = False
    """Exists only for what is in it: deleted when we made it and it is empty, and not counted as a loss."""
    inherited: tuple[str, ...] = ()
    """Fields taken from the parent's field of the same name when it is created, then left to the target."""
    variant: str = ""
    """The field that tells in which of several listings of the target the entity is."""
    _positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        positions = {owned.name: position for position, owned in enumerate(self.fields)}
        object.__setattr__(self, "_positions", positions)

    def key(self, source_key: str | int) -> Key:
        """The key of a source record of this level."""
        return Key(f"{self.prefix}{source_key}")

    def source_key(self, key: Key) -> str:
        """The source's own id within a key."""
        return key.removeprefix(self.prefix)

    def index(self, name: str) -> int:
        """Where a field's value stands. Raises KeyError for a field that is not ours."""
        return self._positions[name]

    def owned(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """The values that stay ours once the entity exists: what a digest is made of."""
        return tuple(value for field, value in zip(self.fields, values, strict=True) if not field.linked)

    def variant_of(self, values: tuple[Value, ...]) -> str:
        """Which listing of the target these values belong in; empty where there is but one."""
        return str(values[self.index(self.variant)]) if self.variant else ""


ROOT = Field("InternalParentId", immutable=True, path=True)
"""The parent of what has none."""
