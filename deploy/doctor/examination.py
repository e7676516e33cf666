"""Examines promises 1–6 on a live database: read only, in one snapshot, each check bounded in time.

A check counts what breaks a promise. What is merely under way does not: events and jobs get GRACE to do their work, which outlasts every
healthy delay by far and is still short for whoever waits.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

from deploy.doctor import queries
from libs.db import Tx
from libs.events.backlog import unread
from libs.i18n import gettext as _

GRACE = timedelta(seconds=30)
LATE = timedelta(seconds=1)
"""Promise 3: at most 1 s late while healthy."""
NOTIFICATION_GRACE = timedelta(seconds=60)
NOTIFICATION_OLD = timedelta(hours=1)
"""The attempt protocol ends long before: three contacts, each given up after 10 minutes."""
STATEMENT_TIMEOUT_S = 15
LINES_MAX = 50_000
"""How many of the newest ledger lines of a kind are looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found on a promise. `figure` counts what breaks it (-1: it could not be checked); `detail` says of what, one text each."""

    promise: int
    name: str
    figure: int
    ok: bool
    detail: tuple[str, ...]


Check: TypeAlias = Callable[[Tx, datetime, float], Awaitable[Finding]]


async def examine(connection: Tx, now: datetime, *, pace: float = 1.0) -> list[Finding]:
    """Every promise, as of `now`, on one snapshot. A check that fails or takes too long is a finding, and does not hide the others.

    `pace` is how many times faster than the world the clock of `now` runs (demonstrations): a second of work is as many of its.
    """
    found: list[Finding] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        for number, (name, check) in PROMISES.items():
            try:
                async with connection.transaction():
                    found.append(await check(connection, now, pace))
            except (asyncpg.QueryCanceledError, TimeoutError):
                found.append(Finding(number, name(), -1, ok=False, detail=(_("this could not be checked in time"),)))
            except asyncpg.PostgresError as error:
                detail = _("this could not be checked: %(error)s", error=type(error).__name__)
                found.append(Finding(number, name(), -1, ok=False, detail=(detail,)))
    return found


async def promise_1(connection: Tx, now: datetime, pace: float = 1.0) -> Finding:
    """Every report became exactly one case, and nothing waits unread in the log."""
    row = await _row(connection, queries.REPORTS_AND_CASES, now - GRACE * pace)
    unheard = await unread(connection, LINES_MAX, before=now - GRACE * pace)
    waiting = {group: n for group, shards in unheard.items() if (n := sum(shards.values()))}
    return _finding(
        1,
        row,
        ("reports_without_case", lambda n: _("%(n)s of %(of)s reports have no case", n=n, of=row["reports"])),
        ("cases_without_report", lambda n: _("%(n)s of %(of)s cases have no report", n=n, of=row["cases"])),
        more=[(n, _("%(n)s events wait unread for “%(group)s”", n=n, group=group)) for group, n in waiting.items()],
    )


async def promise_2(connection: Tx, _now: datetime, _pace: float = 1.0) -> Finding:
    """Every open case rests on a post that somebody is on, and has an armed deadline that will wake it."""
    row = await _row(connection, queries.OPEN_CASES)
    return _finding(
        2,
        row,
        ("without_owner", lambda n: _("%(n)s of %(of)s open cases rest on nobody", n=n, of=row["cases"])),
        ("without_holder", lambda n: _("%(n)s rest on a post that nobody is on", n=n)),
        ("without_deadline", lambda n: _("%(n)s have no armed deadline", n=n)),
        ("asleep", lambda n: _("%(n)s would wake after their deadline", n=n)),
    )


async def promise_3(connection: Tx, now: datetime, pace: float = 1.0) -> Finding:
    """Every deadline fires once, not before it is due, and at most a second after."""
    row = await _row(connection, queries.DEADLINES, now - LATE * pace, LINES_MAX)
    late = _("%(n)s were noticed late, at most %(s)s s, and recorded so", n=row["late"], s=f"{row['late_s_max']:.1f}")
    provisional = row["provisional"] and _(
        "%(n)s are provisional, since a year's holiday notice is not known: tocsin policy holidays list", n=row["provisional"]
    )
    return _finding(
        3,
        row,
        ("overdue", lambda n: _("%(n)s of %(of)s armed deadlines are overdue by more than a second", n=n, of=row["armed"])),
        ("early", lambda n: _("%(n)s fired before they were due", n=n)),
        ("twice", lambda n: _("%(n)s fired more than once", n=n)),
        more=[(0, late), *([(0, provisional)] if provisional else [])],
    )


async def promise_4(connection: Tx, now: datetime, pace: float = 1.0) -> Finding:
    """No open case rests on somebody who cannot be told or who has said no."""
    row = await _row(connection, queries.LADDER, now - GRACE * pace)
    return _finding(
        4,
        row,
        (
            "unreachable",
            lambda n: _("%(n)s of %(of)s unanswered cases rest on a post whose people cannot be reached", n=n, of=row["cases"]),
        ),
        ("refused", lambda n: _("%(n)s rest on somebody who declined or could not be told", n=n)),
        ("stuck", lambda n: _("%(n)s did not climb when their window ended", n=n)),
    )


async def promise_5(connection: Tx, now: datetime, pace: float = 1.0) -> Finding:
    """Every notification ends; one that failed has led to somebody else."""
    row = await _row(
        connection, queries.NOTIFICATIONS, now - NOTIFICATION_GRACE * pace, now - NOTIFICATION_OLD * pace, now - GRACE * pace, LINES_MAX
    )
    return _finding(
        5,
        row,
        ("stuck", lambda n: _("%(n)s of %(of)s notifications under way are stuck", n=n, of=row["under_way"])),
        ("lost", lambda n: _("%(n)s were asked for and never begun", n=n)),
        ("unfollowed", lambda n: _("%(n)s of %(of)s failed ones led to nobody else", n=n, of=row["failed"])),
    )


async def promise_6(connection: Tx, _now: datetime, _pace: float = 1.0) -> Finding:
    """No event is parked, and the events of each case were heard in their order."""
    parked = await connection.fetch(queries.PARKED)
    row = await _row(connection, queries.ORDER, LINES_MAX)
    return _finding(
        6,
        row,
        ("disordered", lambda n: _("%(n)s of the last %(of)s ledger lines stand out of order", n=n, of=row["lines"])),
        more=[
            (line["events"], _("%(n)s events of %(keys)s cases are parked for “%(group)s”, %(dead)s of them for good",
                               n=line["events"], keys=line["keys"], group=line["grp"], dead=line["dead"]))
            for line in parked
        ],
    )  # fmt: skip


PROMISES: dict[int, tuple[Callable[[], str], Check]] = {
    1: (lambda: _("Every report is exactly one case"), promise_1),
    2: (lambda: _("Every open case has one owner and a deadline"), promise_2),
    3: (lambda: _("Every deadline fires once and in time"), promise_3),
    4: (lambda: _("No case waits for somebody who cannot answer"), promise_4),
    5: (lambda: _("Every notification ends or leads on"), promise_5),
    6: (lambda: _("Events are handled, in order"), promise_6),
}


async def _row(connection: Tx, query: str, *parameters: Any) -> asyncpg.Record:
    row = await connection.fetchrow(query, *parameters)
    assert row is not None, "a query of counts has one row"
    return row


def _finding(promise: int, row: Any, *counted: tuple[str, Callable[[int], str]], more: Sequence[tuple[int, str]] = ()) -> Finding:
    name, _check = PROMISES[promise]
    lines = [(row[column], text(row[column])) for column, text in counted] + list(more)
    figure = sum(count for count, _text in lines)
    return Finding(promise, name(), figure, ok=figure == 0, detail=tuple(text for _count, text in lines if text))
