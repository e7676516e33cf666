"""A storm of notifications: budgets, bundles and paces hold, alarms pass, and nothing is lost."""

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.directory.permissions import Role
from libs.events.catalogue import NotificationRequested
from libs.settings import SettingsError
from libs.terms import Grade, Purpose
from services.notifier import store
from services.notifier.rules.breaker import FAILURES_MAX
from services.notifier.store import storm
from tests.integration.notifier_desk import Desk, make_desk

FIRST, SECOND = "+860010009991", "+860010009992"


@pytest.fixture
async def desk(database_url, tmp_path, request):
    fallback, storm = request.param
    async with make_desk(database_url, tmp_path, fallback=fallback, storm=storm) as made:
        yield made


def on(*, fallback: bool = False, **storm: Any) -> pytest.MarkDecorator:
    """A desk with these bounds."""
    return pytest.mark.parametrize("desk", [(fallback, storm)], indirect=True)


async def ask(desk: Desk, officer: UUID, n: int, **changes: Any) -> list[NotificationRequested]:
    return [await desk.request(officer, code=desk.codes[number % len(desk.codes)], **changes) for number in range(n)]


async def states(desk: Desk, requests: list[NotificationRequested]) -> list[str]:
    return [(await desk.shown(one))["state"] for one in requests]


@on(fallback=True, per_number_per_day=2)
async def test_a_spent_budget_takes_another_gateway_then_somebody_else_and_pages(desk: Desk):
    officer = await desk.officer(FIRST)
    requests = await ask(desk, officer, 5)
    await desk.settle()
    assert (len(await desk.sms(FIRST)), len(await desk.sms(FIRST, at="/second"))) == (2, 2)
    assert sorted(await states(desk, requests)) == ["delivered"] * 4 + ["failed"]
    (failed,) = await desk.events("notification.failed")
    assert failed["reason"] == "budget_spent", "the router tells somebody else"
    spent = await desk.events("budget.spent")
    assert {(one["gateway"], one["budget"]) for one in spent} == {("twilio", 2), ("twilio_fallback", 2)}
    await ask(desk, officer, 1, grade=Grade.I, critical=True)
    await ask(desk, officer, 1, grade=Grade.I)
    await desk.settle()
    assert len(await desk.sms(FIRST)) == 4, "what is urgent is never held by our own count"
    assert len(await desk.events("budget.spent")) == 2, "told once a day"
    page = await desk.http.get("/notifications", headers=await desk.log_in(Role.SUPERVISOR, "4403"))
    assert "used up" in page.text
    assert "the day’s messages are used up" in page.text, "why that one failed, in words"
    assert FIRST not in page.text
    await desk.advance(timedelta(hours=24).total_seconds())
    (later,) = await ask(desk, officer, 1)
    await desk.settle()
    assert (await desk.shown(later))["state"] == "delivered", "the window slides"


@on(fallback=True, per_number_per_day=1)
async def test_an_alarm_takes_a_spent_gateway_rather_than_wait_for_one_that_is_down(desk: Desk):
    officer = await desk.officer(FIRST)
    await ask(desk, officer, 1)
    await desk.settle()
    await desk.faults({"http_status": 401, "error_code": 20003}, at="/second")
    for _ in range(FAILURES_MAX + 1):
        alarms = await ask(desk, officer, 1, grade=Grade.I)
        await desk.settle()
        assert await states(desk, alarms) == ["delivered"], "at this instant, also once the other one's breaker is open"
    assert await desk.sms(FIRST, at="/second") == []
    (low,) = await ask(desk, officer, 1)
    await desk.settle()
    assert (await desk.shown(low))["state"] == "queued", "what is not urgent takes no spent one"


