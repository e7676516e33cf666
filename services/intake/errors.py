"""What can go wrong in intake, beyond the common tree of `libs.errors`.

TocsinError
├── Invalid (422)
│   ├── IdempotencyKeyReused   the key was used for another body
│   └── UnknownDivision        no such place in the register
├── NotFound (404)
│   └── NoSuchReceipt          the same for what is no receipt and for what is nobody's receipt
└── Conflict (409)
    └── ReceiptGone            accepted long ago, under a master key that was dropped since
"""

from libs.errors import Conflict, Invalid, NotFound
from libs.i18n import gettext as _


class IdempotencyKeyReused(Invalid):
    """May not be retried: the sender has to choose another key for another report."""

    def __init__(self) -> None:
        super().__init__(
            "idempotency_key_reused",
            _("This key was used for another report. Send the same body to get its answer again, or a new key for a new report."),
            field="Idempotency-Key",
        )


class UnknownDivision(Invalid):
    """May be retried with a code that is registered."""

    def __init__(self, field: str, division_code: str) -> None:
        super().__init__(
            "unknown_division",
            _(
                "There is no place %(code)s in the register. Search with GET /v1/divisions?q=, or give the district’s code.",
                code=division_code,
            ),
            field=field,
        )


class UnknownReport(Invalid):
    """May be retried without the reference."""

    def __init__(self, field: str) -> None:
        super().__init__(
            "unknown_report", _("There is no such earlier report. Give the report_id that was answered, or leave it out."), field=field
        )


class NoSuchReceipt(NotFound):
    """Says nothing about whether the code was close to one."""

    def __init__(self) -> None:
        super().__init__("no_such_receipt", _("There is no report with this receipt code. Check each sign; there are 16, in four groups."))


class ReceiptGone(Conflict):
    """May not be retried. The report itself is safe."""

    def __init__(self) -> None:
        super().__init__("receipt_gone", _("This report was accepted long ago; its receipt code cannot be shown again."))
