"""What all webhooks of Twilio's have in common: a form that is believed only with Twilio's signature over the address that we gave it."""

from typing import Any
from uuid import UUID

from starlette.requests import Request

from libs.errors import Forbidden, Invalid, TooLarge, Unsupported
from libs.i18n import gettext as _
from services.notifier.gateways.twilio_webhooks import BODY_BYTES_MAX, Form, is_signed, read_form

FORM = "application/x-www-form-urlencoded"


async def signed_form(request: Request, url: str, tokens: tuple[str, ...]) -> Form:
    """The form that was posted, once it is certain that Twilio signed it for this address."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Unsupported("unsupported_content_type", _("Send a form, with Content-Type: application/x-www-form-urlencoded."))
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge("too_large", _("The request is larger than what we accept."))
    form = read_form(body)
    query = request.scope.get("query_string", b"").decode("latin-1")
    signed = f"{url}?{query}" if query else url
    if form is None or not is_signed(tokens, signed, form, request.headers.get("x-twilio-signature", "")):
        raise Forbidden("bad_signature", _("This request does not carry the provider's signature."))
    return form


def required(form: Form, field: str) -> str:
    """The value of a field that must be there."""
    value = form.get(field, "")
    if not value or len(value) > 64 or not value.isprintable():
        raise Invalid("missing", _("This field is required."), field=field)
    return value


def error_code(form: Form) -> int | None:
    """The code with which the provider says why."""
    text = form.get("ErrorCode", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def uuid_of(text: str) -> UUID | None:
    """The id that a path names, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def form_body(*fields: str, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """How a webhook's body looks, for the OpenAPI document: it is read by hand, since its very bytes are signed."""
    schema = {"type": "object", "properties": {field: {"type": "string"} for field in fields}, "required": list(fields)}
    signature = {"name": "X-Twilio-Signature", "in": "header", "schema": {"type": "string"}, "description": "Proof of origin"}
    told = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path]
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}, "parameters": [*told, signature]}
