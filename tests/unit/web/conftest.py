import httpx
import pytest

from libs import i18n
from tests.unit.web.app import make_app


@pytest.fixture(autouse=True)
def _english_by_default(monkeypatch):
    monkeypatch.setattr(i18n, "_default", "en")


@pytest.fixture
async def http():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app()), base_url="http://tocsin.test") as client:
        yield client
