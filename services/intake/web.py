"""The pages: for everybody a form and the receipt, for staff the operator's form and the report itself."""

from collections.abc import Collection
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request, Response

from libs.directory.permissions import StaffPrincipal, require
from libs.errors import TocsinError, TooLarge, TooMany, Unsupported
from libs.i18n import gettext as _
from libs.terms import Channel, Danger, Grade, Situation, Step, Tier
from libs.terms.labels import CODES, GRADE_URGENCY, label
from libs.web import identity, templates
from services.intake.errors import IdempotencyKeyReused, NoSuchReceipt
from services.intake.handlers import content, receipts
from services.intake.handlers.accept import Accepted, Sender, accept_report
from services.intake.handlers.needs import Needs
from services.intake.handlers.public import accept_public
from services.intake.rules import reading
from services.intake.rules.forms import TEXT_FIELDS, form_errors
from services.intake.rules.report import CHILDREN_MAX, LINE_MAX, NARRATIVE_MAX

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Visitor = Annotated[StaffPrincipal | None, Depends(identity.visitor)]

OPERATOR_CHANNELS = (Channel.HOTLINE, Channel.IN_PERSON, Channel.SMS, Channel.WEB)
FORM_FIELDS_MAX = 40
FORM_SIZE_MAX_BYTES = 200_000
"""The longest narrative in percent-encoded UTF-8, and the rest of the form."""
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
RECEIPT_TYPED_MAX = 64
PUBLIC_CATEGORIES = (
    "neighbour",
    "relative",
    "parent",
    "child_self",
    "teacher",
    "school_staff",
    "doctor",
    "nurse",
    "social_worker",
    "community_committee",
    "hotel",
    "transport",
    "other",
)
"""Whom the public form asks whether they are; the others have forms and keys of their own."""


def routes(needs: Needs) -> tuple[APIRouter, ...]:
    """The routers of the pages."""
    return _public(needs), _receipts(needs), _staff(needs)


def _public(needs: Needs) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    @router.get("/public")
    async def public_form(request: Request, _visitor: Visitor) -> Response:
        """Anybody can report, without a name."""
        return _public_page(request, {"key": str(uuid4())}, {})

    @router.post("/public")
    async def send_public(request: Request, _visitor: Visitor) -> Response:
        """A sent form: the receipt, or the same form with what is wrong beside each field."""
        form = await _form(request)
        key = form.get("key") or str(uuid4())
        try:
            needs.public_bound.check(_address(request))
            accepted = await accept_public(form, key, needs)
        except IdempotencyKeyReused:
            # The browser's “back”, another text, and “send” again: that is a second report, and must not get lost behind the first.
            return _public_page(
                request,
                form | {"key": str(uuid4())},
                {"": _("You have sent a report from this page already. If this is a further one, send it now.")},
                409,
            )
        except TocsinError as error:
            return _public_page(request, form | {"key": key}, form_errors(error.errors) or {"": error.detail}, error.status)
        return _sent_page(request, accepted, needs)

    return router


def _receipts(needs: Needs) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/receipt")
    async def receipt_form(request: Request, _visitor: Visitor) -> Response:
        """Where the code is typed in."""
        return templates.render(request, "intake/receipt.html", typed="", error="", status=None)

    @router.post("/receipt")
    async def look_up(request: Request, _visitor: Visitor) -> Response:
        """By POST, so that the code stays out of the history of a shared computer."""
        return await _receipt_page(request, (await _form(request, ("code",))).get("code", ""), needs)

    @router.get("/receipt/{code}")
    async def receipt_page(request: Request, code: str, _visitor: Visitor) -> Response:
        """What has happened to the report with this code."""
        return await _receipt_page(request, code, needs)

    return router


