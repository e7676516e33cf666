"""How differences between two policies are said."""

from libs.i18n import N_, format_duration
from libs.i18n import gettext as _
from libs.terms import Step, Tier, labels

SHOWN_MAX = 20
"""How many reports of a comparison are shown one by one."""
CHANGES = {"grade": N_("grade"), "told": N_("told at once"), "called": N_("called"), "supervised": N_("supervising posts told")}


def after(minute: float) -> str:
    """How long after the report."""
    return f"+{format_duration(minute * 60)}"


def side_of(what: str, text: str) -> str:
    """One side of a change, as people read it."""
    if not text:
        return "–"
    if what == "grade":
        return labels.code_label("grade", text)
    if what == "told":
        return text
    return ", ".join(after(float(minute)) for minute in text.split(", "))


def what_of(name: str) -> str:
    """What differs, as people read it."""
    kind, _colon, which = name.partition(":")
    if kind == "escalated":
        return _("escalated to %(tier)s", tier=labels.label(Tier(which)))
    if kind == "due":
        return _("due: %(step)s", step=labels.label(Step(which)))
    return _(CHANGES[name])
