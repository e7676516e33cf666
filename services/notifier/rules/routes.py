"""Which gateways serve which numbers, in which order: `+86=aliyun,tencent;*=twilio,twilio_fallback`.

The longest prefix that a number begins with decides alone; `*` is for all others. Without a rule for it a number is served by nobody,
so that nothing goes abroad, or through a provider that was not meant, by itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAINLAND = "+86"
_PREFIX = re.compile(r"\+[1-9][0-9]{0,6}")
RULES_MAX = 100


class RoutesError(ValueError):
    """Routes that cannot be used; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Rules of (prefix, gateways in order), the longest prefix first; that of `*` is empty."""

    rules: tuple[tuple[str, tuple[str, ...]], ...]

    def serving(self, phone: str) -> tuple[str, ...]:
        """The gateways for a number, the preferred one first."""
        return next((names for prefix, names in self.rules if phone.startswith(prefix)), ())


def parse(text: str, configured: Sequence[str]) -> Routes:
    """Reads the setting; `configured` are the gateways that the deployment has. Raises `RoutesError`."""
    rules: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        prefix, names = _rule(part, configured)
        if prefix in rules:
            raise RoutesError(f"{prefix or '*'} stands twice")
        rules[prefix] = names
    if not rules:
        raise RoutesError("no rule; write prefix=gateway,gateway;… or leave it unset")
    if len(rules) > RULES_MAX:
        raise RoutesError(f"more than {RULES_MAX} rules")
    return Routes(tuple(sorted(rules.items(), key=lambda rule: -len(rule[0]))))


def default(domestic: Sequence[str], foreign: Sequence[str]) -> Routes:
    """Without a setting: mainland numbers through the domestic gateways alone if there are any, all else through the foreign ones.

    A foreign gateway would take the numbers abroad: that is for the deployment to say.
    """
    rules = []
    if domestic:
        rules.append((MAINLAND, tuple(domestic)))
    if foreign:
        rules.append(("", tuple(foreign)))
    return Routes(tuple(rules))


def _rule(part: str, configured: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    prefix, equals, listed = (piece.strip() for piece in part.partition("="))
    if not equals:
        raise RoutesError(f"{part!r} is no rule; write prefix=gateway,gateway, such as +86=aliyun,tencent")
    if prefix != "*" and not _PREFIX.fullmatch(prefix):
        raise RoutesError(f"{prefix!r} is no prefix; write + and the first digits of the numbers, such as +86, or * for all others")
    names = tuple(name.strip() for name in listed.split(",") if name.strip())
    if not names:
        raise RoutesError(f"{prefix} names no gateway")
    for name in names:
        if name not in configured:
            raise RoutesError(f"{prefix} names {name!r}, which is not configured; configured are {', '.join(configured)}")
    if len(set(names)) != len(names):
        raise RoutesError(f"{prefix} names a gateway twice")
    return "" if prefix == "*" else prefix, names