def _staff(needs: Needs) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/report")
    async def operator_form(request: Request, staff: Staff) -> Response:
        """The form for those who take calls."""
        require(staff, "report.create")
        return templates.render(
            request,
            "intake/operator.html",
            key=str(uuid4()),
            mandatory=[one for one in Situation if one.name.startswith("MR")],
            guardianship=[one for one in Situation if one.name.startswith("GC")],
            dangers=list(Danger),
            category_options=[(code, said.text()) for code, said in CODES["reporter"].items()],
            confidentiality_options=[(code, said.text()) for code, said in CODES["confidentiality"].items()],
            channel_options=[(channel, label(channel)) for channel in OPERATOR_CHANNELS],
            children_max=CHILDREN_MAX,
            line_max=LINE_MAX,
            narrative_max=NARRATIVE_MAX,
            words=_words(),
        )

    @router.post("/report")
    async def send_operator(request: Request, staff: Staff) -> Response:
        """The same report as the API's, sent by the page."""
        require(staff, "report.create")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Unsupported("unsupported_content_type", _("Send JSON, with Content-Type: application/json."))
        accepted = await accept_report(
            Sender(f"staff:{staff.account_id}"),
            request.headers.get("idempotency-key") or str(uuid4()),
            await request.body(),
            clock=needs.clock,
            database=needs.database,
            places=needs.places,
            secrets=needs.secrets,
            write=needs.write,
        )
        return Response(receipts.answer(accepted, needs.public_base_url), 202, media_type="application/json")

    @router.get("/reports/{report_id}")
    async def report_page(request: Request, report_id: UUID, staff: Staff) -> Response:
        """Everything that was reported. Opening it is recorded."""
        async with needs.database.transaction() as tx:
            opened = await content.open_report(tx, report_id, staff, "case_work", clock=needs.clock, sealer=needs.secrets.sealer)
        codes = {opened.division_code} | reading.division_codes(opened.content)
        names = {code: place.name for code in codes if (place := await needs.places.find(code))}
        return templates.render(
            request,
            "intake/report.html",
            report=opened,
            place=names.get(opened.division_code, ""),
            sections=reading.sections(reading.with_names(opened.content, names), opened.reporter),
        )

    return router


def _public_page(request: Request, form: dict[str, str], errors: dict[str, str], status_code: int = 200) -> Response:
    return templates.render(
        request,
        "intake/public.html",
        status_code=status_code,
        form={name: form.get(name, "") for name in TEXT_FIELDS},
        errors={name: errors.get(name, "") for name in ("", *TEXT_FIELDS)},
        marked=any(name for name in errors),
        categories=[(code, CODES["reporter"][code].text()) for code in PUBLIC_CATEGORIES],
        narrative_max=NARRATIVE_MAX,
    )


def _sent_page(request: Request, accepted: Accepted, needs: Needs) -> Response:
    return templates.render(
        request,
        "intake/sent.html",
        status_code=202,
        receipt=accepted.receipt,
        received_at=accepted.received_at,
        receipt_url=f"{needs.public_base_url}/receipt/{accepted.receipt}",
    )


async def _receipt_page(request: Request, typed: str, needs: Needs) -> Response:
    try:
        needs.receipt_bound.check(_address(request))
        async with needs.database.connection() as connection:
            status = await receipts.receipt_status(connection, typed, secrets=needs.secrets)
    except (NoSuchReceipt, TooMany) as error:
        return templates.render(
            request, "intake/receipt.html", status_code=error.status, typed=typed[:RECEIPT_TYPED_MAX], error=error.detail, status=None
        )
    return templates.render(request, "intake/receipt.html", typed="", error="", status=status)


async def _form(request: Request, names: Collection[str] = TEXT_FIELDS) -> dict[str, str]:
    """The text fields of a sent form that we know; files and other fields are not looked at."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in FORM_TYPES:
        raise Unsupported("unsupported_content_type", _("Send the form as browsers do."))
    if len(await request.body()) > FORM_SIZE_MAX_BYTES:
        raise TooLarge("too_large", _("This is longer than what one report can hold. Send the rest as a second report."))
    form = await request.form(max_fields=FORM_FIELDS_MAX, max_files=1)
    return {name: value for name in names if isinstance(value := form.get(name, ""), str)}


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _words() -> dict[str, Any]:
    """What the operator page's script says, in the page's language."""
    return {
        "grades": {grade.value: f"{label(grade)} {GRADE_URGENCY[grade].text()}" for grade in Grade},
        "told": _("Told at once"),
        "deadlines": _("Deadlines"),
        "steps": {step.value: label(step) for step in Step},
        "tiers": {tier.value: label(tier) for tier in Tier},
        "channels": {"sms": _("SMS"), "voice": _("call")},
        "choose_place": _("Choose a place to see the grade, who would be told, and the deadlines."),
        "preview_failed": _("The preview cannot be shown just now. The report can be sent all the same."),
        "accountable": _("answers for it"),
        "within": _("within %(time)s", time="{}"),
        "send_failed": _("The report could not be sent. Everything typed is still here: send it again."),
        "look_again": _("Please look at these fields again"),
        "remove_child": _("Remove child %(n)s", n="{}"),
        "child": _("Child %(n)s", n="{}"),
        "opening_case": _("Looking for the case …"),
        "open_case": _("Open the case"),
        "no_case_yet": _("The case is not there yet; it will be on the board in a moment."),
    }
