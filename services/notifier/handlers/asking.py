"""Asking the provider what became of an attempt that nobody told us about."""

from dataclasses import replace
from uuid import UUID

from libs.db import Tx
from services.notifier.gateways import Sought
from services.notifier.handlers.sending import Means
from services.notifier.rules.calls import numbers_to_call
from services.notifier.rules.states import Accepted, Attempt, Missing, Observation, Unanswered


async def number_of(tx: Tx, means: Means, officer_id: UUID, contact_id: UUID) -> str | None:
    """The number of a contact, unless it is gone."""
    await means.people.fresh(tx)
    recipient = await means.people.recipient(tx, officer_id)
    known = (*recipient.contacts, *numbers_to_call(recipient.contacts))
    return next((contact.phone for contact in known if contact.contact_id == contact_id), None)


async def ask(means: Means, attempt: Attempt, body: str, to: str | None, taken: frozenset[str]) -> Observation:
    """Asks the provider what became of an attempt that nobody told us about."""
    gateway = means.gateways.get(attempt.gateway)
    if gateway is None:
        return Unanswered()
    sought = Sought(attempt.attempt_id, to, means.links.whole(body, attempt.attempt_id), attempt.started_at, attempt.provider_id, taken)
    answer: Observation
    if attempt.provider_id is not None:
        answer = await gateway.fetch(sought)
    elif to is not None:
        answer = await gateway.find(sought)
    else:
        return Unanswered()
    if isinstance(answer, Accepted):
        return replace(answer, polled=True)
    return answer if isinstance(answer, Missing) else Unanswered()
