"""`tocsin policy`: are these policy files right, and what would they do?"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer

from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True, help=_("The response rules: check files, see what they would do."))
STANDARD_ZONE = "Asia/Shanghai"


@app.command(help=_("Checks policy files; each mistake is told with file, line and reason."))
def check(files: Annotated[list[Path], typer.Argument(help=_("Policy files (*.yaml)."))]) -> None:
    from services.router.rules.policy_files import PolicyFileError, load

    wrong = 0
    for path in files:
        try:
            policy = load(path)
        except PolicyFileError as error:
            wrong += 1
            print(error, file=sys.stderr)
        else:
            print(f"{path.name}: {policy.stamp} ✓")
    raise typer.Exit(1 if wrong else 0)


@app.command(help=_("Prints the JSON Schema of a policy file."))
def schema() -> None:
    from services.router.rules.policy import Policy

    print(orjson.dumps(Policy.model_json_schema(), option=orjson.OPT_INDENT_2).decode())


@app.command(help=_("Shows who would be told what, and when, if everybody stayed silent."))
def simulate(  # noqa: PLR0917 - each is an option with a name
    division: Annotated[str, typer.Option(help=_("Division code of the place."))],
    situation: Annotated[list[str] | None, typer.Option(help=_("A situation, e.g. MR4_ABUSE_INJURY; may be given several times."))] = None,
    category: Annotated[list[str] | None, typer.Option(help=_("A category; may be given several times."))] = None,
    danger: Annotated[list[str] | None, typer.Option(help=_("A danger question answered yes, e.g. unconscious."))] = None,
    age_band: Annotated[list[str] | None, typer.Option(help=_("under_8, 8_13, 14_17 or unknown."))] = None,
    grade: Annotated[str, typer.Option(help=_("Pretend this grade: I, II, III or IV."))] = "",
    at: Annotated[str, typer.Option(help=_("When the report comes in, e.g. 2026-03-04T10:00:00+08:00; now by default."))] = "",
    policy: Annotated[str, typer.Option(help=_("Pretend this policy."))] = "",
    as_json: Annotated[bool, typer.Option("--json", help=_("As JSON."))] = False,
    assume: Annotated[bool, typer.Option(help=_("Pretend that somebody can be reached on every post; needs no database."))] = False,
) -> None:
    from libs.clock import SystemClock
    from libs.terms import AgeBand, Answer, Danger, Grade, Situation
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
        grade=_one_of(Grade, grade, "--grade") if grade else None,
        policy_id=policy or None,
    )
    if not division.isdigit() or len(division) not in {2, 4, 6, 9, 12, 15}:
        raise SettingsError("--division: " + _("%(code)s is not a division code", code=division))
    try:
        answer = _assumed(question) if assume else asyncio.run(_asked(question))
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None
    if as_json:
        print(orjson.dumps(answer).decode())
        return
    print(f"{answer['policy']['id']}@{answer['policy']['version']}  {answer['grade']}")
    for line in answer["timeline"]:
        local = datetime.fromisoformat(line["at"]).astimezone(ZoneInfo(STANDARD_ZONE))
        who = f"{line['tier'] or '':<9}  {line['post']}  {line['step'] or ''}"
        print(f"{local:%m-%d %H:%M:%S}  +{line['minute']:>8g} min  {line['action']:<9}  {who}")


async def _asked(question: Any) -> dict[str, Any]:
    """With the people of the configured or embedded database; where there is none yet, everybody is assumed to be there."""
    from deploy.embedded import connected
    from deploy.terminal import settings_for
    from libs.clock import SystemClock
    from libs.crypto import BlindIndex, KeyRing, Sealer
    from libs.directory.read import PHONE_INDEX, Directory
    from libs.errors import TocsinError
    from libs.i18n import current_locale
    from services.router.handlers.desk import Desk
    from services.router.handlers.policies import simulated
    from services.router.rules.policy_files import load_calendar

    settings = settings_for()
    if not settings.database_url and not (settings.var_dir / "postgres").exists():
        print(_("There is no database yet: assuming that somebody can be reached on every post."), file=sys.stderr)
        return _assumed(question)
    keyring = KeyRing.parse(KeyRing.generate())  # nothing sealed is read
    desk = Desk(Directory(BlindIndex(keyring, PHONE_INDEX), Sealer(keyring)), _book(), load_calendar(), SystemClock())
    async with connected(settings, lambda line: print(line, file=sys.stderr)) as connection:
        try:
            policy, given, lines = await simulated(desk, connection, question, current_locale())
        except TocsinError as error:
            raise SettingsError(str(error)) from None
    return _answer(policy, given, lines)


def _assumed(question: Any) -> dict[str, Any]:
    from libs.i18n import current_locale
    from services.router.handlers.policies import hypothetical
    from services.router.rules.grading import grade
    from services.router.rules.machine import facts_of
    from services.router.rules.policy_files import load_calendar
    from services.router.rules.simulate import assumed_route
    from services.router.rules.simulate import simulate as run

    book = _book()
    policy = book.get(question.policy_id) if question.policy_id else book.in_force(question.division_code, question.at)
    if policy is None:
        known = ", ".join(sorted({one.id for one in book.policies}))
        raise SettingsError("--policy: " + _("%(name)s is not one of %(known)s", name=question.policy_id, known=known))
    report = hypothetical(question, question.at)
    route = assumed_route(policy, question.division_code)
    lines = run(report, route, policy, load_calendar(), at_grade=question.grade, locale=current_locale())
    return _answer(policy, question.grade or grade(facts_of(report), policy).grade, lines)


def _answer(policy: Any, grade: Any, lines: Any) -> dict[str, Any]:
    return {
        "policy": {"id": policy.id, "version": policy.version},
        "grade": str(grade),
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
