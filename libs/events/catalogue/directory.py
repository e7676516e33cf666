"""Events of the directory."""

from uuid import UUID

from libs.events.envelope import EventData, event


@event("directory", "directory.changed")
class DirectoryChanged(EventData):
    """Divisions, posts, officers or holders changed; readers may drop what they remember. `by` is the account that did it."""

    version: int
    what: str
    division_code: str | None = None
    by: UUID | None = None
