"""What the audit concludes from events, without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest

from libs.events import Event, EventData, new_event, new_id
from libs.events.catalogue import (
    CaseAcknowledged,
    CaseAssigned,
    CaseClosed,
    CaseDeclined,
    CaseEscalated,
    CaseOpened,
    CasePlaced,
    CaseRegraded,
    CaseStepDone,
    DeadlineMissed,
    DeadlineReminded,
    NotificationDelivered,
    NotificationRequested,
    NotificationSubmitted,
    ReportReceived,
)
from libs.terms import AgeBand, Answer, Channel, CloseResult, Danger, DeclineReason, Grade, Purpose, Step, Tier
from services.audit.rules.cases import Changes, changes_of
from services.audit.rules.figures import instant, period
from services.audit.rules.lines import leaf_hash, line_of
from services.audit.rules.steps import Measured

T0 = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CASE = new_id()
POST, OFFICER = new_id(), new_id()
BASE = {"case_id": CASE, "grade": Grade.II, "division_code": "440304001020", "post_id": POST, "officer_id": OFFICER}


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def said(data: EventData, minutes: float, key: UUID = CASE) -> Event[EventData]:
    return new_event(data, key=key, time=at(minutes))


def opened(**other) -> CaseOpened:
    given = {
        "tier": Tier.COMMUNITY,
        "report_id": new_id(),
        "code": "23CFGH",
        "received_at": T0,
        "policy_id": "futian_2022",
        "policy_version": 1,
        "grade_reason": "MR4",
        "deadlines": {Step.ACKNOWLEDGE: at(30), Step.ON_SITE: at(240), Step.CLOSE: at(21600)},
    }
    return CaseOpened.model_validate(BASE | given | other)


def told(tier: Tier, purpose: Purpose, due: float) -> NotificationRequested:
    return NotificationRequested(
        **BASE, tier=tier, notification_id=new_id(), code="23CFGH", purpose=purpose, step=Step.ACKNOWLEDGE, deadline_at=at(due)
    )


def sent(kind: type[EventData], purpose: Purpose = Purpose.ASSIGN) -> EventData:
    more = {"requested_at": T0} if kind is NotificationSubmitted else {}
    return kind(
        **BASE, tier=Tier.COMMUNITY, notification_id=new_id(), purpose=purpose, attempt_id=new_id(), gateway="g", channel="sms", **more
    )


def climbing() -> Changes:
    """The community stays silent, the street answers, sees the child on its second visit, and closes the case."""
    missed = DeadlineMissed(
        **BASE, tier=Tier.COMMUNITY, deadline_id=new_id(), step=Step.ACKNOWLEDGE, due_at=at(30), fired_at=at(30.01), late_s=0.6
    )
    return changes_of(
        [
            said(opened(), 0.01),
            said(CaseAssigned(**BASE, tier=Tier.COMMUNITY, accountable=True, reason="opened"), 0.01),
            said(told(Tier.COMMUNITY, Purpose.ASSIGN, 30), 0.01),
            said(sent(NotificationSubmitted), 0.02),
            said(sent(NotificationDelivered), 0.1),
            said(missed, 30.01),
            said(CaseEscalated(**BASE, tier=Tier.STREET, from_tier=Tier.COMMUNITY, to_tier=Tier.STREET, reason="silence"), 30.01),
            said(told(Tier.STREET, Purpose.ESCALATE, 60), 30.01),
            said(CaseAcknowledged(**BASE, tier=Tier.STREET, via="sms_reply"), 45),
            said(sent(NotificationSubmitted, Purpose.RECALL), 45),
            said(CaseStepDone(**BASE, tier=Tier.STREET, step=Step.ON_SITE, done_at=at(100), late=False, child_sighted=False), 101),
            said(CaseStepDone(**BASE, tier=Tier.STREET, step=Step.ON_SITE, done_at=at(200), late=False, child_sighted=True), 201),
            said(CaseClosed(**BASE, tier=Tier.STREET, result=CloseResult.CHILD_SAFE, reporter_informed=True), 500),
        ]
    )


def test_the_times_of_a_case_are_those_of_the_first_time_each_step_was_done():
    case = climbing().cases[CASE]
    assert case.received_at == T0
    assert case.times == {
        Measured.ROUTED: at(0.01),
        Measured.SUBMITTED: at(0.02),
        Measured.DELIVERED: at(0.1),
        Measured.ACKNOWLEDGED: at(45),
        Measured.ON_SITE_ATTEMPTED: at(100),
        Measured.CHILD_SIGHTED: at(200),
        Measured.CLOSED: at(500),
        Measured.REPORTER_INFORMED: at(500),
    }
    assert case.dues == {Step.ACKNOWLEDGE: at(30), Step.ON_SITE: at(240), Step.CLOSE: at(21600)}
    assert (case.tier, case.acknowledged_tier, case.missed, case.late_s_max) == ("street", "street", {Step.ACKNOWLEDGE}, 0.6)
    assert (case.grade, case.division_code, case.policy_id, case.policy_version) == ("II", "440304001020", "futian_2022", 1)


def test_silence_stays_with_the_tier_that_was_silent():
    rungs = climbing().rungs
    community, street = rungs[CASE, "community"], rungs[CASE, "street"]
    assert (community.told_at, community.accountable_at, community.due_at) == (at(0.01), at(0.01), at(30))
    assert (community.missed_at, community.acknowledged_at) == (at(30.01), None)
    assert (street.accountable_at, street.due_at, street.acknowledged_at, street.missed_at) == (at(30.01), at(60), at(45), None)


def test_a_rung_that_was_only_told_is_not_accountable():
    rungs = changes_of([said(CaseAssigned(**BASE, tier=Tier.DISTRICT, accountable=False, reason="fan_out"), 0)]).rungs
    assert (rungs[CASE, "district"].told_at, rungs[CASE, "district"].accountable_at) == (T0, None)


def test_a_case_without_a_place_is_routed_once_it_has_one():
    waiting = changes_of([said(opened(needs_placing=True, tier=None), 0)]).cases[CASE]
    assert Measured.ROUTED not in waiting.times
    placed = changes_of([said(opened(needs_placing=True), 0), said(CasePlaced(**BASE, from_division_code="4403"), 7)]).cases[CASE]
    assert placed.times[Measured.ROUTED] == at(7)


def test_the_newest_grade_and_the_due_times_that_came_with_it_count():
    regraded = BASE | {"grade": Grade.I}
    reminder = DeadlineReminded(**regraded, tier=Tier.STREET, deadline_id=new_id(), step=Step.ON_SITE, fraction=0.5, due_at=at(60))
    case = changes_of(
        [said(opened(), 0), said(CaseRegraded(**regraded, from_grade=Grade.II, reason="danger_now"), 1), said(reminder, 30)]
    ).cases[CASE]
    assert (case.grade, case.dues[Step.ON_SITE], case.dues[Step.ACKNOWLEDGE]) == ("I", at(60), at(30))


def test_the_first_acknowledgement_names_the_tier_that_took_the_case():
    case = changes_of(
        [
            said(CaseDeclined(**BASE, tier=Tier.COMMUNITY, reason=DeclineReason.UNAVAILABLE, via="sms_reply"), 1),
            said(CaseAcknowledged(**BASE, tier=Tier.STREET, via="api"), 2),
            said(CaseAcknowledged(**BASE, tier=Tier.DISTRICT, via="workbench"), 3),
        ]
    )
    assert (case.cases[CASE].acknowledged_tier, case.cases[CASE].times[Measured.ACKNOWLEDGED]) == ("street", at(2))
    assert case.rungs[CASE, "community"].declined_at == at(1)


def test_a_line_holds_what_anyone_needs_to_compute_its_leaf_again():
    report_id = new_id()
    event = said(
        ReportReceived(
            report_id=report_id,
            received_at=T0,
            channel=Channel.WEB,
            division_code="4403",
            danger={Danger.DANGER_NOW: Answer.YES},
            age_bands=(AgeBand.UNKNOWN,),
        ),
        0,
        key=report_id,
    )
    line = line_of(event, at(1))
    assert (line.report_id, line.case_id, line.division_code, line.at, line.received_at) == (report_id, None, "4403", T0, at(1))
    payload = orjson.loads(line.payload)
    parts = {name: getattr(line, name) for name in ("event_id", "event_type", "at", "key", "correlation_id", "causation_id")}
    assert leaf_hash(**parts, payload=dict(reversed(payload.items()))) == line.leaf
    assert leaf_hash(**parts, payload=payload | {"division_code": "4401"}) != line.leaf


def test_periods_are_thirty_days_unless_told_otherwise_and_days_are_those_of_the_zone():
    assert period(None, None, T0) == (T0 - timedelta(days=30), T0)
    assert instant("2026-11-22", "Asia/Shanghai") == datetime(2026, 11, 21, 16, tzinfo=UTC)
    assert instant("2026-11-22", "Asia/Shanghai", end=True) == datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert instant("2026-11-22T08:00:00+08:00", "Asia/Shanghai") == datetime(2026, 11, 22, tzinfo=UTC)
    for wrong in ("2026-11-22T08:00:00", "yesterday", "2026-13-01", "20261122", ""):
        with pytest.raises(ValueError):  # noqa: PT011 - each has its own text
            instant(wrong, "Asia/Shanghai")
