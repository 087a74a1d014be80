"""Does a subject's hearing move the lips rightly with other people's speech? Draws nothing; one JSON line.

    python benchmarks/cross_speaker.py SUBJECT [SOUND ...] [--audio mel] [--epochs 60]

Trains the hearing on the subject's training part, lets it hear every sound (by default those of ../shared/speech and
sample_data/speech, and the drives of tools/presenter/cast.py as their voices say them) as an avatar would, with the
gate, and compares the lips:

phonemes    where the sound was synthesised here: aperture against the opening that its phonemes ask for, at lag 0;
            chance is the 95th percentile over circular shifts
sync_ridge  elsewhere: the sync measure's correlation at lag 0 against its own null (the same sound, shifted far away)

agrees: above that null. amplitude: deviation of the aperture over that of the subject's own, tracked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

import numpy as np

from benchmarks.hearing import Ear
from pgstalker import landmarks as points
from pgstalker.audio import create_features, voice_gate
from pgstalker.audio.features import quiet_features
from pgstalker.audio.gate import rested
from pgstalker.audio.sync import sync_ridge
from pgstalker.devices import one_torch_thread
from pgstalker.errors import EnvironmentMissing
from pgstalker.measures import circular_shift_null, pearson
from pgstalker.media import read_audio
from pgstalker.models.config import TalkerConfig
from pgstalker.models.mouth_code import DEPTH_WEIGHT, MOUTH, MouthBasis
from pgstalker.subject import Subject
from pgstalker.training.hearing import train_hearing
from pgstalker.types import FPS, SAMPLE_RATE_HZ

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT.parent / "shared" / "speech", ROOT / "sample_data" / "speech")
LONGEST_S = 60


class Listener:
    """A subject's hearing, trained on its training part, and the lips that its codes mean."""

    def __init__(self, subject: Subject, audio: str, epochs: int, seed: int = 0):
        config = TalkerConfig(subject.size, subject.camera.focal_px, audio=audio)
        tracks, train = subject.tracks, subject.train_frames
        samples = subject.read_audio()[: train * SAMPLE_RATE_HZ // FPS]
        self.features = create_features(audio)
        self.basis = MouthBasis.fit(tracks.landmarks_px[:train][tracks.valid[:train]], config.code_size)
        codes = self.basis.encode(tracks.landmarks_px[:train])
        valid = tracks.valid[:train]
        hearing = train_hearing(self.features, samples, codes, config, epochs, seed, valid=valid)
        self.trained = self.features.measure(samples)
        self.ear = Ear(hearing, codes, config.attention_frames)
        self.own_deviation = float(self.basis.aperture[1])

    def lips(self, samples: np.ndarray, frames: int) -> np.ndarray:
        """Opening, width and jaw [frames, 3] that an avatar driven by this sound would have."""
        heard = self.ear(self.features.extract(samples, frames, self.features.adapt(samples, self.trained)))
        rest = self.ear(quiet_features(self.features, self.trained))[0]
        return lips_of(self.basis, rested(heard, rest, voice_gate(samples, frames)))


def lips_of(basis: MouthBasis, codes: np.ndarray) -> np.ndarray:
    """Codes [T, C] -> aperture (share of the eyes' distance), width and chin's height (px of the mean head) [T, 3]."""
    aperture = codes[:, 0] * basis.aperture[1] + basis.aperture[0]
    shape = (basis.mean + (codes[:, 1:] * basis.scale) @ basis.axes).reshape(len(codes), len(MOUTH), 3)
    shape[..., 2] /= DEPTH_WEIGHT
    left, right = (shape[:, MOUTH.index(corner)] for corner in points.MOUTH_CORNERS)
    chin = shape[:, MOUTH.index(points.NOSE_BRIDGE_TO_CHIN[1])]
    return np.stack([aperture, np.linalg.norm(left - right, axis=1), chin[:, 1]], 1)


def sounds(paths: list[Path]) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """(name, samples, opening [T] that the phonemes ask for, None where they are unknown)."""
    for path in paths or sorted(file for folder in FOLDERS for file in folder.glob("*.wav")):
        yield path.name, read_audio(path, SAMPLE_RATE_HZ)[: LONGEST_S * SAMPLE_RATE_HZ], None
    if not paths:
        yield from drives()


def drives() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The drives of the presenters; none, said on stderr, where a voice is not installed."""
    from tools.presenter.cast import DRIVES, script
    from tools.presenter.performance import enact
    from tools.voices import speak

    for name, drive in DRIVES.items():
        try:
            said = speak(script(f"drive_{name}"), drive.voice, rate=drive.rate, pitch=drive.pitch)
        except EnvironmentMissing as missing:
            print(f"without {name}: {missing}", file=sys.stderr)
            continue
        performance = enact(said.samples, said.phones, seed=0)
        yield f"drive {name}", performance.samples, performance.lip_gap_cm()


def row(listener: Listener, samples: np.ndarray, gap: np.ndarray | None) -> dict:
    """One sound's figures."""
    frames = len(samples) * FPS // SAMPLE_RATE_HZ if gap is None else len(gap)
    lips = listener.lips(samples, frames)
    found = sync_ridge(samples, lips)
    if gap is None:
        r, null = found.at_zero, found.null_at_zero
    else:
        r, null = pearson(lips[:, 0], gap), circular_shift_null(lips[:, 0], gap)
    return {
        "seconds": round(frames / FPS, 1),
        "reference": "sync_ridge" if gap is None else "phonemes",
        "r": round(r, 3),
        "null": round(null, 3),
        "agrees": bool(r > null),
        "lag_frames": found.lag_frames,
        "amplitude": round(float(lips[:, 0].std()) / listener.own_deviation, 2),
    }


@one_torch_thread()
def measure(subject: Subject, audio: str, epochs: int, paths: list[Path]) -> dict:
    listener = Listener(subject, audio, epochs)
    table = {name: row(listener, samples, gap) for name, samples, gap in sounds(paths)}
    share = float(np.mean([one["agrees"] for one in table.values()])) if table else 0.0
    return {"agree_share": round(share, 3), "sounds": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("subject", type=Path)
    parser.add_argument("sounds", type=Path, nargs="*")
    parser.add_argument("--audio", default="mel")
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    subject = Subject.load(arguments.subject)
    result = {"clip": arguments.subject.stem, "audio": arguments.audio, "epochs": arguments.epochs}
    print(json.dumps(result | measure(subject, arguments.audio, arguments.epochs, arguments.sounds)))


if __name__ == "__main__":
    main()
