"""Every listing x every fault: no misreading deletes, doubles or loses anything, and the next run recovers.

The oracle is what the servers hold, and how often each entity was written. A seeded sample of places in CI,
all of them with FAULTS=all; FAULT_SEED draws another sample.
"""

import math
import os
from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from tests.sandbox.listing_faults import (
    FAULTS,
    GUARDS,
    MOVES,
    PAGED,
    TOKEN,
    Case,
    Listing,
    Reference,
    founded,
    judge,
    reference_of,
)

EACH = os.environ.get("FAULTS", "1")
SEED = os.environ.get("FAULT_SEED", "1")

WORKPLACE = ("/buildings", "/buildings/count", "/floors", "/floors/count", "/rooms", "/rooms/count",
             "/rooms/types", "/rooms/types/count", "/countries", "/centers", "/centers/{id}")  # fmt: skip
ENGAGE = ("/countries", "/regions", "/groups", "/workspaceTypes", "/locations", "/floors", "/rooms", "/desks",
          "/bookings")  # fmt: skip
LISTINGS: list[Listing] = [
    *(("workplace", path) for path in WORKPLACE),
    *(("engage", path) for path in ENGAGE),
    TOKEN,
]
OF_LISTS = frozenset({"empty", "short", "duplicated"})
"""A token is no list."""


def faults_of(listing: Listing) -> Iterator[str]:
    yield from (what for what in FAULTS if listing != TOKEN or what not in OF_LISTS)
    if listing[0] == "workplace" and listing[1] in PAGED:
        yield from MOVES


MATRIX = [(listing, what) for listing in LISTINGS for what in faults_of(listing)]


@pytest.fixture(scope="module")
def references() -> dict[str, Reference]:
    """The undisturbed run, with guards and without."""
    snapshot = founded()
    return {guards: reference_of(guards, snapshot) for guards in GUARDS}


def places(reference: Reference, listing: Listing, what: str) -> list[str]:
    """The first, a middle and the last of those that the undisturbed run asked for."""
    asked = reference.asked[listing]
    if what in MOVES:
        asked = asked[1:]  # between two pages
    return list(dict.fromkeys((asked[0], asked[len(asked) // 2], asked[-1])))


@pytest.mark.parametrize(
    ("listing", "what"), MATRIX, ids=[f"{system}{path} {what}" for (system, path), what in MATRIX]
)
def test_a_misread_listing_harms_nothing_and_the_next_run_recovers(
    references: dict[str, Reference], listing: Listing, what: str
) -> None:
    cases = [
        (references[guards], Case(listing, place, what, times))
        for guards in GUARDS
        for place, times in product(places(references[guards], listing, what), (1, math.inf))
    ]
    if EACH != "all":
        cases = Random(f"{SEED} {listing} {what}").sample(cases, min(int(EACH), len(cases)))
    wrong = [
        f"{reference.guards} guards, {case.what} at {case.place!r} x {case.times}: {problem}"
        for reference, case in cases
        for problem in judge(reference, case).wrong
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("guards", GUARDS)
def test_no_listing_is_forgotten(references: dict[str, Reference], guards: str) -> None:
    assert set(references[guards].asked) == set(LISTINGS)
    assert all(len(references[guards].asked["workplace", path]) >= 3 for path in PAGED)


def test_the_undisturbed_run_does_something_of_every_sort(references: dict[str, Reference]) -> None:
    for reference in references.values():
        assert all(len(counted) >= 2 for counted in reference.writes.values())
    done = references["open"].writes
    assert len(done["create"].keys() & done["delete"].keys()) >= 4, "replaced"
    assert len(references["open"].bookings) < len(references["default"].bookings)
