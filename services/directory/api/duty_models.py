"""What the duty routes say and hear."""

from datetime import date, datetime, time
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.directory.duty import DAY_KINDS, WEEKDAYS, Reason, Shift
from services.directory.handlers.rosters import FILE_CHARS_MAX, Format
from services.directory.rules.shifts import NAME_MAX, SHIFTS_MAX, SLOTS_MAX, TURN_DAYS_MAX

Day = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU", "WORKDAY", "DAYOFF", "HOLIDAY"]
assert set(Day.__args__) == {*WEEKDAYS, *DAY_KINDS}  # type: ignore[attr-defined]


class Body(BaseModel):
    """What a request may say, and nothing else."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ShiftModel(Body):
    """A shift: clock times in the zone of the post's division; an end not after the start lies on the next day (equal: 24 hours).

    The first shift of a roster that has somebody at an instant counts. `turn_days` 0: all officers are on duty, the first is asked
    first; otherwise they take turns of so many days from `since` on, and null is a turn of nobody.
    """

    name: str = Field(min_length=1, max_length=NAME_MAX)
    officers: list[UUID | None] = Field(min_length=1, max_length=SLOTS_MAX)
    start: time = time()
    end: time = time()
    days: list[Day] = Field(default=[], description="Empty: every day. WORKDAY, DAYOFF and HOLIDAY by the statutory calendar.")
    since: date | None = None
    until: date | None = Field(default=None, description="The last day.")
    turn_days: int = Field(default=0, ge=0, le=TURN_DAYS_MAX)
    skip: list[date] = Field(default=[], max_length=400, description="Days on which it does not begin.")

    def shift(self) -> Shift:
        """As the rules know it."""
        return Shift(
            self.name,
            tuple(self.officers),
            self.start.replace(second=0, microsecond=0, tzinfo=None),
            self.end.replace(second=0, microsecond=0, tzinfo=None),
            frozenset(self.days),
            self.since,
            self.until,
            self.turn_days,
            frozenset(self.skip),
        )


class DutyModel(BaseModel):
    """An officer of the post. Who is not `on_duty` is asked last. `text` says the reason in the reader's language."""

    officer_id: UUID
    on_duty: bool
    reason: Reason
    shift: str
    instead_of: UUID | None
    text: str


class DutyOut(BaseModel):
    """Who is on duty at `at`, in the order to ask; `until`: when that changes, null for not within a week."""

    post_id: UUID
    at: datetime
    until: datetime | None
    items: list[DutyModel]


class PeriodOut(BaseModel):
    starts_at: datetime
    ends_at: datetime
    items: list[DutyModel]


class PeriodsOut(BaseModel):
    """Who is on duty over a time, without gaps."""

    post_id: UUID
    items: list[PeriodOut]


class OverrideOut(BaseModel):
    """Who is on duty for a span whatever the roster says; `given_by` is who handed over."""

    model_config = ConfigDict(from_attributes=True)

    override_id: UUID
    officer_id: UUID
    starts_at: datetime
    ends_at: datetime
    given_by: UUID | None


class LeaveOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    leave_id: UUID
    officer_id: UUID
    starts_at: datetime
    ends_at: datetime


class RosterOut(BaseModel):
    """A post's shifts, and the overrides and leaves that are not over. `version`: of the directory, to be sent back with a change."""

    post_id: UUID
    zone: str
    version: int
    shifts: list[ShiftModel]
    overrides: list[OverrideOut]
    leaves: list[LeaveOut]


class RosterIn(Body):
    """The shifts that a post shall have; none: no roster. With `version`, what others changed since is refused (409)."""

    shifts: list[ShiftModel] = Field(max_length=SHIFTS_MAX)
    version: int | None = Field(default=None, ge=0)


class OverrideIn(Body):
    officer_id: UUID
    starts_at: AwareDatetime | None = Field(default=None, description="Left out: now.")
    ends_at: AwareDatetime


class HandOverIn(Body):
    to_officer: UUID
    from_officer: UUID | None = Field(default=None, description="Left out: who is on duty first.")
    at: AwareDatetime | None = Field(default=None, description="Left out: now.")
    until: AwareDatetime | None = Field(default=None, description="Left out: until the giver's turn is over.")


class LeaveIn(Body):
    starts_at: AwareDatetime | None = Field(default=None, description="Left out: now.")
    ends_at: AwareDatetime


class ImportIn(Body):
    """A roster file. `post_id`: whose shifts those are that name no post, as in calendars that others made."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)

    format: Format
    content: str = Field(max_length=FILE_CHARS_MAX)
    post_id: UUID | None = None


class ImportOut(BaseModel):
    """How many posts the file names, and how many have another roster now."""

    posts: int
    changed: int


class Made(BaseModel):
    """The id of what was made."""

    id: UUID
