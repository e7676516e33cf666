"""The pages of notifications: the latest or those of a case, how the gateways are, and the registered texts."""

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.requests import Request

from libs.clock import Clock
from libs.db import Database, after_commit
from libs.directory.permissions import StaffPrincipal, may, require
from libs.i18n import N_
from libs.i18n import gettext as _
from libs.terms import Grade, Purpose, labels
from libs.web import identity, templates
from services.notifier.handlers.faults import FAULT
from services.notifier.handlers.listing import Listed, latest, of_case
from services.notifier.handlers.resending import resend
from services.notifier.handlers.sending import Means
from services.notifier.rules.breaker import Health
from services.notifier.rules.budgets import DAY
from services.notifier.rules.calls import CallOutcome
from services.notifier.rules.registered import PROVIDERS, Provider, to_register
from services.notifier.rules.states import FOR_BUNDLE, FOR_PACE, GATEWAY_DOWN, QUIET, AttemptState, NotificationState
from services.notifier.rules.texts import ANSWERS
from services.notifier.store import pages, resent, storm
from services.notifier.store.pages import Seen
from services.notifier.store.recent import Wanted
from services.notifier.store.storm import Spent

SHOWN_MAX = 200
PAGE_SIZE = 50
SPENT_MAX = 50
STOPPED_SHOWN = timedelta(days=7)
DAYS = {"1": 1, "7": 7, "30": 30}

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
TOLD: dict[str, tuple[str, str]] = {
    "new": (N_("is being told"), "busy"),
    "placed": (N_("is being told"), "busy"),
    "told": (N_("SMS sent"), "ok"),
    "nobody": (N_("nobody above could be told"), "bad"),
}
OUTCOMES: dict[CallOutcome, str] = {
    CallOutcome.ANSWERED: N_("somebody took the call"),
    CallOutcome.ACKNOWLEDGED: N_("accepted by key"),
    CallOutcome.DECLINED: N_("declined by key"),
    CallOutcome.HEARD: N_("heard"),
    CallOutcome.NO_KEY: N_("no key pressed"),
    CallOutcome.HUNG_UP: N_("hung up without a key"),
    CallOutcome.MACHINE: N_("mailbox"),
    CallOutcome.BUSY: N_("line busy"),
    CallOutcome.NO_ANSWER: N_("not answered"),
    CallOutcome.FAILED: N_("call failed"),
}
REASONS: dict[str, str] = {
    QUIET: N_("until the quiet hours end"),
    FOR_BUNDLE: N_("for a message about several tasks"),
    GATEWAY_DOWN: N_("no gateway can be tried"),
    FOR_PACE: N_("until its gateway takes more"),
    "budget_spent": N_("the day’s messages are used up"),
    "identical_text": N_("the same words were sent too often"),
    "unconfirmed": N_("never confirmed by the provider"),
    "line_busy": N_("the officer is on the phone with us"),
    "no_contact": N_("no number to try"),
    "no_text": N_("no text for it"),
    "not_needed": N_("answered meanwhile"),
    FAULT: N_("a fault of Tocsin’s: see the log"),
}
"""Why something waits, why a contact was given up, or why it failed; for a refusal the attempt's state and the code stand instead."""
HEALTHS: dict[Health, tuple[str, str]] = {
    Health.CLOSED: (N_("Works"), "ok"),
    Health.HALF_OPEN: (N_("Is being asked whether it is back"), "warn"),
    Health.OPEN: (N_("Left alone after several failures"), "bad"),
}


class Filter(BaseModel):
    """What the visitor wants to see. Whatever is no filter of ours is none."""

    model_config = ConfigDict(extra="ignore")

    case_id: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = ""
    state: NotificationState | Literal[""] = ""
    grade: Grade | Literal[""] = ""
    purpose: Purpose | Literal[""] = ""
    gateway: Annotated[str, StringConstraints(max_length=16)] = ""
    days: Literal["1", "7", "30"] = "1"
    before: UUID | Literal[""] = ""


