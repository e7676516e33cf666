"""The matrix as text."""

from collections.abc import Iterable, Sequence

from tests.faults.matrix.cells import Outcome

HEAD = ("provider", "fault", "killed after", "ends as", "contact", "calls", "reached", "doubled", "after", "")


def lines(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """A line for each cell, and the sum of all."""
    rows = [HEAD, *(_row(one) for one in outcomes)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    kills = sum(1 for one in outcomes if one.moment)
    doubled, marked = sum(one.doubled for one in outcomes), sum(one.marked for one in outcomes)
    ends = {state: sum(one.state == state for one in outcomes) for state in sorted({one.state for one in outcomes})}
    yield (
        f"{len(outcomes)} cells, {kills} of them killed; " + ", ".join(f"{count} {state}" for state, count in ends.items()) + "; "
        f"{marked} sent again as possible duplicates, {doubled} of which doubled a message that had arrived; "
        f"longest {max(one.took for one in outcomes)}; {sum(bool(one.wrong) for one in outcomes)} wrong"
    )


def _row(one: Outcome) -> tuple[str, ...]:
    number = f"{one.kill_at:>2} " if isinstance(one.kill_at, int) else ""
    moment = f"{number}{one.moment}" or "-"
    numbers = (str(one.contact or "-"), str(one.calls), str(one.reached), str(one.doubled))
    return one.provider, one.fault, moment, one.state, *numbers, f"{one.took.total_seconds():.0f} s", "; ".join(one.wrong)
