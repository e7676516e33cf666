"""Whole-system sequences that a second look asked for: people who leave, phones that are shared, messages that come too late."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

import services.notifier.api
from libs.directory.read import Directory
from services.notifier.handlers import replying
from tests.support.world import World

NANYUAN = "440304001020"


async def opened(world: World, **changes: Any) -> dict[str, Any]:
    report = await world.report(**changes)
    await world.settle()
    return {**await world.case_of(report), **report}


async def phone_of(world: World, officer_id: str) -> str:
    async with world.db.transaction() as tx:
        return (await Directory.under(world.keyring).contacts(tx, UUID(officer_id)))[0].phone


async def leave(world: World, *officer_ids: str) -> None:
    """These officers are not active any more."""
    async with world.db.transaction() as tx:
        await tx.execute("UPDATE directory.officers SET active = false WHERE officer_id = ANY ($1::uuid[])", list(officer_ids))
        await tx.execute("UPDATE directory.version SET version = version + 1")


async def test_a_reply_is_heard_although_the_database_was_busy_with_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider tells a reply once. A deadlock that PostgreSQL resolves at its cost must not swallow the officer's "1"."""
    case = await opened(world)
    hear, tries = replying.hear, []

    async def busy(*args: Any) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        return await hear(*args)

    monkeypatch.setattr(services.notifier.api, "hear", busy)
    (message,) = await world.phones(to=await phone_of(world, case["owner"]["officer_id"]))
    await world.reply(message, "1")
    await world.settle()
    assert (await world.case_of(case))["status"] == "acknowledged"


async def test_nobody_takes_a_case_for_somebody_who_has_left(world: World) -> None:
    """An API client that does not know yet: the case must not rest on a person who is not there."""
    case = await opened(world)
    await leave(world, case["owner"]["officer_id"])
    answer = await world.act(case, "acknowledge", case["owner"]["officer_id"])
    assert answer.status_code == 409, answer.text
    assert (await world.case_of(case))["status"] == "open"


async def test_an_owner_who_leaves_is_found_out_by_the_next_reminder(world: World) -> None:
    """The community officer takes the case and leaves, the deputy too: the street hears the reminder, and the missed step climbs."""
    case = await opened(world)
    await world.act(case, "acknowledge", case["owner"]["officer_id"])
    await world.settle()
    rows = await world.fetch(
        "SELECT officer_id FROM directory.holdings WHERE post_id = $1::uuid AND state = 'current'", case["owner"]["post_id"]
    )
    await leave(world, *(str(row["officer_id"]) for row in rows))
    await world.advance(minutes=121)
    told = await world.fetch(
        "SELECT tier, state FROM notifier.notifications WHERE case_id = $1::uuid AND purpose = 'remind' ORDER BY requested_at, tier",
        case["case_id"],
    )
    assert [(row["tier"], row["state"]) for row in told] == [("community", "failed"), ("street", "delivered")]
    await world.advance(minutes=120)
    assert (await world.case_of(case))["tier"] == "street"


async def test_everybody_leaves_and_somebody_comes_back(world: World) -> None:
    """No officer anywhere: the report is a case all the same, with its clocks; whoever comes back first has it."""
    async with world.db.transaction() as tx:
        await tx.execute("UPDATE directory.officers SET active = false")
        await tx.execute("UPDATE directory.version SET version = version + 1")
    case = await opened(world)
    assert case["status"] == "open"
    assert [d["step"] for d in case["deadlines"] if d["state"] == "armed"]
    await world.advance(minutes=45)
    async with world.db.transaction() as tx:
        await tx.execute(
            """
            UPDATE directory.officers SET active = true WHERE officer_id IN (
                SELECT officer_id FROM directory.holdings JOIN directory.posts USING (post_id) WHERE role = 'district_center')
            """
        )
        await tx.execute("UPDATE directory.version SET version = version + 1")
    await world.advance(minutes=60)
    case = await world.case_of(case)
    assert case["tier"] == "district"
    assert {message["to"] for message in await world.phones()} == {await phone_of(world, case["owner"]["officer_id"])}


async def test_declining_and_accepting_at_the_same_moment_leaves_one_owner(world: World) -> None:
    """The officer declines on the workbench while their "1" is on its way: it climbed, and then they took it after all."""
    case = await opened(world)
    officer = case["owner"]["officer_id"]
    (message,) = await world.phones(to=await phone_of(world, officer))
    await world.reply(message, "1")  # told by the provider, not heard by the router yet
    answer = await world.act(case, "decline", officer, reason="unavailable")
    assert answer.status_code == 200, answer.text
    await world.settle()
    after = await world.case_of(case)
    assert (after["status"], after["owner"]["officer_id"]) == ("acknowledged", officer)
    await world.advance(minutes=100)
    assert (await world.case_of(case))["status"] == "acknowledged"


async def test_two_officers_with_one_phone_answer_for_themselves(world: World) -> None:
    """The street officer's only number is that of the community officer: one "1" takes the case once."""
    case = await opened(world)
    officer = case["owner"]["officer_id"]
    phone = await phone_of(world, officer)
    rows = await world.fetch("SELECT officer_id FROM router.assignments WHERE case_id = $1::uuid AND tier = 'street'", case["case_id"])
    async with world.db.transaction() as tx:
        await tx.execute(
            "UPDATE directory.contacts SET phone_index = (SELECT phone_index FROM directory.contacts WHERE officer_id = $1::uuid LIMIT 1) "
            "WHERE officer_id = $2",
            officer,
            rows[0]["officer_id"],
        )
        await tx.execute("UPDATE directory.version SET version = version + 1")
    (message,) = await world.phones(to=phone)
    await world.reply(message, "1")
    await world.settle()
    await world.reply(message, "1")
    await world.settle()
    assert (await world.case_of(case))["status"] == "acknowledged"
    assert len([e for e in await world.events(case) if e["event_type"] == "tocsin.case.acknowledged.v1"]) == 1


async def test_a_reply_to_a_case_that_is_over_takes_nothing(world: World) -> None:
    first = await opened(world)
    phone = await phone_of(world, first["owner"]["officer_id"])
    (message,) = await world.phones(to=phone)
    await world.act(first, "acknowledge", first["owner"]["officer_id"])
    await world.settle()
    second = await opened(world, narrative="【测试】另一件")
    code = message["body"].split("编号")[1][:6]
    await world.reply(message, f"1 {code}")
    await world.settle()
    assert (await world.case_of(second))["status"] == "open"
    assert len([e for e in await world.events(first) if e["event_type"] == "tocsin.case.acknowledged.v1"]) == 1
