"""A real headless Chromium, driven by tests; `make pictures` keeps what it sees in var/screenshots."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Browser, FloatRect, Locator, Page, async_playwright, expect

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam  # the public module does not hand it on

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = Path("var/screenshots")
WIDTHS = {1440: 900, 360: 740}
"""Of a desk and of a phone, each with the height of its screen."""
TALLEST = 6_000
"""Pixels of a picture: more of a page tells nobody more."""
PATIENCE_MS = 30_000
"""How long a condition is waited for on a busy machine; a page that works takes a fraction of a second."""
SWITCHED_OFF = (
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable"),
    *("LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect"),
    *("OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess"),
)
"""Playwright's own list, which ours replaces; and what a browser makes ready beside each new window for somebody who types addresses."""
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test alone."""
    async with chromium() as started:
        yield started


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser; without Chromium the page tests are skipped, loudly, unless they are required."""
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
                f"--disable-features={','.join(SWITCHED_OFF)}",
            ],
        )
        yield started
        await started.close()


@asynccontextmanager
async def visiting(
    browser: Browser,
    base_url: str,
    *,
    width: int = 1440,
    language: str = "zh-CN",
    zone: str = "Asia/Shanghai",
    cookies: "Sequence[SetCookieParam]" = (),
    scripts: bool = True,
) -> AsyncIterator[Page]:
    """A fresh visitor. What the page complains about in the console, or requests from elsewhere, fails the test.

    `zone` is the visitor's own time zone; `scripts=False` switches JavaScript off; `cookies` are those of an earlier visit.
    """
    complaints: list[str] = []

    def watch(request: Any) -> None:
        if not request.url.startswith((base_url, "data:")):
            complaints.append(f"asks a foreign host: {request.url}")

    context = await browser.new_context(
        base_url=base_url,
        viewport={"width": width, "height": WIDTHS[width]},
        locale=language,
        timezone_id=zone,
        java_script_enabled=scripts,
    )
    await context.add_cookies(cookies)
    context.set_default_timeout(PATIENCE_MS)
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
    """Keeps a picture of the page, from its top, for people to look at, when they ask for pictures (`make pictures`)."""
    if not os.environ.get("TOCSIN_PICTURES"):
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.evaluate("scrollTo(0, 0)")
    size = await page.evaluate("({width: document.documentElement.clientWidth, height: document.documentElement.scrollHeight})")
    clip: FloatRect = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], TALLEST)}
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=clip)


async def tab_to(page: Page, target: Locator, presses_max: int = 80) -> None:
    """Moves the focus to `target` as people without a mouse do."""
    for _ in range(presses_max):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{target} is not reached by Tab")


async def fits(page: Page) -> None:
    """Nothing sticks out to the side."""
    too_wide = await page.evaluate(TOO_WIDE)
    assert too_wide == []


TOO_WIDE = """() => [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter(e => getComputedStyle(e).position !== 'fixed')
  .filter(e => { for (let p = e.parentElement; p; p = p.parentElement) {
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return false } return true })
  .slice(0, 3).map(e => `too wide ${e.outerHTML.slice(0, 120)}`)"""
