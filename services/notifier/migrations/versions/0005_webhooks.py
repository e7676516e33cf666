"""Webhooks to schools and hospitals, what was told to them, and which notification another one repeats."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0005"
down_revision = "notifier_0004"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE notifier.notifications ADD COLUMN resend_of uuid, ADD COLUMN resent_by text;
CREATE UNIQUE INDEX notifications_resent ON notifier.notifications (resend_of) WHERE resend_of IS NOT NULL;
CREATE TABLE notifier.webhooks (
    webhook_id uuid PRIMARY KEY,
    client_id text NOT NULL UNIQUE,
    url text NOT NULL,
    secret_sealed bytea NOT NULL,
    previous_sealed bytea,
    previous_until timestamptz,
    created_at timestamptz NOT NULL,
    gone_at timestamptz,
    failing_since timestamptz,
    last_taken_at timestamptz
);
CREATE TABLE notifier.deliveries (
    delivery_id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL,
    report_id uuid NOT NULL,
    sequence integer NOT NULL,
    what varchar(16) NOT NULL,
    stage varchar(16) NOT NULL,
    tier varchar(16),
    result varchar(32),
    changed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    state varchar(12) NOT NULL,
    tries smallint NOT NULL,
    next_at timestamptz,
    tried_at timestamptz,
    answer text
);
CREATE INDEX deliveries_due ON notifier.deliveries (webhook_id, next_at) WHERE state = 'pending';
CREATE INDEX deliveries_next ON notifier.deliveries (next_at) WHERE state = 'pending';
CREATE UNIQUE INDEX deliveries_report ON notifier.deliveries (report_id, sequence);
CREATE INDEX deliveries_webhook ON notifier.deliveries (webhook_id, state, delivery_id);
CREATE INDEX deliveries_old ON notifier.deliveries (created_at);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "notifier")
