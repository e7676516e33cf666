"""How often each report was told of outlives what was told: a receiver that ignores lower numbers must not miss how it ended."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0013"
down_revision = "notifier_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE notifier.told_reports (report_id uuid PRIMARY KEY, sequence integer NOT NULL)")
    op.execute("INSERT INTO notifier.told_reports SELECT report_id, max(sequence) FROM notifier.deliveries GROUP BY report_id")
    grant_room(op, "notifier")
