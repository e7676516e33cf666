"""The log, the cursors, the inbox and the parked events."""

from alembic import op

from libs.db.migrations import ROLES

revision = "bus_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE bus.outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            shard smallint NOT NULL,
            key uuid NOT NULL,
            event_id uuid NOT NULL,
            event_type text NOT NULL,
            envelope text NOT NULL,
            created_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX outbox_read ON bus.outbox (shard, xid, id)")
    op.execute("CREATE INDEX outbox_created ON bus.outbox (created_at)")
    op.execute(
        """
        CREATE TABLE bus.cursors (
            grp varchar(64) NOT NULL,
            shard smallint NOT NULL,
            xid xid8 NOT NULL,
            position bigint NOT NULL,
            PRIMARY KEY (grp, shard)
        ) WITH (fillfactor = 50)
        """
    )
    op.execute(
        """
        CREATE TABLE bus.inbox (
            grp varchar(64) NOT NULL,
            event_id uuid NOT NULL,
            handled_at timestamptz NOT NULL,
            PRIMARY KEY (grp, event_id)
        )
        """
    )
    op.execute("CREATE INDEX inbox_handled ON bus.inbox (handled_at)")
    op.execute(
        """
        CREATE TABLE bus.parked (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            grp varchar(64) NOT NULL,
            key uuid NOT NULL,
            event_id uuid NOT NULL,
            event_type text NOT NULL,
            envelope text NOT NULL,
            attempts integer NOT NULL,
            state varchar(8) NOT NULL,
            error text NOT NULL,
            parked_at timestamptz NOT NULL,
            next_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX parked_key ON bus.parked (grp, key, seq)")
    op.execute("CREATE UNIQUE INDEX parked_event ON bus.parked (grp, event_id)")
    for role in ROLES:
        op.execute(f"GRANT USAGE ON SCHEMA bus TO {role}")
        op.execute(f"GRANT SELECT, INSERT ON bus.outbox TO {role}")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON bus.cursors, bus.inbox, bus.parked TO {role}")
