"""What the pages promise: links that lead somewhere, commands that exist, every reason with what to do."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from engage_sync.cli import cli
from engage_sync.conditions import PROGRESSING, SUSPENDED, Outcome, SourceHealth, Stall, TargetHealth

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "charts").rglob("*.md")])


def named(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named(PAGES))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    broken = []
    for link in links:
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def commands(page: Path) -> Iterator[list[str]]:
    """The words behind `engage-sync` wherever a page has a whole command line."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(engage-sync [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in lines:
        for part in re.split(r"\||&&|;", line.partition("  #")[0]):
            words = shlex.split(part)
            if words[:1] == ["engage-sync"]:
                yield words[1:]


def unknown(words: list[str], group: click.Group) -> list[str]:
    """The commands and options of a command line that the program does not know."""
    name = words[0].partition("|")[0]
    if name.startswith("-"):
        command: click.Command = group
    elif name not in group.commands:
        return [name]
    elif isinstance(command := group.commands[name], click.Group) and len(words) > 1:
        return unknown(words[1:], command)
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    return [
        word
        for word in words
        if word.startswith("-") and word != "-" and word not in options | {"--help", "-h", "--version"}
    ]


@pytest.mark.parametrize("page", PAGES, ids=named(PAGES))
def test_every_command_exists_with_its_options(page: Path) -> None:
    wrong = {" ".join(words): unknown(words, cli) for words in commands(page) if words}

    assert {line: found for line, found in wrong.items() if found} == {}


def test_the_pages_hold_commands_at_all() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=named(PAGES))
def test_every_test_that_is_named_exists(page: Path) -> None:
    files = {file.name: file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py")}
    code = "\n".join(files.values())
    text = page.read_text("utf-8")
    gone = {name for name in re.findall(r"\b(test_\w+\.py)\b", text) if name not in files}
    gone |= {name for name in re.findall(r"::(\w+)`", text) if f"def {name}(" not in code}

    assert gone == set()


def test_every_reason_is_in_the_tables_for_operators() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    cells = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("|")]
    told = {word.strip() for row in cells for cell in row for word in cell.split(",")}
    healthy = {SourceHealth.COMPLETE, TargetHealth.REACHABLE}

    assert {*Outcome, *Stall, *SourceHealth, *TargetHealth, PROGRESSING, SUSPENDED} - healthy - told == set()
