"""Create behind the page: what may be asked for, a video that is watched while it grows, a shelf with pictures."""

from __future__ import annotations

import asyncio
import types

import pytest

from hub import spaces
from hub.components import gallery_style
from hub.jobs import Gallery, SpeakingJob, Wishes
from hub.live import LEAST_PACE, Live, is_ready
from hub.tabs.create import Speaker, wishes
from pgstalker.errors import PgsError
from pgstalker.gaussians.ply import read_ply
from pgstalker.media import probe


@pytest.fixture
def job(gallery, sounds):
    job = SpeakingJob(gallery, "tiny", sounds["tone"], Wishes(seed=2, pose="still", size=128, label=False))
    yield job
    job.close()


async def body(response) -> bytes:
    return b"".join([block async for block in response.body_iterator])


def request(name: str):
    return types.SimpleNamespace(path_params={"name": name})


def test_what_grows_is_served_to_whoever_knows_its_name_and_to_nobody_else(job, tmp_path):
    from starlette.exceptions import HTTPException

    live = Live()
    address = live.open(job)
    name = address.removeprefix("live/").removesuffix(".mp4")
    assert len(name) >= 24
    while not job.live.is_file():
        pass

    async def watch():
        return await body(await live._serve(request(name)))

    content = asyncio.run(watch())
    (tmp_path / "seen.mp4").write_bytes(content)
    assert job.is_over and probe(tmp_path / "seen.mp4").audio is not None, "to the end, though it began before"
    live.close(address)
    for wrong in (name, "../tiny", ""):
        with pytest.raises(HTTPException):
            asyncio.run(live._serve(request(wrong)))


def test_wishes_reach_the_video(job):
    list(job.updates(every_s=0.01))
    assert probe(job.video).video.width == 128
    assert (job.receipt["seed"], job.receipt["pose"], job.receipt["label"]) == (2, "still", False)


def test_playing_begins_where_it_does_not_catch_up(job):
    list(job.updates(every_s=0.01))
    assert is_ready(job, LEAST_PACE) and not is_ready(job, LEAST_PACE - 0.1) and not is_ready(job, None)


def test_a_public_space_keeps_its_label(monkeypatch):
    assert wishes("still", 3, 256, False) == Wishes(3, "still", 256, False)
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert wishes("own", None, 0, False) == Wishes(0, "own", None, True)
    for seed in (-1, 2**32):
        with pytest.raises(PgsError, match="whole number"):
            wishes("own", seed, 0, True)


def test_zero_gpu_s_decorator_is_used_where_it_is(monkeypatch):
    def function():
        return 1

    assert spaces.on_gpu(function, "cuda") is function, "not installed here"
    lent = []
    fake = types.ModuleType("spaces")
    fake.GPU = lambda duration: lambda wrapped: lent.append(duration) or (lambda: wrapped() + 1)
    monkeypatch.setitem(__import__("sys").modules, "spaces", fake)
    monkeypatch.setattr(spaces, "find_spec", lambda name: object())
    assert spaces.on_gpu(function, "cuda", 30)() == 2 and lent == [30]
    assert spaces.on_gpu(function, "cpu") is function


def test_the_shelf_carries_pictures(gallery):
    style = gallery_style(gallery)
    assert style.count("data:image/jpeg") == len(gallery.sitters) and 'value="tiny"' in style


def test_an_avatar_that_was_put_on_the_shelf_stands_there_when_the_page_is_loaded(gallery, tiny_avatar, tmp_path):
    own = Gallery(gallery.sample_data, tmp_path / "avatars")
    speaker = Speaker(own, 3.0, Live())
    assert [name for _, name in speaker.shelf()[0]["choices"]] == ["tiny"]
    tiny_avatar.save(tmp_path / "avatars" / "me")
    choices, pictures = speaker.shelf()
    assert ("me", "me") in choices["choices"] and 'value="me"' in pictures


def test_the_head_is_exported_once(gallery):
    speaker = Speaker(gallery, 3.0, Live())
    path = speaker.head("tiny")["value"]
    assert speaker.head("tiny")["value"] == path
    means = read_ply(path)["means"]
    assert len(means) == 170 and abs(means).max() < 5, "the head without the torso, in units that a viewer sees"
