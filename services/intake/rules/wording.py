"""From what validation found to what people can act on: which field, what is wrong, and the way out, in their language."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from libs.errors import BadRequest, FieldError, Invalid, TocsinError
from libs.i18n import N_
from libs.i18n import gettext as _
from services.intake.rules import report

ERRORS_MAX = 50
"""More than anybody reads; a body of nonsense must not become an answer of megabytes."""
NAME_MAX = 100

SERVER_FIELDS = frozenset(
    {"grade", "tier", "status", "owner", "policy", "policy_version", "triage", "report_id", "receipt", "received_at", "case_id"}
)
"""What a client may expect to say, and what only the server decides."""


def refusal(error: ValidationError) -> TocsinError:
    """The answer to a report that did not pass: 400 when it is not JSON at all, else 422 naming each field."""
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        reason = str(found[0].get("ctx", {}).get("error", ""))
        return BadRequest("malformed_json", _("The body is not valid JSON (UTF-8): %(reason)s.", reason=reason))
    inside = {one["loc"][:length] for one in found for length in range(1, len(one["loc"]))}
    # A list whose items are wrong is also found too short, as if they were not there: that would only puzzle the reader.
    telling = [one for one in found if not (one["type"] == "too_short" and one["loc"] in inside)]
    return invalid([_field_error(one) for one in telling[:ERRORS_MAX]])


def invalid(errors: Sequence[FieldError]) -> Invalid:
    """The 422 that names every wrong field."""
    return Invalid("invalid", _("The report was understood, but some fields need another look."), errors=errors)


def no_places() -> str:
    """What is said where the register is still empty."""
    return _("This service does not know any place yet, so it cannot take reports. Call 110 or 12345.")


def path_of(location: Iterable[int | str]) -> str:
    """`children[0].current_location.division_code`; the name of an unknown field is shortened, since the sender chose it."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else ("." if path else "") + part[:NAME_MAX]
    return path


def _field_error(found: Mapping[str, Any]) -> FieldError:
    kind: str = found["type"]
    location: tuple[int | str, ...] = found["loc"]
    context: Mapping[str, Any] = found.get("ctx") or {}
    code, detail = _say(kind, str(location[-1]) if location else "", context)
    return FieldError(path_of(location), code, detail)


def _say(kind: str, name: str, context: Mapping[str, Any]) -> tuple[str, str]:
    if kind == "missing":
        return "required", _("This is needed.")
    if kind == "string_too_short" and name == "narrative":  # the one text that cannot be left out
        return "too_short", _("Tell what was seen or heard; a few words will do.")
    if kind == "extra_forbidden":
        if name in SERVER_FIELDS:
            return "unknown_field", _("This is worked out by the service. Leave it out.")
        return "unknown_field", _("There is no such field. Check its name, or leave it out.")
    if kind == "enum":
        return "unknown_code", _("Choose one of %(choices)s.", choices=re.sub(r"'([^']*)'", r"\1", str(context.get("expected", ""))))
    if kind == "string_pattern_mismatch":
        return _say_pattern(str(context.get("pattern", "")))
    if kind.startswith(("datetime_", "timezone_")):
        return "not_a_time", _("Give a time with its offset from UTC, such as 2026-03-01T08:30:00+08:00, or leave it out.")
    if kind.startswith("date_"):
        return "not_a_date", _("Give a date such as 2015-06-01, or leave it out.")
    if kind.startswith("uuid_"):
        return "not_an_id", _("Give the report_id that was answered, or leave it out.")
    return _say_size_or_type(kind, context)


def _say_pattern(pattern: str) -> tuple[str, str]:
    if pattern in {report.LINE_PATTERN, report.TEXT_PATTERN}:
        return "not_readable", _("Give text that can be read: not only blanks, no control characters, lines broken only in long texts.")
    if pattern == report.DIVISION_PATTERN:
        return "not_a_division_code", _("A division code has 2, 4, 6, 9, 12 or 15 digits. Search for the place with GET /v1/divisions?q=.")
    if pattern == report.PHONE_PATTERN:
        return "not_a_phone", _("Give 3 to 30 digits, with spaces, dashes, brackets or a leading + where wanted, or leave it out.")
    return "wrong_form", _("This does not have the form that the documentation asks for (/openapi.json).")


def _say_size_or_type(kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    if kind in _SIZES:
        code, text, limit = _SIZES[kind]
        return code, _(text, n=context[limit])
    for prefix, text in _TYPES.items():
        if kind.startswith(prefix):
            return "wrong_type", _(text)
    return "wrong_value", _("This value does not fit here; see the documentation (/openapi.json).")


_SIZES = {
    "string_too_long": ("too_long", N_("At most %(n)s characters."), "max_length"),
    "string_too_short": ("too_short", N_("Leave it out when it is not known; otherwise write at least %(n)s character."), "min_length"),
    "too_long": ("too_many", N_("At most %(n)s entries."), "max_length"),
    "too_short": ("too_few", N_("At least %(n)s entry."), "min_length"),
    "greater_than_equal": ("too_small", N_("At least %(n)s."), "ge"),
    "less_than_equal": ("too_large", N_("At most %(n)s."), "le"),
}

_TYPES = {
    "string_": N_("Give text in quotation marks."),
    "bool_": N_("Give true or false."),
    "int_": N_("Give a whole number."),
    "tuple_": N_("Give a list in square brackets."),
    "list_": N_("Give a list in square brackets."),
    "model_": N_("Give an object in curly brackets."),
    "dict_": N_("Give an object in curly brackets."),
}
