"""What is said back to an officer's reply."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from services.notifier.rules.replies import Reply
from services.notifier.rules.texts import Answer

CODES_SHOWN_MAX = 3
"""So many codes fit into a variable of every provider (rules.yaml sms.providers)."""
UNHELPFUL_MAX = 3
UNHELPFUL_WINDOW = timedelta(hours=1)
"""So often in so long somebody is told that we did not understand (default): whoever answers automatically would write with us for ever."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and the values of its variables."""

    about: Answer
    values: Mapping[str, str] = field(default_factory=dict)


def said_to(reply: Reply, chosen: str | None, waiting: Sequence[str]) -> Said:
    """The answer to `reply`. `chosen`: the code of the case that it was about; `waiting`: the codes that wait for this officer."""
    if chosen is not None:
        return Said("answer_accepted" if reply.meaning == "acknowledge" else "answer_declined", {"opaque_code": chosen})
    if reply.code is not None:
        return Said("answer_unknown", {"opaque_code": reply.code})
    codes = list(dict.fromkeys(waiting))
    if reply.meaning == "unclear":
        return Said("answer_unclear", {"opaque_code": codes[0]} if codes else {})
    if not codes:
        return Said("answer_none")
    return Said("answer_which", {"count": str(len(codes)), "codes": ",".join(codes[:CODES_SHOWN_MAX])})
