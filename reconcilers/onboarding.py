"""How a tenant comes in: is the target new, or merged with, and is either supported at all?"""

from collections import Counter
from enum import StrEnum

from reconcilers.errors import UnsupportedEnvironment
from reconcilers.match import Pairing, ours
from reconcilers.merge import UNMATCHED
from reconcilers.model import Desired, Kind, MappingState

_COUNTED = (Kind.LOCATION, Kind.RESOURCE)
"""What people mean when they say that a system is in use."""


class Onboarding(StrEnum):
    """What the target holds before the first synchronisation."""

    NEW = "New"
    EXISTING = "Existing"


def is_first(pairing: Pairing, mapping: MappingState) -> bool:
    """Was nothing activated yet? A mapping that was lost is told by the external ids in the target."""
    return not any(mapping.of(Kind.LOCATION)) and not any(map(ours, pairing.of(Kind.LOCATION)))


def unsupported(
    desired: Desired, pairing: Pairing, mapping: MappingState, onboarding: Onboarding, minimum_match: int
) -> UnsupportedEnvironment | None:
    """Why the first run may not write, with the counts and the way out; None when it may."""
    if not is_first(pairing, mapping):
        return None
    if onboarding is Onboarding.NEW:
        return _not_new(pairing)
    return _not_alike(desired, pairing, minimum_match)


def _not_new(pairing: Pairing) -> UnsupportedEnvironment | None:
    foreign = Counter(kind for kind in _COUNTED for item in pairing.of(kind) if not ours(item))
    if not foreign:
        return None
    return UnsupportedEnvironment(
        f"the target holds {foreign[Kind.LOCATION]} locations and {foreign[Kind.RESOURCE]} resources that "
        "this sync did not make, so it is not new; nothing was written. Set spec.onboarding: Existing to "
        "merge with them, or delete them there"
    )


def _not_alike(desired: Desired, pairing: Pairing, minimum: int) -> UnsupportedEnvironment | None:
    matched = sum(
        entity.key in pairing.current_of for entity in desired.entities.values() if entity.kind in _COUNTED
    )
    unclear = sum(skip.reason in UNMATCHED for skip in desired.skips if skip.kind in _COUNTED)
    wanted = sum(entity.kind in _COUNTED for entity in desired.entities.values()) + unclear
    held = sum(len(pairing.of(kind)) for kind in _COUNTED)
    if min(matched * 100 - minimum * wanted, matched * 100 - minimum * held) >= 0:
        return None
    counts = (
        f"{matched} of {wanted} locations and resources of the source ({_percent(matched, wanted)}) match, "
        f"which are {matched} of {held} of the target ({_percent(matched, held)})"
    )
    way_out = (
        "Give both the same names, as the plan shows what would be created, or set "
        "spec.merge.minimumMatchPercent lower if these really shall be merged"
        if held
        else "The target is empty: set spec.onboarding: New"
    )
    unclear_too = f" ({unclear} could be several or belong to other systems)" if unclear else ""
    return UnsupportedEnvironment(
        f"only {counts}{unclear_too}, fewer than spec.merge.minimumMatchPercent ({minimum} %); "
        f"nothing was written. {way_out}"
    )


def _percent(part: int, whole: int) -> str:
    return f"{part * 100 // whole} %" if whole else "none to match"
