"""The reasons of duty in words."""

from collections.abc import Mapping
from uuid import UUID

from libs.directory.duty import Duty, Reason
from libs.i18n import gettext as _


def reason_text(duty: Duty, names: Mapping[UUID, str] | None = None) -> str:
    """Why an officer stands where they stand; `names` of officers for readers who may see them."""
    other = (names or {}).get(duty.instead_of) if duty.instead_of else None
    match duty.reason:
        case Reason.OVERRIDE:
            return _("by override")
        case Reason.HANDED_OVER:
            return _("%(name)s handed over to them", name=other) if other else _("was handed the duty")
        case Reason.SHIFT:
            return _("shift: %(shift)s", shift=duty.shift)
        case Reason.REPLACES:
            return _("replaces %(name)s, who is on leave", name=other) if other else _("replaces somebody who is on leave")
        case Reason.PRIMARY:
            return _("primary holder, no roster")
        case Reason.DEPUTY:
            return _("deputy, no roster")
        case Reason.NOBODY:
            return _("nobody is on duty: everybody is asked")
        case Reason.OFF_DUTY:
            return _("off duty: asked last")
        case Reason.ON_LEAVE:
            return _("on leave: asked last")
