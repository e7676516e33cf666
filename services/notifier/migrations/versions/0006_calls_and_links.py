"""Calls, on which channel a message was asked for, and links that acknowledge."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0006"
down_revision = "notifier_0005"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE notifier.notifications ADD COLUMN channel varchar(8) NOT NULL DEFAULT 'sms';
CREATE TABLE notifier.calls (
    attempt_id uuid PRIMARY KEY,
    officer_id uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    outcome varchar(16),
    ended_at timestamptz
);
CREATE INDEX calls_open ON notifier.calls (officer_id, begun_at) WHERE ended_at IS NULL;
CREATE TABLE notifier.links (
    token_hash bytea PRIMARY KEY,
    attempt_id uuid NOT NULL,
    language varchar(8) NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "notifier")
