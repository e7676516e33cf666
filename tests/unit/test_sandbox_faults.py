"""Faults on demand: strictly validated, evenly spread, and each does what it says."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.sandbox.faults import Fault, FaultList, Faults
from tests.support.sandbox import sandbox_desk

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
OFFICER = "+860010000001"


@pytest.fixture
async def desk():
    async with sandbox_desk() as made:
        yield made


@pytest.mark.parametrize(
    "fault",
    [
        {"unknown": 1},
        {"to": "123"},
        {"share": 0},
        {"share": 1.5},
        {"times": 0},
        {"http_status": 200},
        {"http_status": "500"},
        {"error_code": 20429},
        {"hang": True, "http_status": 500},
        {"accept_then_reset": True, "hang": True},
        {"accepted": True},
        {"final_error_code": 30003},
        {"final_status": "delivered", "final_error_code": 30003},
        {"callbacks": "twice"},
        {"latency_s": -1},
        {"rate_per_s": 0},
    ],
)
async def test_faults_that_make_no_sense_are_refused(desk, fault):
    answer = await desk.http.put("/faults", json={"items": [fault]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("items[0]")
    assert (await desk.http.get("/faults")).json()["items"] == []


async def test_faults_are_shown_replaced_and_cleared(desk):
    await desk.faults({"http_status": 500}, {"to": OFFICER, "hang": True})
    shown = (await desk.http.get("/faults")).json()["items"]
    assert [fault["http_status"] for fault in shown] == [500, None]
    await desk.faults({"latency_s": 1.5})
    assert len((await desk.http.get("/faults")).json()["items"]) == 1
    assert (await desk.http.delete("/faults")).status_code == 204
    assert (await desk.send()).status_code == 201


def test_a_share_is_spread_evenly_and_times_run_out():
    faults = Faults()
    faults.put(FaultList(items=[Fault(share=0.25, hang=True, times=3)]))
    struck = [faults.strike(OFFICER, NOW) is not None for _ in range(20)]
    assert struck == [False, False, False, True] * 3 + [False] * 8


def test_a_number_of_its_own_comes_first():
    faults = Faults()
    faults.put(FaultList(items=[Fault(http_status=500), Fault(to=OFFICER, hang=True)]))
    own, others = faults.strike(OFFICER, NOW), faults.strike("+860010000002", NOW)
    assert own is not None
    assert others is not None
    assert own.hang
    assert others.http_status == 500


def test_what_comes_faster_than_the_rate_is_struck():
    faults = Faults()
    faults.put(FaultList(items=[Fault(rate_per_s=2)]))
    times = [0.0, 0.0, 0.0, 0.1, 0.5, 0.5, 5.0, 5.0, 5.0]
    struck = [faults.strike(OFFICER, NOW + timedelta(seconds=at_s)) is not None for at_s in times]
    assert struck == [False, False, True, True, False, True, False, False, True]


async def test_error_answers(desk):
    await desk.faults({"http_status": 429, "error_code": 20429})
    answer = await desk.send()
    assert (answer.status_code, answer.json()["code"]) == (429, 20429)
    await desk.faults({"http_status": 503})
    assert (await desk.send()).status_code == 503
    assert (await desk.http.get("/messages")).json()["items"] == []
    await desk.faults({"http_status": 500, "accepted": True})
    assert (await desk.send()).status_code == 500
    assert len((await desk.http.get("/messages")).json()["items"]) == 1


async def test_a_connection_breaks_after_the_message_was_accepted(desk):
    await desk.faults({"accept_then_reset": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await desk.send()
    assert len((await desk.http.get("/messages")).json()["items"]) == 1


async def test_a_hang_ends_with_a_broken_connection_and_nothing_accepted(desk):
    await desk.faults({"hang": True})  # on a fake clock it hangs for no time
    with pytest.raises(httpx.RemoteProtocolError):
        await desk.send()
    assert (await desk.http.get("/messages")).json()["items"] == []


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ({"final_status": "undelivered", "final_error_code": 30003}, ["queued", "sent", "undelivered"]),
        ({"final_status": "failed", "final_error_code": 30008}, ["queued", "failed"]),
        ({"final_status": "sent"}, ["queued", "sent"]),
        ({"final_status": "queued"}, ["queued"]),
        ({"callbacks": "drop"}, []),
        ({"callbacks": "duplicate"}, ["queued", "queued", "sent", "sent", "delivered", "delivered"]),
        ({"callbacks": "reorder"}, ["delivered", "sent", "queued"]),
    ],
)
async def test_what_becomes_of_a_message(desk, fault, statuses):
    await desk.faults(fault)
    await desk.send(StatusCallback=f"{desk.base_url}/hook/s")
    await desk.sandbox.settle()
    assert desk.statuses == statuses
    if "final_error_code" in fault:
        assert desk.hooks[-1][2]["ErrorCode"] == str(fault["final_error_code"])


async def test_late_callbacks(desk):
    await desk.faults({"callback_delay_s": 30})
    await desk.send(StatusCallback=f"{desk.base_url}/hook/s")
    assert await desk.sandbox.settle() == 0
    tick = await desk.sandbox.courier.run_once()
    assert tick.next_at == desk.clock.now() + timedelta(seconds=30)
    desk.clock.advance(seconds=30)
    await desk.sandbox.settle()
    assert desk.statuses == ["queued", "sent", "delivered"]


async def test_forged_callbacks_have_a_wrong_signature(desk):
    await desk.send(StatusCallback=f"{desk.base_url}/hook/s")
    await desk.faults({"callbacks": "forge"})
    await desk.send(StatusCallback=f"{desk.base_url}/hook/s")
    await desk.sandbox.settle()
    right, wrong = desk.hooks[0][1], desk.hooks[3][1]
    assert right != wrong
