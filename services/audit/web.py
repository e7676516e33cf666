"""The page of response times."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from libs.clock import Clock
from libs.db import Database
from libs.directory.permissions import StaffPrincipal
from libs.errors import FieldError, Invalid
from libs.i18n import N_, format_duration
from libs.i18n import gettext as _
from libs.terms import Grade, Tier, labels
from libs.web import identity, templates
from services.audit import handlers
from services.audit.handlers import Asked
from services.audit.rules.chart import Kind, bars
from services.audit.rules.figures import Grouping, Question, StepFigures
from services.audit.rules.steps import Measured

CODE_MAX = 15
COMMUNITY_FROM_DIGITS = 9
"""A reader whose place is a street compares its communities; everybody else compares streets."""

GROUPED: dict[Grouping, str] = {
    "division": N_("By place"),
    "day": N_("By day"),
    "month": N_("By month"),
    "tier": N_("By tier of the officer"),
}
STEPS: dict[Measured, str] = {
    Measured.ROUTED: N_("Routed"),
    Measured.SUBMITTED: N_("Message handed to the gateway"),
    Measured.DELIVERED: N_("Message on the phone"),
    Measured.ACKNOWLEDGED: N_("Acknowledged"),
    Measured.ON_SITE_ATTEMPTED: N_("On site: contact attempted (lenient)"),
    Measured.CHILD_SIGHTED: N_("On site: child seen (strict)"),
    Measured.FIRST_WRITTEN_UP: N_("First written up"),
    Measured.ASSESSMENT: N_("Assessed"),
    Measured.CASE_CONFERENCE: N_("Case conference held"),
    Measured.POLICE_LINKED: N_("Police informed"),
    Measured.REPORTER_INFORMED: N_("Reporter informed"),
    Measured.CLOSED: N_("Closed"),
}
KIND_NAMES: dict[Kind, str] = {"in_time": N_("In time"), "late": N_("Late"), "overdue": N_("Overdue"), "pending": N_("Not yet due")}
Text = Annotated[str, Query(max_length=40)]


def router(database: Database, clock: Clock, zone: str) -> APIRouter:
    """The page's route, on the audit's own database."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/response-times")
    async def response_times(
        request: Request,
        staff: Annotated[StaffPrincipal, Depends(identity.staff)],
        *,
        since: Annotated[str, Query(alias="from", max_length=40)] = "",
        until: Annotated[str, Query(alias="to", max_length=40)] = "",
        division: Text = "",
        grade: Text = "",
        tier: Text = "",
        group_by: Text = "division",
    ) -> HTMLResponse:
        chosen: Grouping = group_by if group_by in GROUPED else "division"
        place = division.strip() if division.strip().isdecimal() and len(division.strip()) <= CODE_MAX else ""
        asked = Asked(
            since=since or None,
            until=until or None,
            division=place or None,
            grade=grade if grade in set(Grade) else None,
            tier=tier if tier in set(Tier) else None,
            group_by="grade",
            level="community" if len(place or staff.division_code) >= COMMUNITY_FROM_DIGITS else "street",
        )
        now = clock.now()
        errors: tuple[FieldError, ...] = ()
        try:
            question = handlers.question_of(asked, staff, zone, now)
        except Invalid as error:
            errors = error.errors
            question = handlers.question_of(replace(asked, since=None, until=None), staff, zone, now)
        async with database.connection() as connection:
            by_grade = await handlers.response_times(connection, question, now)
            try:
                grouped = await handlers.response_times(connection, replace(question, group_by=chosen), now)
            except Invalid as error:
                errors, grouped = error.errors, replace(by_grade, groups=())
        return templates.render(
            request,
            "audit/response_times.html",
            answer=by_grade,
            grouped=grouped,
            group_by=chosen,
            filters={"from": since, "to": until, "division": place, "grade": asked.grade or "", "tier": asked.tier or ""},
            errors=errors,
            chart=bars(by_grade.total),
            **_words(question),
        )

    return routes


def _words(question: Question) -> dict[str, Any]:
    """What the template calls things."""

    def group_name(key: str | None, names: dict[str, str]) -> str:
        if not key:
            return _("unknown")
        return names.get(key) or labels.code_label("tier", key) or key

    return {
        "zone": question.zone,
        "measured": Measured,
        "kinds": [(kind, _(text)) for kind, text in KIND_NAMES.items()],
        "grade_choices": [("", _("All")), *((grade, labels.label(grade)) for grade in Grade)],
        "tier_choices": [("", _("All")), *((tier, labels.label(tier)) for tier in Tier)],
        "step_name": lambda measured: _(STEPS[measured]),
        "group_choices": [(code, _(text)) for code, text in GROUPED.items()],
        "group_title": lambda code: _(GROUPED[code]),
        "group_name": group_name,
        "share": _share,
        "lag": _lag,
        "quantile": _quantile,
    }


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _lag(seconds: float | None) -> str:
    """A length of time in its two largest units; below ten seconds the fractions matter."""
    if seconds is None:
        return "–"
    return _("%(n)s s", n=f"{seconds:.2f}") if 0 <= seconds < 10 else format_duration(seconds)


def _quantile(figures: StepFigures, seconds: float | None) -> str:
    """A percentile, marked as "at least" where cases that are still waiting lie in it."""
    return ("≥ " if figures.at_least(seconds) else "") + _lag(seconds)
