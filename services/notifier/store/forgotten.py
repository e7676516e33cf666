"""Deleting what nothing reads any more. What proves that somebody was told (notifications, attempts, calls with their outcome) stays."""

from datetime import datetime

from libs.db import Tx

TIMEOUT_S = 10.0

# Replicas that forget at the same time pass over each other's rows.
_LINKS = """
DELETE FROM notifier.links WHERE token_hash IN (
    SELECT token_hash FROM notifier.links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_REPLIES = """
DELETE FROM notifier.replies WHERE provider_id IN (
    SELECT provider_id FROM notifier.replies WHERE received_at < $1 ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_CODES = """
DELETE FROM notifier.codes WHERE verification_id IN (
    SELECT verification_id FROM notifier.codes WHERE expires_at < $1 AND next_at IS NULL
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


async def forget(tx: Tx, before: datetime, limit: int) -> dict[str, int]:
    """Deletes links and codes that expired before then and replies that came before then, the oldest `limit` of each; how many."""
    done = {}
    for what, statement in (("links", _LINKS), ("replies", _REPLIES), ("codes", _CODES)):
        deleted: str = await tx.execute(statement, before, limit, timeout=TIMEOUT_S)
        done[what] = int(deleted.rpartition(" ")[2])
    return done
