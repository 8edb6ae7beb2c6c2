"""What a spec means to the engine."""

from engage_sync.safeguards import Precondition, UnknownBookings
from engage_sync.spec import Spec
from reconcilers.guard import Budget, Guards, Required
from reconcilers.policy import Policies
from reconcilers.sync import Settings
from reconcilers.translate import Defaults, Scope


def settings_of(spec: Spec) -> Settings:
    """What the engine needs to know of a spec."""
    countries = spec.scope.countries
    return Settings(
        scope=Scope(
            require_reservation_center=spec.scope.require_reservation_center,
            reservable_only=spec.scope.reservable_only,
            countries=None if countries is None else frozenset(countries),
        ),
        defaults=Defaults(
            country=spec.defaults.country,
            time_zone=spec.defaults.time_zone,
            group_name=spec.defaults.group_name,
        ),
        policies=Policies(frozenset(policy.value for policy in spec.management_policies)),
        guards=guards_of(spec),
        onboarding=spec.onboarding,
        minimum_match=spec.merge.minimum_match_percent,
    )


def guards_of(spec: Spec) -> Guards:
    """What a tenant allows without asking, in the engine's words."""
    deletion, budget, subtree = spec.deletion, spec.deletion.budget, spec.deletion.subtree_budget
    updates = spec.update.budget
    return Guards(
        required=Required(spec.approval.required.value),
        deletions=Budget(budget.percent, budget.minimum_population, budget.count),
        below_location=Budget(subtree.percent, subtree.minimum_population),
        updates=Budget(updates.percent, updates.minimum_population),
        hold_booked=deletion.precondition is Precondition.NO_FUTURE_BOOKINGS,
        hold_unknown=deletion.unknown_bookings is UnknownBookings.HOLD,
        grace=deletion.grace_period.total_seconds(),
    )