async def test_refused_by_one_gateway_and_spent_over_the_other_somebody_else_is_told_at_once(database_url, tmp_path):
    storm = {"gateways": '{"aliyun": {"per_number_per_day": 1}}'}
    async with make_desk(database_url, tmp_path, china=True, storm=storm) as desk:
        officer = await desk.officer(FIRST)
        await ask(desk, officer, 1)
        await desk.settle()
        await desk.faults({"provider": "tencent", "code": "LimitExceeded.PhoneNumberDailyLimit"})
        (request,) = await ask(desk, officer, 1)
        await desk.settle()
        shown = await desk.shown(request)
        assert (shown["state"], [one["gateway"] for one in shown["attempts"]]) == ("failed", ["tencent"])
        (alarm,) = await ask(desk, officer, 1, grade=Grade.I)
        await desk.settle()
        shown = await desk.shown(alarm)
        assert (shown["state"], [one["gateway"] for one in shown["attempts"]]) == ("delivered", ["tencent", "aliyun"])


async def test_what_waits_for_its_gateways_pace_does_not_keep_others_from_theirs(database_url, tmp_path, monkeypatch):
    """Those for +86 come round again before what was asked for later, and more often than there are places to look at all of them."""
    bounds = {
        "bundle_after": 0,
        "identical_per_day": 0,
        "per_number_per_day": 0,
        "gateways": '{"aliyun": {"per_second": 1}, "tencent": {"per_second": 0.01}}',
    }
    async with make_desk(database_url, tmp_path, china=True, storm=bounds, sends_at_once_max=6) as desk:
        officer = await desk.officer(FIRST)
        await ask(desk, officer, 44, grade=Grade.II)
        abroad = await desk.request(await desk.officer("+12025550111"), grade=Grade.IV)
        for consumer in desk.assembly.consumers:
            while (await consumer.drain_once()).events:
                pass
        claim_due, rounds = store.claim_due, 0

        async def two_seconds_later(*args: Any, **bounds: Any) -> list[Any]:
            nonlocal rounds
            rounds += 1
            desk.clock.set(desk.clock.now() + timedelta(seconds=2))
            return await claim_due(*args, **bounds) if rounds <= 24 else []

        monkeypatch.setattr(store, "claim_due", two_seconds_later)
        await desk.settle()
        assert (await desk.shown(abroad))["state"] == "delivered"
        waiting = await desk.fetch("SELECT DISTINCT reason FROM notifier.notifications WHERE state = 'queued'")
        assert [row["reason"] for row in waiting] == ["pace"]


@on(per_number_per_day=1)
async def test_a_budget_that_is_spent_day_after_day_pages_each_day(desk: Desk):
    officer = await desk.officer(FIRST)
    paged = []
    for hours in (0, 1, 19, 5, 1):  # at 25 h the day's message goes out again, at 26 h the next one finds it spent
        await desk.advance(timedelta(hours=hours).total_seconds())
        await ask(desk, officer, 1)
        await desk.settle()
        paged.append(len(await desk.events("budget.spent")))
    assert paged == [0, 1, 1, 1, 2]


@on(per_number_per_day=1)
async def test_the_next_contact_gets_what_the_first_may_not_have(desk: Desk):
    officer = await desk.officer(FIRST, SECOND)
    requests = await ask(desk, officer, 2)
    await desk.settle()
    assert await states(desk, requests) == ["delivered", "delivered"]
    assert (len(await desk.sms(FIRST)), len(await desk.sms(SECOND))) == (1, 1)


@on(fallback=True)
async def test_the_same_words_go_another_way_after_three_times(desk: Desk):
    officer = await desk.officer(FIRST)
    requests = [await desk.request(officer, purpose=Purpose.ASSIGN) for _ in range(13)]
    await desk.settle()
    assert await states(desk, requests) == ["delivered"] * 13
    bodies = [one["body"] for one in await desk.sms(FIRST)]
    assert max(bodies.count(body) for body in bodies) == 3
    assert (len(bodies), len(await desk.sms(FIRST, at="/second"))) == (12, 1), "another body first, then another gateway"


