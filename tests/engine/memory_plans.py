"""Plans in memory: shown, approved by a person, and every approval spent once."""

from dataclasses import dataclass, field

from reconcilers.errors import SyncError
from reconcilers.guard import Approval
from reconcilers.plan import Plan
from reconcilers.report import Report
from reconcilers.steps import canonical, key_of


@dataclass(slots=True)
class MemoryPlans:
    """The Plans port. An approval is of one plan that was shown, and gone once a plan went ahead by it."""

    shown: list[Plan] = field(default_factory=list)
    given: Approval | None = None
    spent: list[str] = field(default_factory=list)
    published: str = ""
    """The name that a status would have; there is none."""

    def approve(self, plan: Plan) -> Approval:
        """A person approves the held steps of this plan, having seen what goes with each."""
        keys = {key_of(item.step) for item in plan.held}
        self.given = Approval(
            name=f"plan-{len(self.shown)}",
            lines=frozenset(canonical(item.step) for item in plan.held),
            impacts={key: impact for key, impact in plan.impacts.items() if key in keys},
        )
        return self.given

    async def approved(self) -> Approval | None:
        """What was given and is not spent."""
        return self.given

    async def publish(self, plan: Plan) -> None:
        """Show it; an approval by which it goes ahead is spent before anything is carried out."""
        self.shown.append(plan)
        if self.given is not None and plan.approved == self.given.name:
            self.spent.append(self.given.name)
            self.given = None

    async def close(self, report: Report | None, error: SyncError | None) -> None:
        """Nothing is left to be told."""
