"""What the page calls ends in a sentence, whatever goes wrong in it; and what the page says of itself is true."""

from __future__ import annotations

from functools import partial

import gradio as gr
import pytest

from hub import messages
from hub.app import build
from hub.jobs import Studio, StudioSettings, WorkerSettings
from hub.tabs import about
from leaderboard.metrics import discover
from pgstalker.errors import MediaError
from tests.hub import workers

PLAIN = {
    "Speaker.generate": "a generator, which puts the page back before it raises",
    "_connect.<locals>.<lambda>": "constants",
    "build.<locals>.<lambda>": "constants",
    "_form.<locals>.<lambda>": "constants",
    "_job.<locals>.<lambda>": "constants, and an entry of what train() returned",
    "str": "a path that was there when the page was laid out",
}
"""Handlers that cannot go wrong, or tell for themselves."""


@pytest.fixture
def studio(tmp_path):
    studio = Studio(
        StudioSettings(WorkerSettings(tmp_path / "jobs", "cpu", shelf=tmp_path / "mine"), entry=workers.idle)
    )
    yield studio
    studio.close()


def test_every_handler_of_the_page_tells_what_went_wrong(services, studio):
    from dataclasses import replace

    called = []
    for event in build(replace(services, studio=studio)).fns.values():
        called += [each for each in (event.fn, event.validator) if each is not None]
    called = [each.func if isinstance(each, partial) else each for each in called]
    bare = {each.__qualname__ for each in called if not getattr(each, "is_handler", False)}
    assert len(called) > 50 and bare <= set(PLAIN)


def test_a_handler_turns_what_goes_wrong_into_one_line(caplog):
    def fail(problem):
        raise problem

    with pytest.raises(gr.Error, match=r"^'x.mp4 cannot be read[.]'$"):
        messages.handler(fail)(MediaError("x.mp4 cannot be read"))
    with pytest.raises(gr.Error, match=r"It is in the log as [0-9a-f]{6}") as caught:
        messages.handler(fail)(KeyError("secret"))
    number = caught.value.message.rstrip(".").rpartition(" ")[2]
    assert f"error {number}" in caplog.text and "secret" not in caught.value.message
    with pytest.raises(gr.Error, match=r"as it is"):
        messages.handler(fail)(gr.Error("as it is"))


def test_the_footer_names_whom_to_tell():
    assert "Tell whoever runs this page:" in messages.footer("")
    assert '<a href="mailto:me@home">me@home</a>' in messages.footer("me@home")
    assert '<a href="https://home/&quot;">' in messages.footer('https://home/"')


def test_about_says_what_stays_and_how_avatars_are_made(studio, tmp_path):
    assert f"folder `{tmp_path / 'mine'}`" in about.kept(studio) and about.kept(None) == ""
    shared = Studio(StudioSettings(WorkerSettings(tmp_path / "others", "cpu"), entry=workers.idle))
    try:
        assert "deleted 24 hours after it was made" in about.kept(shared)
    finally:
        shared.close()
    for name in ("/prepare", "/train", "/status", "/generate", "/score", "/leaderboard"):
        assert name in about.CALLS + about.CALLS_OF_MAKING


def test_every_figure_says_what_misleads_it():
    assert all(0 < len(metric.pitfalls) <= 120 and "\n" not in metric.pitfalls for metric in discover().values())
    assert "blur costs less" in about.metric_cards()


def test_without_what_measures_the_page_says_so_before_anybody_uploads(services, monkeypatch):
    from hub.tabs import compare, evaluate

    for tab in (compare, evaluate):
        monkeypatch.setattr(tab, "can_judge", lambda: False)
    blocks = {block.elem_id: block for block in build(services).blocks.values() if getattr(block, "elem_id", None)}
    assert not any(blocks[name].interactive for name in ("judge", "measure", "example"))
    assert "cannot judge videos" in blocks["judge-status"].value
