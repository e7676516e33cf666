"""The page on which officers see how they are reached, and prove by themselves that a number is theirs."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from libs.clock import Clock
from libs.crypto import KeyRing, Sealer
from libs.db import Database
from libs.directory.permissions import StaffPrincipal
from libs.errors import FieldError, Forbidden, TocsinError
from libs.i18n import gettext as _
from libs.web import identity, templates
from services.directory.handlers import verifying
from services.directory.handlers.views import actor_of, own

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
PATH = "/account"


class AccountPages:
    """The page and what it needs. Whose numbers they are follows from the session alone: nobody can name another officer here."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, keyring: KeyRing) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._keyring = keyring

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.get(PATH)(self.page)
        router.post(f"{PATH}/contacts/{{contact_id}}/code")(self.send_code)
        router.post(f"{PATH}/contacts/{{contact_id}}/verify")(self.verify)
        return router

    async def page(self, request: Request, who: Staff, sent: Annotated[UUID | None, Query()] = None) -> Response:
        """`sent`: the contact to which a code has just gone."""
        return await self._page(request, who, sent)

    async def send_code(self, request: Request, who: Staff, contact_id: UUID) -> Response:
        """Sends the code that proves whose the number is."""
        try:
            async with self._database.transaction() as tx:
                await verifying.challenge(tx, _officer(who), contact_id, now=self._clock.now(), actor=actor_of(who))
        except TocsinError as error:
            if error.status not in {404, 429}:
                raise
            return await self._page(request, who, contact_id, error)
        return RedirectResponse(f"{PATH}?sent={contact_id}", status_code=303)

    async def verify(self, request: Request, *, who: Staff, contact_id: UUID, pin: Annotated[str, Form(max_length=20)] = "") -> Response:
        """Takes the code that came; a wrong one counts."""
        async with self._database.transaction() as tx:
            wrong = await verifying.confirm(tx, self._keyring, _officer(who), contact_id, pin, now=self._clock.now(), actor=actor_of(who))
        if wrong is not None:  # after the commit
            return await self._page(request, who, contact_id, wrong)
        return RedirectResponse(PATH, status_code=303)

    async def _page(self, request: Request, who: StaffPrincipal, asked: UUID | None, wrong: TocsinError | None = None) -> Response:
        async with self._database.connection() as connection:
            officer = await own(connection, self._sealer, who)
        errors: Sequence[FieldError] = [FieldError("", wrong.code, wrong.detail)] if wrong else ()
        return templates.render(
            request,
            "directory/account.html",
            status_code=wrong.status if wrong else 200,
            officer=officer,
            username=who.username,
            asked=asked,
            errors=errors,
        )


def _officer(who: StaffPrincipal) -> UUID:
    if who.officer_id is None:
        raise Forbidden("not_permitted", _("This account is not an officer's: it has no numbers."))
    return who.officer_id
