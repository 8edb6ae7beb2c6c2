"""The part of a spec that keeps accidents from doing harm: approval, budgets, bookings, grace."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from engage_sync.fields import DURATION_SCHEMA, Model, duration, whole

_MOST = 1_000_000_000
"""The largest number that a budget may name; far beyond what any tenant has."""


class Required(StrEnum):
    """Which steps wait for approval."""

    NEVER = "Never"
    DESTRUCTIVE = "Destructive"
    ALWAYS = "Always"


class Precondition(StrEnum):
    """What must be so before a meeting space is deleted or replaced."""

    NONE = "None"
    NO_FUTURE_BOOKINGS = "NoFutureBookings"


class UnknownBookings(StrEnum):
    """What happens to steps whose bookings cannot be known."""

    ALLOW = "Allow"
    HOLD = "Hold"


class Approval(Model):
    """Which steps wait until a person approves the SyncPlan that holds them."""

    required: Required = Required.DESTRUCTIVE


Percent = Annotated[int, whole("percent", 0, 100, "100 can never be exceeded and so switches this share off")]
Count = Annotated[int, whole("count", 0, _MOST, "0 lets nothing be deleted or replaced without an approval")]
Population = Annotated[int, whole("minimumPopulation", 1, _MOST, "percent is not judged for fewer entities")]


class DeletionBudget(Model):
    """The most that one run may delete or replace, by kind."""

    percent: Percent = 10
    count: Count = 100
    minimum_population: Population = 20
    """Where a kind has fewer entities than this, `percent` is not judged."""


class SubtreeBudget(Model):
    """The most that one run may delete or replace below one location, by kind."""

    percent: Percent = 50
    minimum_population: Population = 10


class UpdateBudget(Model):
    """The most that one run may update, by kind."""

    percent: Percent = 50
    minimum_population: Population = 20


class Deletion(Model):
    """What bounds deletions and replacements."""

    budget: DeletionBudget = DeletionBudget()
    subtree_budget: SubtreeBudget = SubtreeBudget()
    precondition: Precondition = Precondition.NO_FUTURE_BOOKINGS
    bookings_window: Annotated[
        timedelta, duration("bookingsWindow", "1h", "8760h", "2160h or 1h30m"), DURATION_SCHEMA
    ] = timedelta(hours=2160)
    """How far ahead bookings are looked for."""
    unknown_bookings: UnknownBookings = UnknownBookings.ALLOW
    grace_period: Annotated[
        timedelta, duration("gracePeriod", "0s", "8760h", "72h or 1h30m"), DURATION_SCHEMA
    ] = timedelta()
    """How long something must be missing from the source before it is deleted."""


class Update(Model):
    """What bounds updates."""

    budget: UpdateBudget = UpdateBudget()
