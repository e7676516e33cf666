"""Importing a register, all of it or nothing, as often as one likes; and who would be reached from where."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.demo.directory import ACCOUNTS, REGISTER, load_demo
from libs.directory.permissions import SCOPES
from libs.workdays import WorkCalendar
from services.directory.errors import RegisterInvalid
from services.directory.handlers import people, register
from services.directory.handlers.register import coverage
from services.directory.rules import Coverage
from tests.integration.directory_desk import COMMUNITY, DISTRICT, PASSWORD, STREET, TESTER, Desk, deputy, directory_desk, primary

GUANDU = """code,name,level,parent_code
53,云南省,province,
5301,昆明市,city,53
530111,官渡区,district,5301
530111001,关上街道,street,530111
530111001001,关上社区居民委员会,community,530111001
"""


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def covered(desk: Desk) -> Coverage:
    async with desk.db.connection() as tx:
        return await coverage(tx)


async def test_a_register_is_imported_once(desk: Desk) -> None:
    first = await desk.import_(GUANDU, with_posts=True)
    assert (first.lines, first.new, first.changed, first.posts) == (5, 5, 0, 7)
    again = await desk.import_(GUANDU, with_posts=True)
    assert (again.lines, again.new, again.changed, again.posts, again.version) == (5, 0, 0, 0, None)
    renamed = await desk.import_(GUANDU.replace("关上社区居民委员会", "关上第一社区"))
    assert (renamed.new, renamed.changed) == (0, 1)
    async with desk.db.connection() as tx:
        assert [division.code for division in await desk.directory.search(tx, "gsdysq")] == ["530111001001"]
    assert await desk.value("SELECT count(*) FROM directory.changes WHERE what = 'register.imported' AND actor = 'tester'") == 2
    assert await desk.value("SELECT version FROM directory.version") == renamed.version


async def test_registers_come_from_many_programs(desk: Desk) -> None:
    crlf, quoted = GUANDU.replace("\n", "\r\n"), GUANDU.replace("官渡区", '"官渡区"')
    assert (await desk.import_("\ufeff" + GUANDU)).new == 5
    for text in (crlf, quoted, GUANDU.rstrip()):
        done = await desk.import_(text)
        assert (done.lines, done.new, done.changed) == (5, 0, 0)


async def test_a_rare_character_of_an_official_name_may_be_a_private_one(desk: Desk) -> None:
    """The national register has two such villages."""
    done = await desk.import_("code,name,level,parent_code\n440304001998,\ue08b尾社区,community,440304001\n")
    assert done.new == 1


async def test_a_register_is_taken_over_in_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One long transaction would hold back every event of the system; each part is seen at once, also by who remembers places."""
    monkeypatch.setattr(register, "TAKEN_AT_ONCE_MAX", 2)
    before = await desk.value("SELECT version FROM directory.version")
    done = await desk.import_(GUANDU, with_posts=True)
    assert (done.new, done.version) == (5, before + 3)
    assert await desk.value("SELECT count(*) FROM directory.changes WHERE what = 'register.imported' AND actor = 'tester'") == 1
    assert (await desk.import_(GUANDU, with_posts=True)).version is None


async def test_a_part_of_a_register_finds_its_parents_in_the_directory(desk: Desk) -> None:
    done = await desk.import_("code,name,level,parent_code\n440304001999,示例社区,community,440304001\n", with_posts=True)
    assert (done.new, done.posts) == (1, 1)
    route = await desk.route("440304001999")
    assert [post.role for post in route.posts][:2] == ["community_officer", "street_officer"]
    assert route.posts[0].holders == ()


WRONG_REGISTERS: list[tuple[str | bytes, list[tuple[int, str]]]] = [
    ("", [(1, "wrong_header")]),
    ("code;name;level;parent_code\n", [(1, "wrong_header")]),
    ("53,云南省,province,\n", [(1, "wrong_header")]),
    (GUANDU + "530112001,西山街道,street,530112\n", [(7, "unknown_parent")]),
    (GUANDU + "530111001,关上街道,street,530111\n", [(7, "duplicate_code")]),
    (GUANDU + '530111002,"太和街道,street,530111\n', [(7, "not_csv")]),
    (GUANDU + "530111002," + "长" * 5000 + ",street,530111\n", [(6, "not_csv")]),
    (GUANDU.encode() + "530111002,太和街道,street,530111\n".encode("gb18030"), [(7, "not_utf8")]),
    (GUANDU.encode("utf-16"), [(1, "not_utf8")]),
    (GUANDU + "x,y,street,z\n" + "530111003,,street,530111\n", [(7, "bad_code"), (8, "empty_name")]),
]


async def test_a_wrong_register_changes_nothing(desk: Desk) -> None:
    version = await desk.value("SELECT version FROM directory.version")
    for content, errors in WRONG_REGISTERS:
        with pytest.raises(RegisterInvalid) as caught:
            await desk.import_(content)
        assert [(line.line, line.code) for line in caught.value.lines] == errors
        assert all(line.detail for line in caught.value.lines)
    assert await desk.value("SELECT count(*) FROM directory.divisions WHERE code LIKE '53%'") == 0
    assert await desk.value("SELECT version FROM directory.version") == version


