"""Reports, reporters, the fingerprints of children's documents, and what receipts tell."""

from alembic import op

from libs.db.migrations import grant_room

revision = "intake_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE intake.reports (
            report_id uuid PRIMARY KEY,
            received_at timestamptz NOT NULL,
            client_id text NOT NULL,
            channel text NOT NULL,
            division_code text NOT NULL,
            situations text[] NOT NULL,
            key_version smallint NOT NULL,
            idempotency_hash bytea NOT NULL,
            body_hash bytea NOT NULL,
            receipt_hash bytea NOT NULL,
            content_sealed bytea NOT NULL
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX reports_idempotency ON intake.reports (idempotency_hash)")
    op.execute("CREATE UNIQUE INDEX reports_receipt ON intake.reports (receipt_hash)")
    op.execute("CREATE INDEX reports_place ON intake.reports (division_code text_pattern_ops, report_id)")
    # Sealed bytes do not compress: trying would only cost time.
    op.execute("ALTER TABLE intake.reports ALTER COLUMN content_sealed SET STORAGE EXTERNAL")
    op.execute("CREATE TABLE intake.reporters (report_id uuid PRIMARY KEY, identity_sealed bytea NOT NULL)")
    op.execute("ALTER TABLE intake.reporters ALTER COLUMN identity_sealed SET STORAGE EXTERNAL")
    op.execute(
        "CREATE TABLE intake.child_index (fingerprint bytea NOT NULL, report_id uuid NOT NULL, PRIMARY KEY (fingerprint, report_id))"
    )
    op.execute("CREATE TABLE intake.report_cases (report_id uuid PRIMARY KEY, case_id uuid NOT NULL)")
    op.execute("CREATE INDEX report_cases_case ON intake.report_cases (case_id)")
    op.execute(
        """
        CREATE TABLE intake.progress (
            case_id uuid PRIMARY KEY,
            division_code text NOT NULL,
            tier varchar(16),
            stage varchar(16) NOT NULL,
            updated_at timestamptz NOT NULL,
            assigned_at timestamptz,
            escalated_at timestamptz,
            supervised_at timestamptz,
            acknowledged_at timestamptz,
            on_site_at timestamptz,
            child_sighted boolean NOT NULL,
            closed_at timestamptz,
            result varchar(32),
            reporter_informed boolean NOT NULL
        ) WITH (fillfactor = 70)
        """
    )
    grant_room(op, "intake")
