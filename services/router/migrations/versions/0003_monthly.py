"""Places that were told that their monthly report is due."""

from alembic import op

from libs.db.migrations import grant_room

revision = "router_0003"
down_revision = "router_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE router.monthly_reports (
            division_code varchar(15) COLLATE "C" NOT NULL,
            month date NOT NULL,
            day date NOT NULL,
            receiver varchar(40) NOT NULL,
            policy varchar(60) NOT NULL,
            told_at timestamptz NOT NULL,
            PRIMARY KEY (division_code, month)
        )
        """
    )
    grant_room(op, "router")


def downgrade() -> None:
    op.execute("DROP TABLE router.monthly_reports")
