"""The one table that `make bench` prints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: what was measured, what came out, what DESIGN section 10 wants to reach, and whether it did (None: not measured)."""

    name: str
    what: str
    figure: str
    reach: str
    reached: bool | None


def render(rows: list[Row]) -> str:
    """The table as text."""
    lines = [("id", "figure", "reach", "", "what")]
    lines += [(row.name, row.figure, row.reach, {True: "reached", False: "missed", None: "-"}[row.reached], row.what) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]) for line in lines)
