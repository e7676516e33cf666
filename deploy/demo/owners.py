"""Whose the virtual phones are, for the sandbox's page only."""

from collections.abc import Awaitable, Callable, Mapping

from deploy.sandbox import Owner
from libs.crypto import Sealer
from libs.db import Database
from libs.directory.read import contact_aad
from libs.i18n import current_locale
from libs.service import Context

PHONES_MAX = 5_000

_OWNERS = """
    SELECT contact_id, phone_sealed, officer.name, post.title_zh, post.title_en, division.name AS place
    FROM directory.contacts AS contact
    JOIN directory.officers AS officer USING (officer_id)
    LEFT JOIN LATERAL (
        SELECT post_id FROM directory.holdings WHERE holdings.officer_id = officer.officer_id AND state = 'current' LIMIT 1
    ) AS holding ON true
    LEFT JOIN directory.posts AS post USING (post_id)
    LEFT JOIN directory.divisions AS division ON division.code = post.division_code
    ORDER BY contact.priority DESC LIMIT $1
"""


def owners(context: Context) -> Callable[[], Awaitable[Mapping[str, Owner]]]:
    """A lookup of all known phones; it opens each seal once per directory version."""
    remembered: dict[str, tuple[int, dict[str, Owner]]] = {}
    sealer = Sealer(context.keyring)

    async def look_up() -> Mapping[str, Owner]:
        locale = current_locale()
        database = await Database.open(context.database_url, role="tocsin_directory", size_max=1)
        try:
            async with database.connection() as connection:
                version = await connection.fetchval("SELECT version FROM directory.version")
                known = remembered.get(locale)
                if known is not None and known[0] == version:
                    return known[1]
                rows = await connection.fetch(_OWNERS, PHONES_MAX)
        finally:
            await database.close()
        found = {
            sealer.open(row["phone_sealed"], contact_aad(row["contact_id"])).decode(): Owner(
                row["name"], f"{row['place'] or ''} {row['title_zh' if locale == 'zh_CN' else 'title_en'] or ''}".strip()
            )
            for row in rows
        }
        remembered[locale] = (version, found)
        return found

    return look_up
