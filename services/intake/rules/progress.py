"""What the receipt tells: how far a report's case has come, in plain words and without anything personal (promise 10).

Stages only go forward. The words name offices, never officers, and say nothing about the child or the family: whoever holds the code
may be the very person the report is about.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.events import Event
from libs.events.catalogue import (
    CaseAcknowledged,
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    CasePlaced,
    CasePostSkipped,
    CaseRegraded,
    CaseReportAttached,
    CaseStepDone,
    CaseSupervised,
)
from libs.events.catalogue.router import CaseEvent
from libs.i18n import gettext as _
from libs.terms import CloseResult, Step, Tier, told
from libs.terms.told import Stage


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a case here. `tier` is the level of the office that answers for it now."""

    case_id: UUID
    division_code: str
    tier: Tier | None
    stage: Stage
    updated_at: datetime
    assigned_at: datetime | None = None
    escalated_at: datetime | None = None
    supervised_at: datetime | None = None
    acknowledged_at: datetime | None = None
    on_site_at: datetime | None = None
    child_sighted: bool = False
    closed_at: datetime | None = None
    result: CloseResult | None = None
    reporter_informed: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One line of what the receipt tells: a stage or `escalated` / `supervised`, when, and in plain words."""

    what: str
    at: datetime
    text: str


HEARD = (
    CaseOpened,
    CaseReportAttached,
    CaseAssigned,
    CaseEscalated,
    CaseSupervised,
    CaseAcknowledged,
    CasePlaced,
    CasePostSkipped,
    CaseRegraded,
    CaseStepDone,
    CaseClosed,
)
"""The events that may change what a receipt tells, and who must not read its report."""


def advance(known: Progress | None, event: Event[Any]) -> Progress | None:
    """What is known after `event`. The same event twice changes nothing the second time; an older stage never takes over."""
    data = event.data
    if not isinstance(data, CaseEvent):
        return known
    at = event.time
    if known is None:
        known = Progress(data.case_id, data.division_code, None, Stage.RECEIVED, at)
    change = _CHANGES.get(type(data))
    moved = change(known, data, at) if change else known
    return replace(moved, updated_at=max(at, known.updated_at), division_code=data.division_code)


def _reach(known: Progress, stage: Stage) -> Stage:
    return max(known.stage, stage, key=lambda one: one.rank)


def _assigned(known: Progress, data: CaseEvent, at: datetime) -> Progress:
    tier = known.tier if known.acknowledged_at else data.tier or known.tier
    return replace(known, tier=tier, stage=_reach(known, Stage.ASSIGNED), assigned_at=known.assigned_at or at)


def _told(known: Progress, data: CaseAssigned, at: datetime) -> Progress:
    return _assigned(known, data, at) if data.accountable else known


def _escalated(known: Progress, data: CaseEscalated, at: datetime) -> Progress:
    return replace(_assigned(known, data, at), tier=data.to_tier, escalated_at=at)


def _supervised(known: Progress, _data: CaseSupervised, at: datetime) -> Progress:
    return replace(known, supervised_at=known.supervised_at or at)


def _acknowledged(known: Progress, data: CaseAcknowledged, at: datetime) -> Progress:
    if data.joins:
        return known
    return replace(
        known,
        tier=data.tier or known.tier,
        stage=_reach(known, Stage.ACKNOWLEDGED),
        acknowledged_at=known.acknowledged_at or at,
    )


def _step_done(known: Progress, data: CaseStepDone, _at: datetime) -> Progress:
    if data.step is not Step.ON_SITE:
        return known
    return replace(
        known,
        stage=_reach(known, Stage.ON_SITE),
        on_site_at=known.on_site_at or data.done_at,
        child_sighted=known.child_sighted or bool(data.child_sighted),
    )


def _closed(known: Progress, data: CaseClosed, at: datetime) -> Progress:
    return replace(
        known,
        stage=Stage.CLOSED,
        closed_at=known.closed_at or at,
        result=data.result,
        reporter_informed=data.reporter_informed,
    )


_CHANGES: dict[type[CaseEvent], Callable[[Progress, Any, datetime], Progress]] = {
    CaseOpened: _assigned,
    CaseAssigned: _told,
    CaseEscalated: _escalated,
    CaseSupervised: _supervised,
    CaseAcknowledged: _acknowledged,
    CaseStepDone: _step_done,
    CaseClosed: _closed,
}


def tell(received_at: datetime, known: Progress | None) -> list[Told]:
    """The story so far, oldest first, in the current language."""
    story = [Told(Stage.RECEIVED, received_at, _("Your report has arrived and is safely stored."))]
    if known is None:
        return story
    if known.assigned_at:
        story.append(Told(Stage.ASSIGNED, known.assigned_at, _("Somebody has been told and has to answer for it.")))
    if known.escalated_at:
        story.append(Told("escalated", known.escalated_at, _("Nobody had answered in time, so the next higher office was told.")))
    if known.supervised_at:
        story.append(Told("supervised", known.supervised_at, _("The offices that supervise this work are now watching over it.")))
    if known.acknowledged_at:
        story.append(Told(Stage.ACKNOWLEDGED, known.acknowledged_at, _("Somebody has taken it on and is working on it.")))
    if known.on_site_at:
        seen = _("Somebody went there and saw the child.") if known.child_sighted else _("Somebody went there or made contact.")
        story.append(Told(Stage.ON_SITE, known.on_site_at, seen))
    if known.closed_at and known.result:
        story.append(Told(Stage.CLOSED, known.closed_at, told.RESULTS[known.result].text()))
    return sorted(story, key=lambda line: line.at)


def headline(known: Progress | None) -> str:
    """The present state in one sentence."""
    return told.headline(known.stage, known.tier, known.result) if known else told.headline(Stage.RECEIVED, None, None)


def office_text(tier: Tier | None) -> str:
    """The level of an office as people call it."""
    return told.OFFICES[tier].text()


def news(before: Progress | None, after: Progress) -> str | None:
    """The line that is new since `before` in what the receipt tells, by its name in `tell`; None when nothing is."""
    if before is not None and before.escalated_at != after.escalated_at:
        return "escalated"
    if before is not None and before.supervised_at != after.supervised_at:
        return "supervised"
    if before is None or before.stage is not after.stage:
        return after.stage
    same = (before.tier, before.result, before.child_sighted) == (after.tier, after.result, after.child_sighted)
    return None if same else after.stage
