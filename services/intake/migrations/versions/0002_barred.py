"""Who must not read the reports of a case, because of a conflict of interest."""

from alembic import op

from libs.db.migrations import grant_room

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE intake.barred (case_id uuid NOT NULL, officer_id uuid NOT NULL, PRIMARY KEY (case_id, officer_id))")
    grant_room(op, "intake")


def downgrade() -> None:
    op.execute("DROP TABLE intake.barred")
