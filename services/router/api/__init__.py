"""The router's HTTP interface: cases, what people do to them, and what policies would do (DESIGN section 9)."""

from fastapi import APIRouter

from libs.db import Database
from services.router.api import acts, beside, bindings, cases, policies
from services.router.handlers.desk import Desk


def router(desk: Desk, database: Database) -> APIRouter:
    """All routes."""
    made = APIRouter()
    made.include_router(cases.router(desk, database))
    made.include_router(acts.router(desk, database))
    made.include_router(beside.router(desk, database))
    made.include_router(policies.router(desk, database))
    made.include_router(bindings.router(desk, database))
    return made
