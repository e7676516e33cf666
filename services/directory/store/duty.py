"""Rosters, overrides, leave, and the order in which holders are asked now."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.sql import PREFIX_END

TIMEOUT_S = 10.0


async def set_order(tx: Tx, rows: Sequence[tuple[UUID, UUID, int, bool]]) -> list[UUID]:
    """Writes (post, officer, order, on duty) where it is different now; answers the posts where it was."""
    posts, officers, orders, on_duty = zip(*rows, strict=True) if rows else ((), (), (), ())
    changed = await tx.fetch(
        """
        UPDATE directory.holdings h SET duty = n.duty, on_duty = n.on_duty
        FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bool[]) AS n (post_id, officer_id, duty, on_duty)
        WHERE h.post_id = n.post_id AND h.officer_id = n.officer_id AND h.state = 'current'
          AND (h.duty, h.on_duty) IS DISTINCT FROM (n.duty, n.on_duty)
        RETURNING h.post_id
        """,
        list(posts), list(officers), list(orders), list(on_duty),
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return sorted({row["post_id"] for row in changed})


async def set_outlook(tx: Tx, rows: Sequence[tuple[UUID, datetime | None, datetime | None]]) -> None:
    """When to look at each of the posts again (None: not because of duty), and when its roster first has nobody on duty."""
    posts, times, gaps = zip(*rows, strict=True) if rows else ((), (), ())
    await tx.execute(
        """
        UPDATE directory.posts p SET duty_next = n.duty_next, unstaffed_at = n.unstaffed_at
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS n (post_id, duty_next, unstaffed_at)
        WHERE p.post_id = n.post_id AND (p.duty_next, p.unstaffed_at) IS DISTINCT FROM (n.duty_next, n.unstaffed_at)
        """,
        list(posts), list(times), list(gaps),
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def due_posts(tx: Tx, now: datetime, limit: int) -> list[UUID]:
    """Posts at which duty may have changed, the longest due first."""
    rows = await tx.fetch(
        "SELECT post_id FROM directory.posts WHERE duty_next <= $1 ORDER BY duty_next, post_id LIMIT $2", now, limit, timeout=TIMEOUT_S
    )
    return [row["post_id"] for row in rows]


async def holders(tx: Tx, post_ids: Sequence[UUID]) -> list[Any]:
    """Who holds or will hold the posts, with their names."""
    return await tx.fetch(
        """
        SELECT DISTINCT h.post_id, h.officer_id, o.name
        FROM directory.holdings h JOIN directory.officers o USING (officer_id)
        WHERE h.post_id = ANY($1::uuid[]) AND h.state <> 'ended'
        ORDER BY h.post_id, h.officer_id
        """,
        list(post_ids),
        timeout=TIMEOUT_S,
    )


async def posts_held(tx: Tx, officer_id: UUID) -> list[UUID]:
    """The posts that an officer holds or will hold."""
    rows = await tx.fetch(
        "SELECT DISTINCT post_id FROM directory.holdings WHERE officer_id = $1 AND state <> 'ended' ORDER BY post_id",
        officer_id,
        timeout=TIMEOUT_S,
    )
    return [row["post_id"] for row in rows]


async def rosters_under(tx: Tx, prefix: str, post_id: UUID | None, limit: int) -> list[Any]:
    """Posts with a roster at and under a division (or only one of them), with what names them in a file."""
    return await tx.fetch(
        """
        SELECT p.post_id, p.division_code, p.role, p.position, p.title_zh, p.title_en, d.name, d.zone, r.shifts
        FROM directory.rosters r JOIN directory.posts p USING (post_id) JOIN directory.divisions d ON d.code = p.division_code
        WHERE d.code ~>=~ $1 AND d.code ~<~ $2 AND ($3::uuid IS NULL OR p.post_id = $3)
        ORDER BY p.division_code, p.position, p.role LIMIT $4
        """,
        prefix, prefix + PREFIX_END, post_id, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def posts_named(tx: Tx, keys: Sequence[tuple[str, str, int]]) -> list[Any]:
    """The posts of these places, roles and positions, with their zone and roster; locked until the transaction ends."""
    codes, roles, positions = zip(*keys, strict=True) if keys else ((), (), ())
    return await tx.fetch(
        """
        SELECT p.post_id, p.division_code, p.role, p.position, d.zone, r.shifts
        FROM unnest($1::text[], $2::text[], $3::int[]) AS k (division_code, role, position)
        JOIN directory.posts p USING (division_code, role, position)
        JOIN directory.divisions d ON d.code = p.division_code
        LEFT JOIN directory.rosters r ON r.post_id = p.post_id
        ORDER BY p.post_id FOR UPDATE OF p
        """,
        list(codes), list(roles), list(positions),
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def key_of(tx: Tx, post_id: UUID) -> Any:
    """What names a post in a file, and its zone."""
    return await tx.fetchrow(
        """
        SELECT p.division_code, p.role, p.position, d.zone
        FROM directory.posts p JOIN directory.divisions d ON d.code = p.division_code WHERE p.post_id = $1
        """,
        post_id,
        timeout=TIMEOUT_S,
    )


async def set_roster(tx: Tx, post_id: UUID, shifts: Sequence[dict[str, Any]], now: datetime) -> None:
    """The shifts of a post from now on; none: it has no roster any more."""
    if not shifts:
        await tx.execute("DELETE FROM directory.rosters WHERE post_id = $1", post_id, timeout=TIMEOUT_S)
        return
    await tx.execute(
        """
        INSERT INTO directory.rosters (post_id, shifts, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (post_id) DO UPDATE SET shifts = EXCLUDED.shifts, changed_at = EXCLUDED.changed_at
        """,
        post_id, list(shifts), now,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def add_override(
    tx: Tx,
    *,
    override_id: UUID,
    post_id: UUID,
    officer_id: UUID,
    given_by: UUID | None,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> None:
    await tx.execute(
        """
        INSERT INTO directory.duty_overrides (override_id, post_id, officer_id, given_by, starts_at, ends_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        override_id, post_id, officer_id, given_by, starts_at, ends_at, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def end_override(tx: Tx, post_id: UUID, override_id: UUID, now: datetime) -> UUID | None:
    """Ends an override that is not over; answers whose it was. None when there is none."""
    found: UUID | None = await tx.fetchval(
        """
        UPDATE directory.duty_overrides SET ends_at = greatest($3, starts_at)
        WHERE post_id = $1 AND override_id = $2 AND ends_at > $3 RETURNING officer_id
        """,
        post_id, override_id, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return found


async def add_leave(tx: Tx, *, leave_id: UUID, officer_id: UUID, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    await tx.execute(
        "INSERT INTO directory.leaves (leave_id, officer_id, starts_at, ends_at, created_at) VALUES ($1, $2, $3, $4, $5)",
        leave_id, officer_id, starts_at, ends_at, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def end_leave(tx: Tx, officer_id: UUID, leave_id: UUID, now: datetime) -> bool:
    """Ends a leave that is not over; False when there is none."""
    done = await tx.execute(
        """
        UPDATE directory.leaves SET ends_at = greatest($3, starts_at) WHERE officer_id = $1 AND leave_id = $2 AND ends_at > $3
        """,
        officer_id, leave_id, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def leaves(tx: Tx, officer_ids: Sequence[UUID], since: datetime) -> list[Any]:
    """The leaves of the officers that are not over."""
    return await tx.fetch(
        """
        SELECT leave_id, officer_id, starts_at, ends_at FROM directory.leaves
        WHERE officer_id = ANY($1::uuid[]) AND ends_at > $2 ORDER BY starts_at, leave_id
        """,
        list(officer_ids), since,
        timeout=TIMEOUT_S,
    )  # fmt: skip