@on(fallback=True, identical_per_day=1)
async def test_an_alarm_repeats_no_words_while_another_gateway_has_not_sent_them_and_is_never_held(desk: Desk):
    officer = await desk.officer(FIRST)
    for _ in range(12):
        await desk.request(officer, grade=Grade.I, critical=True)
        await desk.settle()
    first, second = [[one["body"] for one in await desk.sms(FIRST, at=at)] for at in ("/sandbox", "/second")]
    assert len(first) + len(second) == 12, "nothing was held back"
    assert len(set(second)) == len(second) > 0
    assert len(set(first)) == len(set(second)) < len(first), "only once both have sent all the words there are are they repeated"


@on(bundle_after=2)
async def test_many_low_tasks_become_one_message_and_each_has_its_own_end(desk: Desk):
    officer = await desk.officer(FIRST)
    requests = await ask(desk, officer, 6, grade=Grade.III, deadline_at=desk.clock.now() + timedelta(minutes=30))
    (urgent,) = await ask(desk, officer, 1, grade=Grade.II)
    await desk.settle()
    bodies = {one["body"] for one in await desk.sms(FIRST)}
    assert "【警钟】您有6件待办，最早时限今日12:30，请登录工作台处理，逾期自动上报。" in bodies
    assert len(bodies) == 2
    assert await states(desk, [*requests, urgent]) == ["delivered"] * 7
    delivered, submitted = await desk.events("notification.delivered"), await desk.events("notification.submitted")
    assert {one["notification_id"] for one in delivered} == {str(one.notification_id) for one in [*requests, urgent]}
    assert len(delivered) == len(submitted) == 7
    shown = [await desk.shown(one) for one in requests]
    assert len({one["attempts"][0]["attempt_id"] for one in shown}) == 1, "they share the attempt, and show it"
    bundle = next(one for one in await desk.sms(FIRST) if "6件" in one["body"])
    (answer,) = await desk.reply(bundle["sid"], "1")
    assert any(code in answer for code in desk.codes), "which of them? the codes are answered"


@on(bundle_after=1, bundle_wait_s=60)
async def test_the_next_bundle_waits_a_little_and_never_into_the_time_for_an_answer(desk: Desk):
    officer = await desk.officer(FIRST)
    await ask(desk, officer, 1, grade=Grade.IV)
    await desk.settle()
    patient = await ask(desk, officer, 3, grade=Grade.IV, deadline_at=desk.clock.now() + timedelta(hours=1))
    await desk.settle()
    assert await states(desk, patient) == ["queued"] * 3
    await desk.advance(59)
    assert await states(desk, patient) == ["queued"] * 3
    await desk.advance(1)
    assert await states(desk, patient) == ["delivered"] * 3
    hasty = await ask(desk, officer, 2, grade=Grade.IV, deadline_at=desk.clock.now() + timedelta(seconds=40))
    await desk.advance(10)
    assert await states(desk, hasty) == ["delivered"] * 2, "a quarter of the time for an answer, not the whole wait"
    assert len(await desk.sms(FIRST)) == 3


@on(bundle_after=1)
async def test_a_bundle_that_cannot_arrive_takes_the_next_contact_and_fails_as_a_whole(desk: Desk):
    await desk.faults({"to": FIRST, "http_status": 400, "error_code": 21614})
    requests = await ask(desk, await desk.officer(FIRST, SECOND), 3, grade=Grade.III)
    await desk.settle()
    assert await states(desk, requests) == ["delivered"] * 3
    assert ["3件" in one["body"] for one in await desk.sms(SECOND)] == [True]
    await desk.faults({"final_status": "undelivered", "final_error_code": 30003})
    lost = await ask(desk, await desk.officer(), 4, grade=Grade.III)
    await desk.settle()
    assert await states(desk, lost) == ["failed"] * 4
    failed = await desk.events("notification.failed")
    assert {one["notification_id"] for one in failed} == {str(one.notification_id) for one in lost}
    assert {one["reason"] for one in failed} == {"undelivered:30003"}
    await desk.faults()
    nobody = await ask(desk, uuid4(), 3, grade=Grade.III)
    await desk.settle()
    assert await states(desk, nobody) == ["failed"] * 3


