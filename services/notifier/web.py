"""The page of a case's notifications: state, attempts, and why something failed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from libs.db import Database
from libs.directory.permissions import StaffPrincipal
from libs.i18n import N_
from libs.i18n import gettext as _
from libs.web import identity, templates
from services.notifier.handlers.listing import Listed, of_case
from services.notifier.rules.states import AttemptState, NotificationState

SHOWN_MAX = 200

STATES: dict[NotificationState, tuple[str, str]] = {
    NotificationState.QUEUED: (N_("Queued"), "idle"),
    NotificationState.SENDING: (N_("Being sent"), "busy"),
    NotificationState.SUBMITTED: (N_("At the provider"), "busy"),
    NotificationState.DELIVERED: (N_("On the phone"), "ok"),
    NotificationState.FAILED: (N_("Failed"), "bad"),
}
ATTEMPT_STATES: dict[AttemptState, tuple[str, str]] = {
    AttemptState.SENDING: (N_("Being sent"), "busy"),
    AttemptState.AMBIGUOUS: (N_("Outcome unknown"), "warn"),
    AttemptState.SUBMITTED: (N_("At the provider"), "busy"),
    AttemptState.SENT: (N_("On its way"), "busy"),
    AttemptState.LOST: (N_("Lost"), "warn"),
    AttemptState.REJECTED: (N_("Refused"), "bad"),
    AttemptState.UNDELIVERED: (N_("Not delivered"), "bad"),
    AttemptState.FAILED: (N_("Failed"), "bad"),
    AttemptState.DELIVERED: (N_("On the phone"), "ok"),
}


def router(database: Database) -> APIRouter:
    """The page's route, on the notifier's own database."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/notifications")
    async def notifications(
        request: Request,
        staff: Annotated[StaffPrincipal, Depends(identity.staff)],
        case_id: Annotated[str, Query(max_length=64)] = "",
    ) -> HTMLResponse:
        known = _uuid(case_id.strip())
        listed: list[Listed] = []
        if known is not None:
            async with database.connection() as connection:
                listed = await of_case(connection, staff, known, None, SHOWN_MAX)
        return templates.render(
            request,
            "notifier/notifications.html",
            case_id=case_id.strip(),
            listed=listed,
            wrong=bool(case_id.strip()) and known is None,
            state_of=lambda state: (_(STATES[state][0]), STATES[state][1]),
            attempt_state_of=lambda state: (_(ATTEMPT_STATES[AttemptState(state)][0]), ATTEMPT_STATES[AttemptState(state)][1]),
        )

    return routes


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
