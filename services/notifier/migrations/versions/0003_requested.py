"""The latest messages are found by when they were requested."""

from alembic import op

revision = "notifier_0003"
down_revision = "notifier_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX notifications_requested ON notifier.notifications USING brin (requested_at)")
