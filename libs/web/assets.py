"""Static files, all served by ourselves: the target networks have no internet. Their addresses carry a hash of their content."""

import functools
import hashlib
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(__file__).with_name("static")
_YEAR = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Files that may be kept for a year when asked for by their hash, and are asked for again each time otherwise.

    The hash must be theirs: during an upgrade a page of the new version may ask the old one, whose file nobody should keep under that name.
    """

    def __init__(self, directory: Path, room: str = "") -> None:
        super().__init__(directory=directory)
        self._prefix = f"{room}/" if room else ""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = response.status_code in {200, 304} and self._is_own_hash(path, scope.get("query_string", b""))
        response.headers["cache-control"] = _YEAR if kept else "no-cache"
        return response

    def _is_own_hash(self, path: str, query: bytes) -> bool:
        return query.startswith(b"v=") and static_url(self._prefix + path).encode().endswith(b"?" + query)


def install(app: FastAPI) -> None:
    """Serves `libs/web/static` as /static/ and each room's own `static` as /static/<room>/."""
    for room, directory in sorted(_rooms().items()):
        app.mount(f"/static/{room}", Assets(directory, room), name=f"static-{room}")
    app.mount("/static", Assets(SHARED), name="static")


@functools.cache
def static_url(name: str) -> str:
    """The address of an asset: `tocsin.css` of this library, `router/board.js` of a room."""
    room, _slash, rest = name.partition("/")
    path = _rooms()[room] / rest if rest and room in _rooms() else SHARED / name
    return f"/static/{name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:10]}"


@functools.cache
def _rooms() -> dict[str, Path]:
    found = [*ROOT.glob("services/*/static"), *ROOT.glob("deploy/*/static")]
    return {directory.parent.name: directory for directory in found}
