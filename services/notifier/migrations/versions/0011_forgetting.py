"""Links and codes of long ago are found by an index, to be deleted."""

from alembic import op

revision = "notifier_0011"
down_revision = "notifier_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX links_old ON notifier.links (expires_at)")
    op.execute("CREATE INDEX codes_old ON notifier.codes (expires_at)")
