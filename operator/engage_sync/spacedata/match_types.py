"""Which space type of Workplace each room's is, and which have to be created. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from engage_sync.clients.workplace_held import HeldType
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.model import Room, SpaceData
from engage_sync.spacedata.type_groups import DOCUMENTED_IDS
from engage_sync.spacedata.work import What, Work
from reconcilers.text import clean, fold

_ROWS_NAMED = 10


class TypeMatcher:
    """Finds space types by name: exact, else folded, else one that may be created."""

    def __init__(self, data: SpaceData, held: Sequence[HeldType], groups: Mapping[str, str]) -> None:
        self.created: list[Work] = []
        self.findings: list[Finding] = []
        self._data = data
        self._groups = groups
        self._exact: dict[str, list[HeldType]] = defaultdict(list)
        self._folded: dict[str, list[HeldType]] = defaultdict(list)
        self._group_ids = dict(DOCUMENTED_IDS)
        for type in sorted(held, key=lambda one: one.id, reverse=True):
            self._exact[clean(type.name)].append(type)
            self._folded[fold(type.name)].append(type)
            if type.group.id is not None:
                self._group_ids[clean(type.group.name)] = type.group.id
        self._candidates: dict[str, Sequence[HeldType]] = {}
        self._works: dict[str, Work | None] = {}
        self._rows = defaultdict[str, list[int]](list)
        for room in data.rooms:
            self._rows[room.space_type].append(room.row)

    def of(self, room: Room, current: int | None) -> Work | None:
        """The type that a room shall have; None when there is none, which is a finding, or nothing to do.

        A room that has one of several types of the name keeps it.
        """
        name = room.space_type
        if name not in self._candidates:
            self._candidates[name] = self._look_up(name)
        kept = next((type for type in self._candidates[name] if type.id == current), None)
        if kept is not None:
            return Work(What.TYPE, kept.name, id=kept.id)
        if name not in self._works:
            self._works[name] = self._choose(room, self._candidates[name])
        return self._works[name]

    def _look_up(self, name: str) -> Sequence[HeldType]:
        exact = self._exact.get(name, ())
        folded = () if exact else self._folded.get(fold(name), ())
        if name in self._groups:
            # One that another row names exactly is that row's: both may be made of one workbook.
            folded = [type for type in folded if clean(type.name) not in self._rows]
        return exact or folded

    def _choose(self, room: Room, candidates: Sequence[HeldType]) -> Work | None:
        name = room.space_type
        if not candidates and name in self._groups:
            return self._new(name)
        if not candidates:
            self._add(
                Ground.UNKNOWN_SPACE_TYPE, room, "Workplace has no such space type",
                "create it there, or name its group in a file given with --create-types",
            )  # fmt: skip
            return None
        if len({fold(type.group.name) for type in candidates}) > 1:
            ids = ", ".join(str(type.id) for type in reversed(candidates))
            self._add(
                Ground.AMBIGUOUS_MATCH, room,
                f"Workplace has {len(candidates)} space types of this name in different groups (id {ids})",
                "rename one of them in Workplace",
            )  # fmt: skip
            return None
        chosen = candidates[-1]
        wanted = self._groups.get(name)
        if wanted is not None and fold(wanted) != fold(chosen.group.name):
            self._add(
                Ground.OTHER_GROUP, room,
                f'Workplace has it in the group "{chosen.group.name}", where --create-types says "{wanted}"',
                "nothing is needed if Workplace is right, else change its group there",
            )  # fmt: skip
        return Work(What.TYPE, chosen.name, id=chosen.id)

    def _new(self, name: str) -> Work:
        # All six are required, and nobody but the vendor knows what contentFlag means (domain 2.4, 2.6).
        body: dict[str, object] = {
            "name": name, "typeCode": "", "contentFlag": 1, "defaultRoomType": False, "cost": 0.0,
            "spaceTypeGroup": {"id": self._group_ids[self._groups[name]]},
        }  # fmt: skip
        work = Work(What.TYPE, name, body=body)
        self.created.append(work)
        return work

    def _add(self, ground: Ground, room: Room, message: str, cure: str) -> None:
        rows = self._rows[room.space_type]
        if len(rows) > 1:
            named = ", ".join(map(str, rows[:_ROWS_NAMED])) + ("…" if len(rows) > _ROWS_NAMED else "")
            message += f" ({len(rows):,} rows: {named})"
        place = self._data.place(room, Column.SPACE_TYPE)
        self.findings.append(Finding(ground, place, room.space_type, message, cure))
