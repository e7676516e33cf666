"""A case as a value: what is known about it, its deadlines, and who has been told.

What a case has many of are named tuples: they are made and copied at every step of every case, and cost a third of a frozen dataclass.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from libs.directory.model import Route
from libs.events.envelope import EventData
from libs.terms import CloseResult, Department, Grade, Step, Tier
from services.router.rules.calendar import WorkCalendar
from services.router.rules.conflicts import Conflict
from services.router.rules.handover_values import NO_HANDOVER, Handover
from services.router.rules.lane_values import Lane
from services.router.rules.placement_values import Placement
from services.router.rules.policy import Policy


class Status(StrEnum):
    """Where a case stands."""

    NEEDS_PLACING = "needs_placing"
    """A dispatch desk has it, because its place lies above the ladder."""
    OPEN = "open"
    """The accountable post was told and has not answered yet."""
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Kind(StrEnum):
    """What a deadline waits for."""

    ACKNOWLEDGE = "acknowledge"
    """The accountable rung's window."""
    STEP = "step"
    """A step's due time, from t0."""
    DEPUTY = "deputy"
    """The accountable officer's part of the window; then it is the next holder's turn."""
    CALL = "call"
    """A part of the window after which the accountable officer is called."""
    STALE = "stale"
    """The first step after acknowledging."""
    QUORUM = "quorum"
    """Further acknowledgements that the policy wants."""
    VISIT = "visit"
    """The next visit to the child of a closed case."""
    SUPERVISE = "supervise"
    """The next round of supervising."""
    REVIEW = "review"
    """An open case that has outlived all its deadlines is supervised again."""


class State(StrEnum):
    """What became of a deadline."""

    ARMED = "armed"
    MET = "met"
    FIRED = "fired"
    """It came due: what had to be done was missed, or a round of supervising took place."""
    CANCELLED = "cancelled"


class Answered(StrEnum):
    """What somebody who was told has answered."""

    TOLD = "told"
    ACKNOWLEDGED = "acknowledged"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    RECALLED = "recalled"
    CONFLICTED = "conflicted"
    """Has a conflict of interest: is told nothing more."""


OF_PEOPLE: Final = (Kind.ACKNOWLEDGE, Kind.STEP)
"""Deadlines that people have to keep; the other kinds only make something happen."""
_RULED_OUT: Final = (Answered.UNREACHABLE, Answered.CONFLICTED)
OWED_TO_REPORTERS: Final = (Step.REPORTER_PROCEDURE, Step.REPORTER_INFORMED)
"""Missing one of these steps is told and supervised, and takes the case from nobody."""
ROUNDS: Final = (Kind.SUPERVISE, Kind.REVIEW)
OF_ANSWERS: Final = (Kind.ACKNOWLEDGE, Kind.DEPUTY, Kind.CALL, Kind.STALE, Kind.QUORUM)
"""What is waited for from those who were told; it ends when the case goes to somebody else."""
_SHOWN: Final = (*OF_PEOPLE, Kind.STALE)
_ARMED: Final = State.ARMED
_FIRED: Final = State.FIRED


class Reminder(NamedTuple):
    """When to remind, at which fraction of the window."""

    at: datetime
    fraction: float


class Deadline(NamedTuple):
    """One due time. `reminders` are those still to come; `tier` is the rung of an acknowledge window; `policy` its stamp.

    `started_at` is where the window began: t0 for steps, the instant of becoming accountable for acknowledge windows.
    """

    deadline_id: UUID
    kind: Kind
    step: Step
    tier: Tier | None
    started_at: datetime
    due_at: datetime
    policy: str
    reminders: tuple[Reminder, ...] = ()
    state: State = State.ARMED
    fired_at: datetime | None = None
    done_at: datetime | None = None
    provisional: bool = False

    @property
    def armed(self) -> bool:
        """Whether it is still going to do something."""
        return self.state is _ARMED

    def still_missing(self, *, silent: bool) -> bool:
        """Whether what it waited for has still not been done; `silent`: nobody has acknowledged the case."""
        return (self.kind is Kind.STEP and self.done_at is None) or (self.kind in {Kind.ACKNOWLEDGE, Kind.STALE} and silent)

    @property
    def wakes_at(self) -> datetime:
        """The next instant at which an armed deadline does something: a reminder, or being due."""
        return min(self.reminders[0].at, self.due_at) if self.reminders else self.due_at


class Assignment(NamedTuple):
    """An officer on a post who was told of the case; they stay assigned, whatever rung it climbs to. `supervising`: told to see to it.

    `beside`: told beside the ladder, by which department's lane: they may see the case, but it never rests on them.
    """

    post_id: UUID
    officer_id: UUID
    tier: Tier
    division_code: str
    told_at: datetime
    supervising: bool = False
    answer: Answered = Answered.TOLD
    answered_at: datetime | None = None
    beside: str = ""

    @property
    def ruled_out(self) -> bool:
        """Whether the officer is not to be told again by itself: cannot be reached, must not be told, or has declined the case itself."""
        return self.answer in _RULED_OUT or (self.answer is Answered.DECLINED and not self.beside)


