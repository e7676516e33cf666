"""Notifications, their attempts, what phones are waited for, and what they said."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE notifier.notifications (
    notification_id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    code varchar(6) NOT NULL,
    grade varchar(3) NOT NULL,
    division_code varchar(24) NOT NULL,
    tier varchar(16),
    post_id uuid NOT NULL,
    officer_id uuid NOT NULL,
    purpose varchar(16) NOT NULL,
    step varchar(24),
    deadline_at timestamptz,
    priority smallint NOT NULL,
    requested_at timestamptz NOT NULL,
    cause_id uuid NOT NULL,
    correlation_id uuid NOT NULL,
    traceparent text NOT NULL,
    state varchar(12) NOT NULL,
    next_at timestamptz,
    current_attempt uuid,
    tries smallint NOT NULL,
    duplicates smallint NOT NULL,
    contact_since timestamptz,
    tried uuid[] NOT NULL,
    possible_duplicate boolean NOT NULL,
    reason text,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX notifications_case ON notifier.notifications (case_id, requested_at);
CREATE INDEX notifications_due ON notifier.notifications (priority, next_at) WHERE state = 'queued';

CREATE TABLE notifier.attempts (
    attempt_id uuid PRIMARY KEY,
    notification_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    gateway varchar(16) NOT NULL,
    channel varchar(8) NOT NULL,
    template_id varchar(64) NOT NULL,
    body text NOT NULL,
    state varchar(12) NOT NULL,
    possible_duplicate boolean NOT NULL,
    provider_id varchar(64),
    error_code integer,
    started_at timestamptz NOT NULL,
    submitted_at timestamptz,
    ended_at timestamptz,
    check_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX attempts_notification ON notifier.attempts (notification_id, started_at);
CREATE INDEX attempts_check ON notifier.attempts (check_at) WHERE check_at IS NOT NULL;
CREATE UNIQUE INDEX attempts_provider ON notifier.attempts (gateway, provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE notifier.waiting (
    officer_id uuid NOT NULL,
    case_id uuid NOT NULL,
    code varchar(6) NOT NULL,
    notification_id uuid NOT NULL,
    since timestamptz NOT NULL,
    answered_at timestamptz,
    PRIMARY KEY (officer_id, case_id)
);
CREATE INDEX waiting_case ON notifier.waiting (case_id);

CREATE TABLE notifier.replies (
    provider_id varchar(64) PRIMARY KEY,
    gateway varchar(16) NOT NULL,
    meaning varchar(16) NOT NULL,
    officer_id uuid,
    case_id uuid,
    answer text NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX replies_received ON notifier.replies (received_at);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "notifier")
