"""The part of the case page on placing a child (安置)."""

from collections.abc import Mapping
from typing import Any

from libs.i18n import current_locale
from libs.terms import Household, PlacementNeed, labels
from services.router.handlers.views import View


def shown(view: View) -> dict[str, Any] | None:
    """Why a child has to be placed, whom the policy asks, and how it was placed; None where nobody has recorded that."""
    known = view.case.placement
    if known is None:
        return None
    rule = view.policy.placement
    return {
        "reason": labels.label(known.reason),
        "household": labels.label(known.household),
        "asked": rule.branch(known.household).name.of(current_locale()),
        "asked_at": known.asked_at,
        "option": options(view).get(known.option, known.option),
        "made_at": known.made_at,
    }


def choices(view: View) -> dict[str, Any]:
    """What the forms offer: reasons, registrations, the policy's options, and whether the place of origin can be asked at all."""
    rule = view.policy.placement
    return {
        "needs": [(one, labels.label(one)) for one in PlacementNeed],
        "households": [(one, labels.label(one)) for one in (Household.UNKNOWN, Household.LOCAL, Household.ELSEWHERE, Household.NONE)],
        "options": list(options(view).items()),
        "asks_origin": rule.branch(Household.ELSEWHERE).origin,
    }


def options(view: View) -> Mapping[str, str]:
    """What the policy's options are called."""
    return {code: text.of(current_locale()) for code, text in view.policy.placement.options.items()}
