"""What all commands share: a line for the person at the terminal, and the settings."""

import os

from libs.settings import CommonSettings, SettingsError, load


def say(line: str) -> None:
    """One line for the person at the terminal."""
    print(line, flush=True)


def settings_for(**given: object) -> CommonSettings:
    """The common settings; `PORT` overrides the port, and the public address follows the port unless it was set."""
    port = os.environ.get("PORT")
    if port and "port" not in given:
        given["port"] = port
    try:
        settings = load(CommonSettings, **given)
    except SettingsError as error:
        raise SettingsError(str(error).replace("TOCSIN_PORT:", "PORT:") if port else str(error)) from None
    if "public_base_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_base_url": f"http://{settings.host}:{settings.port}"})
    return settings
