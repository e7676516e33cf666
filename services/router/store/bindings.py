"""Policy versions that administrators have added, and where they are bound. What was added is never changed; a binding ends, and stays."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.db import Tx
from services.router.rules.book import Bound
from services.router.rules.policy import Policy

TIMEOUT_S = 20.0
POLICIES_MAX = 2_000
BINDINGS_MAX = 20_000
"""The country has some 3,000 counties; each may have been bound anew several times."""


async def versions(tx: Tx) -> tuple[int, int]:
    """The versions of the rules and of the directory, in one question: each is bumped by every change, in the same transaction."""
    row = await tx.fetchrow(_VERSIONS, timeout=TIMEOUT_S)
    return (row[0], row[1]) if row else (0, 0)


async def lock(tx: Tx) -> None:
    """Lets everybody else who wants to make a change wait until this transaction is over."""
    await tx.execute("SELECT FROM router.policy_version WHERE singleton FOR UPDATE", timeout=TIMEOUT_S)


async def bump(tx: Tx) -> None:
    """Counts a change. The last thing that a transaction does: whoever reads the rules after it would take them for complete."""
    await tx.execute("UPDATE router.policy_version SET version = version + 1 WHERE singleton", timeout=TIMEOUT_S)


async def policies(tx: Tx, known: Iterable[str]) -> list[Policy]:
    """Every policy version that was added and is not among those known (`id@version`): one that is known has not changed."""
    rows = await tx.fetch(_POLICIES, list(known), POLICIES_MAX, timeout=TIMEOUT_S)
    return [Policy.model_validate(row["document"]) for row in rows]


async def bound(tx: Tx) -> list[Bound]:
    """Every binding that was made, also those that are over: what was in force when a late report came in is still known."""
    rows = await tx.fetch(_BOUND, BINDINGS_MAX, timeout=TIMEOUT_S)
    return [Bound(*row) for row in rows]


async def counts(tx: Tx) -> tuple[int, int]:
    """How many policy versions and how many bindings there are."""
    row = await tx.fetchrow("SELECT (SELECT count(*) FROM router.policies), (SELECT count(*) FROM router.bindings)", timeout=TIMEOUT_S)
    return (row[0], row[1]) if row else (0, 0)


async def add_policy(tx: Tx, policy: Policy, source: str, *, at: datetime, by: UUID | None, by_name: str) -> None:
    """Keeps a policy version, with the text that it was read from."""
    document = policy.model_dump(mode="json")
    await tx.execute(_ADD_POLICY, policy.id, policy.version, document, source, at, by, by_name, timeout=TIMEOUT_S)


async def source(tx: Tx, policy_id: str, policy_version: int) -> asyncpg.Record | None:
    """The text of an added version, when it was added, and by whom."""
    query = "SELECT source, added_at, added_by_name FROM router.policies WHERE policy_id = $1 AND version = $2"
    return await tx.fetchrow(query, policy_id, policy_version, timeout=TIMEOUT_S)


async def bind(tx: Tx, made: dict[str, Any]) -> None:
    """Keeps a binding; `made` has the columns of BINDING."""
    await tx.execute(_BIND, *(made[column] for column in BINDING), timeout=TIMEOUT_S)


async def withdraw(tx: Tx, binding_id: UUID, *, at: datetime, by: UUID | None, by_name: str, reason: str) -> None:
    """Ends a binding now."""
    await tx.execute(_WITHDRAW, binding_id, at, by, by_name, reason, timeout=TIMEOUT_S)


async def binding(tx: Tx, binding_id: UUID) -> asyncpg.Record | None:
    """A binding with its history."""
    return await tx.fetchrow("SELECT * FROM router.bindings WHERE binding_id = $1", binding_id, timeout=TIMEOUT_S)


async def history(tx: Tx, scope: str, *, before: int | None, limit: int) -> Sequence[asyncpg.Record]:
    """Bindings of places within `scope` and of those that `scope` lies in, the last made first, made before number `before`."""
    outer = [scope[:length] for length in range(len(scope) + 1)]
    return await tx.fetch(_HISTORY, scope, scope + ":", outer, before, limit, timeout=TIMEOUT_S)


BINDING = (
    "binding_id",
    "division_code",
    "policy_id",
    "policy_version",
    "since",
    "until",
    "reason",
    "instead_of",
    "reports",
    "changed",
    "made_at",
    "made_by",
    "made_by_name",
)
_BIND = f"INSERT INTO router.bindings ({', '.join(BINDING)}) VALUES ({', '.join(f'${one}' for one in range(1, len(BINDING) + 1))})"
_VERSIONS = "SELECT p.version, d.version FROM router.policy_version p, directory.version d WHERE p.singleton AND d.singleton"
_POLICIES = """
    SELECT document FROM router.policies WHERE NOT policy_id || '@' || version = ANY($1::text[]) ORDER BY policy_id, version LIMIT $2
"""
_BOUND = """
    SELECT binding_id, division_code, policy_id, policy_version, since, until, made_at, withdrawn_at, number
    FROM router.bindings ORDER BY number LIMIT $1
"""
_ADD_POLICY = """
    INSERT INTO router.policies (policy_id, version, document, source, added_at, added_by, added_by_name)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_WITHDRAW = """
    UPDATE router.bindings SET withdrawn_at = $2, withdrawn_by = $3, withdrawn_by_name = $4, withdrawn_reason = $5 WHERE binding_id = $1
"""
_HISTORY = """
    SELECT * FROM router.bindings
    WHERE ((division_code >= $1 AND division_code < $2) OR division_code = ANY($3::text[]))
      AND ($4::bigint IS NULL OR number < $4)
    ORDER BY number DESC LIMIT $5
"""
