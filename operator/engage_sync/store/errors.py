"""How a store says that it could not be used; to the engine both are reasons to try again later."""

from reconcilers.errors import TransientError


class StoreUnavailable(TransientError):
    """The mapping could not be read or written; what it held before is untouched."""

    reason = "Failed"  # neither of the two systems: their conditions are not concerned


class AnotherWriter(TransientError):
    """Someone else has committed since this store was loaded: stop, and begin anew from a load.

    Never answered by writing again: the other's entries would be lost.
    """

    reason = "Failed"
