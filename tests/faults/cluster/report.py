"""What a run has to say: one table of the faults, and totals."""

from collections.abc import Sequence

from tests.faults.cluster.plan import Outcome

HEAD = ("at s", "fault", "victim", "down s", "ready s", "drained s", "others' cores", "left at mending", "last to go")


def table(outcomes: Sequence[Outcome]) -> str:
    """`ready` and `drained` count from the moment of mending (a process started, a link mended)."""
    rows = [HEAD]
    for one in outcomes:
        figures = (f"{one.down_s:.1f}", f"{one.ready_s:.1f}", f"{one.drained_s:.1f}", f"{one.others:.1f}")
        rows.append((f"{one.at_s:.0f}", one.name, one.victim, *figures, one.backlog, one.last))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def worst(outcomes: Sequence[Outcome]) -> str:
    """The slowest of each kind."""
    by_name: dict[str, list[float]] = {}
    for one in outcomes:
        by_name.setdefault(one.name, []).append(one.drained_s)
    width = max(len(name) for name in by_name)
    lines = [f"{name:<{width}}  {len(all_):>2} times  drained after at most {max(all_):5.1f} s" for name, all_ in sorted(by_name.items())]
    return "\n".join(lines)
