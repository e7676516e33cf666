"""Posts, officers, contacts and duty: each use case is one change."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from libs.crypto import BlindIndex, Sealer
from libs.db import Tx
from libs.directory.model import Rank
from libs.directory.phones import normalise_phone
from libs.directory.read import Directory, contact_aad
from libs.directory.roles import POST_ROLES, role_named
from libs.errors import Conflict, Invalid, NotFound
from libs.events import new_id
from libs.i18n import gettext as _
from libs.service import Tick
from libs.workdays import WorkCalendar
from services.directory.handlers.changes import OFFICER, ROSTER, Actor, changed, check_unchanged
from services.directory.handlers.order import refresh
from services.directory.rules import check_quiet, check_title, post_id
from services.directory.store import duty as duty_store
from services.directory.store import people as store
from services.directory.store.changes import hold_version

ROSTER_BATCH_MAX = 200
ROSTER_AHEAD_MAX = timedelta(days=36_525)


async def add_post(
    tx: Tx,
    directory: Directory,
    *,
    division_code: str,
    role: str,
    title_zh: str | None = None,
    title_en: str | None = None,
    now: datetime,
    actor: Actor,
) -> UUID:
    """A new post behind the others of its division, with its role's own titles unless others are given; `role` is any name of the role."""
    known = role_named(role)
    if known is None:
        raise Invalid("unknown_role", _("There is no role of this name. Known: %(roles)s", roles=", ".join(POST_ROLES)), field="role")
    if await directory.division(tx, division_code) is None:
        raise Invalid("unknown_division", _("This division code is not in the register."), field="division_code")
    titles = check_title(title_zh or known.zh, "title_zh"), check_title(title_en or known.en, "title_en")
    position = await store.last_position(tx, division_code) + 1
    made = post_id(division_code, known.code, position)
    if not await store.add_post(tx, post_id=made, division_code=division_code, role=known, titles=titles, position=position):
        raise Conflict("post_exists", _("Somebody else has just added this post."))
    await changed(tx, actor, "post.added", now, division_code=division_code, subject_id=made, details={"role": known.code})
    return made


async def change_post(tx: Tx, post_id: UUID, *, title_zh: str, title_en: str, seen: int | None = None, now: datetime, actor: Actor) -> None:
    """Gives a post other titles; its role, and with it its rung, stays."""
    await hold_version(tx)
    division_code = await _post_place(tx, post_id)
    await check_unchanged(tx, post_id, seen)
    titles = check_title(title_zh, "title_zh"), check_title(title_en, "title_en")
    if await store.change_post(tx, post_id, *titles):
        await changed(tx, actor, "post.changed", now, division_code=division_code, subject_id=post_id)


async def add_officer(tx: Tx, directory: Directory, *, name: str, language: str, division_code: str, now: datetime, actor: Actor) -> UUID:
    """A new officer, active, without contacts or posts yet."""
    bare = check_title(name)
    if division_code and await directory.division(tx, division_code) is None:
        raise Invalid("unknown_division", _("This division code is not in the register."), field="division_code")
    officer_id = new_id()
    await store.add_officer(tx, officer_id=officer_id, name=bare, language=language, division_code=division_code, now=now)
    await changed(tx, actor, "officer.added", now, division_code=division_code, subject_id=officer_id)
    return officer_id


async def change_officer(
    tx: Tx,
    officer_id: UUID,
    *,
    name: str | None = None,
    language: str | None = None,
    active: bool | None = None,
    seen: int | None = None,
    now: datetime,
    actor: Actor,
) -> None:
    """Renames, or takes out of or back into service: an officer who is not active is never told of a case. What is None stays."""
    await hold_version(tx)
    row = await _officer(tx, officer_id)
    await check_unchanged(tx, officer_id, seen)
    after = (
        row["name"] if name is None else check_title(name),
        row["language"] if language is None else language,
        row["active"] if active is None else active,
    )
    if after == (row["name"], row["language"], row["active"]):
        return
    await store.change_officer(tx, officer_id, *after)
    what = "officer.changed" if after[2] == row["active"] else "officer.enabled" if after[2] else "officer.disabled"
    await changed(tx, actor, what, now, division_code=row["division_code"], subject_id=officer_id)


