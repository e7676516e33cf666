"""What an SMS says: registered templates, checked when they are loaded, filled with codes and times only (promise 7)."""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from string import Formatter
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from libs.terms import Grade, Purpose, Step
from services.notifier.rules.links import PLACE, longest
from services.notifier.rules.times import Language, date, left_of, moment

Way = Literal["link", "reply", "workbench"]
Kind = Literal["ack", "step"]
Page = Literal["stopped", "budget_spent"]
"""What a supervisor is told of an officer's number (rules.above)."""
Answer = Literal["answer_accepted", "answer_declined", "answer_unknown", "answer_which", "answer_none", "answer_unclear"]
"""What is said back to a reply (rules.answers)."""
About = Purpose | Literal["bundle", "verify"] | Page | Answer
"""What a text is for: a purpose, several tasks at once (rules.bundles), a code that proves whose a number is, a page, or an answer."""
BESIDE: tuple[About, ...] = ("bundle", "verify", *get_args(Page))
"""What is no purpose of a single notification."""
ANSWERS: tuple[Answer, ...] = get_args(Answer)
"""What is only ever said to whoever can reply."""

LANGUAGES: tuple[Language, ...] = ("zh_CN", "en")
UCS2_UNITS_MAX = 70
"""One SMS in UCS-2 (rules.yaml sms.body_max_chars), signature included."""
GSM7_SEPTETS_MAX = 160
VARIABLE_CHARS_MAX = 20
"""The strictest provider's (rules.yaml sms.providers.huawei.txt_var_max)."""

CODE = re.compile(r"[23456789CFGHJMPQRVWX]{6}")
"""The opaque code (rules.yaml sms.opaque_code): random, without vowels and look-alikes, tells nothing about place or child."""

_ROMAN: dict[Language, dict[Grade, str]] = {
    "zh_CN": {Grade.I: "Ⅰ", Grade.II: "Ⅱ", Grade.III: "Ⅲ", Grade.IV: "Ⅳ"},
    "en": {grade: grade.value for grade in Grade},
}
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = frozenset("^{}\\[~]|€\f")
_NUMBERISH = re.compile(r"\d{5,}")
WORST: dict[Language, dict[str, str]] = {
    "zh_CN": {
        "grade_roman": "Ⅲ",
        "opaque_code": "WWWWWW",
        "deadline_hhmm": "12月30日23:59",
        "minutes_left": "119分钟",
        "link": longest(""),
        "count": "999",
        "pin": "888888",
        "at_hhmm": "12月30日23:59",
        "codes": "WWWWWW,WWWWWW,WWWWWW",
    },
    "en": {
        "grade_roman": "III",
        "opaque_code": "WWWWWW",
        "deadline_hhmm": "tomorrow 23:59",
        "minutes_left": "999 days",
        "link": longest(""),
        "count": "999",
        "pin": "888888",
        "at_hhmm": "30 Sep 23:59",
        "codes": "WWWWWW,WWWWWW,WWWWWW",
    },
}
COUNT_MAX = 999
"""As many are said at most."""
"""The longest value of each variable."""
ALWAYS_KNOWN = frozenset({"grade_roman", "opaque_code", "link"})
_KNOWN: dict[str, frozenset[str]] = {
    "bundle": frozenset({"count"}),
    "verify": frozenset({"pin"}),
    **dict.fromkeys(get_args(Page), frozenset({"count", "at_hhmm"})),
    **dict.fromkeys(("answer_accepted", "answer_declined", "answer_unknown"), frozenset({"opaque_code"})),
    "answer_which": frozenset({"count", "codes"}),
    "answer_none": frozenset(),
    "answer_unclear": frozenset(),
}
"""What the last body of such a template may use instead."""


class TemplateError(ValueError):
    """A template that must not be sent; the message names it and says why."""


