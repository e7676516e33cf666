"""The public form: whatever is typed becomes a report; a place that cannot be found is no reason to send anybody away."""

from collections.abc import Mapping

import orjson

from libs.errors import FieldError
from libs.i18n import current_locale
from services.intake.handlers.accept import Accepted, Sender, accept_report
from services.intake.handlers.needs import Needs
from services.intake.handlers.places import Places
from services.intake.rules import wording
from services.intake.rules.forms import public_report

SENDER = Sender("public", "web")


async def accept_public(form: Mapping[str, str], idempotency_key: str, needs: Needs) -> Accepted:
    """Accepts a report from the public form; raises what `accept_report` raises, with the API's field names."""
    division_code = await place_of(form.get("division_code", ""), form.get("place", ""), needs.places)
    if not division_code:
        raise wording.invalid([FieldError("children[0].current_location.division_code", "no_places", wording.no_places())])
    body = orjson.dumps(public_report(form, division_code, current_locale()))
    return await accept_report(
        SENDER,
        idempotency_key,
        body,
        clock=needs.clock,
        database=needs.database,
        places=needs.places,
        secrets=needs.secrets,
        write=needs.write,
    )


async def place_of(chosen_code: str, typed: str, places: Places) -> str:
    """The division that is meant: the one chosen from the list, else the only one that the text can mean, else the home division.

    The dispatch desk of the home division then finds the place from the words, which are kept with the address.
    """
    if chosen_code and await places.find(chosen_code) is not None:
        return chosen_code
    found = await places.search(typed) if typed.strip() else []
    same_name = [place for place in found if place.name == typed.strip()]
    if len(same_name) == 1:
        return same_name[0].code
    if len(found) == 1:
        return found[0].code
    return await places.home()
