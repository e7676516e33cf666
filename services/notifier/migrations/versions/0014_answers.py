"""Answers to replies that go out as SMS of their own, where the provider takes none back with its request."""

from alembic import op

revision = "notifier_0014"
down_revision = "notifier_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notifier.replies ADD COLUMN contact_id uuid")
    op.execute("ALTER TABLE notifier.replies ADD COLUMN said text")
    op.execute("ALTER TABLE notifier.replies ADD COLUMN tries smallint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE notifier.replies ADD COLUMN next_at timestamptz")
    op.execute("CREATE INDEX replies_to_answer ON notifier.replies (next_at) WHERE next_at IS NOT NULL")
