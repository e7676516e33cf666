"""Cases, their reports, deadlines and assignments."""

from alembic import op

from libs.db.migrations import grant_room

revision = "router_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE router.cases (
            case_id uuid PRIMARY KEY,
            code varchar(6) NOT NULL,
            grade varchar(3) NOT NULL,
            grade_reason varchar(300) NOT NULL,
            floor varchar(3),
            mandatory boolean NOT NULL,
            division_code varchar(15) COLLATE "C" NOT NULL,
            zone varchar(40) NOT NULL,
            policy_id varchar(40) NOT NULL,
            policy_version integer NOT NULL,
            t0 timestamptz NOT NULL,
            opened_at timestamptz NOT NULL,
            status varchar(24) NOT NULL,
            tier varchar(24),
            owner_post_id uuid,
            owner_division_code varchar(15),
            owner_officer_id uuid,
            off_ladder boolean NOT NULL,
            acknowledged_at timestamptz,
            supervise_round smallint NOT NULL,
            supervise_left smallint NOT NULL,
            reporter_reachable boolean NOT NULL,
            steps_done jsonb NOT NULL,
            child_sighted boolean NOT NULL,
            result varchar(24),
            closed_at timestamptz,
            next_step varchar(24),
            next_due_at timestamptz,
            overdue_since timestamptz,
            wakes_at timestamptz,
            changed_at timestamptz NOT NULL
        ) WITH (fillfactor = 80)
        """
    )
    op.execute("CREATE INDEX cases_wakes ON router.cases (wakes_at) WHERE wakes_at IS NOT NULL")
    op.execute("CREATE INDEX cases_changed ON router.cases (changed_at)")
    op.execute("CREATE INDEX cases_open ON router.cases (division_code) WHERE status <> 'closed'")
    op.execute(
        """
        CREATE TABLE router.case_reports (
            report_id uuid PRIMARY KEY,
            case_id uuid NOT NULL,
            attached_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX case_reports_case ON router.case_reports (case_id)")
    op.execute(
        """
        CREATE TABLE router.deadlines (
            case_id uuid NOT NULL,
            deadline_id uuid NOT NULL,
            kind varchar(24) NOT NULL,
            step varchar(24) NOT NULL,
            tier varchar(24),
            started_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,
            policy varchar(60) NOT NULL,
            reminders jsonb NOT NULL,
            state varchar(24) NOT NULL,
            fired_at timestamptz,
            done_at timestamptz,
            provisional boolean NOT NULL,
            PRIMARY KEY (case_id, deadline_id)
        ) WITH (fillfactor = 80)
        """
    )
    op.execute(
        """
        CREATE TABLE router.assignments (
            case_id uuid NOT NULL,
            post_id uuid NOT NULL,
            officer_id uuid NOT NULL,
            tier varchar(24) NOT NULL,
            division_code varchar(15) NOT NULL,
            told_at timestamptz NOT NULL,
            supervising boolean NOT NULL,
            answer varchar(24) NOT NULL,
            answered_at timestamptz,
            PRIMARY KEY (case_id, post_id, officer_id)
        ) WITH (fillfactor = 80)
        """
    )
    op.execute("CREATE INDEX assignments_officer ON router.assignments (officer_id, case_id)")
    grant_room(op, "router")


def downgrade() -> None:
    for table in ("assignments", "deadlines", "case_reports", "cases"):
        op.execute(f"DROP TABLE router.{table}")
