"""Links that acknowledge with one tap: looking changes nothing, the button does it once, and everything else is said clearly."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from libs.events import new_id
from libs.events.catalogue import CaseAcknowledged, ContactChallenged, NotificationRequested
from libs.terms import Grade, Purpose
from services.notifier.rules import links as rules
from services.notifier.rules.links import LIVES_MAX, expires_at
from services.notifier.store import forgotten
from tests.integration.notifier_desk import NOW, Desk, make_desk
from tests.support.http import client

FIRST = "+860010009991"
BASE = "https://t.example.cn/l"


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path, links=BASE) as made:
        yield made


async def sent(desk: Desk, **changes: Any) -> tuple[NotificationRequested, str]:
    """An alarm with a link; the request and the path that the link leads to."""
    desk.clock.advance(seconds=1)
    request = await desk.request(await desk.officer(FIRST, language=changes.pop("language", "zh_CN")), **changes)
    await desk.settle()
    body = (await desk.sms(FIRST))[-1]["body"]
    found = re.search(rf"{BASE}/([0-9A-Za-z]{{12}})$", body)
    assert found, body
    return request, f"/l/{found[1]}"


async def answers(desk: Desk) -> list[tuple[str, str]]:
    return [(event["action"], event["via"]) for event in await desk.events("officer.replied")]


async def test_previews_prefetches_and_scanners_do_not_acknowledge_and_the_button_does_once(desk: Desk):
    request, path = await sent(desk)
    (message,) = await desk.sms(FIRST)
    assert message["body"] == f"【警钟】Ⅱ级待办C7H2MQ，今日12:10前签收 {BASE}{path.removeprefix('/l')}"
    scanners: list[tuple[str, dict[str, str]]] = [
        ("GET", {"User-Agent": "facebookexternalhit/1.1"}),
        ("GET", {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"}),
        ("HEAD", {}),
        ("OPTIONS", {}),
        ("PUT", {}),
    ]
    for method, headers in scanners:
        answer = await desk.http.request(method, path, headers=headers)
        assert answer.status_code in {200, 405}, (method, answer.text)
    assert await answers(desk) == []
    page = await desk.http.get(path)
    assert (page.status_code, page.headers["cache-control"], page.headers["x-robots-tag"]) == (200, "no-store", "noindex, nofollow")
    assert 'lang="zh-CN"' in page.text
    for shown in ("您有一件待办等待签收", "C7H2MQ", "签收此待办", "12:10"):
        assert shown in page.text, shown
    for hidden in (str(request.case_id), str(request.officer_id), "巴登", FIRST, "<script"):
        assert hidden not in page.text, hidden
    # A form of another website's is refused by the door, as everywhere.
    assert (await desk.http.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert await answers(desk) == []
    for _ in range(2):
        done = await desk.http.post(path, headers={"Origin": desk.base_url})
        assert (done.status_code, "您已签收" in done.text) == (200, True)
    assert await answers(desk) == [("acknowledge", "link")]
    (told,) = await desk.events("officer.replied")
    assert (told["notification_id"], told["officer_id"]) == (str(request.notification_id), str(request.officer_id))
    assert "您已签收" in (await desk.http.get(path)).text
    kept = await desk.fetch("SELECT body, encode(token_hash, 'escape') AS h FROM notifier.attempts JOIN notifier.links USING (attempt_id)")
    assert [one["body"].endswith("前签收 {link}") for one in kept] == [True], "the link itself is nowhere kept"
    assert path.removeprefix("/l/") not in str(kept)


async def test_a_link_that_is_no_longer_good_says_what_to_do(desk: Desk):
    _request, path = await sent(desk, language="en")
    assert "A task is waiting for you" in (await desk.http.get(path, headers={"Accept-Language": "zh-CN"})).text, (
        "in the officer's language"
    )
    desk.clock.advance(minutes=10)
    for answer in (await desk.http.get(path), await desk.http.post(path)):
        assert (answer.status_code, "there you may still accept it" in answer.text) == (410, True)
    request, path = await sent(desk, language="en", code=desk.codes[1])
    place = {"division_code": request.division_code, "tier": request.tier, "post_id": request.post_id}
    taken = CaseAcknowledged(case_id=request.case_id, grade=Grade.II, via="workbench", **place)
    await desk.tell(taken, request.case_id)
    await desk.settle()
    for answer in (await desk.http.get(path), await desk.http.post(path)):
        assert (answer.status_code, "You need not do anything." in answer.text) == (200, True)
    for wrong in ("/l/000000000000", "/l/short", f"/l/{path.removeprefix('/l/')}0", f"/l/{path.removeprefix('/l/').swapcase()}", "/l/%00"):
        for answer in (await desk.http.get(wrong), await desk.http.post(wrong)):
            assert (answer.status_code, "<form" in answer.text) == (404, False), wrong
    assert await answers(desk) == []


async def test_two_taps_at_once_are_one_answer_and_a_lost_answer_of_the_provider_finds_the_link_again(desk: Desk):
    await desk.faults({"to": FIRST, "times": 1, "accept_then_reset": True, "callbacks": "drop"})
    request, path = await sent(desk, purpose=Purpose.ESCALATE)
    await desk.advance(10)
    (attempt,) = (await desk.shown(request))["attempts"]
    assert (attempt["possible_duplicate"], attempt["provider_id"]) == (False, (await desk.sms(FIRST))[0]["sid"])
    async with client(desk.base_url) as other:
        done = await asyncio.gather(desk.http.post(path), other.post(path), desk.http.post(path))
    assert [answer.status_code for answer in done] == [200] * 3
    assert await answers(desk) == [("acknowledge", "link")]
    assert (await desk.sms(FIRST))[0]["body"].startswith("【警钟】Ⅱ级待办C7H2MQ升级至您，今日12:10前签收 ")


def test_a_link_lives_until_the_deadline_and_a_day_at_most():
    assert expires_at(NOW + timedelta(minutes=10), NOW) == NOW + timedelta(minutes=10)
    assert expires_at(NOW + timedelta(days=9), NOW) == NOW + LIVES_MAX
    assert expires_at(None, NOW) == expires_at(NOW, NOW) == NOW + timedelta(hours=1)
    tokens = {rules.token_of(bytes([number]) * 32) for number in range(256)}
    assert len(tokens) == 256
    assert all(rules.TOKEN.fullmatch(token) for token in tokens)


async def test_what_nothing_reads_any_more_is_forgotten_and_what_proves_that_somebody_was_told_stays(desk: Desk):
    request, path = await sent(desk)
    (message,) = await desk.sms(FIRST)
    await desk.reply(message["sid"], "1")
    officer_id = await desk.officer()
    for _ in range(2):
        ends = desk.clock.now() + timedelta(minutes=10)
        code = ContactChallenged(officer_id=officer_id, contact_id=new_id(), verification_id=new_id(), expires_at=ends)
        await desk.tell(code, officer_id)
    await desk.settle()
    assert await left(desk) == (1, 1, 2)

    desk.clock.advance(days=30, seconds=1)
    await desk.job("notifier-forget").run_once()
    assert await left(desk) == (1, 0, 2), "the link and the codes were good for ten minutes more"
    desk.clock.advance(minutes=11)
    async with desk.db.connection() as connection:
        before = desk.clock.now() - timedelta(days=30)
        assert await forgotten.forget(connection, before, 1) == {"links": 1, "replies": 0, "codes": 0}, "the codes are still to be sent"
        await desk.job("notifier-codes").run_once()
        assert await forgotten.forget(connection, before, 1) == {"links": 0, "replies": 0, "codes": 1}, "so many at a time"
    await desk.job("notifier-forget").run_once()
    assert await left(desk) == (0, 0, 0)
    assert (await desk.http.get(path)).status_code == 404
    assert [one["state"] for one in (await desk.shown(request))["attempts"]] == ["delivered"]


async def left(desk: Desk) -> tuple[int, int, int]:
    """How many links, replies and codes there are."""
    (row,) = await desk.fetch(
        "SELECT (SELECT count(*) FROM notifier.links) AS a, (SELECT count(*) FROM notifier.replies) AS b, "
        "(SELECT count(*) FROM notifier.codes) AS c"
    )
    return row["a"], row["b"], row["c"]
