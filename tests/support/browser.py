"""A real headless Chromium, driven by tests; pictures of pages go to var/screenshots."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = Path("var/screenshots")
WIDTHS = {1440: 900, 360: 740}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test alone; without Chromium the page tests are skipped, loudly, unless they are required."""
    if CHROMIUM is None:
        message = "no Chromium: install the packages chromium and fonts-noto-cjk to run the page tests"
        if os.environ.get("TOCSIN_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ],
        )
        yield started
        await started.close()


@asynccontextmanager
async def visiting(browser: Browser, base_url: str, *, width: int = 1440, language: str = "zh-CN") -> AsyncIterator[Page]:
    """A fresh visitor. What the page complains about in the console, or requests from elsewhere, fails the test."""
    complaints: list[str] = []

    def watch(request: Any) -> None:
        if not request.url.startswith((base_url, "data:")):
            complaints.append(f"asks a foreign host: {request.url}")

    context = await browser.new_context(
        base_url=base_url, viewport={"width": width, "height": WIDTHS[width]}, locale=language, timezone_id="Asia/Shanghai"
    )
    context.set_default_timeout(15_000)
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", watch)
    try:
        yield page
        assert complaints == []
    finally:
        await context.close()


async def picture(page: Page, name: str) -> None:
    """Keeps a picture of the whole page for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


async def fits(page: Page) -> None:
    """Nothing sticks out to the side."""
    too_wide = await page.evaluate(
        """() => [...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .filter(e => getComputedStyle(e).position !== 'fixed')
            .filter(e => { for (let p = e.parentElement; p; p = p.parentElement) {
                if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return false } return true })
            .slice(0, 3).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert too_wide == []
