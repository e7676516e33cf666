"""Finding the attempts that receipts are about which only know the provider's own ids."""

from collections.abc import Sequence
from uuid import UUID

from libs.db import Tx

TIMEOUT_S = 5.0

_KNOWN_AS = "SELECT provider_id, attempt_id FROM notifier.attempts WHERE gateway = $1 AND provider_id = ANY ($2::text[])"


async def attempts_known_as(tx: Tx, gateway: str, provider_ids: Sequence[str]) -> dict[str, UUID]:
    """The attempts by the ids that the provider gave them; those that nobody knows are missing."""
    if not provider_ids:
        return {}
    rows = await tx.fetch(_KNOWN_AS, gateway, list(provider_ids), timeout=TIMEOUT_S)
    return {row["provider_id"]: row["attempt_id"] for row in rows}
