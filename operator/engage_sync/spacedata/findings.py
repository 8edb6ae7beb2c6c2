"""What Workplace says against a workbook that is fine by itself, and what an upload wants people to know."""

from dataclasses import dataclass
from enum import StrEnum

from engage_sync.spacedata.problems import Place, Severity


class Ground(StrEnum):
    """The kind of a finding, for machines."""

    AMBIGUOUS_MATCH = "AmbiguousMatch"
    UNKNOWN_SPACE_TYPE = "UnknownSpaceType"
    COUNTRY_NOT_IN_WORKPLACE = "CountryNotInWorkplace"
    NOT_AN_ENGAGE_ID = "NotAnEngageId"

    NO_RESERVATION_CENTER = "NoReservationCenter"
    NO_COUNTRY = "NoCountry"
    BUILDING_MOVES = "BuildingMoves"
    OTHER_SPELLING = "OtherSpelling"
    OTHER_GROUP = "OtherGroup"
    NOT_CARRIED = "NotCarried"
    LEFT_OUT = "LeftOut"
    NOT_TOLD = "NotTold"

    @property
    def severity(self) -> Severity:
        """The same for all findings of a ground; nothing is uploaded while there is an error."""
        return Severity.ERROR if self in _ERRORS else Severity.WARNING


_ERRORS = frozenset(
    {
        Ground.AMBIGUOUS_MATCH, Ground.UNKNOWN_SPACE_TYPE, Ground.COUNTRY_NOT_IN_WORKPLACE,
        Ground.NOT_AN_ENGAGE_ID,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them: what it is, and the cure, each a clause."""

    ground: Ground
    place: Place
    value: str
    message: str
    cure: str

    @property
    def reason(self) -> Ground:
        """The ground, by the word that a problem has for it."""
        return self.ground

    @property
    def severity(self) -> Severity:
        """Whether it stops the upload."""
        return self.ground.severity
