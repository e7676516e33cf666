"""The notifier sees which API clients have a key, never its hash: who has none is told nothing any more."""

from alembic import op

revision = "directory_0005"
down_revision = "directory_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("GRANT SELECT (client_id, expires_at, revoked_at) ON directory.api_keys TO tocsin_notifier")
