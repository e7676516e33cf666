"""One spelling per phone number, so that equal numbers have equal blind indexes."""

import re

from libs.errors import Invalid
from libs.i18n import gettext as _

_SEPARATORS = re.compile(r"[\s\-().]")
_E164 = re.compile(r"\+[0-9]{8,15}")
_MAINLAND_MOBILE = re.compile(r"1[3-9][0-9]{9}")


def normalise_phone(phone: str) -> str:
    """E.164: "+86 138-0000-0000", "008613800000000" and "13800000000" are the same number. `Invalid` when it is none."""
    bare = _SEPARATORS.sub("", phone)
    if bare.startswith("00") and not bare.startswith("000"):
        bare = f"+{bare[2:]}"
    elif _MAINLAND_MOBILE.fullmatch(bare):
        bare = f"+86{bare}"
    if not _E164.fullmatch(bare):
        raise Invalid("bad_phone", _("This is no phone number. Write it with its country code, for example +8613800000000."), field="phone")
    return bare


def masked_phone(phone: str) -> str:
    """A number as lists may show it: its country and its last two digits."""
    return f"{phone[:3]}{'*' * max(len(phone) - 5, 0)}{phone[-2:]}"
