"""What policies say, and what they would do."""

from typing import Annotated, Any

from fastapi import APIRouter

from libs.db import Database
from libs.directory.permissions import Principal, require
from libs.i18n import current_locale
from libs.web import identity
from libs.web.pagination import Page
from libs.web.problems import responses
from services.router.api.models import PolicyRef
from services.router.api.policy_models import (
    ComparisonIn,
    ComparisonOut,
    LineOut,
    PolicyOut,
    PreviewOut,
    QuestionIn,
    SimulationOut,
    comparison_out,
    policy_out,
    preview_out,
)
from services.router.handlers import policies
from services.router.handlers.desk import Desk
from services.router.rules.policy import Policy

Reader = Annotated[Principal, identity.staff_or_client("read")]
Asker = Annotated[Principal, identity.staff_or_client("report")]


def router(desk: Desk, database: Database) -> APIRouter:
    """The routes."""
    made = APIRouter(prefix="")

    @made.get("/v1/policies")
    async def list_policies(who: Reader) -> Page[PolicyOut]:
        """Every policy in every version that is known here."""
        require(who, "policy.read")
        locale = current_locale()
        async with database.connection() as connection:
            book = await desk.refresh(connection)
        return Page(items=[policy_out(policy, locale) for policy in book.policies])

    @made.get("/v1/policies/schema")
    async def policy_schema() -> dict[str, Any]:
        """The JSON Schema of a policy file."""
        return Policy.model_json_schema()

    @made.post("/v1/policies/preview", responses=responses(400, 413, 415, 422))
    async def preview(who: Asker, body: QuestionIn) -> PreviewOut:
        """What a report would set in motion at once: the grade, who is told, the deadlines."""
        require(who, "policy.read")
        async with database.connection() as connection:
            return preview_out(await policies.preview(desk, connection, body.question()))

    @made.post("/v1/policies/simulate", responses=responses(400, 413, 415, 422))
    async def simulate(who: Reader, body: QuestionIn) -> SimulationOut:
        """Everything that would happen if all did what `answers` say and stayed silent otherwise."""
        require(who, "policy.read")
        async with database.connection() as connection:
            policy, band, lines = await policies.simulated(desk, connection, body.question(), current_locale())
        return SimulationOut(
            grade=policy.severity(band),
            band=band,
            band_name=policy.grades[band].name.of(current_locale()),
            policy=PolicyRef(id=policy.id, version=policy.version),
            timeline=[LineOut.model_validate(line, from_attributes=True) for line in lines],
        )

    @made.post("/v1/policies/compare", responses=responses(400, 413, 415, 422))
    async def compare(who: Reader, body: ComparisonIn) -> ComparisonOut:
        """What another policy would do differently with sample reports of a place: every situation, by day and by night."""
        require(who, "policy.read")
        async with database.connection() as connection:
            pair = (body.before, body.after)
            return comparison_out(await policies.compared(desk, connection, pair, body.division_code, at=body.at, locale=current_locale()))

    return made
