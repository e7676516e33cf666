"""Divisions: importing and listing them, and who can be reached from each."""

from collections.abc import Sequence
from typing import Any

from libs.db import Tx
from libs.directory.roles import PostRole
from libs.directory.sql import PREFIX_END, REACHABLE

BULK_TIMEOUT_S = 600.0
TIMEOUT_S = 10.0


async def begin_import(connection: Tx) -> None:
    """A place, in this session only, for the rows of a register until all of them are known to be right."""
    await connection.execute(
        "CREATE TEMP TABLE incoming (code text, name text, level text, parent_code text, zone text, pinyin text, initials text)",
        timeout=TIMEOUT_S,
    )


async def end_import(connection: Tx) -> None:
    await connection.execute("DROP TABLE IF EXISTS incoming", timeout=TIMEOUT_S)


async def stage(connection: Tx, rows: Sequence[tuple[str | None, ...]]) -> None:
    await connection.copy_records_to_table(
        "incoming", records=rows, columns=("code", "name", "level", "parent_code", "zone", "pinyin", "initials"), timeout=BULK_TIMEOUT_S
    )


async def all_staged(connection: Tx, rows_max: int) -> list[tuple[str, str]]:
    """The staged rows as ranges of codes (both ends belong to them), each of at most `rows_max`, parents before children."""
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = '600s'", timeout=TIMEOUT_S)
        await connection.execute("CREATE INDEX ON incoming (code)", timeout=BULK_TIMEOUT_S)
        await connection.execute("ANALYZE incoming", timeout=BULK_TIMEOUT_S)
        rows = await connection.fetch(
            """
            SELECT min(code) AS first, max(code) AS last
            FROM (SELECT code, (row_number() OVER (ORDER BY code) - 1) / $1 AS part FROM incoming) AS numbered GROUP BY part ORDER BY 1
            """,
            rows_max,
            timeout=BULK_TIMEOUT_S,
        )
    return [(row["first"], row["last"]) for row in rows]


async def unknown_codes(tx: Tx, codes: Sequence[str]) -> list[str]:
    """Which of `codes` are not registered."""
    rows = await tx.fetch(
        "SELECT code FROM unnest($1::text[]) AS code WHERE NOT EXISTS (SELECT 1 FROM directory.divisions d WHERE d.code = code.code)",
        list(codes),
        timeout=BULK_TIMEOUT_S,
    )
    return [row["code"] for row in rows]


async def take_over(tx: Tx, first: str, last: str) -> tuple[int, int]:
    """Puts the staged rows from `first` to `last` into the register; answers how many are new and how many changed."""
    changed = await tx.execute(
        """
        UPDATE directory.divisions d
        SET name = i.name, level = i.level, parent_code = i.parent_code, pinyin = i.pinyin, initials = i.initials
        FROM incoming i
        WHERE i.code = d.code AND i.code BETWEEN $1 AND $2
          AND (i.name, i.level, i.parent_code, i.pinyin, i.initials) IS DISTINCT FROM (d.name, d.level, d.parent_code, d.pinyin, d.initials)
        """,
        first,
        last,
        timeout=BULK_TIMEOUT_S,
    )
    new = await tx.execute(
        """
        INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials)
        SELECT code, name, level, parent_code, zone, pinyin, initials FROM incoming
        WHERE code BETWEEN $1 AND $2 ORDER BY code ON CONFLICT (code) DO NOTHING
        """,
        first,
        last,
        timeout=BULK_TIMEOUT_S,
    )
    return _count(new), _count(changed)


async def add_standard_posts(tx: Tx, level: str, role: PostRole, position: int, staged: tuple[str, str]) -> int:
    """The post `role` at every division of `level` in the range `staged` that has none at that position yet; answers how many."""
    done = await tx.execute(
        """
        INSERT INTO directory.posts (post_id, division_code, role, tier, title_zh, title_en, position)
        SELECT md5('tocsin-post:' || code || ':' || $2::text || ':' || $6::integer::text)::uuid, code, $2, $3, $4, $5, $6::integer
        FROM incoming WHERE level = $1 AND code BETWEEN $7 AND $8
        ON CONFLICT DO NOTHING
        """,
        level, role.code, role.tier, role.zh, role.en, position, *staged,
        timeout=BULK_TIMEOUT_S,
    )  # fmt: skip
    return _count(done)


async def add_division(tx: Tx, row: Sequence[str | None]) -> bool:
    """A place: code, name, level, parent, zone, pinyin, initials. False when there is one of that code."""
    done = await tx.execute(
        """
        INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING
        """,
        *row,
        timeout=TIMEOUT_S,
    )
    return _count(done) == 1


