"""A provider that is down, flaps and comes back: alarms take the other way, the most urgent first, and nobody storms it."""

import pytest

from libs.terms import Grade
from services.notifier.rules.breaker import FAILURES_MAX, OPEN_FOR
from services.notifier.rules.ways import PATIENCE_OF_ALARMS
from tests.integration.notifier_desk import Desk, make_desk

NO_ACCOUNT = {"http_status": 401, "error_code": 20003}
TEN_MINUTES_S = 600


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path, fallback=True) as made:
        yield made


@pytest.fixture
async def alone(database_url, tmp_path):
    async with make_desk(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def ringing(database_url, tmp_path):
    async with make_desk(database_url, tmp_path, voice=True) as made:
        yield made


async def calls(desk: Desk, gateway: str) -> int:
    (row,) = await desk.fetch("SELECT count(*) AS n FROM notifier.attempts WHERE gateway = $1", gateway)
    return int(row["n"])


async def test_the_first_account_carries_what_it_can(desk: Desk):
    await desk.request()
    await desk.settle()
    assert len(await desk.sms()) == 1
    assert await desk.sms(at="/second") == []


async def test_a_message_that_one_account_refuses_goes_out_through_the_other_at_the_same_instant(desk: Desk):
    await desk.faults(NO_ACCOUNT)
    request = await desk.request()
    await desk.settle()
    assert len(await desk.sms(at="/second")) == 1
    shown = await desk.shown(request)
    assert [(one["gateway"], one["state"]) for one in shown["attempts"]] == [("twilio", "rejected"), ("twilio_fallback", "delivered")]
    assert shown["state"] == "delivered", "the other account's callbacks are believed too"
    assert not shown["attempts"][1]["possible_duplicate"], "the first one had certainly not sent it"


async def test_ten_minutes_without_the_first_provider(desk: Desk):
    await desk.faults(NO_ACCOUNT)
    for _ in range(20):
        await desk.request()
        await desk.settle()
    assert len(await desk.sms(at="/second")) == 20, "everybody was told at once"
    assert await calls(desk, "twilio") == FAILURES_MAX, "after some failures it is left alone"
    for _ in range(TEN_MINUTES_S // 30):
        await desk.advance(30)
        await desk.request()
        await desk.settle()
    probes = await calls(desk, "twilio") - FAILURES_MAX
    assert probes <= 20, "one message at a time asks whether it is back"
    assert len(await desk.sms(at="/second")) == 40
    await desk.faults()
    await desk.advance(OPEN_FOR[-1].total_seconds())
    for _ in range(3):
        await desk.request()
        await desk.settle()
    assert len(await desk.sms()) == 3, "it is back within the breaker's bound"
    (row,) = await desk.fetch("SELECT count(*) AS n FROM notifier.notifications WHERE state <> 'delivered'")
    assert row["n"] == 0


async def test_with_nobody_to_carry_them_alarms_wait_in_their_order_and_none_storms_the_provider(alone: Desk):
    await alone.faults(NO_ACCOUNT)
    for _ in range(FAILURES_MAX):
        await alone.request(grade=Grade.IV)
    await alone.settle()
    before = await calls(alone, "twilio")
    officers = [await alone.officer(f"+86001000999{n}") for n in range(4)]
    for officer, grade in zip(officers, (Grade.IV, Grade.III, Grade.II, Grade.I), strict=True):
        await alone.request(officer, grade=grade, critical=grade is Grade.I)
    await alone.settle()
    assert await calls(alone, "twilio") == before, "while it is left alone, nobody calls it"
    await alone.faults()
    await alone.advance(OPEN_FOR[0].total_seconds())
    started = await alone.fetch(
        "SELECT n.grade FROM notifier.attempts a JOIN notifier.notifications n USING (notification_id) "
        "WHERE n.officer_id = ANY ($1) ORDER BY a.started_at, a.attempt_id",
        officers,
    )
    assert [row["grade"] for row in started] == ["I", "II", "III", "IV"]
    assert len(await alone.sms()) == FAILURES_MAX + 4


async def test_what_waited_in_vain_fails_so_that_somebody_else_is_told(alone: Desk):
    await alone.faults(NO_ACCOUNT)
    for _ in range(FAILURES_MAX + 2):
        await alone.request()
    await alone.advance(150)
    failed = await alone.events("notification.failed")
    assert len(failed) == FAILURES_MAX + 2
    assert {one["reason"] for one in failed} <= {"gateway_down", "rejected:20003"}
    assert await calls(alone, "twilio") <= 3 * (FAILURES_MAX + 2)


async def test_a_provider_that_answers_every_other_time_still_carries(alone: Desk):
    await alone.faults({**NO_ACCOUNT, "share": 0.5})
    requests = [await alone.request() for _ in range(10)]
    await alone.advance(60)
    assert {(await alone.shown(request))["state"] for request in requests} == {"delivered"}


async def broken(desk: Desk) -> None:
    """The provider refuses every SMS, and is left alone for that."""
    await desk.faults(NO_ACCOUNT)
    for _ in range(FAILURES_MAX):
        await desk.request(grade=Grade.IV)
    await desk.settle()


async def test_an_alarm_rings_the_phone_rather_than_wait_for_a_gateway_that_is_left_alone(ringing: Desk):
    await broken(ringing)
    phones = {grade: f"+86001000999{grade.rank}" for grade in (Grade.I, Grade.II, Grade.III)}
    for grade, phone in phones.items():
        await ringing.request(await ringing.officer(phone), grade=grade, critical=grade is Grade.I)
    await ringing.settle()
    assert (await ringing.http.get("/sandbox/calls")).json()["items"] == [], "a short failure wakes nobody"
    await ringing.advance(PATIENCE_OF_ALARMS.total_seconds() + 2)
    rung = {one["to"] for one in (await ringing.http.get("/sandbox/calls")).json()["items"]}
    assert rung == {phones[Grade.I], phones[Grade.II]}


async def test_what_waits_for_a_gateway_goes_out_as_soon_as_it_is_back(ringing: Desk):
    await broken(ringing)
    await ringing.faults()
    await ringing.advance(OPEN_FOR[0].total_seconds())
    assert len(await ringing.sms()) == FAILURES_MAX, "none waits for the end of the probe's time"


async def test_nobody_waits_for_gateways_that_are_down_longer_than_one_is_waited_for(alone: Desk):
    await alone.faults(NO_ACCOUNT)
    for _ in range(FAILURES_MAX):
        await alone.request()
    await alone.settle()
    requests = [await alone.request() for _ in range(8)]
    for _ in range(10):
        await alone.advance(10)
    assert [(await alone.shown(one))["state"] for one in requests] == ["failed"] * 8, "after 90 seconds somebody else is told"
