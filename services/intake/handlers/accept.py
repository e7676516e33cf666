"""Accepting a report: read, check, seal, write, answer. After the answer the report is never lost (promise 1).

The order matters to those who wait for the answer: what can be refused without the database is refused first, and a report is only
answered once its row, its reporter's row and its event are committed together.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import prometheus_client as metrics
from pydantic import ValidationError

from libs.clock import Clock
from libs.crypto import BlindIndex, KeyRing, Sealer, UnknownKeyVersion
from libs.db import TRANSIENT, Database
from libs.db.microbatch import MicroBatch
from libs.errors import FieldError, Unavailable
from libs.events import new_event, new_id
from libs.events.figures import count_published
from libs.i18n import gettext as _
from services.intake import store
from services.intake.errors import IdempotencyKeyReused, ReceiptGone, UnknownDivision, UnknownReport
from services.intake.handlers.places import Places
from services.intake.rules import facts, wording
from services.intake.rules.receipts import receipt_hash, receipt_of
from services.intake.rules.report import Part, Report
from services.intake.store import NewReport, StoredReport

RECEIPT_PURPOSE = "receipt"
RECEIPT_HASH_PURPOSE = "receipt-hash"
BODY_PURPOSE = "report-body"
CHILD_INDEX_PURPOSE = "child-id-number"
WRITE_ATTEMPTS_MAX = 2

ACCEPTED = metrics.Counter("tocsin_reports_accepted_total", "Reports that were stored, by channel.", ["channel"])
REPEATED = metrics.Counter("tocsin_reports_repeated_total", "Reports that were sent again and known by their idempotency key.")
WAITING = metrics.Gauge("tocsin_reports_waiting", "Reports that wait in this process to be stored.")

Write = Callable[[NewReport], Awaitable[StoredReport]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as far as it matters here: whose idempotency keys these are, and which channel they may file under (None: any)."""

    client_id: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a report. The same request gets the same one again."""

    report_id: UUID
    receipt: str
    received_at: datetime


class Secrets:
    """The keys that intake derives its codes and fingerprints with."""

    def __init__(self, keyring: KeyRing) -> None:
        self.version = keyring.newest
        self.sealer = Sealer(keyring)
        self.child_index = BlindIndex(keyring, CHILD_INDEX_PURPOSE)
        self.receipt_hash_keys = keyring.derive_all(RECEIPT_HASH_PURPOSE)
        self._keyring = keyring

    def receipt(self, report_id: UUID, version: int) -> str:
        """The receipt of a report that was accepted under that version of the keys; ReceiptGone when the version is gone."""
        try:
            return receipt_of(report_id, self._keyring.derive(RECEIPT_PURPOSE, version))
        except UnknownKeyVersion as error:
            raise ReceiptGone from error

    def body_hash(self, body: bytes, version: int) -> bytes:
        """What tells one body from another without telling what is in it."""
        try:
            return hmac.digest(self._keyring.derive(BODY_PURPOSE, version), body, "sha256")
        except UnknownKeyVersion as error:
            raise ReceiptGone from error

    def receipt_hashes(self, code: str) -> list[bytes]:
        """Every hash that may be stored for a tidied receipt code."""
        return [receipt_hash(code, key) for key in self.receipt_hash_keys]


def content_aad(report_id: UUID) -> str:
    """What the sealed content is bound to."""
    return f"intake.reports|content|{report_id}"


def reporter_aad(report_id: UUID) -> str:
    """What the sealed reporter is bound to."""
    return f"intake.reporters|identity|{report_id}"


async def accept_report(
    sender: Sender, idempotency_key: str, body: bytes, *, clock: Clock, database: Database, places: Places, secrets: Secrets, write: Write
) -> Accepted:
    """Accepts the report in `body` (JSON bytes), or raises what is wrong with it.

    `write` commits it and answers what stands under its idempotency key. Raises BadRequest, Invalid, IdempotencyKeyReused,
    UnknownDivision, ReceiptGone, or Unavailable when the database cannot be reached: then the same request may be sent again.
    """
    try:
        report = Report.model_validate_json(body)
    except ValidationError as error:
        raise wording.refusal(error) from None  # its text would carry the input
    now = clock.now()
    wrong = facts.problems(report, now)
    if sender.channel is not None and report.channel != sender.channel:
        wrong.append(FieldError("channel", "other_channel", _("This key reports under channel %(channel)s.", channel=sender.channel)))
    if wrong:
        raise wording.invalid(wrong)
    try:
        await _check_references(report, places, database)
        new, receipt = prepare(report, body, sender, idempotency_key, now=now, secrets=secrets)
        stored = await write(new)
    except TRANSIENT as error:
        raise Unavailable(
            "try_again", _("The report could not be stored just now. Send it again in a few seconds with the same Idempotency-Key.")
        ) from error
    if stored.report_id == new.report_id:
        return Accepted(new.report_id, receipt, now)
    if not hmac.compare_digest(stored.body_hash, secrets.body_hash(body, stored.key_version)):
        raise IdempotencyKeyReused
    return Accepted(stored.report_id, secrets.receipt(stored.report_id, stored.key_version), stored.received_at)


def prepare(report: Report, body: bytes, sender: Sender, idempotency_key: str, *, now: datetime, secrets: Secrets) -> tuple[NewReport, str]:
    """The rows and the event of a checked report, and its receipt: content and reporter sealed apart, all else ids, codes and times."""
    report_id = new_id()
    receipt = secrets.receipt(report_id, secrets.version)
    event = new_event(facts.received_event(report, report_id, now), key=report_id, time=now)
    reporter = report.reporter
    seal = secrets.sealer.seal
    new = NewReport(
        report_id=report_id,
        received_at=now,
        client_id=sender.client_id,
        channel=report.channel,
        division_code=event.data.division_code,
        situations=",".join(event.data.situations),
        key_version=secrets.version,
        idempotency_hash=hashlib.sha256(f"{sender.client_id}\0{idempotency_key}".encode()).digest(),
        body_hash=secrets.body_hash(body, secrets.version),
        receipt_hash=receipt_hash(receipt, secrets.receipt_hash_keys[0]),
        content_sealed=seal(_bytes_of(report, exclude=_REPORTER), content_aad(report_id)),
        identity_sealed=None if reporter is None else seal(_bytes_of(reporter), reporter_aad(report_id)),
        child_fingerprints=tuple(
            {secrets.child_index.of(_same_form(child.id_number)) for child in report.children if child.id_number is not None}
        ),
        event_id=event.id,
        event_type=event.type,
        envelope=event.to_json().decode(),
    )
    return new, receipt


def batched_writes(database: Database, *, writers_max: int, batch_max: int, queue_max: int) -> MicroBatch[NewReport, StoredReport]:
    """Writes that arrive together are one statement and one commit."""

    async def flush(reports: Sequence[NewReport]) -> list[StoredReport]:
        for attempt in range(1, WRITE_ATTEMPTS_MAX + 1):
            try:
                # One statement is its own transaction: no round trips for BEGIN and COMMIT.
                async with database.connection() as connection:
                    stored = await store.insert_reports(connection, reports)
            except TRANSIENT:
                # The commit may have happened and only its acknowledgement be lost: the idempotency key makes a second try safe.
                if attempt == WRITE_ATTEMPTS_MAX:
                    raise
            else:
                _count(reports, stored)
                return stored
        raise AssertionError("unreachable")

    writes = MicroBatch(flush, items_max=batch_max, queue_max=queue_max, writers_max=writers_max)
    WAITING.set_function(lambda: len(writes))
    return writes


def _count(reports: Sequence[NewReport], stored: Sequence[StoredReport]) -> None:
    new = [report for report, found in zip(reports, stored, strict=True) if found.report_id == report.report_id]
    for channel, count in Counter(report.channel for report in new).items():
        ACCEPTED.labels(channel).inc(count)
    REPEATED.inc(len(reports) - len(new))
    count_published([report.event_type for report in new])


_REPORTER = {"reporter"}


def _bytes_of(part: Part, *, exclude: set[str] | None = None) -> bytes:
    """What was sent of a part, as JSON: what `model_dump_json` does, without its way through a text."""
    return part.__pydantic_serializer__.to_json(part, exclude=exclude, exclude_unset=True)


async def _check_references(report: Report, places: Places, database: Database) -> None:
    """Every place must be in the register, and every earlier report must exist: a typing error would send help elsewhere."""
    for index, child in enumerate(report.children):
        for field in ("current_location", "home_location"):
            location = getattr(child, field)
            if location is not None and await places.find(location.division_code) is None:
                raise UnknownDivision(f"children[{index}].{field}.division_code", location.division_code)
    if report.related_report_ids:
        async with database.connection() as connection:
            missing = await store.unknown_reports(connection, report.related_report_ids)
        for index, related in enumerate(report.related_report_ids):
            if related in missing:
                raise UnknownReport(f"related_report_ids[{index}]")


def _same_form(id_number: str) -> str:
    """Two ways of writing one number give one fingerprint."""
    return "".join(char for char in id_number.upper() if char.isalnum())
