"""`tocsin policy`: are these policy files right, and what would they do?"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer

from deploy.cli_policy import holidays
from deploy.cli_policy.administration import register
from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True, help=_("The response rules: check files, see what they would do, bind them, move running cases."))
app.add_typer(holidays.app, name="holidays")
register(app)
STANDARD_ZONE = "Asia/Shanghai"
MINUTES_MAX = 1_000_000


@app.command(help=_("Checks policy files; each mistake is told with file, line and reason."))
def check(files: Annotated[list[Path], typer.Argument(help=_("Policy files (*.yaml)."))]) -> None:
    from services.router.rules.policy_files import PolicyFileError, load, load_book

    wrong, known = 0, list(load_book().policies)
    for path in files:
        try:
            policy = load(path, others=known)
        except PolicyFileError as error:
            wrong += 1
            print(error, file=sys.stderr)
        else:
            known.append(policy)
            print(f"{path.name}: {policy.stamp} ✓")
    raise typer.Exit(1 if wrong else 0)


@app.command(help=_("Prints the JSON Schema of a policy file."))
def schema() -> None:
    from services.router.rules.policy import Policy

    print(orjson.dumps(Policy.model_json_schema(), option=orjson.OPT_INDENT_2).decode())


@app.command(help=_("Shows who would be told what, and when, if everybody stayed silent or did what --answer says."))
def simulate(  # noqa: PLR0917 - each is an option with a name
    division: Annotated[str, typer.Option(help=_("Division code of the place."))],
    situation: Annotated[list[str] | None, typer.Option(help=_("A situation, e.g. MR4_ABUSE_INJURY; may be given several times."))] = None,
    category: Annotated[list[str] | None, typer.Option(help=_("A category; may be given several times."))] = None,
    danger: Annotated[list[str] | None, typer.Option(help=_("A danger question answered yes, e.g. unconscious."))] = None,
    age_band: Annotated[list[str] | None, typer.Option(help=_("under_8, 8_13, 14_17 or unknown."))] = None,
    grade: Annotated[str, typer.Option(help=_("Pretend this grade: I, II, III or IV, or one of the policy’s own."))] = "",
    at: Annotated[str, typer.Option(help=_("When the report comes in, e.g. 2026-03-04T10:00:00+08:00; now by default."))] = "",
    policy: Annotated[str, typer.Option(help=_("Pretend this policy."))] = "",
    answer: Annotated[
        list[str] | None,
        typer.Option(help=_("What somebody does: MINUTE:acknowledge|decline|STEP[:TIER], e.g. 12:acknowledge:street. May be repeated.")),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_("As JSON."))] = False,
    assume: Annotated[bool, typer.Option(help=_("Pretend that somebody can be reached on every post; needs no database."))] = False,
) -> None:
    from libs.clock import SystemClock
    from libs.errors import Invalid
    from libs.terms import AgeBand, Answer, Danger, Situation
    from services.router.handlers.policies import Question
    from services.router.rules.policy_files import PolicyFileError

    moment = SystemClock().now() if not at else _instant(at)
    question = Question(
        division,
        [_one_of(Situation, one, "--situation") for one in situation or ()],
        tuple(category or ()),
        {_one_of(Danger, one, "--danger"): Answer.YES for one in danger or ()},
        [_one_of(AgeBand, one, "--age-band") for one in age_band or ()] or [AgeBand.UNKNOWN],
        at=moment,
        grade=grade or None,
        policy_id=policy or None,
        replies=[_reply(one) for one in answer or ()],
    )
    if not division.isdigit() or len(division) not in {2, 4, 6, 9, 12, 15}:
        raise SettingsError("--division: " + _("%(code)s is not a division code", code=division))
    try:
        found = _assumed(question) if assume else asyncio.run(_asked(question))
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None
    except Invalid as error:
        option = {"unknown_grade": "grade", "no_policy_then": "at"}.get(error.code, "answer")
        raise SettingsError(f"--{option}: {error.detail}") from None
    if as_json:
        print(orjson.dumps(found).decode())
        return
    own = f"  {found['band']} {found['band_name']}" if found["band"] != found["grade"] else ""
    print(f"{found['policy']['id']}@{found['policy']['version']}  {found['grade']}{own}")
    for line in found["timeline"]:
        local = datetime.fromisoformat(line["at"]).astimezone(ZoneInfo(STANDARD_ZONE))
        who = f"{line['tier'] or '':<9}  {line['post']}  {line['answer'] or line['step'] or ''}"
        who += "  voice" if line["channel"] == "voice" else ""
        print(f"{local:%m-%d %H:%M:%S}  +{line['minute']:>8g} min  {line['action']:<9}  {who}")


@app.command(help=_("Shows what policy AFTER would do differently from policy BEFORE: for which reports, and for whom."))
def compare(  # noqa: PLR0917 - each is an option with a name
    before: Annotated[str, typer.Argument(help=_("The id of a policy."))],
    after: Annotated[str, typer.Argument(help=_("The id of a policy."))],
    division: Annotated[str, typer.Option(help=_("Division code of the place whose people are told."))],
    past: Annotated[int, typer.Option(min=0, max=2000, help=_("So many of the last reports, instead of sample reports."))] = 0,
    shown: Annotated[int, typer.Option(min=0, max=2000, help=_("How many reports to show one by one."))] = 5,
    as_json: Annotated[bool, typer.Option("--json", help=_("As JSON."))] = False,
) -> None:
    from services.router.api.policy_models import comparison_out
    from services.router.rules.policy_files import PolicyFileError

    try:
        found = comparison_out(asyncio.run(_compared(before, after, division, past)))
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None
    if as_json:
        print(found.model_dump_json())
        return
    names = (f"{one.id}@{one.version}" for one in (found.before, found.after))
    print(
        " → ".join(names)
        + "  "
        + _("%(changed)s of %(reports)s reports would be treated differently.", changed=found.changed, reports=found.reports)
    )
    for what, count in found.counts.items():
        print(f"  {what:<22} {count:>5}")
    for report in found.items[:shown]:
        local = report.at.astimezone(ZoneInfo(STANDARD_ZONE))
        print(f"{local:%m-%d %H:%M}  {' '.join([*report.situations, *report.age_bands, *report.danger])}")
        for change in report.changes:
            unit = " min" if change.what not in {"grade", "told"} else ""
            sides = (f"{side}{unit}" if side else "-" for side in (change.before, change.after))
            print(f"    {change.what:<20} {'  →  '.join(sides)}")


async def _compared(before: str, after: str, division: str, past: int) -> Any:
    from deploy.embedded import connected
    from deploy.terminal import settings_for
    from libs.errors import TocsinError
    from libs.events.catalogue import ReportReceived
    from libs.i18n import current_locale
    from services.router.handlers.policies import compared

    desk = desk_of()
    async with connected(settings_for(), lambda line: print(line, file=sys.stderr)) as connection:
        rows = await connection.fetch(_PAST, ReportReceived.event_type, division, past) if past else []
        reports = [ReportReceived.model_validate(row["payload"]) for row in rows]
        try:
            return await compared(desk, connection, (before, after), division, at=None, locale=current_locale(), past=reports)
        except TocsinError as error:
            raise SettingsError(error.detail) from None


_PAST = """
SELECT payload FROM audit.ledger WHERE event_type = $1 AND payload ->> 'division_code' LIKE $2 || '%' ORDER BY seq DESC LIMIT $3
"""


def desk_of() -> Any:
    """A desk of the configured policy files; what administrators have added is taken up from the database when it is asked."""
    from libs.clock import SystemClock
    from libs.crypto import KeyRing
    from libs.directory.read import Directory
    from services.router.handlers.desk import Desk

    keyring = KeyRing.parse(KeyRing.generate())  # nothing sealed is read
    return Desk(Directory.under(keyring), _book(), holidays.router_calendar(), SystemClock())


async def _asked(question: Any) -> dict[str, Any]:
    """With the people of the configured or embedded database; where there is none yet, everybody is assumed to be there."""
    from deploy.embedded import connected
    from deploy.terminal import settings_for
    from libs.errors import TocsinError
    from libs.i18n import current_locale
    from services.router.handlers.policies import simulated

    settings = settings_for()
    if not settings.database_url and not (settings.var_dir / "postgres").exists():
        print(_("There is no database yet: assuming that somebody can be reached on every post."), file=sys.stderr)
        return _assumed(question)
    desk = desk_of()
    async with connected(settings, lambda line: print(line, file=sys.stderr)) as connection:
        try:
            policy, given, lines = await simulated(desk, connection, question, current_locale())
        except TocsinError as error:
            raise SettingsError(str(error)) from None
    return _answer(policy, given, lines)


def _assumed(question: Any) -> dict[str, Any]:
    from libs.clock import SystemClock
    from libs.i18n import current_locale
    from services.router.errors import NoPolicyThen
    from services.router.handlers.policies import band_asked, hypothetical, thinkable
    from services.router.rules.grading import grade
    from services.router.rules.machine import facts_of
    from services.router.rules.simulate import assumed_route
    from services.router.rules.simulate import simulate as run

    book = _book()
    at = thinkable(question.at, SystemClock().now())
    try:
        policy = book.get(question.policy_id) if question.policy_id else book.in_force(question.division_code, at)
    except LookupError:
        raise NoPolicyThen from None
    if policy is None:
        known = ", ".join(sorted({one.id for one in book.policies}))
        raise SettingsError("--policy: " + _("%(name)s is not one of %(known)s", name=question.policy_id, known=known))
    report = hypothetical(question, at)
    route = assumed_route(policy, question.division_code)
    locale = current_locale()
    given = band_asked(question, policy) or grade(facts_of(report), policy).band
    lines = run(report, route, policy, holidays.router_calendar(), at_grade=given, locale=locale, replies=question.replies)
    return _answer(policy, given, lines)


def _answer(policy: Any, band: str, lines: Any) -> dict[str, Any]:
    from libs.i18n import current_locale

    return {
        "policy": {"id": policy.id, "version": policy.version},
        "grade": str(policy.severity(band)),
        "band": band,
        "band_name": policy.grades[band].name.of(current_locale()),
        "timeline": [
            {
                "at": line.at.isoformat(),
                "minute": line.minute,
                "action": line.action,
                "tier": line.tier,
                "post": line.post,
                "post_id": str(line.post_id) if line.post_id else None,
                "division_code": line.division_code,
                "channel": line.channel,
                "step": line.step,
                "department": line.department,
                "answer": line.answer,
            }
            for line in lines
        ],
    }


def _book() -> Any:
    from libs.settings import load
    from services.router.rules.policy_files import load_book
    from services.router.settings import RouterSettings

    folder = load(RouterSettings).policies_dir
    return load_book([folder] if folder else [])


def _reply(text: str) -> Any:
    from libs.terms import Tier
    from services.router.rules.simulate import ACTS, Reply

    minute, _colon, rest = text.partition(":")
    act, _colon, tier = rest.partition(":")
    try:
        after = float(minute)
    except ValueError:
        after = -1
    if not 0 <= after <= MINUTES_MAX:
        detail = _("%(text)s does not begin with a number of minutes, as 12:acknowledge:street does", text=text)
        raise SettingsError("--answer: " + detail)
    if act not in ACTS:  # who mistypes reads what there is
        raise SettingsError("--answer: " + _("%(name)s is not one of %(known)s", name=act, known=", ".join(ACTS)))
    return Reply.of(after, act, _one_of(Tier, tier, "--answer") if tier else None)


def _one_of(kind: Any, text: str, option: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(str(one) for one in kind)
        raise SettingsError(f"{option}: " + _("%(name)s is not one of %(known)s", name=text, known=known)) from None


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError("--at: " + _("%(text)s is not a time such as 2026-03-04T10:00:00+08:00", text=text)) from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(STANDARD_ZONE))
