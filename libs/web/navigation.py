"""The links at the top of each page: what the visitor may use, and nothing else."""

from collections.abc import Callable
from typing import Final, NamedTuple

from starlette.requests import Request

from libs.directory.permissions import Principal, StaffPrincipal, may
from libs.i18n import N_
from libs.i18n import gettext as _


class Link(NamedTuple):
    """One entry; `here` when the visitor is on that page or below it."""

    path: str
    text: str
    here: bool


def links(request: Request, principal: Principal | None) -> list[Link]:
    """The entries for whoever is (or is not) logged in."""
    path = request.url.path
    return [
        Link(target, _(text), path == target or path.startswith(f"{target}/") or (path, target) == ("/", "/public"))
        for target, text, shown in _ENTRIES
        if shown(request, principal)
    ]


def _may(action: str) -> Callable[[Request, Principal | None], bool]:
    def shown(_request: Request, principal: Principal | None) -> bool:
        return principal is not None and may(principal, action)  # type: ignore[arg-type] # only actions below

    return shown


def _sandbox(request: Request, _principal: Principal | None) -> bool:
    # Virtual phones exist in demonstrations only; real messages are never readable here.
    return bool(getattr(request.app.state, "sandbox", False))


def _officer(_request: Request, principal: Principal | None) -> bool:
    return isinstance(principal, StaffPrincipal) and principal.officer_id is not None


def _nobody(_request: Request, principal: Principal | None) -> bool:
    return principal is None


_ENTRIES: Final = (
    ("/public", N_("Report a concern"), _nobody),
    ("/receipt", N_("Follow a report"), _nobody),
    ("/report", N_("New report"), _may("report.create")),
    ("/board", N_("Board"), _may("case.read")),
    ("/notifications", N_("Messages"), _may("notification.read")),
    ("/policies", N_("Rules"), _may("policy.read")),
    ("/response-times", N_("Response times"), _may("audit.read")),
    ("/directory", N_("Directory"), _may("directory.read")),
    ("/webhooks", N_("Webhooks"), _may("directory.manage")),
    ("/account", N_("My contacts"), _officer),
    ("/sandbox", N_("Phones"), _sandbox),
)
