"""Making an avatar in a real browser: through a reload, a killed worker, a change of mind, and past other visitors."""

from __future__ import annotations

import os
import signal
import subprocess
import zipfile

import pytest

from pgstalker.avatar import Avatar
from pgstalker.media import probe
from pgstalker.provenance import read_credentials
from tests.hub import workers
from tests.hub.workshop import cut_clip, open_workshop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PATIENCE_MS = 180_000


@pytest.fixture(scope="module")
def workshop(gallery, tmp_path_factory):
    with open_workshop(gallery, tmp_path_factory.mktemp("workshop"), workers.training_a_clip) as workshop:
        yield workshop


@pytest.fixture(scope="module")
def address(workshop):
    """In place of the other tests' page."""
    return workshop.address


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return cut_clip(tmp_path_factory.mktemp("clip"))


def open_section(page) -> None:
    page.click("#new-avatar button >> nth=0")
    page.wait_for_selector("#portrait >> visible=true")


def start(page, clip, name="Ada") -> str:
    """Upload, agree, start; returns the job's id."""
    open_section(page)
    page.set_input_files("#portrait input[type=file]", clip)
    page.wait_for_selector("#check .pgs-check >> visible=true", timeout=60_000)
    page.fill("#title input, #title textarea", name)
    assert not page.is_enabled("#start")
    page.check("#agreed input")
    page.wait_for_selector("#start:not([disabled])")
    page.click("#start")
    page.wait_for_function("new URLSearchParams(location.search).get('job')?.length === 32")
    page.wait_for_selector("#job .pgs-status >> visible=true")
    return page.evaluate("new URLSearchParams(location.search).get('job')")


def wait_for(page, selector: str, words: str) -> None:
    page.wait_for_function(
        "([at, words]) => document.querySelector(at)?.innerText.includes(words)", arg=[selector, words],
        timeout=PATIENCE_MS,
    )  # fmt: skip


def test_a_video_becomes_an_avatar_though_page_and_worker_die(visit, workshop, clip, tmp_path):
    page = visit()
    job = start(page, clip)
    wait_for(page, "#course", "points of the face")
    page.reload()
    page.wait_for_selector("#job .pgs-status >> visible=true")
    assert "Ada" in page.inner_text("#job") and page.input_value("#job-id textarea, #job-id input") == job
    wait_for(page, "#picture", "step")
    before = workshop.studio.supervisor.pid
    os.kill(before, signal.SIGKILL)
    page.context.close()

    page = visit(f"?job={job}")
    wait_for(page, "#job", "Ada is done")
    assert workshop.studio.supervisor.pid != before
    page.wait_for_function("document.querySelector('#first-words video')?.readyState >= 2")
    page.wait_for_selector("#who >> text=Ada")
    page.wait_for_function("document.querySelector('.pgs-card h3').innerText.startsWith('Ada')")
    with page.expect_download() as download:
        page.click("#take-avatar")
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path)
    assert Avatar.load(tmp_path / "avatar").talker.size == 128
    left = {path.name for path in (workshop.root / job).iterdir()}
    assert left == {"order.json", "progress.json", "preview.jpg", "avatar", "sample.mp4"}
    assert probe(workshop.root / job / "sample.mp4").audio is not None
    assert read_credentials(workshop.root / job / "sample.mp4")["state"] == "Valid"

    other = visit()  # somebody else, who has no id
    assert "Ada" not in other.inner_text("body")
    open_section(other)
    assert other.is_visible("#start") and not other.is_visible("#job")


def test_a_change_of_mind(visit, clip):
    page = visit()
    job = start(page, clip, "Bea")
    wait_for(page, "#course", "points of the face")
    page.click("#stop-job")
    wait_for(page, "#job", "Bea: stopped")
    page.wait_for_selector("#stop-job", state="hidden")
    page.click("#resume-job")
    page.wait_for_selector("#stop-job >> visible=true")
    wait_for(page, "#job", "Bea: reading the video")
    page.click("#stop-job")
    wait_for(page, "#job", "Bea: stopped")
    page.click("#another")
    page.wait_for_selector("#start >> visible=true")
    page.wait_for_function("!location.search.includes('job')")
    page.fill("#job-id textarea, #job-id input", job)
    page.click("#open-job")
    wait_for(page, "#job", "Bea: stopped")


def test_two_visitors_make_two_avatars(visit, clip):
    """The second one waits while the first one's is made, and neither sees the other's."""
    one, two = visit(), visit()
    start(one, clip, "Cleo")
    wait_for(one, "#job", "Cleo: reading the video")
    start(two, clip, "Dora")
    wait_for(two, "#job", "Dora: waiting for its turn")
    assert "Dora" not in one.inner_text("body") and "Cleo" not in two.inner_text("body")
    one.click("#stop-job")
    wait_for(one, "#job", "Cleo: stopped")
    wait_for(two, "#job", "Dora: reading the video")
    two.click("#stop-job")
    wait_for(two, "#job", "Dora: stopped")


def test_a_full_queue_says_so_beside_the_video(visit, clip, workshop, monkeypatch):
    monkeypatch.setattr(workshop.studio.queue, "max_waiting", 0)
    page = visit()
    open_section(page)
    page.set_input_files("#portrait input[type=file]", clip)
    page.wait_for_selector("#check .pgs-check >> visible=true", timeout=60_000)
    page.check("#agreed input")
    page.click("#start:not([disabled])")
    page.wait_for_selector("text=The queue is full (0 avatars wait, at most 0); try again later.")


def test_the_keyboard_is_enough(visit, clip):
    page = visit()

    def reach(selector: str) -> None:
        for _ in range(80):
            if page.evaluate("at => !!document.activeElement?.closest(at)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")

    reach("#new-avatar .label-wrap")
    page.keyboard.press("Enter")
    page.wait_for_selector("#portrait >> visible=true")
    page.set_input_files("#portrait input[type=file]", clip)
    page.wait_for_selector("#check .pgs-check >> visible=true", timeout=60_000)
    reach("#agreed")
    page.keyboard.press("Space")
    page.wait_for_selector("#start:not([disabled])")
    reach("#start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stop-job >> visible=true")
    reach("#stop-job")
    page.keyboard.press("Enter")
    wait_for(page, "#job", "stopped")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("0" * 32, "There is no job of this id any more; its time may be over, start a new one."),
        ("../../etc/passwd", "That is no job id: it has 32 digits and letters from a to f; copy the whole of it."),
    ],
)
def test_a_number_of_no_job(visit, number, sentence):
    page = visit(f"?job={number}")
    page.wait_for_selector(f"#job-trouble >> text={sentence}")
    assert page.is_visible("#start")


def test_a_video_that_does_not_do_says_why(visit, clip, tmp_path):
    page, silent = visit(), tmp_path / "silent.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-an", "-c", "copy", silent], check=True)
    open_section(page)
    page.set_input_files("#portrait input[type=file]", silent)
    page.wait_for_selector("#check >> text=silent.mp4 has no audio stream; give a file with sound.")
    page.check("#agreed input")
    page.wait_for_timeout(500)
    assert not page.is_enabled("#start")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_it_fits_and_is_clean(visit, clip, width, scheme):
    page = visit("", width, scheme)
    open_section(page)
    page.set_input_files("#portrait input[type=file]", clip)
    page.wait_for_selector("#check .pgs-check >> visible=true", timeout=60_000)
    report = page.inner_text("#check")
    for topic in ("Length", "Picture", "Sound", "Face", "Light", "Sharpness", "Mouth", "Framing"):
        assert topic in report
    assert page.locator("#check img").count() == 1 and "6.2 s is short" in report
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
