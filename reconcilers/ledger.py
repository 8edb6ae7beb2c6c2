"""What a run knows while it writes: internal ids as they come, and the mapping that is remembered."""

from dataclasses import dataclass, field, replace

from reconcilers.levels import LEVELS
from reconcilers.match import Pairing, ours
from reconcilers.model import (
    Current,
    Desired,
    Entity,
    Entry,
    Key,
    Kind,
    MappingState,
    Origin,
    State,
    Value,
    content_digest,
)
from reconcilers.steps import Create, Delete, Replace, Step, key_of


@dataclass(slots=True)
class Ledger:
    """Turns keys into what the target calls them, and outcomes into mapping entries."""

    desired: Desired
    pairing: Pairing
    mapping: MappingState
    made: dict[Key, int] = field(default_factory=dict)

    def internal_id(self, key: Key) -> int:
        """The internal id of an entity. Raises KeyError for one that does not exist yet."""
        if key.startswith("id:"):
            return int(key.removeprefix("id:"))
        if key in self.made:
            return self.made[key]
        return self.pairing.current_of[key].id

    def resolve(self, entity: Entity, names: set[str] | None, *, linked: bool) -> dict[str, Value]:
        """The fields to send, references as the target wants them; `names` limits them to these."""
        fields: dict[str, Value] = {}
        for level_field, value in zip(LEVELS[entity.kind].fields, entity.values, strict=True):
            if level_field.linked != linked or (names is not None and level_field.name not in names):
                continue
            if level_field.ref is None or value is None:
                fields[level_field.name] = value
            elif level_field.ref_field:
                fields[level_field.name] = self._value_of(Key(str(value)), level_field.ref_field)
            else:
                fields[level_field.name] = self.internal_id(Key(str(value)))
        return fields

    def inherited(self, entity: Entity) -> dict[str, Value]:
        """The fields that a new entity takes from its parent."""
        fields: dict[str, Value] = {}
        for name in LEVELS[entity.kind].inherited:
            above = self.desired.entities[Key(str(entity.parent))]
            value = above.values[LEVELS[above.kind].index(name)]
            fields[name] = None if value is None else self.internal_id(Key(str(value)))
        return fields

    def intend(self, step: Step, now: int) -> None:
        """Remember what will be made or removed: after a crash, the target's external ids say how it went."""
        if isinstance(step, Create):
            # What is removed to be made anew is known as such until it is made.
            state = State.REMOVING if self.mapping.is_removing(step.entity.key) else State.CREATING
            self._put(step.entity.kind, step.entity.key, step.entity.values, now, state=state)
        elif isinstance(step, Delete | Replace):
            known = self.mapping.entries.get(key_of(step))
            if known is not None:
                self.mapping.put(replace(known, state=State.REMOVING))

    def remember(self, entity: Entity, internal_id: int, now: int, origin: Origin | None = None) -> None:
        """Remember an entity that the target now holds as desired."""
        digest = content_digest(LEVELS[entity.kind].owned(entity.values))
        self._put(entity.kind, entity.key, entity.values, now, id=internal_id, digest=digest, origin=origin)

    def rename(self, old: Key, new: Key) -> None:
        """An entity goes on under another key."""
        known = self.mapping.entries.get(old)
        if known is not None:
            self.mapping.forget(old)
            self.mapping.put(replace(known, key=new))
            for entry in list(self.mapping.entries.values()) if known.kind in _PLACES else ():
                if entry.parent == old:
                    self.mapping.put(replace(entry, parent=new))

    def miss(self, key: Key, now: int) -> None:
        """Remember since when the source does not ask for an entity any more."""
        known = self.mapping.entries.get(key)
        if known is not None and not known.missing_since:
            self.mapping.put(replace(known, state=State.MISSING, missing_since=now))

    def remember_unchanged(self, changing: set[Key], withheld: set[Key], now: int) -> None:
        """Remember what needs no step: entries that are missing, point elsewhere or say other content."""
        present = {skip.key for skip in self.desired.skips if skip.kept}
        for key, current in self.pairing.current_of.items():
            if key in changing:
                continue
            entity = self.desired.entities.get(key)
            known = self.mapping.entries.get(key)
            synced = known is not None and known.id == current.id and known.state is State.SYNCED
            if entity is None or key in withheld:
                if current.external_id != key and (known is None or ours(current)):
                    continue  # to be adopted or rebound, and not done yet: it is not this in the target
                gone = entity is None and key not in present
                synced = synced and self._is_where_known(current, known)
                if not (synced or (gone and known is not None and _is_missing(known, current.id))):
                    self._recover(key, now, keep_missing=gone)
                continue
            digest = content_digest(LEVELS[entity.kind].owned(entity.values))
            if known is None or not synced or (known.digest, known.parent) != (digest, entity.parent):
                self.remember(entity, current.id, now, known.origin if known else Origin.RECOVERED)

    def forget_vanished(self, renamed: set[Key]) -> None:
        """Forget entries that neither side has any more. Only for a source that was read to its end.

        What is about to be `renamed` goes then, so that a crash before it leaves it known.
        """
        kept = renamed | {skip.key for skip in self.desired.skips if skip.kept}
        for key in list(self.mapping.entries):
            if not (key in self.desired.entities or key in self.pairing.current_of or key in kept):
                self.mapping.forget(key)

    def _is_where_known(self, current: Current, known: Entry | None) -> bool:
        """Does it hang where the mapping says, as far as the target tells by keys of ours?"""
        level = LEVELS[current.kind]
        if known is None or level.parent is None or current.parent_id is None:
            return True
        above = self.pairing.keys[level.parent].get(current.parent_id)
        if above is None or self.pairing.current_of[above].external_id != above:
            return True
        return above == known.parent

    def _recover(self, key: Key, now: int, *, keep_missing: bool) -> None:
        """Remember where an entity is that is not as desired."""
        current = self.pairing.current_of[key]
        level = LEVELS[current.kind]
        above = self.pairing.reference(level.parent, current.parent_id) if level.parent else None
        values = (current.name, above, *current.values[2:])
        known = self.mapping.entries.get(key)
        since = known.missing_since if known is not None and keep_missing else 0
        self._put(
            current.kind,
            key,
            values,
            now,
            id=current.id,
            state=State.MISSING if since else State.SYNCED,
            origin=None if known else Origin.RECOVERED,
            missing_since=since,
        )

    def _put(
        self,
        kind: Kind,
        key: Key,
        values: tuple[Value, ...],
        now: int,
        *,
        id: int | None = None,
        digest: str = "",
        state: State = State.SYNCED,
        origin: Origin | None = None,
        missing_since: int = 0,
    ) -> None:
        known = self.mapping.entries.get(key)
        self.mapping.put(
            Entry(
                kind=kind,
                key=key,
                parent=None if values[1] is None else Key(str(values[1])),
                variant=LEVELS[kind].variant_of(values),
                id=id,
                digest=digest,
                first_synced=known.first_synced if known else now,
                last_synced=known.last_synced if known and id is None else now,
                state=state,
                origin=origin or (known.origin if known else Origin.CREATED),
                missing_since=missing_since,
            )
        )

    def _value_of(self, key: Key, field_name: str) -> Value:
        """A field of an entity as the target has it by now; what is not ours keeps what it was."""
        entity = self.desired.entities[key]
        return entity.values[LEVELS[entity.kind].index(field_name)]


_PLACES = frozenset(level.parent for level in LEVELS.values())
"""Kinds that something hangs below."""


def _is_missing(entry: Entry, internal_id: int) -> bool:
    return entry.state is State.MISSING and entry.id == internal_id
