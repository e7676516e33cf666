"""Codes that prove whose a number is."""

from alembic import op

from libs.db.migrations import grant_room

revision = "directory_0004"
down_revision = "directory_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE directory.verifications (
            verification_id uuid PRIMARY KEY,
            contact_id uuid NOT NULL CONSTRAINT verifications_contact REFERENCES directory.contacts (contact_id),
            requested_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            tries integer NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX verifications_latest ON directory.verifications (contact_id, requested_at)")
    grant_room(op, "directory")
    op.execute("REVOKE UPDATE, DELETE ON directory.changes FROM tocsin_directory")
