"""Department lanes, hand-over and conflicts of interest; running cases have none of them yet."""

from alembic import op

revision = "router_0005"
down_revision = "router_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE router.cases ADD COLUMN lanes jsonb NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE router.cases ADD COLUMN handover jsonb NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE router.cases ADD COLUMN conflicts jsonb NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE router.assignments ADD COLUMN beside varchar(24) NOT NULL DEFAULT ''")


def downgrade() -> None:
    op.execute("ALTER TABLE router.assignments DROP COLUMN beside")
    for column in ("lanes", "handover", "conflicts"):
        op.execute(f"ALTER TABLE router.cases DROP COLUMN {column}")
