"""What officers do with their own phones: STOP makes a number unreachable, and a post with it, until somebody sees to it."""

import re
from typing import Any
from uuid import UUID

from deploy.demo.directory import officer_id
from libs.crypto import Sealer
from libs.directory.read import Directory, contact_aad
from tests.support.world import World

NANYUAN, STREET = "440304001020", "440304001"
FIRST = officer_id(NANYUAN, "community_officer", "primary")
DEPUTY = officer_id(NANYUAN, "community_officer", "deputy")


async def test_stop_from_officers_lets_the_case_climb_at_once_until_start(world: World) -> None:
    assert await owner(world) == str(FIRST)
    await answer(world, FIRST, "STOP")
    (told,) = [one for one in await world.phones() if "停收" in one["body"]]
    assert told["to"] == await number(world, officer_id(STREET, "street_officer", "primary")), "whoever is above the post, by SMS"
    assert await owner(world) == str(DEPUTY), "the other officer of the post is told"
    await answer(world, DEPUTY, "退订")
    case = await world.case_of(await reported(world))
    assert case["tier"] == "street", "nobody on the post can be reached: the case is one rung higher at once"
    found = await world.get("/v1/reachability", division_code=NANYUAN)
    assert found["counts"]["no_channel"] == 1
    (officer,) = [one for one in (await world.get("/v1/officers", division_code=NANYUAN))["items"] if one["officer_id"] == str(FIRST)]
    assert [(one["enabled"], one["stopped_at"] is not None) for one in officer["contacts"]] == [(False, True)]
    await answer(world, FIRST, "START")
    assert await owner(world) == str(FIRST)
    assert (await world.get("/v1/reachability", division_code=NANYUAN))["counts"]["no_channel"] == 0


async def test_a_number_is_verified_by_the_code_that_was_sent_there(world: World) -> None:
    directory = Directory.under(world.keyring)
    async with world.db.transaction() as tx:
        (contact, *_more) = await directory.contacts(tx, FIRST)
    path = f"/v1/officers/{FIRST}/contacts/{contact.contact_id}"
    await world.fetch("UPDATE directory.contacts SET verified_at = NULL")
    assert (await world.get("/v1/reachability", division_code=NANYUAN))["counts"]["unverified"] == 1
    assert await posted(world, f"{path}/verify", pin="000000") == "no_code"
    assert await posted(world, f"{path}/codes") == ""
    await world.settle()
    (message,) = await world.phones(to=contact.phone)
    (pin,) = re.findall(r"[0-9]{6}", message["body"])
    (told,) = await world.fetch(
        "SELECT envelope::jsonb -> 'data' AS data FROM bus.outbox WHERE event_type = 'tocsin.contact.challenged.v1'"
    )
    assert set(told["data"]) == {"officer_id", "contact_id", "verification_id", "expires_at"}, "no event tells the code"
    wrong = "000000" if pin != "000000" else "111111"
    assert await posted(world, f"{path}/verify", pin=wrong) == "wrong_code"
    assert await posted(world, f"{path}/verify", pin=pin) == ""
    assert await posted(world, f"{path}/verify", pin=pin) == "no_code", "it is used up"
    officer = await world.get(f"/v1/officers/{FIRST}")
    assert officer["contacts"][0]["verified_at"] is not None

    await posted(world, f"{path}/codes")
    for _ in range(5):
        assert await posted(world, f"{path}/verify", pin="x") == "wrong_code"
    assert await posted(world, f"{path}/verify", pin="x") == "too_many_tries"
    assert await posted(world, f"{path}/codes") == ""
    assert await posted(world, f"{path}/codes") == "too_many_codes"
    world.clock.advance(minutes=11)
    assert await posted(world, f"{path}/verify", pin="x") == "no_code", "it is too old"


async def posted(world: World, path: str, **body: str) -> str:
    """The code of what was wrong; "" when nothing was."""
    answer = await world.http.post(path, json=body or None, headers=world.bearer)
    return "" if answer.status_code < 300 else str(answer.json()["type"]).rpartition("/")[2]


async def reported(world: World) -> dict[str, Any]:
    report = await world.report()
    await world.settle()
    return report


async def owner(world: World) -> str:
    """Who answers for a new case."""
    found: str = (await world.case_of(await reported(world)))["owner"]["officer_id"]
    return found


async def number(world: World, officer: UUID) -> str:
    """The officer's number for SMS."""
    (row,) = await world.fetch("SELECT contact_id, phone_sealed FROM directory.contacts WHERE officer_id = $1 AND channel = 'sms'", officer)
    return Sealer(world.keyring).open(row["phone_sealed"], contact_aad(row["contact_id"])).decode()


async def answer(world: World, officer: UUID, text: str) -> None:
    """The officer answers the latest message, or one that is sent for the purpose."""
    message = (await world.phones(to=await number(world, officer)))[-1]
    await world.reply(message, text)
    await world.settle()
