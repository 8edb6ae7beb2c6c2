"""Text as people mean it: trimmed, folded, made unique. Pure functions, no vendor."""

import unicodedata
from collections.abc import Callable, Iterable


def clean(text: str | None) -> str:
    """Trim and collapse inner blanks; nothing at all counts as missing (empty)."""
    return " ".join(text.split()) if text else ""


def alike(text: str) -> str:
    """The form in which two spellings of one name are equal: no case, no diacritics, single blanks.

    >>> alike(" Garching b.  München")
    'garching b. munchen'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return clean(unicodedata.normalize("NFKC", bare))


def fold(text: str) -> str:
    """The same as it stands in keys, with ``-`` for blanks.

    >>> fold("Garching b.  München")
    'garching-b.-munchen'
    """
    return alike(text).replace(" ", "-")


class Names:
    """Hands out sibling names, unique by case-folding.

    Whoever holds a name first keeps it, so ask in the order of ids: `reserve` all, then `settle` the rest.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.casefold() for name in taken}

    def reserve(self, name: str) -> bool:
        """Take a name; False when a sibling already has it."""
        folded = name.casefold()
        if folded in self._taken:
            return False
        self._taken.add(folded)
        return True

    def settle(self, name: str, *suffixes: str) -> str:
        """Take the first free of ``name (suffix)``, trying the suffixes in order, the last one repeatedly."""
        for suffix in suffixes:
            if suffix and self.reserve(candidate := f"{name} ({suffix})"):
                return candidate
        return self.settle(f"{name} ({suffixes[-1]})", suffixes[-1])


def unique_names(
    wanted: Iterable[tuple[int, str]], suffixes: Callable[[int], tuple[str, ...]], taken: Iterable[str] = ()
) -> dict[int, str]:
    """Sibling names by id; `wanted` in the order of ids, `suffixes` are tried in turn on a collision."""
    names = Names(taken)
    settled: dict[int, str] = {}
    later: list[tuple[int, str]] = []
    for id, name in wanted:
        if names.reserve(name):
            settled[id] = name
        else:
            later.append((id, name))
    for id, name in later:
        settled[id] = names.settle(name, *suffixes(id))
    return settled
