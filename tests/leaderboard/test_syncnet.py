"""SyncNet's adapter against the package's own evaluation, and against offsets that were planted."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from leaderboard import syncnet
from leaderboard.case import Failed, NotApplicable
from leaderboard.faces import FaceTrack
from leaderboard.metrics.sync import METRIC, readings
from leaderboard.protocol import Protocol
from leaderboard.scoring import ScoreRequest, score
from pgstalker.errors import WeightsError
from pgstalker.media import VideoWriter, read_frames, read_jpeg_frames, write_wav
from tests.leaderboard.drawn import landmarks, run

FRAMES, SIDE = 48, 96
RATE_HZ = 16_000


class StillEyes:
    """Sees one face in the middle of every picture."""

    def examine(self, image: np.ndarray):
        centre = image.shape[0] / 2
        points = (landmarks(8) - [88, 88, 0]) * 0.4 + [centre, centre, 0]
        return [(points.astype(np.float32), {"jawOpen": 0.5})]

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        """Nothing to close."""


@dataclass
class Planted:
    """A clip whose pictures say nothing, and a network that was made to hear its own sound in them."""

    frames: np.ndarray
    samples: np.ndarray
    pictures: list[np.ndarray]
    lips: torch.Tensor
    network: torch.nn.Module
    weights: Path
    video: Path


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Planted:
    """Random layers, statistics set on this clip, and a last lip layer fitted by ridge to the sound's features."""
    from syncnet_python import SyncNetModel

    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (FRAMES, 3, 6, 6)))
    smooth = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 255)
    frames = smooth.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    loud = np.repeat(rng.uniform(0.02, 0.5, FRAMES * 2), 320)
    tone = np.sin(2 * np.pi * np.cumsum(np.repeat(rng.uniform(200, 5000, FRAMES), 640)) / RATE_HZ)
    samples = (loud * (0.7 * tone + 0.3 * rng.normal(size=len(tone))) * 0.6).clip(-1, 1).astype(np.float32)
    video = folder / "clip.mkv"
    with VideoWriter(video, SIDE, SIDE, codec="ffv1") as writer:
        for frame in frames:
            writer.write(frame)
    torch.manual_seed(0)
    network = SyncNetModel()
    _settle(network, _crops(frames), samples)
    windows = syncnet.window_count(FRAMES, len(samples))
    pictures = _jpegs(frames, folder)
    with torch.inference_mode():
        stack = torch.from_numpy(np.stack(pictures)[..., ::-1].copy()).float()
        hidden = network.netfclip[:-1](network.netcnnlip(stack.permute(3, 0, 1, 2)[None])[0, :, :, 0, 0].T)[:windows]
        target = syncnet.sound_features(network, samples, windows, "cpu")
    bias = target.mean(0)
    gram = hidden @ hidden.T
    weight = hidden.T @ torch.linalg.solve(gram + 1e-3 * gram.diagonal().mean() * torch.eye(windows), target - bias)
    network.netfclip[-1].weight.data, network.netfclip[-1].bias.data = weight.T.contiguous().clone(), bias.clone()
    torch.save(network.state_dict(), folder / syncnet.FILE)
    with torch.inference_mode():
        lips = network.netfclip[-1](hidden)
    return Planted(frames, samples, pictures, lips, network.eval(), folder, video)


