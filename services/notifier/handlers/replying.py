"""What an officer answers by SMS, and what is answered back: a registered text, codes only (promise 7)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import orjson

from libs.db import Tx, after_commit
from libs.errors import Invalid
from libs.events import new_event, publish
from libs.events.catalogue import ContactResumed, ContactStopped, OfficerReplied
from libs.log import get_logger
from services.notifier.handlers import troubles
from services.notifier.handlers.people import People
from services.notifier.rules.answers import UNHELPFUL_MAX, UNHELPFUL_WINDOW, said_to
from services.notifier.rules.replies import Reply, understand
from services.notifier.rules.texts import Registry
from services.notifier.store import replies
from services.notifier.store.pages import Trouble
from services.notifier.store.replies import Answering, Waiting

Action = Literal["acknowledge", "decline"]
Via = Literal["sms_reply", "link", "keypad"]

log = get_logger("notifier")


@dataclass(frozen=True, slots=True)
class Inbound:
    """An SMS that came in."""

    provider_id: str
    gateway: str
    phone: str
    text: str


async def hear(  # noqa: PLR0917
    tx: Tx, people: People, registry: Registry, inbound: Inbound, now: datetime, queued: Callable[[], None] | None = None
) -> str:
    """Handles a reply and answers what to send back ("" for nothing). The same reply told again has no second effect.

    `queued`: nothing can be sent back with the provider's request. The answer goes out as an SMS of its own, and this is called once
    it is queued.
    """
    reply = understand(inbound.text)
    if not await replies.add_reply(tx, inbound.provider_id, inbound.gateway, reply.meaning, now):
        return await replies.answer_to(tx, inbound.provider_id)
    contacts = await _contacts(tx, people, inbound.phone)
    officers = list(dict.fromkeys(officer_id for officer_id, _contact_id in contacts))
    if not officers:
        log.warning("notifier.reply_from_stranger", provider_id=inbound.provider_id, meaning=reply.meaning)
        return ""
    if reply.meaning in {"stop", "start"}:
        # A duty officer who wants no more SMS cannot be alarmed: somebody has to talk to them (findings.md). The directory, which
        # hears it, stops using the number, so that cases go to whom they reach at once.
        opted = ContactStopped if reply.meaning == "stop" else ContactResumed
        told = [opted(officer_id=officer_id, contact_id=contact_id, gateway=inbound.gateway) for officer_id, contact_id in contacts]
        await publish(tx, [new_event(data, key=data.officer_id, time=now) for data in told])
        if reply.meaning == "stop":
            stops = [Trouble(contact_id, "stopped", officer_id, None, "") for officer_id, contact_id in contacts]
            await troubles.stopped(tx, people, stops, now)
        else:
            await troubles.resumed(tx, [contact_id for _, contact_id in contacts])
        log.error("notifier.officer_opted", meaning=reply.meaning, officer_ids=[str(officer_id) for officer_id in officers], pages=True)
        await replies.answer_reply(tx, inbound.provider_id, "", officers[0], None)
        return ""
    waiting = await replies.waiting_cases(tx, officers, reply.code)
    chosen = _chosen(reply, waiting)
    officer_id, contact_id = next((one for one in contacts if chosen and one[0] == chosen.officer_id), contacts[0])
    if chosen is not None:
        await tell(tx, chosen, "acknowledge" if reply.meaning == "acknowledge" else "decline", "sms_reply", now)
    case_id = chosen.case_id if chosen else None
    if reply.meaning == "unclear" and await replies.not_understood(tx, officers, now - UNHELPFUL_WINDOW) >= UNHELPFUL_MAX:
        log.warning("notifier.reply_left_unanswered", provider_id=inbound.provider_id)
        await replies.answer_reply(tx, inbound.provider_id, "", officer_id, case_id)
        return ""
    answering = said_to(reply, chosen.code if chosen else None, [one.code for one in waiting])
    if queued is None:
        recipient = await people.recipient(tx, officer_id)
        text = registry.answer(answering.about, recipient.language, answering.values)
        answer = text.body if text else ""
        await replies.answer_reply(tx, inbound.provider_id, answer, officer_id, case_id)
        return answer
    said = orjson.dumps([answering.about, answering.values]).decode()
    await replies.answer_reply(
        tx, inbound.provider_id, "", officer_id, case_id, Answering(inbound.provider_id, officer_id, contact_id, said, now)
    )
    after_commit(tx, queued)
    return ""


async def _contacts(tx: Tx, people: People, phone: str) -> list[tuple[UUID, UUID]]:
    try:
        await people.fresh(tx)
        return await people.by_phone(tx, phone)
    except Invalid:
        return []


async def tell(tx: Tx, chosen: Waiting, action: Action, via: Via, now: datetime) -> None:
    """The officer has answered about a case, whichever way: nobody waits for that any more, and the router hears it."""
    await replies.mark_answered(tx, chosen.officer_id, chosen.case_id, now)
    data = OfficerReplied(
        case_id=chosen.case_id, officer_id=chosen.officer_id, notification_id=chosen.notification_id, action=action, via=via
    )
    await publish(tx, [new_event(data, key=chosen.case_id, time=now)])


def _chosen(reply: Reply, waiting: list[Waiting]) -> Waiting | None:
    """The case that a reply is about: the named one, or the only one of which the officer was told."""
    if reply.meaning not in {"acknowledge", "decline"}:
        return None
    if reply.code is not None:
        return next((one for one in waiting if one.code == reply.code), None)
    cases = {one.case_id for one in waiting}
    return waiting[0] if len(cases) == 1 and waiting[0].told else None
