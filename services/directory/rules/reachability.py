"""What a pre-flight looks for on each post: whether an alarm would reach somebody, before there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from libs.i18n import N_
from libs.i18n import gettext as _

Finding = Literal["no_holder", "no_channel", "duty_unreachable", "unstaffed", "person_no_channel", "unverified", "no_deputy"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)
"""The gravest first."""
GRAVE: frozenset[Finding] = frozenset({"no_holder", "no_channel"})
"""Nobody on the post would hear anything: its cases climb at once (promise 4)."""

_TEXTS: Mapping[Finding, str] = {
    "no_holder": N_("nobody holds it"),
    "no_channel": N_("no holder can be reached"),
    "duty_unreachable": N_("who is on duty cannot be reached: others are asked"),
    "unstaffed": N_("the roster has nobody on duty within a week: everybody is asked"),
    "person_no_channel": N_("a holder cannot be reached"),
    "unverified": N_("a holder has no verified number"),
    "no_deputy": N_("only one holder can be reached: there is no deputy"),
}


def finding_text(finding: Finding) -> str:
    """What it means, in the reader's language."""
    return _(_TEXTS[finding])


@dataclass(frozen=True, slots=True)
class PostFindings:
    """A post on which something is missing, the gravest first."""

    post_id: UUID
    division_code: str
    division_name: str
    role: str
    position: int
    title_zh: str
    title_en: str
    findings: tuple[Finding, ...]

    def title(self, locale: str) -> str:
        """The post's title in a language."""
        return self.title_zh if locale.startswith("zh") else self.title_en