def _settle(network: torch.nn.Module, crops: list[np.ndarray], samples: np.ndarray) -> None:
    """Normalisation statistics of this clip, so that a random network does not flatten it."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            layer.momentum = None
    with torch.no_grad():
        stack = torch.from_numpy(np.stack(crops[:20])[..., ::-1].copy()).float().permute(3, 0, 1, 2)[None]
        network.netfclip(network.netcnnlip(stack)[0, :, :, 0, 0].T)
        syncnet.sound_features(network, samples, 32, "cpu")
    network.eval()


def _crops(frames: np.ndarray) -> list[np.ndarray]:
    track = FaceTrack.of(StillEyes().examine(frame)[0] for frame in frames)
    return [syncnet.crop(frame, box) for frame, box in zip(frames, syncnet.crop_boxes(track))]


def _crop_file(frames: np.ndarray, folder: Path) -> Path:
    path = folder / "crops.mkv"
    with VideoWriter(path, syncnet.SIDE, syncnet.SIDE, codec="ffv1") as writer:
        for picture in _crops(frames):
            writer.write(picture)
    return path


def _jpegs(frames: np.ndarray, folder: Path) -> list[np.ndarray]:
    return list(read_jpeg_frames(_crop_file(frames, folder)))


def test_on_the_same_pictures_and_sound_the_package_says_the_same(planted, tmp_path):
    import cv2
    from syncnet_python import SyncNetInstance

    crops = _crop_file(planted.frames, tmp_path)
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", "1", "-i", str(crops), "-threads", "1"]
    pictures = tmp_path / "reference"
    pictures.mkdir()
    subprocess.run([*command, "-pix_fmt", "yuvj420p", str(pictures / "%06d.jpg")], check=True)
    late = np.concatenate([np.zeros(3 * 640, np.float32), planted.samples])[: len(planted.samples)]
    write_wav(pictures / "audio.wav", late, RATE_HZ)

    mine = list(read_jpeg_frames(crops))
    stored = [cv2.imread(str(path)) for path in sorted(pictures.glob("*.jpg"))]
    assert len(mine) == len(stored) == FRAMES
    assert all(np.array_equal(own, other[..., ::-1]) for own, other in zip(mine, stored))

    options = type("Options", (), {"tmp_dir": str(pictures), "batch_size": 20, "vshift": syncnet.MOST_SHIFT})
    with torch.inference_mode():
        offset, confidence, distance = SyncNetInstance(planted.network, "cpu").evaluate(options)
    windows = syncnet.window_count(FRAMES, len(late))
    found = syncnet.score(planted.network, iter(mine), late, windows, "cpu")
    assert found.offset == offset == -3
    assert found.confidence == pytest.approx(confidence, abs=1e-3) and confidence > 0.1
    assert found.distance == pytest.approx(distance, abs=1e-3)


@pytest.mark.parametrize("early", [0, -3, 4])
def test_a_planted_offset_is_found(planted, early):
    silence = np.random.default_rng(1).normal(0, 0.01, abs(early) * 640).astype(np.float32)
    moved = planted.samples[early * 640 :] if early >= 0 else np.concatenate([silence, planted.samples])
    windows = syncnet.window_count(FRAMES, len(moved))
    with torch.inference_mode():
        table = syncnet.distances(
            planted.lips[:windows], syncnet.sound_features(planted.network, moved, windows, "cpu")
        )
    assert syncnet.summary(table)[0] == early


@pytest.mark.parametrize(("rate", "tail"), [(16_000, "-ac 1"), pytest.param(48_000, "-ac 2", marks=pytest.mark.slow)])
def test_the_encoders_priming_shifts_nothing(planted, rate, tail, tmp_path):
    """An AAC stream begins before time 0: a remux to a constant rate would show the first pictures twice."""
    write_wav(tmp_path / "said.wav", planted.samples, RATE_HZ)
    clip = tmp_path / "said.mp4"
    command = f"ffmpeg -nostdin -loglevel error -i {planted.video} -i {tmp_path}/said.wav -map 0:v -map 1:a"
    command += f" -c:v libx264 -crf 8 -pix_fmt yuv420p -c:a aac -ar {rate} {tail} {clip}"
    subprocess.run(command.split(), check=True)
    request = ScoreRequest(clip, metrics=("sync",), weights=planted.weights, protocol=Protocol("cross"))
    record = score(request, observer=StillEyes())
    cells = record["metrics"]
    assert cells["sync_offset"]["value"] == 0
    assert cells["sync_confidence"]["value"] > 0.1
    assert cells["sync_distance"]["details"]["crop"] == "mediapipe"
    assert cells["sync_distance"]["details"]["is_published_file"] is False
    assert len(cells["sync_distance"]["weights_sha256"]) == 64
    assert cells["sync_confidence"]["ci95"][0] < cells["sync_confidence"]["ci95"][1]
    assert cells["sync_confidence_gap"]["status"] == "not_applicable"


def test_other_lips_are_further_off_and_less_sure(planted):
    """Damage that the network sees: the same lips in another order."""
    windows = syncnet.window_count(FRAMES, len(planted.samples))
    order = np.random.default_rng(3).permutation(windows)
    with torch.inference_mode():
        sound = syncnet.sound_features(planted.network, planted.samples, windows, "cpu")
        true, other = (
            syncnet.SyncScore(*syncnet.summary(table), table)
            for table in (syncnet.distances(lips, sound) for lips in (planted.lips, planted.lips[order]))
        )
    right, wrong = readings(true, true, {}), readings(other, true, {})
    for key in ("sync_confidence", "sync_distance", "sync_confidence_gap"):
        figure = METRIC.cells()[key][0]
        assert figure.badness(right[key].value) < figure.badness(wrong[key].value), key


def test_the_truth_stands_beside_and_the_gap_between():
    """More confident than the person is as far off as less."""
    tables = [np.tile(np.r_[[4.0] * 30, best], (8, 1)) for best in (1.0, 2.0, 3.0)]
    high, true, low = (syncnet.SyncScore(*syncnet.summary(table), table) for table in tables)
    for own, confidence in ((high, 3.0), (low, 1.0)):
        found = readings(own, true, {"crop": "mediapipe"})
        assert found["sync_confidence_gap"].value == 1
        assert found["sync_confidence"].value == confidence
        assert found["sync_confidence"].details == {"crop": "mediapipe", "truth": 2.0}
    assert readings(true, true, {})["sync_confidence_gap"].value == 0


def test_streamed_lips_are_those_of_windows_that_are_copied_out(planted):
    pictures = planted.pictures[:17]
    with torch.inference_mode():
        streamed = syncnet.lip_features(planted.network, iter(pictures), 13, "cpu")
        stack = torch.from_numpy(np.stack(pictures)[..., ::-1].copy()).float()
        windows = torch.stack([stack[i : i + 5].permute(3, 0, 1, 2) for i in range(13)])
        torch.testing.assert_close(streamed, planted.network.forward_lip(windows), atol=1e-3, rtol=1e-4)


def test_cepstra_are_those_of_the_whole_recording(planted):
    from python_speech_features import mfcc

    integers = np.round(planted.samples * 32767).astype(np.int16)
    mine = syncnet.mfcc(planted.samples, 50)
    np.testing.assert_allclose(mine, mfcc(integers, RATE_HZ)[: len(mine)], atol=1e-9)


def test_the_crop_stays_in_the_picture_and_is_grey_outside():
    frame = np.full((96, 96, 3), 200, np.uint8)
    whole = syncnet.crop(frame, np.array([48.0, 40.0, 20.0]))
    assert whole.shape == (224, 224, 3) and (whole == 200).all()
    edge = syncnet.crop(frame, np.array([5.0, 48.0, 30.0]))
    assert (edge[:, 0] == syncnet.BORDER).all() and (edge[112, -1] == 200).all()


def test_the_crop_is_that_of_opencv(planted):
    import cv2

    frame, (x, y, half) = planted.frames[0], (48.0, 41.0, 17.3)
    pad = int(half * 1.8)
    padded = cv2.copyMakeBorder(frame, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(110, 110, 110))
    rows, columns = (
        slice(int(middle + pad - before * half), int(middle + pad + after * half))
        for middle, before, after in ((y, 1.0, 1.8), (x, 1.4, 1.4))
    )
    expected = cv2.resize(padded[rows, columns], (224, 224))
    assert np.abs(syncnet.crop(frame, np.array([x, y, half])).astype(int) - expected).max() <= 1


def test_what_cannot_be_judged_is_said(planted, case_of, faces):
    sound = planted.samples
    with pytest.raises(WeightsError, match=r"syncnet_v2.model is not at hand; fetch it from http.* put it into"):
        METRIC.begin(case_of(faces, audio=sound))
    with pytest.raises(NotApplicable, match="this video has 30; add --resample"):
        METRIC.begin(case_of(faces, audio=sound, fps=30.0))
    with pytest.raises(NotApplicable, match=r"5 frames with 1\.92 s of sound are too few"):
        METRIC.begin(case_of(faces[:5], audio=sound))
    with pytest.raises(NotApplicable, match=r"60 frames with 0\.12 s of sound are too few"):
        METRIC.begin(case_of(faces, audio=sound[:1920]))
    with pytest.raises(NotApplicable, match=r"6 frames with .* are too few; 7 frames with 0\.24 s are the least"):
        METRIC.begin(case_of(faces[:6], audio=sound))
    fewest = run(METRIC, case_of(faces[:7], audio=sound[: 6 * 640], weights=planted.weights), faces[:7], None)
    assert fewest["sync_distance"].status == "ok" and fewest["sync_distance"].n > 0
    with pytest.raises(Failed, match="no face was found"):
        METRIC.begin(case_of(0 * faces, audio=sound, weights=planted.weights))


def test_the_truth_is_heard_with_its_own_sound(planted, tmp_path):
    """The true frames under other words: the person is as confident as ever, the prediction is not."""
    own, other = (
        write_wav(tmp_path / f"{name}.wav", samples, RATE_HZ) or tmp_path / f"{name}.wav"
        for name, samples in (("own", planted.samples), ("other", planted.samples[::-1].copy()))
    )
    request = ScoreRequest(
        planted.video, planted.video, audio=other, truth_audio=own, metrics=("sync",), weights=planted.weights,
        device="cpu",
    )  # fmt: skip
    record = score(request, observer=StillEyes())
    cells = record["metrics"]
    gap = cells["sync_confidence_gap"]["value"]
    assert gap == pytest.approx(
        cells["sync_confidence"]["details"]["truth"] - cells["sync_confidence"]["value"], abs=1e-4
    )
    assert gap > 0.5 and record["inputs"]["truth_audio"]["file"] == "own.wav"
    same = score(replace(request, audio=own), observer=StillEyes())
    assert same["metrics"]["sync_confidence_gap"]["value"] == 0 and "truth_audio" not in same["inputs"]


def test_the_fewest_frames_still_have_a_crop(case_of, faces):
    track = case_of(faces[: syncnet.LEAST_FRAMES]).faces
    boxes = syncnet.crop_boxes(track)
    assert len(boxes) == 7 and (boxes[:, 2] > 20).all()
    assert all(syncnet.crop(faces[0], box).shape == (224, 224, 3) for box in boxes)
    assert not syncnet.crop_boxes(case_of(faces[:6]).faces).any(), "of fewer the zeros beyond the ends are the majority"


def test_frames_after_the_last_window_are_not_read(planted):
    read = []

    def frames():
        for picture in read_jpeg_frames(planted.video):
            read.append(len(read))
            yield np.zeros((224, 224, 3), np.uint8) + picture[:1, :1]

    found = syncnet.lip_features(planted.network, frames(), 3, "cpu")
    assert len(found) == 3 and len(read) <= 3 + syncnet.FRAMES


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04 half a zip", b"<html>not found</html>"])
def test_a_damaged_network_file_is_said(content, case_of, faces, planted, tmp_path):
    (tmp_path / syncnet.FILE).write_bytes(content)
    with pytest.raises(WeightsError, match=r"is not SyncNet's syncnet_v2.model .* fetch it again"):
        METRIC.begin(case_of(faces, audio=planted.samples, weights=tmp_path))


def test_a_still_table_gives_confidence_nought():
    table = np.full((9, 31), 4.0)
    found = readings(syncnet.SyncScore(*syncnet.summary(table), table), None, {})
    assert found["sync_confidence"].value == 0 and found["sync_distance"].value == 4


def test_frames_of_the_pipe_are_all_there(planted):
    assert sum(1 for _ in read_frames(planted.video)) == sum(1 for _ in read_jpeg_frames(planted.video)) == FRAMES
