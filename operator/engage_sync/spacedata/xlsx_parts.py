"""The small parts of an .xlsx: what refers to what, the sheets by name, number formats, shared strings."""

import posixpath
from dataclasses import dataclass

from engage_sync.spacedata.formats import GENERAL
from engage_sync.spacedata.limits import Budget
from engage_sync.spacedata.xlsx_values import unescape
from engage_sync.spacedata.xml import Handler


@dataclass(frozen=True, slots=True)
class Relation:
    """What one part refers to, and as what."""

    type: str
    path: str


class RelationsHandler(Handler):
    """What a part in the folder `base` refers to, by the ids that it uses; other files are left out."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.relations: dict[str, Relation] = {}
        self._base = base

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """A reference."""
        if tag != "Relationship" or attributes.get("TargetMode") == "External":
            return
        path = posixpath.normpath(posixpath.join("/", self._base, attributes.get("Target", "")))
        self.relations[attributes.get("Id", "")] = Relation(attributes.get("Type", ""), path.lstrip("/"))


@dataclass(frozen=True, slots=True)
class NamedSheet:
    """A sheet as the workbook lists it."""

    name: str
    hidden: bool
    relation: str
    """The id that leads to its part."""


class WorkbookHandler(Handler):
    """The list of sheets, and whether dates count from 1904."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[NamedSheet] = []
        self.date1904 = False

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """A sheet, or the settings."""
        if tag == "sheet":
            relation = next(
                (value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), ""
            )
            hidden = attributes.get("state", "visible") != "visible"
            self.sheets.append(NamedSheet(attributes.get("name", ""), hidden, relation))
        elif tag == "workbookPr":
            self.date1904 = attributes.get("date1904") in ("1", "true")


class StylesHandler(Handler):
    """Number formats: the workbook's own by number, and the numbers by style of a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[int, str] = {}
        self.cell_formats: list[int] = []
        self._in_cells = False

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """A format, or a style."""
        if tag == "numFmt":
            self.codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", GENERAL)
        elif tag == "cellXfs":
            self._in_cells = True
        elif tag == "xf" and self._in_cells:
            self.cell_formats.append(int(attributes.get("numFmtId", "0")))

    def closed(self, tag: str) -> None:
        """The end of the cells' styles."""
        if tag == "cellXfs":
            self._in_cells = False


class StringsHandler(Handler):
    """Shared strings: rich text is joined, phonetic readings are left out."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.strings: list[str] = []
        self._budget = budget
        self._parts: list[str] = []
        self._in_text = False
        self._phonetic = False

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """A text, or how it is pronounced."""
        if tag == "t":
            self._in_text = not self._phonetic
        elif tag == "rPh":
            self._phonetic = True

    def closed(self, tag: str) -> None:
        """The end of a piece, or of a whole string."""
        if tag == "t":
            self._in_text = False
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "si":
            text = unescape("".join(self._parts))
            self._budget.take_text(len(text))
            self.strings.append(text)
            self._parts = []

    def text(self, data: str) -> None:
        """Characters."""
        if self._in_text:
            self._parts.append(data)