@on(bundle_after=1)
async def test_members_that_an_older_process_left_behind_follow(desk: Desk):
    desk.callbacks = False
    requests = await ask(desk, await desk.officer(FIRST), 3, grade=Grade.III)
    await desk.settle()
    await desk.fetch("UPDATE notifier.notifications SET state = 'delivered' WHERE tasks > 0")
    await desk.job("notifier-bundles").run_once()
    assert await states(desk, requests) == ["delivered"] * 3

    untold = await ask(desk, await desk.officer(SECOND), 3, grade=Grade.III)
    await desk.settle()
    cases = [one.case_id for one in untold]
    await desk.fetch(
        "UPDATE notifier.attempts a SET template_id = 'assign-reply.zh_CN.1' FROM notifier.notifications n "
        "WHERE n.notification_id = a.notification_id AND n.case_id = ANY ($1)",
        cases,
    )
    await desk.fetch("UPDATE notifier.notifications SET state = 'sending' WHERE carrier IS NOT NULL AND case_id = ANY ($1)", cases)
    desk.clock.advance(seconds=10)
    await desk.job("notifier-bundles").run_once()
    assert sorted(await states(desk, untold)) == ["failed", "failed", "submitted"], "its own text told of the carrier alone"
    assert {one["reason"] for one in await desk.events("notification.failed")} == {"left_out"}

    async with desk.db.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await tx.fetch("EXPLAIN " + storm._FOLLOWERS.replace("$1", "NULL").replace("$2", "10")))
    assert "notifications_followers" in plan, "only those that have yet to follow are looked at, not every member that ever was"


@on(per_second=4)
async def test_a_provider_that_goes_twice_and_comes_back_meets_no_herd_and_gets_the_gravest_first(desk: Desk):
    down = {"http_status": 401, "error_code": 20003}
    requests = []
    for _ in range(2):
        await desk.faults(down)
        requests += [await desk.request(grade=Grade.IV) for _ in range(FAILURES_MAX)]
        await desk.advance(3)
        requests += [await desk.request(grade=grade, critical=grade is Grade.I) for grade in (*reversed(Grade), *Grade)]
        await desk.settle()
        back = desk.clock.now()
        await desk.faults()
        await desk.advance(30)
        rows = await desk.fetch(
            "SELECT n.grade, a.started_at FROM notifier.attempts a JOIN notifier.notifications n USING (notification_id) "
            "WHERE a.started_at >= $1 ORDER BY a.started_at, a.attempt_id",
            back,
        )
        ranks = [Grade(row["grade"]).rank for row in rows]
        assert ranks == sorted(ranks)
        assert len(ranks) == FAILURES_MAX + 8
        for row in rows:
            second = [one for one in rows if row["started_at"] <= one["started_at"] < row["started_at"] + timedelta(seconds=1)]
            assert len(second) <= 4 + 2, "the pace, and what a full bucket holds"
    assert set(await states(desk, requests)) == {"delivered"}


@on()
async def test_quiet_hours_hold_what_can_wait_and_the_morning_brings_one_message(desk: Desk):
    officer = await desk.officer(FIRST)
    await desk.fetch("UPDATE directory.officers SET quiet_from = '11:00', quiet_to = '14:00' WHERE officer_id = $1", officer)
    await desk.fetch("UPDATE directory.version SET version = version + 1")
    hours = timedelta(hours=1)
    late = await ask(desk, officer, 4, grade=Grade.IV, deadline_at=desk.clock.now() + 8 * hours)
    (soon,) = await ask(desk, officer, 1, grade=Grade.III, deadline_at=desk.clock.now() + hours)
    await desk.request(officer, grade=Grade.II, code=desk.codes[1])
    await desk.settle()
    assert len(await desk.sms(FIRST)) == 1, "it is noon: grade II rings"
    assert {(await desk.shown(one))["reason"] for one in [*late, soon]} == {"quiet_hours"}
    await desk.advance(30 * 60)
    assert await states(desk, [soon]) == ["delivered"], "half of its time is left"
    await desk.advance(90 * 60)
    assert await states(desk, late) == ["delivered"] * 4
    assert len(await desk.sms(FIRST)) <= 3


