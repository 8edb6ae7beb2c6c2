"""`make bench`: measure, print a table, write it to docs/benchmarks.md. Nothing here passes or fails.

This process stays small and measures planning in children, so that their peaks are their own.
"""

import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import planning
from tests.bench.table import Row, at_least, at_most, markdown

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks.md"
EXPLAINED = Path(__file__).with_name("explained.md")
BUSY = 1.0
"""A load of the machine above which the reader is warned."""


def main() -> None:
    """Measure everything; some minutes, most of it diffsync and the syncs."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="engage-sync-bench-") as name:
        folder = Path(name)
        rows = [*plan_rows(folder), *write_rows(folder)]
    table = markdown(rows)
    print("\n" + table)
    DOCS.write_text(f"{EXPLAINED.read_text('utf-8')}\n{machine(before)}\n\n{table}\n", "utf-8")
    print(f"\nwritten to {DOCS}")


def plan_rows(folder: Path) -> list[Row]:
    """Planning: against one pass, against diffsync, and its memory."""
    told("a company of 100,000 resources")
    planning.measure("world", folder)
    told("planning it, beside a one-pass comparison")
    race = planning.measure("race", folder)
    told("the memory of both")
    plan, dictionaries = (planning.measure(f"{name}-memory", folder) for name in ("plan", "dictionaries"))
    told("the same by diffsync")
    rival = planning.measure("diffsync", folder)
    if not race["found"] == plan["found"] == dictionaries["found"] == rival["found"]:
        raise SystemExit("bench: they do not all find the same")
    created, changed, gone = race["found"]
    records = f"{race['entities']:,} records, {changed:,} changed, {created} new, {gone} gone"
    return [
        Row(f"one pass over dictionaries: {records}", f"{race['one pass']:.2f} s CPU"),
        Row("our plan of the same", f"{race['plan']:.2f} s CPU"),
        at_most("… as a multiple of the one pass", race["plan"] / race["one pass"], 1.5, "x", 2),
        Row(
            "… with the making of its own records from JSON values",
            f"{(race['plan'] + race['records']) / race['one pass']:.2f} x",
        ),
        Row("diffsync on the same", f"{rival['seconds']:.1f} s CPU"),
        Row("… as a multiple of our plan", f"{rival['seconds'] / race['plan']:.0f} x"),
        at_most("peak memory of our plan, in a process of its own", plan["peak"], 400, "MiB"),
        Row("peak memory of the dictionaries, likewise", f"{dictionaries['peak']:.0f} MiB"),
        Row("peak memory of diffsync, likewise", f"{rival['peak']:.0f} MiB"),
    ]


def write_rows(folder: Path) -> list[Row]:
    """Writing: an initial sync beside the bare client."""
    from tests.bench import writing  # only now, so that this process was small before

    told("an initial sync against the sandbox, beside the bare HTTP client")
    bare, synced = writing.race(folder)
    return [
        Row(f"bare httpx: {bare.writes:,} creates", f"{bare.a_second:.0f} writes/s"),
        Row(f"initial sync: {synced.writes:,} writes", f"{synced.a_second:.0f} writes/s"),
        at_least("… as a share of the bare client", 100 * synced.a_second / bare.a_second, 90, "%"),
        Row("… CPU of 1,000 writes, bare client", f"{bare.cpu_per_thousand:.2f} s"),
        Row("… CPU of 1,000 writes, sync", f"{synced.cpu_per_thousand:.2f} s"),
        Row("… the whole run, reading included", f"{synced.whole:.1f} s"),
    ]


def machine(before: float) -> str:
    """Where and when, and whether anything else was going on."""
    cores, load = os.cpu_count(), f"{before:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended"
    text = f"Measured {datetime.now(UTC):%Y-%m-%d} on {cores} cores, Python {platform.python_version()}, "
    text += f"{platform.system()} {platform.machine()}; load of the machine {load}."
    if before > BUSY:
        text += (
            " **It was busy with other work**, so seconds and writes a second are worse than on a quiet one;"
            " ratios were taken in turns, but are less sure, too."
        )
    return text


def told(what: str) -> None:
    """Say what is being measured now."""
    print(f"measuring: {what} …", flush=True)


if __name__ == "__main__":
    main()
