"""Why a webhook has ended: it answered 410, or its client has no key any more."""

from alembic import op

revision = "notifier_0010"
down_revision = "notifier_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notifier.webhooks ADD COLUMN gone_because varchar(16)")
