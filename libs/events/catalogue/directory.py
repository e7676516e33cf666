"""Events of the directory."""

from datetime import datetime
from uuid import UUID

from libs.events.envelope import EventData, event


@event("directory", "directory.changed")
class DirectoryChanged(EventData):
    """Divisions, posts, officers or holders changed; readers may drop what they remember. `by` is the account that did it."""

    version: int
    what: str
    division_code: str | None = None
    by: UUID | None = None


@event("directory", "contact.challenged")
class ContactChallenged(EventData):
    """A code is to go to a contact: whoever reads it has the phone. It follows from the id, for who has the keys, and stands nowhere."""

    officer_id: UUID
    contact_id: UUID
    verification_id: UUID
    expires_at: datetime
