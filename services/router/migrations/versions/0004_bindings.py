"""Policies that administrators add and bind, and the moves of running cases from one to another. Cases stay as they are."""

from alembic import op

from libs.db.migrations import grant_room

revision = "router_0004"
down_revision = "router_0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE router.policies (
    policy_id varchar(40) NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    source text NOT NULL,
    added_at timestamptz NOT NULL,
    added_by uuid,
    added_by_name varchar(200) NOT NULL,
    PRIMARY KEY (policy_id, version)
);

CREATE TABLE router.bindings (
    binding_id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    division_code varchar(15) COLLATE "C" NOT NULL,
    policy_id varchar(40) NOT NULL,
    policy_version integer NOT NULL,
    since date NOT NULL,
    until date,
    reason varchar(300) NOT NULL,
    instead_of varchar(60) NOT NULL,
    reports integer NOT NULL,
    changed integer NOT NULL,
    made_at timestamptz NOT NULL,
    made_by uuid,
    made_by_name varchar(200) NOT NULL,
    withdrawn_at timestamptz,
    withdrawn_by uuid,
    withdrawn_by_name varchar(200),
    withdrawn_reason varchar(300)
);
CREATE UNIQUE INDEX bindings_number ON router.bindings (number);

CREATE TABLE router.policy_moves (
    move_id uuid PRIMARY KEY,
    division_code varchar(15) COLLATE "C" NOT NULL,
    from_policy_id varchar(40) NOT NULL,
    from_version integer NOT NULL,
    to_policy_id varchar(40) NOT NULL,
    to_version integer NOT NULL,
    reason varchar(300) NOT NULL,
    made_at timestamptz NOT NULL,
    made_by uuid,
    made_by_name varchar(200) NOT NULL,
    state varchar(24) NOT NULL,
    total integer NOT NULL,
    moved integer NOT NULL,
    failed integer NOT NULL,
    after_division varchar(15) COLLATE "C" NOT NULL,
    after_case_id uuid NOT NULL,
    finished_at timestamptz
);
CREATE INDEX policy_moves_running ON router.policy_moves (made_at) WHERE state = 'running';

CREATE TABLE router.policy_version (
    singleton boolean PRIMARY KEY,
    version bigint NOT NULL,
    CONSTRAINT policy_version_single CHECK (singleton)
);
INSERT INTO router.policy_version (singleton, version) VALUES (true, 0);
"""
# Whatever was decided under a version can be read again as it was: neither the service nor its role changes or removes one.
NEVER_CHANGED = """
CREATE FUNCTION router.never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a policy version is never changed or removed: add a higher one'; END $$;
CREATE TRIGGER policies_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON router.policies
    FOR EACH STATEMENT EXECUTE FUNCTION router.never_changed();
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    function, trigger = NEVER_CHANGED.split("$$;\n")
    op.execute(f"{function}$$")
    op.execute(trigger)
    grant_room(op, "router")


def downgrade() -> None:
    for table in ("policy_version", "policy_moves", "bindings", "policies"):
        op.execute(f"DROP TABLE router.{table}")
    op.execute("DROP FUNCTION router.never_changed()")
