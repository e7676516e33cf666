"""Pages: logging in and out, and the directory itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from libs.clock import Clock
from libs.crypto import BlindIndex, KeyRing, Sealer
from libs.db import Database, Tx
from libs.directory.model import LEVELS, Division, Rank
from libs.directory.permissions import Role, StaffPrincipal, may, require
from libs.directory.read import Directory
from libs.directory.roles import POST_ROLES, PostRole
from libs.directory.sql import division as division_of
from libs.errors import FieldError, Invalid, TocsinError
from libs.i18n import gettext as _
from libs.web import identity, templates
from libs.web.visit import wants_html
from libs.workdays import WorkCalendar
from services.directory import rules
from services.directory.handlers import accounts, people, verifying
from services.directory.handlers import register as handlers
from services.directory.handlers.views import actor_of, place, require_officer, require_post
from services.directory.store import register

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Seen = Annotated[int | None, Form(ge=0)]
"""The version of the directory that the form was filled in under: who changes what others changed since is told so."""
CodeField = Annotated[str, Form(pattern=r"^[0-9]{2,15}$")]
HOME = {Role.ADMIN: "/directory", Role.OPERATOR: "/report", Role.AUDITOR: "/response-times"}
"""Where a role's work begins; everybody else's on the board."""
FOUND_MAX = 50


class Pages:
    """The pages and what they need."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        blind: BlindIndex,
        sealer: Sealer,
        passwords: accounts.Passwords,
        clock: Clock,
        calendar: WorkCalendar,
        keyring: KeyRing,
    ) -> None:
        self._database = database
        self._directory = directory
        self._blind = blind
        self._sealer = sealer
        self._passwords = passwords
        self._clock = clock
        self._calendar = calendar
        self._keyring = keyring

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.get("/login")(self.login_page)
        router.post("/login")(self.log_in)
        router.post("/logout")(self.log_out)
        router.get("/directory")(self.directory_page)
        router.post("/directory/divisions")(self.add_division)
        router.post("/directory/divisions/name")(self.rename_division)
        router.post("/directory/officers")(self.add_officer)
        router.post("/directory/officers/{officer_id}")(self.change_officer)
        router.post("/directory/officers/{officer_id}/quiet")(self.set_quiet)
        router.post("/directory/officers/{officer_id}/contacts")(self.add_contact)
        router.post("/directory/officers/{officer_id}/contacts/{contact_id}")(self.change_contact)
        router.post("/directory/officers/{officer_id}/contacts/{contact_id}/code")(self.send_code)
        router.post("/directory/officers/{officer_id}/contacts/{contact_id}/verify")(self.verify_contact)
        router.post("/directory/posts")(self.add_post)
        router.post("/directory/posts/{post_id}/holder")(self.set_holder)
        router.post("/directory/posts/{post_id}/holder/end")(self.end_holding)
        return router

    async def login_page(
        self,
        request: Request,
        who: Annotated[StaffPrincipal | None, Depends(identity.visitor)],
        target: Annotated[str, Query(alias="next", max_length=2000)] = "",
    ) -> Response:
        if who is not None:
            return RedirectResponse(identity.safe_next(target, HOME.get(who.role, "/board")), status_code=303)
        return templates.render(request, "directory/login.html", target=identity.safe_next(target, ""), username="", error=None)

    async def log_in(
        self,
        request: Request,
        username: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
        target: Annotated[str, Form(alias="next", max_length=2000)] = "",
    ) -> Response:
        """Opens a session and sets its cookie; a wrong password shows the form again."""
        try:
            login = await accounts.log_in(self._database, self._passwords, self._clock, username=username, password=password)
        except TocsinError as error:
            if not wants_html(request.headers):
                raise
            return templates.render(
                request,
                "directory/login.html",
                status_code=error.status,
                target=identity.safe_next(target, ""),
                username=username,
                error=error.detail,
            )
        response = RedirectResponse(identity.safe_next(target, HOME.get(login.role, "/board")), status_code=303)
        identity.set_session(request, response, login.token, int(rules.SESSION_LENGTH.total_seconds()))
        return response

    async def log_out(self, request: Request) -> Response:
        token = identity.session_token(request)
        if token:
            async with self._database.transaction() as tx:
                await accounts.log_out(tx, token)
        response = RedirectResponse("/login", status_code=303)
        identity.clear_session(request, response)
        return response

    async def directory_page(
        self,
        request: Request,
        who: Staff,
        code: Annotated[str, Query(pattern=r"^[0-9]{0,15}$")] = "",
        q: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        return await self._page(request, who, code, q=q)

    async def add_division(
        self,
        request: Request,
        *,
        who: Staff,
        code: CodeField,
        new_code: Annotated[str, Form(max_length=20)] = "",
        name: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        """A place within this one."""

        async def work(tx: Tx) -> None:
            require(who, "directory.manage", code)
            if not new_code.startswith(code):
                detail = _("The code of a place within %(code)s starts with it.", code=code)
                raise Invalid("bad_code", detail, field="new_code")
            await handlers.add_division(tx, self._directory, code=new_code, name=name, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def rename_division(
        self, request: Request, *, who: Staff, code: CodeField, name: Annotated[str, Form(max_length=200)] = "", seen: Seen = None
    ) -> Response:
        async def work(tx: Tx) -> None:
            require(who, "directory.manage", code)
            await handlers.rename_division(tx, self._directory, code, name=name, seen=seen, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def add_officer(
        self,
        request: Request,
        *,
        who: Staff,
        code: CodeField,
        name: Annotated[str, Form(max_length=200)] = "",
        phone: Annotated[str, Form(max_length=40)] = "",
        language: Annotated[Literal["zh_CN", "en"], Form()] = "zh_CN",
    ) -> Response:
        """A new officer at the place, with a number for SMS if one is given."""

        async def work(tx: Tx) -> None:
            require(who, "directory.manage", code)
            now, actor = self._clock.now(), actor_of(who)
            made = await people.add_officer(tx, self._directory, name=name, language=language, division_code=code, now=now, actor=actor)
            if phone.strip():
                await people.add_contact(tx, self._blind, self._sealer, officer_id=made, channel="sms", phone=phone, now=now, actor=actor)

        return await self._change(request, who, code, work)

    async def change_officer(
        self,
        request: Request,
        *,
        who: Staff,
        officer_id: UUID,
        code: CodeField,
        active: Annotated[bool | None, Form()] = None,
        name: Annotated[str | None, Form(max_length=200)] = None,
        seen: Seen = None,
    ) -> Response:
        async def work(tx: Tx) -> None:
            await require_officer(tx, who, officer_id)
            await people.change_officer(tx, officer_id, name=name, active=active, seen=seen, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def set_quiet(
        self,
        request: Request,
        *,
        who: Staff,
        officer_id: UUID,
        code: CodeField,
        quiet_from: Annotated[str, Form(max_length=5)] = "",
        quiet_to: Annotated[str, Form(max_length=5)] = "",
        seen: Seen = None,
    ) -> Response:
        async def work(tx: Tx) -> None:
            await require_officer(tx, who, officer_id)
            await people.set_quiet(tx, officer_id, quiet_from, quiet_to, seen=seen, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def add_contact(
        self,
        request: Request,
        *,
        who: Staff,
        officer_id: UUID,
        code: CodeField,
        channel: Annotated[Literal["sms", "voice"], Form()] = "sms",
        phone: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        async def work(tx: Tx) -> None:
            await require_officer(tx, who, officer_id)
            await people.add_contact(
                tx,
                self._blind,
                self._sealer,
                officer_id=officer_id,
                channel=channel,
                phone=phone,
                now=self._clock.now(),
                actor=actor_of(who),
            )

        return await self._change(request, who, code, work)

    async def change_contact(
        self,
        request: Request,
        *,
        who: Staff,
        officer_id: UUID,
        contact_id: UUID,
        code: CodeField,
        enabled: Annotated[bool, Form()],
    ) -> Response:
        async def work(tx: Tx) -> None:
            await require_officer(tx, who, officer_id)
            await people.enable_contact(tx, officer_id, contact_id, enabled=enabled, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def send_code(self, request: Request, *, who: Staff, officer_id: UUID, contact_id: UUID, code: CodeField) -> Response:
        """Sends the code that proves whose the number is."""

        async def work(tx: Tx) -> None:
            await require_officer(tx, who, officer_id)
            await verifying.challenge(tx, officer_id, contact_id, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def verify_contact(
        self,
        request: Request,
        *,
        who: Staff,
        officer_id: UUID,
        contact_id: UUID,
        code: CodeField,
        pin: Annotated[str, Form(max_length=20)] = "",
    ) -> Response:
        """Takes the code that the officer has read; a wrong one counts."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            wrong = await verifying.confirm(tx, self._keyring, officer_id, contact_id, pin, now=self._clock.now(), actor=actor_of(who))
        if wrong is None:
            return RedirectResponse(f"/directory?code={code}", status_code=303)
        errors = wrong.errors or (FieldError("", wrong.code, wrong.detail),)
        return await self._page(request, who, code, status_code=wrong.status, errors=errors)

    async def add_post(self, request: Request, who: Staff, code: CodeField, role: Annotated[str, Form(max_length=40)] = "") -> Response:
        async def work(tx: Tx) -> None:
            require(who, "directory.manage", code)
            await people.add_post(tx, self._directory, division_code=code, role=role, now=self._clock.now(), actor=actor_of(who))

        return await self._change(request, who, code, work)

    async def set_holder(
        self,
        request: Request,
        *,
        who: Staff,
        post_id: UUID,
        code: CodeField,
        officer_id: Annotated[UUID, Form()],
        rank: Annotated[Rank, Form()] = "primary",
        seen: Seen = None,
    ) -> Response:
        async def work(tx: Tx) -> None:
            await require_post(tx, who, post_id)
            await people.set_holder(
                tx,
                post_id=post_id,
                officer_id=officer_id,
                rank=rank,
                seen=seen,
                calendar=self._calendar,
                now=self._clock.now(),
                actor=actor_of(who),
            )

        return await self._change(request, who, code, work)

    async def end_holding(
        self, request: Request, *, who: Staff, post_id: UUID, code: CodeField, officer_id: Annotated[UUID, Form()], seen: Seen = None
    ) -> Response:
        async def work(tx: Tx) -> None:
            await require_post(tx, who, post_id)
            await people.end_holding(
                tx,
                post_id=post_id,
                officer_id=officer_id,
                seen=seen,
                calendar=self._calendar,
                now=self._clock.now(),
                actor=actor_of(who),
            )

        return await self._change(request, who, code, work)

    async def _change(self, request: Request, who: StaffPrincipal, code: str, work: Callable[[Tx], Awaitable[None]]) -> Response:
        """Does one change and shows the place again, with what was wrong if it could not be done."""
        try:
            async with self._database.transaction() as tx:
                await work(tx)
        except TocsinError as error:
            if error.status not in {404, 409, 422, 429}:
                raise
            errors = error.errors or (FieldError("", error.code, error.detail),)
            return await self._page(request, who, code, status_code=error.status, errors=errors)
        return RedirectResponse(f"/directory?code={code}", status_code=303)

    async def _page(
        self, request: Request, who: StaffPrincipal, code: str, *, q: str = "", status_code: int = 200, errors: Sequence[FieldError] = ()
    ) -> Response:
        require(who, "directory.read")
        async with self._database.connection() as connection:
            found = await self._directory.search(connection, q, FOUND_MAX) if q.strip() else []
            tops: list[Division] = []
            if not code and not q.strip():
                tops = [division_of(row) for row in await register.top_of(connection, who.division_code)]
                code = tops[0].code if len(tops) == 1 else ""
            view = None
            if code:
                require(who, "directory.read", code)
                view = await place(connection, self._directory, self._sealer, code, who.division_code)
        return templates.render(
            request,
            "directory/place.html",
            status_code=status_code,
            view=view,
            tops=tops,
            found=[division for division in found if division.code.startswith(who.division_code)],
            q=q,
            errors=errors,
            manage=bool(view) and may(who, "directory.manage", code),
            roles=_roles_for(view.division) if view else [],
        )


def _roles_for(division: Division) -> list[PostRole]:
    """The kinds of posts that a place of that level may have: its own, and those of the levels beside it in pilots."""
    own = LEVELS.index(division.level)
    return [role for role in POST_ROLES.values() if abs(LEVELS.index(role.level) - own) <= 1]
