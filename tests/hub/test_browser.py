"""The page in a real browser: no error, no foreign request, no overflow, and the whole first minute of a visitor."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
ARGUMENTS = ["--no-sandbox", "--headless=new", "--autoplay-policy=no-user-gesture-required"]


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Opens the page; afterwards there must have been no console message of weight and no request elsewhere."""
    complaints, elsewhere, contexts = [], [], []

    def opened(width=1280, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                elsewhere.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None
            ),
        )
        page.goto(address)
        page.wait_for_selector("#generate", timeout=20_000)
        page.wait_for_function("document.querySelector('#video video')?.readyState >= 2", timeout=20_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints and not elsewhere


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_clean(visit, width, scheme):
    page = visit(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert "Tiny" in page.inner_text("body") and "Drawn by code." in page.inner_text("body")


def test_a_visitor_plays_the_sample_and_makes_a_video(visit):
    page = visit()
    page.click("#play")
    page.wait_for_function("document.querySelector('#video video').currentTime > 0.2", timeout=10_000)
    assert not page.evaluate("document.querySelector('#video video').muted")
    sample = page.evaluate("document.querySelector('#video video').currentSrc")
    assert not page.is_enabled("#generate")
    page.click("text=Take the sample voice")
    page.wait_for_function("document.querySelector('#voice').innerText.includes('0:02')", timeout=10_000)
    page.check("#consent input")
    page.wait_for_selector("#generate:not([disabled])")
    page.click("#generate")
    page.wait_for_function("document.querySelector('#status').innerText.includes('Done')", timeout=60_000)
    page.wait_for_function(f"document.querySelector('#video video').currentSrc !== '{sample}'", timeout=10_000)


def test_choosing_another_avatar_changes_the_card(visit):
    page = visit()
    page.click("#who >> text=mine")
    page.wait_for_function("document.querySelector('.pgs-card h3').innerText === 'mine'", timeout=10_000)
