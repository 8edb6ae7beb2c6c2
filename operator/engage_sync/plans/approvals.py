"""What is approved and not spent, for those who only look."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from engage_sync.kube import SyncPlans
from engage_sync.plan_document import NotThisPlan
from engage_sync.plans import life
from engage_sync.plans.owner import Owner
from engage_sync.plans.reading import in_our_words, plans_of, read_chunks
from reconcilers.guard import Approval
from reconcilers.ports import NoPlans


class ClusterApprovals(NoPlans):
    """A Plans port that reads approvals and writes nothing."""

    def __init__(self, kube: SyncPlans, owner: Owner, pending: life.Pending) -> None:
        """Of a SyncTarget, whose status says what is `pending`."""
        self._kube = kube
        self._owner = owner
        self._pending = pending

    async def approved(self) -> Approval | None:
        """What the next run would take up; it has the name of the newest plan."""
        taken: dict[str, Approval] = {}
        with in_our_words("read"):
            for name, body in (await plans_of(self._kube, self._owner)).items():
                if life.counts(body, self._pending):
                    with suppress(NotThisPlan):  # the next run says so, this one writes nothing
                        document = await read_chunks(self._kube, self._owner, body)
                        taken[name] = await asyncio.to_thread(document.approval, name)
        return as_one(taken)


def as_one(taken: Mapping[str, Approval]) -> Approval | None:
    """Several approvals as one, by the name of the newest; the oldest comes first. None of none."""
    if not taken:
        return None
    lines = frozenset[str]().union(*(approval.lines for approval in taken.values()))
    impacts = {key: impact for approval in taken.values() for key, impact in approval.impacts.items()}
    return Approval(list(taken)[-1], lines, impacts)
