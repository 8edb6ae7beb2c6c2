"""Entries to store: a few, many, and any."""

from hypothesis import strategies as st

from reconcilers.model import Entry, Key, Kind, MappingState, Origin, State, content_digest


def entry(number: int, **changes: object) -> Entry:
    """A resource, told from others by its number."""
    fields: dict[str, object] = {
        "kind": Kind.RESOURCE,
        "key": Key(f"wp:room:{number}"),
        "parent": Key(f"wp:floor:{number // 40}"),
        "variant": "meeting",
        "id": 70_000 + number,
        "digest": content_digest((f"Room {number}", number)),
        "first_synced": 1_760_000_000,
        "last_synced": 1_760_000_000 + number,
    }
    return Entry(**(fields | changes))  # type: ignore[arg-type]


def mapping(*entries: Entry) -> MappingState:
    """A mapping that has changed."""
    return MappingState(entries={entry.key: entry for entry in entries}, dirty=True)


def rooms(count: int) -> MappingState:
    """A mapping of so many resources."""
    return mapping(*(entry(number) for number in range(count)))


_times = st.integers(min_value=0, max_value=2**40)
_keys = st.text(min_size=1, max_size=30).map(Key)

entries = st.builds(
    Entry,
    kind=st.sampled_from(Kind),
    key=_keys,
    parent=st.none() | _keys,
    variant=st.sampled_from(["", "meeting", "personal"]),
    id=st.none() | st.integers(min_value=-(2**63), max_value=2**63),
    digest=st.text(max_size=16),
    first_synced=_times,
    last_synced=_times,
    state=st.sampled_from(State),
    origin=st.sampled_from(Origin),
    missing_since=_times,
)

mappings = st.dictionaries(_keys, entries, max_size=12).map(
    lambda drawn: mapping(*(entry for entry in drawn.values()))
)