async def rename_division(tx: Tx, code: str, name: str, pinyin: str, initials: str) -> None:
    await tx.execute(
        "UPDATE directory.divisions SET name = $2, pinyin = $3, initials = $4 WHERE code = $1",
        code, name, pinyin, initials,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def children(tx: Tx, parent: str | None, after: str, limit: int) -> list[Any]:
    """Divisions directly under `parent` (None: the provinces), by code, behind `after`."""
    where = "parent_code = $1" if parent else "parent_code IS NULL AND $1::text IS NULL"
    return await tx.fetch(
        f"SELECT code, name, level, parent_code, zone FROM directory.divisions WHERE {where} AND code > $2 ORDER BY code LIMIT $3",
        parent, after, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def count_children(tx: Tx, codes: Sequence[str]) -> dict[str, int]:
    """How many divisions lie directly under each of `codes`."""
    rows = await tx.fetch(
        "SELECT parent_code, count(*) AS number FROM directory.divisions WHERE parent_code = ANY($1::text[]) GROUP BY parent_code",
        list(codes),
        timeout=TIMEOUT_S,
    )
    return {row["parent_code"]: row["number"] for row in rows}


async def names(tx: Tx, codes: Sequence[str]) -> dict[str, str]:
    """The names of divisions by code."""
    rows = await tx.fetch("SELECT code, name FROM directory.divisions WHERE code = ANY($1::text[])", list(codes), timeout=TIMEOUT_S)
    return {row["code"]: row["name"] for row in rows}


async def top_of(tx: Tx, scope: str) -> list[Any]:
    """The highest divisions that somebody with rights in `scope` sees: that division, or the provinces; else what is registered highest."""
    return await tx.fetch(
        """
        SELECT code, name, level, parent_code, zone FROM directory.divisions
        WHERE starts_with(code, $1)
          AND length(code) = (SELECT min(length(code)) FROM directory.divisions WHERE code ~>=~ $1 AND code ~<~ $2)
        ORDER BY code LIMIT 200
        """,
        scope, scope + PREFIX_END,
        timeout=TIMEOUT_S,
    )  # fmt: skip


_REACHED = f"""
SELECT 1 FROM directory.holdings h JOIN directory.officers o USING (officer_id)
WHERE h.post_id = p.post_id AND h.state = 'current' AND {REACHABLE}
"""


async def dead_ends(tx: Tx, ladder: Sequence[str]) -> list[Any]:
    """Places from the district down from which no holder of a ladder post can be reached, here or higher."""
    return await tx.fetch(
        f"""
        WITH reached AS MATERIALIZED (
            SELECT DISTINCT division_code FROM directory.posts p WHERE role = ANY($1::text[]) AND EXISTS ({_REACHED})
        )
        SELECT d.code, d.name FROM directory.divisions d
        WHERE d.level IN ('district', 'street', 'community', 'grid')
          AND d.code NOT IN (SELECT division_code FROM reached)
          AND left(d.code, 2) NOT IN (SELECT division_code FROM reached)
          AND left(d.code, 4) NOT IN (SELECT division_code FROM reached)
          AND left(d.code, 6) NOT IN (SELECT division_code FROM reached)
          AND left(d.code, 9) NOT IN (SELECT division_code FROM reached)
          AND left(d.code, 12) NOT IN (SELECT division_code FROM reached)
        ORDER BY d.code
        """,
        list(ladder),
        timeout=BULK_TIMEOUT_S,
    )


async def gaps(tx: Tx) -> list[Any]:
    """Posts that nobody holds, or that nobody who holds them can be told anything."""
    return await tx.fetch(
        f"""
        SELECT p.division_code, d.name, p.role, p.title_zh, p.title_en,
               EXISTS (SELECT 1 FROM directory.holdings h WHERE h.post_id = p.post_id AND h.state = 'current') AS held
        FROM directory.posts p JOIN directory.divisions d ON d.code = p.division_code
        WHERE NOT EXISTS ({_REACHED})
        ORDER BY p.division_code, p.position, p.role
        """,
        timeout=BULK_TIMEOUT_S,
    )


async def department_gaps(tx: Tx, roles: Sequence[str], departments: Sequence[str]) -> list[Any]:
    """Of each department (`departments` names that of each of `roles`): in how many of the districts with any post it has nobody."""
    return await tx.fetch(
        f"""
        WITH kind AS (SELECT * FROM unnest($1::text[], $2::text[]) AS t (role, department)),
        district AS (SELECT DISTINCT left(division_code, 6) AS code FROM directory.posts WHERE length(division_code) >= 6),
        there AS MATERIALIZED (
            SELECT DISTINCT kind.department, left(p.division_code, 6) AS code FROM directory.posts p JOIN kind USING (role)
            WHERE EXISTS ({_REACHED})
        )
        SELECT named.department, count(*) AS districts, count(*) FILTER (WHERE NOT EXISTS (
                   SELECT 1 FROM there WHERE there.department = named.department AND there.code IN (district.code, left(district.code, 4))
               )) AS without
        FROM (SELECT DISTINCT department FROM kind) AS named CROSS JOIN district
        GROUP BY named.department ORDER BY named.department
        """,
        list(roles),
        list(departments),
        timeout=BULK_TIMEOUT_S,
    )


async def coverage_counts(tx: Tx, dispatch_role: str) -> Any:
    return await tx.fetchrow(
        f"""
        SELECT (SELECT version FROM directory.version) AS version,
               (SELECT count(*) FROM directory.divisions WHERE level IN ('district', 'street', 'community', 'grid')) AS places,
               (SELECT count(*) FROM directory.posts) AS posts,
               EXISTS (SELECT 1 FROM directory.posts p WHERE p.role = $1 AND EXISTS ({_REACHED})) AS desk
        """,
        dispatch_role,
        timeout=BULK_TIMEOUT_S,
    )


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
