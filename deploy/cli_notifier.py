"""`tocsin notifier …`: what has to be registered with the providers of SMS."""

from typing import Annotated

import typer

from libs.i18n import gettext as _
from libs.settings import SettingsError, load

app = typer.Typer(no_args_is_help=True, help=_("SMS and those who carry them."))


@app.callback()
def notifier() -> None:
    """A group, although it has one command yet."""


@app.command(
    "templates",
    help=_("Prints every text in a provider's own syntax, as the file that TOCSIN_SMS_TEMPLATES names."),
)
def templates(
    provider: Annotated[str, typer.Option(help=_("aliyun or tencent."))],
    replies: Annotated[bool, typer.Option(help=_("Officers can answer by SMS: the texts that ask for it are needed."))] = False,
) -> None:
    from services.notifier.app import load_registry
    from services.notifier.gateways.configured import read_registrations
    from services.notifier.rules.registered import PROVIDERS, to_register
    from services.notifier.settings import SmsSettings

    chosen = next((one for one in PROVIDERS if one == provider), None)
    if chosen is None:
        raise SettingsError("--provider: " + _("%(name)s is not one of %(known)s", name=provider, known=", ".join(PROVIDERS)))
    registry = load_registry()
    file = load(SmsSettings).templates
    known = read_registrations(file, registry).by_provider.get(chosen) if file is not None and file.exists() else None
    lines = [
        "# " + _("Register these texts and one signature with %(name)s, as notices, each with the variables below it.", name=chosen),
        "# " + _("Those of verify are verification codes instead. All variables of the others are of the kind “others” (其他),"),
        "# " + _("also times: values are “今日12:10” or “119分钟”, which providers refuse where they expect a time or a number."),
        "# " + _("Then write the code of each behind its id, and let TOCSIN_SMS_TEMPLATES name this file."),
        f"texts_version: {registry.version}",
        f"{chosen}:",
        f"  signature: {known.signature if known else ''}".rstrip(),
        "  templates:",
    ]
    for one in to_register(registry, chosen, takes_replies=replies):
        code = known.codes.get(one.template_id, "") if known else ""
        need = _("needed") if one.required else _("may be left out")
        lines += ["", f"    # {need}: {one.text}"]
        lines += ["    # " + _("%(name)s, at the longest: %(value)s", name=name, value=value) for name, value in one.variables]
        lines += [f'    {one.template_id}: "{code}"']
    print("\n".join(line.rstrip() for line in lines))
