"""The board and the case page."""

from fastapi import APIRouter

from libs.db import Database
from services.router.handlers.desk import Desk


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    _ = desk, database
    return APIRouter(include_in_schema=False)
