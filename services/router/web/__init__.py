"""The pages: the board and the cases, and the rules by which they are answered."""

from fastapi import APIRouter

from libs.db import Database
from services.router.handlers.desk import Desk
from services.router.web import cases, policies


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    made = APIRouter()
    made.include_router(cases.router(desk, database))
    made.include_router(policies.router(desk, database))
    return made
