"""The errors that a user may meet, each with its HTTP status.

TocsinError
├── BadRequest      400  the request cannot be read
├── Unauthorised    401  who is asking is not known
├── Forbidden       403  who is asking may not do this
├── NotFound        404
├── Conflict        409  the thing is not in a state that allows this
├── TooLarge        413
├── Unsupported     415  not a content type that we read
├── Invalid         422  the request was read, and a field of it is wrong
├── TooMany         429  retry later
└── Unavailable     503  retry later

`libs.web.problems` turns them into RFC 9457 problem documents; nothing else maps errors to HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `field` is its path in the request (`children[0].sex`), `detail` says what to do, in the user's language."""

    field: str
    code: str
    detail: str


class TocsinError(Exception):
    """Base of all; `code` is the problem type (stable, snake_case), `detail` is for people, already translated."""

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, code: str, detail: str, *, field: str | None = None, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors) or ((FieldError(field, code, detail),) if field else ())


class BadRequest(TocsinError):
    status = 400


class Unauthorised(TocsinError):
    status = 401


class Forbidden(TocsinError):
    status = 403


class NotFound(TocsinError):
    status = 404


class Conflict(TocsinError):
    status = 409


class TooLarge(TocsinError):
    status = 413


class Unsupported(TocsinError):
    status = 415


class Invalid(TocsinError):
    status = 422


class TooMany(TocsinError):
    status = 429
    retryable = True


class Unavailable(TocsinError):
    status = 503
    retryable = True