async def set_quiet(
    tx: Tx, officer_id: UUID, quiet_from: str, quiet_to: str, *, seen: int | None = None, now: datetime, actor: Actor
) -> None:
    """From when to when, each day, messages of grades III and IV wait ("22:00", "07:00"); both empty: they never do."""
    await hold_version(tx)
    row = await _officer(tx, officer_id)
    await check_unchanged(tx, officer_id, seen)
    quiet = check_quiet(quiet_from, quiet_to)
    if await store.set_quiet(tx, officer_id, *quiet):
        details = {"from": quiet[0], "to": quiet[1]}
        await changed(tx, actor, "officer.quiet_hours", now, division_code=row["division_code"], subject_id=officer_id, details=details)


async def add_contact(
    tx: Tx,
    blind: BlindIndex,
    sealer: Sealer,
    *,
    officer_id: UUID,
    channel: Literal["sms", "voice"],
    phone: str,
    now: datetime,
    actor: Actor,
) -> UUID:
    """A further way to reach an officer, tried after the others. A number that was there before is enabled again."""
    number = normalise_phone(phone)
    await hold_version(tx)
    row = await _officer(tx, officer_id)
    contact_id = new_id()
    kept = await store.add_contact(
        tx,
        contact_id=contact_id,
        officer_id=officer_id,
        channel=channel,
        sealed=sealer.seal(number.encode(), contact_aad(contact_id)),
        index=blind.of(number),
        priority=await store.next_priority(tx, officer_id),
        verified_at=None,
    )
    what = "contact.added" if kept == contact_id else "contact.enabled"
    await changed(tx, actor, what, now, division_code=row["division_code"], subject_id=officer_id, details={"channel": channel})
    return kept


async def enable_contact(tx: Tx, officer_id: UUID, contact_id: UUID, *, enabled: bool, now: datetime, actor: Actor) -> None:
    """Uses or stops using a contact."""
    await hold_version(tx)
    row = await _officer(tx, officer_id)
    if not await store.enable_contact(tx, officer_id, contact_id, enabled):
        raise NotFound("contact_not_found", _("The officer has no such contact."))
    what = "contact.enabled" if enabled else "contact.disabled"
    await changed(tx, actor, what, now, division_code=row["division_code"], subject_id=officer_id, details={"contact_id": str(contact_id)})


async def stop_contact(tx: Tx, officer_id: UUID, contact_id: UUID, *, stopped: bool, now: datetime) -> None:
    """No longer uses a number from which the officer sent STOP, or uses it again after START; told twice, it changes nothing.

    Who holds a post and has no other number is not reachable from then on: cases climb at once, and the pre-flight names the post.
    """
    await hold_version(tx)
    row = await store.officer(tx, officer_id)
    if row is None or not await store.stop_contact(tx, officer_id, contact_id, now if stopped else None):
        return
    what, details = "contact.stopped" if stopped else "contact.resumed", {"contact_id": str(contact_id)}
    await changed(tx, OFFICER, what, now, division_code=row["division_code"], subject_id=officer_id, details=details)


async def set_holder(
    tx: Tx,
    *,
    post_id: UUID,
    officer_id: UUID,
    rank: Rank,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    seen: int | None = None,
    calendar: WorkCalendar,
    now: datetime,
    actor: Actor,
) -> None:
    """Puts an officer on a post from `valid_from` (None or past: now) until `valid_to` (None: until further notice).

    A new primary takes the place of the one before; where the new one is there for a time only, the one before comes back when it is
    over. Cases that are under way stay with whom they are (DESIGN section 7).
    """
    await hold_version(tx)
    division_code = await _post_place(tx, post_id)
    await check_unchanged(tx, post_id, seen)
    await _officer(tx, officer_id)
    start = max(valid_from or now, now)
    for field, at in (("valid_from", start), ("valid_to", valid_to)):
        if at is not None and at - now > ROSTER_AHEAD_MAX:
            raise Invalid("bad_period", _("A roster reaches at most %(days)s days ahead.", days=ROSTER_AHEAD_MAX.days), field=field)
    if valid_to is not None and valid_to <= start:
        raise Invalid("bad_period", _("The end must come after the beginning."), field="valid_to")
    state = "planned" if start > now else "current"
    if state == "current":
        await _make_room(tx, post_id, officer_id, rank, until=valid_to, now=now)
    await store.add_holding(
        tx, holding_id=new_id(), post_id=post_id, officer_id=officer_id, rank=rank, state=state, valid_from=start, valid_to=valid_to
    )
    await refresh(tx, calendar, [post_id], now)
    details = {"officer_id": str(officer_id), "rank": rank, "from": start.isoformat(), "to": valid_to.isoformat() if valid_to else None}
    what = "holding.set" if state == "current" else "holding.planned"
    await changed(tx, actor, what, now, division_code=division_code, subject_id=post_id, details=details)


