"""The append-only ledger, and the times of cases derived from it."""

from alembic import op

from libs.db.migrations import grant_room, role

revision = "audit_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE audit.ledger (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            event_id uuid NOT NULL,
            event_type text NOT NULL,
            at timestamptz NOT NULL,
            received_at timestamptz NOT NULL,
            key uuid NOT NULL,
            correlation_id uuid NOT NULL,
            causation_id uuid,
            case_id uuid,
            report_id uuid,
            grade text,
            division_code text,
            tier text,
            post_id uuid,
            officer_id uuid,
            payload jsonb NOT NULL,
            leaf bytea NOT NULL
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX ledger_event ON audit.ledger (event_id)")
    op.execute("CREATE INDEX ledger_order ON audit.ledger (xid, seq)")
    op.execute("CREATE INDEX ledger_case ON audit.ledger (case_id, at, seq) WHERE case_id IS NOT NULL")
    op.execute("CREATE INDEX ledger_report ON audit.ledger (report_id) WHERE report_id IS NOT NULL")
    op.execute("CREATE INDEX ledger_type ON audit.ledger (event_type, seq)")
    op.execute(
        """
        CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit ledger is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.ledger
        FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()
        """
    )
    times = ", ".join(
        f"{name} timestamptz"
        for name in (
            "routed_at",
            "submitted_at",
            "delivered_at",
            "acknowledged_at",
            "on_site_attempted_at",
            "child_sighted_at",
            "first_written_up_at",
            "assessment_at",
            "case_conference_at",
            "police_linked_at",
            "reporter_informed_at",
            "closed_at",
            "dispatch_due_at",
            "acknowledge_due_at",
            "on_site_due_at",
            "first_written_up_due_at",
            "assessment_due_at",
            "case_conference_due_at",
            "police_linked_due_at",
            "reporter_informed_due_at",
            "close_due_at",
        )
    )
    op.execute(
        f"""
        CREATE TABLE audit.case_times (
            case_id uuid PRIMARY KEY,
            received_at timestamptz,
            division_code text,
            grade text,
            tier text,
            acknowledged_tier text,
            policy_id text,
            policy_version integer,
            supervised_at timestamptz,
            late_s_max double precision,
            missed text[] NOT NULL DEFAULT '{{}}',
            {times}
        ) WITH (fillfactor = 70)
        """
    )
    op.execute("CREATE INDEX case_times_received ON audit.case_times (received_at)")
    op.execute(
        """
        CREATE TABLE audit.case_rungs (
            case_id uuid NOT NULL,
            tier text NOT NULL,
            post_id uuid,
            told_at timestamptz,
            accountable_at timestamptz,
            due_at timestamptz,
            acknowledged_at timestamptz,
            declined_at timestamptz,
            missed_at timestamptz,
            PRIMARY KEY (case_id, tier)
        ) WITH (fillfactor = 70)
        """
    )
    grant_room(op, "audit")
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON audit.ledger FROM {role('audit')}")
