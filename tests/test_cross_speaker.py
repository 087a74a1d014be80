"""The cross-speaker table: codes are the lips they came from; a sound agrees with itself and not with noise."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import cross_speaker
from pgstalker.measures import jaw_opening, lip_aperture, mouth_width, pearson
from pgstalker.models.mouth_code import MouthBasis
from tests.audio.test_sync import synthetic
from tests.models.faces import talking


def test_codes_are_the_lips_they_came_from():
    landmarks, _ = talking(80)
    basis = MouthBasis.fit(landmarks, 6)
    lips = cross_speaker.lips_of(basis, basis.encode(landmarks))
    for index, measure in enumerate((lip_aperture, mouth_width, jaw_opening)):
        assert pearson(lips[:, index], measure(landmarks)) > 0.98


class Parrot:
    """A listener whose lips are given."""

    own_deviation = 1.0

    def __init__(self, lips: np.ndarray):
        self._lips = lips

    def lips(self, samples: np.ndarray, frames: int) -> np.ndarray:
        return self._lips[:frames]


@pytest.mark.parametrize("reference", ["sync_ridge", "phonemes"])
def test_right_lips_agree_and_others_do_not(reference):
    samples, mouth = synthetic()
    gap = mouth[:, 0] if reference == "phonemes" else None
    right = cross_speaker.row(Parrot(mouth), samples, gap)
    assert right["agrees"] and right["reference"] == reference and right["lag_frames"] == 0
    assert right["amplitude"] == pytest.approx(mouth[:, 0].std(), abs=0.01)
    assert not cross_speaker.row(Parrot(np.roll(mouth, 9, 0)), samples, gap)["agrees"]


def test_the_program_prints_one_line(tmp_path, monkeypatch, capsys):
    from pgstalker.media import write_wav
    from pgstalker.synthetic import make_subject

    folder = make_subject(tmp_path / "toon", seconds=6.0, size=64, seed=3)
    write_wav(tmp_path / "said.wav", synthetic(100)[0], 16000)
    arguments = [str(folder), str(tmp_path / "said.wav"), "--audio", "mel", "--epochs", "2"]
    monkeypatch.setattr("sys.argv", ["cross_speaker.py", *arguments])
    cross_speaker.main()
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert set(report["sounds"]) == {"said.wav"} and 0 <= report["agree_share"] <= 1
    assert report["sounds"]["said.wav"]["reference"] == "sync_ridge"
