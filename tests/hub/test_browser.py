"""The page in a real browser: no error, no foreign request, no overflow, and the whole first minute of a visitor."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


TABS = ("demo", "board", "about")


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_every_tab_opens_clean(visit, width, scheme, tab):
    page = visit(f"?tab={tab}", width, scheme)
    page.wait_for_selector(f"#tab-{tab}[role=tabpanel] >> visible=true")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.url.endswith(f"?tab={tab}")


def test_the_address_follows_the_tab(visit):
    page = visit("?tab=nonsense")
    page.wait_for_selector("#generate >> visible=true")
    page.click("role=tab[name='Leaderboard']")
    page.wait_for_function("location.search === '?tab=board'")


def test_a_visitor_plays_the_sample_and_makes_a_video(visit):
    page = visit()
    page.wait_for_function("document.querySelector('#video video')?.readyState >= 2")
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


def lines_of(page) -> list[str]:
    return page.eval_on_selector_all("#board tbody tr", "rows => rows.map(row => row.cells[0].innerText)")


def test_the_board_sorts_filters_and_opens_a_row(visit):
    page = visit("?tab=board")
    page.wait_for_selector("#board tbody tr")
    page.wait_for_selector("#plot .main-svg")
    page.click("#board th:has-text('PSNR') button")
    assert lines_of(page)[0] == "PGSTalker", "the largest first, since higher is better"
    page.click("#board th:has-text('PSNR') button")
    assert lines_of(page)[0] == "Still frame"
    page.click("#board tbody tr:has-text('TalkingGaussian')")
    page.wait_for_selector("#row >> text=sha256")
    assert "TalkingGaussian" in page.inner_text("#row h3"), "the line that was pressed, however it was sorted"
    page.wait_for_function("document.querySelector('#row-video video')?.readyState >= 2")
    page.fill("#search input, #search textarea", "still")
    page.wait_for_selector("#count >> text=1 of 3 rows")
    assert lines_of(page) == ["Still frame"]
    page.fill("#search input, #search textarea", "nobody")
    page.wait_for_selector("#count >> text=No runs match")
    page.click("#clear")
    page.wait_for_selector("#count >> text=3 of 3 rows")
    with page.expect_download() as saved:
        page.click("#export-tex")
    assert saved.value.suggested_filename == "leaderboard.tex"
    assert "toprule" in saved.value.path().read_text()


def test_the_board_is_used_with_the_keyboard_alone(visit):
    page = visit("?tab=board")
    page.focus("#board th:has-text('PSNR') button")
    page.keyboard.press("Enter")
    assert page.get_attribute("#board th:has-text('PSNR')", "aria-sort") == "descending"
    page.focus("#board tbody tr")
    page.keyboard.press("Enter")
    page.wait_for_selector("#row h3:has-text('PGSTalker')")
