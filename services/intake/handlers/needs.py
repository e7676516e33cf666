"""What the handlers of this room need, wired once in `app.py` and handed to the doors."""

from dataclasses import dataclass

from libs.clock import Clock
from libs.db import Database
from services.intake.handlers.accept import Secrets, Write
from services.intake.handlers.bounds import AddressBound
from services.intake.handlers.places import Places


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything; each handler takes what it uses."""

    clock: Clock
    database: Database
    places: Places
    secrets: Secrets
    write: Write
    receipt_bound: AddressBound
    public_bound: AddressBound
    public_base_url: str
