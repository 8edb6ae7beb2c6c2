"""XML from strangers: expat, with everything refused that makes a small file a large one."""

from collections.abc import Callable, Iterable
from xml.parsers import expat

from engage_sync.spacedata.grid import SAVE_AGAIN, UnreadableWorkbook, printable

MAX_NAMES = 20_000
MAX_DEPTH = 1_000
MAX_TOKEN_BYTES = 1 << 20


class Handler:
    """Takes the events of one document. Most need no more than `opened`, `closed` and `text`."""

    def __init__(self) -> None:
        self.depth = 0
        """Elements open just now; the handler counts, `parse` judges."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element opens; its name is as written, with the prefix."""
        self.depth += 1
        self.opened(local(name), attributes)

    def end(self, name: str) -> None:
        """It closes."""
        self.depth -= 1
        self.closed(local(name))

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """An element opens; its name is without prefix."""

    def closed(self, tag: str) -> None:
        """It closes."""

    def text(self, data: str) -> None:
        """Characters, in any number of pieces."""


class Enough(Exception):
    """Raised by a handler that needs no more; ends the parse without complaint."""


def local(name: str) -> str:
    """A name without its prefix."""
    return name.rpartition(":")[2]


def parse(part: str, chunks: Iterable[bytes], handler: Handler) -> None:
    """Feed a document to its handler; raises UnreadableWorkbook for bombs and for what is no XML."""
    names: dict[str, str] = {}
    parser = expat.ParserCreate(None, None, names)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype(part)
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    fed = 0
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            fed += len(chunk)
            # An unfinished token is read again with every chunk: the time grows with its square.
            unread = fed - parser.CurrentByteIndex
            if unread > MAX_TOKEN_BYTES or len(names) > MAX_NAMES or handler.depth > MAX_DEPTH:
                raise UnreadableWorkbook(f"the part {printable(part)} is not what Excel writes; {SAVE_AGAIN}")
        parser.Parse(b"", True)
    except Enough:
        return
    except (expat.ExpatError, ValueError, LookupError):
        raise UnreadableWorkbook(
            f"the part {printable(part)} is damaged: it is no XML; {SAVE_AGAIN}"
        ) from None


def _refuse_doctype(part: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise UnreadableWorkbook(
            f"the part {printable(part)} declares entities of its own, as an XML bomb does; {SAVE_AGAIN}"
        )

    return refuse
