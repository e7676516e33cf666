"""API clients that want to be told how their reports go on."""

from alembic import op

from libs.db.migrations import grant_room

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE intake.followers (client_id text PRIMARY KEY, webhook_id uuid NOT NULL)")
    grant_room(op, "intake")
