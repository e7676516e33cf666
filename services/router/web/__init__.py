"""The pages: the board and the cases, the rules by which they are answered, and what administrators change about those."""

from fastapi import APIRouter

from libs.db import Database
from services.router.handlers.desk import Desk
from services.router.web import bindings, cases, moves, policies


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    made = APIRouter()
    made.include_router(cases.router(desk, database))
    made.include_router(bindings.router(desk, database))  # before the page of a policy, whose address is any word
    made.include_router(moves.router(desk, database))
    made.include_router(policies.router(desk, database))
    return made
