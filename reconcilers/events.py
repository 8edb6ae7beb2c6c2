"""What happens in a run, as typed events for the one Observer port."""

from dataclasses import dataclass

from reconcilers.errors import System
from reconcilers.model import Kind
from reconcilers.plan import Plan
from reconcilers.steps import Action


@dataclass(frozen=True, slots=True)
class Reading:
    """A system is being read; `done` counts records so far of this listing."""

    system: System
    what: str
    done: int


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan is known; nothing has been written yet."""

    plan: Plan
    refused: bool = False
    """Is it only shown, as the environment is not supported?"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Calls to the target that have been answered, out of those that the plan needs."""

    kind: Kind
    action: Action
    done: int
    total: int
    ended: bool = True
    """Was that the last of its step, which may take more than one?"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The mapping was committed."""

    entries: int


Event = Reading | Planned | Progress | Remembered
