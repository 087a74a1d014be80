"""Making an avatar as a client sees it: /prepare, /train and /status, what they refuse, and in which words."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from pgstalker.media import VideoWriter, read_frames
from tests.hub import workers
from tests.hub.workshop import cut_clip, open_workshop

gradio_client = pytest.importorskip("gradio_client")
RATE = 16_000


@pytest.fixture(scope="module")
def workshop(gallery, tmp_path_factory):
    """Its worker takes no job, so that the queue fills."""
    with open_workshop(gallery, tmp_path_factory.mktemp("workshop"), workers.idle) as workshop:
        yield workshop


@pytest.fixture(scope="module")
def client(workshop, tmp_path_factory):
    return gradio_client.Client(workshop.address, verbose=False, download_files=str(tmp_path_factory.mktemp("got")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return cut_clip(tmp_path_factory.mktemp("clip"))


def film(path, pictures, seconds=6.0, sound=True):
    """A video of pictures that come round, with a tone."""
    tone = (0.2 if sound else 0.0) * np.sin(np.arange(int(seconds * RATE)) / 10)
    pictures = [np.asarray(picture, np.uint8) for picture in pictures]
    with VideoWriter(
        path, pictures[0].shape[1], pictures[0].shape[0], audio=(tone, RATE), preset="ultrafast"
    ) as writer:
        for number in range(round(seconds * 25)):
            writer.write(pictures[number % len(pictures)])
    return path


@pytest.fixture(scope="module")
def videos(clip, tmp_path_factory):
    """Videos by name, each with one thing wrong."""
    folder = tmp_path_factory.mktemp("videos")
    frame = next(read_frames(clip))
    small = np.full((720, 1280, 3), 90, np.uint8)
    small[300:396, 500:596] = frame[::2, ::2][80:176, 80:176]
    cases = {
        "faceless": ([np.full((256, 256, 3), 120)], {}),
        "crowded": ([np.concatenate([frame, frame], 1)], {}),
        "dark": ([frame * 0.12], {}),
        "still": ([frame], {}),
        "silent": ([frame], {"sound": False}),
        "short": ([frame], {"seconds": 3.0}),
    }
    made = {name: film(folder / f"{name}.mp4", pictures, **how) for name, (pictures, how) in cases.items()}
    blurred = folder / "blurred.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-vf", "gblur=sigma=9", "-c:a", "copy", blurred], check=True)
    lazy = folder / "slow.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-r", "8", "-c:a", "copy", lazy], check=True)
    (folder / "words.mp4").write_text("no video at all")
    return made | {"blurred": blurred, "slow": lazy, "words": folder / "words.mp4"}


def as_video(path):
    return gradio_client.handle_file(str(path))


def train(client, video, title="Ada", preset="quick", consent=True):
    return client.predict(as_video(video), title, preset, consent, api_name="/train")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("faceless", "no face found in the video (0 of 30 frames); give a video of one person's face"),
        ("crowded", "two faces found in the video"),
        ("dark", "face is too dark (brightness"),
        ("still", "the mouth hardly moves in the video; the person must be seen speaking"),
        ("silent", "the video: audio is silent (-"),
        ("short", "the video has 3.0 s of picture with sound; give at least 5 s"),
        ("blurred", "face is out of focus (sharpness"),
        ("slow", "the video shows 8 pictures a second; record it with 25 or more"),
        ("words", "words.mp4 cannot be read as video or sound"),
    ],
)
def test_what_is_wrong_with_a_video_is_said(client, videos, name, sentence):
    report = client.predict(as_video(videos[name]), api_name="/prepare")
    assert not report["is_fit"] and sentence in report["problem"]
    with pytest.raises(Exception, match="video: ") as caught:
        train(client, videos[name])
    assert sentence in str(caught.value).splitlines()[-1]


def test_its_endpoints_have_names_and_types(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    taken = {name: [p["parameter_name"] for p in endpoints[name]["parameters"]] for name in endpoints}
    assert taken["/prepare"] == ["video"] and taken["/status"] == ["job"]
    assert taken["/train"] == ["video", "title", "preset", "consent"]
    assert [len(endpoints[name]["returns"]) for name in ("/prepare", "/train", "/status")] == [1, 1, 1]


def test_a_good_video_is_told_all_about(client, clip):
    report = client.predict(as_video(clip), api_name="/prepare")
    assert report["is_fit"] and report["problem"] == "" and 6 < report["seconds"] < 6.5
    topics = [finding["topic"] for finding in report["findings"]]
    assert topics == ["Length", "Picture", "Sound", "Face", "Light", "Sharpness", "Mouth", "Framing"]
    assert report["findings"][0]["verdict"] == "fair" and "30 s are good" in report["findings"][0]["remedy"]
    assert report["preview"].startswith("data:image/jpeg;base64,")


def test_the_server_asks_for_consent_and_a_known_quality(client, clip):
    with pytest.raises(Exception, match="consent: Please confirm that the person agreed"):
        train(client, clip, consent=False)
    with pytest.raises(Exception, match="400 Bad Request"):
        train(client, clip, preset="paper")


def test_a_job_is_known_by_its_id_until_the_queue_is_full(client, clip, workshop):
    jobs = [train(client, clip, title=f"Ada {number}") for number in range(2)]
    assert all(job["state"] == "waiting" and len(job["job"]) == 32 for job in jobs)
    status = client.predict(jobs[1]["job"], api_name="/status")
    assert status["state"] == "waiting" and status["ahead"] == 1 and status["share"] == 0 and status["problem"] == ""
    with pytest.raises(Exception, match=r"The queue is full \(2 avatars wait, at most 2\); try again later"):
        train(client, clip)
    with pytest.raises(Exception, match="There is no job of this id any more"):
        client.predict("0" * 32, api_name="/status")
    with pytest.raises(Exception, match="That is no job id"):
        client.predict("../" + jobs[0]["job"], api_name="/status")
    workshop.studio.stop(jobs[0]["job"])
    assert client.predict(jobs[0]["job"], api_name="/status")["state"] == "stopped"
    names = {path.name for path in workshop.root.rglob("*")}
    assert not any("portrait" in name or "<" in name for name in names)  # the visitor's file name is nowhere


def test_the_jobs_folder_is_served_to_nobody(workshop, client, clip):
    import urllib.error
    import urllib.request

    inside = next(path for path in workshop.root.glob("*/video"))
    for path in (inside, workshop.root / "queue.sqlite"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{workshop.address}gradio_api/file={path}", timeout=10)
        assert refused.value.code in (403, 404)
