"""Turns, bundles, and what went to which number: what a storm is weathered by."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0007"
down_revision = "notifier_0006"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE notifier.notifications ADD COLUMN turn_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN carrier uuid, ADD COLUMN tasks smallint NOT NULL DEFAULT 0;
UPDATE notifier.notifications
SET turn_at = requested_at + CASE priority WHEN 0 THEN interval '-2 days' WHEN 1 THEN interval '-1 day' WHEN 2 THEN interval '0'
                                           WHEN 3 THEN interval '1 minute' ELSE interval '2 minutes' END
WHERE state = 'queued';
CREATE INDEX notifications_turn ON notifier.notifications (turn_at, next_at) WHERE state = 'queued';
CREATE INDEX notifications_officer ON notifier.notifications (officer_id) WHERE state = 'queued';
CREATE INDEX notifications_carrier ON notifier.notifications (carrier) WHERE carrier IS NOT NULL;
DROP INDEX notifier.notifications_due;
ALTER TABLE notifier.attempts ADD COLUMN number bytea;
CREATE INDEX attempts_number ON notifier.attempts (number, started_at) WHERE number IS NOT NULL;
CREATE TABLE notifier.spent (
    contact_id uuid NOT NULL,
    gateway varchar(16) NOT NULL,
    officer_id uuid NOT NULL,
    post_id uuid NOT NULL,
    division_code varchar(24) NOT NULL,
    budget integer NOT NULL,
    held integer NOT NULL,
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, gateway)
);
CREATE INDEX spent_seen ON notifier.spent (seen_at);
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "notifier")
