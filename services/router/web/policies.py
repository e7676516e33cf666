"""The rules as people read them, and what they would do: with a report that is only imagined, and compared with other rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from libs.db import Database
from libs.directory.permissions import StaffPrincipal, require
from libs.errors import FieldError, NotFound, TocsinError
from libs.i18n import N_, current_locale
from libs.i18n import gettext as _
from libs.terms import AgeBand, Answer, Danger, Grade, Situation, Step, Tier, labels
from libs.web import identity, templates
from services.router.handlers import bindings, policies, words
from services.router.handlers.desk import Desk
from services.router.handlers.policies import Question
from services.router.rules.book import Bound, PolicyBook
from services.router.rules.compare import tally
from services.router.rules.policy import Policy
from services.router.rules.simulate import Line, Reply
from services.router.web.compared import SHOWN_MAX, side_of, what_of
from services.router.web.compared import after as after_text

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Asked = Annotated[str, Query(max_length=60)]
ZONE = "Asia/Shanghai"
ACTIONS = {
    "notify": (N_("told"), "busy"),
    "remind": (N_("reminded"), "warn"),
    "escalate": (N_("escalated"), "bad"),
    "deadline": (N_("deadline missed"), "bad"),
    "supervise": (N_("supervising post told"), "bad"),
    "answer": (N_("answers"), "ok"),
}
ANSWERS = {"": N_("nobody answers"), "acknowledge": N_("acknowledges"), "decline": N_("declines")}


Word = Annotated[str, Field(max_length=60)]


class Form(BaseModel):
    """What somebody imagines."""

    model_config = ConfigDict(frozen=True)

    division: Word = ""
    situation: Word = ""
    danger: Word = ""
    age_band: Word = ""
    grade: Word = ""
    at: Word = ""
    policy: Word = ""
    answer: Word = ""
    minute: Word = ""
    tier: Word = ""

    def question(self) -> Question:
        """As the use case takes it; `ValueError` names the field that makes no sense."""
        at = datetime.fromisoformat(self.at) if self.at else None
        return Question(
            division_code=self.division.strip(),
            situations=[Situation(self.situation)] if self.situation else [],
            danger={Danger(self.danger): Answer.YES} if self.danger else {},
            age_bands=[AgeBand(self.age_band or AgeBand.UNKNOWN)],
            at=at.replace(tzinfo=ZoneInfo(ZONE)) if at and at.tzinfo is None else at,
            grade=self.grade or None,
            policy_id=self.policy or None,
            replies=self._replies(),
        )

    def _replies(self) -> list[Reply]:
        if self.answer not in {"acknowledge", "decline"}:
            return []
        return [Reply.of(min(max(float(self.minute or 0), 0), 1_000_000), self.answer, Tier(self.tier) if self.tier else None)]


class Pages:
    """The pages, and what they need."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """All pages."""
        made = APIRouter(include_in_schema=False)
        made.get("/policies")(self.all)
        made.get("/policies/simulate")(self.simulate)
        made.get("/policies/compare")(self.compare)
        made.get("/policies/{policy_id}")(self.one)
        return made

    async def all(self, request: Request, who: Staff) -> Response:
        """Every policy that is known, with where it is in force."""
        require(who, "policy.read")
        book = await self._refreshed()
        today = bindings.today(self._desk)
        bound: dict[str, list[Bound]] = {}
        for one in book.bindings:
            if one.withdrawn_at is None and (one.until is None or one.until > today):
                bound.setdefault(f"{one.policy_id}@{one.policy_version}", []).append(one)
        return templates.render(request, "router/policies.html", policies=self._policies(), bound=bound)

    async def one(self, request: Request, who: Staff, policy_id: str) -> Response:
        """The rungs, windows and deadlines of a policy, with their sources."""
        require(who, "policy.read")
        async with self._database.connection() as connection:
            policy = (await self._desk.refresh(connection)).named(policy_id)
            added = await bindings.source(connection, policy) if policy else None
        if policy is None:
            raise NotFound("not_found", _("There is nothing at this address."))
        steps = [step for step in Step if any(step in rules.steps for rules in policy.grades.values())]
        return templates.render(request, "router/policy.html", policy=policy, steps=steps, period=words.period, added=added)

    async def simulate(self, request: Request, who: Staff, form: Annotated[Form, Query()]) -> Response:
        """Who would be told what, and when, about a report that is only imagined."""
        require(who, "policy.read")
        await self._refreshed()
        errors: list[FieldError] = []
        found: tuple[Policy, str, list[Line]] | None = None
        if form.division:
            try:
                async with self._database.connection() as connection:
                    found = await policies.simulated(self._desk, connection, form.question(), current_locale())
            except TocsinError as problem:
                errors = [FieldError("", problem.code, problem.detail)]
            except ValueError:
                errors = [
                    FieldError(
                        "", "bad_form", _("Something in the form cannot be read. Choose from the lists; a time is 2026-03-04T10:00.")
                    )
                ]
        return templates.render(
            request,
            "router/simulate.html",
            status_code=422 if errors else 200,
            form=form,
            errors=errors,
            found=found,
            lanes=_lanes(found[2]) if found else [],
            actions={name: (_(text), look) for name, (text, look) in ACTIONS.items()},
            after=after_text,
            **self._choices(),
        )

    async def compare(self, request: Request, who: Staff, division: Asked = "", before: Asked = "", after: Asked = "") -> Response:
        """What other rules would do differently with sample reports."""
        require(who, "policy.read")
        await self._refreshed()
        errors: list[FieldError] = []
        found: policies.Comparison | None = None
        if division and before and after:
            try:
                async with self._database.connection() as connection:
                    pair, locale = (before, after), current_locale()
                    found = await policies.compared(self._desk, connection, pair, division.strip(), at=None, locale=locale)
            except TocsinError as problem:
                errors = [FieldError("", problem.code, problem.detail)]
        counts = tally([changes for _report, changes in found.changes]) if found else {}
        return templates.render(
            request,
            "router/compare.html",
            status_code=422 if errors else 200,
            division=division,
            before=before,
            after=after,
            errors=errors,
            found=found,
            counts=[(what_of(what), count) for what, count in counts.items()],
            shown=found.changes[:SHOWN_MAX] if found else (),
            what=what_of,
            side=side_of,
            policies=self._named(),
        )

    async def _refreshed(self) -> PolicyBook:
        async with self._database.connection() as connection:
            return await self._desk.refresh(connection)

    def _policies(self) -> list[Policy]:
        return sorted(self._desk.book.policies, key=lambda policy: (policy.id, -policy.version))

    def _own_grades(self) -> Iterator[tuple[str, str]]:
        """The grades that some place has names of its own for."""
        own = (policy for policy in self._policies() if not policy.plain)
        for policy in own:
            yield from ((band, f"{text} · {policy.title.of(current_locale())}") for band, text in words.grades(policy))

    def _named(self) -> list[tuple[str, str]]:
        """Each policy with its title; an older version of one by its version too."""
        locale, chosen = current_locale(), set[str]()
        named: list[tuple[str, str]] = []
        for one in self._policies():
            title = one.title.of(locale)
            named.append((one.stamp, f"{title} · {one.stamp}") if one.id in chosen else (one.id, title))
            chosen.add(one.id)
        return named

    def _choices(self) -> dict[str, Any]:
        ages = (AgeBand.UNKNOWN, *(band for band in AgeBand if band is not AgeBand.UNKNOWN))
        return {
            "situations": [("", _("not classified")), *((one, labels.label(one)) for one in Situation)],
            "dangers": [("", _("none")), *((one, labels.label(one)) for one in Danger)],
            "age_bands": [(one, labels.label(one)) for one in ages],
            "grades": [("", _("by the rules")), *((one, labels.label(one)) for one in Grade), *self._own_grades()],
            "policies": [("", _("that of the place")), *self._named()],
            "answers": [(name, _(text)) for name, text in ANSWERS.items()],
            "tiers": [("", _("who is responsible then")), *((one, labels.label(one)) for one in Tier)],
        }


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    return Pages(desk, database).router()


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of the picture: a tier, and (place from 0 to 100, action, minute) of what happens there."""

    tier: Tier | None
    marks: tuple[tuple[float, str, float], ...]


def _lanes(lines: list[Line]) -> list[Lane]:
    """The first minutes take as much room as the later days: what happens at night's end matters less than in the first hour."""
    last = max((line.minute for line in lines), default=0) or 1
    tiers = sorted({line.tier for line in lines}, key=lambda tier: list(Tier).index(tier) if tier else -1, reverse=True)
    return [
        Lane(tier, tuple((round(100 * (line.minute / last) ** 0.35, 2), line.action, line.minute) for line in lines if line.tier is tier))
        for tier in tiers
    ]
