"""Rosters, overrides and leave; the order in which the holders of a post are asked now."""

from alembic import op

from libs.db.migrations import ROLES, grant_room

revision = "directory_0002"
down_revision = "directory_0001"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE directory.posts ADD COLUMN duty_next timestamptz, ADD COLUMN unstaffed_at timestamptz;
CREATE INDEX posts_duty_next ON directory.posts (duty_next) WHERE duty_next IS NOT NULL;
ALTER TABLE directory.holdings ADD COLUMN duty integer NOT NULL DEFAULT 0, ADD COLUMN on_duty boolean NOT NULL DEFAULT true;

CREATE TABLE directory.rosters (
    post_id uuid PRIMARY KEY CONSTRAINT rosters_post REFERENCES directory.posts (post_id),
    shifts jsonb NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE directory.duty_overrides (
    override_id uuid PRIMARY KEY,
    post_id uuid NOT NULL CONSTRAINT duty_overrides_post_fk REFERENCES directory.posts (post_id),
    officer_id uuid NOT NULL CONSTRAINT duty_overrides_officer REFERENCES directory.officers (officer_id),
    given_by uuid CONSTRAINT duty_overrides_giver REFERENCES directory.officers (officer_id),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT duty_overrides_period CHECK (ends_at >= starts_at)
);
CREATE INDEX duty_overrides_post ON directory.duty_overrides (post_id, ends_at);

CREATE TABLE directory.leaves (
    leave_id uuid PRIMARY KEY,
    officer_id uuid NOT NULL CONSTRAINT leaves_officer_fk REFERENCES directory.officers (officer_id),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT leaves_period CHECK (ends_at >= starts_at)
);
CREATE INDEX leaves_officer ON directory.leaves (officer_id, ends_at);
"""

READERS = [role for role in ROLES if role != "tocsin_directory"]


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "directory")
    op.execute("REVOKE UPDATE, DELETE ON directory.changes FROM tocsin_directory")
    for role in READERS:
        # Ids and times only: simulations of another time ask who would be on duty then.
        op.execute(f"GRANT SELECT ON directory.rosters, directory.duty_overrides, directory.leaves TO {role}")
