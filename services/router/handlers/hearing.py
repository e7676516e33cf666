"""What the other rooms say: a report came in, an officer replied, a message did not arrive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.model import Route
from libs.errors import TocsinError
from libs.events import Event
from libs.events.catalogue import NotificationFailed, OfficerReplied, ReportReceived
from libs.log import get_logger
from libs.terms import DeclineReason
from services.router.handlers.desk import Batch, Desk, place_asked, places
from services.router.rules.acts import acknowledge, decline
from services.router.rules.case import CaseState, Outcome
from services.router.rules.machine import attach_report, open_case, unreachable
from services.router.store import cases as store

log = get_logger("router")


async def reports_received(desk: Desk, tx: Tx, events: Sequence[Event[ReportReceived]]) -> None:
    """Each report becomes a case, or joins the open case of a related report. One that has a case already is left alone."""
    now = desk.clock.now()
    ids = {event.data.report_id for event in events}
    related = {one for event in events for one in event.data.related_report_ids}
    case_of = await store.cases_of_reports(tx, ids | related)
    locked = await store.lock(tx, (case_of[one] for one in related if one in case_of))
    routes = await desk.routes(tx, [*(event.data.division_code for event in events), *places(locked.values())])
    earlier = await store.attached_at(tx, related) if related else {}
    batch = Batch(desk, now)
    attached: list[tuple[ReportReceived, UUID]] = []
    for event in events:
        report = event.data
        if report.report_id in case_of:
            continue
        joined = _open_case_of(report, case_of, locked, batch)
        if joined is not None:
            moment = desk.moment(routes[joined.division_code], desk.policy_of(joined), now, place_asked(joined, routes))
            outcome = attach_report(joined, report, moment, earlier_at=_latest(report, earlier))
        else:
            route = routes[report.division_code]
            policy = desk.book.in_force(report.division_code, report.received_at, route.division.zone)
            outcome = open_case(report, desk.moment(route, policy, now), earlier_at=_latest(report, earlier))
        batch.add(outcome, event)
        case_of[report.report_id] = outcome.after.case_id
        attached.append((report, outcome.after.case_id))
        earlier[report.report_id] = report.received_at
        locked.setdefault(outcome.after.case_id, outcome.after)
    await store.attach_reports(tx, attached, now)
    await batch.commit(tx)


def _open_case_of(report: ReportReceived, case_of: dict[UUID, UUID], locked: dict[UUID, CaseState], batch: Batch) -> CaseState | None:
    for related in report.related_report_ids:
        known = locked.get(case_of[related]) if related in case_of else None
        if known is not None:
            case = batch.case(known)
            if case.open:
                return case
    return None


def _latest(report: ReportReceived, earlier: Mapping[UUID, datetime]) -> datetime | None:
    """When the latest earlier report on the same matter came in."""
    return max((earlier[one] for one in report.related_report_ids if one in earlier), default=None)


async def answers(desk: Desk, tx: Tx, events: Sequence[Event[Any]]) -> None:
    """Replies of officers and messages that reached nobody, in order. A reply that comes too late to change anything changes nothing."""
    now = desk.clock.now()
    locked = await store.lock(tx, (event.data.case_id for event in events))
    routes = await desk.routes(tx, places(locked.values()))
    batch = Batch(desk, now)
    for event in events:
        known = locked.get(event.data.case_id)
        if known is None:
            log.warning("router.answer_without_case", event_type=event.type, case_id=str(event.data.case_id))
            continue
        batch.add(_answered(desk, batch.case(known), routes, event, now), event)
    await batch.commit(tx)


def _answered(desk: Desk, case: CaseState, routes: Mapping[str, Route], event: Event[Any], now: datetime) -> Outcome:
    moment = desk.moment(routes[case.division_code], desk.policy_of(case), now, place_asked(case, routes))
    match event.data:
        case NotificationFailed() as failed:
            return unreachable(case, failed, moment)
        case OfficerReplied(action="acknowledge") as reply:
            return _unless_refused(lambda: acknowledge(case, reply.officer_id, moment, reply.via), case)
        case OfficerReplied() as reply:
            return _unless_refused(lambda: decline(case, reply.officer_id, DeclineReason.UNAVAILABLE, moment, reply.via), case)
        case _:
            return Outcome(case, case, ())


def _unless_refused(act: Any, case: CaseState) -> Outcome:
    try:
        outcome: Outcome = act()
    except TocsinError as refused:
        log.info("router.reply_refused", case_id=str(case.case_id), code=refused.code)
        return Outcome(case, case, ())
    return outcome
