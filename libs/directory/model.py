"""What the directory knows, as plain values: no I/O, so that pure rules may use them."""

from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from libs.terms import Tier

Level = Literal["province", "city", "district", "street", "community", "grid"]
"""Administrative level of a division. `tier` is the rung of a post; the two usually, but not always, agree."""

LEVELS: tuple[Level, ...] = get_args(Level)
"""Highest first."""

CODE_LENGTHS: dict[Level, int] = {"province": 2, "city": 4, "district": 6, "street": 9, "community": 12, "grid": 15}
"""Digits of a division code at each level: the national register's 2-4-6-9-12, and three more for a grid within a community."""

Rank = Literal["primary", "deputy"]


@dataclass(frozen=True, slots=True)
class Division:
    """A place in the national register. `zone` is the IANA time zone in which its people read times."""

    code: str
    name: str
    level: Level
    parent_code: str | None
    zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Holder:
    """An officer on a post. Reachable: the officer is active and has at least one enabled contact.

    `on_duty`: by the roster (libs.directory.duty); where it has nobody on duty, everybody is. Who is not is asked last.
    """

    officer_id: UUID
    rank: Rank
    reachable: bool
    on_duty: bool = True


@dataclass(frozen=True, slots=True)
class Post:
    """A role at a division, e.g. 儿童主任 of 南园社区. Holders: in the order to ask them. `order`: whom to ask first at a division."""

    post_id: UUID
    division_code: str
    role: str
    tier: Tier
    title_zh: str
    title_en: str
    order: int
    holders: tuple[Holder, ...] = ()

    def title(self, locale: str) -> str:
        """The title in the language of `locale` ("zh_CN" or "en")."""
        return self.title_zh if locale.startswith("zh") else self.title_en

    @property
    def reachable(self) -> bool:
        """Whether anybody on the post can be told anything (promise 4)."""
        return any(holder.reachable for holder in self.holders)


@dataclass(frozen=True, slots=True)
class Route:
    """Who could answer for a place, as of directory `version`.

    `ancestors` starts with the division itself and ends with its province. `posts` are those of all ancestors, lowest division
    first and by `order` within one, then dispatch desks elsewhere when no ancestor has a reachable one.
    """

    division: Division
    ancestors: tuple[Division, ...]
    posts: tuple[Post, ...]
    version: int

    def name_of(self, division_code: str) -> str:
        """The name of one of the ancestors; "" for a code that is none."""
        return next((division.name for division in self.ancestors if division.code == division_code), "")


@dataclass(frozen=True, slots=True)
class Officer:
    """A person who holds posts. `language` is that of the messages to them: "zh_CN" or "en".

    `quiet`: from when to when, each day, what can wait does not wake them: ("22:00", "07:00").
    """

    officer_id: UUID
    name: str
    language: str
    active: bool
    quiet: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach an officer; the smaller `priority`, the earlier it is tried. `phone` is E.164."""

    contact_id: UUID
    channel: Literal["sms", "voice"]
    phone: str
    priority: int


def ancestor_codes(code: str) -> tuple[str, ...]:
    """The code itself and the codes of what it lies in, lowest first: every registered code starts with its parent's code."""
    return tuple(code[:length] for length in sorted(CODE_LENGTHS.values(), reverse=True) if length <= len(code))


def contains(outer: str, inner: str) -> bool:
    """Whether division `inner` lies within `outer` (or is it); "" contains everything."""
    return inner.startswith(outer)
