"""The page in a real browser: no error, no foreign request, no overflow, and the whole first minute of a visitor."""

from __future__ import annotations

import json
import threading
import time
import zipfile

import pytest

from pgstalker.media import probe
from tests.hub.boards import free_port

pytestmark = pytest.mark.browser


TABS = ("demo", "compare", "board", "submit", "about")


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
    page.wait_for_selector(".pgs-card h3:has-text('mine')")


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
    page.wait_for_function("document.querySelector('#row').getBoundingClientRect().top < 100")
    page.focus("#board tbody tr >> nth=1")
    page.keyboard.press("Space")
    page.wait_for_selector("#row h3:has-text('TalkingGaussian')")
    assert page.locator("#board tr[aria-selected=true]").count() == 1


DRIFT = """() => {
  const [a, ...others] = [...document.querySelectorAll("#players video")].filter((video) => video.getAttribute("src"));
  return Math.max(...others.map((video) => Math.abs(video.currentTime - a.currentTime)));
}"""


def compared(page):
    page.click("#compare")
    page.wait_for_selector("#players .pgs-sync-body >> visible=true")
    page.wait_for_function(
        "[...document.querySelectorAll('#players video[src]')].length === 3 && "
        "[...document.querySelectorAll('#players video[src]')].every((video) => video.readyState >= 2)"
    )


def test_players_stay_together_and_the_curve_seeks(visit):
    page = visit("?tab=compare")
    compared(page)
    page.select_option(".pgs-sync-rate", "0.5")
    page.click(".pgs-sync-play")
    page.wait_for_function("document.querySelector('#players video').currentTime > 0.4")
    drifts = []
    for _ in range(5):
        drifts.append(page.evaluate(DRIFT))
        page.wait_for_timeout(100)
    assert min(drifts) <= 0.04, drifts
    page.wait_for_function("document.querySelector('#players video').paused")
    page.wait_for_function(f"({DRIFT})() < 1e-3")
    curve = page.locator("#players svg")
    curve.click(position={"x": curve.bounding_box()["width"] * 0.5, "y": 40})
    page.wait_for_function("document.querySelector('.pgs-sync-frame').textContent.startsWith('16 ')")
    page.wait_for_function(f"({DRIFT})() < 1e-3")
    page.wait_for_selector("#frame >> text=Error in frame 16")
    page.focus(".pgs-sync-scrub")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#frame >> text=Error in frame 17")
    low, high = (float(page.inner_text(f".pgs-sync-{end}")) for end in ("low", "high"))
    assert low < high
    page.click(".pgs-sync-mode")
    assert page.get_attribute(".pgs-sync", "data-mode") == "wipe"
    assert "A better" in page.inner_text("#differences")


def test_a_comparison_has_a_link_a_zip_and_a_video(visit):
    page = visit("?tab=compare")
    compared(page)
    page.click("#link")
    page.wait_for_function("location.search.includes('clip=drawn')")
    link = page.url
    for button, name in (("#zip", "comparison.zip"), ("#film", "side_by_side.mp4")):
        with page.expect_download() as saved:
            page.click(button)
        assert saved.value.suggested_filename == name
    again = visit("?" + link.partition("?")[2])
    again.wait_for_selector("#players .pgs-sync-body >> visible=true")
    assert again.input_value("#method-a input") == "PGSTalker"
    again.click("#link")
    again.wait_for_function("document.querySelector('#address input, #address textarea').value.includes('clip=drawn')")


def test_a_link_opens_its_own_clip_and_sides(visit):
    page = visit("?tab=compare&clip=drawn/two&a=Still+frame&b=Truth")
    page.wait_for_selector("#players figcaption:has-text('Still frame')")
    page.wait_for_timeout(1000)  # what a change of the clip would set off has been
    shown = [page.input_value(f"#{name} input") for name in ("clip", "method-a", "method-b")]
    assert shown == ["drawn/two", "Still frame", "Truth"]


def test_a_row_of_the_board_opens_against_the_truth(visit):
    page = visit("?tab=board")
    page.click("#board tbody tr:has-text('Still frame')")
    page.click("#row-compare >> visible=true")
    page.wait_for_selector("#players figcaption:has-text('Still frame')")