async def end_holding(
    tx: Tx, *, post_id: UUID, officer_id: UUID, seen: int | None = None, calendar: WorkCalendar, now: datetime, actor: Actor
) -> None:
    """Takes an officer off a post, and what was planned for them there off the roster."""
    await hold_version(tx)
    division_code = await _post_place(tx, post_id)
    await check_unchanged(tx, post_id, seen)
    until = await store.held_until(tx, post_id, officer_id)
    if not await store.end_holding(tx, post_id, officer_id, now):
        raise NotFound("holding_not_found", _("The officer does not hold this post."))
    if until is not None:  # whoever was to come after them comes at once
        await store.shift_planned(tx, post_id, until, now)
    await refresh(tx, calendar, [post_id], now)
    details = {"officer_id": str(officer_id)}
    await changed(tx, actor, "holding.ended", now, division_code=division_code, subject_id=post_id, details=details)


async def keep_roster(tx: Tx, calendar: WorkCalendar, now: datetime) -> Tick:
    """Begins and ends the holdings and turns of duty whose time has come: who is asked changes here and nowhere else by itself."""
    next_at = await store.next_roster_change(tx)
    if next_at is None or next_at > now:
        return Tick(next_at=next_at)
    await hold_version(tx)
    due = await store.due_holdings(tx, now, ROSTER_BATCH_MAX)
    for row in due:
        over = row["valid_to"] is not None and row["valid_to"] <= now
        if over:
            await store.set_holding_state(tx, row["holding_id"], "ended")
        else:
            await _make_room(tx, row["post_id"], row["officer_id"], row["rank"], until=row["valid_to"], now=now)
            await store.set_holding_state(tx, row["holding_id"], "current")
    posts = await duty_store.due_posts(tx, now, ROSTER_BATCH_MAX)
    moved = await refresh(tx, calendar, sorted({*posts, *(row["post_id"] for row in due)}), now)
    if due or moved:
        await changed(tx, ROSTER, "roster.moved", now, details={"holdings": len(due), "posts": moved})
    return Tick(worked=len(due) + len(posts), next_at=await store.next_roster_change(tx))


async def _make_room(tx: Tx, post_id: UUID, officer_id: UUID, rank: Rank, *, until: datetime | None, now: datetime) -> None:
    """Ends what the newcomer's coming ends. What somebody comes onto `until` a time is planned to go on after it: no post stays empty."""
    for row in await store.make_room(tx, post_id, officer_id, rank, now):
        if (row["officer_id"], row["rank"]) == (officer_id, rank):  # the same for another time: whoever comes after it comes then
            if row["valid_to"] is not None:
                await store.shift_planned(tx, post_id, row["valid_to"], until)
        elif until is not None and (row["valid_to"] is None or row["valid_to"] > until):
            await store.add_holding(
                tx,
                holding_id=new_id(),
                post_id=post_id,
                officer_id=row["officer_id"],
                rank=row["rank"],
                state="planned",
                valid_from=until,
                valid_to=row["valid_to"],
            )


async def _officer(tx: Tx, officer_id: UUID) -> asyncpg.Record:
    row = await store.officer(tx, officer_id)
    if row is None:
        raise NotFound("officer_not_found", _("There is no such officer."))
    return row


async def _post_place(tx: Tx, post_id: UUID) -> str:
    division_code = await store.post_place(tx, post_id)
    if division_code is None:
        raise NotFound("post_not_found", _("There is no such post."))
    return division_code
