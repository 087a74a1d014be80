"""The page as a client sees it: a tone becomes a video with sound; bad uploads get one line; nothing else is open."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pgstalker.media import probe

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture(scope="module")
def client(address, tmp_path_factory):
    return gradio_client.Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def generate(client, sound, consent=True, avatar="tiny", **more):
    job = client.submit(avatar=avatar, audio=gradio_client.handle_file(str(sound)), consent=consent, **PLAIN | more)
    return job.result(timeout=60)


PLAIN = {"seed": 0, "pose": "own", "size": 0, "label": True, "api_name": "/generate"}


def test_a_tone_becomes_a_video_with_sound(client, sounds):
    video, receipt = generate(client, sounds["tone"])
    info = probe(video)
    assert info.audio is not None and info.video.frames == 38
    assert receipt["frames"] == 38 and receipt["avatar"] == "tiny" and receipt["label"] is True


def test_what_is_generated_is_the_command_line_s_byte_for_byte(client, sounds, gallery, tmp_path):
    from pgstalker.__main__ import main

    wish = ["--seed", "3", "--pose", "still", "--size", "96"]
    avatar = str(gallery.sitter("tiny").folder)
    out = tmp_path / "cli.mp4"
    assert main(["render", avatar, "--audio", str(sounds["tone"]), "--out", str(out), "--no-credentials", *wish]) == 0
    video, receipt = generate(client, sounds["tone"], seed=3, pose="still", size=96)
    assert receipt["pose"] == "still" and probe(video).video.width == 96
    assert media_data(video) == media_data(out) and len(media_data(out)) > 10_000


def media_data(video) -> bytes:
    """The coded pictures and sound of an mp4. Around them a signature, which holds the time, shifts the index."""
    content, at = Path(video).read_bytes(), 0
    while content[at + 4 : at + 8] != b"mdat":
        at += int.from_bytes(content[at : at + 4], "big")
    return content[at + 8 : at + int.from_bytes(content[at : at + 4], "big")]


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
    with pytest.raises(Exception, match=r"No avatar yet|no such avatar"):
        generate(client, sounds["tone"], avatar="../own/mine")


@pytest.mark.parametrize(("wish", "reason"), [({"seed": -1}, "Seed -1"), ({"size": 9}, "Size 9 is not possible")])
def test_a_wish_that_cannot_be_is_one_clear_line(client, sounds, wish, reason):
    with pytest.raises(Exception, match=reason):
        generate(client, sounds["tone"], **wish)


def test_a_score_is_the_record_of_the_board(client, results):
    clip = results.clips["drawn/one"]
    files = {"prediction": clip.videos["PGSTalker"], "truth": clip.truth}
    record = client.predict(
        **{name: gradio_client.handle_file(str(path)) for name, path in files.items()}, audio=None, setting="",
        composite="full_frame", codec="lossless", metrics=["psnr"], allow=[], api_name="/score",
    )  # fmt: skip
    row = next(row for row in results.rows if row["method"] == "pgstalker")
    known, _ = results.record(row["clips"][0])
    assert record["metrics"]["psnr"] == known["metrics"]["psnr"]


def test_what_about_tells_programmers_works(client, sounds, results):
    """The calls of the tab About, word for word but for the names of the files."""
    video, receipt = client.predict("tiny", gradio_client.handle_file(str(sounds["tone"])), True, api_name="/generate")
    assert probe(video).video.frames == receipt["frames"]
    clip = results.clips["drawn/one"]
    files = {name: gradio_client.handle_file(str(clip.truth)) for name in ("prediction", "truth")}
    record = client.predict(**files, audio=None, api_name="/score")
    assert record["metrics"]["psnr"]["value"] == 100.0


def test_the_leaderboard_is_the_compiled_board(client, results):
    board = client.predict(dataset="drawn", setting="self", search="still", api_name="/leaderboard")
    assert [row["method"] for row in board["rows"]] == ["still-frame"] and board["metrics"] == results.metrics
    assert client.predict(api_name="/leaderboard")["rows"] == results.rows


def test_a_file_of_the_server_is_not_taken_for_an_upload(client):
    """Whoever names a path instead of uploading a file gets nothing of it."""
    with pytest.raises(Exception, match=r"."):
        client.predict(
            "tiny", {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, True, 0, "own", 0, True,
            api_name="/generate",
        )  # fmt: skip


SIGNATURES = {
    "/generate": (
        {"avatar": "str", "audio": "filepath", "consent": "bool", "seed": "int", "pose": "Literal['own', 'still']",
         "size": "int", "label": "bool"},
        ["filepath", "str | float | bool | list | dict"],
    ),
    "/score": (
        {"prediction": "filepath", "truth": "filepath", "audio": "filepath", "setting": "Literal['', 'self', 'cross']",
         "composite": "Literal['gt_torso', 'rendered_torso', 'pasteback', 'full_frame']",
         "codec": "Literal['lossless', 'h264_q8']", "metrics": None,
         "allow": "list[Literal['resample', 'cut', 'align', 'every_frame']]"},
        ["str | float | bool | list | dict"],
    ),
    "/leaderboard": ({"dataset": "str", "setting": "str", "search": "str"}, None),
}  # fmt: skip
"""The typed snapshot: a client that was written once keeps working. None: longer than is worth repeating."""


def test_the_endpoints_keep_their_names_and_types(client):
    found = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(found) == set(SIGNATURES), "New avatar adds /prepare, /train and /status where there is a studio"
    for name, (parameters, returns) in SIGNATURES.items():
        types = {each["parameter_name"]: each["python_type"]["type"] for each in found[name]["parameters"]}
        assert list(types) == list(parameters), name
        for parameter, kind in parameters.items():
            assert kind in (None, types[parameter]), (name, parameter, types[parameter])
        if returns is not None:
            assert [each["python_type"]["type"] for each in found[name]["returns"]] == returns, name


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
