"""Opening a report: for those who may, and never without a trace (MNETR art 36)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.clock import Clock
from libs.crypto import Sealer
from libs.db import Tx
from libs.directory.identity import account_id
from libs.directory.permissions import ClientPrincipal, Principal, StaffPrincipal, may, require
from libs.errors import NotFound
from libs.events import new_event, publish
from libs.events.catalogue import ReportViewed
from libs.i18n import gettext as _
from services.intake import store
from services.intake.handlers.accept import content_aad, reporter_aad
from services.intake.store import ReportLine


@dataclass(frozen=True, slots=True)
class OpenedReport:
    """A report with its seals opened. `reporter` is None when nobody was named."""

    report_id: UUID
    received_at: datetime
    channel: str
    division_code: str
    case_id: UUID | None
    content: dict[str, Any]
    reporter: dict[str, Any] | None
    same_child_report_ids: Sequence[UUID]


async def open_report(tx: Tx, report_id: UUID, principal: Principal, purpose: str, *, clock: Clock, sealer: Sealer) -> OpenedReport:
    """Opens a report and publishes `report.viewed` in the same transaction: no reading without its line in the ledger.

    `purpose` is a code. Raises NotFound, also for whoever has a conflict of interest (回避: a suspect must not learn who reported what),
    or Forbidden unless the principal may read reports where the child or the case is.
    """
    require(principal, "report.read")
    sealed = await store.sealed_report(tx, report_id)
    officer_id = _officer_of(principal)
    barred = sealed is not None and sealed.case_id and officer_id and await store.is_barred(tx, sealed.case_id, officer_id)
    if sealed is None or barred:
        raise NotFound("no_such_report", _("There is no such report."))
    if sealed.case_division_code is None or not may(principal, "report.read", sealed.case_division_code):
        require(principal, "report.read", sealed.division_code)
    viewed = ReportViewed(report_id=report_id, account_id=_account_of(principal), purpose=purpose)
    await publish(tx, [new_event(viewed, key=report_id, time=clock.now())])
    reporter = None if sealed.identity_sealed is None else orjson.loads(sealer.open(sealed.identity_sealed, reporter_aad(report_id)))
    return OpenedReport(
        report_id=report_id,
        received_at=sealed.received_at,
        channel=sealed.channel,
        division_code=sealed.division_code,
        case_id=sealed.case_id,
        content=orjson.loads(sealer.open(sealed.content_sealed, content_aad(report_id))),
        reporter=reporter,
        same_child_report_ids=await store.reports_on_same_child(tx, report_id),
    )


async def list_reports(tx: Tx, principal: Principal, before: UUID | None, limit: int) -> list[ReportLine]:
    """Reports where the principal works, newest first; nothing personal in them. Forbidden for those who see no cases."""
    require(principal, "case.read")
    return await store.list_reports(tx, principal.division_code, before, limit, _officer_of(principal))


def _officer_of(principal: Principal) -> UUID | None:
    return principal.officer_id if isinstance(principal, StaffPrincipal) else None


def _account_of(principal: Principal) -> UUID:
    return account_id(f"client:{principal.client_id}") if isinstance(principal, ClientPrincipal) else principal.account_id
