"""What an officer's SMS means."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Meaning = Literal["acknowledge", "decline", "stop", "start", "unclear"]

TEXT_CHARS_MAX = 200

_CODE = "[23456789CFGHJMPQRVWX]{6}"
_NUMBER_FIRST = re.compile(f"([12])(?: *({_CODE}))?")
_CODE_FIRST = re.compile(f"({_CODE})(?: +([12])|(1))")
"""No code contains a 1, so that it may stand behind one without a space."""
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3]")
"""What keyboards put in that nobody sees: widths of nothing, marks of direction, what makes a digit a picture of a key."""
_NOISE = re.compile(r"(?:[\s,.;:!?'\"`，。；：！？、·“”‘’()（）\[\]【】<>《》~+/_#*=|-]|加|编号)+")
"""Our own texts say "回复1加编号"."""
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "T", "TD", "退订"})
"""The first eight are Twilio's own: it sends nothing more to who answers them."""
_START = frozenset({"START", "UNSTOP"})
_MEANINGS: dict[str, Meaning] = {"1": "acknowledge", "2": "decline"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as understood; `code` when it names a case."""

    meaning: Meaning
    code: str | None = None


def understand(text: str) -> Reply:
    """Reads "1", "2", "1 CODE", with full-width digits, lower case, spaces and punctuation tolerated, and STOP/START words.

    Nothing else is guessed: an unclear answer is asked again, since "1" takes on a child's case.
    """
    if len(text) > TEXT_CHARS_MAX:
        return Reply("unclear")
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    plain = _NOISE.sub(" ", plain).strip()
    if plain in _STOP:
        return Reply("stop")
    if plain in _START:
        return Reply("start")
    if found := _NUMBER_FIRST.fullmatch(plain):
        return Reply(_MEANINGS[found[1]], found[2])
    if found := _CODE_FIRST.fullmatch(plain):
        return Reply(_MEANINGS[found[2] or found[3]], found[1])
    return Reply("unclear")
