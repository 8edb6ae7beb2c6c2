"""What an upload has to do: one piece of work for each record, made or compared. Plain data."""

from dataclasses import dataclass, field
from enum import StrEnum

from engage_sync.clients.workplace_records import BUILDINGS, FLOORS, SPACES, TYPES
from engage_sync.spacedata.findings import Finding
from engage_sync.spacedata.problems import Severity


class What(StrEnum):
    """The kinds of record, in the order in which they are written."""

    TYPE = "space type"
    BUILDING = "building"
    FLOOR = "floor"
    ROOM = "room"


PATHS = {
    What.TYPE: TYPES.path, What.BUILDING: BUILDINGS.path, What.FLOOR: FLOORS.path, What.ROOM: SPACES.path
}  # fmt: skip
PARENT_FIELDS = {What.FLOOR: "building", What.ROOM: "floor"}


@dataclass(slots=True, eq=False)
class Work:
    """One record. Without an id it is to be created; else `body` and `type` are what differs, often nothing.

    `cell` is where the workbook names it, empty for a space type. `id` is filled in once it is created.
    """

    what: What
    name: str
    cell: str = ""
    body: dict[str, object] = field(default_factory=dict)
    parent: "Work | None" = None
    type: "Work | None" = None
    """The space type to set, which may have to be created first."""
    id: int | None = None
    code: str = ""
    """Of a building: with the name it tells which one a lost create has made."""

    @property
    def writes(self) -> bool:
        """Whether anything is to be sent for it."""
        return self.id is None or bool(self.body) or self.type is not None

    @property
    def path(self) -> str:
        """Its names from the top."""
        return f"{self.parent.path} / {self.name}" if self.parent else self.name

    @property
    def key(self) -> str:
        """What tells it from all others of one workbook."""
        return f"{self.parent.key if self.parent else ''}|{self.what}|{self.code}|{self.name}"


@dataclass(slots=True)
class UploadPlan:
    """All work by kind, and what is to be said of it."""

    types: list[Work] = field(default_factory=list)
    buildings: list[Work] = field(default_factory=list)
    floors: list[Work] = field(default_factory=list)
    rooms: list[Work] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def of(self, what: What) -> list[Work]:
        """The work of one kind."""
        return {
            What.TYPE: self.types, What.BUILDING: self.buildings, What.FLOOR: self.floors,
            What.ROOM: self.rooms,
        }[what]  # fmt: skip

    @property
    def errors(self) -> list[Finding]:
        """What keeps all of it from being uploaded."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]