def test_two_videos_of_one_s_own_are_compared_and_measured(visit, results):
    clip = results.clips["drawn/one"]
    page = visit("?tab=compare")
    page.click("text=Your own videos")
    page.click("#compare")
    page.wait_for_selector("#own-a >> text=missing here")
    for name, path in (("a", clip.videos["PGSTalker"]), ("b", clip.videos["Still frame"]), ("truth", clip.truth)):
        page.set_input_files(f"#own-{name} input[type=file]", path)
        page.wait_for_selector(f"#own-{name} video")
    compared(page)
    page.click("#measure")
    page.wait_for_selector("#differences >> text=A better", timeout=60_000)


# ---- Create, as visitors do


@pytest.fixture
def slow(monkeypatch):
    """Every frame takes its time, so that there is something to wait for and to stop."""
    import pgstalker.avatar as library

    render = library.render_audio

    def crawl(*arguments, progress, cancelled, **options):
        for frame in range(600):
            if cancelled():
                raise library.RenderCancelled("stopped")
            progress("render", frame / 600, {"frame": frame, "of": 600})
            if crawl.may_end:
                return render(*arguments, progress=progress, cancelled=cancelled, **options)
            time.sleep(0.05)
        raise AssertionError("nobody let it end")

    crawl.may_end = False
    monkeypatch.setattr(library, "render_audio", crawl)
    return crawl


def ask(page, sound):
    page.set_input_files("#voice input[type=file]", sound)
    page.wait_for_function("/0:0[1-9]/.test(document.querySelector('#voice').innerText)")
    page.check("#consent input")
    page.click("#generate:not([disabled])")


def says(page, text):
    page.wait_for_function(f"document.querySelector('#status').innerText.includes({text!r})", timeout=60_000)


def test_an_upload_becomes_a_talking_video_with_sound(visit, sounds, tmp_path):
    page = visit()
    ask(page, sounds["tone"])
    says(page, "Done")
    page.wait_for_selector("#compare-this >> visible=true")
    with page.expect_download() as saved:
        page.click("#save-receipt")
    assert '"frames": 38' in saved.value.path().read_text()
    source = page.evaluate("document.querySelector('#video video').currentSrc")
    (tmp_path / "seen.mp4").write_bytes(page.request.get(source).body())
    assert probe(tmp_path / "seen.mp4").audio is not None
    page.click("#compare-this")
    page.wait_for_selector("#own-a video")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("text", "cannot be read"),
        ("silent", "is silent"),
        ("short", "give at least 0.5 s of speech"),
        ("long", "at most 3 s"),
    ],
)
def test_every_bad_sound_is_told_beside_its_field(visit, sounds, name, sentence):
    page = visit()
    page.set_input_files("#voice input[type=file]", sounds[name])
    page.wait_for_timeout(1500)
    page.check("#consent input")
    page.click("#generate:not([disabled])")
    page.wait_for_selector(f"#voice >> text={sentence}")


def test_without_a_voice_it_says_what_is_missing(visit):
    page = visit()
    page.check("#consent input")
    page.click("#generate:not([disabled])")
    page.wait_for_selector("#voice >> text=There is no sound yet")


def test_stop_stops_and_the_next_one_works(visit, sounds, slow):
    page = visit()
    ask(page, sounds["tone"])
    says(page, "Drawing the frames")
    page.click("#stop")
    says(page, "Stopped. Nothing was kept.")
    page.wait_for_timeout(1000)  # Gradio still takes the old event back; nobody presses again faster
    slow.may_end = True
    page.click("#generate")
    says(page, "Done")


def test_a_full_queue_says_so(chromium, services, sounds, slow):
    from hub.app import build, launch

    page, port = build(services, max_waiting=1), free_port()
    launch(page, "127.0.0.1", port, live=services.live, block=False)
    context = chromium.new_context()
    try:
        visitors = [context.new_page() for _ in range(3)]
        for visitor in visitors:
            visitor.goto(f"http://127.0.0.1:{port}/")
            visitor.wait_for_function("window.pgsOpened")
        ask(visitors[0], sounds["tone"])
        says(visitors[0], "Drawing the frames")
        ask(visitors[1], sounds["tone"])
        visitors[1].wait_for_selector("text=/queue: 1/")
        ask(visitors[2], sounds["tone"])
        visitors[2].wait_for_selector("text=currently busy. Please try again")
        slow.may_end = True
        says(visitors[1], "Done")
    finally:
        slow.may_end = True
        context.close()
        page.close()


