"""Numbers that cannot be relied on, and the SMS that tell their officers' supervisors."""

from alembic import op

from libs.db.migrations import grant_room

revision = "notifier_0012"
down_revision = "notifier_0011"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE notifier.troubles (
    contact_id uuid NOT NULL,
    what varchar(16) NOT NULL,
    officer_id uuid NOT NULL,
    post_id uuid,
    division_code varchar(24) NOT NULL,
    found_at timestamptz NOT NULL,
    state varchar(12) NOT NULL,
    supervisor_id uuid,
    passed uuid[] NOT NULL DEFAULT '{}',
    told_at timestamptz,
    PRIMARY KEY (contact_id, what)
);
CREATE INDEX troubles_new ON notifier.troubles (found_at) WHERE state = 'new';
CREATE INDEX troubles_placed ON notifier.troubles (supervisor_id, what) WHERE state = 'placed';
CREATE INDEX troubles_found ON notifier.troubles (found_at);
CREATE TABLE notifier.pages (
    supervisor_id uuid NOT NULL,
    what varchar(16) NOT NULL,
    next_at timestamptz,
    tries smallint NOT NULL,
    sent_at timestamptz,
    PRIMARY KEY (supervisor_id, what)
);
CREATE INDEX pages_due ON notifier.pages (next_at) WHERE next_at IS NOT NULL;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "notifier")
