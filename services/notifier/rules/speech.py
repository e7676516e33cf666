"""What a call says: the case's code letter by letter, its grade and the time, in the officer's language, and nothing else (promise 7)."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from libs.i18n import gettext as _
from libs.i18n import use_locale
from libs.terms import Grade, Purpose
from services.notifier.rules.calls import can_answer
from services.notifier.rules.texts import CODE, TemplateError, Text, Wording
from services.notifier.rules.times import Language

VERSION = 1


class Spoken(NamedTuple):
    """What is said next. `ask`: a key is waited for; else the call ends. `language`: whose voice says it."""

    language: Language
    sentences: tuple[str, ...]
    ask: bool = False


def call_text(wording: Wording) -> Text:
    """What a call about `wording` begins with. Raises `TemplateError` for a code that is no opaque code."""
    if not CODE.fullmatch(wording.code):
        raise TemplateError("the code is not an opaque code")
    with use_locale(wording.language):
        body = " ".join((_matter(wording), _until(wording))).strip()
    return Text(f"call-{wording.purpose}.{wording.language}.{VERSION}", body, (), wording.language)


def language_of(template_id: str) -> Language:
    """The language of a text that was made by `call_text`."""
    return "en" if template_id.split(".")[1:2] == ["en"] else "zh_CN"


def opening(language: Language, text: str, *, asks: bool) -> Spoken:
    """The text, and which keys do what. `asks`: the case can be accepted or declined."""
    with use_locale(language):
        keys = _keys() if asks else _("To confirm that you have heard this, press 1. To hear it again, press any other key.")
    return Spoken(language, (text, keys), ask=True)


def again(language: Language, text: str, *, asks: bool, pressed: bool) -> Spoken:
    """The text once more, after a key that means nothing or after silence."""
    first = opening(language, text, asks=asks)
    with use_locale(language):
        before = _("This key does nothing.") if pressed else _("No key was pressed.")
    return first._replace(sentences=(before, *first.sentences))


def accepted(language: Language, code: str) -> Spoken:
    """After "1"."""
    with use_locale(language):
        return Spoken(language, (_("Task %(code)s: you have accepted it. The details are on the workbench. Goodbye.", code=spelled(code)),))


def declined(language: Language, code: str) -> Spoken:
    """After "2"."""
    with use_locale(language):
        return Spoken(language, (_("Task %(code)s: you have declined it. Somebody else is told now. Goodbye.", code=spelled(code)),))


def heard(language: Language) -> Spoken:
    """After "1" where nothing can be accepted."""
    with use_locale(language):
        return Spoken(language, (_("Thank you. The details are on the workbench. Goodbye."),))


def needless(language: Language, code: str) -> Spoken:
    """The case is somebody else's by now, or was answered before."""
    with use_locale(language):
        return Spoken(language, (_("Task %(code)s does not need your answer any more. Goodbye.", code=spelled(code)),))


def unanswered(language: Language, code: str) -> Spoken:
    """After the last try."""
    with use_locale(language):
        return Spoken(
            language, (_("We have no answer from you. Please see task %(code)s on the workbench at once. Goodbye.", code=spelled(code)),)
        )


def spelled(code: str) -> str:
    """A code letter by letter, with a pause between: C, 7, H, 2, M, Q."""
    return ", ".join(code)


def _matter(wording: Wording) -> str:
    code, grade = spelled(wording.code), _grade(wording.grade)
    acks = isinstance(wording.purpose, Purpose) and can_answer(wording.purpose, wording.step)
    match wording.purpose:
        case Purpose.ASSIGN:
            return _("This is Tocsin. A task of grade %(grade)s is waiting for you. Its code is %(code)s.", grade=grade, code=code)
        case Purpose.ESCALATE:
            return _("This is Tocsin. A task of grade %(grade)s was escalated to you. Its code is %(code)s.", grade=grade, code=code)
        case Purpose.REMIND if acks:
            return _("This is Tocsin. A task of grade %(grade)s is not accepted yet. Its code is %(code)s.", grade=grade, code=code)
        case Purpose.SUPERVISE:
            return _("This is Tocsin. A task of grade %(grade)s is overdue. Please step in. Its code is %(code)s.", grade=grade, code=code)
        case _:
            return _("This is Tocsin. A task of grade %(grade)s needs you. Its code is %(code)s.", grade=grade, code=code)


def _until(wording: Wording) -> str:
    if wording.deadline_at is None or wording.deadline_at <= wording.now:
        return _("Please see to it at once.")
    return _("It is due %(when)s.", when=_moment(wording.deadline_at, wording.now, wording.zone))


def _moment(at: datetime, now: datetime, zone: str) -> str:
    here, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    given = {"hour": here.hour, "minute": f"{here:%M}", "day": here.day, "month": here.month}
    match (here.date() - today).days:
        case 0:
            return _("today at %(hour)s:%(minute)s", **given)
        case 1:
            return _("tomorrow at %(hour)s:%(minute)s", **given)
        case _:
            return _("on %(month)s/%(day)s at %(hour)s:%(minute)s", **given)


def _grade(grade: Grade) -> str:
    return {Grade.I: _("one"), Grade.II: _("two"), Grade.III: _("three"), Grade.IV: _("four")}[grade]


def _keys() -> str:
    return _("To accept it, press 1. If you cannot, press 2. To hear this again, press any other key.")
