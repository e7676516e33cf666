"""Posts, officers, their contacts, and who holds what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.db import Tx
from libs.directory.roles import PostRole
from libs.directory.sql import PREFIX_END, REACHABLE

TIMEOUT_S = 10.0
_OFFICER = "officer_id, name, language, active, division_code, quiet_from, quiet_to"


async def add_post(tx: Tx, *, post_id: UUID, division_code: str, role: PostRole, titles: tuple[str, str], position: int) -> bool:
    """False when there is such a post at that position already."""
    done = await tx.execute(
        """
        INSERT INTO directory.posts (post_id, division_code, role, tier, title_zh, title_en, position)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        post_id, division_code, role.code, role.tier, titles[0], titles[1], position,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


@dataclass(frozen=True, slots=True)
class PostPlace:
    """A post and the name of its place."""

    post_id: UUID
    division_code: str
    division_name: str
    role: str
    position: int


async def posts_under(tx: Tx, prefix: str, limit: int) -> list[PostPlace]:
    """The posts at and under a division, by code and position."""
    rows = await tx.fetch(
        """
        SELECT p.post_id, p.division_code, d.name AS division_name, p.role, p.position
        FROM directory.posts p JOIN directory.divisions d ON d.code = p.division_code
        WHERE d.code ~>=~ $1 AND d.code ~<~ $2
        ORDER BY d.code, p.position, p.role LIMIT $3
        """,
        prefix, prefix + PREFIX_END, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return [PostPlace(**row) for row in rows]


async def last_position(tx: Tx, division_code: str) -> int:
    """The highest position of a post at a division; 0 when it has none."""
    found: int | None = await tx.fetchval(
        "SELECT max(position) FROM directory.posts WHERE division_code = $1", division_code, timeout=TIMEOUT_S
    )
    return found or 0


async def post_place(tx: Tx, post_id: UUID) -> str | None:
    """The division of a post, which stays as it is until the transaction ends; None when there is no such post."""
    found: str | None = await tx.fetchval(
        "SELECT division_code FROM directory.posts WHERE post_id = $1 FOR UPDATE", post_id, timeout=TIMEOUT_S
    )
    return found


async def change_post(tx: Tx, post_id: UUID, title_zh: str, title_en: str) -> bool:
    """False when these are its titles already."""
    done = await tx.execute(
        "UPDATE directory.posts SET title_zh = $2, title_en = $3 WHERE post_id = $1 AND (title_zh, title_en) IS DISTINCT FROM ($2, $3)",
        post_id, title_zh, title_en,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def place_of_post(tx: Tx, post_id: UUID) -> str | None:
    """The division of a post; None when there is no such post."""
    found: str | None = await tx.fetchval("SELECT division_code FROM directory.posts WHERE post_id = $1", post_id, timeout=TIMEOUT_S)
    return found


async def add_officer(tx: Tx, *, officer_id: UUID, name: str, language: str, division_code: str, now: datetime) -> None:
    """A new officer, active; one of that id is left as it is."""
    await tx.execute(
        """
        INSERT INTO directory.officers (officer_id, name, language, active, division_code, created_at)
        VALUES ($1, $2, $3, true, $4, $5) ON CONFLICT DO NOTHING
        """,
        officer_id, name, language, division_code, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def officer(tx: Tx, officer_id: UUID) -> "asyncpg.Record | None":
    """An officer's row, kept from changing until the transaction ends; None when there is none."""
    return await tx.fetchrow(
        f"SELECT {_OFFICER} FROM directory.officers WHERE officer_id = $1 FOR UPDATE",
        officer_id,
        timeout=TIMEOUT_S,
    )


async def change_officer(tx: Tx, officer_id: UUID, name: str, language: str, active: bool) -> None:
    await tx.execute(
        "UPDATE directory.officers SET name = $2, language = $3, active = $4 WHERE officer_id = $1",
        officer_id, name, language, active,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def set_quiet(tx: Tx, officer_id: UUID, quiet_from: str | None, quiet_to: str | None) -> bool:
    """False when these are the officer's quiet hours already."""
    done = await tx.execute(
        """
        UPDATE directory.officers SET quiet_from = $2, quiet_to = $3
        WHERE officer_id = $1 AND (quiet_from, quiet_to) IS DISTINCT FROM ($2, $3)
        """,
        officer_id, quiet_from, quiet_to,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def officers(tx: Tx, prefix: str, after: UUID | None, limit: int) -> list[Any]:
    """Officers who work at or under a division, by id, behind `after`."""
    return await tx.fetch(
        f"""
        SELECT {_OFFICER} FROM directory.officers
        WHERE division_code ~>=~ $1 AND division_code ~<~ $2 AND ($3::uuid IS NULL OR officer_id > $3)
        ORDER BY officer_id LIMIT $4
        """,
        prefix, prefix + PREFIX_END, after, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def officers_at(tx: Tx, codes: Sequence[str], limit: int) -> list[Any]:
    """Officers who work at one of the divisions, the lowest division first."""
    return await tx.fetch(
        f"""
        SELECT {_OFFICER} FROM directory.officers
        WHERE division_code = ANY($1::text[])
        ORDER BY length(division_code) DESC, active DESC, created_at, officer_id LIMIT $2
        """,
        list(codes), limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def reached_at(tx: Tx, codes: Sequence[str]) -> dict[str, bool]:
    """For each of the divisions that has posts, whether somebody on one of them can be reached."""
    rows = await tx.fetch(
        f"""
        SELECT p.division_code, bool_or(EXISTS (
            SELECT 1 FROM directory.holdings h JOIN directory.officers o USING (officer_id)
            WHERE h.post_id = p.post_id AND h.state = 'current' AND {REACHABLE}
        )) AS reached
        FROM directory.posts p WHERE p.division_code = ANY($1::text[]) GROUP BY p.division_code
        """,
        list(codes),
        timeout=TIMEOUT_S,
    )
    return {row["division_code"]: row["reached"] for row in rows}


async def officers_by_id(tx: Tx, officer_ids: Sequence[UUID]) -> list[Any]:
    return await tx.fetch(
        f"SELECT {_OFFICER} FROM directory.officers WHERE officer_id = ANY($1::uuid[])",
        list(officer_ids),
        timeout=TIMEOUT_S,
    )


async def contacts_of(tx: Tx, officer_ids: Sequence[UUID]) -> list[Any]:
    """All contacts of several officers, disabled ones too."""
    return await tx.fetch(
        """
        SELECT contact_id, officer_id, channel, phone_sealed, priority, enabled, verified_at, stopped_at FROM directory.contacts
        WHERE officer_id = ANY($1::uuid[]) ORDER BY officer_id, priority, contact_id
        """,
        list(officer_ids),
        timeout=TIMEOUT_S,
    )


async def holdings_of(tx: Tx, officer_ids: Sequence[UUID]) -> list[Any]:
    """What several officers hold or will hold."""
    return await tx.fetch(
        """
        SELECT h.officer_id, h.post_id, h.rank, h.state, h.valid_from, h.valid_to, p.division_code, p.role, p.title_zh, p.title_en
        FROM directory.holdings h JOIN directory.posts p USING (post_id)
        WHERE h.officer_id = ANY($1::uuid[]) AND h.state <> 'ended'
        ORDER BY h.officer_id, p.division_code, p.position
        """,
        list(officer_ids),
        timeout=TIMEOUT_S,
    )


async def next_priority(tx: Tx, officer_id: UUID) -> int:
    """The place of a further contact: behind all others."""
    found: int = await tx.fetchval(
        "SELECT coalesce(max(priority), 0) + 1 FROM directory.contacts WHERE officer_id = $1", officer_id, timeout=TIMEOUT_S
    )
    return found


async def add_contact(
    tx: Tx,
    *,
    contact_id: UUID,
    officer_id: UUID,
    channel: str,
    sealed: bytes,
    index: bytes,
    priority: int,
    verified_at: datetime | None,
) -> UUID:
    """The contact's id: another one when the officer has that number on that channel already; it is enabled again then."""
    kept: UUID = await tx.fetchval(
        """
        INSERT INTO directory.contacts (contact_id, officer_id, channel, phone_sealed, phone_index, priority, enabled, verified_at)
        VALUES ($1, $2, $3, $4, $5, $6, true, $7)
        ON CONFLICT (officer_id, channel, phone_index) DO UPDATE SET enabled = true, stopped_at = NULL
        RETURNING contact_id
        """,
        contact_id, officer_id, channel, sealed, index, priority, verified_at,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return kept


async def enable_contact(tx: Tx, officer_id: UUID, contact_id: UUID, enabled: bool) -> bool:
    """False when the officer has no such contact."""
    done = await tx.execute(
        "UPDATE directory.contacts SET enabled = $3, stopped_at = NULL WHERE officer_id = $1 AND contact_id = $2",
        officer_id, contact_id, enabled,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def stop_contact(tx: Tx, officer_id: UUID, contact_id: UUID, stopped_at: datetime | None) -> bool:
    """STOP since then, or (None) no more; False when that changes nothing, or the contact is not one for SMS."""
    done = await tx.execute(
        """
        UPDATE directory.contacts SET enabled = $3::timestamptz IS NULL, stopped_at = $3::timestamptz
        WHERE officer_id = $1 AND contact_id = $2 AND channel = 'sms'
          AND CASE WHEN $3::timestamptz IS NULL THEN stopped_at IS NOT NULL ELSE enabled END
        """,
        officer_id, contact_id, stopped_at,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def add_holding(
    tx: Tx,
    *,
    holding_id: UUID,
    post_id: UUID,
    officer_id: UUID,
    rank: str,
    state: str,
    valid_from: datetime,
    valid_to: datetime | None,
) -> None:
    await tx.execute(
        """
        INSERT INTO directory.holdings (holding_id, post_id, officer_id, rank, state, valid_from, valid_to)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        holding_id, post_id, officer_id, rank, state, valid_from, valid_to,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def make_room(tx: Tx, post_id: UUID, officer_id: UUID, rank: str, now: datetime) -> list[Any]:
    """Ends what an officer's coming onto a post ends: their other rank there and, for a primary, the primary so far.

    Answers what has ended: officer_id, rank, and until when it would have been held (valid_to).
    """
    return await tx.fetch(
        """
        WITH held AS (
            SELECT holding_id, officer_id, rank, valid_to FROM directory.holdings
            WHERE post_id = $1 AND state = 'current' AND (officer_id = $2 OR ($3 = 'primary' AND rank = 'primary')) FOR UPDATE
        ), ended AS (
            UPDATE directory.holdings h SET state = 'ended', valid_to = greatest($4, h.valid_from) FROM held
            WHERE h.holding_id = held.holding_id
        )
        SELECT officer_id, rank, valid_to FROM held
        """,
        post_id, officer_id, rank, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def shift_planned(tx: Tx, post_id: UUID, planned_for: datetime, start: datetime | None) -> None:
    """What was planned to begin on a post at `planned_for` begins at `start`; None: it does not come to it."""
    await tx.execute(
        """
        UPDATE directory.holdings SET
            state = CASE WHEN $3::timestamptz IS NULL OR valid_to <= $3 THEN 'ended' ELSE state END,
            valid_from = coalesce($3, valid_from),
            valid_to = CASE WHEN $3::timestamptz IS NULL THEN valid_from WHEN valid_to < $3 THEN $3 ELSE valid_to END
        WHERE post_id = $1 AND state = 'planned' AND valid_from = $2
        """,
        post_id, planned_for, start,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def held_until(tx: Tx, post_id: UUID, officer_id: UUID) -> datetime | None:
    """Until when the officer holds the post now; None: until further notice, or not at all."""
    found: datetime | None = await tx.fetchval(
        "SELECT valid_to FROM directory.holdings WHERE post_id = $1 AND officer_id = $2 AND state = 'current'",
        post_id, officer_id,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return found


async def end_holding(tx: Tx, post_id: UUID, officer_id: UUID, now: datetime) -> int:
    """Ends what an officer holds or would come to hold on a post; answers how many holdings that were."""
    done = await tx.execute(
        """
        UPDATE directory.holdings SET state = 'ended', valid_to = greatest($3, valid_from)
        WHERE post_id = $1 AND officer_id = $2 AND state <> 'ended'
        """,
        post_id, officer_id, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return int(done.rpartition(" ")[2])


async def due_holdings(tx: Tx, now: datetime, limit: int) -> list[Any]:
    """Holdings whose beginning or end has come, the earliest first."""
    return await tx.fetch(
        """
        SELECT holding_id, post_id, officer_id, rank, state, valid_from, valid_to FROM directory.holdings
        WHERE (state = 'planned' AND valid_from <= $1) OR (state = 'current' AND valid_to <= $1)
        ORDER BY CASE state WHEN 'planned' THEN valid_from ELSE valid_to END, state, holding_id
        LIMIT $2
        """,
        now, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def set_holding_state(tx: Tx, holding_id: UUID, state: str) -> None:
    await tx.execute("UPDATE directory.holdings SET state = $2 WHERE holding_id = $1", holding_id, state, timeout=TIMEOUT_S)


async def next_roster_change(tx: Tx) -> datetime | None:
    """When the next holding or turn of duty begins or ends."""
    found: datetime | None = await tx.fetchval(
        """
        SELECT least(
            (SELECT min(valid_from) FROM directory.holdings WHERE state = 'planned'),
            (SELECT min(valid_to) FROM directory.holdings WHERE state = 'current' AND valid_to IS NOT NULL),
            (SELECT min(duty_next) FROM directory.posts WHERE duty_next IS NOT NULL)
        )
        """,
        timeout=TIMEOUT_S,
    )
    return found
