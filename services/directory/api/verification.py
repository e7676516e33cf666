"""Proving that a number is the officer's, over HTTP: administrators for those of their place, officers for their own."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from libs.clock import Clock
from libs.crypto import KeyRing
from libs.db import Database
from libs.directory.permissions import Principal
from libs.web.identity import staff_or_client
from libs.web.problems import responses
from services.directory.handlers import verifying
from services.directory.handlers.views import actor_of, require_numbers_of

Reader = Annotated[Principal, staff_or_client("admin")]


class Pin(BaseModel):
    """The code that was sent last."""

    model_config = ConfigDict(extra="forbid")

    pin: str = Field(max_length=20, examples=["042917"])


class VerificationApi:
    """The routes and what they need."""

    def __init__(self, database: Database, clock: Clock, keyring: KeyRing) -> None:
        self._database = database
        self._clock = clock
        self._keyring = keyring

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1/officers/{officer_id}/contacts/{contact_id}", tags=["directory"])
        router.post("/codes", status_code=202, responses=responses(401, 403, 404, 422, 429))(self.challenge)
        router.post("/verify", status_code=204, responses=responses(401, 403, 404, 409, 422))(self.confirm)
        return router

    async def challenge(self, who: Reader, officer_id: UUID, contact_id: UUID) -> None:
        """Sends a code of six digits to the number; it is valid for ten minutes. Officers may do this for their own numbers."""
        async with self._database.transaction() as tx:
            await require_numbers_of(tx, who, officer_id)
            await verifying.challenge(tx, officer_id, contact_id, now=self._clock.now(), actor=actor_of(who))

    async def confirm(self, who: Reader, officer_id: UUID, contact_id: UUID, body: Pin) -> None:
        """The contact is verified when the code is the one that was sent last; after five wrong ones another has to be sent."""
        async with self._database.transaction() as tx:
            await require_numbers_of(tx, who, officer_id)
            wrong = await verifying.confirm(tx, self._keyring, officer_id, contact_id, body.pin, now=self._clock.now(), actor=actor_of(who))
        if wrong is not None:  # after the commit: a wrong code counts
            raise wrong
