"""The pages: the board and the cases, the rules by which they are answered, and what administrators change about those."""

from fastapi import APIRouter

from libs.db import Database
from libs.web.express import joined
from services.router.handlers.desk import Desk
from services.router.web import bindings, cases, moves, policies


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    return joined(
        cases.router(desk, database),
        bindings.router(desk, database),  # before the page of a policy, whose address is any word
        moves.router(desk, database),
        policies.router(desk, database),
    )
