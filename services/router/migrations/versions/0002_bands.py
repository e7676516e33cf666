"""Grades that a place has names of its own for: what the case's policy calls its grade, and the lowest that it may be given."""

from alembic import op

revision = "router_0002"
down_revision = "router_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE router.cases ADD COLUMN band varchar(16), ADD COLUMN floor_band varchar(16)")


def downgrade() -> None:
    op.execute("ALTER TABLE router.cases DROP COLUMN band, DROP COLUMN floor_band")
