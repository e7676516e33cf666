"""A failed notification is sent again by hand: as a new one, once, by who may manage the case, and that is recorded."""

import pytest

from libs.directory.permissions import Role
from libs.events.catalogue import CaseAcknowledged
from libs.terms import Purpose
from tests.integration.notifier_desk import PLACE, Desk, make_desk

PHONE = "+860010009991"
ELSEWHERE = "110101001001"


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path) as made:
        yield made


async def test_a_failed_notification_is_sent_again_as_a_new_one(desk: Desk):
    await desk.faults({"http_status": 400, "error_code": 21211, "to": PHONE})
    request = await desk.request(await desk.officer(PHONE))
    await desk.settle()
    failed = await desk.shown(request)
    assert (failed["state"], failed["resent_as"]) == ("failed", None)
    path = f"/v1/notifications/{request.notification_id}/resend"
    assert (await desk.http.post(path, headers=await desk.reader())).status_code == 403, "reading is not enough"
    assert (await desk.http.post(path, headers=await desk.log_in(Role.SUPERVISOR, ELSEWHERE))).status_code == 403, "another place"
    supervisor = await desk.log_in(Role.SUPERVISOR, PLACE)
    await desk.faults()
    desk.clock.advance(minutes=3)
    answer = await desk.http.post(path, headers=supervisor)
    assert answer.status_code == 202, answer.text
    new = answer.json()["notification_id"]
    assert (await desk.http.post(path, headers=supervisor)).json()["type"].endswith("already_resent"), "once: then the new one counts"
    await desk.settle()
    assert len(await desk.sms(PHONE)) == 1
    shown = await desk.http.get("/v1/notifications", params={"case_id": str(request.case_id)}, headers=await desk.reader())
    by_id = {one["notification_id"]: one for one in shown.json()["items"]}
    assert by_id[str(request.notification_id)]["state"] == "failed", "what was told stands"
    assert by_id[str(request.notification_id)]["resent_as"] == new
    assert (by_id[new]["state"], len(by_id[new]["attempts"])) == ("delivered", 1)
    assert (await desk.http.post(f"/v1/notifications/{new}/resend", headers=supervisor)).status_code == 409, "it has arrived"
    (told,) = await desk.events("notification.resent")
    (account,) = await desk.fetch("SELECT account_id FROM directory.accounts WHERE role = 'supervisor' AND division_code = $1", PLACE)
    assert (told["notification_id"], told["resend_of"], told["by"]) == (new, str(request.notification_id), str(account["account_id"]))
    assert [one["notification_id"] for one in await desk.events("notification.failed")] == [str(request.notification_id)]
    assert [one["notification_id"] for one in await desk.events("notification.delivered")] == [new]


async def test_one_that_fails_again_is_told_as_a_failure_of_its_own_and_may_be_sent_again(desk: Desk):
    await desk.faults({"http_status": 400, "error_code": 21211})
    request = await desk.request(await desk.officer(PHONE))
    await desk.settle()
    headers = await desk.key("act")
    first = str(request.notification_id)
    for _ in range(2):
        answer = await desk.http.post(f"/v1/notifications/{first}/resend", headers=headers)
        first = answer.json()["notification_id"]
        await desk.settle()
    assert len(await desk.events("notification.failed")) == 3, "each has reached the next person"
    assert {one["client_id"] for one in await desk.events("notification.resent")} != {None}


async def test_nobody_is_asked_again_to_accept_what_is_settled(desk: Desk):
    await desk.faults({"http_status": 400, "error_code": 21211})
    officer_id = await desk.officer(PHONE)
    request = await desk.request(officer_id)
    told = await desk.request(officer_id, purpose=Purpose.RECALL, case_id=request.case_id)
    await desk.settle()
    place = {"division_code": PLACE, "tier": request.tier, "post_id": request.post_id}
    await desk.tell(CaseAcknowledged(case_id=request.case_id, grade=request.grade, via="workbench", **place), request.case_id)
    await desk.settle()
    headers = await desk.key("act")
    refused = await desk.http.post(f"/v1/notifications/{request.notification_id}/resend", headers=headers)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "not_needed")
    assert (await desk.http.post(f"/v1/notifications/{told.notification_id}/resend", headers=headers)).status_code == 202, "it asks nothing"


async def test_the_page_sends_again_and_shows_that_it_did(desk: Desk):
    await desk.faults({"http_status": 400, "error_code": 21211, "to": PHONE})
    request = await desk.request(await desk.officer(PHONE))
    await desk.settle()
    watcher = await desk.log_in(Role.AUDITOR, "")
    assert "Send again" not in (await desk.http.get("/notifications", headers=watcher)).text
    supervisor = await desk.log_in(Role.SUPERVISOR, PLACE)
    assert "Send again" in (await desk.http.get("/notifications", headers=supervisor)).text
    form = {"back": "/notifications?state=failed"}
    answer = await desk.http.post(f"/notifications/{request.notification_id}/resend", data=form, headers=supervisor)
    assert (answer.status_code, answer.headers["location"]) == (303, form["back"])
    page = (await desk.http.get("/notifications?state=failed", headers=supervisor)).text
    assert "sent again" in page
    assert "Send again" not in page
