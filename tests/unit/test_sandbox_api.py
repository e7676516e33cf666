"""The sandbox answers as Twilio does; its callbacks carry a signature that the SDK's own validator accepts."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from twilio.request_validator import RequestValidator

from deploy.sandbox.documents import replies_in, segments
from tests.support.sandbox import NOON, NUMBER, SID, TOKEN, sandbox_desk

OFFICER = "+860010000001"


@pytest.fixture
async def desk():
    async with sandbox_desk() as made:
        yield made


async def test_a_message_is_answered_as_twilio_answers(desk):
    answer = await desk.send()
    document = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch("SM[0-9a-f]{32}", document["sid"])
    assert document["status"] == "queued"
    assert document["direction"] == "outbound-api"
    assert (document["to"], document["from"], document["body"]) == (OFFICER, NUMBER, "编号C7H2MQ")
    assert document["date_created"] == "Mon, 23 Nov 2026 04:00:00 +0000"
    assert document["date_sent"] is None
    assert document["error_code"] is None
    assert document["uri"] == f"/2010-04-01/Accounts/{SID}/Messages/{document['sid']}.json"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"to": ""}, 400, 21604),
        ({"From": ""}, 400, 21603),
        ({"Body": ""}, 400, 21602),
        ({"Body": "字" * 1601}, 400, 21617),
        ({"to": "+0123"}, 400, 21211),
        ({"to": "13800000000"}, 400, 21211),
        ({"to": "+86" + "1" * 14}, 400, 21211),
        ({"to": "+15005550001"}, 400, 21211),
        ({"to": "+15005550009"}, 400, 21614),
        ({"to": "+15005550003"}, 400, 21408),
        ({"From": "+15005550000"}, 400, 21606),
        ({"StatusCallback": "not a url"}, 400, 21609),
    ],
)
async def test_wrong_messages_are_refused_with_twilios_codes(desk, form, status, code):
    answer = await desk.send(**form)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    assert answer.json()["more_info"] == f"https://www.twilio.com/docs/errors/{code}"


@pytest.mark.parametrize("auth", [None, (SID, "wrong"), ("AC1", TOKEN)])
async def test_strangers_are_refused(desk, auth):
    for method, path in (("POST", "Messages.json"), ("GET", "Messages.json"), ("GET", "Messages/SM1.json")):
        answer = await desk.http.request(method, f"/2010-04-01/Accounts/{SID}/{path}", auth=auth)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


async def test_both_tokens_are_accepted_and_other_accounts_are_not(desk):
    path = "/2010-04-01/Accounts/{}/Messages.json"
    assert (await desk.http.get(path.format(SID), auth=(SID, "old-token"))).status_code == 200
    assert (await desk.http.get(path.format("AC1"), auth=(SID, TOKEN))).json()["code"] == 20404


async def test_callbacks_are_signed_and_in_order(desk):
    url = f"{desk.base_url}/hook/status/42?x=1"
    sid = (await desk.send(StatusCallback=url)).json()["sid"]
    await desk.sandbox.settle()
    assert desk.statuses == ["queued", "sent", "delivered"]
    for path, signature, form in desk.hooks:
        assert path == "/hook/status/42"
        assert RequestValidator(TOKEN).validate(url, form, signature)
        assert not RequestValidator("other").validate(url, form, signature)
        assert (form["MessageSid"], form["SmsSid"], form["AccountSid"], form["To"]) == (sid, sid, SID, OFFICER)
    shown = (await desk.http.get(f"/2010-04-01/Accounts/{SID}/Messages/{sid}.json", auth=(SID, TOKEN))).json()
    assert shown["status"] == "delivered"
    assert shown["date_sent"] == "Mon, 23 Nov 2026 04:00:00 +0000"


async def test_callbacks_are_tried_again_with_growing_pauses_then_left_alone(desk):
    await desk.send(StatusCallback=f"{desk.base_url}/hook/s")
    desk.answers = [(503, "")] * 100
    for _ in range(200):
        await desk.sandbox.settle()
        desk.clock.advance(seconds=1)
    assert desk.statuses == ["queued"] * 4 + ["sent"] * 4 + ["delivered"] * 4
    assert desk.sandbox.courier.pending == 0


async def test_a_webhook_that_nobody_serves_does_no_harm(desk):
    await desk.send(StatusCallback="http://127.0.0.1:9/nobody")
    await desk.sandbox.settle()
    assert (await desk.http.get("/messages")).json()["items"][0]["status"] == "delivered"


async def test_the_list_is_filtered_paged_and_newest_first(desk):
    sids = []
    for number in range(5):
        sids.append((await desk.send(Body=f"n{number}")).json()["sid"])
        desk.clock.advance(hours=12)
    await desk.send(to="+860010000002")
    path = f"/2010-04-01/Accounts/{SID}/Messages.json"
    first = (await desk.http.get(path, params={"To": OFFICER, "PageSize": 2}, auth=(SID, TOKEN))).json()
    assert [message["sid"] for message in first["messages"]] == [sids[4], sids[3]]
    assert parse_qs(urlsplit(first["next_page_uri"]).query) == {"To": [OFFICER], "PageSize": ["2"], "Page": ["1"]}
    last = (await desk.http.get(path, params={"To": OFFICER, "PageSize": 2, "Page": 2}, auth=(SID, TOKEN))).json()
    assert [message["sid"] for message in last["messages"]] == [sids[0]]
    assert last["next_page_uri"] is None
    for query, found in (
        ({"DateSent": "2026-11-23"}, sids[:2]),
        ({"DateSent>": "2026-11-24"}, sids[2:]),
        ({"DateSent<": "2026-11-23"}, sids[:2]),
        ({"DateSent>": "2026-11-24T16:00:00Z"}, sids[3:]),
        ({"From": "+15005550000"}, []),
    ):
        shown = (await desk.http.get(path, params={"To": OFFICER, **query}, auth=(SID, TOKEN))).json()["messages"]
        assert [message["sid"] for message in reversed(shown)] == found


async def test_replies_reach_the_webhook_and_its_twiml_reaches_the_phone(desk):
    sid = (await desk.send()).json()["sid"]
    desk.answers = [(200, "<Response><Message>已签收 &amp; 谢谢</Message><Message><Body>第二条</Body></Message></Response>")]
    answer = await desk.http.post(f"/messages/{sid}/reply", json={"body": "1"})
    assert answer.status_code == 201
    assert answer.json()["answers"] == ["已签收 & 谢谢", "第二条"]
    ((path, signature, form),) = desk.hooks
    assert path == "/hook/inbound"
    assert RequestValidator(TOKEN).validate(f"{desk.base_url}/hook/inbound", form, signature)
    assert (form["From"], form["To"], form["Body"], form["SmsStatus"]) == (OFFICER, NUMBER, "1", "received")
    shown = (await desk.http.get("/messages", params={"to": OFFICER})).json()["items"]
    assert [message["body"] for message in shown] == ["编号C7H2MQ", "已签收 & 谢谢", "第二条"]


async def test_who_sends_stop_gets_nothing_more_until_start(desk):
    sid = (await desk.send()).json()["sid"]
    await desk.http.post(f"/messages/{sid}/reply", json={"body": " stop "})
    assert (await desk.send()).json()["code"] == 21610
    await desk.http.post(f"/messages/{sid}/reply", json={"body": "START"})
    assert (await desk.send()).status_code == 201


@pytest.mark.parametrize("body", [{}, {"body": ""}, {"body": 1}, {"body": "1", "x": 1}, {"body": "x" * 1601}, []])
async def test_wrong_replies_name_the_field(desk, body):
    sid = (await desk.send()).json()["sid"]
    assert (await desk.http.post(f"/messages/{sid}/reply", json=body)).status_code == 422


async def test_replies_to_nothing_and_webhooks_that_refuse(desk):
    assert (await desk.http.post("/messages/SM0/reply", json={"body": "1"})).json()["type"] == "/problems/unknown_message"
    sid = (await desk.send()).json()["sid"]
    desk.answers = [(403, "")]
    assert (await desk.http.post(f"/messages/{sid}/reply", json={"body": "1"})).status_code == 409


async def test_messages_since(desk):
    sids = []
    for _ in range(3):
        sids.append((await desk.send()).json()["sid"])
        desk.clock.advance(seconds=1)

    async def after(text):
        return [message["sid"] for message in (await desk.http.get("/messages", params={"after": text})).json()["items"]]

    assert await after(sids[0]) == sids[1:]
    assert await after((NOON + timedelta(seconds=1)).isoformat()) == sids[2:]
    assert await after((NOON - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")) == sids
    assert (await desk.http.get("/messages?after=yesterday")).status_code == 422
    assert (await desk.http.get("/messages?after=2026-11-23T04:00:00")).status_code == 422
    # A plus sign that nobody quoted arrives as a space.
    assert len((await desk.http.get(f"/messages?to={OFFICER}")).json()["items"]) == 3
    assert (await desk.http.get("/messages", params={"to": "+860010000002"})).json() == {"items": [], "next": None}
    page = (await desk.http.get("/messages", params={"limit": 2})).json()
    assert page["next"] == sids[1]


async def test_the_oldest_messages_are_dropped():
    async with sandbox_desk(messages_max=3) as desk:
        for number in range(5):
            await desk.send(to=f"+86001000000{number}", Body=f"n{number}")
        await desk.sandbox.settle()
        assert [message["body"] for message in (await desk.http.get("/messages")).json()["items"]] == ["n2", "n3", "n4"]
        assert [phone["number"][-1] for phone in (await desk.http.get("/phones")).json()["items"]][:3] == ["4", "3", "2"]


async def test_phones_most_recently_active_first_and_only_what_is_new(desk):
    await desk.send(to="+860010000001")
    await desk.send(to="+860010000009")
    await desk.sandbox.settle()
    all_of_them = (await desk.http.get("/phones")).json()
    assert [(phone["number"][-1], phone["name"]) for phone in all_of_them["items"]] == [("9", ""), ("1", "王一"), ("2", "李二")]
    seen = all_of_them["seen"]
    assert (await desk.http.get("/phones", params={"since": seen})).json()["items"] == []
    await desk.send(to="+860010000001", Body="neu")
    (news,) = (await desk.http.get("/phones", params={"since": seen})).json()["items"]
    assert [message["body"] for message in news["messages"]] == ["编号C7H2MQ", "neu"]
    assert [phone["name"] for phone in (await desk.http.get("/phones", params={"q": "督导"})).json()["items"]] == ["李二"]


@pytest.mark.parametrize(
    ("twiml", "texts"),
    [
        ("", []),
        ("<Response/>", []),
        ("<Response><Message>a</Message></Response>", ["a"]),
        ("<Message>a</Message>", []),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><Response><Message>&a;</Message></Response>", []),
        ("<Response><Message>a", []),
    ],
)
def test_twiml(twiml, texts):
    assert replies_in(twiml) == texts


@pytest.mark.parametrize(
    ("text", "parts"), [("a" * 160, 1), ("a" * 161, 2), ("字" * 70, 1), ("字" * 71, 2), ("字" * 135, 3), ("{" * 81, 2)]
)
def test_segments(text, parts):
    assert segments(text) == parts
