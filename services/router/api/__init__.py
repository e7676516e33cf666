"""The router's HTTP interface: cases, what people do to them, and what policies would do (DESIGN section 9)."""

from fastapi import APIRouter

from libs.db import Database
from libs.web.express import joined
from services.router.api import acts, beside, bindings, cases, policies
from services.router.handlers.desk import Desk


def router(desk: Desk, database: Database) -> APIRouter:
    """All routes."""
    return joined(
        cases.router(desk, database),
        acts.router(desk, database),
        beside.router(desk, database),
        policies.router(desk, database),
        bindings.router(desk, database),
    )
