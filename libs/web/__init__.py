"""What every page and API of Tocsin shares: the door (middleware), who is asking, problem documents, templates, assets, cursors, streams.

`furnish(app, settings)` puts all of it into an app; the rooms then bring their routers. For the dependencies of `identity` the app
carries `app.state.context` (clock, settings) and `app.state.identity` (libs.directory.identity.Identity).
"""

from fastapi import FastAPI

from libs.i18n import set_default_locale
from libs.settings import CommonSettings
from libs.web import assets, middleware, problems


def furnish(app: FastAPI, settings: CommonSettings) -> None:
    """Installs the door, the problem documents and the static files."""
    set_default_locale(settings.language)
    problems.install(app)
    assets.install(app)
    middleware.install(app, settings.public_base_url)
