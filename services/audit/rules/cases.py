"""What a batch of events says about the times of cases: one change per case, and one per rung of its ladder.

A change holds only what the batch told. The store merges it into what is known: the earliest of each time wins, so that a change may be
applied twice and the first answer counts; the newest grade, place, tier and due time win.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.events.catalogue import (
    CaseAcknowledged,
    CaseAssigned,
    CaseClosed,
    CaseDeclined,
    CaseEscalated,
    CaseOpened,
    CasePlaced,
    CaseStepDone,
    CaseSupervised,
    CaseTransferred,
    CaseTransferRequested,
    CaseTransferReturned,
    DeadlineMissed,
    DeadlineReminded,
    NotificationDelivered,
    NotificationRequested,
    NotificationSubmitted,
)
from libs.events.catalogue.router import CaseEvent
from libs.events.envelope import Event
from libs.terms import Purpose, Step, Tier
from services.audit.rules.steps import Measured, steps_done

_BESIDE = frozenset({Purpose.RECALL, Purpose.INFORM, Purpose.REFER, Purpose.LAPSED, Purpose.TRANSFER, Purpose.RETURNED, Purpose.TO_AND_FRO})
"""Messages that alarm nobody of the ladder: they say nothing about how fast a case reached whoever answers for it."""


@dataclass(slots=True)
class CaseChange:
    """What a batch told about one case; `tier` is that of the accountable rung, `missed` the steps whose deadline passed.

    `moves` is how often it was handed about so far: transfers, refusals and returns.
    """

    case_id: UUID
    received_at: datetime | None = None
    division_code: str | None = None
    grade: str | None = None
    tier: str | None = None
    acknowledged_tier: str | None = None
    policy_id: str | None = None
    policy_version: int | None = None
    supervised_at: datetime | None = None
    late_s_max: float | None = None
    moves: int = 0
    times: dict[Measured, datetime] = field(default_factory=dict)
    dues: dict[Step, datetime] = field(default_factory=dict)
    missed: set[Step] = field(default_factory=set)


@dataclass(slots=True)
class RungChange:
    """What a batch told about one rung: when it became accountable, until when it had to answer, and what it did."""

    case_id: UUID
    tier: str
    post_id: UUID | None = None
    told_at: datetime | None = None
    accountable_at: datetime | None = None
    due_at: datetime | None = None
    acknowledged_at: datetime | None = None
    declined_at: datetime | None = None
    missed_at: datetime | None = None


@dataclass(slots=True)
class Changes:
    """The changes of a batch, by case and by rung."""

    cases: dict[UUID, CaseChange] = field(default_factory=dict)
    rungs: dict[tuple[UUID, str], RungChange] = field(default_factory=dict)

    def case(self, case_id: UUID) -> CaseChange:
        return self.cases.setdefault(case_id, CaseChange(case_id))

    def rung(self, case_id: UUID, tier: str) -> RungChange:
        return self.rungs.setdefault((case_id, tier), RungChange(case_id, tier))


def changes_of(events: Iterable[Event[Any]]) -> Changes:
    """Folds `events`, in their order, into changes."""
    changes = Changes()
    for event in events:
        _fold(changes, event)
    return changes


def _fold(changes: Changes, event: Event[Any]) -> None:
    data = event.data
    if isinstance(data, CaseEvent):
        case = changes.case(data.case_id)
        case.division_code, case.grade = data.division_code, data.grade
    match data:
        case NotificationRequested() | NotificationSubmitted() | NotificationDelivered():
            _fold_message(changes, data, event.time)
        case DeadlineReminded() | DeadlineMissed():
            _fold_deadline(changes, data)
        case CaseOpened() | CasePlaced() | CaseAssigned() | CaseEscalated() | CaseSupervised():
            _fold_duty(changes, data, event.time)
        case CaseTransferRequested() | CaseTransferReturned() | CaseTransferred():
            case = changes.case(data.case_id)
            case.moves = max(case.moves, data.moves)
        case CaseAcknowledged() | CaseDeclined() | CaseStepDone() | CaseClosed():
            _fold_answer(changes, data, event.time)
        case _:
            pass


def _fold_duty(changes: Changes, data: CaseOpened | CasePlaced | CaseAssigned | CaseEscalated | CaseSupervised, at: datetime) -> None:
    case = changes.case(data.case_id)
    match data:
        case CaseOpened():
            case.received_at = data.received_at
            case.policy_id, case.policy_version = data.policy_id, data.policy_version
            case.dues.update(data.deadlines)
            if not data.needs_placing:
                _first(case, Measured.ROUTED, at)
            _accountable(changes, data, data.tier, at, due_at=data.deadlines.get(Step.ACKNOWLEDGE))
        case CasePlaced():
            _first(case, Measured.ROUTED, at)
        case CaseAssigned():
            if data.tier:
                rung = changes.rung(data.case_id, data.tier)
                rung.told_at = _earlier(rung.told_at, at)
            if data.accountable:
                _accountable(changes, data, data.tier, at)
        case CaseEscalated():
            _accountable(changes, data, data.to_tier, at)
        case CaseSupervised():
            case.supervised_at = _earlier(case.supervised_at, at)


def _fold_answer(changes: Changes, data: CaseAcknowledged | CaseDeclined | CaseStepDone | CaseClosed, at: datetime) -> None:
    case = changes.case(data.case_id)
    rung = changes.rung(data.case_id, data.tier) if data.tier and isinstance(data, CaseAcknowledged | CaseDeclined) else None
    match data:
        case CaseAcknowledged():
            if Measured.ACKNOWLEDGED not in case.times:
                case.acknowledged_tier = data.tier
            _first(case, Measured.ACKNOWLEDGED, at)
            if rung:
                rung.acknowledged_at = _earlier(rung.acknowledged_at, at)
        case CaseDeclined():
            if rung:
                rung.declined_at = _earlier(rung.declined_at, at)
        case CaseStepDone():
            for measured in steps_done(data.step, bool(data.child_sighted)):
                _first(case, measured, data.done_at)
        case CaseClosed():
            for measured in (Measured.CLOSED, *((Measured.REPORTER_INFORMED,) if data.reporter_informed else ())):
                _first(case, measured, at)


def _fold_message(changes: Changes, data: NotificationRequested | NotificationSubmitted | NotificationDelivered, at: datetime) -> None:
    if isinstance(data, NotificationRequested):
        asks = data.step == Step.ACKNOWLEDGE and data.purpose in {Purpose.ASSIGN, Purpose.ESCALATE}
        if asks and data.tier and data.deadline_at:
            changes.rung(data.case_id, data.tier).due_at = data.deadline_at
    elif data.purpose not in _BESIDE:
        measured = Measured.SUBMITTED if isinstance(data, NotificationSubmitted) else Measured.DELIVERED
        _first(changes.case(data.case_id), measured, at)


def _fold_deadline(changes: Changes, data: DeadlineReminded | DeadlineMissed) -> None:
    case = changes.case(data.case_id)
    # Each rung has its own window to acknowledge; the case as a whole is judged by the first, which case.opened told.
    rung = changes.rung(data.case_id, data.tier) if data.step == Step.ACKNOWLEDGE and data.tier else None
    if rung:
        rung.due_at = data.due_at
    elif data.step != Step.ACKNOWLEDGE:
        case.dues[data.step] = data.due_at
    if isinstance(data, DeadlineMissed):
        case.missed.add(data.step)
        case.late_s_max = max(case.late_s_max or 0.0, data.late_s)
        if rung:
            rung.missed_at = _earlier(rung.missed_at, data.fired_at)


def _accountable(changes: Changes, data: CaseEvent, tier: Tier | None, at: datetime, due_at: datetime | None = None) -> None:
    if tier is None:
        return
    changes.case(data.case_id).tier = tier
    rung = changes.rung(data.case_id, tier)
    rung.accountable_at = _earlier(rung.accountable_at, at)
    rung.post_id = data.post_id or rung.post_id
    rung.due_at = due_at or rung.due_at


def _first(case: CaseChange, measured: Measured, at: datetime) -> None:
    case.times[measured] = _earlier(case.times.get(measured), at)


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)
