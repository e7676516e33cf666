"""What Pydantic found wrong, as fields with a path and a sentence in the user's language. Never what was in the field."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from libs.errors import FieldError
from libs.i18n import N_, current_locale
from libs.i18n import gettext as _

ERRORS_MAX = 50
_PLACES = ("body", "query", "path", "header", "cookie")


def field_errors(found: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """One FieldError for each wrong field, at most ERRORS_MAX; `found` is what `ValidationError.errors()` gives."""
    errors: dict[str, FieldError] = {}
    for item in found:
        path = field_path(item["loc"])
        if path not in errors and len(errors) < ERRORS_MAX:
            errors[path] = FieldError(path, _CODES.get(item["type"], item["type"]), _sentence(item))
    return list(errors.values())


def field_path(location: Sequence[str | int]) -> str:
    """`("body", "children", 0, "sex")` as `children[0].sex`; the body as a whole is `body`."""
    parts = location[1:] if location and location[0] in _PLACES else location
    # Pydantic names the branches of a union (`function-after[…]`, `list[str]`); a user has not written those.
    kept = [part for part in parts if isinstance(part, int) or not re.search(r"[\[\](){}]", part)]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in kept).lstrip(".")
    return path or (str(location[0]) if location else "body")


def _sentence(item: Mapping[str, Any]) -> str:
    context = dict(item.get("ctx") or {})
    if item["type"] in {"value_error", "assertion_error"}:
        return str(context.get("error", "")) or _("This value is not valid.")
    text = _SENTENCES.get(item["type"])
    if text is None:
        return str(item["msg"]) if current_locale() == "en" else _("This value is not valid.")
    try:
        return _(text, **context) if "%(" in text else _(text)
    except KeyError:
        return _("This value is not valid.")


_CODES: Final[Mapping[str, str]] = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "value_error": "invalid",
    "enum": "unknown_code",
}
"""Where our own word is clearer than Pydantic's."""

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": N_("This field is required."),
    "extra_forbidden": N_("There is no such field."),
    "enum": N_("Must be one of: %(expected)s."),
    "literal_error": N_("Must be one of: %(expected)s."),
    "string_type": N_("Must be text."),
    "string_too_short": N_("Must have at least %(min_length)s characters."),
    "string_too_long": N_("Must have at most %(max_length)s characters."),
    "string_pattern_mismatch": N_("Is not written in the expected form."),
    "string_unicode": N_("Must be valid Unicode text."),
    "bool_type": N_("Must be true or false."),
    "bool_parsing": N_("Must be true or false."),
    "int_type": N_("Must be a whole number."),
    "int_parsing": N_("Must be a whole number."),
    "int_from_float": N_("Must be a whole number."),
    "float_type": N_("Must be a number."),
    "float_parsing": N_("Must be a number."),
    "finite_number": N_("Must be a number."),
    "greater_than": N_("Must be more than %(gt)s."),
    "greater_than_equal": N_("Must be %(ge)s or more."),
    "less_than": N_("Must be less than %(lt)s."),
    "less_than_equal": N_("Must be %(le)s or less."),
    "list_type": N_("Must be a list."),
    "tuple_type": N_("Must be a list."),
    "set_type": N_("Must be a list."),
    "dict_type": N_("Must be an object."),
    "model_type": N_("Must be an object."),
    "model_attributes_type": N_("Must be an object."),
    "too_short": N_("Must have at least %(min_length)s entries."),
    "too_long": N_("Must have at most %(max_length)s entries."),
    "uuid_type": N_("Must be a UUID."),
    "uuid_parsing": N_("Must be a UUID."),
    "date_type": N_("Must be a date such as 2026-05-04."),
    "date_parsing": N_("Must be a date such as 2026-05-04."),
    "date_from_datetime_parsing": N_("Must be a date such as 2026-05-04."),
    "date_from_datetime_inexact": N_("Must be a date such as 2026-05-04."),
    "datetime_type": N_("Must be a time with offset such as 2026-05-04T08:00:00+08:00."),
    "datetime_parsing": N_("Must be a time with offset such as 2026-05-04T08:00:00+08:00."),
    "datetime_from_date_parsing": N_("Must be a time with offset such as 2026-05-04T08:00:00+08:00."),
    "timezone_aware": N_("Must be a time with offset such as 2026-05-04T08:00:00+08:00."),
}
