"""Codes that are to be sent to officers' numbers."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0008"
down_revision = "notifier_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE notifier.codes (
            verification_id uuid PRIMARY KEY,
            officer_id uuid NOT NULL,
            contact_id uuid NOT NULL,
            expires_at timestamptz NOT NULL,
            state varchar(12) NOT NULL,
            gateway varchar(16),
            tries smallint NOT NULL,
            next_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX codes_due ON notifier.codes (next_at) WHERE next_at IS NOT NULL")
    grant_room(op, "notifier")