class _Template(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    purpose: About
    kind: Kind
    way: Way
    bodies: dict[Language, Annotated[list[str], Field(min_length=1)]]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    allowed_vars: frozenset[str]
    signatures: dict[Language, str]
    forbidden_words: dict[Language, tuple[str, ...]]
    templates: tuple[_Template, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A rendered SMS, the template that it came from (`assign-reply.zh_CN.1`), and its variables in the order of the text."""

    template_id: str
    body: str
    variables: tuple[tuple[str, str], ...]
    language: Language


@dataclass(frozen=True, slots=True)
class Sample:
    """A registered text as it would be at its longest, and how much of one SMS that takes."""

    template_id: str
    purpose: About
    language: Language
    body: str
    units: int
    units_max: int


@dataclass(frozen=True, slots=True)
class Wording:
    """What an SMS is about. `zone` is the IANA zone of the division; a deadline that has passed at `now` is not said.

    `count`: of how many tasks a text for several speaks.
    """

    purpose: About
    step: Step | None
    grade: Grade
    code: str
    deadline_at: datetime | None
    now: datetime
    zone: str
    language: Language
    can_reply: bool
    count: int = 0
    has_link: bool = False


@dataclass(frozen=True, slots=True)
class _Body:
    template_id: str
    plain: str
    """Without signature."""
    text: str
    variables: tuple[str, ...]
    """In the order of the text, each once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A text as it is written, without signature, and its variables in the order of the text, each once."""

    template_id: str
    way: Way
    language: Language
    plain: str
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """What a deployment has registered with one provider: the signature, and the provider's code of each of our texts."""

    signature: str
    codes: Mapping[str, str]

    def sign(self, text: str) -> str:
        """The text as it arrives: the provider puts the signature in front."""
        return f"【{self.signature}】{text}"


class Registry:
    """All templates, checked."""

    def __init__(
        self,
        version: int,
        bodies: Mapping[tuple[About, Kind, Way, Language], Sequence[_Body]],
        worst: Mapping[Language, Mapping[str, str]],
    ) -> None:
        self.version = version
        self._bodies = bodies
        self._worst = worst

    def verification(self, language: Language, pin: str, registered: Registered | None = None) -> Text | None:
        """The SMS that brings a code; in Chinese, or not at all, where a gateway's registered texts have it so."""
        return self._beside("verify", language, lambda _: {"pin": pin}, registered)

    def page(  # noqa: PLR0917
        self, what: Page, language: Language, numbers: int, at: datetime, zone: str, registered: Registered | None = None
    ) -> Text | None:
        """The SMS that tells a supervisor of so many officers' numbers, as of `at` in `zone`; in Chinese, or not at all, like a code.

        The time makes each one unlike the one before, which +86 would refuse after the third (rules.budgets).
        """
        count = str(min(numbers, COUNT_MAX))
        return self._beside(what, language, lambda spoken: {"count": count, "at_hhmm": date(at, zone, spoken)}, registered)

    def answer(self, about: Answer, language: Language, values: Mapping[str, str], registered: Registered | None = None) -> Text | None:
        """What is said back to a reply; in Chinese, or not at all, like a code."""
        return self._beside(about, language, lambda _: values, registered)

    def _beside(
        self, about: About, language: Language, values_in: Callable[[Language], Mapping[str, str]], registered: Registered | None
    ) -> Text | None:
        way: Way = "reply" if about in ANSWERS else "workbench"
        for spoken in (language, "zh_CN") if registered is not None else (language,):
            values = values_in(spoken)
            for body in self._bodies[about, "ack", way, spoken]:
                if values.keys() >= set(body.variables) and (registered is None or body.template_id in registered.codes):
                    whole = body.text if registered is None else registered.sign(body.plain)
                    variables = tuple((name, values[name]) for name in body.variables)
                    return Text(body.template_id, whole.format_map(values), variables, spoken)
        return None

    def variants(self, wording: Wording, registered: Registered | None = None) -> Sequence[Text]:
        """Every SMS that says it, the best one first.

        Raises `TemplateError` for a code that is no opaque code: nothing else may get into a text. For a gateway that takes
        `registered` texts only they are of those, in Chinese after those in the officer's language.
        """
        if not CODE.fullmatch(wording.code):
            raise TemplateError("the code is not an opaque code")
        found: dict[str, Text] = {}
        for spoken in (wording,) if registered is None else (wording, replace(wording, language="zh_CN")):
            fixed = {"grade_roman": _ROMAN[spoken.language][spoken.grade], "opaque_code": spoken.code, "link": PLACE}
            values = fixed | _times(spoken) | ({"count": str(spoken.count)} if spoken.purpose == "bundle" else {})
            for bodies in self._candidates(spoken):
                fit = [body for body in bodies if values.keys() >= set(body.variables)]
                for body in fit if registered is None else [body for body in fit if body.template_id in registered.codes]:
                    whole = body.text if registered is None else registered.sign(body.plain)
                    variables = tuple((name, values[name]) for name in body.variables)
                    found.setdefault(body.template_id, Text(body.template_id, whole.format_map(values), variables, spoken.language))
                if found:
                    break
        if not found:
            raise TemplateError(f"no template for {wording.purpose}")
        return list(found.values())

    def said(self, registered: Registered) -> frozenset[About]:
        """What can always be said with the texts that are registered: without a deadline, and where nobody can reply; and answers."""
        return frozenset(
            purpose
            for (purpose, _kind, way, _language), bodies in self._bodies.items()
            for body in bodies
            if (way == "workbench" or purpose in ANSWERS)
            and body.template_id in registered.codes
            and set(body.variables) <= _KNOWN.get(purpose, ALWAYS_KNOWN)
        )

    def bodies(self) -> Sequence[tuple[str, Language, str]]:
        """Every body with its id and language, signature included, for tests and the preview page."""
        return [(body.template_id, key[3], body.text) for key, bodies in self._bodies.items() for body in bodies]

    def entries(self) -> list[Entry]:
        """Every text as it is written, for those who register it: none with a link, which no domestic provider sends."""
        return [
            Entry(body.template_id, way, language, body.plain, body.variables)
            for (_purpose, _kind, way, language), bodies in self._bodies.items()
            for body in bodies
            if way != "link"
        ]

    def samples(self) -> list[Sample]:
        """Every text with the longest values of its variables, for people to look at."""
        made = []
        for (purpose, _kind, _way, language), bodies in self._bodies.items():
            for body in bodies:
                text = body.text.format_map(self._worst[language])
                made.append(Sample(body.template_id, purpose, language, text, *_units(text)))
        return made

    def _candidates(self, wording: Wording) -> Iterator[list[_Body]]:
        """The bodies of the kind that fits, the best first; then those of the other kind, for where there are none."""
        kind: Kind = "ack" if wording.step in {None, Step.ACKNOWLEDGE, Step.DISPATCH} else "step"
        other: Kind = "step" if kind == "ack" else "ack"
        possible: dict[Way, bool] = {"link": wording.has_link, "reply": wording.can_reply, "workbench": True}
        ways = [way for way, there in possible.items() if there]
        for wanted in (kind, other):
            yield [body for way in ways for body in self._bodies.get((wording.purpose, wanted, way, wording.language), ())]


def load(document: Any, link_base_url: str = "") -> Registry:
    """Checks the registry's document, with links that begin with `link_base_url`; raises `TemplateError` with template and reason."""
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise TemplateError(f"templates: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    bodies: dict[tuple[About, Kind, Way, Language], list[_Body]] = {}
    worst = {language: {**WORST[language], "link": longest(link_base_url)} for language in LANGUAGES}
    for template in parsed.templates:
        for language in LANGUAGES:
            if language not in template.bodies:
                raise TemplateError(f"{template.id}: no text in {language}")
            for number, text in enumerate(template.bodies[language], start=1):
                body = _check(parsed, f"{template.id}.{language}.{number}", language, text, worst[language])
                bodies.setdefault((template.purpose, template.kind, template.way, language), []).append(body)
            last = bodies[(template.purpose, template.kind, template.way, language)][-1]
            known = _KNOWN.get(template.purpose, ALWAYS_KNOWN)
            if not set(last.variables) <= known:
                raise TemplateError(f"{last.template_id}: the last body may only use {' and '.join(sorted(known))}, always known")
    _check_all_are_there(bodies)
    return Registry(parsed.version, bodies, worst)


def _check_all_are_there(bodies: Container[tuple[About, Kind, Way, Language]]) -> None:
    for purpose in (*Purpose, *BESIDE):
        if not any((purpose, kind, "workbench", "en") in bodies for kind in get_args(Kind)):
            raise TemplateError(f"no template for purpose {purpose} without replies")
    for answer in ANSWERS:
        if (answer, "ack", "reply", "en") not in bodies:
            raise TemplateError(f"no template for {answer}")


def too_long(text: str) -> bool:
    """Whether `text` takes more than one SMS: 160 septets of GSM-7, or 70 UTF-16 units as soon as one character is not in it."""
    units, most = _units(text)
    return units > most


def _units(text: str) -> tuple[int, int]:
    """What a text takes of one SMS, and how much one holds."""
    if all(char in _GSM7 or char in _GSM7_EXTENDED for char in text):
        return sum(2 if char in _GSM7_EXTENDED else 1 for char in text), GSM7_SEPTETS_MAX
    return len(text.encode("utf-16-be")) // 2, UCS2_UNITS_MAX


def _check(document: _Document, template_id: str, language: Language, text: str, worst: Mapping[str, str]) -> _Body:
    parts = list(Formatter().parse(text))
    variables = [name for _, name, spec, conversion in parts if name is not None and not spec and not conversion]
    fixed = "".join(literal for literal, *_ in parts)
    if unknown := set(variables) - document.allowed_vars:
        raise TemplateError(f"{template_id}: variable {min(unknown)!r} is not allowed")
    if len(variables) != sum(1 for _, name, *_ in parts if name is not None):
        raise TemplateError(f"{template_id}: variables take no format")
    if any(not literal and name is not None for literal, name, *_ in parts[1:]):
        raise TemplateError(f"{template_id}: two variables stand side by side, which providers refuse")
    _check_for_providers(template_id, language, variables, fixed)
    low = fixed.lower()
    for word in document.forbidden_words.get(language, ()):
        if word.lower() in low:
            raise TemplateError(f"{template_id}: the word {word!r} is forbidden")
    if _NUMBERISH.search(fixed) or "://" in fixed:
        raise TemplateError(f"{template_id}: no numbers, no addresses")
    whole = document.signatures[language] + text
    units, units_max = _units(whole.format_map(worst))
    if units > units_max and "link" in variables:
        why = f"TOCSIN_LINK_BASE_URL must be {units - units_max} characters shorter, or the text with a link takes more than one SMS"
        raise TemplateError(f"{template_id}: {why}")
    if units > units_max:
        raise TemplateError(f"{template_id}: longer than one SMS in the worst case")
    return _Body(template_id, text, whole, tuple(variables))


def _check_for_providers(template_id: str, language: Language, variables: Sequence[str], fixed: str) -> None:
    """What providers refuse when a text is registered (rules.yaml sms.providers)."""
    if len(set(variables)) != len(variables):
        raise TemplateError(f"{template_id}: a variable stands twice, which providers count as two")
    if any(bracket in fixed for bracket in "【】[]"):
        raise TemplateError(f"{template_id}: no brackets, which providers take for a signature")
    if long := [name for name in variables if name != "link" and len(WORST[language][name]) > VARIABLE_CHARS_MAX]:
        raise TemplateError(f"{template_id}: variable {long[0]!r} can be longer than {VARIABLE_CHARS_MAX} characters")


def _times(wording: Wording) -> dict[str, str]:
    if wording.deadline_at is None or wording.deadline_at <= wording.now:
        return {}
    return {
        "deadline_hhmm": moment(wording.deadline_at, wording.now, wording.zone, wording.language),
        "minutes_left": left_of(wording.deadline_at - wording.now, wording.language),
    }
