"""The page as a client sees it: a tone becomes a video with sound; bad uploads get one line; nothing else is open."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from pgstalker.media import probe

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture(scope="module")
def client(address, tmp_path_factory):
    return gradio_client.Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def generate(client, sound, consent=True, avatar="tiny"):
    job = client.submit(avatar, gradio_client.handle_file(str(sound)), consent, api_name="/generate")
    return job.result(timeout=60)


def test_a_tone_becomes_a_video_with_sound(client, sounds):
    video, status, _, receipt = generate(client, sounds["tone"])
    path = video["video"] if isinstance(video, dict) else video
    info = probe(path)
    assert info.audio is not None and info.video.frames == 38
    assert "Done" in status and receipt["frames"] == 38 and receipt["avatar"] == "tiny"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("text", "cannot be read"), ("silent", "is silent"), ("short", "at least 0.5 s"), ("long", "at most 3 s")],
)
def test_a_bad_upload_gets_one_clear_line(client, sounds, name, reason):
    with pytest.raises(Exception, match="audio: ") as caught:
        generate(client, sounds[name])
    line = str(caught.value).splitlines()[-1]
    assert reason in line and f"{name}.wav" in line


def test_consent_and_avatar_are_checked_by_the_server(client, sounds):
    with pytest.raises(Exception, match="confirm that you may use this voice"):
        generate(client, sounds["tone"], consent=False)
    with pytest.raises(Exception, match="400 Bad Request"):
        generate(client, sounds["tone"], avatar="../own/mine")


def test_only_one_endpoint_is_public(client):
    assert list(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == ["/generate"]


@pytest.mark.parametrize("path", ["monitoring", "gradio_api/runs", "gradio_api/file=/etc/hostname"])
def test_nothing_else_is_served(address, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address + path, timeout=10)
    assert refused.value.code in (403, 404)


def test_a_taken_port_is_one_line(address, services):
    from hub.app import build, launch
    from pgstalker.errors import EnvironmentMissing

    with pytest.raises(EnvironmentMissing, match="--port"):
        launch(build(services), "127.0.0.1", int(address.rsplit(":", 1)[1].strip("/")), block=False)
