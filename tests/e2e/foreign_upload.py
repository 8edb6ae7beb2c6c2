"""What a customer does with a space data template: pastes rows into it, and runs the commands on it."""

import copy
import csv
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from engage_sync.spacedata.columns import FIRST_ROW, HEADER_ROW, Column, letter
from engage_sync.spacedata.example import Record
from tests.e2e.foreign_server import Call, ForeignServer, Json, Workplace
from tests.e2e.test_foreign_sync import CLI, Command, Ran

SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
ZONES = {"US": "America/Chicago", "DE": "Europe/Berlin"}


def paste(template: Path, book: Path, records: Sequence[Record]) -> None:
    """Fill a template below its headers as a spreadsheet program saves it: text as shared strings."""
    with ZipFile(template) as archive:
        parts = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    texts = re.findall(r"<si><t[^>]*>(.*?)</t></si>", parts[STRINGS], re.DOTALL)
    headers = dict(re.findall(rf'<c r="([A-Z]+){HEADER_ROW}"[^>]* t="s"><v>(\d+)</v>', parts[SHEET]))
    columns = {column: texts[int(index)] for column, index in headers.items()}
    assert columns == {letter(n): str(column) for n, column in enumerate(list(Column)[: len(columns)], 1)}
    added: dict[str, int] = {}
    rows = []
    for number, record in enumerate(records, FIRST_ROW):
        cells = "".join(
            _cell(f"{column}{number}", record[Column(header)], added, len(texts))
            for column, header in columns.items()
            if record.get(Column(header), "") != ""
        )
        rows.append(f'<row r="{number}">{cells}</row>')
    parts[SHEET] = parts[SHEET].replace("</sheetData>", f"{''.join(rows)}</sheetData>")
    parts[SHEET] = parts[SHEET].replace('ref="A1:P4"', f'ref="A1:P{HEADER_ROW + len(rows)}"')
    items = "".join(f'<si><t xml:space="preserve">{escape(text, quote=False)}</t></si>' for text in added)
    parts[STRINGS] = parts[STRINGS].replace("</sst>", f"{items}</sst>")
    with ZipFile(book, "w", ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def _cell(place: str, value: str | float, added: dict[str, int], before: int) -> str:
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="s"><v>{added.setdefault(value, before + len(added))}</v></c>'


class Customer:
    """Has a template filled with records, and a target; every call is a process."""

    def __init__(self, server: ForeignServer, folder: Path, country: str) -> None:
        folder.mkdir(exist_ok=True)
        self.server, self.folder, self.country = server, folder, country
        self.command = Command(server, folder)
        self.book, self.types = folder / "spaces.xlsx", folder / "types.csv"

    def fill(self, records: Sequence[Record], groups: Mapping[str, str]) -> None:
        """Write a template and fill it in.

        Args:
            records: the rows.
            groups: of the space types that may be created, We, Me or None.
        """
        template = self.folder / "template.xlsx"
        if not template.exists():
            done = self._run(["spacedata", "template", str(template)])
            assert (done.code, done.err) == (0, "")
        paste(template, self.book, records)
        with self.types.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("type", "group"), *groups.items()])

    def check(self) -> Ran:
        """`spacedata check`."""
        return self._run(["spacedata", "check", str(self.book), "--country", self.country, "-o", "json"])

    def upload_arguments(self) -> list[str]:
        """`spacedata upload`."""
        return [
            "spacedata", "upload", str(self.book), *self.command.files(), "--state", str(self.command.state),
            "--country", self.country, "--create-types", str(self.types), "-o", "json",
        ]  # fmt: skip

    def upload(self) -> Ran:
        """`spacedata upload`, which ends well and was not refused anything."""
        self.server.reset_log()
        ran = self._run(self.upload_arguments())
        assert (ran.code, ran.err) == (0, ""), (ran.code, ran.err, ran.out[-3000:])
        assert described(self.server.refusals("workplace")) == []
        assert self.server.parallel_pages == 0
        assert self.server.writes() == []
        return ran

    def sync_arguments(self) -> list[str]:
        """`sync`."""
        return self.command.argv("sync")[len(CLI) :]

    def sync(self, refusals: Sequence[int] = ()) -> Ran:
        """`sync`, which ends well and was refused nothing but with these statuses."""
        self.server.reset_log()
        ran = self._run(self.sync_arguments())
        assert (ran.code, ran.err) == (0, ""), (ran.code, ran.err, ran.out[-3000:])
        assert self.server.parallel_pages == 0
        assert described(c for c in self.server.refusals() if c.status not in refusals) == []
        assert self.server.writes("workplace") == []
        return ran

    @staticmethod
    def _run(arguments: list[str]) -> Ran:
        done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, timeout=600, check=False)
        assert "Traceback" not in done.stderr + done.stdout
        assert "CANARY" not in done.stderr + done.stdout
        return Ran(done.returncode, done.stdout, done.stderr)


def assign_centers(wp: Workplace, country: str) -> None:
    """Give every building the one reservation center: nobody can do that through the API."""
    zone = {"ID": ZONES[country]}
    wp.centers[7] = {
        "name": "All of it", "module": "reservation", "timeZone": zone, "buildings": list(wp.buildings),
    }  # fmt: skip


def paths(wp: Workplace) -> Counter[tuple[str, ...]]:
    """What Workplace holds, by its codes and names from the top; more than once is a duplicate."""
    return Counter(path for path, _ in _contents(wp))


def contents(wp: Workplace) -> list[tuple[tuple[str, ...], Json]]:
    """All that Workplace holds without ids and dates, as people would compare two tenants."""
    return sorted(_contents(wp), key=str)


def _contents(wp: Workplace) -> Iterator[tuple[tuple[str, ...], Json]]:
    types = {n: ("type", str(row["name"])) for n, row in wp.types.items()}
    buildings = {n: (str(row.get("code") or row["name"]),) for n, row in wp.buildings.items()}
    floors = {n: (*buildings[row["building"]["id"]], str(row["name"])) for n, row in wp.floors.items()}
    rooms = {n: (*floors[row["floor"]["id"]], str(row["name"])) for n, row in wp.rooms.items()}
    for named, rows in ((types, wp.types), (buildings, wp.buildings), (floors, wp.floors), (rooms, wp.rooms)):
        for number, path in named.items():
            row = {k: v for k, v in rows[number].items() if k not in _TENANTS_OWN}
            yield path, row | {"type": types[row["type"]["id"]]} if "type" in row else row


_TENANTS_OWN = {"id", "dateCreated", "dateUpdated", "building", "floor"}


def copied(source: Workplace, into: Workplace) -> None:
    """Make one Workplace hold what another does, under the same ids."""
    for name in ("buildings", "floors", "rooms", "types", "centers"):
        setattr(into, name, copy.deepcopy(getattr(source, name)))


def described(calls: Iterable[Call]) -> list[str]:
    """Writes in words."""
    return [f"{call.method} {call.path} {call.body} -> {call.status}" for call in calls]
