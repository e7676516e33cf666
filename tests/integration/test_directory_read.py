"""What the rooms ask the directory: who answers for a place, where a place is, whose phone that is."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.db import Database, Tx
from libs.db.migrations import ROLES
from libs.directory.read import Directory
from libs.terms import Tier
from libs.workdays import WorkCalendar
from services.directory.handlers import people
from tests.integration.directory_desk import COMMUNITY, DISTRICT, STREET, TESTER, Desk, deputy, directory_desk, primary


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def test_the_route_climbs_from_the_community_to_the_district(desk: Desk) -> None:
    route = await desk.route(COMMUNITY)
    assert [division.code for division in route.ancestors] == [COMMUNITY, STREET, DISTRICT, "4403", "44"]
    assert route.division.name == "南园社区居委会"
    assert route.name_of(STREET) == "南园街道"
    assert [(post.role, post.tier) for post in route.posts] == [
        ("community_officer", Tier.COMMUNITY),
        ("street_officer", Tier.STREET),
        ("district_center", Tier.DISTRICT),
        ("district_office", Tier.DISTRICT),
        ("procurator", Tier.DISTRICT),
        ("police_branch", Tier.DISTRICT),
        ("dispatch_desk", Tier.DISTRICT),
    ]
    first = route.posts[0]
    assert [(holder.officer_id, holder.rank, holder.reachable) for holder in first.holders] == [
        (primary(COMMUNITY, "community_officer"), "primary", True),
        (deputy(COMMUNITY, "community_officer"), "deputy", True),
    ]
    assert first.title("zh_CN") == "儿童主任"
    assert first.title("en") == "Community child officer"


async def test_a_code_that_is_not_registered_has_no_route_but_a_nearest_place(desk: Desk) -> None:
    assert await desk.route("440304001999") is None
    assert await desk.route("") is None
    assert await desk.route("nonsense") is None
    async with desk.db.connection() as tx:
        nearest = await desk.directory.nearest(tx, "440304001999")
        assert nearest is not None
        assert nearest.code == STREET
        assert await desk.directory.nearest(tx, "11") is None


async def test_a_route_is_remembered_until_the_directory_changes(desk: Desk) -> None:
    before = await desk.route(COMMUNITY)
    assert await desk.route(COMMUNITY) is before
    async with desk.db.transaction() as tx:
        await people.change_officer(tx, primary(COMMUNITY, "community_officer"), active=False, now=desk.clock.now(), actor=TESTER)
    after = await desk.route(COMMUNITY)
    assert after.version == before.version + 1
    assert [holder.reachable for holder in after.posts[0].holders] == [False, True]


async def test_nobody_is_reachable_without_an_enabled_contact(desk: Desk) -> None:
    officer = primary(COMMUNITY, "community_officer")
    async with desk.db.transaction() as tx:
        (contact,) = await desk.directory.contacts(tx, officer)
        assert contact.phone.startswith("+8600")
        await people.enable_contact(tx, officer, contact.contact_id, enabled=False, now=desk.clock.now(), actor=TESTER)
    async with desk.db.connection() as tx:
        assert await desk.directory.contacts(tx, officer) == []
        assert await desk.directory.officers_by_phone(tx, contact.phone) == []
    route = await desk.route(COMMUNITY)
    assert [holder.reachable for holder in route.posts[0].holders] == [False, True]


async def test_a_phone_leads_to_its_officer_however_it_is_written(desk: Desk) -> None:
    officer = primary(DISTRICT, "district_center")
    async with desk.db.connection() as tx:
        contacts = await desk.directory.contacts(tx, officer)
        assert [contact.channel for contact in contacts] == ["sms", "voice"]
        number = contacts[0].phone
        assert await desk.directory.officers_by_phone(tx, number) == [officer]
        assert await desk.directory.officers_by_phone(tx, f"00{number[1:5]} {number[5:]}") == [officer]
        assert await desk.directory.officers_by_phone(tx, "+860099999999") == []
        found = await desk.directory.officer(tx, officer)
        assert found is not None
        assert found.name == "示例·福田区甲"
        assert [post.role for post in await desk.directory.posts_of(tx, officer)] == ["district_center"]


async def test_a_report_without_a_place_finds_a_dispatch_desk(desk: Desk) -> None:
    async with desk.db.connection() as tx:
        for code in ("", "44", "4403", "11", COMMUNITY, "440304001999"):
            (found,) = await desk.directory.dispatch_desks(tx, code)
            assert (found.role, found.division_code) == ("dispatch_desk", DISTRICT)


async def test_a_dispatch_desk_elsewhere_is_better_than_one_that_nobody_answers(desk: Desk) -> None:
    await desk.import_(
        "code,name,level,parent_code\n53,云南省,province,\n5301,昆明市,city,53\n530111,官渡区,district,5301\n", with_posts=True
    )
    route = await desk.route("530111")
    assert [post.role for post in route.posts if post.division_code == "530111"][-1] == "dispatch_desk"
    assert route.posts[-1].division_code == DISTRICT
    assert route.posts[-1].reachable


async def test_places_are_found_as_people_type(desk: Desk) -> None:
    typed = {
        "南园": STREET,
        "南园社区": COMMUNITY,
        "nanyuan": STREET,
        "nanyuansq": None,
        "nanyuanshequ": COMMUNITY,
        "NYJD": STREET,
        "nysq": COMMUNITY,
        "440304001020": COMMUNITY,
        "4403040010": "440304001019",
        "福田区 南园": STREET,
        "福田区南园社区": COMMUNITY,
        "深圳 ft": DISTRICT,
        "埔头": "440304001019",
        "' OR 1=1 --": None,
        "%": None,
        "": None,
    }
    found = {}
    async with desk.db.connection() as tx:
        for text in typed:
            divisions = await desk.directory.search(tx, text)
            found[text] = divisions[0].code if divisions else None
    assert found == typed


async def test_a_search_keeps_to_its_limit(desk: Desk) -> None:
    async with desk.db.connection() as tx:
        assert len(await desk.directory.search(tx, "4403", 7)) == 7
        assert len(await desk.directory.search(tx, "s", 10_000)) <= 100


async def test_duty_begins_and_ends_at_its_minute_and_not_before(desk: Desk) -> None:
    post = (await desk.route(COMMUNITY)).posts[0]
    stand_in = deputy(STREET, "street_officer")
    begins, ends = desk.clock.now() + timedelta(hours=8), desk.clock.now() + timedelta(hours=20)
    async with desk.db.transaction() as tx:
        await people.set_holder(
            tx,
            post_id=post.post_id,
            officer_id=stand_in,
            rank="primary",
            valid_from=begins,
            valid_to=ends,
            calendar=WorkCalendar(),
            now=desk.clock.now(),
            actor=TESTER,
        )
    usual = primary(COMMUNITY, "community_officer")
    desk.clock.advance(hours=7, minutes=59, seconds=59)
    assert await desk.job("directory-roster") == 0
    assert (await desk.route(COMMUNITY)).posts[0].holders[0].officer_id == usual
    desk.clock.advance(seconds=1)
    assert await desk.job("directory-roster") == 1
    assert (await desk.route(COMMUNITY)).posts[0].holders[0].officer_id == stand_in
    desk.clock.advance(hours=12)
    assert await desk.job("directory-roster") == 2  # one ends, the other begins
    holders = (await desk.route(COMMUNITY)).posts[0].holders
    assert [holder.rank for holder in holders] == ["primary", "deputy"]
    assert holders[0].officer_id == usual, "whoever was there before is there again: no post stays without its primary"


async def test_a_stand_in_who_stays_longer_or_leaves_earlier_leaves_no_hole(desk: Desk) -> None:
    post = (await desk.route(COMMUNITY)).posts[0]
    usual, stand_in = primary(COMMUNITY, "community_officer"), deputy(STREET, "street_officer")
    begins = desk.clock.now()

    async def stand_in_for(hours: int) -> None:
        given: Any = {"post_id": post.post_id, "officer_id": stand_in, "rank": "primary", "valid_to": begins + timedelta(hours=hours)}
        async with desk.db.transaction() as tx:
            await people.set_holder(tx, **given, calendar=WorkCalendar(), now=desk.clock.now(), actor=TESTER)

    async def first() -> UUID:
        await desk.job("directory-roster")
        return (await desk.route(COMMUNITY)).posts[0].holders[0].officer_id

    await stand_in_for(8)
    await stand_in_for(12)
    desk.clock.advance(hours=11)
    assert await first() == stand_in, "they stay as long as was said last"
    await stand_in_for(13)
    desk.clock.advance(hours=2)
    assert await first() == usual
    await stand_in_for(30)
    assert await first() == stand_in
    async with desk.db.transaction() as tx:
        await people.end_holding(tx, post_id=post.post_id, officer_id=stand_in, calendar=WorkCalendar(), now=desk.clock.now(), actor=TESTER)
    assert await first() == usual, "who was there before comes back at once"


async def test_a_roster_that_passed_while_everything_was_down_leaves_nobody_behind(desk: Desk) -> None:
    post = (await desk.route(COMMUNITY)).posts[0]
    begins = desk.clock.now() + timedelta(hours=1)
    async with desk.db.transaction() as tx:
        await people.set_holder(
            tx,
            post_id=post.post_id,
            officer_id=deputy(STREET, "street_officer"),
            rank="primary",
            valid_from=begins,
            valid_to=begins + timedelta(hours=1),
            calendar=WorkCalendar(),
            now=desk.clock.now(),
            actor=TESTER,
        )
    desk.clock.advance(days=3)
    assert await desk.job("directory-roster") == 1
    assert (await desk.route(COMMUNITY)).posts[0].holders[0].officer_id == primary(COMMUNITY, "community_officer")


async def test_the_other_rooms_read_and_never_write(desk: Desk, database_url: str) -> None:
    for role in ROLES:
        if role == "tocsin_directory":
            continue
        room = await Database.open(database_url, role=role, size_max=1)
        try:
            async with room.connection() as tx:
                await read_as(desk, tx, role)
        finally:
            await room.close()


async def read_as(desk: Desk, tx: Tx, role: str) -> None:
    assert await desk.directory.version(tx) > 1
    assert await desk.directory.search(tx, "南园")
    assert (await Directory.under(desk.keyring).route(tx, COMMUNITY)) is not None
    assert await desk.directory.posts_of(tx, primary(COMMUNITY, "community_officer"))
    for table in ("accounts", "sessions", "api_keys", "changes", "login_failures"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute(f"SELECT * FROM directory.{table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await tx.execute("UPDATE directory.officers SET active = false")
    if role == "tocsin_notifier":
        assert await desk.directory.contacts(tx, primary(COMMUNITY, "community_officer"))
        return
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await tx.execute("SELECT phone_sealed FROM directory.contacts")


async def test_the_record_of_changes_can_only_grow(desk: Desk) -> None:
    async with desk.db.connection() as tx:
        for statement in ("UPDATE directory.changes SET actor = 'nobody'", "DELETE FROM directory.changes"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tx.execute(statement)


async def test_phones_are_nowhere_in_the_clear(desk: Desk) -> None:
    dumped = await desk.value("SELECT string_agg(c::text, '') FROM directory.contacts c") + await desk.value(
        "SELECT string_agg(c::text, '') FROM directory.changes c"
    )
    assert "8600100000" not in dumped
    assert b"8600100000".hex() not in dumped
