"""Receipts: unguessable, readable aloud, the same again for the same report; and what they tell."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.clock import FakeClock
from libs.errors import TooMany
from libs.events import Event, new_event, new_id
from libs.events.catalogue import (
    CaseAcknowledged,
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    CaseStepDone,
    CaseSupervised,
)
from libs.i18n import use_locale
from libs.terms import CloseResult, Grade, Step, Tier, told
from libs.terms.told import Stage
from services.intake.handlers.bounds import AddressBound, network_of
from services.intake.rules import progress
from services.intake.rules.progress import Progress, advance
from services.intake.rules.receipts import ALPHABET, receipt_hash, receipt_of, tidy

KEY = bytes(range(32))
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
CASE = UUID("019a0000-0000-7000-8000-000000000001")


def test_a_receipt_is_four_groups_of_four_signs_that_cannot_be_confused():
    receipt = receipt_of(uuid4(), KEY)
    assert [len(group) for group in receipt.split("-")] == [4, 4, 4, 4]
    assert set(receipt.replace("-", "")) <= set(ALPHABET)
    assert not set("01AEIOUBDKLNSTYZ") & set(ALPHABET)


def test_the_same_report_has_the_same_receipt_and_another_key_another():
    report_id = new_id()
    assert receipt_of(report_id, KEY) == receipt_of(report_id, KEY)
    assert receipt_of(report_id, KEY) != receipt_of(report_id, KEY[::-1])


def test_receipts_are_spread_evenly():
    receipts = [receipt_of(new_id(), KEY).replace("-", "") for _ in range(5000)]
    assert len(set(receipts)) == 5000
    for place in range(16):
        counts = Counter(receipt[place] for receipt in receipts)
        # 5000 / 20 = 250 of each sign; six standard deviations either way.
        assert all(160 < counts[sign] < 340 for sign in ALPHABET)


@pytest.mark.parametrize(
    "typed",
    [
        "CFGH-2345-6789-JMPQ",
        "cfgh2345 6789 jmpq",
        "  CFGH 2345-6789–JMPQ ",
        "c f g h 2 3 4 5 6 7 8 9 j m p q",
        "CFGH　2345．6789_JMPQ".replace("．", "."),
    ],
)
def test_how_a_receipt_is_typed_does_not_matter(typed: str):
    assert tidy(typed) == "CFGH23456789JMPQ"


@pytest.mark.parametrize(
    "typed", ["", "CFGH-2345-6789", "CFGH-2345-6789-JMPQ-2", "CFGH-2345-6789-JMP0", "x" * 10_000, "ſſſſ" * 4, "ﬀ" * 8, "\0" * 16]
)
def test_what_is_no_receipt_is_none(typed: str):
    assert tidy(typed) is None


def test_what_is_stored_does_not_tell_the_receipt():
    receipt = receipt_of(new_id(), KEY)
    stored = receipt_hash(receipt, KEY[::-1])
    assert stored == receipt_hash(receipt.replace("-", ""), KEY[::-1])
    assert stored != receipt_hash(receipt, KEY)
    assert len(stored) == 16


def event(cls: type, minute: float, **data: Any) -> Event[Any]:
    given = {"case_id": CASE, "grade": Grade.II, "division_code": "440304001020", **data}
    return new_event(cls(**given), key=CASE, time=NOW + timedelta(minutes=minute))


OPENED = {
    "report_id": uuid4(),
    "code": "C2F345",
    "received_at": NOW,
    "policy_id": "national",
    "policy_version": 1,
    "grade_reason": "MR4",
    "deadlines": {},
}
STORY = (
    (event(CaseOpened, 0, tier=Tier.COMMUNITY, **OPENED), Stage.ASSIGNED, Tier.COMMUNITY),
    (event(CaseAssigned, 0, tier=Tier.STREET, accountable=False, reason="fan_out"), Stage.ASSIGNED, Tier.COMMUNITY),
    (
        event(CaseEscalated, 30, tier=Tier.STREET, from_tier=Tier.COMMUNITY, to_tier=Tier.STREET, reason="silence"),
        Stage.ASSIGNED,
        Tier.STREET,
    ),
    (event(CaseSupervised, 60, round=1), Stage.ASSIGNED, Tier.STREET),
    (event(CaseAcknowledged, 70, tier=Tier.COMMUNITY, via="sms_reply"), Stage.ACKNOWLEDGED, Tier.COMMUNITY),
    (event(CaseStepDone, 90, step=Step.FIRST_WRITTEN_UP, done_at=NOW, late=False), Stage.ACKNOWLEDGED, Tier.COMMUNITY),
    (event(CaseStepDone, 100, step=Step.ON_SITE, done_at=NOW, late=False, child_sighted=False), Stage.ON_SITE, Tier.COMMUNITY),
    (event(CaseStepDone, 110, step=Step.ON_SITE, done_at=NOW, late=False, child_sighted=True), Stage.ON_SITE, Tier.COMMUNITY),
    (event(CaseClosed, 900, result=CloseResult.CHILD_SAFE, reporter_informed=True), Stage.CLOSED, Tier.COMMUNITY),
)


def test_a_story_from_the_first_minute_to_the_last():
    known: Progress | None = None
    for heard, stage, tier in STORY:
        known = advance(known, heard)
        assert known is not None
        assert (known.stage, known.tier) == (stage, tier), heard.type
        assert known.updated_at == heard.time
    assert known is not None
    assert known.child_sighted
    assert [line.what for line in progress.tell(NOW, known)][-1] == "closed"


def test_hearing_an_event_again_or_late_never_goes_back():
    known: Progress | None = None
    for heard, _stage, _tier in STORY:
        known = advance(known, heard)
    for heard, _stage, _tier in STORY[:5]:
        again = advance(known, heard)
        assert again is not None
        assert again.stage is Stage.CLOSED
        assert again.acknowledged_at == NOW + timedelta(minutes=70)
        assert again.assigned_at == NOW


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_what_is_told_names_offices_and_nothing_personal(locale: str):
    known: Progress | None = None
    with use_locale(locale):
        said = [progress.headline(None)]
        for heard, _stage, _tier in STORY:
            known = advance(known, heard)
            said += [progress.headline(known), *(line.text for line in progress.tell(NOW, known))]
    for text in said:
        assert str(CASE) not in text
        assert "C2F345" not in text
        assert any("\u4e00" <= sign <= "\u9fff" for sign in text) == (locale == "zh_CN"), text


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_every_office_and_every_result_has_words(locale: str):
    with use_locale(locale):
        offices = [progress.office_text(tier) for tier in (*Tier, None)]
        results = [told.RESULTS[result].text() for result in CloseResult]
    assert len(set(offices)) == len(offices)
    assert all(results)


def test_an_address_may_ask_so_often_and_then_waits():
    clock = FakeClock(NOW)
    bound = AddressBound(clock, per_minute=3)
    for _ in range(3):
        bound.check("198.51.100.7")
    with pytest.raises(TooMany):
        bound.check("198.51.100.7")
    bound.check("198.51.100.8")
    clock.advance(seconds=20)
    bound.check("198.51.100.7")
    with pytest.raises(TooMany):
        bound.check("198.51.100.7")


def test_a_whole_household_counts_as_one_address():
    assert network_of("2001:db8:1:2::7") == network_of("2001:db8:1:2:ffff::1") != network_of("2001:db8:1:3::7")
    assert network_of("::ffff:198.51.100.7") == network_of("198.51.100.7")
    assert network_of("unix") == network_of(None) == ""


def test_the_bounds_memory_is_bounded():
    bound = AddressBound(FakeClock(NOW), per_minute=3, addresses_max=100)
    for number in range(1000):
        bound.check(f"10.0.{number // 256}.{number % 256}")
    assert len(bound._buckets) == 100
