"""Who may see what became of notifications, in the interface and on the page; and what is stored of it."""

import re
from uuid import UUID, uuid4

import pytest

from libs.directory.permissions import Role
from libs.terms import Grade
from tests.integration.notifier_desk import PLACE, Desk, make_desk

FIRST = "+860010009991"


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path) as made:
        yield made


async def test_notifications_of_a_case_with_their_attempts(desk: Desk):
    request = await desk.request(await desk.officer(FIRST))
    await desk.settle()
    answer = await desk.http.get("/v1/notifications", params={"case_id": str(request.case_id)}, headers=await desk.key("read"))
    (item,) = answer.json()["items"]
    assert answer.json()["next"] is None
    assert item["notification_id"] == str(request.notification_id)
    assert {"case_id", "post_id", "tier", "channel", "state", "requested_at"} <= item.keys()
    assert {"gateway", "state", "provider_id", "at"} <= item["attempts"][0].keys()
    assert item["requested_at"] == "2026-11-23T04:00:00Z"


async def test_the_list_has_pages(desk: Desk):
    case_id, officer_id = uuid4(), await desk.officer(FIRST)
    for _ in range(5):
        await desk.request(officer_id, case_id=case_id)
        desk.clock.advance(seconds=1)
    await desk.settle()
    headers, cursor, seen = await desk.key("read"), None, []
    for _ in range(3):
        params: dict[str, str | int] = {"case_id": str(case_id), "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await desk.http.get("/v1/notifications", params=params, headers=headers)).json()
        seen += [item["notification_id"] for item in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert len(set(seen)) == 5


async def test_who_got_the_case_later_sees_what_was_told_since_then(desk: Desk):
    case_id, officer_id = uuid4(), await desk.officer(FIRST)
    for place in ("110101001001", "110101001001", PLACE):
        await desk.request(officer_id, case_id=case_id, division_code=place)
        desk.clock.advance(seconds=1)
    await desk.settle()
    asked: dict[str, str | int] = {"case_id": str(case_id), "limit": 2}
    page = await desk.http.get("/v1/notifications", params=asked, headers=await desk.log_in(Role.SUPERVISOR, "4403"))
    assert (page.status_code, len(page.json()["items"]), page.json()["next"]) == (200, 1, None)
    stranger = await desk.http.get("/v1/notifications", params=asked, headers=await desk.log_in(Role.SUPERVISOR, "4401"))
    assert stranger.status_code == 403


async def test_a_case_nobody_was_told_of(desk: Desk):
    answer = await desk.http.get("/v1/notifications", params={"case_id": str(uuid4())}, headers=await desk.key("read"))
    assert answer.json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("params", "field"), [({}, "case_id"), ({"case_id": "x"}, "case_id"), ({"case_id": str(uuid4()), "limit": 0}, "limit")]
)
async def test_wrong_questions_name_the_field(desk: Desk, params, field):
    answer = await desk.http.get("/v1/notifications", params=params, headers=await desk.key("read"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_only_who_may(desk: Desk):
    request = await desk.request()
    await desk.settle()
    params = {"case_id": str(request.case_id)}

    async def asked(headers):
        return (await desk.http.get("/v1/notifications", params=params, headers=headers)).status_code

    assert await asked({}) == 401
    assert await asked(await desk.key("report")) == 403
    assert await asked(await desk.key("read")) == 200
    assert await asked(await desk.log_in(Role.SUPERVISOR, PLACE[:6])) == 200
    assert await asked(await desk.log_in(Role.OFFICER, "440304002")) == 403


async def test_the_page_in_both_languages(desk: Desk):
    request = await desk.request(await desk.officer(FIRST))
    await desk.settle()
    headers = await desk.log_in(Role.SUPERVISOR, PLACE[:6])
    page = await desk.http.get("/notifications", params={"case_id": str(request.case_id), "lang": "zh_CN"}, headers=headers)
    assert page.status_code == 200
    assert "已送达手机" in page.text
    page = await desk.http.get("/notifications", params={"case_id": str(request.case_id), "lang": "en"}, headers=headers)
    assert "On the phone" in page.text
    assert FIRST not in page.text
    assert f'href="/directory/posts/{request.post_id}">{PLACE}</a>' in page.text, "who was told, or not reached"
    officer = await desk.http.get("/notifications?lang=en", headers=await desk.log_in(Role.OFFICER, PLACE))
    assert (PLACE in officer.text, "/directory/posts/" in officer.text) == (True, False), "nothing that would be refused"
    assert "This is not a case id." in (await desk.http.get("/notifications?case_id=x&lang=en", headers=headers)).text
    assert (await desk.http.get("/notifications", headers={"Accept": "text/html"})).status_code == 303


async def test_the_page_of_the_latest_messages(desk: Desk):
    for number, grade in enumerate((Grade.I, Grade.II, Grade.IV)):
        await desk.request(await desk.officer(), grade=grade, code=desk.codes[number], notification_id=UUID(int=number + 1))
    await desk.settle()
    await desk.faults({"http_status": 400, "error_code": 21211})
    await desk.request(await desk.officer(), code=desk.codes[3], notification_id=UUID(int=9), division_code="110101001001")
    await desk.settle()
    district, country = await desk.log_in(Role.SUPERVISOR, PLACE[:6]), await desk.log_in(Role.ADMIN, "")

    async def codes(headers: dict[str, str], query: str = "") -> list[str]:
        page = await desk.http.get(f"/notifications?lang=en{query}", headers=headers)
        assert page.status_code == 200, page.text
        return [code for code in re.findall(r'case_id=[0-9a-f-]{36}">(\w{6})<', page.text) if code in desk.codes]

    first, second, third, elsewhere = desk.codes[:4]
    assert await codes(district) == [third, second, first], "the newest first, of one's own place"
    assert await codes(country) == [elsewhere, third, second, first]
    assert await codes(district, "&grade=I") == [first]
    assert await codes(country, "&state=failed") == [elsewhere]
    assert await codes(country, "&gateway=none&days=30") == []
    assert await codes(country, f"&before={UUID(int=2)}") == [first]
    desk.clock.advance(hours=25)
    assert await codes(country) == []
    assert len(await codes(country, "&days=7")) == 4
    assert (await desk.http.get("/notifications?state=lost", headers=country)).status_code == 422


async def test_the_page_says_how_the_gateways_are(desk: Desk):
    headers = await desk.log_in(Role.SUPERVISOR, PLACE[:6])
    assert "Works" in (await desk.http.get("/notifications?lang=en", headers=headers)).text
    await desk.faults({"http_status": 401, "error_code": 20003})
    for _ in range(5):
        await desk.request()
    await desk.settle()
    page = (await desk.http.get("/notifications?lang=en", headers=headers)).text
    assert "Left alone after several failures" in page
    assert ">5<" in page


async def test_every_registered_text_is_shown_at_its_longest(desk: Desk):
    headers = await desk.log_in(Role.AUDITOR, PLACE[:6])
    page = await desk.http.get("/notifications/texts?lang=en", headers=headers)
    assert page.status_code == 200
    assert "assign-reply.zh_CN.1" in page.text
    assert "您有1件Ⅲ级待办，编号WWWWWW，请于12月30日23:59前回复1签收" in page.text
    assert {int(most) for _, most in re.findall(r">(\d+) / (\d+)<", page.text)} == {70, 160}
    assert all(int(units) <= int(most) for units, most in re.findall(r">(\d+) / (\d+)<", page.text))


async def test_the_phones_page(desk: Desk):
    page = await desk.http.get("/sandbox", headers={"Accept-Language": "zh-CN"})
    assert page.status_code == 200
    assert "虚拟手机" in page.text
    for asset in ("/static/sandbox/phones.js", "/static/sandbox/phones.css"):
        assert asset in page.text
        assert (await desk.http.get(asset)).status_code == 200


async def test_no_number_is_stored_by_the_notifier(desk: Desk):
    await desk.request(await desk.officer(FIRST))
    await desk.settle()
    await desk.reply((await desk.sms(FIRST))[0]["sid"], "1 my number is +860010009991")
    for table in ("notifications", "attempts", "waiting", "replies"):
        for row in await desk.fetch(f"SELECT row_to_json(t)::text AS text FROM notifier.{table} t"):
            assert FIRST[1:] not in row["text"]
    for row in await desk.fetch("SELECT envelope FROM bus.outbox"):
        assert FIRST[1:] not in row["envelope"]
