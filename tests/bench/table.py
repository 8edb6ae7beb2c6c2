"""What was measured, as rows with a verdict, on the terminal and in docs/benchmarks.md."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; with a bound it is held against it."""

    what: str
    figure: str
    wanted: str = ""
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        """Whether it is what was wanted; nothing where nothing was."""
        return "" if self.holds is None else "yes" if self.holds else "**falls short**"


def at_most(what: str, value: float, bound: float, unit: str, digits: int = 0) -> Row:
    """A figure that shall not be higher."""
    return Row(what, f"{value:.{digits}f} {unit}", f"≤ {bound:g} {unit}", value <= bound)


def at_least(what: str, value: float, bound: float, unit: str, digits: int = 0) -> Row:
    """A figure that shall not be lower."""
    return Row(what, f"{value:.{digits}f} {unit}", f"≥ {bound:g} {unit}", value >= bound)


def markdown(rows: list[Row]) -> str:
    """The rows as a table that also reads well as text."""
    head = ("measured", "figure", "wanted", "holds")
    cells = [head, *((row.what, row.figure, row.wanted, row.verdict) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (cells[0], rule, *cells[1:])
    )
