"""Webhooks to schools and hospitals, over real HTTP: registered, signed, tried again, given up; no receiver holds up another."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.directory.permissions import Role
from libs.events.catalogue import ReportProgressed
from libs.terms import CloseResult, Tier
from libs.terms.told import Stage
from services.directory.handlers import clients
from services.directory.handlers.changes import Actor
from services.notifier.gateways.webhooks import Receivers
from services.notifier.jobs.webhooks import forget
from services.notifier.rules.webhooks import PAUSES, Allowed
from services.notifier.store.webhooks import claim
from tests.integration.notifier_desk import Desk, make_desk
from tests.integration.webhook_receiver import Receiver, receiving

HOOK = "/v1/webhook"
HERE = {"allow_http": True, "private_networks": "127.0.0.0/8"}


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path, webhooks={**HERE, "request_timeout_s": 0.4}) as made:
        yield made


class School:
    """An API client with a webhook at a receiver."""

    def __init__(self, desk: Desk, receiver: Receiver, headers: dict[str, str], shown: dict[str, Any]) -> None:
        self.desk = desk
        self.receiver = receiver
        self.headers = headers
        self.webhook_id = UUID(shown["webhook_id"])
        self.secret = shown["secret"]

    async def progress(self, stage: Stage, report_id: UUID | None = None, **changes: Any) -> UUID:
        """Publishes what intake would."""
        report_id = report_id or uuid4()
        given = {"what": stage, "stage": stage, "changed_at": self.desk.clock.now(), **changes}
        await self.desk.tell(ReportProgressed(report_id=report_id, webhook_id=self.webhook_id, **given), report_id)
        return report_id

    async def deliveries(self, **query: str) -> list[dict[str, Any]]:
        answer = await self.desk.http.get(f"{HOOK}/deliveries", params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@asynccontextmanager
async def school(desk: Desk):
    async with receiving() as receiver:
        headers = await desk.key("report")
        answer = await desk.http.put(HOOK, json={"url": receiver.url}, headers=headers)
        assert answer.status_code == 200, answer.text
        yield School(desk, receiver, headers, answer.json())


async def hear(desk: Desk) -> None:
    for consumer in desk.assembly.consumers:
        while (await consumer.drain_once()).events:
            pass


async def tell(desk: Desk) -> Any:
    """Lets everything that is due be told; answers when something is due next."""
    await hear(desk)
    return (await desk.job("webhooks-tell").run_once()).next_at


async def test_a_school_is_told_in_order_signed_and_with_nothing_personal(desk: Desk):
    async with school(desk) as one:
        report_id = await one.progress(Stage.ASSIGNED, tier=Tier.COMMUNITY)
        await one.progress(Stage.ASSIGNED, report_id, what="escalated", tier=Tier.STREET)
        await one.progress(Stage.CLOSED, report_id, tier=Tier.STREET, result=CloseResult.CHILD_SAFE)
        await tell(desk)
        told = sorted(one.receiver.told, key=lambda message: message.data["sequence"])
        assert [(t.data["sequence"], t.data["changed"], t.data["state"], t.data["office"]) for t in told] == [
            (1, "assigned", "assigned", "community"),
            (2, "escalated", "assigned", "street"),
            (3, "closed", "closed", "street"),
        ]
        assert told[2].data == {
            "report_id": str(report_id),
            "sequence": 3,
            "changed": "closed",
            "state": "closed",
            "office": "street",
            "result": "child_safe",
            "headline": {
                "zh-CN": "此事已办结：已核查，孩子安全。",
                "en": "This matter has been dealt with: It was looked into, and the child is safe.",
            },
        }
        assert all(message.is_signed(one.secret) for message in told)
        assert told[0].path == "/tocsin"
        assert not told[0].is_signed("whsec_" + "A" * 43 + "="), "another secret does not fit"
        # Rotation: both secrets sign for a week, then only the new one.
        answer = (await desk.http.post(f"{HOOK}/rotate", headers=one.headers)).json()
        for days, both in ((0, True), (8, False)):
            desk.clock.advance(days=days)
            await one.progress(Stage.ON_SITE)
            await tell(desk)
            assert one.receiver.told[-1].is_signed(answer["secret"])
            assert one.receiver.told[-1].is_signed(one.secret) is both
        shown = (await desk.http.get(HOOK, headers=one.headers)).json()
        assert (shown["secret"], shown["failing_since"]) == (None, None), "a secret is shown once"
        (row,) = await desk.fetch("SELECT secret_sealed FROM notifier.webhooks")
        assert one.secret.encode() not in row["secret_sealed"]


async def test_what_is_not_taken_is_told_again_at_growing_intervals_until_it_is(desk: Desk):
    async with school(desk) as one:
        one.receiver.answers = [500, "reset", f"{one.receiver.url}/elsewhere", "hang", 204]
        await one.progress(Stage.ASSIGNED)
        for pause in PAUSES[:4]:
            due = await tell(desk)
            assert due == desk.clock.now() + pause
            desk.clock.set(due)
        assert await tell(desk) is None
        assert len({message.id for message in one.receiver.told}) == 1, "always under the same id, so that the receiver can tell"
        assert [message.path for message in one.receiver.told] == ["/tocsin"] * 5, "a redirect is not followed"
        (shown,) = await one.deliveries()
        assert (shown["state"], shown["tries"], shown["last_answer"]) == ("delivered", 5, "204")


async def test_what_is_never_taken_is_given_up_after_a_day_and_told_again_when_somebody_says_so(desk: Desk):
    async with school(desk) as one:
        one.receiver.answers = [503] * 100
        report_id = await one.progress(Stage.ASSIGNED)
        began = desk.clock.now()
        while (due := await tell(desk)) is not None:
            desk.clock.set(due)
        assert timedelta(hours=20) < desk.clock.now() - began <= timedelta(hours=24)
        assert len(one.receiver.told) == len(PAUSES) + 1
        (dead,) = await one.deliveries(state="dead")
        assert (dead["last_answer"], dead["report_id"]) == ("503", str(report_id))
        assert (await desk.http.get(HOOK, headers=one.headers)).json()["failing_since"] is not None
        one.receiver.answers.clear()
        retry = f"{HOOK}/deliveries/{dead['delivery_id']}/retry"
        assert (await desk.http.post(retry, headers=await desk.key("report"))).status_code == 404, "another client’s is none of yours"
        assert (await desk.http.post(retry, headers=one.headers)).status_code == 202
        await tell(desk)
        assert one.receiver.told[-1].id == dead["delivery_id"]
        assert [(d["state"], d["tries"]) for d in await one.deliveries()] == [("delivered", 1)]


async def test_who_answers_410_is_told_nothing_until_it_registers_again(desk: Desk):
    async with school(desk) as one:
        one.receiver.answers = [410]
        await one.progress(Stage.ASSIGNED)
        await tell(desk)
        await one.progress(Stage.ON_SITE)
        assert await tell(desk) is None
        assert len(one.receiver.told) == 1
        (dead,) = await one.deliveries()
        retry = f"{HOOK}/deliveries/{dead['delivery_id']}/retry"
        assert (await desk.http.post(retry, headers=one.headers)).status_code == 409
        again = await desk.http.put(HOOK, json={"url": one.receiver.url}, headers=one.headers)
        assert (again.json()["gone_at"], again.json()["secret"]) == (None, None), "open again, under the same secret"
        await one.progress(Stage.CLOSED)
        await tell(desk)
        assert one.receiver.told[-1].is_signed(one.secret)


async def test_the_old_address_of_a_receiver_that_has_moved_ends_nothing(desk: Desk):
    async with school(desk) as one:
        one.receiver.answers = ["hang"]
        await one.progress(Stage.ASSIGNED)
        await hear(desk)
        telling = asyncio.create_task(tell(desk))
        await one.receiver.arrived.wait()
        moved = await desk.http.put(HOOK, json={"url": f"{one.receiver.url}/new"}, headers=one.headers)
        one.receiver.hung = 410
        one.receiver.release.set()
        await telling
        shown = await desk.http.get(HOOK, headers=one.headers)
        assert (moved.status_code, shown.json()["gone_at"]) == (200, None)
        desk.clock.advance(minutes=1)
        await tell(desk)
        assert [told.path for told in one.receiver.told] == ["/tocsin", "/tocsin/new"]
        assert [d["state"] for d in await one.deliveries()] == ["delivered"]


async def test_who_has_much_waiting_does_not_take_the_places_of_others(desk: Desk):
    async with school(desk) as one, school(desk) as other:
        for _ in range(6):
            await one.progress(Stage.ASSIGNED)
        await hear(desk)
        desk.clock.advance(seconds=1)
        await other.progress(Stage.ASSIGNED)
        await hear(desk)
        for places in ({one.webhook_id: 4, other.webhook_id: 4}, {one.webhook_id: 1, other.webhook_id: 4}):
            async with desk.db.connection() as c:
                transaction = c.transaction()
                await transaction.start()
                now = desk.clock.now()
                taken = await claim(c, now, places, 2 if places[one.webhook_id] == 4 else 1, now + timedelta(minutes=1))
                await transaction.rollback()
            assert other.webhook_id in {delivery.webhook_id for delivery in taken}, places


async def test_the_count_of_what_is_told_of_a_report_never_begins_again(desk: Desk):
    """Receivers ignore what is not higher than what they have: they would never learn how a long case ended."""
    async with school(desk) as one:
        report_id = await one.progress(Stage.ASSIGNED)
        await one.progress(Stage.ASSIGNED, report_id, what="escalated")
        await tell(desk)
        desk.clock.advance(days=31)
        await forget(desk.db, desk.clock)
        assert await one.deliveries() == []
        await one.progress(Stage.ON_SITE, report_id)
        await tell(desk)
        assert (await desk.http.delete(HOOK, headers=one.headers)).status_code == 204
        again = await desk.http.put(HOOK, json={"url": one.receiver.url}, headers=one.headers)
        one.webhook_id = UUID(again.json()["webhook_id"])
        await one.progress(Stage.CLOSED, report_id)
        await one.progress(Stage.CLOSED)
        await tell(desk)
        assert sorted(t.data["sequence"] for t in one.receiver.told if t.data["report_id"] == str(report_id)) == [1, 2, 3, 4]
        assert [t.data["sequence"] for t in one.receiver.told if t.data["report_id"] != str(report_id)] == [1]


async def test_a_client_without_a_key_is_told_nothing_until_it_registers_with_a_new_one(desk: Desk):
    async with school(desk) as one, school(desk) as other:
        one.receiver.answers = [503]
        await one.progress(Stage.ASSIGNED)
        due = await tell(desk)
        client_id = one.headers["Authorization"].partition(" ")[2].partition(".")[0]
        async with desk.db.transaction() as tx:
            await clients.revoke(tx, client_or_key=client_id, now=desk.clock.now(), actor=Actor("tester"))
        await hear(desk)
        (row,) = await desk.fetch("SELECT gone_at, gone_because FROM notifier.webhooks WHERE webhook_id = $1", one.webhook_id)
        assert (row["gone_at"], row["gone_because"]) == (desk.clock.now(), "no_key"), "at once, not when something is to be told"
        await one.progress(Stage.ON_SITE)
        await other.progress(Stage.ON_SITE)
        desk.clock.set(due)
        assert await tell(desk) is None
        assert (len(one.receiver.told), len(other.receiver.told)) == (1, 1)
        async with desk.db.transaction() as tx:
            key = await clients.rotate_key(tx, desk.keyring, client_id=client_id, now=desk.clock.now(), actor=Actor("tester"))
        one.headers = {"Authorization": f"Bearer {key.bearer}"}
        await tell(desk)
        (dead,) = await one.deliveries()
        assert (dead["state"], dead["last_answer"]) == ("dead", "no valid API key")
        assert (await desk.http.get(HOOK, headers=one.headers)).json()["gone_because"] == "no_key", "a new key alone opens nothing"
        page = await desk.http.get("/webhooks", headers=await desk.log_in(Role.ADMIN, ""))
        assert "Has no valid API key any more" in page.text
        again = (await desk.http.put(HOOK, json={"url": one.receiver.url}, headers=one.headers)).json()
        assert (again["gone_at"], again["gone_because"], again["secret"]) == (None, None, None)
        assert (await desk.http.post(f"{HOOK}/deliveries/{dead['delivery_id']}/retry", headers=one.headers)).status_code == 202
        await tell(desk)
        assert [message.id for message in one.receiver.told] == [dead["delivery_id"]] * 2

        # A key that expires is not told by anybody: what is due then is not told.
        ends = desk.clock.now() + timedelta(hours=1)
        await desk.fetch("UPDATE directory.api_keys SET expires_at = $2 WHERE key_id = $1", key.key_id, ends)
        await one.progress(Stage.CLOSED)
        await hear(desk)
        desk.clock.set(ends)
        await tell(desk)
        (row,) = await desk.fetch("SELECT gone_because FROM notifier.webhooks WHERE webhook_id = $1", one.webhook_id)
        assert (row["gone_because"], len(one.receiver.told), len(other.receiver.told)) == ("no_key", 2, 1)


async def test_receivers_that_hang_hold_up_nobody_else(database_url, tmp_path):
    async with make_desk(database_url, tmp_path, webhooks={**HERE, "request_timeout_s": 30}) as desk, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(school(desk)) for _ in range(3)]
        good = await stack.enter_async_context(school(desk))
        for one in slow:
            one.receiver.answers = ["hang"] * 6
            for _ in range(6):
                await one.progress(Stage.ASSIGNED)
        await hear(desk)
        telling = asyncio.ensure_future(desk.job("webhooks-tell").run_once())
        async with asyncio.timeout(20):
            for one in slow:
                while one.receiver.hanging < 4:
                    one.receiver.arrived.clear()
                    await one.receiver.arrived.wait()
            await good.progress(Stage.ASSIGNED)
            await hear(desk)
            await good.receiver.arrived.wait()
            assert [one.receiver.hanging for one in slow] == [4, 4, 4], "each has so many at once and no more"
            for one in slow:
                one.receiver.release.set()
            await telling
        assert [len(one.receiver.told) for one in (*slow, good)] == [6, 6, 6, 1]


async def test_addresses_that_must_not_be_called_are_refused_by_name(database_url, tmp_path):
    async with make_desk(database_url, tmp_path) as strict:
        headers = await strict.key("report")
        refused = {
            "http://school.example/x": "url_not_https",
            "https://user:word@school.example/": "url_malformed",
            "https://127.0.0.1/": "url_private",
            "https://[::ffff:10.0.0.1]/": "url_private",
            "https://169.254.169.254/latest/meta-data": "url_private",
            "https://2130706433/": "url_private",
            "https://localhost/": "url_private",
            "https://nowhere.invalid/": "unknown_host",
        }
        for url, code in refused.items():
            answer = await strict.http.put(HOOK, json={"url": url}, headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code), url
            assert answer.json()["errors"][0]["field"] == "url"
        assert (await strict.http.put(HOOK, json={"url": "https://localhost/"}, headers=await strict.key("read"))).status_code == 403


async def test_an_address_is_judged_again_where_it_is_called():
    async with receiving() as receiver:
        port = receiver.url.partition("//127.0.0.1:")[2]
        for host in ("localhost", "127.0.0.1", "[::1]"):
            receivers = Receivers(Allowed(http=True), request_timeout_s=5, connect_timeout_s=2, connections_max=4)
            answered = await receivers.tell(f"http://{host}:{port}", {}, b"{}")
            await receivers.close()
            assert answered.status is None
            assert answered.error in {"private_address", "url_private"}, host
        assert not receiver.told


async def test_names_of_receivers_are_not_looked_up_where_those_of_gateways_are():
    """The threads that all share are few: look-ups that hang there would keep alarms waiting."""
    released, loop = Event(), asyncio.get_running_loop()
    shared = [loop.run_in_executor(None, released.wait) for _ in range(64)]
    receivers = Receivers(Allowed(), request_timeout_s=5, connect_timeout_s=2, connections_max=4)
    try:
        with pytest.raises(PermissionError):
            await receivers.resolve("localhost", 443)
        assert (await receivers.tell("https://localhost", {}, b"{}")).error == "private_address"
    finally:
        released.set()
        await asyncio.gather(*shared)
        await receivers.close()


async def test_the_page_shows_who_is_told_and_tells_again_what_was_given_up(desk: Desk):
    async with school(desk) as one:
        one.receiver.answers = [410]
        await one.progress(Stage.ASSIGNED)
        await tell(desk)
        admin = await desk.log_in(Role.ADMIN, "")
        page = await desk.http.get("/webhooks", params={"webhook_id": str(one.webhook_id)}, headers=admin)
        assert page.status_code == 200
        assert "Wants nothing any more (410)" in page.text
        assert one.receiver.url in page.text
        assert one.secret not in page.text
        await desk.http.put(HOOK, json={"url": one.receiver.url}, headers=one.headers)
        again = await desk.http.post(f"/webhooks/{one.webhook_id}/retry", headers=admin)
        assert again.status_code == 303
        await tell(desk)
        assert [delivery["state"] for delivery in await one.deliveries()] == ["delivered"]
        assert (await desk.http.get("/webhooks", headers=await desk.log_in(Role.OFFICER, "440304"))).status_code == 403
        other = await desk.key("report")
        assert (await desk.http.put(HOOK, json={"url": one.receiver.url}, headers=other)).status_code == 200
        assert (await desk.http.delete(HOOK, headers=other)).status_code == 204
        assert (await desk.http.post(f"/webhooks/{one.webhook_id}/remove", headers=admin)).status_code == 303
        assert (await desk.http.get(HOOK, headers=one.headers)).status_code == 404
        rows = await desk.fetch("SELECT event_type FROM bus.outbox WHERE event_type LIKE '%webhook%' ORDER BY id")
        kinds = [row["event_type"] for row in rows]
        registered, removed = "tocsin.webhook.registered.v1", "tocsin.webhook.removed.v1"
        assert kinds == [registered, registered, registered, removed, removed]