@on(bundle_after=1, per_number_per_day=1)
async def test_a_bundle_that_finds_no_budget_left_fails_with_all_that_are_in_it(desk: Desk):
    officer = await desk.officer(FIRST)
    await ask(desk, officer, 1, grade=Grade.II)
    await desk.settle()
    requests = await ask(desk, officer, 3, grade=Grade.IV)
    await desk.advance(120)
    assert await states(desk, requests) == ["failed"] * 3
    assert [one["reason"] for one in await desk.events("notification.failed")] == ["budget_spent"] * 3


MIX = (Grade.I, Grade.II, Grade.II, Grade.III, Grade.III, Grade.III, Grade.IV, Grade.IV, Grade.IV, Grade.IV)
NOTIFICATIONS, OFFICERS, PER_S, BUDGET, TICK_S = 240, 12, 12, 20, 0.25


@on(per_second=PER_S, per_number_per_day=BUDGET)
async def test_a_storm_on_the_fake_clock(desk: Desk):
    """Ten seconds of 24 notifications each, over a gateway that takes 12 a second: alarms go at once, the rest in time."""
    random = Random(6)
    officers = [await desk.officer() for _ in range(OFFICERS)]
    for number in range(NOTIFICATIONS):
        grade = random.choice(MIX)
        code = "".join(random.choices("23456789CFGHJMPQRVWX", k=6))
        await desk.request(
            random.choice(officers), grade=grade, code=code, deadline_at=desk.clock.now() + timedelta(minutes=30 * grade.rank)
        )
        if number % (2 * PER_S * TICK_S) == 0:
            desk.clock.advance(seconds=TICK_S)
            await desk.settle()
    await desk.advance(300)
    rows = await desk.fetch(
        "SELECT n.grade, n.state, n.carrier IS NOT NULL OR n.tasks > 0 AS bundled, "
        "extract(epoch FROM (SELECT min(started_at) FROM notifier.attempts a "
        "WHERE a.notification_id = coalesce(n.carrier, n.notification_id)) - n.requested_at)::float AS waited_s "
        "FROM notifier.notifications n"
    )
    assert len(rows) == NOTIFICATIONS
    assert {row["state"] for row in rows} == {"delivered"}, "nothing is lost"
    assert max(row["waited_s"] for row in rows if row["grade"] == "I") <= 2 * TICK_S
    assert max(row["waited_s"] for row in rows) <= 150, "and nobody waits without bound"
    assert {row["grade"] for row in rows if row["bundled"]} == {"III", "IV"}
    sent = await desk.sms()
    assert len(sent) < NOTIFICATIONS * 0.8, "fewer messages than notifications"
    most = max(await desk.fetch("SELECT count(*) AS n FROM notifier.attempts GROUP BY number"), key=lambda row: row["n"])
    assert most["n"] <= BUDGET
    seconds = await desk.fetch("SELECT count(*) AS n FROM notifier.attempts GROUP BY date_trunc('second', started_at)")
    assert max(row["n"] for row in seconds) <= PER_S * 1.25 + 1, "the pace, and what a full bucket holds"


async def test_bounds_for_a_gateway_that_does_not_exist_are_refused_with_the_names_of_those_that_do(database_url, tmp_path):
    with pytest.raises(SettingsError, match="TOCSIN_STORM_GATEWAYS: twillio is no gateway; they are twilio, twilio_fallback, twilio_voice"):
        async with make_desk(database_url, tmp_path, storm={"gateways": '{"twillio": {"per_second": 1}}'}):
            pass
