"""Which gateways have refused a message since its last pause."""

from alembic import op

revision = "notifier_0002"
down_revision = "notifier_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notifier.notifications ADD COLUMN refused text[] NOT NULL DEFAULT '{}'")
