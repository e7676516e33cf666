"""Why an attempt failed, where the provider's codes are texts."""

from alembic import op

revision = "notifier_0004"
down_revision = "notifier_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notifier.attempts ADD COLUMN provider_code text")
