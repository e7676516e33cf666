"""`tocsin policy holidays`: the years whose working days are known, and a notice of the State Council that an administrator adds."""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True, help=_("Working days: which years are known, and adding a State Council notice."))
YEARS_AHEAD = 2


@app.command("list", help=_("Shows of which years the State Council's notice is known; the others count by the statute."))
def list_years(as_json: Annotated[bool, typer.Option("--json", help=_("As JSON."))] = False) -> None:
    from libs.clock import SystemClock
    from services.router.rules.policy_files import PolicyFileError, load_notices

    path = calendar_path()
    try:
        notices, calendar = load_notices(path), router_calendar()
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None
    this = SystemClock().now().year
    years = sorted({*range(this - 1, this + YEARS_AHEAD + 1), *notices})
    found = [
        {
            "year": year,
            "known": not calendar.is_provisional(year),
            "source": notices[year].src if year in notices else "",
            "off": [str(day) for day in sorted(notices[year].holidays)] if year in notices else [],
            "worked": [str(day) for day in sorted(notices[year].worked)] if year in notices else [],
        }
        for year in years
    ]
    if as_json:
        print(orjson.dumps({"file": str(path), "years": found}).decode())
        return
    for one in found:
        print(f"{one['year']}  {_said(one)}")
    print(_("Added notices stand in %(file)s.", file=path))


@app.command(help=_("Adds the notice of a year: its days off and the weekend days that are worked."))
def add(
    year: Annotated[int, typer.Argument(min=2020, max=2100, help=_("The year of the notice."))],
    off: Annotated[str, typer.Option(help=_("Days off, e.g. 01-01,02-05..02-11; weekends need not be named."))],
    src: Annotated[str, typer.Option(help=_("The notice's title or number."))],
    worked: Annotated[str, typer.Option(help=_("Saturdays and Sundays that are worked, e.g. 02-07,10-09."))] = "",
    replace: Annotated[bool, typer.Option("--replace", help=_("Replace a notice that was added before."))] = False,
) -> None:
    from services.router.rules.policy_files import PolicyFileError, Year, load_notices, save_notices

    path = calendar_path()
    notice = {"src": src, "holidays": _days(year, off, "--off"), "worked": _days(year, worked, "--worked")}
    try:
        notices = dict(load_notices(path))
        if year in notices and not replace:
            detail = _("%(year)s is there already (%(src)s); give --replace to put this one in its place", year=year, src=notices[year].src)
            raise SettingsError(detail)
        notices[year] = Year.of(year, notice)
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None
    except ValueError as error:
        raise SettingsError(str(error)) from None
    save_notices(path, notices)
    print(f"{path}: {year} ✓")
    print(_("The router reads it when it starts. Deadlines that are running already keep their time."), file=sys.stderr)


def calendar_path() -> Path:
    """The file that notices are added to: the one that the router reads."""
    from deploy.terminal import settings_for
    from libs.settings import load
    from services.router.settings import RouterSettings

    return load(RouterSettings).calendar_in(settings_for().var_dir)


def router_calendar() -> Any:
    """The working calendar, as the router has it."""
    from services.router.rules.policy_files import load_calendar

    return load_calendar(calendar_path())


def _said(one: dict[str, Any]) -> str:
    if not one["known"]:
        return _("not known yet: counts by the statute, deadlines are provisional")
    if one["source"]:
        return _("known: %(src)s (%(off)s days off, %(worked)s worked)", src=one["source"], off=len(one["off"]), worked=len(one["worked"]))
    return _("known")


def _days(year: int, text: str, option: str) -> list[date]:
    """Days as 02-05, 2027-02-05, and 02-05..02-11."""
    found: list[date] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        first, _dots, last = part.partition("..")
        begin, end = _day(year, first, option), _day(year, last or first, option)
        if end < begin:
            raise SettingsError(f"{option}: " + _("%(text)s ends before it begins", text=part))
        found += [begin + timedelta(days=number) for number in range((end - begin).days + 1)]
    return found


def _day(year: int, text: str, option: str) -> date:
    try:
        return date.fromisoformat(text if text.count("-") == 2 else f"{year}-{text}")
    except ValueError:
        raise SettingsError(f"{option}: " + _("%(text)s is not a day such as 02-05 or 2027-02-05", text=text)) from None
