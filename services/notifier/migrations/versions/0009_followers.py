"""The index of bundles' members holds only those that have yet to follow: it stays small however many there ever were."""

from alembic import op

revision = "notifier_0009"
down_revision = "notifier_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX notifications_followers ON notifier.notifications (carrier) "
        "WHERE carrier IS NOT NULL AND state IN ('sending', 'submitted')"
    )
    op.execute("DROP INDEX notifier.notifications_carrier")
