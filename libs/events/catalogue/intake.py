"""Events of intake."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from libs.events.envelope import EventData, event
from libs.terms import AgeBand, Answer, Channel, CloseResult, ConflictReason, Danger, Situation, Tier
from libs.terms.told import Stage


class ConflictOfInterest(BaseModel):
    """A post that must not deal with a report, by codes: the post itself, or a role (None: every post) at a division."""

    model_config = ConfigDict(frozen=True)

    reason: ConflictReason
    post_id: UUID | None = None
    division_code: str | None = None
    role: str | None = None


@event("intake", "report.received")
class ReportReceived(EventData):
    """A report was accepted and will never be lost. Keyed by report_id.

    `received_at` is t0 of every clock of its case. `reporter_reachable` tells whether a reply can be given;
    `related_report_ids` names earlier reports on the same matter, whose case this report then joins.
    """

    report_id: UUID
    received_at: datetime
    occurred_at: datetime | None = None
    learned_at: datetime | None = None
    channel: Channel
    reporter_category: str = "other"
    mandated: Answer = Answer.UNKNOWN
    reporter_reachable: bool = False
    division_code: str
    situations: tuple[Situation, ...] = ()
    categories: tuple[str, ...] = ()
    danger: dict[Danger, Answer]
    age_bands: tuple[AgeBand, ...]
    any_disability: Answer = Answer.UNKNOWN
    harms: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    police_reported: bool = False
    related_report_ids: tuple[UUID, ...] = ()
    conflicts: tuple[ConflictOfInterest, ...] = ()


@event("intake", "report.viewed")
class ReportViewed(EventData):
    """Somebody read the personal content of a report (MNETR art 36: each access is logged). Keyed by report_id."""

    report_id: UUID
    account_id: UUID
    purpose: str


@event("intake", "report.progressed")
class ReportProgressed(EventData):
    """What a report's receipt tells has changed, and whoever sent it asked to be told (`webhook_id`). Keyed by report_id.

    `stage`, `tier` and `result` are those of `GET /v1/reports/{receipt}` from now on; `what` is the line that is new there.
    """

    report_id: UUID
    webhook_id: UUID
    what: str
    stage: Stage
    tier: Tier | None = None
    result: CloseResult | None = None
    changed_at: datetime
