"""Which of the things wanted is which of those held, by name: exact before folded. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reconcilers.text import clean, fold

W = TypeVar("W")
H = TypeVar("H")
T = TypeVar("T")


@dataclass(frozen=True)  # no slots: Python 3.11 cannot construct a frozen generic with them
class Pairs(Generic[W, H]):
    """What came of it; whatever is wanted is in one of the three."""

    found: list[tuple[W, H]] = field(default_factory=list)
    missing: list[W] = field(default_factory=list)
    ambiguous: list[tuple[list[W], list[H]]] = field(default_factory=list)
    """Several are wanted or held by a name, and nobody can tell which is which."""


def pair(
    wanted: Sequence[W], held: Sequence[H], name_wanted: Callable[[W], str], name_held: Callable[[H], str]
) -> Pairs[W, H]:
    """Pair siblings; a name that folds to nothing is found only as it is written."""
    pairs: Pairs[W, H] = Pairs()
    rest_wanted, rest_held = _round(pairs, wanted, held, name_wanted, lambda one: clean(name_held(one)))
    left, _ = _round(
        pairs, rest_wanted, rest_held, lambda one: fold(name_wanted(one)), lambda one: fold(name_held(one))
    )
    pairs.missing.extend(left)
    return pairs


def _round(
    pairs: Pairs[W, H],
    wanted: Sequence[W],
    held: Sequence[H],
    key_wanted: Callable[[W], str],
    key_held: Callable[[H], str],
) -> tuple[list[W], list[H]]:
    """Take out those that share a key; what is left comes back, in its order."""
    if not held:
        return list(wanted), []
    held_by, wanted_by = _grouped(held, key_held), _grouped(wanted, key_wanted)
    shared = {key for key in wanted_by if key and key in held_by}
    for key in wanted_by:
        if key not in shared:
            continue
        wants, has = wanted_by[key], held_by[key]
        if len(wants) == len(has) == 1:
            pairs.found.append((wants[0], has[0]))
        else:
            pairs.ambiguous.append((wants, has))
    return (
        [one for key, ones in wanted_by.items() if key not in shared for one in ones],
        [one for key, ones in held_by.items() if key not in shared for one in ones],
    )


def _grouped(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
