"""Events of the router, all keyed by case_id."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from libs.events.envelope import EventData, event
from libs.terms import (
    CloseResult,
    ConflictReason,
    DeclineReason,
    Department,
    Grade,
    Household,
    LaneResult,
    PlacementNeed,
    Purpose,
    Step,
    Tier,
    TransferReason,
)


class CaseEvent(EventData):
    """What all of them carry: enough for the audit to group by, without asking back.

    `band` is what the place's policy calls the grade, where it has names of its own; `grade` is which of the four that counts as.
    """

    case_id: UUID
    grade: Grade
    band: str | None = None
    division_code: str
    tier: Tier | None = None
    """The tier that the event concerns: of the officer who acted or was told, of the rung that was silent."""
    post_id: UUID | None = None
    officer_id: UUID | None = None


@event("router", "case.opened")
class CaseOpened(CaseEvent):
    """A report became a case; tier, post and officer are the first accountable ones. `code` is the opaque code said in SMS."""

    report_id: UUID
    code: str
    received_at: datetime
    policy_id: str
    policy_version: int
    grade_reason: str
    deadlines: dict[Step, datetime]
    needs_placing: bool = False


@event("router", "case.report_attached")
class CaseReportAttached(CaseEvent):
    """A further report on the same matter joined the case."""

    report_id: UUID


@event("router", "case.assigned")
class CaseAssigned(CaseEvent):
    """An officer was told of the case; `accountable` when the case now rests on this post."""

    accountable: bool
    reason: Literal["opened", "fan_out", "escalated", "unreachable", "placed", "regraded", "deputy", "quorum", "transferred"]


@event("router", "case.acknowledged")
class CaseAcknowledged(CaseEvent):
    """An officer took the case and is its owner; `joins`: a further one, where the policy wants several, and the owner stays.

    `wanted`: how many more have to acknowledge, so that the others are still waited for.
    """

    via: Literal["sms_reply", "link", "keypad", "workbench", "api"]
    late: bool = False
    joins: bool = False
    wanted: int = 0


@event("router", "case.declined")
class CaseDeclined(CaseEvent):
    """An officer could not take the case; it climbs at once."""

    reason: DeclineReason
    via: Literal["sms_reply", "link", "keypad", "workbench", "api"]


@event("router", "case.escalated")
class CaseEscalated(CaseEvent):
    """The next rung became accountable; tier, post and officer are the new ones."""

    from_tier: Tier | None
    to_tier: Tier
    reason: Literal[
        "silence", "declined", "unreachable", "step_missed", "stale", "raised", "transfer_refused", "transfer_lapsed", "conflict"
    ]
    step: Step | None = None


@event("router", "case.supervised")
class CaseSupervised(CaseEvent):
    """督办: above the top rung the supervising posts were told; `round` counts from 1."""

    round: int
    step: Step | None = None


@event("router", "case.placed")
class CasePlaced(CaseEvent):
    """Somebody gave a case its place; division_code is the new one."""

    from_division_code: str


@event("router", "case.regraded")
class CaseRegraded(CaseEvent):
    """The grade changed; clocks did not restart (promise 9)."""

    from_grade: Grade
    from_band: str | None = None
    reason: str


@event("router", "case.step_done")
class CaseStepDone(CaseEvent):
    """A step was done at `done_at`; `child_sighted` tells, for on_site, contact attempted (lenient) from child seen (strict)."""

    step: Step
    done_at: datetime
    late: bool
    child_sighted: bool | None = None


@event("router", "case.closed")
class CaseClosed(CaseEvent):
    """The case ended with a result, and the reporter, where reachable, was told."""

    result: CloseResult
    reporter_informed: bool


@event("router", "acknowledgement.expired")
class AcknowledgementStale(CaseEvent):
    """No step has followed an acknowledgement in the time that the policy gives, so the case climbs; `step` was the next one."""

    step: Step
    acknowledged_at: datetime
    due_at: datetime
    late_s: float


@event("router", "deadline.missed")
class DeadlineMissed(CaseEvent):
    """A deadline passed; `late_s` is how long after its due time it was noticed (more than 1 s: an outage)."""

    deadline_id: UUID
    step: Step
    due_at: datetime
    fired_at: datetime
    late_s: float


@event("router", "deadline.reminded")
class DeadlineReminded(CaseEvent):
    """A reminder went out at `fraction` of the window of `step`."""

    deadline_id: UUID
    step: Step
    fraction: float
    due_at: datetime


@event("router", "notification.requested")
class NotificationRequested(CaseEvent):
    """An officer is to be told. `step` and `deadline_at` fill the template; `critical` goes out before all else."""

    notification_id: UUID
    code: str
    purpose: Purpose
    step: Step | None = None
    deadline_at: datetime | None = None
    critical: bool = False
    department: Department | None = None
    """The lane that it is about; None: the ladder."""
    channel: Literal["sms", "voice"] = "sms"
    """"voice": a call that the policy asks for, beside the SMS."""


@event("router", "case.transfer_requested")
class CaseTransferRequested(CaseEvent):
    """Another area was asked to take the case; tier, post and officer are the asked ones. Until it accepts, nothing changes hands.

    `moves` counts what happened so far: transfers, refusals and returns.
    """

    to_division_code: str
    reason: TransferReason
    accept_by: datetime
    moves: int


@event("router", "case.transfer_returned")
class CaseTransferReturned(CaseEvent):
    """The receiving side refused, was silent or could not be reached, or the transfer was withdrawn: the case stays, or climbs."""

    to_division_code: str
    reason: Literal["refused", "silence", "unreachable", "withdrawn", "conflict"]
    moves: int


@event("router", "case.transferred")
class CaseTransferred(CaseEvent):
    """The receiving side accepted: division_code is the new place; the clocks run on (promise 9)."""

    from_division_code: str
    moves: int


@event("router", "case.shuttled")
class CaseHandedToAndFro(CaseEvent):
    """A case was moved as often as the policy bears, or more; the supervising posts were told (推诿扯皮: SEED_Z, SEED_X)."""

    moves: int


@event("router", "case.post_skipped")
class CasePostSkipped(CaseEvent):
    """A post has a conflict of interest and is passed over (回避); tier and post are its own.

    `officers`: who is on it, and must neither hear of the case nor read its reports.
    """

    reason: ConflictReason
    officers: tuple[UUID, ...] = ()


class LaneEvent(CaseEvent):
    """What events of department lanes carry; tier, post and officer are those of the department, or of whoever recorded it."""

    department: Department


@event("router", "lane.told")
class LaneTold(LaneEvent):
    """A department was told beside the ladder: `act`, it has to accept by `accept_by`; `inform`, it got a copy."""

    mode: Literal["inform", "act"]
    reason: Literal["by_rule", "referred", "declined", "silence", "unreachable", "placed", "conflict"]
    accept_by: datetime | None = None


@event("router", "lane.unreached")
class LaneUnreached(LaneEvent):
    """The department has no post for the place with somebody reachable who was not asked yet; the case goes on without it."""


@event("router", "lane.accepted")
class LaneAccepted(LaneEvent):
    """The department took the matter as its own task; the owner of the case stays the same."""

    via: Literal["sms_reply", "link", "keypad", "workbench", "api"]
    late: bool = False


@event("router", "lane.declined")
class LaneDeclined(LaneEvent):
    """A post of the department declined; the next one is told at once."""

    reason: DeclineReason
    via: Literal["sms_reply", "link", "keypad", "workbench", "api"]


@event("router", "lane.done")
class LaneDone(LaneEvent):
    """The department has done its part."""

    result: LaneResult


@event("router", "lane.clock_recorded")
class LaneClockRecorded(LaneEvent):
    """Somebody recorded that a clock of the department began, or that what it waits for was done, at `happened_at`."""

    clock: str
    what: Literal["started", "done"]
    happened_at: datetime
    due_at: datetime | None = None
    late: bool = False


@event("router", "lane.clock_passed")
class LaneClockPassed(LaneEvent):
    """A clock of the department has passed; it and the owner of the case are told once, nothing is enforced."""

    clock: str
    due_at: datetime
    fired_at: datetime
    late_s: float


@event("router", "placement.requested")
class PlacementRequested(CaseEvent):
    """Somebody recorded that the child has to live elsewhere for now; who is asked for it, the events that follow say."""

    reason: PlacementNeed
    household: Household


@event("router", "placement.made")
class PlacementMade(CaseEvent):
    """The child was placed; `option` is a code of the case's policy."""

    option: str


@event("router", "monthly.reminded")
class MonthlyReportDue(EventData):
    """A place has to report its work of a month (its first day), on `day`, to the post of role `receiver`; told once for each month."""

    division_code: str
    month: date
    day: date
    receiver: str
    policy_id: str
    policy_version: int
