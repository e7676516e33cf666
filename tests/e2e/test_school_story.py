"""A school reports and is told how its own report goes on, in the same words as its receipt."""

from tests.integration.webhook_receiver import receiving
from tests.support.world import World


async def test_a_school_is_told_what_its_receipt_says(world: World):
    before = await world.report()
    await world.settle()
    async with receiving() as receiver:
        answer = await world.http.put("/v1/webhook", json={"url": receiver.url}, headers=world.bearer)
        assert answer.status_code == 200, answer.text
        secret = answer.json()["secret"]
        await world.settle()
        report = await world.report()
        await world.settle()
        case = await world.case_of(report)
        assert (await world.act(case, "acknowledge", case["owner"]["officer_id"])).status_code == 200
        await world.settle()
        assert {message.data["report_id"] for message in receiver.told} == {report["report_id"]}
        assert all(message.is_signed(secret) for message in receiver.told)
        told = {message.data["sequence"]: message.data for message in receiver.told}
        last = told[max(told)]
        receipt = await world.get(f"/v1/reports/{report['receipt']}")
        assert (last["state"], last["headline"]["zh-CN"]) == (receipt["state"], receipt["headline"])
        assert (last["state"], last["changed"]) == ("acknowledged", "acknowledged")
        assert sorted(told) == list(range(1, len(told) + 1))
        # What was reported before it asked is its own report too.
        old = await world.case_of(before)
        assert (await world.act(old, "acknowledge", old["owner"]["officer_id"])).status_code == 200
        await world.settle()
        assert receiver.told[-1].data["report_id"] == before["report_id"]
        lines = [line["event_type"] for line in await world.events(case)]
        assert "tocsin.report.progressed.v1" in lines, "that the school was told is in the case's history"
