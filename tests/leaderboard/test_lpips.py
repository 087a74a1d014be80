"""LPIPS in the real file format with seeded random weights, and without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from leaderboard.metrics.lpips import METRIC
from leaderboard.scoring import ScoreRequest, score
from pgstalker.errors import WeightsError
from pgstalker.training.perceptual import BACKBONE
from tests.leaderboard.drawn import run


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A folder with AlexNet's file, random inside."""
    return random_backbone(tmp_path_factory.mktemp("weights"))


def random_backbone(folder: Path) -> Path:
    from pgstalker.torch_compat import load_torchvision

    torch.manual_seed(0)
    torch.save(load_torchvision().models.AlexNet().state_dict(), folder / BACKBONE)
    return folder


def test_the_value_is_that_of_the_lpips_package(backbone, faces, case_of):
    import lpips

    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = torch.load(backbone / BACKBONE, weights_only=True)
    with torch.no_grad():
        for name, parameter in reference.net.named_parameters():
            parameter.copy_(state[f"features.{name.split('.', 1)[1]}"])
    frames = np.clip(faces[:6].astype(int) + 20, 0, 255).astype(np.uint8)
    case = case_of(frames, faces[:6], weights=backbone)
    readings = run(METRIC, case, frames, faces[:6])
    planes = [torch.from_numpy(p[[0, 5]].transpose(0, 3, 1, 2) / 127.5 - 1).float() for p in (frames, faces[:6])]
    with torch.no_grad():
        expected = reference(*planes).squeeze()
    np.testing.assert_allclose(readings["lpips"].per_frame, expected.numpy(), atol=1e-6)
    assert readings["lpips"].stride == 5 and readings["lpips"].n == 2
    assert readings["lpips"].details["is_published_file"] is False

    assert readings["lpips_face"].value > 0


def test_the_truth_is_nought_and_damage_is_more(backbone, faces, case_of):
    case = case_of(faces[:6], faces[:6], weights=backbone)
    assert run(METRIC, case, faces[:6], faces[:6])["lpips"].value == 0
    rng = np.random.default_rng(0)
    values = []
    for noise in (5, 20):
        frames = np.clip(faces[:6] + rng.normal(0, noise, faces[:6].shape), 0, 255).astype(np.uint8)
        values.append(run(METRIC, case, frames, faces[:6])["lpips"].value)
    assert 0 < values[0] < values[1]


def test_missing_weights_are_said_with_the_place(faces, case_of):
    with pytest.raises(
        WeightsError, match=rf"{BACKBONE} is not at hand; fetch it from https.* and put it into the folder that"
    ):
        METRIC.begin(case_of(faces[:2], faces[:2]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:7be5\n",
        [1, 2],
        {"a": 1},
    ],
)
def test_a_damaged_file_is_said_and_leaves_the_cell_blank(content, faces, case_of, write, eyes, tmp_path):
    if isinstance(content, bytes):
        (tmp_path / BACKBONE).write_bytes(content)
    else:
        torch.save(content, tmp_path / BACKBONE)
    with pytest.raises(WeightsError, match=rf"^[^\n]*is not AlexNet's {BACKBONE} .* fetch it again from https[^\n]*$"):
        METRIC.begin(case_of(faces[:2], faces[:2], weights=tmp_path))
    video = write("talk.mkv", faces[:2])
    cells = score(ScoreRequest(video, video, metrics=("psnr", "lpips"), weights=tmp_path), observer=eyes)["metrics"]
    assert cells["lpips"]["status"] == "weights_missing" and "fetch it again" in cells["lpips"]["reason"]
    assert cells["psnr"]["status"] == "ok"


def test_weights_are_found_where_torch_keeps_them(backbone, faces, case_of, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / BACKBONE).write_bytes((backbone / BACKBONE).read_bytes())
    assert METRIC.begin(case_of(faces[:2], faces[:2]))
