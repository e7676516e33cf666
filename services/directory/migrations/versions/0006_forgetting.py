"""Verifications of long ago are found by an index, to be deleted."""

from alembic import op

revision = "directory_0006"
down_revision = "directory_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX verifications_old ON directory.verifications (requested_at)")
