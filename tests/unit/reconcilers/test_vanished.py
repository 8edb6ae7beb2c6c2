"""A target that lists less than it must is not believed; what one hand took away is made again."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from reconcilers.errors import IncompleteAnswer
from reconcilers.levels import LEVELS
from reconcilers.model import Current, Holdings, Kind
from reconcilers.policy import DOUBTFUL
from reconcilers.ports import DemandOf
from tests.engine.memory_target import MemoryTarget
from tests.engine.rig import Rig
from tests.engine.samples import DESK, edit, synced, two_buildings

NEEDED = [kind for kind in Kind if kind is not Kind.RESOURCE]


@dataclass(slots=True)
class Forgetful(MemoryTarget):
    """Answers listings without some of what it holds, and without what hangs below that."""

    hides: Callable[[Current], bool] = lambda item: False

    async def read(self, demand: DemandOf) -> Holdings:
        items = (await super(Forgetful, self).read(demand)).items
        hidden: set[tuple[Kind, int]] = set()
        shown = []
        for item in items:
            level = LEVELS[item.kind]
            above = (level.parent, item.parent_id) if level.parent else None
            if above in hidden or self.hides(item):
                hidden.add((item.kind, item.id))
            else:
                shown.append(item)
        return Holdings(tuple(_unnumbered(item, hidden) for item in shown))


def _unnumbered(item: Current, hidden: set[tuple[Kind, int]]) -> Current:
    """A floor that is not listed cannot be told by its number either."""
    if item.kind is not Kind.RESOURCE or (Kind.FLOOR, item.values[3]) not in hidden:
        return item
    values = (*item.values[:3], None, *item.values[4:])
    return Current(item.kind, item.id, item.external_id, values, item.builtin)


@pytest.fixture
def rig() -> Rig:
    synced = Rig(two_buildings(), target=Forgetful())
    synced.sync()
    del synced.source.spaces[100]  # something to delete, which a doubtful run must not
    return synced


@pytest.mark.parametrize("kind", NEEDED)
def test_an_empty_listing_of_what_others_need_is_not_believed(rig: Rig, kind: Kind) -> None:
    assert isinstance(rig.target, Forgetful)
    before, sent = rig.target.state(), rig.target.sent
    rig.target.hides = lambda item: item.kind is kind

    with pytest.raises(IncompleteAnswer, match=f"{kind}: "):
        rig.sync()

    assert (rig.target.state(), rig.target.sent) == (before, sent)
    rig.target.hides = lambda item: False
    rig.sync()
    assert rig.plan().steps == ()


def test_a_location_without_any_of_its_rooms_is_not_believed() -> None:
    target = Forgetful()
    rig = Rig(two_buildings(), target=target)
    rig.sync()
    target.hides = lambda item: item.name in ("Apollo", "Gemini")

    with pytest.raises(IncompleteAnswer, match="Resource: 2 of 2"):
        rig.sync()


def test_one_room_that_a_hand_deleted_is_made_again(rig: Rig) -> None:
    rig.sync()
    gone = rig.target.find("wp:room:101")
    del rig.target.tables["rooms"][gone["id"]]

    rig.sync()

    assert rig.target.find("wp:room:101")["ResourceName"] == "Gemini"


def test_a_removal_of_ours_that_a_crash_left_unremembered_is_believed() -> None:
    rig = Rig(two_buildings())
    rig.sync()
    moved = rig.source.buildings[10]
    rig.source.buildings[10] = replace(moved, city="Dallas")
    assert rig.killed_at(6, "after")  # floors and rooms are gone, the location is not yet made anew

    rig.sync()

    assert rig.plan().steps == ()
    assert rig.target.find("wp:building:10")


def test_nothing_is_removed_while_something_is_missing_and_the_next_run_does_it(rig: Rig) -> None:
    gone = rig.target.find("wp:room:101")
    del rig.target.tables["rooms"][gone["id"]]  # by hand; room 100 has left the source

    first = rig.sync()

    assert rig.target.find("wp:room:100")
    assert [(item.key, item.reason) for item in first.plan.withheld] == [("wp:room:100", DOUBTFUL)]
    assert not first.whole
    rig.sync()
    assert rig.plan().steps == ()
    assert "wp:room:100" not in {row["ExternalId"] for _, row in rig.target.rows()}


def test_beside_what_is_missing_in_the_target_a_replacement_is_withheld_for_that_reason() -> None:
    rig = synced()
    del rig.target.tables["rooms"][rig.target.find("wp:room:101")["id"]]
    edit(rig.source.spaces, 200, type=DESK)

    withheld = rig.plan().withheld

    assert {str(item.key): item.reason for item in withheld} == {"wp:room:200": DOUBTFUL}