@dataclass(slots=True)
class CaseState:
    """A case. Treated as a value: only a `Draft` changes one, and only its own copy.

    `t0` is when the first report was received; every step deadline runs from it. `tier` and `owner_*` say who is accountable:
    at first the lowest rung with somebody reachable, later the one that was climbed to, or the officer who acknowledged.
    """

    case_id: UUID
    code: str
    grade: Grade
    grade_reason: str
    floor: Grade | None
    mandatory: bool
    division_code: str
    zone: str
    policy_id: str
    policy_version: int
    t0: datetime
    opened_at: datetime
    status: Status
    tier: Tier | None = None
    owner_post_id: UUID | None = None
    owner_division_code: str | None = None
    owner_officer_id: UUID | None = None
    off_ladder: bool = False
    """The owner does not stand on a rung: a dispatch desk or another last resort, which the climb leaves as soon as it can."""
    acknowledged_at: datetime | None = None
    supervise_round: int = 0
    supervise_left: int = 0
    reporter_reachable: bool = False
    steps_done: dict[Step, datetime] = field(default_factory=dict)
    child_sighted: bool = False
    result: CloseResult | None = None
    closed_at: datetime | None = None
    deadlines: tuple[Deadline, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    lanes: tuple[Lane, ...] = ()
    handover: Handover = NO_HANDOVER
    conflicts: tuple[Conflict, ...] = ()
    placement: Placement | None = None
    band: str = ""
    """What its policy calls its grade; `grade` is which of the four that counts as. Left out: as the grade."""
    floor_band: str | None = None

    def __post_init__(self) -> None:
        self.band = self.band or str(self.grade)
        self.floor_band = self.floor_band or self.floor

    @property
    def open(self) -> bool:
        """Whether somebody still has to answer for it."""
        return self.status is not Status.CLOSED

    @property
    def wakes_at(self) -> datetime | None:
        """The next instant at which something happens by itself."""
        found = [deadline.wakes_at for deadline in self.deadlines if deadline.state is _ARMED]
        if self.open:
            found += (at for lane in self.lanes if (at := lane.wakes_at) is not None)
            if self.handover.pending is not None:
                found.append(self.handover.pending.accept_by)
        return min(found, default=None)

    @property
    def next_due(self) -> Deadline | None:
        """The deadline that people have to look at next."""
        armed = (one for one in self.deadlines if one.state is _ARMED and one.kind in _SHOWN)
        return min(armed, key=lambda one: one.due_at, default=None)

    @property
    def overdue_since(self) -> datetime | None:
        """Since when something that is still to be done is late: a missed step that was not done, a silence that nobody has ended."""
        if not self.open:
            return None
        silent = self.status is Status.OPEN
        return min((one.due_at for one in self.deadlines if one.state is _FIRED and one.still_missing(silent=silent)), default=None)

    def assignment_of(self, officer_id: UUID) -> Assignment | None:
        """How the officer is assigned: as the owner if they are that, else not merely as supervisor, else by the latest telling."""
        own = [one for one in self.assignments if one.officer_id == officer_id and not one.beside and one.answer is not Answered.CONFLICTED]
        return max(own, key=lambda one: (one.post_id == self.owner_post_id, not one.supervising, one.told_at), default=None)

    def knows(self, officer_id: UUID | None) -> bool:
        """Whether the officer was told of the case at all, also beside the ladder: then they may see it."""
        return any(one.officer_id == officer_id and one.answer is not Answered.CONFLICTED for one in self.assignments)

    def bars(self, officer_id: UUID | None) -> bool:
        """Whether the officer must not see the case, because of a conflict of interest.

        Somebody who was told all the same, since nobody else could be, must see what they were told of.
        """
        named = officer_id is not None and any(officer_id in one.officers for one in self.conflicts)
        return named and not self.knows(officer_id)

    def lane(self, department: Department) -> Lane | None:
        """The lane of a department."""
        return next((one for one in self.lanes if one.department is department), None)

    @property
    def ruled_out(self) -> frozenset[UUID]:
        """Officers not to be told again by themselves: they declined, or could not be reached."""
        return frozenset(one.officer_id for one in self.assignments if one.ruled_out)


class Ids(Protocol):
    """Where new identities come from; passed in, so that simulation and tests are the same every time."""

    def new(self) -> UUID:
        """A new unique id."""
        ...

    def code(self) -> str:
        """A new opaque case code, which tells nothing about the case."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything a decision may look at besides the case: the time, who could answer now, and the rules.

    `there`: who could answer where the case is to be handed over to, while that is not answered.
    """

    now: datetime
    policy: Policy
    route: Route
    calendar: WorkCalendar
    ids: Ids
    there: Route | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision came to: the case afterwards, and what is to be told to everybody, in order. `before` is None for a new case."""

    before: CaseState | None
    after: CaseState
    events: tuple[EventData, ...]

    @property
    def changed(self) -> bool:
        """Whether anything happened at all."""
        return bool(self.events) or self.before is not self.after

    @property
    def changed_deadlines(self) -> Iterable[Deadline]:
        """Deadlines that are new or not what they were."""
        known = {id(one) for one in self.before.deadlines} if self.before else set()
        return (one for one in self.after.deadlines if id(one) not in known)

    @property
    def changed_assignments(self) -> Iterable[Assignment]:
        """Assignments that are new or not what they were."""
        known = {id(one) for one in self.before.assignments} if self.before else set()
        return (one for one in self.after.assignments if id(one) not in known)
