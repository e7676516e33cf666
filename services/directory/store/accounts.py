"""Accounts, sessions, wrong passwords; API clients and their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in, as far as logging in needs it."""

    account_id: UUID
    username: str
    password_hash: str
    role: str
    active: bool


async def account(tx: Tx, username: str) -> Account | None:
    row = await tx.fetchrow(
        "SELECT account_id, username, password_hash, role, active FROM directory.accounts WHERE username = $1",
        username,
        timeout=TIMEOUT_S,
    )
    return Account(**row) if row else None


async def add_account(
    tx: Tx,
    *,
    account_id: UUID,
    username: str,
    password_hash: str,
    role: str,
    officer_id: UUID | None,
    division_code: str,
    language: str,
    now: datetime,
) -> bool:
    """False when the username is taken."""
    done = await tx.execute(
        """
        INSERT INTO directory.accounts
            (account_id, username, password_hash, role, officer_id, division_code, language, active, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, true, $8) ON CONFLICT DO NOTHING
        """,
        account_id, username, password_hash, role, officer_id, division_code, language, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def set_password(tx: Tx, account_id: UUID, password_hash: str) -> None:
    await tx.execute("UPDATE directory.accounts SET password_hash = $2 WHERE account_id = $1", account_id, password_hash, timeout=TIMEOUT_S)


async def end_sessions_of(tx: Tx, account_id: UUID) -> None:
    """Logs an account out everywhere."""
    await tx.execute("DELETE FROM directory.sessions WHERE account_id = $1", account_id, timeout=TIMEOUT_S)


async def add_session(tx: Tx, token_hash: bytes, account_id: UUID, now: datetime, expires_at: datetime) -> None:
    await tx.execute(
        "INSERT INTO directory.sessions (token_hash, account_id, created_at, expires_at, last_seen) VALUES ($1, $2, $3, $4, $3)",
        token_hash, account_id, now, expires_at,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def end_session(tx: Tx, token_hash: bytes) -> None:
    await tx.execute("DELETE FROM directory.sessions WHERE token_hash = $1", token_hash, timeout=TIMEOUT_S)


async def clean(tx: Tx, now: datetime, forgotten_before: datetime, limit: int) -> int:
    """Removes sessions that are over and wrong passwords of long ago, at most `limit` of each."""
    done = await tx.execute(
        """
        WITH over AS (SELECT token_hash FROM directory.sessions WHERE expires_at <= $1 LIMIT $3),
             sessions AS (DELETE FROM directory.sessions WHERE token_hash IN (SELECT token_hash FROM over)),
             old AS (SELECT username_hash FROM directory.login_failures WHERE last_at < $2 LIMIT $3)
        DELETE FROM directory.login_failures WHERE username_hash IN (SELECT username_hash FROM old)
        """,
        now, forgotten_before, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return int(done.rpartition(" ")[2])


async def hold_failures(tx: Tx, username_hash: bytes, now: datetime) -> Any:
    """How often a name failed and until when it is locked; the row is this transaction's until it ends, so that guesses queue up."""
    await tx.execute(
        "INSERT INTO directory.login_failures (username_hash, failures, last_at) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
        username_hash, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return await tx.fetchrow(
        "SELECT failures, last_at, locked_until FROM directory.login_failures WHERE username_hash = $1 FOR UPDATE",
        username_hash,
        timeout=TIMEOUT_S,
    )


async def set_failures(tx: Tx, username_hash: bytes, failures: int, now: datetime, locked_until: datetime | None) -> None:
    await tx.execute(
        "UPDATE directory.login_failures SET failures = $2, last_at = $3, locked_until = $4 WHERE username_hash = $1",
        username_hash, failures, now, locked_until,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def forget_failures(tx: Tx, username_hash: bytes) -> None:
    await tx.execute("DELETE FROM directory.login_failures WHERE username_hash = $1", username_hash, timeout=TIMEOUT_S)


async def add_client(tx: Tx, *, client_id: str, name: str, scopes: Sequence[str], channel: str | None, now: datetime) -> bool:
    """False when there is a client of that id already."""
    done = await tx.execute(
        """
        INSERT INTO directory.api_clients (client_id, name, scopes, channel, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        client_id, name, list(scopes), channel, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.endswith(" 1")


async def hold_client(tx: Tx, client_id: str) -> bool:
    """Whether there is such a client; its keys change in this transaction only, until it ends."""
    return bool(await tx.fetchval("SELECT true FROM directory.api_clients WHERE client_id = $1 FOR UPDATE", client_id, timeout=TIMEOUT_S))


async def add_key(tx: Tx, *, key_id: str, client_id: str, key_hash: bytes, now: datetime, expires_at: datetime | None) -> None:
    """A key; one of that id is replaced (the demo's key is made again with the same id)."""
    await tx.execute(
        """
        INSERT INTO directory.api_keys (key_id, client_id, key_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key_id) DO UPDATE SET key_hash = EXCLUDED.key_hash, expires_at = EXCLUDED.expires_at, revoked_at = NULL
        """,
        key_id, client_id, key_hash, now, expires_at,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def live_keys(tx: Tx, client_id: str, now: datetime) -> list[str]:
    """The ids of a client's keys that work, the oldest first."""
    rows = await tx.fetch(
        """
        SELECT key_id FROM directory.api_keys
        WHERE client_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at, key_id
        """,
        client_id, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return [row["key_id"] for row in rows]


async def revoke_keys(tx: Tx, key_ids: Sequence[str], now: datetime) -> int:
    done = await tx.execute(
        "UPDATE directory.api_keys SET revoked_at = $2 WHERE key_id = ANY($1::text[]) AND revoked_at IS NULL",
        list(key_ids), now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return int(done.rpartition(" ")[2])


async def client_of_key(tx: Tx, key_id: str) -> str | None:
    """Whose key it is; None when it was never made."""
    found: str | None = await tx.fetchval("SELECT client_id FROM directory.api_keys WHERE key_id = $1", key_id, timeout=TIMEOUT_S)
    return found


async def clients(tx: Tx, limit: int) -> list[Any]:
    """API clients with their keys, none of which can be seen again."""
    return await tx.fetch(
        """
        SELECT c.client_id, c.name, c.scopes, c.channel, k.key_id, k.created_at, k.expires_at, k.revoked_at
        FROM directory.api_clients c LEFT JOIN directory.api_keys k USING (client_id)
        ORDER BY c.client_id, k.created_at LIMIT $1
        """,
        limit,
        timeout=TIMEOUT_S,
    )