def test_two_visitors_at_once_see_their_own(visit, sounds):
    pages = [visit(), visit()]
    for page in pages:
        ask(page, sounds["tone"])
    for page in pages:
        says(page, "Done")
    sources = [page.evaluate("document.querySelector('#video video').currentSrc") for page in pages]
    assert len(set(sources)) == 2
    pages[1].click("#who >> text=mine")
    assert pages[0].inner_text(".pgs-card h3").startswith("Tiny")


def test_the_keyboard_alone_makes_a_video(visit):
    page = visit()
    page.focus("#who input[value=mine]")
    page.keyboard.press("Space")
    page.wait_for_selector(".pgs-card h3:has-text('mine')")
    page.focus("#who input[value=tiny]")
    page.keyboard.press("Space")
    page.wait_for_selector(".pgs-card h3:has-text('Tiny')")
    page.focus("button:has-text('Take the sample voice')")
    page.keyboard.press("Enter")
    page.wait_for_function("/0:0[1-9]/.test(document.querySelector('#voice').innerText)")
    page.focus("#consent input")
    page.keyboard.press("Space")
    page.wait_for_selector("#generate:not([disabled])")
    page.focus("#generate")
    page.keyboard.press("Enter")
    says(page, "Done")


def test_what_is_drawn_fast_enough_plays_while_it_is_made(visit, sounds, monkeypatch):
    """The growing file, whose jobs end at once here, is shown and left again for the finished one."""
    from hub.tabs import create

    monkeypatch.setattr(create, "is_ready", lambda job, pace: job.live.is_file())
    page = visit()
    ask(page, sounds["tone"])
    says(page, "Done")
    page.wait_for_selector("#video video >> visible=true")
    page.wait_for_function("document.querySelector('#live video') === null")


def test_a_video_is_judged_and_placed(visit, results):
    clip = results.clips["drawn/one"]
    page = visit("?tab=submit")
    page.click("#judge")
    page.wait_for_selector("#prediction >> text=drop it here")
    page.set_input_files("#prediction input[type=file]", clip.videos["PGSTalker"])
    page.wait_for_selector("#prediction video")
    page.set_input_files("#truth input[type=file]", clip.truth)
    page.wait_for_selector("#truth video")
    page.click("#judge")
    page.wait_for_selector("#scores td >> text=psnr ↑ dB", timeout=120_000)
    page.fill("#its-method input, #its-method textarea", "my-method")
    with page.expect_download() as saved:
        page.click("#save-record")
    with zipfile.ZipFile(saved.value.path()) as file:
        assert sorted(file.namelist()) == ["scores.json", "scores.npz"]
        assert json.loads(file.read("scores.json"))["method"]["id"] == "my-method"


def test_who_waits_to_be_judged_can_stop(visit, results, monkeypatch):
    from hub.tabs import evaluate

    may_end, judge = threading.Event(), evaluate.judge

    def crawl(*arguments, **options):
        may_end.wait(60)
        return judge(*arguments, **options)

    monkeypatch.setattr(evaluate, "judge", crawl)
    pages = [visit("?tab=submit"), visit("?tab=submit")]
    for page, waits in zip(pages, ("text=/\\ds/", "text=/queue: /")):
        page.set_input_files("#prediction input[type=file]", results.clips["drawn/one"].videos["PGSTalker"])
        page.wait_for_selector("#prediction video")
        page.click("#judge")
        page.wait_for_selector(f"#judge-status >> {waits}")
    for page in pages:
        page.click("#judge-stop")
        page.wait_for_timeout(500)
    may_end.set()
    for page in pages:
        page.wait_for_selector("#judge-status >> text=Stopped. Nothing was kept.")


def test_a_submission_is_linted_on_the_page(visit, tmp_path):
    page = visit("?tab=submit")
    page.click("#lint")
    page.wait_for_selector("text=no submission yet")
    with page.expect_download(timeout=60_000) as saved:
        page.click("#example")
    saved.value.save_as(tmp_path / "example.zip")
    page.set_input_files("#submission input[type=file]", tmp_path / "example.zip")
    page.wait_for_selector("#submission .file-preview")
    page.click("#lint")
    page.wait_for_selector("#rules li.met")