def router(database: Database, clock: Clock, means: Means) -> APIRouter:
    """The pages' routes, on the notifier's own database."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/notifications/texts")
    async def texts(request: Request, staff: Annotated[StaffPrincipal, Depends(identity.staff)]) -> HTMLResponse:
        require(staff, "notification.read")
        samples = sorted(means.registry.samples(), key=lambda one: (one.purpose, one.template_id))
        return templates.render(
            request,
            "notifier/texts.html",
            samples=samples,
            answers=ANSWERS,
            version=means.registry.version,
            registered=means.registered,
            needed={name: _needed(means, name) for name in PROVIDERS if name in means.registered},
        )

    @routes.get("/notifications")
    async def notifications(
        request: Request, staff: Annotated[StaffPrincipal, Depends(identity.staff)], wanted: Annotated[Filter, Query()]
    ) -> HTMLResponse:
        now = clock.now()
        case_id = _uuid(wanted.case_id)
        following = ""
        listed: list[Listed] = []
        spent: list[Spent] = []
        spent_told: dict[UUID, Seen] = {}
        stopped: list[Seen] = []
        async with database.connection() as connection:
            if case_id is not None:
                listed = await of_case(connection, staff, case_id, None, SHOWN_MAX)
            elif not wanted.case_id:
                spent = await storm.spent_since(connection, now - DAY, staff.division_code, SPENT_MAX)
                spent_told = await pages.of_contacts(connection, "budget_spent", [one.contact_id for one in spent])
                stopped = await pages.latest(connection, "stopped", now - STOPPED_SHOWN, staff.division_code, SPENT_MAX)
                since = now - timedelta(days=DAYS[wanted.days])
                asked = Wanted(
                    since, wanted.before or None, state=wanted.state, grade=wanted.grade, purpose=wanted.purpose, gateway=wanted.gateway
                )
                listed = await latest(connection, staff, asked, PAGE_SIZE + 1)
                if len(listed) > PAGE_SIZE:
                    listed = listed[:PAGE_SIZE]
                    following = _query(wanted, before=str(listed[-1].subject.notification_id))
            again = await resent.of_notifications(connection, (one.subject.notification_id for one in listed))
        return templates.render(
            request,
            "notifier/notifications.html",
            wanted=wanted,
            of_case=case_id is not None,
            listed=listed,
            again=again,
            may_resend=lambda one: (
                one.notification.state is NotificationState.FAILED and may(staff, "case.manage", one.subject.division_code)
            ),
            may_open_posts=may(staff, "directory.read"),
            following=following,
            wrong=bool(wanted.case_id) and case_id is None,
            conditions=means.gates.conditions(now),
            spent=spent,
            spent_told=spent_told,
            stopped=stopped,
            told_of=lambda one: (_(TOLD[one.state][0]), TOLD[one.state][1]),
            health_of=lambda health: (_(HEALTHS[health][0]), HEALTHS[health][1]),
            reason_of=_reason,
            state_of=lambda state: (_(STATES[state][0]), STATES[state][1]),
            outcome_of=lambda outcome: _(OUTCOMES[CallOutcome(outcome)]),
            attempt_state_of=lambda state: (_(ATTEMPT_STATES[AttemptState(state)][0]), ATTEMPT_STATES[AttemptState(state)][1]),
            states=[("", _("All")), *((str(one), _(text)) for one, (text, _kind) in STATES.items())],
            grades=[("", _("All")), *((str(one), labels.label(one)) for one in Grade)],
            purposes=[("", _("All")), *((str(one), labels.label(one)) for one in Purpose)],
            gateways=[("", _("All")), *((name, name) for name in means.gateways)],
            periods=[("1", _("Last 24 hours")), ("7", _("Last 7 days")), ("30", _("Last 30 days"))],
        )

    @routes.post("/notifications/{notification_id}/resend")
    async def send_again(
        staff: Annotated[StaffPrincipal, Depends(identity.staff)],
        notification_id: UUID,
        back: Annotated[str, Form(max_length=2000)] = "",
    ) -> RedirectResponse:
        async with database.transaction() as tx:
            after_commit(tx, means.woken)
            await resend(tx, staff, notification_id, clock.now())
        return RedirectResponse(identity.safe_next(back, "/notifications"), status_code=303)

    return routes


def _failed(one: Listed) -> bool:
    return one.notification.state is NotificationState.FAILED


def _needed(means: Means, provider: Provider) -> set[str]:
    """The texts without which some officers could not be told through a provider."""
    listed = to_register(means.registry, provider, takes_replies=means.gateways[provider].capabilities.replies)
    return {one.template_id for one in listed if one.required}


def _reason(reason: str) -> str:
    if reason in REASONS:
        return _(REASONS[reason])
    state, _colon, code = reason.partition(":")
    if state not in set(AttemptState):
        return reason
    return f"{_(ATTEMPT_STATES[AttemptState(state)][0])} {'' if code == '0' else code}".rstrip()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _query(wanted: Filter, **changes: str) -> str:
    given = {name: str(value) for name, value in wanted.model_dump().items() if value} | changes
    return urlencode(given)
