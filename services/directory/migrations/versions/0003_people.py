"""Contacts from which an officer has sent STOP, and the hours in which officers are not woken by what can wait."""

from alembic import op

revision = "directory_0003"
down_revision = "directory_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE directory.contacts ADD COLUMN stopped_at timestamptz")
    op.execute("ALTER TABLE directory.officers ADD COLUMN quiet_from text, ADD COLUMN quiet_to text")
