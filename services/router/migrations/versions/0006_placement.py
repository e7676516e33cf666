"""Placements, which running cases have none of yet; and what past reports said by codes, which is known of those from now on."""

from alembic import op

revision = "router_0006"
down_revision = "router_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE router.cases ADD COLUMN placement jsonb NOT NULL DEFAULT '{}'")
    op.execute('ALTER TABLE router.case_reports ADD COLUMN division_code varchar(15) COLLATE "C", ADD COLUMN facts jsonb')


def downgrade() -> None:
    op.execute("ALTER TABLE router.case_reports DROP COLUMN facts, DROP COLUMN division_code")
    op.execute("ALTER TABLE router.cases DROP COLUMN placement")
