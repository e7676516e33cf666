"""Lists are `{"items": [...], "next": cursor | null}`. A cursor is where the next page starts; what is in it is nobody's business."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import BaseModel

from libs.errors import Invalid
from libs.i18n import gettext as _

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 200
CURSOR_LENGTH_MAX: Final = 512
_INTEGER_MAX: Final = 2**63

ItemT = TypeVar("ItemT")
Part = str | int | datetime | UUID

Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="How many items a page has at most.")]
"""A route's `limit: Limit = PAGE_SIZE`."""
Cursor = Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX, description="`next` of the page before.")]
"""A route's `cursor: Cursor = None`."""


class Page(BaseModel, Generic[ItemT]):
    """One page of a list; `next` is None on the last one."""

    items: list[ItemT]
    next: str | None = None


def encode(*position: Part) -> str:
    """The cursor for the position after which the next page starts: the values of the ORDER BY columns of the last item."""
    plain = [part if isinstance(part, int) else part.isoformat() if isinstance(part, datetime) else str(part) for part in position]
    return base64.urlsafe_b64encode(orjson.dumps(plain)).decode().rstrip("=")


def decode(cursor: str | None, *types: type[Part]) -> tuple[Any, ...] | None:
    """The position in a cursor that was made of values of `types`; None for None. `Invalid` on field `cursor` for anything else."""
    if cursor is None:
        return None
    try:
        raw = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(raw, list) or len(raw) != len(types):
            raise _malformed()
        return tuple(_READERS[kind](part) for kind, part in zip(types, raw, strict=True))
    except (binascii.Error, ValueError, TypeError, OverflowError) as error:
        raise _malformed() from error


def split(rows: Sequence[ItemT], limit: int, position: Callable[[ItemT], Sequence[Part]]) -> tuple[Sequence[ItemT], str | None]:
    """The page's rows and the next cursor, from a query that asked for `limit + 1` rows; `position` tells where a row stands."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode(*position(rows[limit - 1]))


def _text(part: object) -> str:
    if not isinstance(part, str) or "\x00" in part:
        raise _malformed()
    return part


def _integer(part: object) -> int:
    if not isinstance(part, int) or isinstance(part, bool) or not -_INTEGER_MAX <= part < _INTEGER_MAX:
        raise _malformed()
    return part


def _instant(part: object) -> datetime:
    at = datetime.fromisoformat(_text(part))
    if at.tzinfo is None:
        raise _malformed()
    return at.astimezone(UTC)


def _uuid(part: object) -> UUID:
    return UUID(_text(part))


_READERS: Final[dict[type, Callable[[object], Part]]] = {str: _text, int: _integer, datetime: _instant, UUID: _uuid}


def _malformed() -> Invalid:
    return Invalid("bad_cursor", _("This is not a cursor of this list. Leave it out to start from the beginning."), field="cursor")