async def test_futian_is_covered_and_a_place_that_loses_everybody_is_told(desk: Desk) -> None:
    whole = await covered(desk)
    assert whole.complete
    assert (whole.places, whole.posts, whole.gaps) == (105, 109, ())
    without = {str(one.department): one.without for one in whole.departments}
    assert (without["police"], without["procuratorate"], without["education"], len(without)) == (0, 0, 1, 16)
    async with desk.db.transaction() as tx:
        for officer in (primary, deputy):
            await people.change_officer(tx, officer(COMMUNITY, "community_officer"), active=False, now=desk.clock.now(), actor=TESTER)
    climbs = await covered(desk)
    assert climbs.complete
    assert [(gap.division_code, gap.role, gap.problem) for gap in climbs.gaps] == [(COMMUNITY, "community_officer", "no_channel")]
    async with desk.db.transaction() as tx:
        for code, role in ((STREET, "street_officer"), (DISTRICT, "district_center")):
            for officer in (primary, deputy):
                await people.change_officer(tx, officer(code, role), active=False, now=desk.clock.now(), actor=TESTER)
    alone = await covered(desk)
    assert not alone.complete
    assert [end.division_code for end in alone.dead_ends] == [DISTRICT, STREET, COMMUNITY]
    assert alone.to_json()["dispatch_desk"] is True


async def test_a_post_without_person_and_a_country_without_desk_are_told(desk: Desk) -> None:
    await desk.import_(GUANDU, with_posts=True)
    found = await covered(desk)
    assert [end.division_code for end in found.dead_ends] == ["530111", "530111001", "530111001001"]
    assert {gap.problem for gap in found.gaps} == {"no_holder"}
    async with desk.db.transaction() as tx:
        for officer in (primary, deputy):
            await people.change_officer(tx, officer(DISTRICT, "dispatch_desk"), active=False, now=desk.clock.now(), actor=TESTER)
    assert not (await covered(desk)).dispatch_desk


async def test_the_demo_is_the_same_when_it_is_loaded_again(desk: Desk) -> None:
    async def counts() -> tuple[int, ...]:
        tables = ("divisions", "posts", "officers", "contacts", "holdings", "accounts", "api_clients", "api_keys", "changes")
        return tuple([await desk.value(f"SELECT count(*) FROM directory.{table}") for table in tables])

    before, version = await counts(), await desk.value("SELECT version FROM directory.version")
    assert before[:6] == (107, 109, 218, 224, 218, len(ACCOUNTS))
    again = await load_demo(desk.context, password=PASSWORD)
    assert again == desk.demo
    assert await counts() == before
    assert await desk.value("SELECT version FROM directory.version") == version
    assert (await desk.log_in("admin")).status_code == 303


async def test_loading_the_demo_again_keeps_what_an_administrator_did(desk: Desk) -> None:
    officer = primary(COMMUNITY, "community_officer")
    async with desk.db.transaction() as tx:
        await people.change_officer(tx, officer, active=False, now=desk.clock.now(), actor=TESTER)
        post = (await desk.directory.posts_of(tx, officer))[0]
        await people.end_holding(tx, post_id=post.post_id, officer_id=officer, calendar=WorkCalendar(), now=desk.clock.now(), actor=TESTER)
    await load_demo(desk.context, password=PASSWORD)
    async with desk.db.connection() as tx:
        found = await desk.directory.officer(tx, officer)
        assert found is not None
        assert not found.active
        assert await desk.directory.posts_of(tx, officer) == []


async def test_another_password_for_the_demo_takes_effect(desk: Desk) -> None:
    changed = await load_demo(desk.context, password="another long password")
    assert changed.api_key != desk.demo.api_key
    assert (await desk.log_in("admin")).status_code == 401
    assert (await desk.log_in("admin", "another long password")).status_code == 303


def test_the_demo_names_nobody_and_its_key_can_do_everything() -> None:
    assert REGISTER.read_bytes().startswith(b"code,name,level,parent_code")
    assert {str(plan.role) for plan in ACCOUNTS} == {"operator", "officer", "supervisor", "auditor", "admin"}
    assert set(SCOPES) == {"report", "read", "act", "audit", "admin"}


async def test_demo_numbers_can_belong_to_nobody(desk: Desk) -> None:
    async with desk.db.connection() as tx:
        for role in ("district_center", "procurator"):
            for contact in await desk.directory.contacts(tx, primary(DISTRICT, role)):
                assert contact.phone.startswith("+8600")
    assert await desk.value("SELECT bool_and(name LIKE '示例·%') FROM directory.officers")
    assert await desk.value("SELECT count(DISTINCT phone_index) FROM directory.contacts") == 218
