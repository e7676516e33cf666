"""How often a case was handed about: transfers, refusals and returns."""

from alembic import op

revision = "audit_0002"
down_revision = "audit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE audit.case_times ADD COLUMN moves integer NOT NULL DEFAULT 0")
    op.execute("CREATE INDEX case_times_moved ON audit.case_times (received_at) WHERE moves > 0")


def downgrade() -> None:
    op.execute("ALTER TABLE audit.case_times DROP COLUMN moves")
