"""Divisions, posts, people and duty; accounts and API clients; the version and the record of changes."""

from alembic import op

from libs.db.migrations import ROLES, grant_room

revision = "directory_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE directory.divisions (
    code text PRIMARY KEY,
    name text NOT NULL,
    level text NOT NULL,
    parent_code text,
    zone text NOT NULL,
    pinyin text NOT NULL,
    initials text NOT NULL,
    CONSTRAINT divisions_level CHECK (level IN ('province', 'city', 'district', 'street', 'community', 'grid'))
);
CREATE INDEX divisions_parent ON directory.divisions (parent_code, code);
CREATE INDEX divisions_code_prefix ON directory.divisions (code text_pattern_ops);
CREATE INDEX divisions_name_prefix ON directory.divisions (name text_pattern_ops);
CREATE INDEX divisions_pinyin_prefix ON directory.divisions (pinyin text_pattern_ops);
CREATE INDEX divisions_initials_prefix ON directory.divisions (initials text_pattern_ops);

CREATE TABLE directory.posts (
    post_id uuid PRIMARY KEY,
    division_code text NOT NULL CONSTRAINT posts_division REFERENCES directory.divisions (code),
    role text NOT NULL,
    tier text NOT NULL,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    position integer NOT NULL,
    CONSTRAINT posts_place_role_position UNIQUE (division_code, role, position)
);
CREATE INDEX posts_role ON directory.posts (role, division_code);

CREATE TABLE directory.officers (
    officer_id uuid PRIMARY KEY,
    name text NOT NULL,
    language text NOT NULL,
    active boolean NOT NULL,
    division_code text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX officers_division ON directory.officers (division_code text_pattern_ops);

CREATE TABLE directory.contacts (
    contact_id uuid PRIMARY KEY,
    officer_id uuid NOT NULL CONSTRAINT contacts_officer REFERENCES directory.officers (officer_id),
    channel text NOT NULL,
    phone_sealed bytea NOT NULL,
    phone_index bytea NOT NULL,
    priority integer NOT NULL,
    enabled boolean NOT NULL,
    verified_at timestamptz,
    CONSTRAINT contacts_channel CHECK (channel IN ('sms', 'voice')),
    CONSTRAINT contacts_officer_channel_phone UNIQUE (officer_id, channel, phone_index)
);
CREATE INDEX contacts_phone ON directory.contacts (phone_index);

CREATE TABLE directory.holdings (
    holding_id uuid PRIMARY KEY,
    post_id uuid NOT NULL CONSTRAINT holdings_post REFERENCES directory.posts (post_id),
    officer_id uuid NOT NULL CONSTRAINT holdings_officer_fk REFERENCES directory.officers (officer_id),
    rank text NOT NULL,
    state text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    CONSTRAINT holdings_rank CHECK (rank IN ('primary', 'deputy')),
    CONSTRAINT holdings_state CHECK (state IN ('planned', 'current', 'ended')),
    CONSTRAINT holdings_period CHECK (valid_to IS NULL OR valid_to >= valid_from)
);
CREATE UNIQUE INDEX holdings_post_primary ON directory.holdings (post_id) WHERE state = 'current' AND rank = 'primary';
CREATE UNIQUE INDEX holdings_post_officer ON directory.holdings (post_id, officer_id) WHERE state = 'current';
CREATE INDEX holdings_officer ON directory.holdings (officer_id) WHERE state = 'current';
CREATE INDEX holdings_starting ON directory.holdings (valid_from) WHERE state = 'planned';
CREATE INDEX holdings_ending ON directory.holdings (valid_to) WHERE state = 'current' AND valid_to IS NOT NULL;

CREATE TABLE directory.accounts (
    account_id uuid PRIMARY KEY,
    username text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    officer_id uuid CONSTRAINT accounts_officer REFERENCES directory.officers (officer_id),
    division_code text NOT NULL,
    language text NOT NULL,
    active boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT accounts_role CHECK (role IN ('operator', 'officer', 'supervisor', 'auditor', 'admin')),
    CONSTRAINT accounts_username UNIQUE (username)
);

CREATE TABLE directory.login_failures (
    username_hash bytea PRIMARY KEY,
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    locked_until timestamptz
);
CREATE INDEX login_failures_last ON directory.login_failures (last_at);

CREATE TABLE directory.sessions (
    token_hash bytea PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT sessions_account_fk REFERENCES directory.accounts (account_id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_seen timestamptz NOT NULL
);
CREATE INDEX sessions_account ON directory.sessions (account_id);
CREATE INDEX sessions_expiry ON directory.sessions (expires_at);

CREATE TABLE directory.api_clients (
    client_id text PRIMARY KEY,
    name text NOT NULL,
    scopes text[] NOT NULL,
    channel text,
    created_at timestamptz NOT NULL
);

CREATE TABLE directory.api_keys (
    key_id text PRIMARY KEY,
    client_id text NOT NULL CONSTRAINT api_keys_client_fk REFERENCES directory.api_clients (client_id),
    key_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_client ON directory.api_keys (client_id);

CREATE TABLE directory.version (
    singleton boolean PRIMARY KEY,
    version bigint NOT NULL,
    CONSTRAINT version_single CHECK (singleton)
);
INSERT INTO directory.version (singleton, version) VALUES (true, 1);

CREATE TABLE directory.changes (
    change_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    account_id uuid,
    actor text NOT NULL,
    what text NOT NULL,
    division_code text,
    subject_id text,
    details jsonb NOT NULL
);
CREATE INDEX changes_at ON directory.changes (at);
CREATE INDEX changes_subject ON directory.changes (subject_id, at);
"""

READERS = [role for role in ROLES if role != "tocsin_directory"]


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    grant_room(op, "directory")
    op.execute("REVOKE UPDATE, DELETE ON directory.changes FROM tocsin_directory")
    for role in READERS:
        op.execute(f"GRANT USAGE ON SCHEMA directory TO {role}")
        op.execute(
            f"GRANT SELECT ON directory.divisions, directory.posts, directory.officers, directory.holdings, directory.version TO {role}"
        )
        # Whether somebody can be reached is everybody's business; the number itself is the notifier's alone.
        op.execute(f"GRANT SELECT (contact_id, officer_id, channel, priority, enabled) ON directory.contacts TO {role}")
    op.execute("GRANT SELECT ON directory.contacts TO tocsin_notifier")
