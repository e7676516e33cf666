"""Taking requests to tell an officer, and knowing whose answer is still waited for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.events import Event
from libs.events.catalogue import CaseAcknowledged, CaseClosed, CaseDeclined, CasePostSkipped, NotificationRequested
from libs.terms import Purpose
from services.notifier import store
from services.notifier.rules.states import priority_of
from services.notifier.rules.texts import CODE
from services.notifier.store import Subject, replies
from services.notifier.store.replies import Waiting

ASKS_FOR_ANSWER = frozenset({Purpose.ASSIGN, Purpose.ESCALATE})
"""Texts that "1" may answer. A reminder repeats an earlier one; the others want no acknowledgement."""


async def take(tx: Tx, events: Sequence[Event[Any]], now: datetime) -> bool:
    """Queues what was requested and keeps track of who is waited for; answers whether there is something to send.

    Raises ValueError for a request that could never be sent: its case is parked and somebody is told.
    """
    subjects: list[Subject] = []
    waiting: dict[tuple[UUID, UUID], Waiting] = {}
    answered_cases: set[UUID] = set()
    answered: set[tuple[UUID, UUID]] = set()
    for event in events:
        match event.data:
            case NotificationRequested() as request:
                subject = _subject(event, request)
                subjects.append(subject)
                if subject.purpose in ASKS_FOR_ANSWER:
                    key = (subject.officer_id, subject.case_id)
                    waiting[key] = Waiting(*key, subject.code, subject.notification_id, event.time)
            case CaseAcknowledged(case_id=case_id, officer_id=UUID() as officer_id, wanted=wanted) if wanted:
                answered.add((officer_id, case_id))
                waiting.pop((officer_id, case_id), None)
            case CaseAcknowledged(case_id=case_id) | CaseClosed(case_id=case_id):
                answered_cases.add(case_id)
                waiting = {key: one for key, one in waiting.items() if one.case_id != case_id}
            case CaseDeclined(case_id=case_id, officer_id=UUID() as officer_id):
                answered.add((officer_id, case_id))
                waiting.pop((officer_id, case_id), None)
            case CasePostSkipped(case_id=case_id, officers=barred):
                # Who has a conflict of interest accepts nothing; nor does "1" for another task mean this one.
                for officer_id in barred:
                    answered.add((officer_id, case_id))
                    waiting.pop((officer_id, case_id), None)
            case _:
                pass
    await replies.stop_waiting(tx, sorted(answered_cases), sorted(answered))
    await replies.wait_for(tx, [waiting[key] for key in sorted(waiting)])
    await store.add_notifications(tx, subjects, now)
    return bool(subjects)


def _subject(event: Event[Any], request: NotificationRequested) -> Subject:
    if request.post_id is None or request.officer_id is None:
        raise ValueError(f"notification {request.notification_id} names nobody")
    if not CODE.fullmatch(request.code):
        raise ValueError(f"notification {request.notification_id} has no opaque code")
    return Subject(
        notification_id=request.notification_id,
        case_id=request.case_id,
        code=request.code,
        grade=request.grade,
        division_code=request.division_code,
        tier=request.tier,
        post_id=request.post_id,
        officer_id=request.officer_id,
        purpose=request.purpose,
        step=request.step,
        deadline_at=request.deadline_at,
        priority=priority_of(request.grade, critical=request.critical),
        requested_at=event.time,
        cause_id=event.id,
        correlation_id=event.correlation_id,
        traceparent=event.traceparent,
        channel=request.channel,
    )
