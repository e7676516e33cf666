"""What users read, in their language: the message's id is the English text, each room's `locales/zh_CN.po` has the Chinese one.

The language of the work at hand is a context variable: a request's is set by `libs.web.middleware`, an officer's by `use_locale` around the
text that is made for them. Where nobody said anything it is the process's default (`set_default_locale`).
"""

import contextvars
import functools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from libs.i18n.catalogues import ENGLISH, Catalogue, load

Locale = Literal["zh_CN", "en"]

LOCALES: Final[tuple[Locale, ...]] = ("zh_CN", "en")
NAMES: Final[Mapping[Locale, str]] = {"zh_CN": "中文", "en": "English"}
"""What each language calls itself."""

_locale: contextvars.ContextVar[Locale | None] = contextvars.ContextVar("locale", default=None)
_default: Locale = "en"


def gettext(msgid: str, **params: object) -> str:
    """The text of `msgid` in the current language, with `%(name)s` filled from `params`; without params a % stays a %."""
    text = _catalogue().get(msgid, msgid)
    return text % params if params else text


_ = gettext


def ngettext(singular: str, plural: str, n: int, **params: object) -> str:
    """Like `gettext`, one text for one and another for several; `%(n)s` is the number."""
    text = _catalogue().get(singular) or (singular if n == 1 else plural)
    return text % {"n": n, **params}


def N_(msgid: str) -> str:  # noqa: N802 - the customary name
    """Marks a text for translation where it stands; `gettext` translates it later, when the reader is known."""
    return msgid


def current_locale() -> Locale:
    """The language of the work at hand."""
    return _locale.get() or _default


def set_default_locale(locale: str) -> None:
    """The language where nobody said anything: the deployment's own. Called once, at start."""
    global _default  # noqa: PLW0603 - one process, one default
    _default = parse_locale(locale) or _default


def set_locale(locale: Locale) -> contextvars.Token[Locale | None]:
    """Sets the language until `reset_locale`; prefer `use_locale` where a block will do."""
    return _locale.set(locale)


def reset_locale(token: contextvars.Token[Locale | None]) -> None:
    """Undoes a `set_locale`."""
    _locale.reset(token)


@contextmanager
def use_locale(locale: str) -> Iterator[None]:
    """Speaks `locale` inside the block; an unknown one leaves the language as it is."""
    token = _locale.set(parse_locale(locale) or _locale.get())
    try:
        yield
    finally:
        _locale.reset(token)


@functools.lru_cache(maxsize=256)
def parse_locale(text: str) -> Locale | None:
    """`zh-CN`, `zh_CN.UTF-8`, `zh-Hans`, `en-GB` … as one of our languages; None when it is neither."""
    language = re.split(r"[-_.@]", text.strip().lower(), maxsplit=1)[0]
    return {"zh": LOCALES[0], "en": LOCALES[1]}.get(language)


def negotiate(accept_language: str) -> Locale:
    """The best of our languages for an Accept-Language header (RFC 9110 section 12.5.4); the default when it wants neither."""
    return _negotiate(accept_language[:200]) or _default


@functools.lru_cache(maxsize=1024)
def _negotiate(accept_language: str) -> Locale | None:
    best: tuple[float, Locale | None] = (0.0, None)
    for part in accept_language.split(","):
        tag, _semicolon, weight = part.partition(";")
        locale = parse_locale(tag)
        match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        quality = float(match[1]) if match else 1.0
        if locale and quality > best[0]:
            best = (quality, locale)
    return best[1]


def locale_from_environment(environ: Mapping[str, str] = os.environ) -> Locale:
    """The command line's language: TOCSIN_LANGUAGE, else LC_ALL, LC_MESSAGES or LANG, else English."""
    for name in ("TOCSIN_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if locale := parse_locale(environ.get(name, "")):
            return locale
    return "en"


def format_time(at: datetime, zone: str = "Asia/Shanghai", *, seconds: bool = False) -> str:
    """An instant as people of the division's zone write it: `4 May 2026, 14:03` / `2026年5月4日 14:03`."""
    clock = "HH:mm:ss" if seconds else "HH:mm"
    pattern, locale = (f"y年M月d日 {clock}", "zh_CN") if current_locale() == "zh_CN" else (f"d MMM y, {clock}", "en_GB")
    return format_datetime(at.astimezone(ZoneInfo(zone)), pattern, locale=locale)


_UNITS: Final = (
    (86_400, N_("%(n)s d")),
    (3_600, N_("%(n)s h")),
    (60, N_("%(n)s min")),
    (1, N_("%(n)s s")),
)


def format_duration(seconds: float) -> str:
    """A length of time in its two largest units: `2 h 5 min` / `2小时5分钟`; the sign of a negative one is kept."""
    left = round(abs(seconds))
    parts: list[str] = []
    for size, text in _UNITS:
        count, left = divmod(left, size)
        if count or (size == 1 and not parts):
            parts.append(gettext(text, n=count))
        if len(parts) == 2 or (parts and not count):
            break
    joint = "" if current_locale() == "zh_CN" else " "
    return ("−" if seconds <= -0.5 else "") + joint.join(parts)


def duration_units() -> dict[str, str]:
    """The units of `format_duration` with `{}` for the number, for scripts that count on: `{"d": "{} d", "h": "{} h", …}`."""
    return {name: gettext(text, n="{}") for name, (_size, text) in zip(("d", "h", "min", "s"), _UNITS, strict=True)}


def _catalogue() -> Catalogue:
    return load().get(current_locale(), ENGLISH)
